//! What can be set about the log.

use std::time::Duration;

use super::frame_header::FRAME_HEADER;
use super::scan::FIRST_FRAME;

/// How long a refused sender is asked to wait.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bounds of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The bytes of a segment, after which the next is begun: the unit of trimming. At most an eighth
    /// of `max_bytes` counts.
    pub segment_bytes: u64,
    /// The bytes of all segments together. Where they are reached, [`append`](super::Log::append)
    /// waits until consumers have passed the oldest segment.
    pub max_bytes: u64,
    /// The bytes of encoded batches that may wait for the disk in memory.
    pub queue_bytes: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, max_bytes: 8 << 30, queue_bytes: 32 << 20 }
    }
}

impl LogConfig {
    /// The size at which a segment is left; less than the whole log, so that there is always
    /// something to trim.
    pub(super) fn segment_limit(&self) -> u64 {
        self.segment_bytes.min(self.max_bytes / 8)
    }

    /// The largest frame: with one such frame in the newest segment, another still has room.
    pub(super) fn frame_limit(&self) -> u64 {
        (self.max_bytes / 2).saturating_sub(FIRST_FRAME + 2 * FRAME_HEADER as u64)
    }
}
