//! What each rule has seen and found since the start.

use std::collections::{BTreeMap, HashMap};

use arrow::array::BooleanArray;
use event::{Col, EventBatch, LogType};
use parking_lot::Mutex;
use rules::{CompiledRule, Match, RuleSet};

use crate::memory::Taken;

/// Running totals; a rule that was changed goes on counting under its id.
#[derive(Debug, Default)]
pub struct RuleCounts {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: HashMap<LogType, u64>,
    /// By id of the rule or correlation.
    by_id: HashMap<String, RuleCount>,
}

/// What a rule has seen and found since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleCount {
    /// Events of the kinds of log that it reads; for a correlation, matches of its rules.
    pub evaluated: u64,
    /// Events that it matched; for a correlation, groups of events of which nothing was told before.
    pub matched: u64,
    /// Those among the matched that raised no alert of their own, because the rule only tags events or feeds
    /// correlations.
    pub suppressed: u64,
    /// Matches that could not become what they should: an alert, or, for a correlation, a part of a group,
    /// because the event lacks a part of the key or the value.
    pub errored: u64,
}

impl RuleCounts {
    /// Adds the events of a group that are new, and the matches among them.
    pub(crate) fn add(&self, rules: &RuleSet, events: &EventBatch, matches: &[Match], keep: &BooleanArray) {
        let kept = |row: usize| row < keep.values().len() && keep.values().value(row);
        let mut inner = self.inner.lock();
        let labels = events.label(Col::LogType);
        let mut by_label = vec![0_u64; labels.values().len()];
        for label in labels.keys_iter().enumerate().filter(|(row, _)| kept(*row)).map(|(_, label)| label) {
            if let Some(count) = label.and_then(|label| by_label.get_mut(label)) {
                *count += 1;
            }
        }
        let names = arrow::array::AsArray::as_string::<i32>(labels.values());
        for (name, count) in names.iter().zip(by_label) {
            if let Some(log_type) = name.and_then(|name| name.parse::<LogType>().ok()) {
                *inner.events.entry(log_type).or_default() += count;
            }
        }
        // A repeat, and an event past retention, is no event of the rule's.
        for found in matches.iter().filter(|found| kept(found.row as usize)) {
            let Some(rule) = rules.rules().get(found.rule as usize) else { continue };
            let count = inner.of(rule.id());
            count.matched += 1;
            count.suppressed += u64::from(!rule.yields_alert());
        }
    }

    /// Adds what correlations have taken and found, by index.
    pub(crate) fn add_taken(&self, rules: &RuleSet, taken: &BTreeMap<u32, Taken>) {
        if taken.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        for (correlation, taken) in taken {
            let Some(correlation) = rules.correlations().get(*correlation as usize) else { continue };
            let count = inner.of(correlation.id());
            count.evaluated += taken.matches;
            count.matched += taken.episodes;
            count.suppressed += if correlation.yields_alert() { 0 } else { taken.episodes };
        }
    }

    /// Adds rules whose match could not become an alert, and the rows and correlations of matches that a
    /// correlation could not take; both by index.
    pub(crate) fn add_failed(&self, rules: &RuleSet, failed: &[u32], incomplete: &[(u32, u32)]) {
        if failed.is_empty() && incomplete.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        for rule in failed.iter().filter_map(|rule| rules.rules().get(*rule as usize)) {
            inner.of(rule.id()).errored += 1;
        }
        for (_, correlation) in incomplete {
            if let Some(correlation) = rules.correlations().get(*correlation as usize) {
                inner.of(correlation.id()).errored += 1;
            }
        }
    }

    /// The totals of a rule.
    pub fn of(&self, rule: &CompiledRule) -> RuleCount {
        let inner = self.inner.lock();
        let events = |log_type: &LogType| inner.events.get(log_type).copied().unwrap_or_default();
        let known = inner.by_id.get(rule.id()).copied().unwrap_or_default();
        RuleCount { evaluated: rule.log_types().iter().map(events).sum(), ..known }
    }

    /// The totals of a correlation, by its id.
    pub fn of_correlation(&self, id: &str) -> RuleCount {
        self.inner.lock().by_id.get(id).copied().unwrap_or_default()
    }
}

impl Inner {
    fn of(&mut self, id: &str) -> &mut RuleCount {
        self.by_id.entry(id.to_owned()).or_default()
    }
}
