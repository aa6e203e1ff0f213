//! Events in their course: which correlations stand in the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use event::EventBatch;
use rules::{Correlator, CorrelatorLimits, RuleSet, Scratch};

use crate::events;

/// The names of the correlations that tell something of these records, each as often as it does.
pub(crate) fn told(rules: &Arc<RuleSet>, records: &[String]) -> Vec<String> {
    let normalized = events::normalized(records);
    assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
    told_of(rules, &normalized.events)
}

/// The same of events.
pub(crate) fn told_of(rules: &Arc<RuleSet>, events: &EventBatch) -> Vec<String> {
    let matches = rules.matches(events, &mut Scratch::default());
    let hits = rules.hits(events, &matches, &|_| true, &|_| None);
    let mut correlator = Correlator::new(rules.clone(), CorrelatorLimits::default());
    for hit in &hits.hits {
        correlator.observe(hit, None);
    }
    let mut standing = BTreeSet::new();
    for finding in correlator.settle(i64::MAX) {
        match finding.episode {
            Ok(episode) => standing.insert((finding.correlation, finding.key, episode.id)),
            Err(id) => standing.remove(&(finding.correlation, finding.key, id)),
        };
    }
    let correlations = rules.correlations();
    let told = standing.into_iter().map(|(index, ..)| &correlations[index as usize]);
    told.filter(|rule| rule.yields_alert()).map(|rule| rule.title().to_owned()).collect()
}
