//! The log as its users see it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use event::{Offset, RawBatch};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::active::Active;
use super::config::{LogConfig, RETRY_AFTER};
use super::frame::Frame;
use super::fs::{Fs, OsFs};
use super::lock::DirLock;
use super::open_log::OpenLog;
use super::queue::{NoRoom, Pending};
use super::reader::LogReader;
use super::recovery::{Recovered, Recovery, recover};
use super::segments::Segments;
use super::stats::LogStats;
use super::writer::Writer;
use crate::{Error, Result};

/// An open log. Clones are handles to the same one; the last to go closes it.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<OpenLog>,
    recovery: Recovery,
    /// Senders that wait for room stand in line here, so that large batches get their turn.
    line: tokio::sync::Mutex<()>,
    writer: Mutex<Option<JoinHandle<()>>>,
    lock: Mutex<Option<DirLock>>,
}

/// What to do where there is no room in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    Wait,
    Refuse,
}

impl Log {
    /// Opens the log in `dir`, which is made if it is missing, and repairs what a crash left behind
    /// (see [`recovery`](Self::recovery)).
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it open; [`Error::Newer`]; [`Error::LogDamaged`] where
    /// the next offset cannot be known; the disk refuses.
    pub fn open(dir: &Path, config: LogConfig) -> Result<Self> {
        make_dir(dir)?;
        let lock = DirLock::take(dir)?;
        Self::open_on(Arc::new(OsFs), dir, config, Some(lock))
    }

    /// As [`open`](Self::open), on any disk.
    pub(super) fn open_on(
        fs: Arc<dyn Fs>,
        dir: &Path,
        config: LogConfig,
        lock: Option<DirLock>,
    ) -> Result<Self> {
        let (shared, active, head, recovery) = prepare(fs, dir, config)?;
        let writer = Writer::new(shared.clone(), active, head);
        let writer = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(|source| Error::Io { action: "start the writer of", path: dir.to_owned(), source })?;
        let inner = Inner {
            shared,
            recovery,
            line: tokio::sync::Mutex::default(),
            writer: Mutex::new(Some(writer)),
            lock: Mutex::new(lock),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.inner.recovery
    }

    /// Writes into the lock file where this process listens, so that [`Error::Locked`] can tell.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn announce(&self, url: &str) -> Result<()> {
        match &*self.inner.lock.lock() {
            Some(lock) => lock.announce(url),
            None => Ok(()),
        }
    }

    /// Makes a batch durable: when this returns, it has been synced to the disk, and the n-th record
    /// has the n-th of the offsets. Waits while the log is full or the disk has no space.
    ///
    /// A dropped future may leave the batch written all the same; a source that did not see the
    /// answer sends again, and duplicates are found by event id.
    ///
    /// # Errors
    /// [`Error::BatchEmpty`] and [`Error::BatchTooLarge`]: this batch never will be taken;
    /// [`Error::Poisoned`]: none will, until a restart; [`Error::LogClosed`].
    pub async fn append(&self, batch: &RawBatch) -> Result<Range<Offset>> {
        self.send(batch, WhenFull::Wait).await
    }

    /// As [`append`](Self::append), but does not wait for consumers or for space on the disk.
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`Error::LogFull`].
    pub async fn try_append(&self, batch: &RawBatch) -> Result<Range<Offset>> {
        self.send(batch, WhenFull::Refuse).await
    }

    async fn send(&self, batch: &RawBatch, when_full: WhenFull) -> Result<Range<Offset>> {
        let shared = &self.inner.shared;
        // Do not encode what cannot be taken anyway.
        if let Some(reason) = shared.poison() {
            return Err(Error::Poisoned { reason });
        }
        if when_full == WhenFull::Refuse && shared.log_room() <= shared.queue.bytes() {
            return Err(self.full());
        }
        let mut frame = Frame::encode(batch, &shared.compression)?;
        let limit = shared.config.frame_limit();
        if frame.len() > limit {
            return Err(Error::BatchTooLarge { what: "bytes as stored", found: frame.len(), limit });
        }
        loop {
            let (reply, answer) = oneshot::channel();
            let pending = Pending { frame, reply };
            match when_full {
                WhenFull::Wait => {
                    let _turn = self.inner.line.lock().await;
                    self.enqueue(pending, when_full).await?;
                }
                WhenFull::Refuse => self.enqueue(pending, when_full).await?,
            }
            let refusal = match answer.await {
                Ok(Ok(offsets)) => return Ok(offsets),
                Ok(Err(refusal)) => *refusal,
                // The writer has ended with the batch in hand.
                Err(_) => return Err(self.gone()),
            };
            match refusal.error {
                Error::LogFull { retry_after, .. } if when_full == WhenFull::Wait => {
                    tokio::time::sleep(retry_after).await;
                    frame = refusal.frame;
                }
                error => return Err(error),
            }
        }
    }

    /// Hands a frame to the writer, as soon as there is room.
    async fn enqueue(&self, mut pending: Pending, when_full: WhenFull) -> Result<()> {
        let shared = &self.inner.shared;
        loop {
            let room = shared.room.notified();
            tokio::pin!(room);
            // From here on no notice is missed.
            room.as_mut().enable();
            if let Some(reason) = shared.poison() {
                return Err(Error::Poisoned { reason });
            }
            pending = match shared.queue.push(pending, shared.log_room()) {
                Ok(()) => return Ok(()),
                Err(NoRoom::Closed) => return Err(self.gone()),
                Err(NoRoom::Log(_)) if when_full == WhenFull::Refuse => return Err(self.full()),
                Err(NoRoom::Log(pending) | NoRoom::Queue(pending)) => pending,
            };
            room.await;
        }
    }

    fn full(&self) -> Error {
        let reason = format!("{} bytes, consumers lag behind", self.inner.shared.config.max_bytes);
        Error::LogFull { reason, retry_after: RETRY_AFTER }
    }

    fn gone(&self) -> Error {
        self.inner.shared.poison().map_or(Error::LogClosed, |reason| Error::Poisoned { reason })
    }

    /// The next offset: every record below is durable.
    pub fn head(&self) -> Offset {
        self.inner.shared.head()
    }

    /// The oldest offset kept.
    pub fn tail(&self) -> Offset {
        self.inner.shared.segments.tail()
    }

    /// Gives out no offset below `at_least`, ever. For a log that lost its end while its consumers
    /// kept theirs: without this, new records would get offsets that the consumers have passed.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn raise_head(&self, at_least: Offset) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        if !self.inner.shared.queue.raise(at_least, reply) {
            return Err(self.gone());
        }
        answer.await.map_err(|_| self.gone())?
    }

    /// A reader that starts at offset `from`.
    ///
    /// # Errors
    /// [`Error::OffsetUnknown`] if that was trimmed, or lies beyond the head.
    pub fn reader(&self, from: Offset) -> Result<LogReader> {
        LogReader::new(self.inner.shared.clone(), from)
    }

    /// Forgets what lies below `before`, in whole segments; the newest stays. Senders that wait for
    /// room go on.
    ///
    /// # Errors
    /// A segment cannot be deleted; the log is whole all the same.
    pub fn trim(&self, before: Offset) -> Result<()> {
        self.inner.shared.trim(before)
    }

    /// Figures at this moment.
    pub fn stats(&self) -> LogStats {
        self.inner.shared.stats()
    }

    /// Why nothing is accepted any more; `None` while all is well.
    pub fn poisoned(&self) -> Option<String> {
        self.inner.shared.poison()
    }

    /// Writes what is queued, seals the log and frees the folder for another process. Appends are
    /// refused from here on; readers go on to the end.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn close(&self) {
        self.shared.queue.close();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            // The writer has poisoned the log with the reason.
            tracing::error!("the log's writer panicked");
        }
        drop(self.lock.lock().take());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Makes the folder, and those above it that are missing, so that they survive a power loss.
fn make_dir(dir: &Path) -> Result<()> {
    let failed = |source| Error::Io { action: "create", path: dir.to_owned(), source };
    let missing =
        dir.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).count();
    std::fs::create_dir_all(dir).map_err(failed)?;
    for parent in dir.ancestors().skip(1).take(missing) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        OsFs.sync_dir(parent).map_err(failed)?;
    }
    Ok(())
}

/// Reads the folder; the writer's part and the rest.
pub(super) fn prepare(
    fs: Arc<dyn Fs>,
    dir: &Path,
    config: LogConfig,
) -> Result<(Arc<OpenLog>, Active, Offset, Recovery)> {
    let Recovered { segments, active, head, report } = recover(&*fs, dir)?;
    if report.torn_bytes > 0 {
        tracing::info!(bytes = report.torn_bytes, "cut an unfinished write off the log");
    }
    for damage in &report.damage {
        tracing::error!(%damage, "the log is damaged; lost records become dead letters when they are read");
    }
    let shared = OpenLog::new(fs, dir.to_owned(), config, Segments::new(segments), head);
    Ok((Arc::new(shared), active, head, report))
}
