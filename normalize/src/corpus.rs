//! Where the tests find real records that are not part of this repository.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use event::{Col, LogType};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::sample;

/// A file or folder of the corpus named by `STORMGLASS_CORPUS`, or, without that, of the one beside the
/// project. `None`, with a line that says so, where there is none.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("STORMGLASS_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: no corpus at {}", folder.display());
    None
}

/// Maps the records below a folder or in a file: some become rows of `log_type`, nothing of these is lost, and
/// no larger share than `rejected` is refused, for want of a time or of being such a log.
pub(crate) fn check_folder(log_type: LogType, name: &str, rejected: f64) {
    let Some(root) = folder(name) else { return };
    let mut records = Vec::new();
    collect(&root, &mut records);
    let normalized = sample::map(&records);
    assert_eq!(normalized.events.len() + normalized.rejects.len(), records.len());
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for row in 0..normalized.events.len() {
        let found = normalized.events.str_at(Col::LogType, row).unwrap();
        *rows.entry(found.to_owned()).or_default() += 1;
        // Large sets in part, which takes long enough.
        if found == log_type.as_str() && row % (1 + records.len() / 500) == 0 {
            sample::assert_nothing_lost(&normalized.events, row, name);
        }
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for reject in &normalized.rejects {
        *reasons.entry(format!("{}: {}", reject.reason, reject.detail)).or_default() += 1;
    }
    println!("{name}: {} records, rows {rows:?}, rejects {reasons:#?}", records.len());
    assert!(rows.get(log_type.as_str()).is_some_and(|rows| *rows > 0), "{name}: no row of {log_type}");
    let share = normalized.rejects.len() as f64 / records.len() as f64;
    assert!(share <= rejected, "{name}: {share} of the records are refused: {reasons:#?}");
}

fn collect(path: &Path, records: &mut Vec<String>) {
    if path.is_dir() {
        let mut paths: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().for_each(|path| collect(path, records));
        return;
    }
    let name = path.to_string_lossy();
    if [".ocsf", ".parquet", ".md"].iter().any(|end| name.ends_with(end)) || name.contains("/ocsf_eks") {
        return;
    }
    let mut bytes = std::fs::read(path).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut inflated = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut inflated).unwrap();
        bytes = inflated;
    }
    for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Box<RawValue>>() {
        records.extend(unwrapped(value.unwrap().get()));
    }
}

/// The records in one value of a file: test tables hold them in a member, some files in an array.
fn unwrapped(text: &str) -> Vec<String> {
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) {
        return elements.into_iter().map(|element| element.get().to_owned()).collect();
    }
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else { return Vec::new() };
    let is_test = members.contains_key("source_rule_id") || members.contains_key("rule_file");
    if is_test && let Some(event) = members.get("event") {
        return vec![event.get().to_owned()];
    }
    if let (Some(input), true) = (members.get("input"), members.contains_key("expected")) {
        let input: Value = serde_json::from_str(input.get()).unwrap();
        return vec![input["message"].as_str().unwrap_or_default().to_owned()];
    }
    vec![text.to_owned()]
}
