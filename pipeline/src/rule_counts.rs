//! What each rule has seen and found since the start.

use std::collections::HashMap;

use arrow::array::BooleanArray;
use event::{Col, EventBatch, LogType};
use parking_lot::Mutex;
use rules::{CompiledRule, Match, RuleSet};

/// Running totals; a rule that was changed goes on counting under its id.
#[derive(Debug, Default)]
pub struct RuleCounts {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: HashMap<LogType, u64>,
    matched: HashMap<String, u64>,
}

/// What a rule has seen and found since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleCount {
    /// Events of the kinds of log that it reads.
    pub evaluated: u64,
    /// Events that it matched.
    pub matched: u64,
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
        for found in matches.iter().filter(|found| kept(found.row as usize)) {
            let Some(rule) = rules.rules().get(found.rule as usize) else { continue };
            match inner.matched.get_mut(rule.id()) {
                Some(count) => *count += 1,
                None => {
                    inner.matched.insert(rule.id().to_owned(), 1);
                }
            }
        }
    }

    /// The totals of a rule.
    pub fn of(&self, rule: &CompiledRule) -> RuleCount {
        let inner = self.inner.lock();
        let events = |log_type: &LogType| inner.events.get(log_type).copied().unwrap_or_default();
        RuleCount {
            evaluated: rule.log_types().iter().map(events).sum(),
            matched: inner.matched.get(rule.id()).copied().unwrap_or_default(),
        }
    }
}
