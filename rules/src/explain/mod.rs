//! Why a rule matches an event or does not: its condition as a tree in its own words, each part with its
//! answer and with what the event held.
//!
//! The answers come from the same predicates as [`RuleSet::matches`](crate::RuleSet::matches)'s, compiled for
//! one rule. A value that is asked of a field and a value found in the event are shown up to
//! [`MOST_VALUES`] and [`MOST_CHARACTERS`]; a search is taken apart where the condition first names it.

mod correlation;
mod plan;
mod tree;

use std::collections::HashMap;

use event::{Col, EventBatch, LogType};

pub use correlation::Member;
pub use tree::{Asked, Looked, Part, Wanted, What};

use crate::check::CheckedRule;
use crate::check::correlation::CheckedCorrelation;
use crate::load::{self, Checked};
use crate::options::LoadOptions;
use crate::sigma::head::Head;
use crate::source::RuleSource;

/// How many values of one kind are shown.
pub const MOST_VALUES: usize = 20;
/// How much of a value is shown.
pub const MOST_CHARACTERS: usize = 200;

/// Who acted in a row, for correlations by actor; rules do not know identities.
pub type ActorOf = fn(&EventBatch, usize) -> Option<String>;

/// Rules that can explain themselves.
#[derive(Debug)]
pub struct Explainer {
    checked: Checked,
    options: LoadOptions,
    actor: ActorOf,
}

/// A rule or a correlation of an [`Explainer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleRef {
    /// A rule over single events.
    Rule(usize),
    /// A correlation of rules.
    Correlation(usize),
}

/// What a rule says to an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The rule's id; without one its name or title.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The file it comes from.
    pub path: String,
    /// The line of its document in that file.
    pub line: u32,
    /// Whether it matches the event; of a correlation, whether one of its rules does.
    pub matches: bool,
    /// The kinds of log that it reads; none for a correlation, or if it waits for a source.
    pub log_types: Vec<LogType>,
    /// The event's kind of log.
    pub log_type: String,
    /// One for each way in which the rule reads the event; none if it does not read such a log, and for
    /// correlations.
    pub readings: Vec<Reading>,
    /// The rules of a correlation.
    pub members: Vec<Member>,
}

/// A rule's condition, its fields read by one mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The log source by whose mapping fields are read.
    pub logsource: String,
    /// Whether it holds for the event.
    pub holds: bool,
    /// The conditions, of which one is enough, as one part; then each filter, all of which must hold too.
    pub parts: Vec<Part>,
}

impl Explainer {
    /// Reads rules, and the filters and correlations among them.
    pub fn new(sources: &[RuleSource], options: LoadOptions) -> Self {
        Self { checked: load::check_all(sources, &options), options, actor: |_, _| None }
    }

    /// The same, with a way to tell who acted.
    #[must_use]
    pub fn with_actor(self, actor: ActorOf) -> Self {
        Self { actor, ..self }
    }

    /// What was found in the files: why a rule that is looked for may be missing.
    pub fn diagnostics(&self) -> &[event::Diagnostic] {
        &self.checked.diagnostics
    }

    /// Every rule and correlation.
    pub fn rules(&self) -> Vec<RuleRef> {
        let rules = (0..self.checked.rules.len()).map(RuleRef::Rule);
        rules.chain((0..self.checked.correlations.len()).map(RuleRef::Correlation)).collect()
    }

    /// The rules and correlations with that id or name; where there are none, those with that title.
    pub fn named(&self, name: &str) -> Vec<RuleRef> {
        let found = self.filtered(|head, _| head.is_called(name) || head.key() == name);
        if found.is_empty() { self.filtered(|head, _| head.title.eq_ignore_ascii_case(name)) } else { found }
    }

    /// The rules and correlations in a file.
    pub fn in_file(&self, path: &str) -> Vec<RuleRef> {
        self.filtered(|_, file| file == path)
    }

    /// The id or name nearest to `name`.
    pub fn nearest(&self, name: &str) -> Option<String> {
        let rules = self.rules();
        let heads = rules.iter().filter_map(|rule| self.head(*rule)).map(|(head, _)| head);
        let names = heads.flat_map(|head| [Some(head.title.as_str()), head.name.as_deref()]).flatten();
        crate::nearest::nearest(name, names).map(str::to_owned)
    }

    fn filtered(&self, wanted: impl Fn(&Head, &str) -> bool) -> Vec<RuleRef> {
        let mut rules = self.rules();
        rules.retain(|rule| self.head(*rule).is_some_and(|(head, path)| wanted(head, path)));
        rules
    }

    fn head(&self, rule: RuleRef) -> Option<(&Head, &str)> {
        match rule {
            RuleRef::Rule(index) => self.rule(index).map(|(rule, path)| (&rule.rule.head, path)),
            RuleRef::Correlation(index) => {
                self.correlation(index).map(|(rule, path)| (&rule.rule.head, path))
            }
        }
    }

    fn rule(&self, index: usize) -> Option<(&CheckedRule, &str)> {
        self.checked.rules.get(index).map(|(rule, path)| (rule, path.as_str()))
    }

    fn correlation(&self, index: usize) -> Option<(&CheckedCorrelation, &str)> {
        self.checked.correlations.get(index).map(|(rule, path)| (rule, path.as_str()))
    }

    /// What a rule says to the event in a row; `None` if there is no such rule.
    pub fn explain(&self, rule: RuleRef, batch: &EventBatch, row: usize) -> Option<Explanation> {
        self.explain_once(rule, batch, row, &mut HashMap::new())
    }

    /// The same; a rule among `known`, which has the answers given so far, is not taken apart again.
    fn explain_once(
        &self,
        rule: RuleRef,
        batch: &EventBatch,
        row: usize,
        known: &mut HashMap<RuleRef, bool>,
    ) -> Option<Explanation> {
        let (head, path) = self.head(rule)?;
        let mut explanation = Explanation {
            id: head.key(),
            title: head.title.clone(),
            path: path.to_owned(),
            line: head.at.line,
            matches: false,
            log_types: Vec::new(),
            log_type: batch.str_at(Col::LogType, row).unwrap_or_default().to_owned(),
            readings: Vec::new(),
            members: Vec::new(),
        };
        if let Some(matches) = known.get(&rule) {
            explanation.matches = *matches;
            return Some(explanation);
        }
        match rule {
            RuleRef::Rule(index) => self.explain_rule(self.rule(index)?.0, batch, row, &mut explanation),
            RuleRef::Correlation(index) => {
                explanation.members = self.members(self.correlation(index)?.0, batch, row, known);
                explanation.matches = explanation.members.iter().any(|member| member.explanation.matches);
            }
        }
        known.insert(rule, explanation.matches);
        Some(explanation)
    }

    fn explain_rule(
        &self,
        rule: &CheckedRule,
        batch: &EventBatch,
        row: usize,
        explanation: &mut Explanation,
    ) {
        let mappings = self.options.mappings.of(&rule.rule.logsource.value);
        let mut log_types: Vec<_> =
            mappings.iter().flat_map(|mapping| mapping.log_types.iter().copied()).collect();
        log_types.sort();
        log_types.dedup();
        explanation.log_types = log_types;
        let Ok(log_type) = explanation.log_type.parse::<LogType>() else { return };
        let filters: Vec<_> =
            rule.filters.iter().filter_map(|index| self.checked.filters.get(*index)).collect();
        for mapping in mappings.into_iter().filter(|mapping| mapping.log_types.contains(&log_type)) {
            let reading =
                tree::reading(&rule.rule, &filters, mapping, &self.options.placeholders, batch, row);
            explanation.matches |= reading.holds;
            explanation.readings.push(reading);
        }
    }
}

/// The beginning of a text, marked where it goes on.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
