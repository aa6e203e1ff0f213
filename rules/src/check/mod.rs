//! A rule as written becomes a rule that is understood: fields are places in an event, modifiers and values
//! are tests, the condition is an expression over them.
//!
//! Whatever cannot be understood is refused here, with its place; what is checked can always be compiled.

mod condition;
mod demand;
mod encode;
mod expr;
mod regular;
mod test;

use std::collections::HashMap;

use event::{Col, Kind, LogType};

pub(crate) use expr::Expr;
pub(crate) use test::{Predicate, Shape, Subject, Test};

use crate::mapping::{Mapping, Mappings};
use crate::nearest::nearest;
use crate::report::Report;
use crate::sigma::detection::{Item, Search};
use crate::sigma::rule::SigmaRule;
use crate::sigma::yaml::Position;

/// The most tests that the searches and the condition of one rule may amount to.
const MAX_TESTS: usize = 20_000;

/// A rule that is sound.
#[derive(Debug)]
pub(crate) struct CheckedRule {
    pub(crate) rule: SigmaRule,
    /// One for each way in which its fields are read; none for a log that is not read yet.
    pub(crate) readings: Vec<Reading>,
}

/// A rule's expression for some kinds of log.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) log_types: Vec<LogType>,
    pub(crate) expr: Expr,
}

/// Checks a rule; `None` if it must be refused, and the report says why.
pub(crate) fn check(rule: SigmaRule, mappings: &Mappings, report: &mut Report) -> Option<CheckedRule> {
    let before = report.errors();
    let found = mappings.of(&rule.logsource.value);
    warn_about_logsource(&rule, &found, report);
    let mut checker = Checker { unknown: HashMap::new(), tests: 0, report };
    let mut readings: Vec<Reading> = Vec::new();
    for mapping in &found {
        if let Some(expr) = checker.rule(&rule, mapping) {
            add_reading(&mut readings, &mapping.log_types, expr);
        }
    }
    if found.is_empty() {
        // Mistakes are worth telling even where the log is not read.
        checker.rule(&rule, &Mapping::default());
    }
    checker.warn_about_fields(&found);
    readings.retain(|reading| !reading.log_types.is_empty());
    (report.errors() == before).then_some(CheckedRule { rule, readings })
}

fn add_reading(readings: &mut Vec<Reading>, log_types: &[LogType], expr: Expr) {
    match readings.iter_mut().find(|reading| reading.expr == expr) {
        Some(same) => {
            same.log_types.extend(log_types);
            same.log_types.dedup();
        }
        None => readings.push(Reading { log_types: log_types.to_vec(), expr }),
    }
}

fn warn_about_logsource(rule: &SigmaRule, found: &[&Mapping], report: &mut Report) {
    let (logsource, at) = (&rule.logsource.value, rule.logsource.at);
    if found.iter().all(|mapping| mapping.log_types.is_empty()) {
        let problem = format!("the rule waits for a source of `{logsource}`");
        report.warning(
            at,
            "logsource",
            problem,
            "it is loaded and cannot match: Stormglass reads no such log yet",
        );
    } else if let [mapping] = found
        && mapping.is_alias(logsource)
    {
        let problem =
            format!("`{logsource}` is no log source of Sigma's taxonomy; read as `{}`", mapping.logsource());
        report.warning(at, "logsource", problem, "name that one");
    }
}

/// A column of fractions among the places of a subject.
fn fraction(subject: &Subject) -> Option<Col> {
    let Subject::Field(field) = subject else { return None };
    field.places.iter().map(|place| place.col).find(|col| col.column().kind == Kind::Float)
}

struct Checker<'r> {
    /// Fields that no mapping knows so far, with how many mappings do not.
    unknown: HashMap<String, (Position, usize)>,
    tests: usize,
    report: &'r mut Report,
}

impl Checker<'_> {
    /// The expression of the rule, its fields read by one mapping.
    fn rule(&mut self, rule: &SigmaRule, mapping: &Mapping) -> Option<Expr> {
        self.tests = 0;
        let mut searches = Vec::with_capacity(rule.detection.searches.len());
        for (name, search) in &rule.detection.searches {
            let path = format!("detection.{}", name.value);
            searches.push((name.value.as_str(), self.search(search, &path, mapping)?));
        }
        condition::resolve(&rule.detection, &searches, self.report)
    }

    fn search(&mut self, search: &Search, path: &str, mapping: &Mapping) -> Option<Expr> {
        match search {
            Search::AllOf(items) => {
                let parts = items.iter().map(|item| self.item(item, path, mapping)).collect::<Option<_>>()?;
                Some(Expr::all(parts))
            }
            Search::AnyOf(members) => {
                let parts =
                    members.iter().map(|member| self.search(member, path, mapping)).collect::<Option<_>>()?;
                Some(Expr::any(parts))
            }
        }
    }

    fn item(&mut self, item: &Item, search: &str, mapping: &Mapping) -> Option<Expr> {
        let path = if item.key.is_empty() { search.to_owned() } else { format!("{search}.{}", item.key) };
        let demand = demand::read(item, &path, &|name| mapping.resolve(name).field, self.report)?;
        self.tests += demand.alternatives.iter().map(Vec::len).sum::<usize>();
        if self.tests > MAX_TESTS {
            let problem = format!("the rule has more than {MAX_TESTS} values");
            self.report.error(item.at, &path, problem, "split it");
            return None;
        }
        let subject = match &item.field {
            None => Subject::Keywords,
            Some(name) => {
                let resolved = mapping.resolve(name);
                if !resolved.known {
                    self.unknown.entry(name.clone()).or_insert((item.at, 0)).1 += 1;
                }
                Subject::Field(resolved.field)
            }
        };
        if let Some(col) = fraction(&subject) {
            let problem = format!("the column `{}` holds fractions, which rules cannot ask for", col.name());
            self.report.error(item.at, &path, problem, "remove the field");
            return None;
        }
        Some(demand.into_expr(&subject))
    }

    /// A field that none of the mappings knows may be a slip of the pen.
    fn warn_about_fields(&mut self, found: &[&Mapping]) {
        let mut unknown: Vec<_> =
            self.unknown.drain().filter(|(_, (_, mappings))| *mappings >= found.len()).collect();
        unknown.sort_by_key(|(name, (at, _))| (*at, name.clone()));
        for (name, (at, _)) in unknown {
            let names = found.iter().flat_map(|mapping| mapping.names());
            let mend = nearest(&name, names).map_or_else(
                || "it is looked up in the record as written".to_owned(),
                |found| format!("did you mean `{found}`?"),
            );
            let logsource = found.first().map(|mapping| mapping.logsource().to_string()).unwrap_or_default();
            self.report.warning(
                at,
                &name,
                format!("records of `{logsource}` are not known to have this field"),
                mend,
            );
        }
    }
}

#[cfg(test)]
mod tests;
