//! A rule, ready to run.

use event::LogType;

use crate::check::CheckedRule;
use crate::sigma::rule::Logsource;
use crate::sigma::yaml::Position;
use crate::sigma::{Level, Status};

/// A rule of a [`RuleSet`](crate::RuleSet): what it is called and what its matches mean.
#[derive(Debug, Clone)]
pub struct CompiledRule {
    id: String,
    title: String,
    name: Option<String>,
    level: Level,
    status: Option<Status>,
    description: String,
    tags: Vec<String>,
    references: Vec<String>,
    false_positives: Vec<String>,
    logsource: Logsource,
    log_types: Vec<LogType>,
    path: String,
    at: Position,
}

impl CompiledRule {
    pub(crate) fn new(checked: &CheckedRule, path: &str) -> Self {
        let rule = &checked.rule;
        let mut log_types: Vec<_> =
            checked.readings.iter().flat_map(|reading| reading.log_types.iter().copied()).collect();
        log_types.sort();
        log_types.dedup();
        Self {
            id: id(rule),
            title: rule.title.clone(),
            name: rule.name.clone(),
            level: rule.level.unwrap_or(Level::Medium),
            status: rule.status,
            description: rule.description.trim().to_owned(),
            tags: rule.tags.clone(),
            references: rule.references.clone(),
            false_positives: rule.false_positives.clone(),
            logsource: rule.logsource.value.clone(),
            log_types,
            path: path.to_owned(),
            at: rule.at,
        }
    }

    /// Its id in lower case; of a rule without one its name, else its title.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One line on what it finds.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The name by which correlations and filters refer to it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How bad a match is; `medium` where the rule does not say.
    pub fn level(&self) -> Level {
        self.level
    }

    /// How ripe it is.
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// What a match means.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Such as `attack.t1078.004`, as written.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Where to read more.
    pub fn references(&self) -> &[String] {
        &self.references
    }

    /// What else may make it match.
    pub fn false_positives(&self) -> &[String] {
        &self.false_positives
    }

    /// Where its events come from, as written.
    pub fn logsource(&self) -> &Logsource {
        &self.logsource
    }

    /// The kinds of log that it reads; none if it waits for a source.
    pub fn log_types(&self) -> &[LogType] {
        &self.log_types
    }

    /// The file it comes from.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line of its document in that file, from 1.
    pub fn line(&self) -> u32 {
        self.at.line
    }

    /// Whether a match is an alert. Sigma: rules of level `informational` only tag events.
    pub fn yields_alert(&self) -> bool {
        self.level != Level::Informational
    }
}

/// What tells the rule from all others.
pub(crate) fn id(rule: &crate::sigma::rule::SigmaRule) -> String {
    match (&rule.id, &rule.name) {
        (Some(id), _) => id.value.clone(),
        (None, Some(name)) => name.clone(),
        (None, None) => rule.title.clone(),
    }
}
