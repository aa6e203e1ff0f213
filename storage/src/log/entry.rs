//! What a reader hands out.

use event::{Offset, RawBatch, RawBatchBuilder, RawRecord};

/// One frame of the log: a batch as it was appended, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The offset of the first record.
    pub first: Offset,
    /// The records; the n-th has the offset `first + n`.
    pub batch: RawBatch,
}

impl LogEntry {
    /// The offset after the last record.
    pub fn next(&self) -> Offset {
        self.first.saturating_add(self.batch.len() as u64)
    }

    /// The entry without the records below `from`, for a reader that starts amid a frame.
    pub(super) fn starting_at(self, from: Offset) -> Self {
        let skip = from.saturating_sub(self.first);
        if skip == 0 {
            return self;
        }
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut builder = RawBatchBuilder::with_capacity(self.batch.byte_len());
        for record in self.batch.records().skip(skip) {
            // It fits: the whole batch does.
            if !builder.push(record) {
                break;
            }
        }
        let RawBatch { source, log_type, origin, received_us, .. } = self.batch;
        Self { first: from, batch: builder.finish(source, log_type, origin, received_us) }
    }

    /// An entry of `count` rejected records without a frame; `bytes` go with the first.
    pub(super) fn lost(first: Offset, count: u32, bytes: &[u8], place: String, reason: &str) -> Self {
        let mut builder = RawBatchBuilder::with_capacity(bytes.len());
        let mut bytes = bytes;
        for number in 0..u64::from(count) {
            if !builder.push(RawRecord { bytes, number, reject: Some(reason) }) {
                break;
            }
            bytes = &[];
        }
        let source = event::SourceId::new(LOST_SOURCE);
        // When they were received was lost with them.
        Self { first, batch: builder.finish(source, None, place, 0) }
    }
}

/// The source that is charged with records of which not even the source is left.
pub const LOST_SOURCE: &str = "log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_can_start_later() {
        let mut builder = RawBatchBuilder::with_capacity(0);
        for (number, bytes) in [b"a", b"b", b"c"].into_iter().enumerate() {
            assert!(builder.push(RawRecord { bytes, number: number as u64, reject: None }));
        }
        let batch = builder.finish(event::SourceId::new("cli"), None, "x".into(), 9);
        let entry = LogEntry { first: 10, batch };
        assert_eq!(entry.clone().starting_at(10), entry);
        let later = entry.starting_at(12);
        assert_eq!((later.first, later.next(), later.batch.len()), (12, 13, 1));
        assert_eq!(later.batch.get(0).map(|record| (record.bytes, record.number)), Some((&b"c"[..], 2)));
        assert_eq!(later.batch.received_us, 9);
    }
}
