//! What kind of Sigma document a YAML document is.

use super::correlation::{self, CorrelationRule};
use super::filter::{self, FilterRule};
use super::rule::{self, SigmaRule};
use super::yaml::{self, Node, Position, YamlError};
use crate::report::Report;

/// One document of a file.
#[derive(Debug)]
pub(crate) enum Document {
    /// A rule over single events.
    Rule(Box<SigmaRule>),
    /// A correlation of rules.
    Correlation(Box<CorrelationRule>),
    /// A filter on rules.
    Filter(Box<FilterRule>),
    /// Refused; the report says why.
    Refused,
}

/// Reads every document of a file. A document that is refused stops none of the others.
pub(crate) fn read_all(text: &str, report: &mut Report) -> Vec<Document> {
    if let Some(at) = not_utf8(text) {
        let problem = "the file is not UTF-8: here are bytes that are no character";
        report.error(
            at,
            "",
            problem,
            "save it as UTF-8; U+FFFD itself is written `\\uFFFD` in double quotes",
        );
        return vec![Document::Refused];
    }
    yaml::documents(text).into_iter().map(|document| read(document, report)).collect()
}

/// Where the character first stands that takes the place of bytes that are none. A rule with it would load,
/// and never match.
fn not_utf8(text: &str) -> Option<Position> {
    let (before, _) = text.split_once(char::REPLACEMENT_CHARACTER)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Position { line: number(line), column: number(column) })
}

fn read(document: Result<Node, YamlError>, report: &mut Report) -> Document {
    let node = match document {
        Ok(node) => node,
        Err(error) => {
            report.error(error.at, "", error.problem, error.mend);
            return Document::Refused;
        }
    };
    if node.as_map().is_none() {
        report.error(node.at, "", format!("a Sigma document is a map, not {}", node.what()), "");
        return Document::Refused;
    }
    if let Some(action) = node.get("action").and_then(Node::text) {
        refuse_action(&node, &action, report);
        return Document::Refused;
    }
    if node.get("correlation").is_some() {
        let read = correlation::read(&node, report);
        return read.map_or(Document::Refused, |read| Document::Correlation(Box::new(read)));
    }
    if node.get("filter").is_some() {
        let read = filter::read(&node, report);
        return read.map_or(Document::Refused, |read| Document::Filter(Box::new(read)));
    }
    rule::read(&node, report).map_or(Document::Refused, |rule| Document::Rule(Box::new(rule)))
}

/// `action` joined the documents of a file in Sigma 1; version 2 dropped it.
fn refuse_action(node: &Node, action: &str, report: &mut Report) {
    let mend = match action {
        "global" | "repeat" | "reset" => "write every rule in full",
        "correlation" => "write a document with the key `correlation` as in Sigma 2",
        "include" => "give both files to Stormglass",
        _ => "remove the key",
    };
    report.error(node.at, "action", format!("`action: {action}` is no part of Sigma 2"), mend);
}
