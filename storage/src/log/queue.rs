//! What waits for the writer, bounded in bytes.

use std::ops::Range;

use event::Offset;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::frame::Frame;
use crate::Error;

/// An encoded batch and whom to tell.
#[derive(Debug)]
pub(super) struct Pending {
    /// The batch.
    pub(super) frame: Frame,
    /// Gets the offsets once they are durable.
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What becomes of a [`Pending`].
pub(super) type Reply = Result<Range<Offset>, Box<Refusal>>;

/// Why a batch was not written; the frame comes back, so that it can be sent again.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The reason.
    pub(super) error: Error,
    /// The batch.
    pub(super) frame: Frame,
}

/// Something for the writer to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Write this.
    Append(Pending),
    /// Give out no offset below this one.
    Raise(Offset, oneshot::Sender<crate::Result<()>>),
}

/// Why something cannot be queued now; it comes back.
#[derive(Debug)]
pub(super) enum NoRoom {
    /// As much waits for the disk as may.
    Queue(Pending),
    /// The log has reached its size.
    Log(Pending),
    /// No more work is taken.
    Closed,
}

/// Work in the order in which it came.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    max_bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    work: Vec<Work>,
    /// Bytes of frames that wait or are being written.
    bytes: u64,
    closed: bool,
}

impl Queue {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new(), max_bytes }
    }

    /// Queues a frame; `log_room` is what the log may still grow by, queued bytes counted in.
    pub(super) fn push(&self, pending: Pending, log_room: u64) -> Result<(), NoRoom> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(NoRoom::Closed);
        }
        let len = pending.frame.len();
        if state.bytes + len > log_room {
            return Err(NoRoom::Log(pending));
        }
        // A frame larger than the queue goes alone.
        if state.bytes > 0 && state.bytes + len > self.max_bytes {
            return Err(NoRoom::Queue(pending));
        }
        state.bytes += len;
        state.work.push(Work::Append(pending));
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Queues a [`Work::Raise`]. `false` if no more work is taken.
    pub(super) fn raise(&self, head: Offset, reply: oneshot::Sender<crate::Result<()>>) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.work.push(Work::Raise(head, reply));
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// All that waits, as soon as there is something; `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Work>> {
        let mut state = self.state.lock();
        while state.work.is_empty() {
            if state.closed {
                return None;
            }
            self.arrived.wait(&mut state);
        }
        Some(std::mem::take(&mut state.work))
    }

    /// Frees the room of `bytes` bytes that [`take`](Self::take) has handed out.
    pub(super) fn release(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Bytes that wait or are being written.
    pub(super) fn bytes(&self) -> u64 {
        self.state.lock().bytes
    }

    /// Takes no more work; what is queued is still handed out.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
    }
}
