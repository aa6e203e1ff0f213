use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use event::LogType;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{corpus, sample};

#[test]
fn samples() {
    sample::check(LogType::AwsCloudtrail, "aws");
}

/// Every record of the corpus becomes an event, unless it says no time or is of another log.
#[test]
fn the_corpus_maps() {
    let Some(root) = corpus::folder("cloudtrail") else { return };
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut total = 0;
    for folder in folders {
        let mut files = Vec::new();
        collect_files(&folder, &mut files);
        let records: Vec<String> = files.iter().flat_map(|file| records_of(file)).collect();
        let normalized = sample::map(&records);
        assert_eq!(normalized.events.len() + normalized.rejects.len(), records.len());
        for row in (0..normalized.events.len()).step_by(29) {
            sample::assert_nothing_lost(&normalized.events, row, &folder.to_string_lossy());
        }
        for reject in &normalized.rejects {
            *reasons.entry(format!("{}: {}", reject.reason, reject.detail)).or_default() += 1;
        }
        total += records.len();
        let share = 100.0 * normalized.events.len() as f64 / records.len() as f64;
        println!("{}: {share:.2} % of {} records", folder.display(), records.len());
    }
    println!("rejected of {total} records: {reasons:#?}");
    assert!(reasons.values().sum::<usize>() * 1000 < total);
}

pub(crate) fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect_files(&path, files) } else { files.push(path) }
    }
    files.sort();
}

/// The records of a file: `{"Records": […]}`, an array, or one after the other, gzipped or not.
pub(crate) fn records_of(file: &Path) -> Vec<String> {
    let mut bytes = fs::read(file).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut inflated = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut inflated).unwrap();
        bytes = inflated;
    }
    let mut records = Vec::new();
    for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Box<RawValue>>() {
        let text = value.unwrap().get().to_owned();
        let list = match serde_json::from_str::<BTreeMap<String, &RawValue>>(&text) {
            Ok(object) => object.get("Records").map(|records| records.get()),
            Err(_) => Some(text.as_str()),
        };
        match list.and_then(|list| serde_json::from_str::<Vec<&RawValue>>(list).ok()) {
            Some(list) => records.extend(list.into_iter().map(|record| record.get().to_owned())),
            None => records.push(text),
        }
    }
    records
}

/// The rule engine compares these columns with the names and values of CloudTrail itself.
#[test]
fn native_values_stand_verbatim() {
    use event::Col;
    let record = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser"},"eventTime":"2024-05-14T08:00:00Z",
        "eventSource":"Iam.amazonaws.com ","eventName":"createUser","awsRegion":"","userAgent":" x ","errorCode":""}"#;
    let events = sample::map(&[record]).events;
    let raw: Value = serde_json::from_str(record).unwrap();
    for (col, value) in [
        (Col::ApiServiceName, &raw["eventSource"]),
        (Col::ApiOperation, &raw["eventName"]),
        (Col::CloudRegion, &raw["awsRegion"]),
        (Col::HttpRequestUserAgent, &raw["userAgent"]),
        (Col::ApiResponseError, &raw["errorCode"]),
        (Col::ActorUserType, &raw["userIdentity"]["type"]),
    ] {
        assert_eq!(events.str_at(col, 0), value.as_str(), "{}", col.name());
    }
}
