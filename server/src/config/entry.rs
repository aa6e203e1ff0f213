//! A table of an array, such as one of `[[sources]]`: the settings that it may have, those that it has, and what
//! is wrong with each by itself.

use std::collections::BTreeMap;

use event::Diagnostic;
use toml_edit::{Item, Table};

use super::Getter;
use super::key::Key;
use super::load::{Origin, Place, nearest};
use super::value::{Value, from_toml};
use crate::api::source_id;

/// Settings with their values, each with where that comes from.
pub(super) type Values = BTreeMap<&'static str, (Value, Origin)>;

/// What a table of an array may say.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    /// `notify.routes`
    pub(super) array: &'static str,
    /// What a table describes: `route`.
    pub(super) thing: &'static str,
    /// Whose settings these are: `a route`.
    pub(super) owner: String,
    /// One without default must be set.
    pub(super) keys: Vec<&'static Key>,
    /// An array of tables below it that is read elsewhere.
    pub(super) below: Option<&'static str>,
}

impl Schema {
    /// Of things that all have the same settings.
    pub(super) fn of(array: &'static str, thing: &'static str, keys: &'static [Key]) -> Self {
        Self { array, thing, owner: format!("a {thing}"), keys: keys.iter().collect(), below: None }
    }

    /// Every setting that has a default, with it.
    pub(super) fn defaults(&self) -> Values {
        let with_default = self.keys.iter().filter_map(|key| {
            let value: toml_edit::Value = key.default.parse().ok()?;
            Some((key.path, (from_toml(key, &value)?, Origin::Default)))
        });
        with_default.collect()
    }
}

/// A table, as far as its settings read.
pub(super) struct Entry<'a> {
    place: &'a Place<'a>,
    schema: Schema,
    table: &'a Table,
    pub(super) values: Values,
}

impl<'a> Entry<'a> {
    /// Reads the settings of a table; what it does not set is taken from `above` where that has it, and else is
    /// the default.
    pub(super) fn read(
        place: &'a Place<'a>,
        schema: Schema,
        table: &'a Table,
        above: &Values,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut values = schema.defaults();
        values.extend(above.iter().map(|(name, value)| (*name, value.clone())));
        let mut entry = Self { place, schema, table, values };
        for (name, item) in table.iter() {
            if entry.schema.below == Some(name) && item.is_array_of_tables() {
                continue;
            }
            match entry.schema.keys.iter().find(|key| key.path == name) {
                Some(key) => entry.read_value(key, item, problems),
                None => entry.refuse_unknown(name, problems),
            }
        }
        let missing = entry.schema.keys.iter().filter(|key| key.default.is_empty());
        for key in missing.filter(|key| !table.contains_key(key.path)) {
            // An example of the type says nothing of this setting; its own words do.
            let meaning = key.doc.split_once(". ").map_or(key.doc, |(first, _)| first);
            let mend = format!("set it: {}", meaning.trim_end_matches('.'));
            entry.refuse(key.path, format!("{} needs it", entry.schema.owner), &mend, problems);
        }
        entry
    }

    fn read_value(&mut self, key: &'static Key, item: &Item, problems: &mut Vec<Diagnostic>) {
        if let Some(value) = item.as_value().and_then(|value| from_toml(key, value)) {
            let line = self.place.line_column(self.at(key.path)).0;
            self.values.insert(key.path, (value, Origin::File { line }));
            return;
        }
        let problem = key.refusal(item.to_string().trim());
        let mend = match key.default {
            "" => "it has no default".to_owned(),
            default => format!("the default is {default}"),
        };
        self.refuse(key.path, problem, &mend, problems);
    }

    fn refuse_unknown(&self, name: &str, problems: &mut Vec<Diagnostic>) {
        let at = self.table.key(name).and_then(|key| key.span()).map_or(self.at(""), |span| span.start);
        let mend = match nearest(name, self.schema.keys.iter().map(|key| key.path.to_owned())) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "`stormglass config reference` lists all".into(),
        };
        let problem = format!("{} has no such setting", self.schema.owner);
        problems.push(self.place.problem(at, &format!("{}.{name}", self.schema.array), problem, mend));
    }

    /// Where the value of a setting lies in the text; where it is not set, the table.
    fn at(&self, field: &str) -> usize {
        let whole = self.table.span().map_or(0, |span| span.start);
        self.table.get(field).and_then(Item::span).map_or(whole, |span| span.start)
    }

    /// Tells that something is wrong with a setting.
    pub(super) fn refuse(&self, field: &str, problem: String, mend: &str, problems: &mut Vec<Diagnostic>) {
        let path = format!("{}.{field}", self.schema.array);
        problems.push(self.place.problem(self.at(field), &path, problem, mend.into()));
    }

    /// Whether the table itself sets it.
    pub(super) fn sets(&self, field: &str) -> bool {
        self.table.contains_key(field)
    }

    /// The name: 1 to 64 of a-z, 0-9, `.`, `_`, `-`, and none of those `taken`. `None` where there is none that
    /// could be used, which has been told.
    pub(super) fn name<'n>(
        &self,
        mut taken: impl Iterator<Item = &'n str>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let name = self.text("name");
        if let Err(problem) = source_id(&name) {
            if self.sets("name") {
                self.refuse("name", problem, "rename it", problems);
            }
            return None;
        }
        if taken.any(|taken| taken == name) {
            let problem = format!("there are two {}s called `{name}`", self.schema.thing);
            self.refuse("name", problem, "rename one", problems);
        }
        Some(name)
    }

    /// The values.
    pub(super) fn get(&self) -> Getter<'_> {
        Getter(&self.values)
    }

    /// A text without blanks around it.
    pub(super) fn text(&self, field: &str) -> String {
        self.get().text(field).trim().to_owned()
    }

    /// A list of such.
    pub(super) fn texts(&self, field: &str) -> Vec<String> {
        self.get().texts(field).iter().map(|text| text.trim().to_owned()).collect()
    }
}
