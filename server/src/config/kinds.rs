//! Arrays whose tables are each of a kind that has settings of its own: `[[sources]]` and `[[channels]]`.

use event::Diagnostic;
use toml_edit::{Item, Table};

use super::entry::{Entry, Schema, Values};
use super::key::Key;
use super::load::{Origin, Place, nearest};
use super::value::Value;

/// A kind of such a table.
pub(crate) trait TableKind: 'static {
    /// What a table says to be of it.
    fn name(&self) -> &'static str;
    /// What it is, a sentence.
    fn doc(&self) -> &'static str;
    /// Its settings besides those of every kind; one without default must be set. It may give one of those
    /// another default.
    fn keys(&self) -> &'static [Key];
}

/// The kinds of an array's tables.
#[derive(Debug)]
pub(crate) struct Kinds<K: TableKind> {
    /// `sources`
    pub(super) array: &'static str,
    /// What a table describes: `source`.
    pub(super) thing: &'static str,
    /// The setting that names the kind: `type`.
    pub(super) named_by: &'static str,
    /// The settings of every kind.
    pub(super) common: &'static [Key],
    /// The kinds.
    pub(super) all: &'static [&'static K],
}

impl<K: TableKind> Kinds<K> {
    /// The settings of a kind: the common ones, and its own.
    pub(crate) fn settings(&self, kind: &K) -> impl Iterator<Item = &'static Key> + use<K> {
        let own = kind.keys();
        self.common.iter().filter(|common| own.iter().all(|key| key.path != common.path)).chain(own)
    }

    /// What a table of a kind may say.
    pub(super) fn schema(&self, kind: &K) -> Schema {
        Schema {
            array: self.array,
            thing: self.thing,
            owner: format!("a `{}` {}", kind.name(), self.thing),
            keys: self.settings(kind).collect(),
            below: None,
        }
    }

    /// Reads a table: its kind, and the settings of that. `None` where there is no such kind, which has been told.
    pub(super) fn read<'a>(
        &self,
        place: &'a Place<'a>,
        table: &'a Table,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<(&'static K, Entry<'a>)> {
        let (thing, named_by) = (self.thing, self.named_by);
        let wanted = table.get(named_by).and_then(Item::as_str).unwrap_or_default();
        if let Some(kind) = self.all.iter().copied().find(|kind| kind.name() == wanted) {
            return Some((kind, Entry::read(place, self.schema(kind), table, &Values::new(), problems)));
        }
        let names: Vec<_> = self.all.iter().map(|kind| kind.name().to_owned()).collect();
        let mend = match nearest(wanted, names.iter().cloned()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("use one of {}", names.join(", ")),
        };
        let problem = match wanted {
            "" => format!("a {thing} needs a {named_by}"),
            wanted => format!("there is no {thing} of the {named_by} `{wanted}`"),
        };
        let whole = table.span().map_or(0, |span| span.start);
        let at = table.get(named_by).and_then(Item::span).map_or(whole, |span| span.start);
        problems.push(place.problem(at, &format!("{}.{named_by}", self.array), problem, mend));
        None
    }

    /// Each setting of a table with its value and where that comes from, in the order of the reference.
    pub(super) fn shown<'v>(
        &self,
        kind: &K,
        values: &'v Values,
    ) -> impl Iterator<Item = (&'static str, &'v Value, &'v Origin)> + use<'v, K> {
        let values = self.settings(kind).filter_map(|key| values.get_key_value(key.path));
        values.map(|(name, (value, origin))| (*name, value, origin))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{channels, sources};

    fn check<K: TableKind>(kinds: &Kinds<K>) {
        for kind in kinds.all {
            let (name, schema) = (kind.name(), kinds.schema(kind));
            let with_default = schema.keys.iter().filter(|key| !key.default.is_empty()).count();
            assert_eq!(schema.defaults().len(), with_default, "{name}");
            let names: BTreeSet<_> = schema.keys.iter().map(|key| key.path).collect();
            assert_eq!(names.len(), schema.keys.len(), "{name} has a setting twice");
        }
        let names: BTreeSet<_> = kinds.all.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), kinds.all.len());
    }

    #[test]
    fn every_default_of_every_kind_reads() {
        check(&sources::SOURCES);
        check(&channels::CHANNELS);
    }
}
