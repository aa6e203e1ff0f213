//! What costs much: regular expressions, and rules without a field to start from.

use event::Col;
use regex::RegexBuilder;

use super::Linter;
use super::logic::Logic;
use crate::check::{Subject, Test};
use crate::sigma::detection::{Detection, Item, Search};

/// A compiled expression beyond this is worth a warning, in bytes; the limit is 1 MiB.
const LARGE_REGEX_BYTES: usize = 64 << 10;

impl Linter<'_> {
    /// Looks at the regular expressions of an item.
    pub(super) fn costs(&mut self, item: &Item, subject: &Subject, alternatives: &[Vec<Test>], path: &str) {
        let whole_record = match subject {
            Subject::Keywords => true,
            Subject::Field(field) => {
                field.places.iter().any(|place| place.col == Col::RawData && place.path.is_none())
            }
        };
        for (index, tests) in alternatives.iter().enumerate() {
            let at = item.values.get(index).map_or(item.at, |value| value.at);
            for test in tests {
                let Test::Regex(regex) = test else { continue };
                let pattern = regex.regex.as_str();
                if RegexBuilder::new(pattern).size_limit(LARGE_REGEX_BYTES).build().is_err() {
                    let problem =
                        format!("the regular expression compiles to more than {LARGE_REGEX_BYTES} bytes");
                    self.add(at, path, problem, "use smaller repetitions, or `contains` with a list");
                }
                if leads(pattern) || trails(pattern) {
                    let problem = if whole_record {
                        "`.*` at an end of a regular expression is tried at every place of every record"
                    } else {
                        "`.*` at an end of a regular expression changes nothing and costs time"
                    };
                    self.add(at, path, problem, "remove it: expressions are sought anywhere in the value");
                } else if whole_record && pattern.contains(".*") && !pattern.starts_with('^') {
                    let problem =
                        "an unanchored regular expression with `.*` runs over the text of every record";
                    self.add(at, path, problem, "name the field, or use `contains|all`");
                }
            }
        }
    }

    /// Says so if no field narrows the rule: every text of every event is looked at.
    pub(super) fn note_keywords(&mut self, detection: &Detection, logic: &Logic) {
        if !needs_keywords_only(logic, &self.atoms) {
            return;
        }
        let words = detection.searches.iter().find(|(_, search)| has_keywords(search));
        let Some((name, _)) = words else { return };
        let path = format!("detection.{}", name.value);
        let problem = "only keywords start the rule: it reads every text of every event of its log";
        self.add(name.at, &path, problem, "add a field, such as the operation or the service");
    }
}

/// Whether an alternative of the expression asks for nothing but keywords, `not` aside.
fn needs_keywords_only(logic: &Logic, atoms: &[super::Atom]) -> bool {
    match logic {
        Logic::Atom(index) => atoms.get(*index).is_some_and(|atom| matches!(atom.subject, Subject::Keywords)),
        Logic::Any(parts) => parts.iter().any(|part| needs_keywords_only(part, atoms)),
        Logic::All(parts) => {
            let positive = || parts.iter().filter(|part| !matches!(part, Logic::Not(_) | Logic::Known(_)));
            positive().next().is_some() && positive().all(|part| needs_keywords_only(part, atoms))
        }
        Logic::Not(_) | Logic::Known(_) => false,
    }
}

fn has_keywords(search: &Search) -> bool {
    match search {
        Search::AllOf(items) => items.iter().any(|item| item.field.is_none()),
        Search::AnyOf(members) => members.iter().any(has_keywords),
    }
}

/// `.*` before everything else. Behind `^` it is needless, too.
fn leads(pattern: &str) -> bool {
    let rest = pattern.strip_prefix('^').unwrap_or(pattern);
    rest.starts_with(".*") && rest.len() > 2
}

/// `.*` behind everything else; the point may be escaped.
fn trails(pattern: &str) -> bool {
    let rest = pattern.strip_suffix('$').unwrap_or(pattern);
    let Some(before) = rest.strip_suffix(".*") else { return false };
    let escapes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
    !before.is_empty() && escapes % 2 == 0
}
