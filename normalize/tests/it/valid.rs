//! Every document that normalising gives is valid OCSF 1.8.0: those of our samples, and those of the
//! corpus.

use std::collections::{BTreeMap, BTreeSet};

use event::{Col, ocsf_document};
use serde_json::Value;

use crate::ocsf::{Schema, Violation, check};
use crate::records::{self, Record};

/// A violation that is no fault of the mapping: the record lacks what OCSF wants.
struct Exception {
    log_type: &'static str,
    path: &'static str,
    problem: &'static str,
    /// Whether the record indeed lacks it.
    lacks: fn(&Value) -> bool,
}

/// Every exception with its reason.
const EXCEPTIONS: &[Exception] = &[
    // A request must have an id. CloudTrail has had `requestID` since version 1.01, but tools that reduce
    // records and people who write them by hand leave it out.
    Exception {
        log_type: "aws_cloudtrail",
        path: "api.request.uid",
        problem: "required",
        lacks: |record| is_blank(&record["requestID"]),
    },
    // An HTTP event is about a request. WAF always has it; people who write records by hand leave it out, or
    // nothing of it but the address.
    Exception {
        log_type: "aws_waf",
        path: "",
        problem: "`http_activity` needs at least one of http_request, http_response",
        lacks: |record| {
            let request = &record["httpRequest"];
            ["uri", "httpMethod", "requestId", "headers"].iter().all(|key| is_blank(&request[*key]))
        },
    },
    // Entries of Cloud Logging without `insertId`, which the service itself always sets.
    Exception {
        log_type: "gcp_audit",
        path: "api.request.uid",
        problem: "required",
        lacks: |record| {
            ["insertId", "insertid"].iter().all(|key| is_blank(&record[*key]))
                && is_blank(&record["operation"]["id"])
        },
    },
];

fn is_blank(value: &Value) -> bool {
    value.is_null() || value == ""
}

#[test]
fn samples_become_valid_documents() {
    let Some(root) = records::corpus("ocsf/schema_1.8.0") else { return };
    let schema = Schema::load(&root);
    let source = |origin: &str| format!("samples/{}", origin.split('/').next().unwrap_or_default());
    Report::of(&schema, records::samples(), source).finish();
}

#[test]
fn corpus_becomes_valid_documents() {
    let Some(root) = records::corpus("") else { return };
    let schema = Schema::load(&root.join("ocsf/schema_1.8.0"));
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&root).unwrap() {
        let folder = entry.unwrap().path();
        // Rules and the schema are no events.
        if folder.is_dir() && !folder.ends_with("sigma") && !folder.ends_with("ocsf") {
            all.extend(records::below(&root, &folder));
        }
    }
    for folder in ["ocsf/ocsf_examples", "ocsf/security_lake_validation"] {
        all.extend(records::below(&root, &root.join(folder)));
    }
    all.sort_by(|a, b| a.origin.cmp(&b.origin));
    let source = |origin: &str| origin.split('/').take(2).collect::<Vec<_>>().join("/");
    let report = Report::of(&schema, &all, source);
    report.finish();
    for (index, exception) in EXCEPTIONS.iter().enumerate() {
        let Exception { log_type, path, .. } = exception;
        assert!(
            report.exceptions.contains(&index),
            "{log_type} `{path}`: nothing needs this exception any more"
        );
    }
}

#[derive(Default)]
struct Tally {
    records: usize,
    rows: BTreeMap<String, usize>,
    rejects: BTreeMap<&'static str, usize>,
    valid: usize,
    excused: usize,
}

#[derive(Default)]
struct Report {
    by_source: BTreeMap<String, Tally>,
    by_log_type: BTreeMap<String, Tally>,
    /// Violations by log type, with how often and where first.
    violations: BTreeMap<(String, Violation), (usize, String)>,
    /// The exceptions that were needed.
    exceptions: BTreeSet<usize>,
}

impl Report {
    fn of(schema: &Schema, records: &[Record], source: impl Fn(&str) -> String) -> Self {
        let mut report = Self::default();
        for chunk in records.chunks(512) {
            report.add(schema, chunk, &source);
        }
        report
    }

    fn add(&mut self, schema: &Schema, chunk: &[Record], source: impl Fn(&str) -> String) {
        let texts: Vec<&str> = chunk.iter().map(|record| record.text.as_str()).collect();
        let normalized = records::map(&texts);
        for record in chunk {
            self.by_source.entry(source(&record.origin)).or_default().records += 1;
        }
        for reject in &normalized.rejects {
            let tally = self.by_source.entry(source(&chunk[reject.record].origin)).or_default();
            *tally.rejects.entry(reject.reason.as_str()).or_default() += 1;
        }
        for (row, index) in records::mapped(chunk.len(), &normalized).into_iter().enumerate() {
            let log_type = records::text(&normalized.events, Col::LogType, row).to_owned();
            // Documents that others made are as they made them.
            if log_type == "ocsf" {
                continue;
            }
            let document = ocsf_document(&normalized.events, row).unwrap();
            let raw: Value = serde_json::from_str(records::text(&normalized.events, Col::RawData, row))
                .unwrap_or_default();
            let mut is_excused = false;
            let mut wrong = Vec::new();
            for violation in check(schema, &document) {
                match exception(&log_type, &violation, &raw) {
                    Some(index) => {
                        is_excused = true;
                        self.exceptions.insert(index);
                    }
                    None => wrong.push(violation),
                }
            }
            for tally in [
                self.by_source.entry(source(&chunk[index].origin)).or_default(),
                self.by_log_type.entry(log_type.clone()).or_default(),
            ] {
                *tally.rows.entry(log_type.clone()).or_default() += 1;
                tally.valid += usize::from(wrong.is_empty() && !is_excused);
                tally.excused += usize::from(wrong.is_empty() && is_excused);
            }
            for violation in wrong {
                let origin = chunk[index].origin.clone();
                self.violations.entry((log_type.clone(), violation)).or_insert((0, origin)).0 += 1;
            }
        }
    }

    /// Prints the figures, and fails on any violation.
    fn finish(&self) {
        for (source, tally) in &self.by_source {
            let rows: usize = tally.rows.values().sum();
            println!(
                "{source}: {} records, {rows} rows {:?}, rejects {:?}, {:.2} % valid",
                tally.records,
                tally.rows,
                tally.rejects,
                percent(tally.valid, rows)
            );
        }
        for (log_type, tally) in &self.by_log_type {
            let rows: usize = tally.rows.values().sum();
            let valid = percent(tally.valid, rows);
            println!("{log_type}: {rows} rows, {valid:.2} % valid, {} excused", tally.excused);
        }
        let mut lines = String::new();
        for ((log_type, violation), (count, origin)) in &self.violations {
            let Violation { class, path, problem } = violation;
            lines.push_str(&format!(
                "\n{log_type} {class} `{path}`: {problem} ({count} times, first in {origin})"
            ));
        }
        assert!(lines.is_empty(), "documents that are no valid OCSF:{lines}");
    }
}

/// The exception that a violation falls under.
fn exception(log_type: &str, violation: &Violation, raw: &Value) -> Option<usize> {
    EXCEPTIONS.iter().position(|exception| {
        exception.log_type == log_type
            && exception.path == violation.path
            && exception.problem == violation.problem
            && (exception.lacks)(raw)
    })
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 }
}
