//! What can be set about the pipeline.

use std::sync::Arc;
use std::time::Duration;

use enrich::identity::IdentityConfig;
use enrich::place::Places;
use normalize::CustomMappings;

use crate::memory::CorrelationConfig;

/// Bounds and rhythms of the stages; the defaults suit a laptop and a small server alike.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// How many groups of log entries are refined at once.
    pub workers: usize,
    /// The bytes of raw records that are refined together at most; small entries share a group.
    pub group_bytes: usize,
    /// The Arrow bytes of rows that may wait for a table commit; more make the log wait.
    pub pending_bytes: usize,
    /// How often the sink looks whether a commit is due.
    pub commit_tick: Duration,
    /// How many days of events are kept; `None` keeps all.
    pub retention_days: Option<u32>,
    /// How often small files are merged, old ones removed and retention applied.
    pub upkeep_every: Duration,
    /// How long a file that no longer belongs to the table is kept for queries that still read it.
    pub keep_removed_files: Duration,
    /// How correlations treat time, and how much they may remember.
    pub correlation: CorrelationConfig,
    /// What counts as evidence that two names are one person or workload.
    pub identity: IdentityConfig,
    /// How JSON of other sources is read.
    pub mappings: Arc<CustomMappings>,
    /// Where addresses are; [`swap_places`](crate::Pipeline::swap_places) puts others in their place.
    pub places: Arc<Places>,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            group_bytes: 4 << 20,
            pending_bytes: 128 << 20,
            commit_tick: Duration::from_millis(100),
            retention_days: None,
            upkeep_every: Duration::from_secs(300),
            keep_removed_files: Duration::from_secs(3600),
            correlation: CorrelationConfig::default(),
            identity: IdentityConfig::default(),
            mappings: Arc::default(),
            places: Arc::default(),
        }
    }
}
