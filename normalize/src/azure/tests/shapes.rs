//! The same event gives the same columns in whatever shape it arrives.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use event::{COLUMNS, Col, EventBatch};

use crate::sample;

/// Differ by nature: the record, what is left of it under its own names, and where it was put.
const OF_THE_RECORD: &[Col] = &[Col::RawData, Col::Unmapped, Col::LogOffset];

/// Event hubs write names and resource ids in capitals, Log Analytics some of them in small letters.
const IN_ANY_CASE: &[Col] = &[
    Col::ApiOperation,
    Col::ApiServiceName,
    Col::ResourceUid,
    Col::ResourceName,
    Col::ResourceType,
    Col::Resources,
    Col::ActivityName,
];

/// Columns that not every shape has a value for.
fn may_be_missing(folder: &str, col: Col) -> bool {
    match folder {
        // Event hubs have neither the event's id nor the caller's HTTP request, the name in plain language
        // or the kind of event; the id decides the key. Rows name no tenant but in the claims.
        "activity" => matches!(
            col,
            Col::EventUid
                | Col::MetadataUid
                | Col::MetadataEventCode
                | Col::Message
                | Col::HttpRequestHttpMethod
                | Col::MetadataTenantUid
                | Col::CloudOrgUid
        ),
        // Graph has nothing of the frame; of the tenant only that of the identities.
        _ => matches!(
            col,
            Col::ApiOperation
                | Col::ApiVersion
                | Col::MetadataLogProvider
                | Col::MetadataTenantUid
                | Col::CloudOrgUid
                | Col::SrcEndpointIp
                | Col::SrcEndpointName
        ),
    }
}

/// The time is cut to what the shape gives: Graph to a second, the Python SDK to a microsecond.
fn is_same_time(a: &str, b: &str) -> bool {
    let second = |micros: &str| micros.parse::<i64>().unwrap() / 1_000_000;
    second(a) == second(b)
}

fn cells(events: &EventBatch) -> BTreeMap<&'static str, (Col, String)> {
    let mut cells = BTreeMap::new();
    for column in COLUMNS.iter().filter(|column| !OF_THE_RECORD.contains(&column.col)) {
        let text = events.str_at(column.col, 0).map(ToOwned::to_owned);
        let number = events.int_at(column.col, 0).map(|number| number.to_string());
        let flag = events.flag_at(column.col, 0).map(|flag| flag.to_string());
        if let Some(value) = text.or(number).or(flag) {
            cells.insert(column.name, (column.col, value));
        }
    }
    cells
}

/// Samples of one event: their names differ in the shape at the end.
fn events_by_shape(folder: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/azure").join(folder);
    let mut events: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for shape in ["_event_hub", "_api", "_sdk", "_log_analytics", "_graph"] {
            if let Some(event) = name.strip_suffix(shape) {
                let text = fs::read_to_string(&path).unwrap();
                events.entry(event.to_owned()).or_default().push((name.clone(), text));
            }
        }
    }
    events
}

#[test]
fn one_event_has_one_row() {
    let mut compared = 0;
    for folder in ["activity", "signin", "audit"] {
        for (event, shapes) in events_by_shape(folder) {
            let rows: Vec<_> =
                shapes.iter().map(|(name, text)| (name, cells(&sample::map(&[text]).events))).collect();
            for pair in rows.windows(2) {
                let [(one_name, one), (other_name, other)] = pair else { unreachable!() };
                compare(folder, &event, (one_name, one), (other_name, other));
                compared += 1;
            }
        }
    }
    assert!(compared > 30, "only {compared} pairs");
}

type Row = BTreeMap<&'static str, (Col, String)>;

fn compare(folder: &str, event: &str, one: (&str, &Row), other: (&str, &Row)) {
    let names: std::collections::BTreeSet<_> = one.1.keys().chain(other.1.keys()).collect();
    for name in names {
        let (col, a) = one.1.get(name).or(other.1.get(name)).unwrap();
        let (left, right) =
            (one.1.get(name).map(|(_, a)| a.as_str()), other.1.get(name).map(|(_, b)| b.as_str()));
        let same = match (left, right) {
            (Some(left), Some(right)) => {
                left == right
                    || IN_ANY_CASE.contains(col) && left.eq_ignore_ascii_case(right)
                    || *col == Col::Time && is_same_time(left, right)
                    || *col == Col::MetadataOriginalTime
                    || folder == "activity" && *col == Col::EventUid
            }
            _ => may_be_missing(folder, *col),
        };
        assert!(same, "{event}: `{name}` differs: {}: {left:?}, {}: {right:?} (`{a}`)", one.0, other.0);
    }
}
