//! Rules over records that nobody keeps: only what may match is mapped.

use event::RawBatch;
use normalize::{GLANCED, Normalized, Normalizer};
use rules::{RuleSet, Scratch};

/// Maps those records of a batch that some rule may match, with log offsets from 0 by their place in the
/// batch, and those that cannot be mapped at all. Every match and every reject of the whole batch is among
/// them. Also the number of records passed over.
pub fn sift(
    raw: &RawBatch,
    rules: &RuleSet,
    normalizer: &mut Normalizer,
    scratch: &mut Scratch,
) -> (Normalized, usize) {
    let wanted = rules.columns_of(GLANCED);
    let glance = normalizer.glance(raw, &wanted);
    let possible = rules.possible(&glance.events, &wanted, scratch);
    let mut records: Vec<_> =
        possible.iter().filter_map(|row| glance.seen.get(*row as usize).copied()).collect();
    records.extend(&glance.unseen);
    records.sort_unstable();
    (normalizer.map_some(raw, 0, &records), raw.len() - records.len())
}
