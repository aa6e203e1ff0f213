//! Rules that are there twice, and names that nobody can refer to.

use std::collections::HashMap;

use crate::report::Report;
use crate::sigma::detection::{Item, Search, Value};
use crate::sigma::head::Head;
use crate::sigma::rule::SigmaRule;

/// Words that a condition reads otherwise than as a name.
const RESERVED: [&str; 8] = ["and", "or", "not", "of", "them", "all", "any", "1"];

/// What was seen of the rules so far.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    /// File and title by content.
    contents: HashMap<String, (String, String)>,
    /// File by name.
    names: HashMap<String, String>,
}

impl Twins {
    /// Looks at the next rule.
    pub(crate) fn rule(&mut self, rule: &SigmaRule, report: &mut Report) {
        self.head(&rule.head, report);
        let at = rule.logsource.at;
        match self.contents.get(&content(rule)) {
            Some((path, title)) => {
                let problem = format!("it asks for the same as `{title}` in `{path}`");
                report.warning(at, "detection", problem, "remove one of the two");
            }
            None => {
                let place = (report.file().to_owned(), rule.head.title.clone());
                self.contents.insert(content(rule), place);
            }
        }
    }

    /// Looks at the name of the next rule or correlation.
    pub(crate) fn head(&mut self, head: &Head, report: &mut Report) {
        let Some(name) = &head.name else { return };
        if let Some(path) = self.names.get(name) {
            let problem =
                format!("the name `{name}` is taken by a rule in `{path}`; correlations mean that one");
            report.warning(head.at, "name", problem, "give this rule a name of its own");
            return;
        }
        self.names.insert(name.clone(), report.file().to_owned());
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || !name.bytes().all(is_word) {
            let problem = format!("the condition of a correlation cannot name `{name}`");
            report.warning(head.at, "name", problem, "use letters, digits, `_` and `-`");
        } else if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            let problem =
                format!("`{name}` is a word of conditions, and no correlation can mean the rule by it");
            report.warning(head.at, "name", problem, "give it another name");
        }
    }
}

/// Log source, searches and conditions without places, the order of values, and the order of searches.
fn content(rule: &SigmaRule) -> String {
    let mut searches: Vec<_> = rule
        .detection
        .searches
        .iter()
        .map(|(name, search)| {
            let mut out = format!("{:?}=", name.value);
            spell(search, &mut out);
            out
        })
        .collect();
    searches.sort();
    let mut conditions: Vec<_> =
        rule.detection.conditions.iter().map(|text| without_places(&text.parsed.condition)).collect();
    conditions.sort();
    format!("{}|{searches:?}|{conditions:?}", rule.logsource.value)
}

fn spell(search: &Search, out: &mut String) {
    match search {
        Search::AllOf(items) => {
            let mut items: Vec<_> = items.iter().map(spell_item).collect();
            items.sort();
            out.push_str(&format!("all{items:?}"));
        }
        Search::AnyOf(members) => {
            let mut parts: Vec<_> = members
                .iter()
                .map(|member| {
                    let mut out = String::new();
                    spell(member, &mut out);
                    out
                })
                .collect();
            parts.sort();
            out.push_str(&format!("any{parts:?}"));
        }
    }
}

fn spell_item(item: &Item) -> String {
    let value = |value: &Value| match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.text.clone(),
        // Case counts under `re`, `cased` and the encodings.
        Value::Text(text) if item.modifiers.is_empty() => format!("{:?}", crate::fold::fold(text)),
        Value::Text(text) => format!("{text:?}"),
    };
    let mut values: Vec<_> = item.values.iter().map(|placed| value(&placed.value)).collect();
    values.sort();
    format!("{:?}{values:?}", item.key)
}

fn without_places(condition: &crate::sigma::condition::Condition) -> String {
    use crate::sigma::condition::Condition as C;
    let parts = |of: &[C]| of.iter().map(without_places).collect::<Vec<_>>().join(",");
    match condition {
        C::Name { name, .. } => name.clone(),
        C::Of { every, pattern, .. } => format!("{every} of {pattern}"),
        C::Not(inner) => format!("!({})", without_places(inner)),
        C::And(of) => format!("&({})", parts(of)),
        C::Or(of) => format!("|({})", parts(of)),
    }
}
