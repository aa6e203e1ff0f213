//! What a caller asks.

use std::time::Duration;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRequest {
    /// One statement: SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES or DESCRIBE.
    pub sql: String,
    /// The most rows to answer, up to 10,000,000; [`QueryConfig::max_rows`](crate::QueryConfig) if none is
    /// given.
    pub max_rows: Option<usize>,
    /// The longest it may run; [`QueryConfig::timeout`](crate::QueryConfig) if that is less or none is given.
    pub timeout: Option<Duration>,
    /// Tables that are not there for whoever asks.
    pub withheld: Vec<&'static str>,
}

impl QueryRequest {
    /// A statement within the limits of the configuration.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), max_rows: None, timeout: None, withheld: Vec::new() }
    }
}
