//! The one thread that writes: group commit, new segments, and what happens when the disk refuses.

use std::io;
use std::sync::Arc;

use event::Offset;

use super::active::Active;
use super::config::RETRY_AFTER;
use super::frame::Frame;
use super::frame_header::{FRAME_HEADER, FrameHeader};
use super::open_log::OpenLog;
use super::queue::{Pending, Refusal, Work};
use super::segment_header::segment_name;
use super::stats::add;
use crate::{Error, Result};

/// Owns the newest segment.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<OpenLog>,
    active: Active,
    head: Offset,
}

impl Writer {
    pub(super) fn new(shared: Arc<OpenLog>, active: Active, head: Offset) -> Self {
        Self { shared, active, head }
    }

    /// Writes what is queued until the queue is closed and empty, then seals the segment.
    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        // However this thread ends, nobody must wait for it for ever.
        let _end = End(shared.clone());
        while let Some(work) = shared.queue.take() {
            self.turn(work);
        }
        if self.shared.poison().is_none()
            && let Err(error) = self.seal()
        {
            // Every record is durable without it.
            tracing::warn!(%error, "the log could not be sealed when it was closed");
        }
    }

    /// Does all of `work`, in order, with as few syncs as possible.
    pub(super) fn turn(&mut self, work: Vec<Work>) {
        let mut group = Vec::with_capacity(work.len());
        for item in work {
            match item {
                Work::Append(pending) => group.push(pending),
                Work::Raise(head, reply) => {
                    self.append(std::mem::take(&mut group));
                    let raised = self.raise(head);
                    // Whoever asked may have gone.
                    reply.send(raised).ok();
                }
            }
        }
        self.append(group);
    }

    fn append(&mut self, group: Vec<Pending>) {
        let mut rest = group.into_iter().peekable();
        while let Some(first) = rest.next() {
            let mut len = first.frame.len();
            let mut run = vec![first];
            if let Err(error) = self.make_room(len) {
                run.extend(rest);
                return self.refuse(run, error);
            }
            let room =
                self.shared.config.segment_limit().saturating_sub(self.active.end + FRAME_HEADER as u64);
            while let Some(pending) = rest.next_if(|next| len + next.frame.len() <= room) {
                len += pending.frame.len();
                run.push(pending);
            }
            if let Err(error) = self.write(&mut run) {
                run.extend(rest);
                return self.refuse(run, error);
            }
            self.publish(run, len);
        }
    }

    /// Begins a new segment if a frame of `len` bytes, and a seal, do not fit into this one.
    fn make_room(&mut self, len: u64) -> Result<()> {
        if let Some(reason) = self.shared.poison() {
            return Err(Error::Poisoned { reason });
        }
        let empty = self.head == self.active.first;
        if empty || self.active.end + len + FRAME_HEADER as u64 <= self.shared.config.segment_limit() {
            return Ok(());
        }
        self.roll(self.head)
    }

    /// Leaves the segment for a new one that starts at `first`.
    fn roll(&mut self, first: Offset) -> Result<()> {
        self.seal()?;
        self.active = match Active::create(&*self.shared.fs, &self.shared.dir, first) {
            Ok(active) => active,
            Err(error) => return Err(self.failed(error)),
        };
        self.shared.segments.set(self.active.first, self.active.end);
        Ok(())
    }

    /// Says on disk that everything so far is durable.
    fn seal(&mut self) -> Result<()> {
        if self.active.sealed {
            return Ok(());
        }
        let seal = FrameHeader::seal(self.head, self.active.end).encode(&self.active.marker);
        self.write_durably(&[&seal])?;
        self.active.end += seal.len() as u64;
        self.active.sealed = true;
        self.shared.segments.set(self.active.first, self.active.end);
        Ok(())
    }

    /// Gives the frames their places and makes them durable with one write and one sync.
    fn write(&mut self, run: &mut [Pending]) -> Result<()> {
        let mut next = self.head;
        let mut headers = Vec::with_capacity(run.len());
        for Pending { frame, .. } in run.iter_mut() {
            let records = u64::from(frame.header.records);
            if next.checked_add(records).is_none() {
                return Err(self.failed(Error::NumberTooLarge { what: "the offset after", value: next }));
            }
            frame.header.first = next;
            frame.header.durable = self.active.end;
            headers.push(frame.header.encode(&self.active.marker));
            next += records;
        }
        let mut parts: Vec<&[u8]> = Vec::with_capacity(run.len() * 3);
        for (header, Pending { frame: Frame { meta, data, .. }, .. }) in headers.iter().zip(&*run) {
            parts.extend([header.as_slice(), meta, data]);
        }
        self.write_durably(&parts)
    }

    fn write_durably(&mut self, parts: &[&[u8]]) -> Result<()> {
        let Self { shared, active, .. } = self;
        let failed = |action| {
            let path = shared.dir.join(segment_name(active.first));
            move |source| Error::Io { action, path, source }
        };
        let written = shared.counters.timed(|| {
            active.file.write_all_at(parts, active.end).map_err(failed("write"))?;
            active.file.sync_data().map_err(failed("sync"))
        });
        written.map_err(|error| self.failed(error))
    }

    /// Tells everybody about durable frames of `len` bytes.
    fn publish(&mut self, run: Vec<Pending>, len: u64) {
        let shared = &self.shared;
        self.active.end += len;
        self.active.sealed = false;
        // The length first: a reader that sees the head must find the frame within it.
        shared.segments.set(self.active.first, self.active.end);
        shared.queue.release(len);
        add(&shared.counters.stored_bytes, len);
        add(&shared.counters.batches, run.len() as u64);
        let mut replies = Vec::with_capacity(run.len());
        for Pending { frame, reply } in run {
            let first = self.head;
            self.head += u64::from(frame.header.records);
            add(&shared.counters.records, u64::from(frame.header.records));
            add(&shared.counters.plain_bytes, u64::from(frame.header.plain_len));
            replies.push((reply, first..self.head));
        }
        shared.publish(self.head);
        for (reply, offsets) in replies {
            // Whoever asked may have gone; the records stay.
            reply.send(Ok(offsets)).ok();
        }
        shared.room.notify_waiters();
    }

    fn raise(&mut self, head: Offset) -> Result<()> {
        if head <= self.head {
            return Ok(());
        }
        if let Some(reason) = self.shared.poison() {
            return Err(Error::Poisoned { reason });
        }
        self.roll(head)?;
        self.head = head;
        self.shared.publish(head);
        Ok(())
    }

    fn refuse(&mut self, run: Vec<Pending>, error: Error) {
        let (reason, retry) = match &error {
            Error::LogFull { reason, retry_after } => (reason.clone(), Some(*retry_after)),
            _ => (self.shared.poison().unwrap_or_else(|| error.to_string()), None),
        };
        for Pending { frame, reply } in run {
            self.shared.queue.release(frame.len());
            let reason = reason.clone();
            let error = match retry {
                Some(retry_after) => Error::LogFull { reason, retry_after },
                None => Error::Poisoned { reason },
            };
            // Whoever asked may have gone.
            reply.send(Err(Box::new(Refusal { error, frame }))).ok();
        }
        self.shared.room.notify_waiters();
    }

    /// What a failure of the disk means from here on: come again, or never.
    fn failed(&mut self, error: Error) -> Error {
        let cut = self.active.file.set_len(self.active.end);
        if let Error::Io { action: "create" | "write", source, .. } = &error
            && is_no_space(source)
            && cut.and_then(|()| self.active.file.sync_all()).is_ok()
        {
            tracing::warn!(%error, "the log waits for room on the disk");
            return Error::LogFull { reason: error.to_string(), retry_after: RETRY_AFTER };
        }
        self.shared.set_poison(error.to_string());
        tracing::error!(%error, "the log is poisoned; it is read on, but takes no more records");
        error
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Tells the readers and senders that no more comes.
struct End(Arc<OpenLog>);

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_poison("the thread that writes panicked; this is a bug, please report it".into());
        }
        self.0.queue.close();
        // Nobody writes what is left, and dropping it tells those who wait.
        drop(self.0.queue.take());
        self.0.end();
        self.0.room.notify_waiters();
    }
}
