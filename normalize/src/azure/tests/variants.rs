//! Records that are not as the documentation says.

use std::fs;
use std::path::Path;

use event::LogType;
use serde_json::{Value, json};

use crate::reason::Reason;
use crate::{Normalizer, sample};

fn samples() -> Vec<(LogType, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/azure");
    let folders = [
        (LogType::AzureActivity, "activity"),
        (LogType::EntraSignin, "signin"),
        (LogType::EntraAudit, "audit"),
    ];
    let mut samples = Vec::new();
    for (log_type, folder) in folders {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            samples.push((log_type, serde_json::from_str(&text).unwrap()));
        }
    }
    samples
}

/// Every place in the value, the value itself left out.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => return,
    };
    for (key, child) in children {
        let path = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(path.clone());
        places(child, &path, found);
    }
}

/// Whatever stands in one place, the record becomes a row or is refused with a reason.
#[test]
fn any_value_anywhere() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("{"),
        json!("[{\"a\":{\"b\":[]}}]"),
        json!("\u{fffd}é\u{1f600}"),
        json!([]),
        json!([[null], {}, 5]),
        json!({}),
        json!(7),
        json!({"value": {}, "localizedValue": []}),
    ];
    let mut rows = 0;
    // Two values in each place of each sample, so that every value comes to every field somewhere.
    let mut next = odd.iter().cycle();
    for (log_type, sample) in samples() {
        let mut found = Vec::new();
        places(&sample, "", &mut found);
        let mut records = Vec::new();
        for place in &found {
            for value in next.by_ref().take(2) {
                let mut record = sample.clone();
                *record.pointer_mut(place).unwrap() = value.clone();
                records.push(record.to_string());
            }
        }
        let normalized = Normalizer::new().map(&sample::batch(&records, Some(log_type)), 0);
        assert_eq!(normalized.events.len() + normalized.rejects.len(), records.len());
        rows += normalized.events.len();
        for reject in &normalized.rejects {
            let expected = [Reason::MissingTime, Reason::BadTime, Reason::WrongType];
            assert!(expected.contains(&reject.reason), "{}: {}", reject.reason, reject.detail);
        }
    }
    println!("{rows} rows of odd records");
    assert!(rows > 5_000);
}

#[test]
fn no_time_no_event() {
    for log_type in [LogType::AzureActivity, LogType::EntraSignin, LogType::EntraAudit] {
        for (record, reason) in [
            ("{}", Reason::MissingTime),
            (r#"{"time":"","eventTimestamp":null}"#, Reason::MissingTime),
            (r#"{"time":"yesterday","id":"x"}"#, Reason::BadTime),
            (r#"{"time":true}"#, Reason::WrongType),
        ] {
            let normalized = Normalizer::new().map(&sample::batch(&[record], Some(log_type)), 0);
            assert_eq!(
                normalized.rejects.first().map(|reject| reject.reason),
                Some(reason),
                "{log_type} {record}"
            );
        }
        // A time that makes no sense is no harm where another one does.
        let record = r#"{"createdDateTime":"soon","activityDateTime":"soon","eventTimestamp":"soon","time":"2026-03-10T10:15:29Z"}"#;
        assert_eq!(Normalizer::new().map(&sample::batch(&[record], Some(log_type)), 0).events.len(), 1);
    }
}
