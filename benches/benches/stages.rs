//! The stages one by one, on generated records held in memory.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event::{RawBatch, RawBatchBuilder, RawRecord, SourceId};
use rules::RuleSource;

const RECORDS: u64 = 2000;

fn cloudtrail() -> Vec<String> {
    let mut generator = benches::Generator::new(1);
    (0..RECORDS).map(|_| generator.cloudtrail()).collect()
}

fn batch(records: &[String]) -> RawBatch {
    let mut builder = RawBatchBuilder::with_capacity(4 << 20);
    for (number, record) in records.iter().enumerate() {
        let record = RawRecord { bytes: record.as_bytes(), number: number as u64, reject: None };
        assert!(builder.push(record), "the batch is small");
    }
    builder.finish(SourceId::new("bench"), None, "memory".into(), 0)
}

fn add_rules(folder: &Path, rules: &mut Vec<RuleSource>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            add_rules(&path, rules);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            rules.push(RuleSource { path: path.display().to_string(), text });
        }
    }
}

fn stages(criterion: &mut Criterion) {
    let records = cloudtrail();
    let raw = batch(&records);
    let mut group = criterion.benchmark_group("cloudtrail");
    group.throughput(Throughput::Elements(RECORDS));

    group.bench_function("parse alone: sonic-rs", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(sonic_rs::from_str::<sonic_rs::Value>(record).is_ok());
            }
        });
    });
    group.bench_function("parse alone: serde_json", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(serde_json::from_str::<serde_json::Value>(record).is_ok());
            }
        });
    });
    let container = format!("{{\"Records\":[{}]}}", records.join(","));
    group.bench_function("split", |bencher| {
        bencher
            .iter(|| black_box(ingest::split_body(container.as_bytes(), &ingest::Limits::default()).len()));
    });
    let mut normalizer = normalize::Normalizer::new();
    group.bench_function("normalise", |bencher| {
        bencher.iter(|| black_box(normalizer.map(&raw, 0).events.len()));
    });
    let events = normalizer.map(&raw, 0).events;
    let shipped = rules::load(&rules::shipped()).rules;
    let mut more = rules::shipped();
    // SigmaHQ's cloud rules, where they are at hand.
    let corpus = std::env::var("STORMGLASS_CORPUS").unwrap_or_else(|_| "../../shared/corpus".to_owned());
    add_rules(&Path::new(&corpus).join("sigma/sigmahq/rules/cloud"), &mut more);
    for rules in [shipped, rules::load(&more).rules] {
        let mut scratch = rules::Scratch::default();
        group.bench_function(format!("match {} rules", rules.len()), |bencher| {
            bencher.iter(|| black_box(rules.matches(&events, &mut scratch).len()));
        });
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
