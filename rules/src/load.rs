//! From files to a rule set: parse, check, compile. What is broken is refused by itself.
//!
//! A correlation may refer to a rule in any file, and a filter may narrow one, so all files are read first;
//! then filters are checked, then rules, then correlations, those first that others refer to.

use std::collections::HashMap;

use event::Diagnostic;

use crate::check::correlation::{self, CheckedCorrelation, Known, Stuck};
use crate::check::{self, CheckedRule};
use crate::compile::RuleSet;
use crate::lint::{self, FieldValues, Twins};
use crate::options::LoadOptions;
use crate::report::Report;
use crate::sigma::correlation::CorrelationRule;
use crate::sigma::document::{self, Document};
use crate::sigma::filter::FilterRule;
use crate::sigma::head::Head;
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
    /// Rules over single events that were loaded.
    pub loaded: usize,
    /// Those of them that cannot match yet, because no source of their log is read.
    pub waiting: usize,
    /// Documents that were refused.
    pub refused: usize,
    /// Correlations that were loaded.
    pub correlations: usize,
    /// Filters that were loaded.
    pub filters: usize,
}

/// Loads rules with the field mappings that come with Stormglass.
pub fn load(sources: &[RuleSource]) -> Loaded {
    load_with(sources, &LoadOptions::default())
}

/// Loads rules.
pub fn load_with(sources: &[RuleSource], options: &LoadOptions) -> Loaded {
    let checked = check_all(sources, options);
    Loaded {
        rules: RuleSet::new(checked.rules, checked.correlations).grouped(&options.groupings),
        counts: checked.counts,
        diagnostics: checked.diagnostics,
    }
}

/// What is sound among some files, with what was found in all of them.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Each with the file that it comes from, as are correlations.
    pub(crate) rules: Vec<(CheckedRule, String)>,
    pub(crate) correlations: Vec<(CheckedCorrelation, String)>,
    pub(crate) filters: Vec<FilterRule>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    counts: Counts,
}

/// Reads and checks rules, and compiles none.
pub(crate) fn check_all(sources: &[RuleSource], options: &LoadOptions) -> Checked {
    let files = sources.iter().map(|source| Report::new(&source.path)).collect();
    let mut loader =
        Loader { options, files, ids: HashMap::new(), twins: Twins::default(), counts: Counts::default() };
    let documents = loader.read(sources);
    let filters = loader.filters(documents.filters);
    let rules = loader.rules(documents.rules, &filters);
    let correlations = loader.correlations(documents.correlations, &rules);
    Checked {
        rules,
        correlations,
        filters: filters.into_iter().map(|(_, filter)| filter).collect(),
        counts: loader.counts,
        diagnostics: loader.files.into_iter().flat_map(Report::into_diagnostics).collect(),
    }
}

/// The documents of all files by kind, each with the index of its file.
#[derive(Debug, Default)]
struct Documents {
    rules: Vec<(usize, SigmaRule)>,
    correlations: Vec<(usize, CorrelationRule)>,
    filters: Vec<(usize, FilterRule)>,
}

#[derive(Debug)]
struct Loader<'o> {
    options: &'o LoadOptions,
    /// What was found in each file.
    files: Vec<Report>,
    /// Where the document of an id stands.
    ids: HashMap<String, (String, Position)>,
    twins: Twins,
    counts: Counts,
}

impl Loader<'_> {
    fn read(&mut self, sources: &[RuleSource]) -> Documents {
        let mut found = Documents::default();
        for (file, (source, report)) in sources.iter().zip(&mut self.files).enumerate() {
            for document in document::read_all(&source.text, report) {
                self.counts.documents += 1;
                match document {
                    Document::Rule(rule) => found.rules.push((file, *rule)),
                    Document::Correlation(rule) => found.correlations.push((file, *rule)),
                    Document::Filter(filter) => found.filters.push((file, *filter)),
                    Document::Refused => self.counts.refused += 1,
                }
            }
        }
        found
    }

    /// What fields can hold, which only lints ask.
    fn values(&self) -> FieldValues {
        if self.options.lint { FieldValues::shipped() } else { FieldValues::default() }
    }

    fn filters(&mut self, filters: Vec<(usize, FilterRule)>) -> Vec<(usize, FilterRule)> {
        let mut sound = Vec::with_capacity(filters.len());
        let values = self.values();
        for (file, filter) in filters {
            let Some(report) = self.files.get_mut(file) else { continue };
            if check::check_filter(&filter, self.options, report) && self.takes_id(&filter.head, file) {
                if let (true, Some(report)) = (self.options.lint, self.files.get_mut(file)) {
                    lint::filter(&filter, self.options, &values, report);
                }
                self.counts.filters += 1;
                sound.push((file, filter));
            } else {
                self.counts.refused += 1;
            }
        }
        sound
    }

    fn rules(
        &mut self,
        rules: Vec<(usize, SigmaRule)>,
        filters: &[(usize, FilterRule)],
    ) -> Vec<(CheckedRule, String)> {
        let mut sound = Vec::with_capacity(rules.len());
        let mut used = vec![false; filters.len()];
        let values = self.values();
        for (file, rule) in rules {
            let mut narrowing = Vec::new();
            for ((index, (_, filter)), used) in filters.iter().enumerate().zip(&mut used) {
                let named = |name: &str| rule.head.is_called(name);
                let is_meant = filter.rules.is_empty() || filter.rules.iter().any(|name| named(&name.value));
                if is_meant && filter.covers(&rule.logsource.value) {
                    *used = true;
                    narrowing.push((index, filter));
                }
            }
            if !self.takes_id(&rule.head, file) {
                self.counts.refused += 1;
                continue;
            }
            let Some(report) = self.files.get_mut(file) else { continue };
            let path = report.file().to_owned();
            match check::check(rule, &narrowing, self.options, report) {
                Some(checked) => {
                    if self.options.lint {
                        let narrowing: Vec<_> = narrowing.iter().map(|(_, filter)| *filter).collect();
                        lint::rule(&checked, &narrowing, self.options, &values, report);
                        self.twins.rule(&checked.rule, report);
                    }
                    self.counts.loaded += 1;
                    self.counts.waiting += usize::from(checked.readings.is_empty());
                    sound.push((checked, path));
                }
                None => self.counts.refused += 1,
            }
        }
        for ((file, filter), _) in filters.iter().zip(used).filter(|(_, used)| !used) {
            let Some(report) = self.files.get_mut(*file) else { continue };
            let at = filter.rules.first().map_or(filter.head.at, |name| name.at);
            let mend =
                "name rules of events of the same `logsource`; correlations are narrowed by their rules";
            report.warning(at, "filter.rules", "the filter is for no rule that is loaded", mend);
        }
        sound
    }

    /// Takes correlations in the order of what they refer to.
    fn correlations(
        &mut self,
        mut waiting: Vec<(usize, CorrelationRule)>,
        rules: &[(CheckedRule, String)],
    ) -> Vec<(CheckedCorrelation, String)> {
        let mut sound: Vec<(CheckedCorrelation, String)> = Vec::with_capacity(waiting.len());
        loop {
            let mappings = &self.options.mappings;
            let known = Known { rules, correlations: &sound, mappings, stuck: &[] };
            let (ready, rest): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|(_, rule)| known.has_all(rule));
            // What is left when nothing is ready refers to nothing, or in a circle; checking it says so.
            let is_stuck = ready.is_empty();
            let (now, later) = if is_stuck { (rest, Vec::new()) } else { (ready, rest) };
            let stuck: Vec<_> = now.iter().filter(|_| is_stuck).map(|(_, rule)| Stuck::new(rule)).collect();
            if now.is_empty() {
                return sound;
            }
            let mut found = Vec::with_capacity(now.len());
            for (file, rule) in now {
                let taken = self.takes_id(&rule.head, file);
                let Some(report) = self.files.get_mut(file).filter(|_| taken) else {
                    self.counts.refused += 1;
                    continue;
                };
                let path = report.file().to_owned();
                let known = Known { rules, correlations: &sound, mappings, stuck: &stuck };
                match correlation::check(rule, &known, report) {
                    Some(checked) => {
                        if self.options.lint {
                            lint::correlation(&checked.rule, &mut self.twins, report);
                        }
                        found.push((checked, path));
                    }
                    None => self.counts.refused += 1,
                }
            }
            self.counts.correlations += found.len();
            sound.extend(found);
            waiting = later;
        }
    }

    /// Whether the document's id was free; else it is refused.
    fn takes_id(&mut self, head: &Head, file: usize) -> bool {
        let Some(report) = self.files.get_mut(file) else { return false };
        let (id, at) = (head.key(), head.id_at());
        if let Some((path, first)) = self.ids.get(&id) {
            let problem = format!("the id `{id}` is taken by the rule in `{path}`, line {}", first.line);
            report.error(at, "id", problem, "give this rule an id of its own, or remove one of the two");
            return false;
        }
        self.ids.insert(id, (report.file().to_owned(), at));
        true
    }
}
