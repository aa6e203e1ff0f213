//! Batches of events from records as text.

use event::{Col, EventBatch, EventBuilder, EventKey, LogType, RawBatchBuilder, RawRecord, SourceId};
use normalize::{Normalized, Normalizer};
use serde_json::Value;

/// The records of a file of JSON documents, one or many: lists and the usual wrappers are taken apart.
pub(crate) fn records(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>().map_while(Result::ok) {
        split(value, &mut found);
    }
    found
}

fn split(value: Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.into_iter().for_each(|value| split(value, found)),
        Value::Object(mut object) => {
            match ["Records", "records"].into_iter().find_map(|key| object.remove(key)) {
                Some(list) => split(list, found),
                None => found.push(Value::Object(object).to_string()),
            }
        }
        _ => {}
    }
}

/// The records normalised as one batch; the log offset of the first is 0.
pub(crate) fn normalized(records: &[String]) -> Normalized {
    normalized_from(records, 0)
}

/// The same, from another offset on.
pub(crate) fn normalized_from(records: &[String], first: u64) -> Normalized {
    let mut raw = RawBatchBuilder::with_capacity(1 << 20);
    for (number, text) in (0..).zip(records) {
        assert!(raw.push(RawRecord { bytes: text.as_bytes(), number, reject: None }));
    }
    Normalizer::new().map(&raw.finish(SourceId::new("test"), None, "test".into(), 0), first)
}

/// Events that have nothing but the record itself, as if they were of AWS.
pub(crate) fn bare(records: &[String]) -> EventBatch {
    let at = |record: &String| ("2023-11-14T22:13:20Z".to_owned(), record.clone());
    bare_at(&records.iter().map(at).collect::<Vec<_>>())
}

/// The same, each with its time.
pub(crate) fn bare_at(records: &[(String, String)]) -> EventBatch {
    let mut row = EventBuilder::new();
    for (index, (time, record)) in (0..).zip(records) {
        let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
        row.time(Col::Time, time.timestamp_micros());
        row.text(Col::EventUid, EventKey::of("bare", &[record.as_bytes()]).uid().as_str());
        row.text(Col::LogType, LogType::AwsCloudtrail.as_str());
        row.text(Col::Source, "test");
        row.text(Col::CloudProvider, "AWS");
        for col in [Col::ClassUid, Col::CategoryUid, Col::ActivityId, Col::SeverityId] {
            row.int(col, 1);
        }
        row.long(Col::TypeUid, 1);
        row.long(Col::LogOffset, index);
        row.text(Col::RawData, record);
        row.finish_row();
    }
    row.finish().unwrap()
}
