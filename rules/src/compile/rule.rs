//! A rule, ready to run.

use event::LogType;

use super::RuleHead;
use crate::check::CheckedRule;
use crate::grouping::GroupingFor;
use crate::mapping::Field;
use crate::sigma::Level;
use crate::sigma::rule::Logsource;

/// A rule of a [`RuleSet`](crate::RuleSet): what it is called and what its matches mean.
#[derive(Debug, Clone)]
pub struct CompiledRule {
    head: RuleHead,
    logsource: Logsource,
    log_types: Vec<LogType>,
    names: Vec<(Field, String)>,
    /// A correlation takes its matches and says nothing of alerts.
    pub(crate) only_feeds: bool,
}

impl CompiledRule {
    pub(crate) fn new(checked: &CheckedRule, path: &str) -> Self {
        let rule = &checked.rule;
        let mut log_types: Vec<_> =
            checked.readings.iter().flat_map(|reading| reading.log_types.iter().copied()).collect();
        log_types.sort();
        log_types.dedup();
        Self {
            head: RuleHead::new(&rule.head, path),
            logsource: rule.logsource.value.clone(),
            log_types,
            names: checked.names.clone(),
            only_feeds: false,
        }
    }

    /// Groups its matches as the configuration wants it.
    pub(super) fn group(&mut self, wanted: &[GroupingFor]) {
        self.head.group(wanted);
    }

    /// How the rule calls a field; what only a filter asks for, by its column or path.
    pub(crate) fn name_of(&self, field: &Field) -> String {
        let found = self.names.iter().find(|(known, _)| known == field);
        found.map_or_else(|| field.to_string(), |(_, name)| name.clone())
    }

    /// Where its events come from, as written.
    pub fn logsource(&self) -> &Logsource {
        &self.logsource
    }

    /// The kinds of log that it reads; none if it waits for a source.
    pub fn log_types(&self) -> &[LogType] {
        &self.log_types
    }

    /// Whether its matches only feed correlations, none of which lets it speak for itself (`generate`).
    pub fn only_feeds(&self) -> bool {
        self.only_feeds
    }

    /// Whether a match is an alert. Sigma: rules of level `informational` only tag events, and the rules of
    /// a correlation without `generate` only feed it.
    pub fn yields_alert(&self) -> bool {
        self.head.level() != Level::Informational && !self.only_feeds
    }
}

/// What every rule says about itself is read from a rule as from its head.
impl std::ops::Deref for CompiledRule {
    type Target = RuleHead;

    fn deref(&self) -> &RuleHead {
        &self.head
    }
}
