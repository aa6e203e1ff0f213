//! The collectors of AWS against moto, a real server of S3, SQS, SNS, EventBridge and STS.

mod digests;
mod following;
mod identity;
mod lake;
mod lookup;
pub(crate) mod moto;
mod objects;
mod queue;
mod signing_keys;

use std::collections::BTreeMap;
use std::io::Write as _;

use event::RawBatch;
use ingest::Collector;
use ingest::Polled;

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// `{"Records":[…]}` with so many records of an account's trail.
fn trail(name: &str, records: usize) -> String {
    let record = |n| format!("{{\"eventID\":\"{name}-{n}\"}}");
    format!("{{\"Records\":[{}]}}", (0..records).map(record).collect::<Vec<_>>().join(","))
}

/// What a record is known by, and what it is: its text, or its reject's reason.
pub(crate) type Records = BTreeMap<(String, u64), String>;

pub(crate) fn add(records: &mut Records, batch: &RawBatch) {
    for record in batch.records() {
        let text = match record.reject {
            Some(reason) => reason.to_owned(),
            None => String::from_utf8(record.bytes.into()).unwrap(),
        };
        records.insert((batch.origin.clone(), record.number), text);
    }
}

/// Takes and acknowledges until `done`; errors that pass are passed by.
pub(crate) async fn take_until(collector: &mut impl Collector, done: impl Fn(&Records) -> bool) -> Records {
    let mut records = Records::new();
    for _ in 0..2_000 {
        if done(&records) {
            return records;
        }
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => {
                if let Some(batch) = &collected.batch {
                    add(&mut records, batch);
                }
                while collector.ack(&[collected.ticket]).await.is_err() {}
            }
            Ok(Polled::Idle) => {}
            Ok(Polled::End) => return records,
            Err(error) => assert!(
                matches!(error.fate(), event::Fate::Retry { .. }),
                "{error} ({:?})",
                std::error::Error::source(&error)
            ),
        }
    }
    panic!("after 2,000 turns there is only {records:?}")
}

/// How many records there are of each origin.
fn counts(records: &Records) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for (origin, _) in records.keys() {
        *counts.entry(origin.as_str()).or_default() += 1;
    }
    counts
}
