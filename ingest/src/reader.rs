//! A stream of bytes as batches of records.

use std::io::{Cursor, Read};

use event::{OuterKey, RawBatchBuilder, RawRecord};

use crate::decode::{Chunk, Decoder, Format};
use crate::gathered::Gathered;
use crate::{Error, Limits, Result, Splitter};

/// What is read at once.
const READ_BYTES: usize = 256 << 10;

/// A read that gives less shows that the source is slower than we are.
const PAUSE_BYTES: usize = 16 << 10;

/// No batch is larger, whatever the limit: it addresses its bytes with 32 bits, and a record of up to
/// 1 GiB may still be added.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// How many batches' worth of records is looked at before what is kept of them is handed over.
const LOOKED_AT: usize = 4;

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

    /// A reader of a body that is in memory. One that is not compressed is not copied, and
    /// [`bytes_read`](Self::bytes_read) tells nothing of it.
    pub fn of_body(body: impl Into<Vec<u8>>, limits: Limits) -> Self {
        let body = body.into();
        if Format::of(&body) != Format::Plain || body.len() > MAX_BATCH_BYTES {
            return Self::new(Box::new(Cursor::new(body)), limits);
        }
        Self {
            splitter: Splitter::whole(body, limits.record_bytes),
            decoder: Decoder::new(Box::new(std::io::empty()), limits.clone()),
            limits,
            is_live: false,
            is_end: true,
            failed: None,
        }
    }

    /// Hands over what there is whenever the source pauses, as a pipe does, instead of filling batches.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    /// Gives records their [`outline`](event::outline), where they allow it.
    #[must_use]
    pub fn outlined(mut self) -> Self {
        self.splitter = self.splitter.outlined();
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
        let mut gathered = Gathered::default();
        let mut pauses = false;
        let most = self.limits.batch_bytes.min(MAX_BATCH_BYTES);
        loop {
            while let Some(record) = self.splitter.next_placed() {
                gathered.push(record, &mut self.splitter);
                if gathered.byte_len() >= most || gathered.len() >= self.limits.batch_records {
                    return Ok(Some(gathered.finish(&mut self.splitter)));
                }
            }
            if let Some(error) = self.failed.take_if(|_| gathered.is_empty()) {
                return Err(error);
            }
            // What lies between records, and a record that is not complete, are held with them.
            let is_crowded = self.splitter.held_bytes() > (most + READ_BYTES) as u64;
            if self.is_end || ((pauses || is_crowded) && !gathered.is_empty()) {
                return Ok((!gathered.is_empty()).then(|| gathered.finish(&mut self.splitter)));
            }
            pauses = self.fill();
        }
    }

    /// The next records that `keep` wants, asked for each while it lies in the caches, and how many it does
    /// not want. Only what is kept is copied, so that memory for the others is used again and again. What is
    /// no record is always kept. `None` after the last.
    ///
    /// # Errors
    /// As of [`next_batch`](Self::next_batch).
    pub fn next_batch_of(
        &mut self,
        mut keep: impl FnMut(RawRecord<'_>, &[OuterKey]) -> bool,
    ) -> Result<Option<(RawBatchBuilder, u64)>> {
        let most = self.limits.batch_bytes.min(MAX_BATCH_BYTES);
        let mut kept = RawBatchBuilder::with_capacity(0);
        let (mut passed, mut looked_at) = (0, 0);
        let mut pauses = false;
        loop {
            while let Some((record, outline)) = self.splitter.next_outlined() {
                looked_at += record.bytes.len();
                if record.reject.is_none() && !keep(record, outline) {
                    passed += 1;
                } else {
                    let fits = kept.push_outlined(record, outline);
                    debug_assert!(fits, "a batch has at most 1 GiB before a record of as much is added");
                }
                let is_full = kept.byte_len() >= most || kept.len() >= self.limits.batch_records;
                if is_full || looked_at >= most.saturating_mul(LOOKED_AT) {
                    return Ok(Some((kept, passed)));
                }
            }
            let is_empty = looked_at == 0 && kept.is_empty();
            if let Some(error) = self.failed.take_if(|_| is_empty) {
                return Err(error);
            }
            if self.is_end || (pauses && !is_empty) {
                return Ok((!is_empty).then_some((kept, passed)));
            }
            pauses = self.fill();
        }
    }

    /// Reads on; whether the source pauses.
    fn fill(&mut self) -> bool {
        match self.decoder.read(self.splitter.space(READ_BYTES)) {
            Ok(Chunk::Bytes(count)) => {
                self.splitter.filled(count);
                return self.is_live && count < PAUSE_BYTES;
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
        false
    }

    fn finish(&mut self, damage: Option<String>) {
        self.is_end = true;
        self.splitter.finish(damage);
    }
}

/// Splits a body that is in memory, as a sender pushed it. It is no larger than a batch can be (4 GiB);
/// compressed ones, and those that are to be cut into batches, go to [`RecordReader`].
pub fn split_body(body: impl Into<Vec<u8>>, limits: &Limits) -> RawBatchBuilder {
    let mut splitter = Splitter::whole(body.into(), limits.record_bytes);
    let mut gathered = Gathered::default();
    while let Some(record) = splitter.next_placed() {
        gathered.push(record, &mut splitter);
    }
    gathered.finish(&mut splitter)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use event::{RawBatch, SourceId};

    use super::*;

    fn finish(batch: RawBatchBuilder) -> RawBatch {
        batch.finish(SourceId::new("test"), None, "test".into(), 0)
    }

    /// The records of `input`; of a reject its reason.
    fn read(input: Vec<u8>, limits: Limits) -> Vec<String> {
        let mut reader = RecordReader::new(Box::new(Cursor::new(input)), limits);
        let mut records = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            for record in finish(batch).records() {
                assert_eq!(record.number, records.len() as u64);
                records.push(
                    record.reject.map_or_else(|| String::from_utf8(record.bytes.into()).unwrap(), Into::into),
                );
            }
        }
        assert!(reader.next_batch().unwrap().is_none());
        records
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_records_are_read() {
        let records = read(gzip("{\"Records\":[{\"a\":1},{\"a\":2}]}"), Limits::default());
        assert_eq!(records, ["{\"a\":1}", "{\"a\":2}"]);
        assert!(read(Vec::new(), Limits::default()).is_empty());
        assert!(read(gzip(""), Limits::default()).is_empty());
    }

    #[test]
    fn damage_is_the_last_reject() {
        let mut bytes = gzip("{\"a\":1}\n{\"a\":2}\n");
        let sum = bytes.len() - 8;
        bytes[sum] ^= 1;
        let records = read(bytes.clone(), Limits::default());
        assert_eq!(records[..2], ["{\"a\":1}", "{\"a\":2}"]);
        assert!(
            records[2].starts_with("torn_input: the gzip stream is damaged at compressed byte"),
            "{}",
            records[2]
        );
        assert!(
            records[2].ends_with("incorrect data check; the records before it were delivered"),
            "{}",
            records[2]
        );
        assert_eq!(records.len(), 3);
        bytes.truncate(20);
        let records = read(bytes, Limits::default());
        assert_eq!(records[0], "{\"a\":1}");
        assert_eq!(
            records[1],
            "torn_input: the record that begins at byte 8 has no end: the gzip stream is damaged at \
             compressed byte 20: it breaks off; the records before it were delivered"
        );
        assert_eq!(records.len(), 2);
    }

    #[test]
    fn foreign_input_is_one_reject() {
        let zip = [&b"PK\x03\x04"[..], &b"{\"a\":1}\n".repeat(100_000)].concat();
        let records = read(zip, Limits::default());
        assert_eq!(
            records,
            ["not_json: this is a zip archive; give JSON text, plain or as gzip or zstd, or Parquet"]
        );
        let twice = read(gzip("BZh"), Limits::default());
        assert_eq!(twice, ["not_json: bzip2 inside gzip; only one layer is taken off"]);
    }

    #[test]
    fn batches_keep_to_their_limits() {
        let limits = Limits { batch_bytes: 100, batch_records: 7, ..Limits::default() };
        let text = "{\"a\":1}\n".repeat(50) + &format!("{{\"b\":\"{}\"}}\n", "x".repeat(95)).repeat(3);
        let mut reader = RecordReader::new(Box::new(Cursor::new(text.into_bytes())), limits);
        let mut sizes = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            sizes.push(batch.len());
        }
        assert_eq!(sizes, [7, 7, 7, 7, 7, 7, 7, 2, 1, 1]);
        assert_eq!(reader.bytes_read(), 50 * 8 + 3 * 104);
    }

    /// Gives one piece a read, then fails.
    struct Pieces(Vec<&'static str>, bool);

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.pop() {
                Some(piece) => (&mut &mut *out).write(piece.as_bytes()),
                None if self.1 => Err(io::ErrorKind::ConnectionReset.into()),
                None => Ok(0),
            }
        }
    }

    #[test]
    fn a_live_source_is_not_waited_for() {
        let pieces = || Box::new(Pieces(vec!["{\"c\":3}", "\":2}\n", "{\"b", "{\"first\":1}\n"], false));
        let sizes = |mut reader: RecordReader| {
            std::iter::from_fn(|| reader.next_batch().unwrap().map(|batch| batch.len())).collect::<Vec<_>>()
        };
        assert_eq!(sizes(RecordReader::new(pieces(), Limits::default())), [3]);
        assert_eq!(sizes(RecordReader::new(pieces(), Limits::default()).live()), [1, 1, 1]);
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let lines: String = (0..1_000)
            .map(|n| match n % 10 {
                9 => "no json\n".to_owned(),
                n => format!("{{\"n\":{n},\"text\":\"{}\"}}\n", "x".repeat(n * 40)),
            })
            .collect();
        for batch_bytes in [200, 5_000, 4 << 20] {
            let limits = Limits { batch_bytes, ..Limits::default() };
            let reader = || {
                let read = Box::new(Cursor::new(lines.clone().into_bytes()));
                RecordReader::new(read, limits.clone()).outlined()
            };
            let mut all = Vec::new();
            let mut whole = reader();
            while let Some(batch) = whole.next_batch().unwrap() {
                let batch = finish(batch);
                all.extend(batch.records().map(|record| (record.number, record.bytes.to_vec())));
            }
            let mut in_memory = Vec::new();
            let mut body = RecordReader::of_body(lines.clone(), limits.clone()).outlined();
            while let Some((batch, passed)) = body.next_batch_of(|_, _| true).unwrap() {
                assert_eq!(passed, 0);
                let batch = finish(batch);
                in_memory.extend(batch.records().map(|record| (record.number, record.bytes.to_vec())));
            }
            assert_eq!(in_memory, all);
            let mut kept = Vec::new();
            let (mut passed, mut asked) = (0, 0);
            let mut some = reader();
            let mut keep = |record: RawRecord<'_>, outline: &[OuterKey]| {
                // What the end of what was read cuts has none.
                assert!(outline.is_empty() || outline.len() == 2 && record.bytes[0] == b'{');
                asked += 1;
                !record.bytes.starts_with(b"{\"n\":7")
            };
            while let Some((batch, left)) = some.next_batch_of(&mut keep).unwrap() {
                passed += left;
                let batch = finish(batch);
                kept.extend(batch.records().map(|record| (record.number, record.bytes.to_vec())));
            }
            assert_eq!((asked, passed), (1_000, 100));
            all.retain(|(_, bytes)| !bytes.starts_with(b"{\"n\":7"));
            assert_eq!(kept, all);
        }
    }

    #[test]
    fn what_comes_before_a_failed_read_is_handed_over() {
        let pieces = Pieces(vec!["{\"c\"", "{\"first\":1}\n{\"b\":2}\n"], true);
        let mut reader = RecordReader::new(Box::new(pieces), Limits::default());
        assert_eq!(reader.next_batch().unwrap().map(|batch| batch.len()), Some(2));
        let error = reader.next_batch().unwrap_err();
        assert_eq!(error.to_string(), "reading broke off at byte 24");
        assert!(reader.next_batch().unwrap().is_none());

        let pieces = Pieces(vec!["{\"first\":1}\n{\"b\":2}\n"], true);
        let mut reader = RecordReader::new(Box::new(pieces), Limits::default());
        let (kept, passed) = reader.next_batch_of(|_, _| false).unwrap().unwrap();
        assert_eq!((kept.len(), passed), (0, 2));
        assert!(reader.next_batch_of(|_, _| false).is_err());
        assert!(reader.next_batch_of(|_, _| false).unwrap().is_none());
    }

    #[test]
    fn a_body_is_split_as_a_stream_is() {
        let body = format!("{{\"value\":[{}]}}", vec!["{\"a\":\"x\"}"; 60_000].join(","));
        let batch = finish(split_body(body.as_bytes(), &Limits::default()));
        assert_eq!(batch.len(), 60_000);
        assert!(batch.records().all(|record| record.bytes == b"{\"a\":\"x\"}" && record.reject.is_none()));
    }
}
