//! The tests that stand in a mapping file.

use std::sync::Arc;

use event::{Col, Diagnostic, EventBatch, LogType, RawBatchBuilder, RawRecord, SourceId};

use super::mapping::Mapping;
use super::yaml::Position;
use super::{CustomMappings, finding};
use crate::Normalizer;

/// A record and what becomes of it.
#[derive(Debug, Clone)]
pub(super) struct RecordTest {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) record: String,
    pub(super) expected: Vec<Expected>,
    /// The reason for which the record is refused.
    pub(super) rejected: Option<String>,
}

/// What a column must have; `None`: nothing.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) col: Col,
    pub(super) at: Position,
    pub(super) text: Option<String>,
}

/// What became of the tests of a set of mappings.
#[derive(Debug, Clone, Default)]
pub struct MappingTests {
    /// How many held.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// What did not hold, and where it stands.
    pub findings: Vec<Diagnostic>,
}

/// Runs the tests of every mapping, each through a normaliser that has that mapping alone.
pub(super) fn run(set: &CustomMappings) -> MappingTests {
    let mut results = MappingTests::default();
    for mapping in &set.mappings {
        let mut alone = CustomMappings::default();
        alone.mappings.push(mapping.clone());
        // The name of no source, so that no configured one can be meant.
        alone.by_source.insert(String::new(), mapping.clone());
        let mut normalizer = Normalizer::with_mappings(Arc::new(alone));
        for test in &mapping.tests {
            let findings = run_one(test, mapping, &mut normalizer);
            if findings.is_empty() {
                results.passed += 1;
            } else {
                results.failed += 1;
            }
            results.findings.extend(findings);
        }
    }
    results
}

fn run_one(test: &RecordTest, mapping: &Mapping, normalizer: &mut Normalizer) -> Vec<Diagnostic> {
    let wrong = |at: Position, field: &str, problem: String| {
        let problem = format!("test `{}`: {problem}", test.name);
        finding(&mapping.file, at, field, problem, "correct the mapping or the test".to_owned())
    };
    let mut builder = RawBatchBuilder::with_capacity(test.record.len());
    if !builder.push(RawRecord { bytes: test.record.as_bytes(), number: 0, reject: None }) {
        return vec![wrong(test.at, "tests.record", "the record is too large".to_owned())];
    }
    let raw = builder.finish(SourceId::new(""), Some(LogType::Custom), String::new(), 0);
    let normalized = normalizer.map(&raw, 0);
    match (normalized.rejects.first(), &test.rejected) {
        (Some(reject), Some(expected)) if reject.reason.as_str() == expected => Vec::new(),
        (Some(reject), _) => {
            let problem = format!("the record is refused: {}: {}", reject.reason, reject.detail);
            vec![wrong(test.at, "tests", problem)]
        }
        (None, Some(expected)) => {
            vec![wrong(test.at, "tests.rejected", format!("the record is not refused for `{expected}`"))]
        }
        (None, None) => {
            let mut findings = Vec::new();
            for expected in &test.expected {
                let found = cell(&normalized.events, expected.col);
                if found != expected.text {
                    let show = |text: &Option<String>| {
                        text.as_ref().map_or("nothing".to_owned(), |text| format!("`{text}`"))
                    };
                    let problem = format!("expected {}, found {}", show(&expected.text), show(&found));
                    findings.push(wrong(expected.at, expected.col.name(), problem));
                }
            }
            findings
        }
    }
}

/// The value of a column in the only row; times in microseconds since 1970.
fn cell(events: &EventBatch, col: Col) -> Option<String> {
    let text = events.str_at(col, 0).map(str::to_owned);
    let number = || events.int_at(col, 0).map(|number| number.to_string());
    let flag = || events.flag_at(col, 0).map(|flag| flag.to_string());
    let float = || events.float_at(col, 0).map(|number| number.to_string());
    text.or_else(number).or_else(flag).or_else(float)
}
