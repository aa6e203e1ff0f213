//! Lints: what is sound and can hardly be meant.
//!
//! A rule that can never match is worse than none: it looks like cover. So it is asked whether the condition
//! can hold at all ([`logic`]), by its own form and by what the log is known to write into its fields
//! ([`values`]). Other lints find what costs much ([`cost`]), values that are no values ([`slip`]), rules
//! that are there twice or cannot be referred to ([`twins`]), numbers that nothing passes ([`numbers`]), and tags
//! that ATT&CK does not have ([`tags`]).
//!
//! Lints are warnings, and work by what a field can hold, never by a rule's id.

mod cost;
mod logic;
mod numbers;
mod slip;
mod tags;
mod text;
mod twins;
mod values;

use logic::{Atom, Logic, Outlook};
pub(crate) use twins::Twins;
pub(crate) use values::FieldValues;
use values::Holds;

use crate::check::demand::{self, Meaning};
use crate::check::{CheckedRule, Subject, Test, condition};
use crate::mapping::{Field, Mapping};
use crate::options::LoadOptions;
use crate::report::Report;
use crate::sigma::condition::Condition;
use crate::sigma::correlation::CorrelationRule;
use crate::sigma::detection::{Detection, Item, Search};
use crate::sigma::filter::FilterRule;
use crate::sigma::rule::Logsource;
use crate::sigma::yaml::Position;

/// The most findings about one rule.
const MOST_FINDINGS: usize = 200;

/// A finding, before it is known whether it holds for every log that the rule reads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    at: Position,
    path: String,
    problem: String,
    mend: String,
}

/// Looks at a rule that is sound.
pub(crate) fn rule(
    checked: &CheckedRule,
    filters: &[&FilterRule],
    options: &LoadOptions,
    values: &FieldValues,
    report: &mut Report,
) {
    let rule = &checked.rule;
    let look = |linter: &mut Linter<'_>| linter.rule(&rule.detection, filters);
    common(&rule.logsource.value, options, values, look, report);
    tags::check(&rule.head, report);
}

/// Looks at a filter that is sound.
pub(crate) fn filter(filter: &FilterRule, options: &LoadOptions, values: &FieldValues, report: &mut Report) {
    let look = |linter: &mut Linter<'_>| linter.rule(&filter.detection, &[]);
    common(&filter.logsource.value, options, values, look, report);
    tags::check(&filter.head, report);
}

/// Tells what is found in every log of a log source: what is wrong for one only may be meant for another.
fn common(
    logsource: &Logsource,
    options: &LoadOptions,
    values: &FieldValues,
    look: impl Fn(&mut Linter<'_>),
    report: &mut Report,
) {
    let mappings = options.mappings.of(logsource);
    let unmapped = Mapping::default();
    let mappings = if mappings.is_empty() { vec![&unmapped] } else { mappings };
    let mut common: Option<Vec<Finding>> = None;
    for mapping in mappings {
        let mut linter = Linter { logsource, mapping, options, values, atoms: Vec::new(), found: Vec::new() };
        look(&mut linter);
        let found = linter.found;
        common = Some(match common {
            Some(mut common) => {
                common.retain(|finding| found.contains(finding));
                common
            }
            None => found,
        });
    }
    for finding in common.into_iter().flatten() {
        report.warning(finding.at, &finding.path, finding.problem, finding.mend);
    }
}

/// Looks at a correlation that is sound.
pub(crate) fn correlation(rule: &CorrelationRule, twins: &mut Twins, report: &mut Report) {
    twins.head(&rule.head, report);
    tags::check(&rule.head, report);
    numbers::correlation(rule, report);
}

/// A rule's parts, read by one mapping.
struct Linter<'l> {
    logsource: &'l Logsource,
    mapping: &'l Mapping,
    options: &'l LoadOptions,
    values: &'l FieldValues,
    atoms: Vec<Atom>,
    found: Vec<Finding>,
}

impl Linter<'_> {
    fn rule(&mut self, detection: &Detection, filters: &[&FilterRule]) {
        let own = self.detection(detection, true);
        let at = detection.conditions.first().map_or_else(Position::default, |text| text.place(0));
        if self.judge(&own, at, "the condition") || filters.is_empty() {
            return;
        }
        let mut parts = vec![own];
        // What is wrong with a filter by itself is told where it stands.
        parts.extend(filters.iter().map(|filter| self.detection(&filter.detection, false)));
        self.judge(&Logic::All(parts), at, "the condition, narrowed by the filters for the rule,");
    }

    /// Says so if an expression is decided whatever happens; whether it did.
    fn judge(&mut self, logic: &Logic, at: Position, what: &str) -> bool {
        let (problem, mend) = match logic::outlook(logic, &self.atoms) {
            Outlook::Open => return false,
            Outlook::Never { conflict } => {
                let because = match conflict {
                    Some(conflict) => self.because(conflict),
                    None => ": it asks for what cannot be there".to_owned(),
                };
                (format!("{what} can never be true{because}"), "as it stands, nothing can match")
            }
            Outlook::Always => {
                (format!("{what} is true of every event"), "as it stands, it tells nothing apart")
            }
        };
        self.add(at, "detection.condition", problem, mend);
        true
    }

    fn because(&self, conflict: logic::Conflict) -> String {
        let part = |(atom, holds): (usize, bool)| {
            let name = self.atoms.get(atom).map_or("", |atom| atom.name.as_str());
            if holds { format!("`{name}`") } else { format!("`not {name}`") }
        };
        let [one, other] = conflict.map(part);
        format!(": {one} and {other} exclude each other")
    }

    fn add(&mut self, at: Position, path: &str, problem: impl Into<String>, mend: impl Into<String>) {
        let finding = Finding { at, path: path.to_owned(), problem: problem.into(), mend: mend.into() };
        if self.found.len() < MOST_FINDINGS && !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    /// The expression of all conditions. `aloud`: findings about its parts are told.
    fn detection(&mut self, detection: &Detection, aloud: bool) -> Logic {
        let before = self.found.len();
        let searches: Vec<_> = detection
            .searches
            .iter()
            .map(|(name, search)| (name.value.as_str(), self.search(search, &name.value)))
            .collect();
        let conditions: Vec<_> =
            detection.conditions.iter().map(|text| named(&text.parsed.condition, &searches)).collect();
        let logic = Logic::Any(conditions);
        self.note_keywords(detection, &logic);
        if !aloud {
            self.found.truncate(before);
        }
        logic
    }

    fn search(&mut self, search: &Search, name: &str) -> Logic {
        match search {
            Search::AllOf(items) => Logic::All(items.iter().map(|item| self.item(item, name)).collect()),
            Search::AnyOf(members) => {
                Logic::Any(members.iter().map(|member| self.search(member, name)).collect())
            }
        }
    }

    fn item(&mut self, item: &Item, search: &str) -> Logic {
        let resolve = |name: &str| self.mapping.resolve(name).field;
        let meaning = Meaning { resolve: &resolve, placeholders: &self.options.placeholders };
        let Some(demand) = demand::read(item, "", meaning, &mut Report::new("")) else {
            return Logic::Known(false);
        };
        let name = if item.key.is_empty() { search.to_owned() } else { format!("{search}.{}", item.key) };
        let path = format!("detection.{name}");
        self.slips(item, &path);
        let subject = item.field.as_deref().map_or(Subject::Keywords, |name| Subject::Field(resolve(name)));
        let values = match (&subject, item.field.as_deref()) {
            (Subject::Field(field), Some(name)) => self.held(item, name, field, &path),
            _ => Held::Anything,
        };
        let mut alternatives = Vec::with_capacity(demand.alternatives.len());
        for (index, tests) in demand.alternatives.into_iter().enumerate() {
            let at = item.values.get(index).map_or(item.at, |value| value.at);
            let tests = self.times(tests, at, &path);
            alternatives.push(self.possible(&values, tests, at, &path));
        }
        self.costs(item, &subject, &alternatives, &path);
        let mut atom = |any: Vec<Test>| {
            if any.is_empty() {
                return Logic::Known(false);
            }
            self.atoms.push(Atom { name: name.clone(), subject: subject.clone(), any });
            Logic::Atom(self.atoms.len() - 1)
        };
        let logic = if demand.every {
            Logic::All(alternatives.into_iter().map(&mut atom).collect())
        } else {
            atom(alternatives.into_iter().flatten().collect())
        };
        if demand.negated { Logic::Not(Box::new(logic)) } else { logic }
    }

    /// What is known of the values of an item's field.
    fn held(&mut self, item: &Item, name: &str, field: &Field, path: &str) -> Held {
        if self.in_another_case(name).is_some() {
            return Held::Nothing;
        }
        if let Some((holds, rest)) = self.values.members_above(self.logsource, self.mapping, name)
            && !holds.members.iter().any(|member| member.eq_ignore_ascii_case(rest))
            && self.mapping.slip_of(name).is_none()
        {
            let problem = format!("there is no `{rest}` in it, only {}", holds.members.join(", "));
            self.add(item.at, path, problem, "ask for one of them");
            return Held::Nothing;
        }
        match self.values.of(self.logsource, self.mapping, field) {
            Some(holds) => Held::Some(Box::new(holds)),
            None => Held::Anything,
        }
    }

    /// The tests that a value of the field may pass; the others are told.
    fn possible(&mut self, held: &Held, tests: Vec<Test>, at: Position, path: &str) -> Vec<Test> {
        let holds = match held {
            Held::Anything => return tests,
            Held::Nothing => return tests.into_iter().filter(|test| *test == Test::Null).collect(),
            Held::Some(holds) => holds,
        };
        let mut possible = Vec::with_capacity(tests.len());
        for test in tests {
            if let Test::FieldRef { field: other, shape, .. } = &test
                && let Some(other) = self.values.of(self.logsource, self.mapping, other)
                && !holds.may_equal(&other, *shape)
            {
                let mend = "add `endswith` or `contains` behind `fieldref`, or compare another field";
                self.add(
                    at,
                    path,
                    "the two fields are never equal: they hold values of different kinds",
                    mend,
                );
                continue;
            }
            match holds.refuses(&test) {
                Some((problem, mend)) => self.add(at, path, problem, mend),
                None => possible.push(test),
            }
        }
        possible
    }
}

/// What is known of the values of a field.
enum Held {
    Anything,
    /// The field is never there.
    Nothing,
    Some(Box<Holds>),
}

/// A condition with its names replaced.
fn named(condition: &Condition, searches: &[(&str, Logic)]) -> Logic {
    let parts = |of: &[Condition]| of.iter().map(|part| named(part, searches)).collect();
    match condition {
        Condition::And(of) => Logic::All(parts(of)),
        Condition::Or(of) => Logic::Any(parts(of)),
        Condition::Not(inner) => Logic::Not(Box::new(named(inner, searches))),
        Condition::Name { name, .. } => {
            let found = searches.iter().find(|(known, _)| known == name);
            found.map_or(Logic::Known(false), |(_, logic)| logic.clone())
        }
        Condition::Of { every, pattern, .. } => {
            let meant = searches.iter().filter(|(name, _)| condition::means(pattern, name));
            let parts = meant.map(|(_, logic)| logic.clone()).collect();
            if *every { Logic::All(parts) } else { Logic::Any(parts) }
        }
    }
}
