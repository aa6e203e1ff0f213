//! A filter, as written: what is to be left out of rules, kept apart from them (Sigma Filters specification
//! 2.1.0).

use super::detection::{self, Detection};
use super::head::{self, Head, Of};
use super::rule::{Logsource, logsource};
use super::yaml::{Kind, Node, Placed};
use crate::report::Report;

/// A filter, parsed. It is joined to each of its rules with `and`: to exclude, its condition says `not`.
#[derive(Debug, Clone)]
pub(crate) struct FilterRule {
    pub(crate) head: Head,
    pub(crate) logsource: Placed<Logsource>,
    /// Names or ids; empty for every rule of the log source.
    pub(crate) rules: Vec<Placed<String>>,
    pub(crate) detection: Detection,
}

impl FilterRule {
    /// Whether the filter is for rules of that log source: every part that it names must be equal.
    pub(crate) fn covers(&self, other: &Logsource) -> bool {
        let own = &self.logsource.value;
        let agree = |own: &Option<String>, other: &Option<String>| own.is_none() || own == other;
        agree(&own.product, &other.product)
            && agree(&own.service, &other.service)
            && agree(&own.category, &other.category)
    }
}

/// Reads a filter document; `None` if it must be refused, and the report says why.
pub(crate) fn read(document: &Node, report: &mut Report) -> Option<FilterRule> {
    let before = report.errors();
    head::check_taxonomy(document, report);
    let head = head::read(document, Of::Filter, report);
    let logsource = head::required(document, "logsource", report).and_then(|node| logsource(node, report));
    let node = head::required(document, "filter", report)?;
    let Some(entries) = node.as_map() else {
        report.error(node.at, "filter", format!("`filter` is {}, not a map", node.what()), "");
        return None;
    };
    // What is left is a detection of its own.
    let searches = entries.iter().filter(|(key, _)| key.value != "rules").cloned().collect();
    let detection = detection::read(&Node { at: node.at, kind: Kind::Map(searches) }, report);
    let filter =
        FilterRule { head: head?, logsource: logsource?, rules: rules(node, report), detection: detection? };
    (report.errors() == before).then_some(filter)
}

/// `any` and an empty list mean every rule.
fn rules(node: &Node, report: &mut Report) -> Vec<Placed<String>> {
    let Some(found) = node.get("rules") else {
        let mend = "name rules by `name` or `id`, or write `any`";
        report.error(node.at, "filter.rules", "a filter must say which rules it is for", mend);
        return Vec::new();
    };
    let members = found.as_list().unwrap_or(std::slice::from_ref(found));
    let named = members.iter().filter_map(|node| Some(Placed { at: node.at, value: node.text()? }));
    named.filter(|name| name.value != "any").collect()
}
