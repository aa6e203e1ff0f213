//! The `detection` part of a rule: searches and conditions.

use super::condition::{self, Parsed};
use super::modifier::{self, Modifier};
use super::yaml::{Kind, Node, Number, Placed, Position, Scalar};
use crate::nearest::did_you_mean;
use crate::report::Report;

/// The searches by name, and the conditions, which are alternatives.
#[derive(Debug, Clone)]
pub(crate) struct Detection {
    pub(crate) searches: Vec<(Placed<String>, Search)>,
    pub(crate) conditions: Vec<ConditionText>,
}

/// What stands under a search identifier.
#[derive(Debug, Clone)]
pub(crate) enum Search {
    /// A map: all of its items.
    AllOf(Vec<Item>),
    /// A list: any of its members.
    AnyOf(Vec<Self>),
}

/// A field, or the whole record, and what is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) at: Position,
    /// The key as written.
    pub(crate) key: String,
    /// `None`: keywords, sought in every text of the record.
    pub(crate) field: Option<String>,
    pub(crate) modifiers: Vec<Modifier>,
    pub(crate) values: Vec<Placed<Value>>,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
}

/// A condition and how to find places in it.
#[derive(Debug, Clone)]
pub(crate) struct ConditionText {
    pub(crate) parsed: Parsed,
    at: Position,
    inline: bool,
}

impl ConditionText {
    /// The place of the character at `offset`; the start where the text is folded over lines.
    pub(crate) fn place(&self, offset: usize) -> Position {
        place(self.at, self.inline, offset)
    }
}

fn place(at: Position, inline: bool, offset: usize) -> Position {
    let offset = if inline { u32::try_from(offset).unwrap_or_default() } else { 0 };
    Position { line: at.line, column: at.column.saturating_add(offset) }
}

/// Reads `detection`; `None` if anything in it is wrong.
pub(crate) fn read(node: &Node, report: &mut Report) -> Option<Detection> {
    let before = report.errors();
    let Some(entries) = node.as_map() else {
        let problem = format!("`detection` is {}, not a map", node.what());
        report.error(node.at, "detection", problem, "give it searches and a `condition`");
        return None;
    };
    let mut detection = Detection { searches: Vec::new(), conditions: Vec::new() };
    for (name, value) in entries {
        match name.value.as_str() {
            "condition" => detection.conditions = conditions(value, report),
            // The time frame of the old aggregations; the condition says what to do about those.
            "timeframe" => {}
            _ => {
                let field = format!("detection.{}", name.value);
                if let Some(search) = search(value, &field, report) {
                    detection.searches.push((name.clone(), search));
                }
            }
        }
    }
    if node.get("condition").is_none() {
        report.error(
            node.at,
            "detection.condition",
            "there is no `condition`",
            "name the searches that must match",
        );
    }
    if detection.searches.is_empty() && report.errors() == before {
        report.error(
            node.at,
            "detection",
            "there is no search",
            "add a map of fields and values, such as `selection`",
        );
    }
    (report.errors() == before).then_some(detection)
}

fn conditions(node: &Node, report: &mut Report) -> Vec<ConditionText> {
    let nodes = node.as_list().unwrap_or(std::slice::from_ref(node));
    if nodes.is_empty() {
        report.error(node.at, "detection.condition", "the list of conditions is empty", "");
    }
    nodes.iter().filter_map(|node| one_condition(node, report)).collect()
}

fn one_condition(node: &Node, report: &mut Report) -> Option<ConditionText> {
    let field = "detection.condition";
    let Some(text) = node.text() else {
        report.error(node.at, field, format!("a condition is text, not {}", node.what()), "");
        return None;
    };
    let inline = matches!(&node.kind, Kind::Scalar(Scalar::Text { inline: true, .. }));
    let mut at = node.at;
    // The text begins behind the quote.
    if matches!(&node.kind, Kind::Scalar(Scalar::Text { quoted: true, .. })) {
        at.column = at.column.saturating_add(1);
    }
    match condition::parse(&text) {
        Ok(parsed) => {
            for (word, offset) in &parsed.upper_case {
                let mend = format!("write `{}`", word.to_ascii_lowercase());
                let problem = format!("operators are lower case in Sigma, not `{word}`");
                report.warning(place(at, inline, *offset), field, problem, mend);
            }
            Some(ConditionText { parsed, at, inline })
        }
        Err(error) => {
            report.error(place(at, inline, error.offset), field, error.problem, error.mend);
            None
        }
    }
}

fn search(node: &Node, field: &str, report: &mut Report) -> Option<Search> {
    match &node.kind {
        Kind::Map(entries) if !entries.is_empty() => {
            let items: Vec<_> = entries.iter().map(|(key, value)| item(key, value, field, report)).collect();
            items.into_iter().collect::<Option<_>>().map(Search::AllOf)
        }
        Kind::List(members) if !members.is_empty() => list(node, members, field, report),
        Kind::Scalar(scalar) if *scalar != Scalar::Null => {
            keywords(node.at, std::slice::from_ref(node), field, report)
        }
        _ => {
            let mend = "give it a map of fields, a list of maps, or a list of keywords";
            report.error(node.at, field, "the search is empty", mend);
            None
        }
    }
}

/// Maps and keywords may be mixed; any of them is enough.
fn list(node: &Node, members: &[Node], field: &str, report: &mut Report) -> Option<Search> {
    let is_scalar = |member: &&Node| matches!(member.kind, Kind::Scalar(_));
    let words: Vec<Node> = members.iter().filter(is_scalar).cloned().collect();
    let mut alternatives = Vec::new();
    let mut sound = true;
    if !words.is_empty() {
        match keywords(node.at, &words, field, report) {
            Some(search) => alternatives.push(search),
            None => sound = false,
        }
    }
    for member in members.iter().filter(|member| !is_scalar(member)) {
        match search(member, field, report) {
            Some(search) => alternatives.push(search),
            None => sound = false,
        }
    }
    sound.then_some(Search::AnyOf(alternatives))
}

fn keywords(at: Position, words: &[Node], field: &str, report: &mut Report) -> Option<Search> {
    let values = values(words, field, report)?;
    let item = Item { at, key: String::new(), field: None, modifiers: Vec::new(), values };
    Some(Search::AllOf(vec![item]))
}

fn item(key: &Placed<String>, value: &Node, search: &str, report: &mut Report) -> Option<Item> {
    let path = if key.value.is_empty() { search.to_owned() } else { format!("{search}.{}", key.value) };
    let mut parts = key.value.split('|');
    let field = parts.next().filter(|field| !field.is_empty()).map(str::to_owned);
    let mut modifiers = Vec::new();
    let mut sound = true;
    for name in parts {
        match Modifier::by_name(name) {
            Some(modifier) => modifiers.push(modifier),
            None => {
                sound = false;
                let known = modifier::NAMES.iter().map(|(name, _)| *name);
                let mend = did_you_mean(name, known, "remove it");
                report.error(key.at, &path, format!("unknown modifier `{name}`"), mend);
            }
        }
    }
    let values = match &value.kind {
        Kind::List(members) => values(members, &path, report)?,
        _ => values(std::slice::from_ref(value), &path, report)?,
    };
    sound.then_some(Item { at: key.at, key: key.value.clone(), field, modifiers, values })
}

fn values(nodes: &[Node], field: &str, report: &mut Report) -> Option<Vec<Placed<Value>>> {
    let mut values = Vec::with_capacity(nodes.len());
    for node in nodes {
        let value = match &node.kind {
            Kind::Scalar(Scalar::Null) => Value::Null,
            Kind::Scalar(Scalar::Bool(value)) => Value::Bool(*value),
            Kind::Scalar(Scalar::Number(number)) => Value::Number(number.clone()),
            Kind::Scalar(Scalar::Text { text, .. }) => Value::Text(text.clone()),
            _ => {
                let problem = format!("a value is text, a number, true, false or null, not {}", node.what());
                report.error(node.at, field, problem, "name inner fields with dots: `outer.inner`");
                return None;
            }
        };
        values.push(Placed { at: node.at, value });
    }
    Some(values)
}
