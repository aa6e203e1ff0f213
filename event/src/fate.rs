//! What the pipeline does about an error; it decides by fate alone, never by variant or text.

use std::time::Duration;

/// The three ends an error can come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Passing trouble (throttled, offline, busy): try the same thing again, not before `after`.
    Retry {
        /// The least time to wait.
        after: Duration,
    },
    /// This record, rule or request is bad and stays bad: dead letter, diagnostic or 4xx.
    Reject,
    /// Disk, corruption or a broken invariant: refuse further writes and say why.
    Stop,
}
