//! From files to a rule set: parse, check, compile. What is broken is refused by itself.

use std::collections::HashMap;

use event::Diagnostic;

use crate::check::{self, CheckedRule};
use crate::compile::{self, RuleSet};
use crate::mapping::Mappings;
use crate::report::Report;
use crate::sigma::document::{self, Document};
use crate::sigma::rule::SigmaRule;
use crate::sigma::yaml::Position;
use crate::source::RuleSource;

/// What loading gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules that are sound.
    pub rules: RuleSet,
    /// What was found in the files, in their order: errors for what was refused, warnings for the rest.
    pub diagnostics: Vec<Diagnostic>,
    /// What became of the documents.
    pub counts: Counts,
}

/// What became of the documents of some rule files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All documents that are not empty.
    pub documents: usize,
    /// Rules that were loaded.
    pub loaded: usize,
    /// Those of them that cannot match yet, because no source of their log is read.
    pub waiting: usize,
    /// Documents that were refused.
    pub refused: usize,
    /// Correlation rules, left out.
    pub correlations: usize,
    /// Filters, left out.
    pub filters: usize,
}

/// Loads rules with the field mappings that come with Stormglass.
pub fn load(sources: &[RuleSource]) -> Loaded {
    load_with(sources, &Mappings::shipped())
}

/// Loads rules with other field mappings.
pub fn load_with(sources: &[RuleSource], mappings: &Mappings) -> Loaded {
    let mut loader = Loader::default();
    for source in sources {
        loader.file(source, mappings);
    }
    Loaded { rules: RuleSet::new(loader.rules), diagnostics: loader.diagnostics, counts: loader.counts }
}

#[derive(Debug, Default)]
struct Loader {
    rules: Vec<(CheckedRule, String)>,
    /// Where the rule of an id stands.
    ids: HashMap<String, (String, Position)>,
    diagnostics: Vec<Diagnostic>,
    counts: Counts,
}

impl Loader {
    fn file(&mut self, source: &RuleSource, mappings: &Mappings) {
        let mut report = Report::new(&source.path);
        for document in document::read_all(&source.text, &mut report) {
            self.counts.documents += 1;
            match document {
                Document::Rule(rule) => self.rule(*rule, source, mappings, &mut report),
                Document::Correlation => self.counts.correlations += 1,
                Document::Filter => self.counts.filters += 1,
                Document::Refused => self.counts.refused += 1,
            }
        }
        self.diagnostics.extend(report.into_diagnostics());
    }

    fn rule(&mut self, rule: SigmaRule, source: &RuleSource, mappings: &Mappings, report: &mut Report) {
        let id = compile::id(&rule);
        let at = rule.id.as_ref().map_or(rule.at, |id| id.at);
        if let Some((file, first)) = self.ids.get(&id) {
            let problem = format!("the id `{id}` is taken by the rule in `{file}`, line {}", first.line);
            report.error(at, "id", problem, "give this rule an id of its own, or remove one of the two");
            self.counts.refused += 1;
            return;
        }
        let Some(checked) = check::check(rule, mappings, report) else {
            self.counts.refused += 1;
            return;
        };
        self.counts.loaded += 1;
        self.counts.waiting += usize::from(checked.readings.is_empty());
        self.ids.insert(id, (source.path.clone(), at));
        self.rules.push((checked, source.path.clone()));
    }
}
