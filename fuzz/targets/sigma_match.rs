//! Any rule over any records: matches lie within the batch and do not depend on how it is cut.
#![no_main]

use arrow::array::BooleanArray;
use event::{EventBatch, SourceId};
use ingest::{Limits, split_body};
use libfuzzer_sys::fuzz_target;
use normalize::Normalizer;
use rules::{RuleSet, RuleSource, Scratch, load};

fuzz_target!(|input: (&str, &[u8])| {
    let (rule, records) = input;
    let loaded = load(&[RuleSource { path: "fuzz.yml".into(), text: rule.into() }]);
    if loaded.rules.is_empty() {
        return;
    }
    let batch = split_body(records, &Limits::default()).finish(SourceId::new("fuzz"), None, "fuzz".into(), 1);
    let events = Normalizer::new().map(&batch, 0).events;
    let whole = matches(&loaded.rules, &events, 0);
    let mut by_row = Vec::new();
    for row in 0..events.len() {
        let keep: BooleanArray = (0..events.len()).map(|other| Some(other == row)).collect();
        let one = events.filter(&keep).expect("the lengths are equal");
        by_row.extend(matches(&loaded.rules, &one, row));
    }
    assert_eq!(whole, by_row);
});

/// Row and rule of each match, in order.
fn matches(rules: &RuleSet, events: &EventBatch, first: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<_> = rules
        .matches(events, &mut Scratch::default())
        .iter()
        .map(|found| (found.row as usize, found.rule as usize))
        .inspect(|(row, rule)| assert!(*row < events.len() && *rule < rules.len()))
        .map(|(row, rule)| (first + row, rule))
        .collect();
    found.sort_unstable();
    found
}
