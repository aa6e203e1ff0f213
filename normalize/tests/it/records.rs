//! Records to feed: our own samples, and the corpus of real ones where it is at hand.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use event::{EventBatch, RawBatch, RawBatchBuilder, RawRecord, SourceId};
use normalize::{Normalized, Normalizer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A record and the file that it is from.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The path below the samples or the corpus.
    pub(crate) origin: String,
    pub(crate) text: String,
}

/// Our own samples of every cloud.
pub(crate) fn samples() -> &'static [Record] {
    static SAMPLES: LazyLock<Vec<Record>> = LazyLock::new(|| {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/samples"));
        below(&root, &root)
    });
    assert!(!SAMPLES.is_empty(), "no samples");
    &SAMPLES
}

/// A folder of the corpus named by `STORMGLASS_CORPUS`, or, without that, of the one beside the project.
/// `None`, with a line that says so, where there is none.
pub(crate) fn corpus(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("STORMGLASS_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let found = root.join(folder);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: no corpus at {}", found.display());
    None
}

/// The records of every file below `folder`, named by their path below `root`.
pub(crate) fn below(root: &Path, folder: &Path) -> Vec<Record> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        if path.is_dir() {
            records.extend(below(root, &path));
            continue;
        }
        let origin = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let texts = of_file(&path);
        records.extend(texts.into_iter().map(|text| Record { origin: origin.clone(), text }));
    }
    records
}

/// The records of one file, split as a collector would split it; none where it holds no JSON.
pub(crate) fn of_file(path: &Path) -> Vec<String> {
    let name = path.to_string_lossy();
    if [".yml", ".md", ".csv", ".parquet", ".tsv", ".ocsf"].iter().any(|end| name.ends_with(end)) {
        return Vec::new();
    }
    let mut bytes = fs::read(path).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut inflated = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut inflated).unwrap();
        bytes = inflated;
    }
    let Ok(text) = String::from_utf8(bytes) else { return Vec::new() };
    if name.ends_with(".log") {
        return vec![text.trim_end().to_owned()];
    }
    let mut records = Vec::new();
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(whole) => split(whole, &mut records),
        Err(_) => {
            for line in text.lines() {
                if let Ok(line) = serde_json::from_str::<&RawValue>(line) {
                    split(line, &mut records);
                }
            }
        }
    }
    records
}

/// Members that hold records in files and test tables of others.
const CONTAINERS: [&str; 6] = ["Records", "records", "should_match", "should_not_match", "Logs", "logEvents"];

fn split(value: &RawValue, records: &mut Vec<String>) {
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        elements.into_iter().for_each(|element| split(element, records));
        return;
    }
    let Ok(members) = serde_json::from_str::<std::collections::BTreeMap<String, &RawValue>>(value.get())
    else {
        return;
    };
    let is_test = members.contains_key("source_rule_id") || members.contains_key("rule_file");
    if is_test && let Some(event) = members.get("event") {
        return split(event, records);
    }
    if members.contains_key("input") && members.contains_key("expected") {
        let input: Value = serde_json::from_str(members["input"].get()).unwrap();
        records.push(input["message"].as_str().unwrap_or_default().to_owned());
        return;
    }
    let mut is_container = false;
    for name in CONTAINERS {
        let elements =
            members.get(name).and_then(|list| serde_json::from_str::<Vec<&RawValue>>(list.get()).ok());
        if let Some(elements) = elements {
            is_container = true;
            elements.into_iter().for_each(|element| split(element, records));
        }
    }
    if !is_container {
        records.push(value.get().to_owned());
    }
}

/// Normalises records of which nobody knows the log type.
pub(crate) fn map<T: AsRef<[u8]>>(records: &[T]) -> Normalized {
    Normalizer::new().map(&batch(records), 0)
}

/// Normalises records that the source says to be of a log type.
pub(crate) fn map_as<T: AsRef<[u8]>>(records: &[T], log_type: event::LogType) -> Normalized {
    let mut raw = batch(records);
    raw.log_type = Some(log_type);
    Normalizer::new().map(&raw, 0)
}

fn batch<T: AsRef<[u8]>>(records: &[T]) -> RawBatch {
    let mut builder = RawBatchBuilder::with_capacity(0);
    for (number, record) in (0..).zip(records) {
        assert!(builder.push(RawRecord { bytes: record.as_ref(), number, reject: None }));
    }
    builder.finish(SourceId::new("test"), None, "test".into(), 1_717_200_000_000_000)
}

/// The indices of the records that became the rows of `events`, in order.
pub(crate) fn mapped(records: usize, normalized: &Normalized) -> Vec<usize> {
    let rejected: std::collections::BTreeSet<usize> =
        normalized.rejects.iter().map(|reject| reject.record).collect();
    let kept: Vec<usize> = (0..records).filter(|index| !rejected.contains(index)).collect();
    assert_eq!(kept.len(), normalized.events.len(), "rows and rejects are as many as the records");
    kept
}

/// The text in a column.
pub(crate) fn text(events: &EventBatch, col: event::Col, row: usize) -> &str {
    events.str_at(col, row).unwrap_or_default()
}
