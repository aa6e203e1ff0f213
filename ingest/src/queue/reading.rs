//! One object, or one message of many records, read on a thread of its own.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use event::RawBatch;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::broker::{Announced, Broker};
use super::stream::{ObjectStream, Seen};
use crate::{Error, ReadOptions, RecordReader};

/// What is to be read.
#[derive(Debug)]
pub(super) struct Task<O> {
    /// The message that it belongs to.
    pub(super) message: u64,
    /// Where it lies.
    pub(super) address: String,
    pub(super) content: Content<O>,
}

/// See [`Task`].
#[derive(Debug)]
pub(super) enum Content<O> {
    /// What a message announces.
    Object(Announced<O>),
    /// What a message holds.
    Body(Bytes),
}

/// What a reader says: a batch, or how it ended.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) message: u64,
    pub(super) address: String,
    pub(super) outcome: Result<RawBatch, Outcome>,
}

/// How the reading of an object ended.
#[derive(Debug)]
pub(super) enum Outcome {
    End {
        /// The version of what was read; `None` for what a message held.
        version: Option<String>,
        is_object: bool,
    },
    Failed {
        error: Error,
        /// Records that were handed over before.
        records: u64,
        /// The object's first bytes, if there are any.
        start: Vec<u8>,
    },
}

/// Reads what a task names and sends what is in it. It ends early where nobody takes it.
pub(super) fn read<B: Broker>(
    task: Task<B::Object>,
    broker: Arc<B>,
    options: &ReadOptions,
    runtime: Handle,
    sender: &mpsc::Sender<Read>,
) {
    let Task { message, address, content } = task;
    let is_object = matches!(content, Content::Object(_));
    let (stream, seen): (Box<dyn std::io::Read + Send>, _) = match content {
        Content::Object(announced) => {
            let (stream, seen) = ObjectStream::of_message(broker, announced.object, runtime);
            (Box::new(stream), seen)
        }
        Content::Body(body) => (Box::new(Cursor::new(body)), Arc::new(Seen::default().into())),
    };
    let mut records = 0;
    let send = |outcome| sender.blocking_send(Read { message, address: address.clone(), outcome }).is_ok();
    // A defect in here must not look like an object that is never done.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut reader = RecordReader::new(stream, options.limits.clone());
        loop {
            let Some(batch) = reader.next_batch()? else { return Ok(true) };
            records += batch.len() as u64;
            let (source, origin) = (options.source.clone(), address.clone());
            let batch = batch.finish(source, options.log_type, origin, (options.now_us)());
            if !send(Ok(batch)) {
                return Ok(false);
            }
        }
    }));
    let read = read.unwrap_or_else(|_| Err(Error::ReaderFailed { origin: address.clone() }));
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = match read {
        Ok(true) => Outcome::End { version: seen.version.take(), is_object },
        Ok(false) => return,
        Err(error) => {
            Outcome::Failed { error: inner(error), records, start: std::mem::take(&mut seen.start) }
        }
    };
    // Nobody takes it any more: the collector was dropped.
    send(Err(outcome));
}

/// What the object's stream said, without the reader's words around it.
fn inner(error: Error) -> Error {
    match error {
        Error::Read { at, source } if source.get_ref().is_some_and(|inner| inner.is::<Error>()) => {
            match source.downcast::<Error>() {
                Ok(inner) => inner,
                Err(source) => Error::Read { at, source },
            }
        }
        other => other,
    }
}
