//! Tests of the whole log: a model, a disk that fails at every operation, a disk that forgets, bits
//! that flip, a process that is killed.

mod disk;
mod faults;
mod flips;
mod handle;
mod model;
mod power_loss;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::{LogType, Offset, RawBatch, RawBatchBuilder, RawRecord, SourceId};
use tokio::sync::oneshot;

use self::disk::{Disk, Rng};
use super::config::LogConfig;
use super::frame::Frame;
use super::handle::prepare;
use super::open_log::OpenLog;
use super::queue::{Pending, Work};
use super::reader::LogReader;
use super::writer::Writer;
use crate::{Error, Result};

/// Segments of a few frames.
const SMALL: LogConfig = LogConfig { segment_bytes: 1000, max_bytes: 100_000, queue_bytes: 10_000 };

fn dir() -> PathBuf {
    "/log".into()
}

/// A batch whose every record is different from all others: `id` and its number.
fn batch(id: u64, records: usize, padding: usize) -> RawBatch {
    let mut builder = RawBatchBuilder::with_capacity(0);
    for number in 0..records as u64 {
        let bytes = format!("{id}/{number} {}", "x".repeat(padding));
        let reject = (number % 5 == 4).then_some("torn input");
        assert!(builder.push(RawRecord { bytes: bytes.as_bytes(), number: number * 3, reject }));
    }
    let log_type = (id.is_multiple_of(2)).then_some(LogType::AwsCloudtrail);
    builder.finish(SourceId::new("cli"), log_type, format!("file-{id}.json"), id as i64)
}

fn any_batch(id: u64, rng: &mut Rng) -> RawBatch {
    // Some are compressed, some do not fit into a segment.
    let padding = [0, 3, 40, 400, 3000][rng.below(5)];
    batch(id, 1 + rng.below(6), padding)
}

/// The log without its thread, so that every run is the same.
struct Session {
    shared: Arc<OpenLog>,
    writer: Writer,
}

impl Session {
    fn open(disk: &Disk) -> Result<Self> {
        let (shared, active, head, _) = prepare(Arc::new(disk.clone()), &dir(), SMALL)?;
        Ok(Self { writer: Writer::new(shared.clone(), active, head), shared })
    }

    /// Appends a group with one turn of the writer.
    fn append(&mut self, group: &[RawBatch]) -> Vec<Result<Range<Offset>>> {
        let mut work = Vec::new();
        let mut answers = Vec::new();
        for batch in group {
            let frame = Frame::encode(batch, &self.shared.compression).unwrap();
            let (reply, answer) = oneshot::channel();
            work.push(Work::Append(Pending { frame, reply }));
            answers.push(answer);
        }
        self.writer.turn(work);
        let answered = answers.into_iter().map(|mut answer| answer.try_recv().unwrap());
        answered.map(|answer| answer.map_err(|refusal| refusal.error)).collect()
    }

    fn raise(&mut self, head: Offset) -> Result<()> {
        let (reply, mut answer) = oneshot::channel();
        self.writer.turn(vec![Work::Raise(head, reply)]);
        answer.try_recv().unwrap()
    }

    /// Ends as the thread does when the log is closed.
    fn close(self) {
        self.shared.queue.close();
        self.writer.run();
    }

    fn reader(&self, from: Offset) -> Result<LogReader> {
        LogReader::new(self.shared.clone(), from)
    }
}

/// What the log has promised.
#[derive(Debug, Default, Clone)]
struct Promise {
    /// Every record that was acknowledged, or seen by a reader.
    records: BTreeMap<Offset, Vec<u8>>,
    /// Records that were sent without an answer: each may be there, once.
    unanswered: BTreeSet<Vec<u8>>,
    /// What was trimmed.
    trimmed: Offset,
    /// No offset below is given out again.
    head: Offset,
}

impl Promise {
    fn sent(&mut self, batch: &RawBatch) {
        self.unanswered.extend(batch.records().map(|record| record.bytes.to_vec()));
    }

    fn acknowledged(&mut self, batch: &RawBatch, offsets: &Range<Offset>) {
        assert_eq!(offsets.end - offsets.start, batch.len() as u64);
        assert!(offsets.start >= self.head, "offset {} is given out again", offsets.start);
        for (offset, record) in offsets.clone().zip(batch.records()) {
            assert!(self.unanswered.remove(record.bytes));
            self.records.insert(offset, record.bytes.to_vec());
        }
        self.head = offsets.end;
    }

    /// Reads everything and compares.
    #[track_caller]
    fn check(&mut self, shared: &Arc<OpenLog>) {
        let (tail, head) = (shared.segments.tail(), shared.head());
        assert!(tail <= self.trimmed, "{tail} was not trimmed");
        assert!(head >= self.head, "the head has gone back from {} to {head}", self.head);
        let mut reader = LogReader::new(shared.clone(), tail).unwrap();
        let mut due = tail;
        while let Some(entry) = reader.try_next().unwrap() {
            assert_eq!(entry.first, due, "offsets follow each other");
            for (offset, record) in (entry.first..).zip(entry.batch.records()) {
                self.check_record(offset, record);
            }
            due = entry.next();
        }
        assert_eq!(due, head);
        self.head = head;
    }

    #[track_caller]
    fn check_record(&mut self, offset: Offset, record: RawRecord<'_>) {
        let damaged = record.reject.is_some_and(|reason| reason.contains("damaged"));
        match self.records.get(&offset) {
            Some(promised) => {
                assert!(!damaged, "record {offset} is lost: {:?}", record.reject);
                assert_eq!(record.bytes, promised, "record {offset} is another");
            }
            None if damaged => {}
            None => {
                assert!(
                    self.unanswered.remove(record.bytes),
                    "record {offset} was never sent, or is doubled"
                );
                self.records.insert(offset, record.bytes.to_vec());
            }
        }
    }
}

/// The path of the newest segment and its bytes.
fn newest(disk: &Disk) -> (PathBuf, Vec<u8>) {
    disk.files().pop().unwrap()
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn is_named(error: &Error) -> bool {
    matches!(error, Error::Io { .. } | Error::Poisoned { .. } | Error::LogFull { .. })
}
