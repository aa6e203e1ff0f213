//! Tests of rules, as data beside the rule: `NAME.test.yml` beside `NAME.yml`.
//!
//! ```yaml
//! rule: bucket_public            # id or name; without it, the last rule of NAME.yml
//! tests:
//!   - name: a policy opens the bucket
//!     like: aws_call             # a record of the folder `records`, or `record: {…}`
//!     set: {eventName: PutBucketPolicy, requestParameters.bucketName: b}
//!     unset: [errorCode]
//!     match: true
//!   - name: secrets are read in two clouds
//!     sequence:
//!       - {at: 0m, like: aws_call, set: {eventName: GetSecretValue}}
//!       - {at: 10m, like: gcp_call, repeat: 3, every: 10s}
//!     alerts: 1
//! ```
//!
//! Where addresses are is said in the form of a file of places, for all tests of the file:
//!
//! ```yaml
//! places: |
//!   network,country,city,latitude,longitude
//!   198.51.100.0/24,DE,Berlin,52.52,13.405
//! ```
//!
//! The runner gives each record its own time and id where the clouds write them, so `set` need not. A record
//! that a mapping file reads by its source names that: `source: shop`.

use std::collections::BTreeMap;

use event::Diagnostic;
use serde_json::{Map, Value};

use crate::nearest::did_you_mean;
use crate::report::Report;
use crate::sigma::correlation::parse_span;
use crate::sigma::yaml::{self, Kind, Node, Numeric, Position, Scalar};
use crate::source::RuleSource;

/// The time of `at: 0s`: Monday, 2 March 2026, 10:00 UTC, in microseconds since 1970.
const START_US: i64 = 1_772_445_600_000_000;

/// The most records of a test.
const MAX_RECORDS: usize = 20_000;

/// Records that tests share, by name.
#[derive(Debug, Clone, Default)]
pub struct Records(BTreeMap<String, Value>);

/// The tests of one file.
#[derive(Debug, Clone)]
pub struct RuleTests {
    /// The file.
    pub path: String,
    /// The rule as the file names it; `None` for the last rule of the file beside it.
    pub rule: Option<String>,
    /// Where addresses are, as CSV; `None`: nowhere.
    pub places: Option<String>,
    /// The line in which that begins.
    pub places_line: u32,
    /// The tests.
    pub cases: Vec<RuleTest>,
}

/// One test.
#[derive(Debug, Clone)]
pub struct RuleTest {
    /// What it shows.
    pub name: String,
    /// Its line in the file.
    pub line: u32,
    /// The records, as JSON, in order of time.
    pub records: Vec<TestRecord>,
    /// What must come of them.
    pub expects: Expectation,
}

/// A record of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRecord {
    /// When it happens, microseconds since 1970.
    pub time_us: i64,
    /// The record, as JSON.
    pub json: String,
    /// The source whose record it is; `None`: the runner's own.
    pub source: Option<String>,
}

/// What a test expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Whether the rule matches each of the records.
    Match(bool),
    /// How many alerts stand in the end.
    Alerts(usize),
}

impl Records {
    /// Reads record files: each a YAML map of names to records.
    pub fn parse(sources: &[RuleSource]) -> (Self, Vec<Diagnostic>) {
        let mut records = Self::default();
        let mut diagnostics = Vec::new();
        for source in sources {
            let mut report = Report::new(&source.path);
            for document in yaml::documents(&source.text) {
                let node = match document {
                    Ok(node) => node,
                    Err(error) => {
                        report.error(error.at, "", error.problem, error.mend);
                        continue;
                    }
                };
                for (name, record) in node.as_map().unwrap_or_default() {
                    if records.0.insert(name.value.clone(), to_json(record)).is_some() {
                        let problem = format!("the record `{}` is there twice", name.value);
                        report.error(name.at, &name.value, problem, "rename one");
                    }
                }
            }
            diagnostics.extend(report.into_diagnostics());
        }
        (records, diagnostics)
    }
}

/// Whether a file holds tests and not rules.
pub fn is_test_file(path: &str) -> bool {
    path.ends_with(".test.yml") || path.ends_with(".test.yaml")
}

/// Reads a test file. What is wrong with it is told, and the tests that are sound are given.
pub fn read_tests(source: &RuleSource, records: &Records) -> (RuleTests, Vec<Diagnostic>) {
    let mut report = Report::new(&source.path);
    let mut tests =
        RuleTests { path: source.path.clone(), rule: None, places: None, places_line: 0, cases: Vec::new() };
    for document in yaml::documents(&source.text) {
        let node = match document {
            Ok(node) => node,
            Err(error) => {
                report.error(error.at, "", error.problem, error.mend);
                continue;
            }
        };
        refuse_others(&node, &["rule", "places", "tests"], &mut report);
        tests.rule = node.get("rule").and_then(Node::text);
        if let Some(places) = node.get("places") {
            tests.places = places.text();
            // Of a block, the text begins in the line after `|`.
            tests.places_line = places.at.line;
        }
        let cases = node.get("tests").and_then(Node::as_list).unwrap_or_default();
        if cases.is_empty() {
            report.error(node.at, "tests", "there is no test", "add a list `tests`");
        }
        tests.cases.extend(cases.iter().filter_map(|case| test(case, records, &mut report)));
    }
    (tests, report.into_diagnostics())
}

const CASE_KEYS: &[&str] = &[
    "name", "like", "record", "source", "set", "unset", "match", "sequence", "alerts", "at", "repeat",
    "every",
];
const STEP_KEYS: &[&str] = &["like", "record", "source", "set", "unset", "at", "repeat", "every"];

fn test(node: &Node, records: &Records, report: &mut Report) -> Option<RuleTest> {
    let before = report.errors();
    refuse_others(node, CASE_KEYS, report);
    let name = node.get("name").and_then(Node::text).unwrap_or_default();
    if name.is_empty() {
        report.error(node.at, "name", "a test needs a name", "say what it shows");
    }
    let mut found = Vec::new();
    match node.get("sequence").and_then(Node::as_list) {
        Some(steps) => {
            for step_node in steps {
                refuse_others(step_node, STEP_KEYS, report);
                step(step_node, records, &mut found, report);
            }
        }
        None => step(node, records, &mut found, report),
    }
    let expects = match (flag(node, "match", report), node.get("alerts")) {
        (Some(_), Some(alerts)) => {
            report.error(alerts.at, "alerts", "a test expects `match` or `alerts`, not both", "remove one");
            return None;
        }
        (Some(expected), None) => Expectation::Match(expected),
        (None, Some(alerts)) => Expectation::Alerts(count(alerts, "alerts", report)?),
        (None, None) if node.get("sequence").is_some() => Expectation::Alerts(1),
        (None, None) => {
            report.error(
                node.at,
                "match",
                "what the test expects is not said",
                "add `match: true` or `match: false`",
            );
            return None;
        }
    };
    found.sort_by_key(|record: &TestRecord| record.time_us);
    (report.errors() == before).then_some(RuleTest { name, line: node.at.line, records: found, expects })
}

/// Adds the records of a step.
fn step(node: &Node, records: &Records, found: &mut Vec<TestRecord>, report: &mut Report) {
    let Some(record) = record(node, records, report) else { return };
    let at_us = span(node, "at", report).unwrap_or(0);
    let every_us = span(node, "every", report).unwrap_or(1_000_000);
    let source = node.get("source").and_then(Node::text);
    let repeat = node.get("repeat").and_then(|node| count(node, "repeat", report)).unwrap_or(1);
    if found.len() + repeat > MAX_RECORDS {
        report.error(node.at, "repeat", format!("a test has at most {MAX_RECORDS} records"), "");
        return;
    }
    for index in 0..repeat {
        let time_us = START_US + at_us + every_us.saturating_mul(index as i64);
        let mut record = record.clone();
        stamp(&mut record, time_us, found.len());
        found.push(TestRecord { time_us, json: record.to_string(), source: source.clone() });
    }
}

fn record(node: &Node, records: &Records, report: &mut Report) -> Option<Value> {
    let mut record = match (node.get("like"), node.get("record")) {
        (Some(like), _) => {
            let name = like.text().unwrap_or_default();
            let Some(known) = records.0.get(&name) else {
                let mend =
                    did_you_mean(&name, records.0.keys().map(String::as_str), "see the folder `records`");
                report.error(like.at, "like", format!("there is no record `{name}`"), mend);
                return None;
            };
            known.clone()
        }
        (None, Some(record)) => to_json(record),
        (None, None) => {
            report.error(node.at, "like", "there is no record", "add `like: NAME` or `record: {…}`");
            return None;
        }
    };
    for (path, value) in node.get("set").and_then(Node::as_map).unwrap_or_default() {
        if set(&mut record, &path.value, to_json(value)).is_none() {
            let problem = format!("`{}` is no place in the record", path.value);
            report.error(path.at, "set", problem, "names are joined by dots, elements of lists are numbers");
        }
    }
    for path in
        node.get("unset").map(|node| node.as_list().unwrap_or(std::slice::from_ref(node))).unwrap_or_default()
    {
        unset(&mut record, &path.text().unwrap_or_default());
    }
    Some(record)
}

/// Puts a value at a path, making the objects on the way.
fn set(record: &mut Value, path: &str, value: Value) -> Option<()> {
    match path.split_once('.') {
        None => *member(record, path)? = value,
        Some((first, rest)) => set(member(record, first)?, rest, value)?,
    }
    Some(())
}

fn member<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(members) => Some(members.entry(name).or_insert(Value::Null)),
        Value::Array(elements) => {
            let index: usize = name.parse().ok().filter(|index| *index <= elements.len())?;
            if index == elements.len() {
                elements.push(Value::Null);
            }
            elements.get_mut(index)
        }
        _ => None,
    }
}

fn unset(record: &mut Value, path: &str) {
    match path.split_once('.') {
        None => {
            if let Some(members) = record.as_object_mut() {
                members.remove(path);
            }
        }
        Some((first, rest)) => {
            let inner = match record {
                Value::Object(members) => members.get_mut(first),
                Value::Array(elements) => {
                    first.parse::<usize>().ok().and_then(|index| elements.get_mut(index))
                }
                _ => None,
            };
            if let Some(inner) = inner {
                unset(inner, rest);
            }
        }
    }
}

/// Where the clouds write the time of an event, and its id.
const TIMES: &[&str] = &[
    "eventTime",
    "time",
    "eventTimestamp",
    "createdDateTime",
    "activityDateTime",
    "timestamp",
    "receiveTimestamp",
    "TimeGenerated",
    "properties.createdDateTime",
    "properties.activityDateTime",
];
const IDS: &[&str] =
    &["eventID", "eventDataId", "id", "insertId", "Id", "properties.id", "properties.eventDataId"];

/// Gives a record a time and an id of its own, wherever it has them.
fn stamp(record: &mut Value, time_us: i64, number: usize) {
    let time = crate::detect::time::rfc3339(time_us);
    for path in TIMES {
        if let Some(place) = at(record, path).filter(|place| place.is_string()) {
            *place = Value::String(time.clone());
        }
    }
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    for path in IDS {
        // The id of an Azure Activity record is its resource's and not its own.
        if let Some(place) =
            at(record, path).filter(|place| place.as_str().is_some_and(|id| !id.starts_with('/')))
        {
            *place = Value::String(id.clone());
        }
    }
}

fn at<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    path.split('.').try_fold(value, |value, name| value.get_mut(name))
}

fn to_json(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(Scalar::Null) => Value::Null,
        Kind::Scalar(Scalar::Bool(value)) => Value::Bool(*value),
        Kind::Scalar(Scalar::Number(number)) => match number.value {
            Numeric::Int(value) => match i64::try_from(value) {
                Ok(value) => value.into(),
                Err(_) => Value::String(number.text.clone()),
            },
            Numeric::Float(value) => serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number),
        },
        Kind::Scalar(Scalar::Text { text, .. }) => Value::String(text.clone()),
        Kind::List(items) => Value::Array(items.iter().map(to_json).collect()),
        Kind::Map(entries) => {
            Value::Object(entries.iter().map(|(name, value)| (name.value.clone(), to_json(value))).collect())
        }
    }
}

fn refuse_others(node: &Node, keys: &[&str], report: &mut Report) {
    for (key, _) in node.as_map().unwrap_or_default() {
        if !keys.contains(&key.value.as_str()) {
            let mend = did_you_mean(&key.value, keys.iter().copied(), "remove it");
            report.error(key.at, &key.value, format!("unknown key `{}`", key.value), mend);
        }
    }
}

fn flag(node: &Node, key: &str, report: &mut Report) -> Option<bool> {
    match node.get(key)?.kind {
        Kind::Scalar(Scalar::Bool(value)) => Some(value),
        _ => {
            let at = node.get(key).map_or(Position::default(), |node| node.at);
            report.error(at, key, format!("`{key}` is true or false"), "");
            None
        }
    }
}

fn count(node: &Node, key: &str, report: &mut Report) -> Option<usize> {
    let count = node.text().and_then(|text| text.parse().ok());
    if count.is_none() {
        report.error(node.at, key, format!("`{key}` is a number"), "");
    }
    count
}

/// A time span; 0 in any unit is allowed.
fn span(node: &Node, key: &str, report: &mut Report) -> Option<i64> {
    let found = node.get(key)?;
    let text = found.text().unwrap_or_default();
    let zero = matches!(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()), "0");
    let span = if zero { Some(0) } else { parse_span(&text) };
    if span.is_none() {
        report.error(
            found.at,
            key,
            format!("`{text}` is no time span"),
            "write a number and one of s, m, h, d, w",
        );
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> RuleSource {
        RuleSource { path: "x.test.yml".into(), text: text.into() }
    }

    #[test]
    fn records_are_made_and_stamped() {
        let shared =
            source("call: {eventTime: x, eventID: y, id: /subscriptions/s, a: {b: [1, 2]}, gone: 1}");
        let (records, found) = Records::parse(&[shared]);
        assert!(found.is_empty());
        let text = "tests:\n  - name: n\n    sequence:\n      - {at: 1m, like: call, set: {a.b.1: z, c.d: true}, unset: [gone]}\n      - {at: 0s, like: call, source: shop, repeat: 2, every: 10s}\n    alerts: 2\n";
        let (tests, found) = read_tests(&source(text), &records);
        assert!(found.is_empty(), "{found:?}");
        let case = &tests.cases[0];
        assert_eq!(case.expects, Expectation::Alerts(2));
        let records: Vec<_> = case.records.iter().map(|record| record.json.as_str()).collect();
        assert_eq!(
            records[2],
            r#"{"a":{"b":[1,"z"]},"c":{"d":true},"eventID":"00000000-0000-4000-8000-000000000000","eventTime":"2026-03-02T10:01:00Z","id":"/subscriptions/s"}"#
        );
        assert!(records[0].contains("10:00:00Z") && records[1].contains("10:00:10Z"));
        let sources: Vec<_> = case.records.iter().map(|record| record.source.as_deref()).collect();
        assert_eq!(sources, [Some("shop"), Some("shop"), None]);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let (records, _) = Records::parse(&[source("call: {eventTime: x}")]);
        for (text, problem) in [
            ("tests: []", "there is no test"),
            ("tests:\n  - {name: n, like: cal, match: true}", "there is no record `cal`"),
            ("tests:\n  - {name: n, like: call}", "what the test expects is not said"),
            ("tests:\n  - {name: n, like: call, match: 1}", "`match` is true or false"),
            ("tests:\n  - {like: call, match: true}", "a test needs a name"),
            ("tests:\n  - {name: n, like: call, match: true, st: {}}", "unknown key `st`"),
            (
                "tests:\n  - {name: n, like: call, match: true, set: {eventTime.x: 1}}",
                "is no place in the record",
            ),
            ("tests:\n  - {name: n, sequence: [{at: 1x, like: call}]}", "is no time span"),
            ("tests:\n  - {name: n, sequence: [{repeat: 99999999, like: call}]}", "at most 20000 records"),
        ] {
            let (_, found) = read_tests(&source(text), &records);
            assert!(found.iter().any(|found| found.problem.contains(problem)), "{text}: {found:?}");
        }
    }
}
