//! A rule as written becomes a rule that is understood: fields are places in an event, modifiers and values
//! are tests, the condition is an expression over them.
//!
//! Whatever cannot be understood is refused here, with its place; what is checked can always be compiled.

pub(crate) mod condition;
pub(crate) mod correlation;
pub(crate) mod demand;
mod encode;
mod expr;
pub(crate) mod judge;
mod regular;
mod required;
mod test;

use std::collections::HashMap;

use event::{Col, Kind, LogType};

pub(crate) use expr::Expr;
pub(crate) use test::{Predicate, Shape, Subject, Test};

use crate::mapping::{Field, Mapping, Mappings};
use crate::nearest::{is_slip, nearest};
use crate::options::LoadOptions;
use crate::placeholder::Placeholders;
use crate::report::Report;
use crate::sigma::detection::{Detection, Item, Search};
use crate::sigma::filter::FilterRule;
use crate::sigma::rule::{Logsource, SigmaRule};
use crate::sigma::yaml::Position;
use demand::Meaning;

/// The most tests that the searches of one rule may amount to.
const MAX_TESTS: usize = 20_000;
/// The most texts that a rule may ask equality with: they are looked up and not tried.
const MAX_EQUALITIES: usize = 250_000;

/// A rule that is sound.
#[derive(Debug)]
pub(crate) struct CheckedRule {
    pub(crate) rule: SigmaRule,
    /// One for each way in which its fields are read; none for a log that is not read yet.
    pub(crate) readings: Vec<Reading>,
    /// The filters that narrow it, in the order of their files.
    pub(crate) filters: Vec<usize>,
    /// How the rule calls its fields.
    pub(crate) names: Vec<(Field, String)>,
}

/// A rule's expression for some kinds of log.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) log_types: Vec<LogType>,
    pub(crate) expr: Expr,
}

/// Checks a rule, narrowed by the filters that are for it; `None` if it must be refused, and the report
/// says why.
pub(crate) fn check(
    rule: SigmaRule,
    filters: &[(usize, &FilterRule)],
    options: &LoadOptions,
    report: &mut Report,
) -> Option<CheckedRule> {
    let before = report.errors();
    let found = options.mappings.of(&rule.logsource.value);
    warn_about_logsource(&rule, &found, &options.mappings, report);
    let placeholders = &options.placeholders;
    let mut checker = Checker::new(placeholders, report);
    let mut readings: Vec<Reading> = Vec::new();
    for mapping in &found {
        if let Some(expr) = checker.detection(&rule.detection, mapping) {
            add_reading(&mut readings, &mapping.log_types, narrowed(expr, filters, mapping, placeholders));
        }
    }
    if found.is_empty() {
        // Mistakes are worth telling even where the log is not read.
        checker.detection(&rule.detection, &Mapping::default());
    }
    checker.warn_about_fields(&found);
    readings.retain(|reading| !reading.log_types.is_empty());
    let names = checker.names;
    let filters = filters.iter().map(|(index, _)| *index).collect();
    (report.errors() == before).then_some(CheckedRule { rule, readings, filters, names })
}

/// Checks a filter by itself: what is wrong with it is not the fault of its rules.
pub(crate) fn check_filter(filter: &FilterRule, options: &LoadOptions, report: &mut Report) -> bool {
    let before = report.errors();
    let found = options.mappings.of(&filter.logsource.value);
    let mut checker = Checker::new(&options.placeholders, report);
    for mapping in &found {
        checker.detection(&filter.detection, mapping);
    }
    if found.is_empty() {
        checker.detection(&filter.detection, &Mapping::default());
    }
    checker.warn_about_fields(&found);
    report.errors() == before
}

/// The rule's expression and those of its filters (Sigma Filters specification: joined with `and`).
fn narrowed(
    expr: Expr,
    filters: &[(usize, &FilterRule)],
    mapping: &Mapping,
    placeholders: &Placeholders,
) -> Expr {
    let mut parts = vec![expr];
    for (_, filter) in filters {
        // The filter was checked by itself; nothing new is found here.
        let mut report = Report::new("");
        let mut checker = Checker::new(placeholders, &mut report);
        parts.extend(checker.detection(&filter.detection, mapping));
    }
    Expr::all(parts)
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

/// The known log source that is likely meant: one part is nearly its part, and the others are equal.
fn meant(logsource: &Logsource, mappings: &Mappings) -> Option<String> {
    let parts = |of: &Logsource| [of.product.clone(), of.service.clone(), of.category.clone()];
    let written = parts(logsource);
    let is_meant = |known: &&Logsource| {
        let known = parts(known);
        let mut others = written.iter().zip(&known).filter(|(own, other)| own != other);
        match (others.next(), others.next()) {
            (Some((Some(own), Some(other))), None) => is_slip(own, other),
            _ => false,
        }
    };
    mappings.logsources().find(is_meant).map(ToString::to_string)
}

fn warn_about_logsource(rule: &SigmaRule, found: &[&Mapping], mappings: &Mappings, report: &mut Report) {
    let (logsource, at) = (&rule.logsource.value, rule.logsource.at);
    if found.iter().all(|mapping| mapping.log_types.is_empty()) {
        let problem = format!("the rule waits for a source of `{logsource}`");
        let mend = match meant(logsource, mappings) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "it is loaded and cannot match: Stormglass reads no such log yet".to_owned(),
        };
        report.warning(at, "logsource", problem, mend);
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
    placeholders: &'r Placeholders,
    /// Fields that no mapping knows so far, with how many mappings do not.
    unknown: HashMap<String, (Position, usize)>,
    /// How the fields are called.
    names: Vec<(Field, String)>,
    /// Tests for equality with a text, and all others.
    tests: (usize, usize),
    report: &'r mut Report,
}

impl<'r> Checker<'r> {
    fn new(placeholders: &'r Placeholders, report: &'r mut Report) -> Self {
        Self { placeholders, unknown: HashMap::new(), names: Vec::new(), tests: (0, 0), report }
    }

    /// The expression of a detection, its fields read by one mapping.
    fn detection(&mut self, detection: &Detection, mapping: &Mapping) -> Option<Expr> {
        self.tests = (0, 0);
        let mut searches = Vec::with_capacity(detection.searches.len());
        for (name, search) in &detection.searches {
            let path = format!("detection.{}", name.value);
            searches.push((name.value.as_str(), self.search(search, &path, mapping)?));
        }
        condition::resolve(detection, &searches, self.report)
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
        let resolve = |name: &str| mapping.resolve(name).field;
        let meaning = Meaning { resolve: &resolve, placeholders: self.placeholders };
        let demand = demand::read(item, &path, meaning, self.report)?;
        let (equalities, others) = demand.sizes();
        self.tests = (self.tests.0 + equalities, self.tests.1 + others);
        let most = [
            (self.tests.0, MAX_EQUALITIES, "values"),
            (self.tests.1, MAX_TESTS, "values to be tried one by one"),
        ];
        let too_many = most.into_iter().find(|(tests, most, _)| tests > most);
        let problem = too_many.map(|(_, most, what)| format!("the rule has more than {most} {what}"));
        if let Some(problem) = problem {
            self.report.error(item.at, &path, problem, "split it");
            return None;
        }
        let subject = match &item.field {
            None => Subject::Keywords,
            Some(name) => {
                let resolved = mapping.resolve(name);
                if !resolved.known || mapping.slip_of(name).is_some() {
                    self.unknown.entry(name.clone()).or_insert((item.at, 0)).1 += 1;
                }
                if !self.names.iter().any(|(field, _)| *field == resolved.field) {
                    self.names.push((resolved.field.clone(), name.clone()));
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
            let slip = found.iter().find_map(|mapping| mapping.slip_of(&name));
            let mend = slip.or_else(|| nearest(&name, names)).map_or_else(
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
