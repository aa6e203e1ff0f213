//! Figures about the log, for `/metrics` and `/health`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event::Offset;

/// The log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// The oldest offset kept.
    pub tail: Offset,
    /// The next offset.
    pub head: Offset,
    /// Bytes of all segments.
    pub bytes: u64,
    /// The bound of `bytes`.
    pub max_bytes: u64,
    /// Segments.
    pub segments: usize,
    /// Bytes that wait for the disk.
    pub queued_bytes: u64,
    /// Records made durable since the log was opened.
    pub appended_records: u64,
    /// Bytes of records made durable since the log was opened, before compression.
    pub appended_bytes: u64,
    /// Bytes written for them.
    pub stored_bytes: u64,
    /// Batches made durable since the log was opened.
    pub appended_batches: u64,
    /// Writes with a sync since the log was opened; each made a group of batches durable.
    pub syncs: u64,
    /// The time these took together, write and sync.
    pub sync_time: Duration,
    /// The slowest of them.
    pub slowest_sync: Duration,
    /// For how long the disk has not answered the write or sync that is under way; zero if none is.
    pub stalled: Duration,
    /// Records that readers found damaged since the log was opened.
    pub damaged_records: u64,
    /// Why nothing is accepted any more; `None` while all is well.
    pub poisoned: Option<String>,
}

/// Running totals; each is written by one thread.
#[derive(Debug)]
pub(super) struct Counters {
    opened: Instant,
    pub(super) records: AtomicU64,
    pub(super) plain_bytes: AtomicU64,
    pub(super) stored_bytes: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) damaged_records: AtomicU64,
    pub(super) syncs: AtomicU64,
    sync_us: AtomicU64,
    slowest_us: AtomicU64,
    /// Microseconds after `opened` at which the write under way began, plus 1; 0 if none is.
    busy_since: AtomicU64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            records: AtomicU64::new(0),
            plain_bytes: AtomicU64::new(0),
            stored_bytes: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            damaged_records: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            sync_us: AtomicU64::new(0),
            slowest_us: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
        }
    }

    /// Runs a write with its sync and notes how long it took.
    pub(super) fn timed<T>(&self, write: impl FnOnce() -> T) -> T {
        let began = self.now_us();
        self.busy_since.store(began + 1, Ordering::Relaxed);
        let result = write();
        self.busy_since.store(0, Ordering::Relaxed);
        let took = self.now_us().saturating_sub(began);
        add(&self.syncs, 1);
        add(&self.sync_us, took);
        self.slowest_us.fetch_max(took, Ordering::Relaxed);
        result
    }

    pub(super) fn sync_time(&self) -> Duration {
        Duration::from_micros(read(&self.sync_us))
    }

    pub(super) fn slowest_sync(&self) -> Duration {
        Duration::from_micros(read(&self.slowest_us))
    }

    pub(super) fn stalled(&self) -> Duration {
        match read(&self.busy_since) {
            0 => Duration::ZERO,
            began => Duration::from_micros(self.now_us().saturating_sub(began - 1)),
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX - 1)
    }
}

pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
