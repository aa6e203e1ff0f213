//! What the handle, the writer and the readers have in common.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use event::Offset;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::compression::Compression;
use super::config::LogConfig;
use super::fs::Fs;
use super::queue::Queue;
use super::segments::Segments;
use super::stats::{Counters, LogStats, read};

/// The state of an open log.
#[derive(Debug)]
pub(super) struct OpenLog {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) dir: PathBuf,
    pub(super) config: LogConfig,
    pub(super) segments: Segments,
    pub(super) queue: Queue,
    pub(super) compression: Compression,
    pub(super) counters: Counters,
    /// Told when there may be room for a sender that waits.
    pub(super) room: Notify,
    /// Held while segments are deleted.
    pub(super) trimming: Mutex<()>,
    head: watch::Sender<Head>,
    poison: OnceLock<String>,
}

/// How far the log is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Every record below is durable.
    pub(super) offset: Offset,
    /// Whether more may come.
    pub(super) open: bool,
}

impl OpenLog {
    pub(super) fn new(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        config: LogConfig,
        segments: Segments,
        head: Offset,
    ) -> Self {
        Self {
            fs,
            dir,
            config,
            segments,
            queue: Queue::new(config.queue_bytes),
            compression: Compression::default(),
            counters: Counters::new(),
            room: Notify::new(),
            trimming: Mutex::default(),
            head: watch::Sender::new(Head { offset: head, open: true }),
            poison: OnceLock::new(),
        }
    }

    pub(super) fn head(&self) -> Offset {
        self.head.borrow().offset
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(super) fn publish(&self, offset: Offset) {
        self.head.send_modify(|head| head.offset = offset);
    }

    /// No more comes.
    pub(super) fn end(&self) {
        self.head.send_modify(|head| head.open = false);
    }

    /// Why nothing is accepted any more.
    pub(super) fn poison(&self) -> Option<String> {
        self.poison.get().cloned()
    }

    /// Notes the first failure; later ones follow from it.
    pub(super) fn set_poison(&self, reason: String) {
        self.poison.get_or_init(|| reason);
    }

    /// What the log may grow by, if nothing is queued.
    pub(super) fn log_room(&self) -> u64 {
        self.config.max_bytes.saturating_sub(self.segments.totals().1)
    }

    pub(super) fn stats(&self) -> LogStats {
        let (segments, bytes) = self.segments.totals();
        let counters = &self.counters;
        LogStats {
            tail: self.segments.tail(),
            head: self.head(),
            bytes,
            max_bytes: self.config.max_bytes,
            segments,
            queued_bytes: self.queue.bytes(),
            appended_records: read(&counters.records),
            appended_bytes: read(&counters.plain_bytes),
            stored_bytes: read(&counters.stored_bytes),
            appended_batches: read(&counters.batches),
            syncs: read(&counters.syncs),
            sync_time: counters.sync_time(),
            slowest_sync: counters.slowest_sync(),
            stalled: counters.stalled(),
            damaged_records: read(&counters.damaged_records),
            poisoned: self.poison(),
        }
    }
}
