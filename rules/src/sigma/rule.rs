//! A rule over single events, as written.

use super::detection::{self, Detection};
use super::head::{self, Head, Of};
use super::yaml::{Node, Placed};
use crate::report::Report;

/// Where the events of a rule come from, as the rule says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Logsource {
    /// Such as `aws`.
    pub product: Option<String>,
    /// Such as `cloudtrail`.
    pub service: Option<String>,
    /// Such as `process_creation`.
    pub category: Option<String>,
}

impl std::fmt::Display for Logsource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [&self.product, &self.service, &self.category];
        let given: Vec<_> = parts.into_iter().filter_map(|part| part.as_deref()).collect();
        f.write_str(&given.join("/"))
    }
}

/// A Sigma rule, parsed and not yet understood.
#[derive(Debug, Clone)]
pub(crate) struct SigmaRule {
    pub(crate) head: Head,
    pub(crate) logsource: Placed<Logsource>,
    pub(crate) detection: Detection,
}

/// Reads a rule document; `None` if it must be refused, and the report says why.
pub(crate) fn read(document: &Node, report: &mut Report) -> Option<SigmaRule> {
    let before = report.errors();
    head::check_taxonomy(document, report);
    let head = head::read(document, Of::Rule, report);
    let logsource = head::required(document, "logsource", report).and_then(|node| logsource(node, report));
    let detection =
        head::required(document, "detection", report).and_then(|node| detection::read(node, report));
    let rule = SigmaRule { head: head?, logsource: logsource?, detection: detection? };
    (report.errors() == before).then_some(rule)
}

pub(crate) fn logsource(node: &Node, report: &mut Report) -> Option<Placed<Logsource>> {
    let Some(entries) = node.as_map() else {
        let problem = format!("`logsource` is {}, not a map", node.what());
        report.error(node.at, "logsource", problem, "give it `product`, `service` or `category`");
        return None;
    };
    let mut logsource = Logsource::default();
    for (key, value) in entries {
        let slot = match key.value.as_str() {
            "product" => &mut logsource.product,
            "service" => &mut logsource.service,
            "category" => &mut logsource.category,
            _ => continue,
        };
        *slot = value.text().map(|text| text.to_lowercase());
    }
    if logsource == Logsource::default() {
        let problem = "none of `product`, `service` and `category` is given";
        report.error(node.at, "logsource", problem, "say where the events come from");
        return None;
    }
    Some(Placed { at: node.at, value: logsource })
}
