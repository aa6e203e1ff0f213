//! Messages of one partition into records of one batch.
//!
//! A message may hold one record or many, in any shape that a file may have, compressed or not. Records are
//! numbered by their message's offset, so that a message that is read again gives the same numbers.

use std::io::Cursor;

use event::{RawBatch, RawBatchBuilder, RawRecord};

use crate::decode::Format;
use crate::{Limits, ReadOptions, RecordReader, Splitter};

/// Numbers that each offset has for records: that of the n-th record of a message is `offset * 1,000,000 + n`.
pub(super) const NUMBERS: u64 = 1_000_000;

/// What one message may inflate to: it is in memory at once.
const MAX_INFLATED: u64 = 64 << 20;

/// Records of one partition that are not handed out yet.
#[derive(Debug)]
pub(super) struct Gathering {
    batch: RawBatchBuilder,
}

impl Gathering {
    /// An empty one; `bytes` are expected.
    pub(super) fn new(bytes: usize) -> Self {
        Self { batch: RawBatchBuilder::with_capacity(bytes) }
    }

    pub(super) fn byte_len(&self) -> usize {
        self.batch.byte_len()
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }

    /// Adds the records of a message. Returns how many there were.
    pub(super) fn add(&mut self, place: &Place<'_>, payload: &[u8], limits: &Limits) -> usize {
        let mut count = 0;
        match Format::of(payload) {
            Format::Plain => {
                let mut splitter = Splitter::whole(payload.to_vec(), limits.record_bytes);
                while let Some(record) = splitter.next_record() {
                    self.push(place, record, count);
                    count += 1;
                }
            }
            Format::Gzip | Format::Zstd | Format::Parquet | Format::Foreign(_) => {
                let input = Box::new(Cursor::new(payload.to_vec()));
                let inflated_bytes = limits.inflated_bytes.min(MAX_INFLATED);
                let mut reader = RecordReader::new(input, Limits { inflated_bytes, ..limits.clone() });
                // Reading from memory does not fail.
                while let Ok(Some(batch)) = reader.next_batch() {
                    let batch = batch.finish(event::SourceId::new(""), None, String::new(), 0);
                    for record in batch.records() {
                        self.push(place, record, count);
                        count += 1;
                    }
                }
            }
        }
        count
    }

    fn push(&mut self, place: &Place<'_>, record: RawRecord<'_>, count: usize) {
        let number = number(place.offset, count as u64);
        let reason = record.reject.map(|reason| format!("{reason}; {place}"));
        self.append(RawRecord { bytes: record.bytes, number, reject: reason.as_deref() });
    }

    /// Adds a dead letter about a place, without bytes.
    pub(super) fn reject(&mut self, place: &Place<'_>, reason: &str) {
        self.append(RawRecord { bytes: b"", number: number(place.offset, 0), reject: Some(reason) });
    }

    fn append(&mut self, record: RawRecord<'_>) {
        let fits = self.batch.push(record);
        debug_assert!(fits, "a batch is handed out long before it has 4 GiB");
    }

    /// The batch.
    pub(super) fn finish(self, options: &ReadOptions, origin: String) -> RawBatch {
        self.batch.finish(options.source.clone(), options.log_type, origin, (options.now_us)())
    }
}

/// Where a message lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "offset {} of {}/{}", self.offset, self.topic, self.partition)
    }
}

/// The number of the `count`-th record of the message at `offset`. A message with more than a million
/// records (of two bytes each, then) gives the rest of them one number.
fn number(offset: i64, count: u64) -> u64 {
    let offset = u64::try_from(offset).unwrap_or(0);
    let number = offset.wrapping_mul(NUMBERS).wrapping_add(count.min(NUMBERS - 1));
    // No offset is so large by counting; one that is wraps, and stays what a database takes for a number.
    number & i64::MAX.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use event::SourceId;
    use proptest::prelude::*;

    use super::*;

    fn records(payloads: &[&[u8]]) -> Vec<(u64, String, Option<String>)> {
        let mut gathering = Gathering::new(0);
        for (offset, payload) in payloads.iter().enumerate() {
            let place = Place { topic: "audit", partition: 2, offset: 40 + offset as i64 };
            gathering.add(&place, payload, &Limits::default());
        }
        let batch = gathering.batch.finish(SourceId::new("k"), None, "o".into(), 0);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        batch
            .records()
            .map(|record| (record.number, text(record.bytes), record.reject.map(Into::into)))
            .collect()
    }

    #[test]
    fn a_message_has_one_record_or_many() {
        let shapes: &[&[u8]] = &[
            b"{\"a\":1}",
            b"{\"a\":1}\n{\"a\":2}\n",
            b"[{\"a\":1},{\"a\":2}]",
            b"{\"records\":[{\"a\":1},{\"a\":2},{\"a\":3}]}",
            b"{\"Records\":[{\"a\":1}]}",
        ];
        let found = records(shapes);
        let numbers: Vec<_> = found.iter().map(|record| record.0).collect();
        let expected = [40_000_000, 41_000_000, 41_000_001, 42_000_000, 42_000_001];
        assert_eq!(numbers[..5], expected);
        assert_eq!(numbers[5..], [43_000_000, 43_000_001, 43_000_002, 44_000_000]);
        assert!(found.iter().all(|record| record.1.starts_with("{\"a\":") && record.2.is_none()));
    }

    #[test]
    fn a_payload_may_be_compressed() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"{\"a\":1}\n{\"a\":2}\n").unwrap();
        let gzip = encoder.finish().unwrap();
        let zstd = zstd::encode_all(&b"{\"a\":3}"[..], 1).unwrap();
        let found = records(&[&gzip, &zstd]);
        assert_eq!(
            found.iter().map(|record| record.0).collect::<Vec<_>>(),
            [40_000_000, 40_000_001, 41_000_000]
        );
    }

    #[test]
    fn what_is_no_record_names_its_place() {
        let found = records(&[b"{\"a\":", b"PK\x03\x04", b"{\"a\":1}"]);
        let reason = |index: usize| found[index].2.clone().unwrap();
        assert!(reason(0).starts_with("torn_input: "), "{}", reason(0));
        assert!(reason(0).ends_with("; offset 40 of audit/2"), "{}", reason(0));
        assert!(reason(1).starts_with("not_json: this is a zip archive"), "{}", reason(1));
        assert_eq!(found[2], (42_000_000, "{\"a\":1}".into(), None));
    }

    proptest! {
        #[test]
        fn any_payload_is_taken_and_the_same_again(payload in proptest::collection::vec(any::<u8>(), 1..400)) {
            prop_assert_eq!(records(&[&payload]), records(&[&payload]));
        }

        #[test]
        fn numbers_of_messages_do_not_meet(offset in 0i64..1_000_000_000_000, count in 0u64..NUMBERS) {
            prop_assert!(number(offset, count) < number(offset + 1, 0));
        }
    }
}
