//! What can be set about queries.

use std::time::Duration;

/// Bounds on queries.
#[derive(Debug, Clone)]
pub struct QueryConfig {
    /// Bytes that all running queries may reserve together.
    pub memory_bytes: usize,
    /// The most rows that a query answers.
    pub max_rows: usize,
    /// The longest that a query may run.
    pub timeout: Duration,
    /// How many queries run at once.
    pub concurrent: usize,
    /// Threads that queries run on.
    pub threads: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            max_rows: 100_000,
            timeout: Duration::from_secs(60),
            concurrent: 4,
            threads: std::thread::available_parallelism().map_or(2, usize::from).max(2),
        }
    }
}

/// A question.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    /// One statement.
    pub sql: String,
    /// The most rows to answer; never more than [`QueryConfig::max_rows`] unless the caller is trusted
    /// to ask for more: it is taken as it is.
    pub max_rows: Option<usize>,
    /// The longest it may run; never longer than [`QueryConfig::timeout`].
    pub timeout: Option<Duration>,
}
