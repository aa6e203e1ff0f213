//! Rules over records that nobody keeps: only what may match is mapped.

use std::sync::Arc;

use event::{EventBatch, RawBatch};
use normalize::{CustomMappings, GLANCED, Normalized, Normalizer};
use rules::{Match, RuleSet, Scratch, Sieve};

/// Finds what rules match among raw records. One for each thread; what it learns of names is used again.
#[derive(Debug)]
pub struct Sifter {
    rules: Arc<RuleSet>,
    sieve: Sieve,
    normalizer: Normalizer,
    scratch: Scratch,
}

impl Sifter {
    /// One for these rules.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self::with_mappings(rules, Arc::default())
    }

    /// One for these rules that reads records of other logs by these mappings, too.
    pub fn with_mappings(rules: Arc<RuleSet>, mappings: Arc<CustomMappings>) -> Self {
        let sieve = Sieve::new(rules.clone(), GLANCED);
        Self { rules, sieve, normalizer: Normalizer::with_mappings(mappings), scratch: Scratch::default() }
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Maps those records of a batch that some rule may match, with log offsets from 0 by their place in the
    /// batch, and those that cannot be mapped at all. Every match and every reject of the whole batch is
    /// among them. Also the number of records passed over.
    pub fn sift(&mut self, raw: &RawBatch) -> (Normalized, usize) {
        let Self { rules, sieve, normalizer, scratch } = self;
        let wanted = sieve.wanted().to_vec();
        let glance = normalizer.glance(raw, &wanted, |log_type, told| sieve.may_match(log_type, told.iter()));
        let possible = rules.possible(&glance.events, &wanted, scratch);
        let mut records: Vec<_> =
            possible.iter().filter_map(|row| glance.seen.get(*row as usize).copied()).collect();
        records.extend(&glance.unseen);
        records.sort_unstable();
        (normalizer.map_some(raw, 0, &records), raw.len() - records.len())
    }

    /// The matches among what was mapped, as [`RuleSet::matches`].
    pub fn matches(&mut self, events: &EventBatch) -> Vec<Match> {
        self.rules.matches(events, &mut self.scratch)
    }
}
