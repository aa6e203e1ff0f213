//! Field mappings, which are data: what a log source's field names mean in our columns and in its records.
//!
//! A mapping is a YAML file:
//!
//! ```yaml
//! logsources:                 # the first one is its name; rules for any of them are read by it
//!   - {product: aws, service: cloudtrail}
//! log_types: [aws_cloudtrail] # none: a log that Stormglass does not read yet
//! product_alone: true         # whether a rule that names the product and nothing else is read by it
//! ignore_case: false          # whether paths in records ignore the case of names
//! roots: []                   # objects in which a field may also lie
//! members: [userIdentity, tlsDetails.tlsVersion]  # known members of a record, for hints about slips
//! slips: {Initiatied.By: initiatedBy}  # names that published rules misspell: read as what is meant, and told
//! columns: false              # whether rules name columns and hardly anything else
//! fields:                     # a column that holds the native value verbatim, or a path in the record;
//!   eventName: api_operation  # of a list, the first that has a value counts
//!   sourceIPAddress: [src_endpoint_ip, $.sourceIPAddress]
//!   Status: {any: [$.Status, status]}  # the values of all places count
//! prefixes:                   # the same for a field and all that lies in it
//!   requestParameters: api_request_data
//! ```
//!
//! Names are looked up as written, then without case, then as OCSF attributes; what is still unknown is a
//! path in the record.

mod field;

use std::collections::HashMap;

use event::{Diagnostic, LogType};

pub(crate) use field::{Field, Path, Place};

use crate::nearest::{did_you_mean, is_slip};
use crate::report::Report;
use crate::sigma::rule::Logsource;
use crate::sigma::yaml::{self, Node, Placed};
use crate::source::RuleSource;

/// The field mappings of all known log sources.
#[derive(Debug, Clone, Default)]
pub struct Mappings {
    mappings: Vec<Mapping>,
}

/// What is known of one log source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mapping {
    logsources: Vec<Logsource>,
    pub(crate) log_types: Vec<LogType>,
    /// Rules that name the product alone are for other logs of it.
    named_only: bool,
    ignore_case: bool,
    roots: Vec<String>,
    members: Vec<String>,
    /// Misspelled names in lower case, and what is meant.
    slips: HashMap<String, String>,
    /// Rules name columns and hardly anything else.
    columns: bool,
    /// As written.
    fields: HashMap<String, Field>,
    /// In lower case.
    folded_fields: HashMap<String, Field>,
    prefixes: Vec<(String, Place)>,
}

/// What a name in a rule means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) field: Field,
    /// Whether such records are known to have the field.
    pub(crate) known: bool,
}

impl Mappings {
    /// Reads mapping files.
    pub fn parse(sources: &[RuleSource]) -> (Self, Vec<Diagnostic>) {
        let mut mappings = Vec::new();
        let mut diagnostics = Vec::new();
        for source in sources {
            let mut report = Report::new(&source.path);
            for document in yaml::documents(&source.text) {
                match document {
                    Ok(node) => mappings.push(read(&node, &mut report)),
                    Err(error) => report.error(error.at, "", error.problem, error.mend),
                }
            }
            diagnostics.extend(report.into_diagnostics());
        }
        (Self { mappings }, diagnostics)
    }

    /// The mappings that come with Stormglass.
    pub fn shipped() -> Self {
        Self::parse(&crate::content::mappings()).0
    }

    /// The mappings by which a rule of that log source is read; none if the source is unknown.
    pub(crate) fn of(&self, logsource: &Logsource) -> Vec<&Mapping> {
        self.mappings.iter().filter(|mapping| mapping.reads(logsource)).collect()
    }

    /// The log sources that are known, for hints.
    pub(crate) fn logsources(&self) -> impl Iterator<Item = &Logsource> {
        self.mappings.iter().flat_map(|mapping| &mapping.logsources)
    }

    /// The mappings that name a field, or the member of a record that it lies in.
    pub(crate) fn having<'n>(&'n self, field: &'n str) -> impl Iterator<Item = &'n Mapping> {
        self.mappings.iter().filter(|mapping| !mapping.members.is_empty() && mapping.has_name(field))
    }
}

impl Mapping {
    /// The log source that it is named by.
    pub(crate) fn logsource(&self) -> Logsource {
        self.logsources.first().cloned().unwrap_or_default()
    }

    /// Whether the name is only another name of the log source, beside Sigma's taxonomy.
    pub(crate) fn is_alias(&self, logsource: &Logsource) -> bool {
        self.logsources.first().is_some_and(|canonical| !agree(canonical, logsource))
    }

    fn reads(&self, logsource: &Logsource) -> bool {
        let reads = |own: &Logsource| agree(own, logsource) && (!self.named_only || is_named(own, logsource));
        self.logsources.iter().any(reads)
    }

    /// What a rule's field means.
    pub(crate) fn resolve(&self, name: &str) -> Resolved {
        if let Some(meant) = self.misspelled(name) {
            return self.resolve(&meant);
        }
        let known = |field: Field| Resolved { field, known: true };
        if let Some(field) = self.fields.get(name) {
            return known(field.clone());
        }
        if let Some(place) = self.by_prefix(name, |a, b| a == b) {
            return known(Field::at(place));
        }
        if let Some(field) = self.folded_fields.get(&name.to_lowercase()) {
            return known(field.clone());
        }
        if let Some(place) = self.by_prefix(name, |a, b| a.eq_ignore_ascii_case(b)) {
            return known(Field::at(place));
        }
        if let Some(place) = Place::ocsf(name) {
            return known(Field::at(place));
        }
        Resolved { field: self.record_path(name), known: self.has_member(name) }
    }

    /// What a name that published rules misspell, or one below it, is meant to be.
    pub(crate) fn misspelled(&self, name: &str) -> Option<String> {
        if self.slips.is_empty() {
            return None;
        }
        let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
        let mut meant = ends.filter_map(|end| {
            let (head, rest) = name.split_at_checked(end)?;
            Some(format!("{}{rest}", self.slips.get(&head.to_lowercase())?))
        });
        meant.next_back().filter(|meant| meant != name)
    }

    /// The known name that a name is but for the case of its letters, where no record writes it so: the first letter
    /// of a word is large or small by the way in which the log arrives.
    pub(crate) fn in_no_case(&self, name: &str) -> Option<&str> {
        let is_written = |known: &str| {
            let mut words = known.split('.').zip(name.split('.'));
            words.all(|(known, name)| known.get(1..) == name.get(1..))
        };
        let mut alike = self.names().filter(|known| known.eq_ignore_ascii_case(name));
        let known = alike.next()?;
        (!is_written(known) && !alike.any(is_written)).then_some(known)
    }

    /// The known name that a name is likely a slip of the pen for: one of its words is nearly the other's, and
    /// all others are equal. Only names are asked that are nothing but a path in the record.
    pub(crate) fn slip_of(&self, name: &str) -> Option<&str> {
        if self.members.is_empty() && !self.columns {
            return None;
        }
        let is_known = |known: &str| known.eq_ignore_ascii_case(name);
        if self.known_names().any(is_known) || Place::ocsf(name).is_some() {
            return None;
        }
        // Of a column's two spellings, the one in which the rule writes.
        let dots = |name: &str| name.matches('.').count();
        let slips = self.known_names().filter(|known| is_slip_in_one_word(name, known));
        slips.min_by_key(|known| (dots(known).abs_diff(dots(name)), *known))
    }

    /// The names that a rule can use, columns included where rules name these.
    fn known_names(&self) -> impl Iterator<Item = &str> {
        let columns = event::COLUMNS.iter().filter(|_| self.columns);
        self.names().chain(columns.flat_map(|column| [column.name, column.ocsf]))
    }

    fn by_prefix(&self, name: &str, same: impl Fn(&str, &str) -> bool) -> Option<Place> {
        self.prefixes.iter().find_map(|(prefix, place)| {
            let head = name.get(..prefix.len()).filter(|head| same(head, prefix))?;
            match name.get(head.len()..)?.strip_prefix('.') {
                Some(rest) => Some(place.descend(rest, self.ignore_case)),
                None => (name.len() == prefix.len()).then(|| place.clone()),
            }
        })
    }

    /// Whether the mapping knows something of what lies within the object that a path begins with. Of an
    /// object that is only known to be there, any path might be read, and nothing follows.
    pub(crate) fn knows_within(&self, path: &str) -> bool {
        let head = path.split('.').next().unwrap_or_default();
        let lies_within =
            |name: &str| name.split_once('.').is_some_and(|(first, _)| first.eq_ignore_ascii_case(head));
        let in_column = |(prefix, place): &(String, Place)| {
            prefix.eq_ignore_ascii_case(head) && place.col != event::Col::RawData
        };
        self.names().any(lies_within) || self.prefixes.iter().any(in_column) || Place::ocsf(path).is_some()
    }

    /// The name as a path in the record, and within the roots.
    fn record_path(&self, name: &str) -> Field {
        let mut places = vec![Place::record(name, self.ignore_case)];
        for root in &self.roots {
            let inside = name.get(..root.len()).is_some_and(|head| head.eq_ignore_ascii_case(root));
            match name.get(root.len()..).and_then(|rest| rest.strip_prefix('.')).filter(|_| inside) {
                Some(rest) => places.push(Place::record(rest, self.ignore_case)),
                None => places.push(Place::record(&format!("{root}.{name}"), self.ignore_case)),
            }
        }
        Field { union: false, places }
    }

    /// Whether the case of names in records does not count.
    pub(crate) fn ignores_case(&self) -> bool {
        self.ignore_case
    }

    fn has_name(&self, name: &str) -> bool {
        self.fields.contains_key(name)
            || self.folded_fields.contains_key(&name.to_lowercase())
            || self.has_member(name)
    }

    fn has_member(&self, name: &str) -> bool {
        let rooted = |name: &str| {
            let head = name.split(['.', '[', '{']).next().unwrap_or_default();
            let known = self.members.iter().chain(&self.roots).map(String::as_str);
            let prefixes = self.prefixes.iter().map(|(prefix, _)| prefix.as_str());
            known.chain(prefixes).any(|member| match self.ignore_case {
                true => member.eq_ignore_ascii_case(head),
                false => member == head,
            })
        };
        self.members.is_empty() || rooted(name)
    }

    /// The names that a rule can use, for hints.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let prefixes = self.prefixes.iter().map(|(prefix, _)| prefix);
        self.fields.keys().chain(prefixes).chain(&self.members).map(String::as_str)
    }
}

fn is_slip_in_one_word(written: &str, known: &str) -> bool {
    let words = |name: &'_ str| name.split(['.', '_']).map(str::to_owned).collect::<Vec<_>>();
    let (written, known) = (words(written), words(known));
    if written.len() != known.len() {
        return false;
    }
    let mut others = written.iter().zip(&known).filter(|(own, other)| !own.eq_ignore_ascii_case(other));
    match (others.next(), others.next()) {
        (Some((own, other)), None) => is_slip(own, other),
        _ => false,
    }
}

/// Whether two log sources agree in every part that both give, and both give one.
fn agree(own: &Logsource, other: &Logsource) -> bool {
    let pairs =
        [(&own.product, &other.product), (&own.service, &other.service), (&own.category, &other.category)];
    let mut shared = false;
    for (own, other) in pairs {
        match (own, other) {
            (Some(own), Some(other)) if own == other => shared = true,
            (Some(_), Some(_)) => return false,
            _ => {}
        }
    }
    shared
}

/// Whether they share more than the product.
fn is_named(own: &Logsource, other: &Logsource) -> bool {
    let shared = |own: &Option<String>, other: &Option<String>| own.is_some() && own == other;
    shared(&own.service, &other.service) || shared(&own.category, &other.category)
}

// ---------------------------------------------------------------------------------------------

fn read(node: &Node, report: &mut Report) -> Mapping {
    // Paths depend on it, wherever it stands.
    let ignore_case = node.get("ignore_case").and_then(Node::text).as_deref() == Some("true");
    let mut mapping = Mapping { ignore_case, ..Mapping::default() };
    for (key, value) in node.as_map().unwrap_or_default() {
        match key.value.as_str() {
            "logsources" => mapping.logsources = logsources(value, report),
            "log_types" => mapping.log_types = log_types(value, report),
            "product_alone" => mapping.named_only = value.text().as_deref() == Some("false"),
            "ignore_case" => {}
            "roots" => mapping.roots = texts(value),
            "members" => mapping.members = texts(value),
            "slips" => mapping.slips = slips(value),
            "columns" => mapping.columns = value.text().as_deref() == Some("true"),
            "fields" => read_fields(value, &mut mapping, report),
            "prefixes" => read_prefixes(value, &mut mapping, report),
            name => {
                let known = [
                    "logsources",
                    "log_types",
                    "product_alone",
                    "ignore_case",
                    "roots",
                    "members",
                    "slips",
                    "columns",
                    "fields",
                    "prefixes",
                ];
                report.error(key.at, name, "unknown key", did_you_mean(name, known, "remove it"));
            }
        }
    }
    if mapping.logsources.is_empty() {
        report.error(node.at, "logsources", "a mapping must name its log source", "");
    }
    mapping
}

fn texts(node: &Node) -> Vec<String> {
    node.as_list().unwrap_or_default().iter().filter_map(Node::text).collect()
}

fn slips(node: &Node) -> HashMap<String, String> {
    let entries = node.as_map().unwrap_or_default();
    entries.iter().filter_map(|(name, meant)| Some((name.value.to_lowercase(), meant.text()?))).collect()
}

fn logsources(node: &Node, report: &mut Report) -> Vec<Logsource> {
    let mut logsources = Vec::new();
    for member in node.as_list().unwrap_or_default() {
        let part = |key: &str| member.get(key).and_then(Node::text);
        let logsource =
            Logsource { product: part("product"), service: part("service"), category: part("category") };
        if logsource == Logsource::default() {
            report.error(
                member.at,
                "logsources",
                "a log source needs `product`, `service` or `category`",
                "",
            );
        } else {
            logsources.push(logsource);
        }
    }
    logsources
}

fn log_types(node: &Node, report: &mut Report) -> Vec<LogType> {
    let mut log_types = Vec::new();
    for name in texts(node) {
        match name.parse() {
            Ok(log_type) => log_types.push(log_type),
            Err(problem) => report.error(node.at, "log_types", problem, ""),
        }
    }
    log_types
}

fn read_fields(node: &Node, mapping: &mut Mapping, report: &mut Report) {
    for (name, value) in node.as_map().unwrap_or_default() {
        let Some(field) = field(name, value, mapping.ignore_case, report) else { continue };
        mapping.folded_fields.insert(name.value.to_lowercase(), field.clone());
        mapping.fields.insert(name.value.clone(), field);
    }
}

fn field(name: &Placed<String>, value: &Node, ignore_case: bool, report: &mut Report) -> Option<Field> {
    let (union, places) = match value.get("any") {
        Some(any) => (true, any),
        None => (false, value),
    };
    let places = places.as_list().unwrap_or(std::slice::from_ref(places));
    let places =
        places.iter().map(|node| place(name, node, ignore_case, report)).collect::<Option<Vec<_>>>()?;
    Some(Field { union, places })
}

fn read_prefixes(node: &Node, mapping: &mut Mapping, report: &mut Report) {
    for (name, value) in node.as_map().unwrap_or_default() {
        if let Some(place) = place(name, value, mapping.ignore_case, report) {
            mapping.prefixes.push((name.value.clone(), place));
        }
    }
    // `a.b` before `a`.
    mapping.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
}

fn place(name: &Placed<String>, node: &Node, ignore_case: bool, report: &mut Report) -> Option<Place> {
    let text = node.text().unwrap_or_default();
    let place = Place::parse(&text, ignore_case);
    if place.is_none() {
        let columns = event::COLUMNS.iter().map(|column| column.name);
        let mend = did_you_mean(&text, columns, "write a column's name, or `$.path` for the record");
        report.error(node.at, &name.value, format!("there is no column `{text}`"), mend);
    }
    place
}

#[cfg(test)]
mod tests;
