//! Real records, where the corpus is at hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::reason::Reason;
use crate::{corpus, sample};

/// Folders and files with records of Azure and Entra.
const PLACES: [&str; 7] = [
    "azure_activity",
    "entra_signin",
    "entra_audit",
    "sekoia/azure_activity",
    "sekoia/azure_ad",
    "sekoia/entraid_graph",
    "expected/panther",
];

/// Every record becomes an event, unless it is an excerpt that says no time, or is of another log.
#[test]
fn the_corpus_maps() {
    let Some(root) = corpus::folder("") else { return };
    for place in PLACES {
        let mut files = Vec::new();
        collect(&root.join(place), &mut files);
        let is_azure =
            |file: &PathBuf| place != "expected/panther" || file.to_string_lossy().contains("/Azure.");
        let records: Vec<String> =
            files.iter().filter(|file| is_azure(file)).flat_map(|file| records_of(file)).collect();
        report(place, &records);
    }
}

fn report(place: &str, records: &[String]) {
    let normalized = sample::map(records);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for reject in &normalized.rejects {
        let expected = [Reason::MissingTime, Reason::UnknownLogType, Reason::BadTime];
        assert!(expected.contains(&reject.reason), "{place}: {}: {}", reject.reason, reject.detail);
        *reasons.entry(format!("{}: {}", reject.reason, reject.detail)).or_default() += 1;
    }
    for row in 0..normalized.events.len() {
        sample::assert_nothing_lost(&normalized.events, row, place);
    }
    let share = 100.0 * normalized.events.len() as f64 / records.len() as f64;
    println!("{place}: {share:.1} % of {} records; rejected: {reasons:#?}", records.len());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
    files.sort();
}

/// Records one after the other; a test case of another project holds one as `event` or `input.message`.
fn records_of(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut records = Vec::new();
    for value in serde_json::Deserializer::from_str(&text).into_iter::<Box<RawValue>>() {
        let text = value.unwrap().get().to_owned();
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).unwrap();
        let message = members.get("input").and_then(|input| {
            let input: Value = serde_json::from_str(input.get()).ok()?;
            Some(input.get("message")?.as_str()?.to_owned())
        });
        let event = members.get("event").filter(|_| members.contains_key("source_rule_id"));
        records.push(message.or_else(|| event.map(|event| event.get().to_owned())).unwrap_or(text));
    }
    records
}
