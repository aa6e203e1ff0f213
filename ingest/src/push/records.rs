//! Records of a request, cut into batches that are fit for the log.

use event::{RawBatchBuilder, RawRecord};

use crate::Limits;

/// Records on their way into batches that are fit for the log.
#[derive(Debug)]
pub struct Records {
    full: Vec<RawBatchBuilder>,
    open: RawBatchBuilder,
    batch_bytes: usize,
    batch_records: usize,
    number: u64,
}

impl Records {
    /// None yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            full: Vec::new(),
            open: RawBatchBuilder::with_capacity(0),
            batch_bytes: limits.batch_bytes,
            batch_records: limits.batch_records,
            number: 0,
        }
    }

    /// Adds a record.
    pub fn push(&mut self, record: &str) {
        self.add(record.as_bytes(), None);
    }

    /// Adds what is no record, for a dead letter.
    pub fn reject(&mut self, bytes: &[u8], reason: &str) {
        self.add(bytes, Some(reason));
    }

    fn add(&mut self, bytes: &[u8], reject: Option<&str>) {
        if self.open.byte_len() >= self.batch_bytes || self.open.len() >= self.batch_records {
            self.full.push(std::mem::replace(&mut self.open, RawBatchBuilder::with_capacity(0)));
        }
        let fits = self.open.push(RawRecord { bytes, number: self.number, reject });
        debug_assert!(fits, "a body is far smaller than 4 GiB");
        self.number += 1;
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.number
    }

    /// The bytes that wait in the batch that is open.
    pub fn open_bytes(&self) -> usize {
        self.open.byte_len()
    }

    /// The batches, none of them empty.
    pub fn into_batches(self) -> Vec<RawBatchBuilder> {
        let mut batches = self.full;
        if !self.open.is_empty() {
            batches.push(self.open);
        }
        batches
    }
}
