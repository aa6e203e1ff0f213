//! Limits of the query engine.

use std::time::Duration;

/// What queries may use. Every limit has an error that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryConfig {
    /// Memory for the operators of all running queries together, in bytes; one query may have half of it.
    /// Nothing is spilled to disk.
    pub memory_bytes: usize,
    /// Rows that a query answers, unless the request asks for another number; 10,000,000 at most.
    pub max_rows: usize,
    /// How long a query may run, its answer's way to the client included; a request may ask for less.
    pub timeout: Duration,
    /// Queries that run at once; more are refused with [`Error::Busy`](crate::Error::Busy).
    pub concurrent: usize,
    /// Threads that run queries, apart from those of the caller; at least one.
    pub threads: usize,
    /// Memory for the footers of Parquet files, kept from query to query, in bytes.
    pub footer_cache_bytes: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            max_rows: 100_000,
            timeout: Duration::from_secs(60),
            concurrent: 4,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            footer_cache_bytes: 32 << 20,
        }
    }
}

/// Rows that a request may ask for.
pub(crate) const MAX_ROWS: usize = 10_000_000;
/// The longest statement, in bytes.
pub(crate) const MAX_SQL_BYTES: usize = 1 << 20;
/// How deep expressions and sub-queries may nest.
pub(crate) const MAX_NESTING: usize = 50;
/// Relational operators in a plan, views and CTEs unfolded.
pub(crate) const MAX_PLAN_NODES: usize = 2_000;
/// Expressions in a plan, each operand counted.
pub(crate) const MAX_EXPRESSIONS: usize = 200_000;
/// Columns that an answer or a sub-query may have.
pub(crate) const MAX_COLUMNS: usize = 2_000;
/// The largest value that a function may make, in bytes.
pub(crate) const MAX_CELL_BYTES: usize = 1 << 20;
/// What a function may make of one batch of rows, in bytes.
pub(crate) const MAX_FUNCTION_BYTES: usize = 128 << 20;
/// Rows in a batch.
pub(crate) const BATCH_ROWS: usize = 8_192;
