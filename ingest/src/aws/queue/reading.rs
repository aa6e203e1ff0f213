//! One object, read on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use event::RawBatch;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::aws::ObjectAddress;
use crate::aws::notification::Announced;
use crate::aws::s3::{ObjectStream, S3};
use crate::{Error, ReadOptions, RecordReader};

/// What a reader says: a batch, or how it ended.
#[derive(Debug)]
pub(super) struct Read {
    /// The message that announced the object.
    pub(super) message: u64,
    pub(super) object: ObjectAddress,
    pub(super) outcome: Result<RawBatch, Outcome>,
}

/// How the reading of an object ended.
#[derive(Debug)]
pub(super) enum Outcome {
    End {
        /// The entity tag of what was read.
        e_tag: Option<String>,
    },
    Failed {
        error: Error,
        /// Records that were handed over before.
        records: u64,
        /// The object's first bytes, if there are any.
        start: Vec<u8>,
    },
}

/// Reads an object and sends what is in it. It ends early where nobody takes it.
pub(super) fn read(
    message: u64,
    announced: Announced,
    s3: Arc<S3>,
    options: &ReadOptions,
    runtime: Handle,
    sender: &mpsc::Sender<Read>,
) {
    let object = announced.object;
    let (stream, seen) = ObjectStream::new(s3, object.clone(), announced.region, runtime);
    let mut records = 0;
    let send = |outcome| sender.blocking_send(Read { message, object: object.clone(), outcome }).is_ok();
    // A defect in here must not look like an object that is never done.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut reader = RecordReader::new(Box::new(stream), options.limits.clone());
        loop {
            let Some(batch) = reader.next_batch()? else { return Ok(true) };
            records += batch.len() as u64;
            let (source, origin) = (options.source.clone(), object.to_string());
            let batch = batch.finish(source, options.log_type, origin, (options.now_us)());
            if !send(Ok(batch)) {
                return Ok(false);
            }
        }
    }));
    let read = read.unwrap_or_else(|_| Err(Error::ReaderFailed { origin: object.to_string() }));
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = match read {
        Ok(true) => Outcome::End { e_tag: seen.e_tag.take() },
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
