//! What every source that is pulled has in common, whatever it speaks.

use async_trait::async_trait;
use event::RawBatch;

use crate::{Result, SourceFinding};

/// One part of where a source goes on after a restart: a cursor, a window, how much of a file was read.
///
/// A source with one cursor has one key, one that follows many objects has a key for each. Keys and values
/// are the collector's own; nobody else reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionChange {
    /// What the position is of, at most 1 KiB.
    pub key: String,
    /// The position, at most 64 KiB; `None` forgets it.
    pub value: Option<String>,
}

/// What a collector hands over at once.
#[derive(Debug, Clone)]
pub struct Collected {
    /// Records of one origin. What can never be read (a poison object, a message that means nothing) is a
    /// record with a reject, and so becomes a dead letter with its reason. `None` where only the position
    /// moved.
    pub batch: Option<RawBatch>,
    /// Where to go on once the batch is durable. Empty where the source keeps it (SQS, Pub/Sub).
    pub position: Vec<PositionChange>,
    /// What is known to be missing or changed; recorded in the transaction that saves the position. Mostly
    /// empty.
    pub findings: Vec<SourceFinding>,
    /// What [`Collector::ack`] is told.
    pub ticket: u64,
}

/// What waits at a source, as the source itself tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// How much it is, in messages or what else the source counts.
    pub records: u64,
    /// How far reading has come where it is the furthest behind: when that was stored at the source, in
    /// microseconds since 1970. `None`: it is not known.
    pub since_us: Option<i64>,
}

/// What a turn of a collector led to.
#[derive(Debug, Clone)]
pub enum Polled {
    /// Records, or a position.
    Collected(Collected),
    /// Nothing new for now, or nothing asked. The collector has waited as long as makes sense; call again.
    Idle,
    /// There will never be more: a backfill that is done.
    End,
}

/// A source that is pulled.
///
/// The contract, which the runner in `pipeline` keeps and each collector can rely on:
/// - [`poll`](Self::poll) is called again and again, by one task. Several batches may be polled before the
///   first is acknowledged, as long as their bytes stay within the runner's bound; nothing is polled while
///   the log is full, so a slow store slows the source.
/// - A batch is appended to the log and synced; then its position is saved; then
///   [`ack`](Self::ack) is called with its ticket. Tickets are acknowledged in the order of polling.
/// - A kill between any two of these repeats a batch and never loses one: a collector that is opened again
///   gets the positions that were saved, and hands out everything after them, in the same words: the same
///   `origin` and record numbers for the same bytes. Events that came before are found by their ids.
/// - After an error of fate `Retry` the runner waits at least as long as it says, with growing gaps, and
///   polls again. After `Reject` or `Stop` the source is `failing`: the collector is dropped, and another is
///   opened some minutes later, or when somebody resumes the source.
/// - Dropping the future of `poll` loses nothing: what was read and not handed out is read again.
#[async_trait]
pub trait Collector: Send {
    /// The next batch; waits for one for some seconds at most.
    ///
    /// # Errors
    /// The source cannot be read; the fate says whether trying again can help.
    async fn poll(&mut self) -> Result<Polled>;

    /// Whether what failed last, the source or a part of it (one of several lists), has not answered since.
    /// Until it does, neither a poll that only waited nor what other parts answered ends the failure.
    fn is_failing(&self) -> bool;

    /// What waits at the source, some seconds ago; `None`: it does not tell.
    fn backlog(&self) -> Option<Backlog> {
        None
    }

    /// What these tickets stand for is durable: delete the messages, commit the offsets.
    ///
    /// # Errors
    /// The source did not take it. The runner tries again later; the worst that a lost acknowledgement
    /// costs is a second delivery.
    async fn ack(&mut self, tickets: &[u64]) -> Result<()>;
}
