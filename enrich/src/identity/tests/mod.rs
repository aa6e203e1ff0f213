//! Evidence in records as clouds write them, through the real normaliser.

mod aws;
mod entra;
mod gcp;
mod hostile;
mod kubernetes;

use event::{EventBatch, RawBatchBuilder, RawRecord, SourceId};
use normalize::Normalizer;

use super::*;

/// Maps records, each of which must be readable.
fn events(records: &[String]) -> EventBatch {
    let mut builder = RawBatchBuilder::with_capacity(0);
    for (number, record) in (0..).zip(records) {
        assert!(builder.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
    }
    let raw = builder.finish(SourceId::new("test"), None, "test".into(), 0);
    let normalized = Normalizer::new().map(&raw, 0);
    assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
    normalized.events
}

fn links_of(batch: &EventBatch, config: &IdentityConfig) -> Vec<Link> {
    links(batch, 0..batch.len(), config)
}

/// The links of records, in words and in order.
fn told(records: &[String], config: &IdentityConfig) -> Vec<String> {
    let tell = |link: &Link| format!("{} {} {}", link.a(), link.kind(), link.b());
    let mut told: Vec<_> = links_of(&events(records), config).iter().map(tell).collect();
    told.sort();
    told.dedup();
    told
}

/// A graph that has seen the records.
fn graph(records: &[String], config: &IdentityConfig) -> IdentityGraph {
    let mut graph = IdentityGraph::new(1000);
    for link in links_of(&events(records), config) {
        graph.add(&link);
    }
    graph
}

/// Who did each of the records, by a graph that has seen all of them.
fn actors(records: &[String], config: &IdentityConfig) -> Vec<String> {
    let graph = graph(records, config);
    let batch = events(records);
    let all = Actors::of(&batch);
    (0..batch.len())
        .map(|row| {
            let alone = actor(&batch, row);
            assert_eq!(alone.as_ref(), all.get(row));
            alone.map_or_else(|| "-".to_owned(), |actor| graph.resolve(&actor).to_string())
        })
        .collect()
}

fn mail() -> IdentityConfig {
    IdentityConfig { mail_domains: vec!["example.com".into()], ..IdentityConfig::default() }
}

fn by_default() -> IdentityConfig {
    IdentityConfig::default()
}
