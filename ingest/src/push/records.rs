//! Records of a request, cut into batches that are fit for the log.

use event::{RawBatchBuilder, RawRecord};

use crate::Limits;

/// Records on their way into batches that are fit for the log.
#[derive(Debug)]
pub struct Records {
    full: Vec<RawBatchBuilder>,
    open: RawBatchBuilder,
    /// The room of a batch.
    room: usize,
    batch_bytes: usize,
    batch_records: usize,
    number: u64,
}

/// A record of two members, what is said about an event and what it carries, as the module has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pushed<'a> {
    /// `hec`, `otlp`
    pub(super) protocol: &'static str,
    /// As [`Reception`](super::Reception) gives it.
    pub(super) id: &'a str,
    pub(super) received: &'a str,
    /// Members of JSON, without braces.
    pub(super) said: &'a [u8],
    /// The name of what it carries.
    pub(super) carries: &'static str,
    /// That, as JSON.
    pub(super) payload: &'a [u8],
}

impl<'a> Pushed<'a> {
    /// The bytes of the record.
    pub(super) fn byte_len(&self) -> usize {
        self.pieces().iter().map(|piece| piece.len()).sum()
    }

    fn pieces(&self) -> [&'a [u8]; 14] {
        [
            b"{\"",
            self.protocol.as_bytes(),
            b"\":{\"id\":\"",
            self.id.as_bytes(),
            b"\",\"received\":\"",
            self.received.as_bytes(),
            b"\"",
            if self.said.is_empty() { b"" } else { b"," },
            self.said,
            b"},\"",
            self.carries.as_bytes(),
            b"\":",
            self.payload,
            b"}",
        ]
    }
}

impl Records {
    /// None yet.
    pub fn new(limits: &Limits) -> Self {
        Self::of_body(0, limits)
    }

    /// None yet, of a body of so many bytes, of which records are about as large.
    pub(super) fn of_body(bytes: usize, limits: &Limits) -> Self {
        let room = bytes.saturating_add(bytes / 8).min(limits.batch_bytes);
        Self {
            full: Vec::new(),
            open: RawBatchBuilder::with_capacity(room),
            room,
            batch_bytes: limits.batch_bytes,
            batch_records: limits.batch_records,
            number: 0,
        }
    }

    /// Adds a record.
    pub fn push(&mut self, record: &str) {
        self.make_room();
        let fits = self.open.push(RawRecord { bytes: record.as_bytes(), number: self.number, reject: None });
        self.count(fits);
    }

    /// Adds what is no record, for a dead letter.
    pub fn reject(&mut self, bytes: &[u8], reason: &str) {
        self.make_room();
        let fits = self.open.push(RawRecord { bytes, number: self.number, reject: Some(reason) });
        self.count(fits);
    }

    /// Adds the record of an event.
    pub(super) fn push_event(&mut self, event: Pushed<'_>) {
        self.make_room();
        let fits = self.open.push_pieces(&event.pieces(), self.number);
        self.count(fits);
    }

    fn make_room(&mut self) {
        if self.open.byte_len() >= self.batch_bytes || self.open.len() >= self.batch_records {
            let next = RawBatchBuilder::with_capacity(self.room);
            self.full.push(std::mem::replace(&mut self.open, next));
        }
    }

    fn count(&mut self, fits: bool) {
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
