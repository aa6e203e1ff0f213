//! The log against a plain list of records.

use std::sync::Arc;

use event::Offset;
use proptest::prelude::*;

use super::disk::{Disk, Rng};
use super::{Promise, SMALL, any_batch, dir, newest};
use crate::log::Log;

#[derive(Debug, Clone)]
enum Step {
    /// So many batches at once.
    Append(usize),
    /// All below this part of the log.
    Trim(u8),
    /// Reads from this part of the log on.
    Read(u8),
    /// Reads on with the reader that has been there from the beginning.
    Follow,
    /// Closes and opens.
    Reopen,
    /// Opens after a kill, with half a frame at the end.
    Kill(u64),
    /// Opens after a power loss.
    PowerLoss(u64),
    /// Skips offsets, as when the log lost its end.
    Raise(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..6_usize).prop_map(Step::Append),
        2 => any::<u8>().prop_map(Step::Trim),
        3 => any::<u8>().prop_map(Step::Read),
        2 => Just(Step::Follow),
        1 => Just(Step::Reopen),
        1 => any::<u64>().prop_map(Step::Kill),
        1 => any::<u64>().prop_map(Step::PowerLoss),
        1 => (0..5000_u64).prop_map(Step::Raise),
    ];
    prop::collection::vec(step, 1..40)
}

/// The log and what it should hold.
struct Model {
    disk: Disk,
    log: Log,
    promise: Promise,
    rng: Rng,
    id: u64,
    /// How far the reader from the beginning has come.
    followed: Offset,
}

impl Model {
    fn new(seed: u64) -> Self {
        let disk = Disk::default();
        let log = open(&disk);
        Self { disk, log, promise: Promise::default(), rng: Rng(seed), id: 0, followed: 0 }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append(count) => self.append(count).await,
            Step::Trim(part) => {
                let before = self.part(part).min(self.followed).max(self.promise.trimmed);
                self.log.trim(before).unwrap();
                self.promise.trimmed = before;
                let tail = self.log.tail();
                assert!(tail <= before);
            }
            Step::Read(part) => {
                let from = self.part(part).max(self.log.tail());
                self.read(from).await;
            }
            Step::Follow => self.followed = self.read(self.followed).await,
            Step::Reopen => {
                self.log.close();
                self.reopen(self.disk.clone());
                assert_eq!(self.log.recovery().torn_bytes, 0);
            }
            Step::Kill(seed) => {
                let disk = self.disk.after_kill();
                let (path, mut content) = newest(&disk);
                let torn = seed as usize % content.len().min(200);
                // The beginning of a frame that was never acknowledged, or any bytes.
                content.extend_from_within(content.len() - torn..);
                let mut files = disk.files();
                files.pop();
                files.push((path, content));
                self.reopen(Disk::with_files(files));
                assert_eq!(self.log.recovery().torn_bytes, torn as u64);
            }
            Step::PowerLoss(seed) => {
                let disk = self.disk.after_power_loss(&mut Rng(seed));
                self.reopen(disk);
            }
            Step::Raise(by) => {
                let head = self.log.head() + by;
                self.log.raise_head(head).await.unwrap();
                self.promise.head = head;
            }
        }
        assert_eq!(self.log.head(), self.promise.head);
    }

    async fn append(&mut self, count: usize) {
        let batches: Vec<_> = (0..count)
            .map(|_| {
                self.id += 1;
                any_batch(self.id, &mut self.rng)
            })
            .collect();
        batches.iter().for_each(|batch| self.promise.sent(batch));
        let answers = futures::future::join_all(batches.iter().map(|batch| self.log.append(batch))).await;
        // Polled in order, they are queued in order.
        for (batch, offsets) in batches.iter().zip(answers) {
            self.promise.acknowledged(batch, &offsets.unwrap());
        }
    }

    /// An offset that lies at `part` / 256 of the log.
    fn part(&self, part: u8) -> Offset {
        (u128::from(self.promise.head) * u128::from(part) / 255) as Offset
    }

    /// Reads to the head; the offset after the last.
    async fn read(&mut self, from: Offset) -> Offset {
        let mut reader = self.log.reader(from).unwrap();
        let mut due = from;
        while due < self.promise.head {
            let entry = reader.next().await.unwrap();
            assert_eq!(entry.first, due);
            for (offset, record) in (due..).zip(entry.batch.records()) {
                self.promise.check_record(offset, record);
            }
            due = entry.next();
            assert_eq!(reader.position(), due);
        }
        assert_eq!(due, self.promise.head);
        assert_eq!(reader.try_next().unwrap(), None);
        due
    }

    fn reopen(&mut self, disk: Disk) {
        self.log = open(&disk);
        self.disk = disk;
    }
}

fn open(disk: &Disk) -> Log {
    Log::open_on(Arc::new(disk.clone()), &dir(), SMALL, None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_log_is_a_list(steps in steps(), start in prop::sample::select(vec![0, u64::from(u32::MAX) - 20, u64::MAX / 4]), seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new(seed);
            model.take(Step::Raise(start)).await;
            // What was skipped is not read here: it can be very much.
            (model.followed, model.promise.trimmed) = (start, start);
            model.log.trim(start).unwrap();
            for step in steps {
                model.take(step).await;
            }
            model.followed = model.read(model.followed).await;
        });
    }
}
