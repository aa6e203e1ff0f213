//! The entry of a query: written when the last row has gone, or the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sha2::{Digest, Sha256};
use storage::audit::{Fact, Outcome};

use super::Recorder;

/// The longest statement that stands in the log whole, in bytes.
const SQL_BYTES: usize = 8 << 10;

/// A query that is being answered. Dropped before it is told how it went, the caller has gone.
pub(crate) struct QueryRecord {
    recorder: Arc<Recorder>,
    fact: Option<Fact>,
    started: Instant,
    rows: u64,
    bytes: Arc<AtomicU64>,
}

impl QueryRecord {
    pub(super) fn new(recorder: Arc<Recorder>, fact: Fact, sql: &str) -> Self {
        let mut fact = Fact { outcome: Outcome::Unknown, ..fact }.with("sql", sql);
        if sql.len() > SQL_BYTES {
            let hash: String =
                Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            fact = fact.with("sql_sha256", hash);
        }
        Self { recorder, fact: Some(fact), started: Instant::now(), rows: 0, bytes: Arc::default() }
    }

    /// So many more rows were found.
    pub(crate) fn rows(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// Counts the bytes that are sent.
    pub(crate) fn bytes(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }

    /// It is over.
    pub(crate) fn end(mut self, outcome: Outcome, problem: &str) {
        if let Some(fact) = &mut self.fact {
            fact.outcome = outcome;
            if !problem.is_empty() {
                fact.detail.insert("problem".into(), problem.into());
            }
        }
    }
}

impl Drop for QueryRecord {
    fn drop(&mut self) {
        let Some(fact) = self.fact.take() else { return };
        let fact = fact
            .with("rows", self.rows)
            .with("bytes", self.bytes.load(Ordering::Relaxed))
            .with("duration_ms", self.started.elapsed().as_millis() as u64);
        self.recorder.later(fact);
    }
}
