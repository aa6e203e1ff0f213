//! Checks every sample record of a folder: what it becomes, that nothing of it is lost, and that the
//! mapping's list of fields tells the truth.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use event::{
    COLUMNS, Col, EventBatch, LogType, RawBatch, RawBatchBuilder, RawRecord, SourceId, ocsf_document,
};
use serde_json::Value;

use crate::mapping::{DERIVED, FRAMEWORK_FIELDS, Mapping};
use crate::{Normalized, Normalizer, time};

/// A batch of records, received at 2024-06-01T00:00:00Z.
pub(crate) fn batch<T: AsRef<[u8]>>(records: &[T], log_type: Option<LogType>) -> RawBatch {
    let mut builder = RawBatchBuilder::with_capacity(0);
    for (number, record) in (0..).zip(records) {
        assert!(builder.push(RawRecord { bytes: record.as_ref(), number, reject: None }));
    }
    builder.finish(SourceId::new("test"), log_type, "test".into(), 1_717_200_000_000_000)
}

/// Maps records of which the source does not know the log type.
pub(crate) fn map<T: AsRef<[u8]>>(records: &[T]) -> Normalized {
    Normalizer::new().map(&batch(records, None), 0)
}

/// Checks each `samples/<folder>/*`, one record a file, JSON or (`.log`) text, against `tests/snapshots/<folder>__*.snap`.
pub(crate) fn check(log_type: LogType, folder: &str) {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/samples")).join(folder);
    let mut files: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no samples in {}", root.display());
    for file in files {
        check_file(log_type, folder, &file);
    }
}

fn check_file(log_type: LogType, folder: &str, file: &Path) {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(file).unwrap();
    let normalized = map(&[text.trim()]);
    let snapshot = match normalized.rejects.first() {
        Some(reject) => format!("rejected: {}: {}\n", reject.reason, reject.detail),
        None => {
            assert_eq!(normalized.events.str_at(Col::LogType, 0), Some(log_type.as_str()), "{name}");
            assert_fields_are_listed(&normalized.events, log_type, &name);
            assert_nothing_lost(&normalized.events, 0, &name);
            shown(&normalized.events)
        }
    };
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("{folder}__{name}"), snapshot));
}

/// The row as columns, the names under `unmapped`, and the OCSF document.
fn shown(events: &EventBatch) -> String {
    let mut text = String::from("columns\n");
    for (name, value) in cells(events, 0) {
        if name != Col::Unmapped.name() {
            text.push_str(&format!("  {name} = {value}\n"));
        }
    }
    text.push_str("unmapped\n");
    if let Some(unmapped) = events.str_at(Col::Unmapped, 0) {
        let members: BTreeMap<String, Value> = serde_json::from_str(unmapped).unwrap();
        for (name, value) in members {
            text.push_str(&format!("  {name} = {value}\n"));
        }
    }
    let mut document = ocsf_document(events, 0).unwrap();
    let members = document.as_object_mut().unwrap();
    members.remove("raw_data");
    members.remove("unmapped");
    text.push_str("document\n");
    text.push_str(&serde_json::to_string_pretty(&document).unwrap());
    text.push('\n');
    text
}

/// Every column with a value but `raw_data`.
fn cells(events: &EventBatch, row: usize) -> Vec<(&'static str, String)> {
    let mut cells = Vec::new();
    for column in COLUMNS.iter().filter(|column| column.col != Col::RawData) {
        let text = events.str_at(column.col, row).map(ToOwned::to_owned);
        let number = events.int_at(column.col, row).map(|number| number.to_string());
        let flag = events.flag_at(column.col, row).map(|flag| flag.to_string());
        let float = || {
            use arrow::array::{Array, AsArray};
            let array = events.column(column.col).as_primitive_opt::<arrow::datatypes::Float64Type>()?;
            array.is_valid(row).then(|| array.value(row).to_string())
        };
        if let Some(value) = text.or(number).or(flag).or_else(float) {
            cells.push((column.name, value));
        }
    }
    cells
}

/// Each column that has a value is listed in the mapping's fields, or comes from the framework.
fn assert_fields_are_listed(events: &EventBatch, log_type: LogType, name: &str) {
    let fields = Mapping::of(log_type).fields;
    for (column, value) in cells(events, 0) {
        let col = Col::by_name(column).unwrap();
        // A document has any column that has a path.
        let is_document = log_type == LogType::Ocsf && !col.column().ocsf.is_empty();
        let listed = is_document || fields.iter().chain(FRAMEWORK_FIELDS).any(|(listed, _)| *listed == col);
        assert!(listed || DERIVED.contains(&col), "{name}: `{column}` = {value} is not in FIELDS");
    }
}

/// Each text and number in the record stands in some column, `raw_data` apart, or is a time that does.
pub(crate) fn assert_nothing_lost(events: &EventBatch, row: usize, name: &str) {
    let cells = cells(events, row);
    let mut all = String::new();
    for (_, value) in &cells {
        let mut held = vec![value.clone()];
        if let Ok(json) = serde_json::from_str(value) {
            leaves_of(&json, &mut held);
        }
        all.push_str(&held.join("\n"));
        all.push('\n');
    }
    let raw = events.str_at(Col::RawData, row).unwrap();
    let mut leaves = Vec::new();
    match serde_json::from_str(raw) {
        Ok(raw) => leaves_of(&raw, &mut leaves),
        // The strictest reader refuses lone surrogates, which ours takes.
        Err(_) if raw.starts_with('{') => return,
        Err(_) => leaves.push(raw.lines().last().unwrap_or_default().to_owned()),
    }
    for leaf in leaves {
        let is_known_time = |micros: i64| cells.iter().any(|(_, value)| *value == micros.to_string());
        let is_held = |part: &str| all.contains(part) || time::of_text(part).is_ok_and(is_known_time);
        // Lines and tuples are taken apart; so are addresses with ports, and addresses of the web.
        let parts = || {
            leaf.split([' ', '\t', ',', '"', '[', ']', '?', '#']).filter(|part| !matches!(*part, "" | "-"))
        };
        // An address with a port is in two columns.
        let is_known_socket = leaf.parse::<std::net::SocketAddr>().is_ok_and(|socket| {
            all.contains(&socket.ip().to_string()) && all.contains(&socket.port().to_string())
        });
        let found = is_held(&leaf)
            || is_known_socket
            || (leaf.contains([' ', '\t', ',', ':', '?'])
                && parts().all(|part| is_held(part) || part.split(':').all(is_held)));
        assert!(found, "{name}: `{leaf}` is in no column");
    }
}

fn leaves_of(value: &Value, leaves: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            // JSON held in a string is taken apart like any other.
            match serde_json::from_str::<Value>(text) {
                Ok(inner @ (Value::Object(_) | Value::Array(_))) => leaves_of(&inner, leaves),
                _ => leaves.push(text.clone()),
            }
        }
        Value::Number(number) => leaves.push(number.to_string()),
        Value::Array(elements) => elements.iter().for_each(|element| leaves_of(element, leaves)),
        Value::Object(members) => members.values().for_each(|member| leaves_of(member, leaves)),
        Value::Null | Value::Bool(_) => {}
    }
}
