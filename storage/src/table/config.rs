//! How the events table writes and keeps.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Sizes and times of the events table.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// Buffered events are committed when their columns take this many bytes in memory. 128 MiB:
    /// about 60,000 CloudTrail events, 10 MiB of Parquet.
    pub commit_bytes: usize,
    /// Buffered events are committed when the oldest has waited this long. 30 s: they are visible to
    /// queries before that; this bounds the replay after a crash and the size of the log.
    pub commit_after: Duration,
    /// The size that compaction makes files of. 128 MiB: large enough that footers and opening cost
    /// little, small enough that rewriting one is a matter of seconds.
    pub file_bytes: u64,
    /// Rows in a row group. 131,072: about 20 MiB, the unit of pruning by statistics and bloom filters.
    pub row_group_rows: usize,
    /// The zstd level of new files, 1 to 22. 1: level 3 saves 4 % and costs half as much time again.
    pub zstd_level: i32,
    /// Files encoded at the same time. The number of cores.
    pub write_threads: usize,
    /// A checkpoint of the Delta log is written after this many commits. 100: opening the table reads
    /// one checkpoint and at most that many log entries.
    pub checkpoint_every: u64,
    /// How long a removed file stays for queries (and for other engines) that began before its
    /// removal, and how long a file without an owner is left alone. 24 h.
    pub keep_removed: Duration,
    /// How long entries of the Delta log are kept behind a checkpoint. 7 days; bounds time travel.
    pub keep_log: Duration,
    /// Days to keep events, counted by their own time; `None` keeps all. The table removes nothing by
    /// itself: see [`EventTable::expire`](super::EventTable::expire).
    pub retention_days: Option<u32>,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            commit_bytes: 64 << 20,
            commit_after: Duration::from_secs(30),
            file_bytes: 128 << 20,
            row_group_rows: 131_072,
            zstd_level: 1,
            write_threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            checkpoint_every: 100,
            keep_removed: Duration::from_secs(24 * 3600),
            keep_log: Duration::from_secs(7 * 24 * 3600),
            retention_days: None,
        }
    }
}

impl TableConfig {
    /// The first day to keep on the day `today` (days since 1970-01-01); `None`: keep all.
    pub fn first_day_kept(&self, today: i32) -> Option<i32> {
        let days = i32::try_from(self.retention_days?).unwrap_or(i32::MAX);
        Some(today.saturating_sub(days))
    }
}
