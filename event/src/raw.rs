//! Raw records on their way from a source into the log.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{LogType, OuterKey};

/// The number of a record in the log, counted from 0 without gaps over all sources.
pub type Offset = u64;

/// The name of a configured source (`cli`, `http`, `aws-prod-trail`): the key of all accounting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// A source's name; the configuration checks it (1 to 64 of `a-z 0-9 . _ -`).
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One record of a [`RawBatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// The bytes as the source gave them; of a line whose fields the file's first line names with that above it,
    /// of a document of many flows a copy with one of them.
    pub bytes: &'a [u8],
    /// Its number within the origin, from 0: the n-th record of the file, object or request.
    pub number: u64,
    /// Set where the reader already knows that these bytes are no record (a torn gzip stream, a
    /// line over the limit): the reason for the dead letter.
    pub reject: Option<&'a str>,
}

#[derive(Debug, Clone)]
struct Span {
    bytes: Range<u32>,
    /// Empty where the record has no outline.
    outline: Range<u32>,
    number: u64,
    reject: Option<Box<str>>,
}

/// What a source hands over at once and the log makes durable as one frame: records of one origin.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// The source that is charged with these records.
    pub source: SourceId,
    /// The log type, where the source fixes it; otherwise each record is asked.
    pub log_type: Option<LogType>,
    /// Where the records lay: a file, an object's address, `http`. Shown in dead letters.
    pub origin: String,
    /// When Stormglass received them, in microseconds since 1970-01-01T00:00:00Z.
    pub received_us: i64,
    data: Bytes,
    spans: Vec<Span>,
    outlines: Vec<OuterKey>,
    byte_len: usize,
}

impl RawBatch {
    /// The number of records.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The bytes of all records together.
    pub fn byte_len(&self) -> usize {
        self.byte_len
    }

    /// The record at `index`.
    pub fn get(&self, index: usize) -> Option<RawRecord<'_>> {
        let span = self.spans.get(index)?;
        let bytes = self.data.get(span.bytes.start as usize..span.bytes.end as usize)?;
        Some(RawRecord { bytes, number: span.number, reject: span.reject.as_deref() })
    }

    /// The outer keys of the record at `index`, if the reader has made its [`outline`](crate::outline).
    pub fn outline(&self, index: usize) -> Option<&[OuterKey]> {
        let range = self.spans.get(index)?.outline.clone();
        self.outlines.get(range.start as usize..range.end as usize).filter(|outline| !outline.is_empty())
    }

    /// The records in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RawRecord<'_>> {
        self.spans.iter().map(|span| RawRecord {
            bytes: self.data.get(span.bytes.start as usize..span.bytes.end as usize).unwrap_or_default(),
            number: span.number,
            reject: span.reject.as_deref(),
        })
    }
}

/// Two batches are equal if their records are, wherever these lie, and whatever they come with.
impl PartialEq for RawBatch {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.log_type, &self.origin, self.received_us)
            == (&other.source, other.log_type, &other.origin, other.received_us)
            && self.records().eq(other.records())
    }
}

impl Eq for RawBatch {}

/// Gathers records into a [`RawBatch`].
#[derive(Debug)]
pub struct RawBatchBuilder {
    data: Vec<u8>,
    spans: Vec<Span>,
    outlines: Vec<OuterKey>,
    byte_len: usize,
}

impl RawBatchBuilder {
    /// One of `records` records that lie in `data`, with the outer keys of them all, to be told by
    /// [`push_placed`](Self::push_placed).
    pub fn over(data: Vec<u8>, outlines: Vec<OuterKey>, records: usize) -> Self {
        Self { data, spans: Vec::with_capacity(records), outlines, byte_len: 0 }
    }

    /// An empty one that has room for `bytes` bytes of records.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { data: Vec::with_capacity(bytes), spans: Vec::new(), outlines: Vec::new(), byte_len: 0 }
    }

    /// Adds a record. `false`: the batch would pass 4 GiB; finish it and start another.
    #[must_use]
    pub fn push(&mut self, record: RawRecord<'_>) -> bool {
        self.push_outlined(record, &[])
    }

    /// As [`push`](Self::push), with the outline of the record; an empty one is none.
    #[must_use]
    pub fn push_outlined(&mut self, record: RawRecord<'_>, outline: &[OuterKey]) -> bool {
        let start = self.data.len();
        let end = start + record.bytes.len();
        if u32::try_from(end).is_err() {
            return false;
        }
        self.data.extend_from_slice(record.bytes);
        let keys = self.outlines.len();
        self.outlines.extend_from_slice(outline);
        let outline = keys..self.outlines.len();
        self.push_placed(start..end, record.number, record.reject.map(Into::into), outline)
    }

    /// Adds a record that is made of `pieces`, one behind the other. `false`: as of [`push`](Self::push).
    #[must_use]
    pub fn push_pieces(&mut self, pieces: &[&[u8]], number: u64) -> bool {
        let start = self.data.len();
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if u32::try_from(start + length).is_err() {
            return false;
        }
        for piece in pieces {
            self.data.extend_from_slice(piece);
        }
        let keys = self.outlines.len();
        self.push_placed(start..self.data.len(), number, None, keys..keys)
    }

    /// Adds a record that lies in the batch's data already, with the place of its outer keys in the batch's.
    /// `false`: it does not.
    #[must_use]
    pub fn push_placed(
        &mut self,
        bytes: Range<usize>,
        number: u64,
        reject: Option<Box<str>>,
        outline: Range<usize>,
    ) -> bool {
        let (Ok(start), Ok(end)) = (u32::try_from(bytes.start), u32::try_from(bytes.end)) else {
            return false;
        };
        if bytes.start > bytes.end || bytes.end > self.data.len() {
            return false;
        }
        self.byte_len += bytes.len();
        // There are fewer keys than bytes.
        let outline = outline.start as u32..outline.end as u32;
        self.spans.push(Span { bytes: start..end, outline, number, reject });
        true
    }

    /// The number of records so far.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The bytes of the records so far.
    pub fn byte_len(&self) -> usize {
        self.byte_len
    }

    /// The batch, with what is common to its records.
    pub fn finish(
        self,
        source: SourceId,
        log_type: Option<LogType>,
        origin: String,
        received_us: i64,
    ) -> RawBatch {
        let Self { data, spans, outlines, byte_len } = self;
        RawBatch { source, log_type, origin, received_us, data: data.into(), spans, outlines, byte_len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order() {
        let mut builder = RawBatchBuilder::with_capacity(16);
        assert!(builder.push(RawRecord { bytes: b"{}", number: 0, reject: None }));
        assert!(builder.push(RawRecord { bytes: b"oops", number: 1, reject: Some("torn") }));
        assert!(builder.push_pieces(&[b"[", b"", b"]"], 2));
        let batch = builder.finish(SourceId::new("cli"), None, "a.json".into(), 5);
        let records: Vec<_> = batch.records().collect();
        assert_eq!(records.len(), 3);
        assert_eq!(records[0].bytes, b"{}");
        assert_eq!(records[1].reject, Some("torn"));
        assert_eq!(batch.get(1).map(|r| r.number), Some(1));
        assert_eq!(records[2], RawRecord { bytes: b"[]", number: 2, reject: None });
        assert_eq!(batch.get(3), None);
        assert_eq!(batch.byte_len(), 8);
    }
}
