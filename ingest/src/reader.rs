//! A stream of bytes as batches of records.

use std::io::Read;

use event::{RawBatchBuilder, RawRecord};

use crate::decode::{Chunk, Decoder};
use crate::{Error, Limits, Result, Splitter};

/// What is read at once.
const READ_BYTES: usize = 256 << 10;

/// A read that gives less shows that the source is slower than we are.
const PAUSE_BYTES: usize = 16 << 10;

/// No batch is larger, whatever the limit: it addresses its bytes with 32 bits, and a record of up to
/// 1 GiB may still be added.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// Reads records from anything: takes off gzip or zstd, splits, and keeps memory bounded.
///
/// Reading blocks; on an async runtime use it in `spawn_blocking`.
#[derive(Debug)]
pub struct RecordReader {
    decoder: Decoder,
    splitter: Splitter,
    limits: Limits,
    is_live: bool,
    is_end: bool,
    /// Told once the records before it are handed over.
    failed: Option<Error>,
}

impl RecordReader {
    /// A reader of `read` within `limits`.
    pub fn new(read: Box<dyn Read + Send>, limits: Limits) -> Self {
        Self {
            splitter: Splitter::new(limits.record_bytes),
            decoder: Decoder::new(read, limits.clone()),
            limits,
            is_live: false,
            is_end: false,
            failed: None,
        }
    }

    /// Hands over what there is whenever the source pauses, as a pipe does, instead of filling batches.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    /// The bytes read from the input so far, compressed as they are; to be held against its size.
    pub fn bytes_read(&self) -> u64 {
        self.decoder.bytes_read()
    }

    /// The next records; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Read`] where the source fails. What was read before has been handed over then, but for
    /// a record that was not complete; nothing follows.
    pub fn next_batch(&mut self) -> Result<Option<RawBatchBuilder>> {
        let mut batch = RawBatchBuilder::with_capacity(0);
        let mut pauses = false;
        loop {
            while let Some(record) = self.splitter.next_record() {
                push(&mut batch, record);
                if batch.byte_len() >= self.limits.batch_bytes.min(MAX_BATCH_BYTES)
                    || batch.len() >= self.limits.batch_records
                {
                    return Ok(Some(batch));
                }
            }
            if let Some(error) = self.failed.take_if(|_| batch.is_empty()) {
                return Err(error);
            }
            if self.is_end || (pauses && !batch.is_empty()) {
                return Ok((!batch.is_empty()).then_some(batch));
            }
            match self.decoder.read(self.splitter.space(READ_BYTES)) {
                Ok(Chunk::Bytes(count)) => {
                    self.splitter.filled(count);
                    pauses = self.is_live && count < PAUSE_BYTES;
                }
                Ok(Chunk::Foreign(count, reason)) => {
                    self.splitter.refuse(reason);
                    self.splitter.filled(count);
                }
                Ok(Chunk::End) => self.finish(None),
                Ok(Chunk::Damaged(reason)) => self.finish(Some(reason)),
                Err(source) => {
                    self.failed = Some(Error::Read { at: self.bytes_read(), source });
                    self.is_end = true;
                }
            }
        }
    }

    fn finish(&mut self, damage: Option<String>) {
        self.is_end = true;
        self.splitter.finish(damage);
    }
}

/// Splits a body that is in memory, as a sender pushed it. It is no larger than a batch can be (4 GiB);
/// compressed ones, and those that are to be cut into batches, go to [`RecordReader`].
pub fn split_body(body: &[u8], limits: &Limits) -> RawBatchBuilder {
    let mut batch = RawBatchBuilder::with_capacity(body.len());
    let mut splitter = Splitter::new(limits.record_bytes);
    for chunk in body.chunks(READ_BYTES) {
        splitter.feed(chunk);
        while let Some(record) = splitter.next_record() {
            push(&mut batch, record);
        }
    }
    splitter.finish(None);
    while let Some(record) = splitter.next_record() {
        push(&mut batch, record);
    }
    batch
}

fn push(batch: &mut RawBatchBuilder, record: RawRecord<'_>) {
    let fits = batch.push(record);
    debug_assert!(fits, "a batch of at most 1 GiB takes a record of at most 1 GiB");
}
