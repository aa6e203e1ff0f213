//! The index against a naive model.

use std::collections::HashMap;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

use super::run::Flushes;
use super::*;
use crate::table::TableConfig;
use crate::table::testing::{Row, batch};
use crate::table::tests::faulty::FaultyStore;

const DAY: i64 = 86_400_000_000;
/// So little that every few dozen keys go to disk.
const TINY: SeenConfig = SeenConfig { memory_bytes: 6000 };

async fn open_table(store: &Arc<dyn ObjectStore>) -> EventTable {
    let config = TableConfig { write_threads: 1, ..TableConfig::default() };
    EventTable::open_store(store.clone(), &Url::parse("memory:///events").unwrap(), config).await.unwrap()
}

fn row(key: u64, day: i64, offset: u64) -> Row {
    let key = u128::from_be_bytes(blake3::hash(&key.to_le_bytes()).as_bytes()[..16].try_into().unwrap());
    Row { key, offset, time: day * DAY + offset as i64, ..Row::default() }
}

/// The day of the partition that an event of `day` goes to.
fn table_day(day: i64) -> i32 {
    Partition::day_in_table(i32::try_from(day).unwrap())
}

/// One process after the other on the same disk.
struct World {
    store: Arc<dyn ObjectStore>,
    folder: TempDir,
    table: EventTable,
    index: UidIndex,
    /// Everything that ever came: the event's row, by offset.
    log: Vec<Row>,
    /// By key and the partition's day.
    first: HashMap<(u128, i32), u64>,
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let folder = tempfile::tempdir().unwrap();
        let table = open_table(&store).await;
        let index = UidIndex::open(folder.path(), table.clone(), 0, TINY).unwrap();
        Self { store, folder, table, index, log: Vec::new(), first: HashMap::new() }
    }

    /// New events arrive and are admitted.
    async fn arrive(&mut self, events: &[(u64, i64)]) {
        let from = self.log.len();
        for (key, day) in events {
            let row = row(*key, *day, self.log.len() as u64);
            self.first.entry((row.key, table_day(*day))).or_insert(row.offset);
            self.log.push(row);
        }
        self.admit(from, self.log.len()).await;
    }

    /// Admits what lies at `from..to` in the log, and compares with the model.
    async fn admit(&mut self, from: usize, to: usize) {
        let rows = self.log[from..to].to_vec();
        let events = batch(&rows);
        let admitted = self.admitted(&events).await;
        for (at, row) in rows.iter().enumerate() {
            let new = self.first[&(row.key, table_day(row.time.div_euclid(DAY)))] == row.offset;
            assert_eq!(admitted.keep.value(at), new, "offset {}", row.offset);
            assert_eq!(admitted.duplicates.contains(&(at as u32)), !new);
        }
        self.table.append(events.filter(&admitted.keep).unwrap(), to as u64).unwrap();
    }

    /// What the index says of a batch. Where a file vanished while it was written it says an error first,
    /// and the same batch may be admitted again.
    async fn admitted(&mut self, events: &EventBatch) -> Admitted {
        match self.index.admit(events).await {
            Err(error) => {
                assert!(matches!(error, Error::SeenUnwritten { .. }), "{error}");
                self.index.admit(events).await.unwrap()
            }
            Ok(admitted) => admitted,
        }
    }

    /// Waits for what is being written in the background, which a step may have disturbed.
    async fn finish_jobs(&mut self) {
        if let Err(error) = self.index.finish_jobs(true).await {
            assert!(matches!(error, Error::SeenUnwritten { .. }), "{error}");
            self.index.finish_jobs(true).await.unwrap();
        }
    }

    /// A new process; the detector's position is `lag` behind the end. Replays in steps of `step`.
    async fn restart(&mut self, lag: usize, step: usize) {
        // Threads of a process that is gone write nothing any more; those of this one would.
        self.finish_jobs().await;
        self.table = open_table(&self.store).await;
        let detector = self.log.len().saturating_sub(lag);
        let from = detector.min(self.table.committed() as usize);
        self.index = UidIndex::open(self.folder.path(), self.table.clone(), from as u64, TINY).unwrap();
        for start in (from..self.log.len()).step_by(step) {
            self.admit(start, (start + step).min(self.log.len())).await;
        }
    }

    /// The files of the index, half written ones too.
    fn runs(&self) -> Vec<PathBuf> {
        let days = fs::read_dir(self.folder.path()).unwrap().map(|day| day.unwrap().path());
        let mut runs: Vec<_> = days
            .filter(|day| day.is_dir())
            .flat_map(|day| fs::read_dir(day).unwrap().map(|run| run.unwrap().path()))
            .collect();
        runs.sort();
        runs
    }
}

#[derive(Debug, Clone)]
enum Step {
    Arrive(Vec<(u64, i64)>),
    Commit,
    Kill { lag: usize, step: usize },
    Shutdown { lag: usize },
    FlipBit { run: usize, at: usize },
    DeleteRun { run: usize },
    DeleteFolder { lag: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let day = prop_oneof![8 => 20_000..20_003i64, 1 => -800_000..3_000_000i64];
    let events = proptest::collection::vec((0..400u64, day), 1..120);
    let lag = || 0..300usize;
    proptest::collection::vec(
        prop_oneof![
            12 => events.prop_map(Step::Arrive),
            4 => Just(Step::Commit),
            2 => (lag(), 1..200usize).prop_map(|(lag, step)| Step::Kill { lag, step }),
            1 => lag().prop_map(|lag| Step::Shutdown { lag }),
            1 => (any::<usize>(), any::<usize>()).prop_map(|(run, at)| Step::FlipBit { run, at }),
            1 => any::<usize>().prop_map(|run| Step::DeleteRun { run }),
            1 => lag().prop_map(|lag| Step::DeleteFolder { lag }),
        ],
        1..40,
    )
}

async fn play(steps: Vec<Step>) {
    let mut world = World::new().await;
    for step in steps {
        match step {
            Step::Arrive(events) => world.arrive(&events).await,
            Step::Commit => drop(world.table.commit().await.unwrap()),
            Step::Kill { lag, step } => world.restart(lag, step).await,
            Step::Shutdown { lag } => {
                world.finish_jobs().await;
                world.index.flush().await.unwrap();
                world.restart(lag, 100).await;
            }
            // While it runs: what is open is read in place. What is being written may have another name
            // by now.
            Step::FlipBit { run, at } => {
                let runs = world.runs();
                let Some(path) = runs.get(run % runs.len().max(1)) else { continue };
                let (Ok(bytes), Ok(file)) = (fs::read(path), File::options().write(true).open(path)) else {
                    continue;
                };
                if let Some(place) = at.checked_rem(bytes.len()) {
                    let flipped = [bytes[place] ^ 1];
                    std::os::unix::fs::FileExt::write_all_at(&file, &flipped, place as u64).unwrap();
                }
            }
            Step::DeleteRun { run } => {
                let runs = world.runs();
                if let Some(path) = runs.get(run % runs.len().max(1)) {
                    drop(fs::remove_file(path));
                }
            }
            Step::DeleteFolder { lag } => {
                world.finish_jobs().await;
                fs::remove_dir_all(world.folder.path()).unwrap();
                world.restart(lag, 100).await;
            }
        }
    }
    // Once more all of it, as a re-delivery: nothing is new.
    let again: Vec<_> = world.first.keys().copied().collect();
    let from = world.log.len() as u64;
    let rows: Vec<_> = again
        .iter()
        .enumerate()
        .map(|(at, (key, day))| Row {
            key: *key,
            offset: from + at as u64,
            time: i64::from(*day) * DAY,
            ..Row::default()
        })
        .collect();
    let admitted = world.admitted(&batch(&rows)).await;
    assert_eq!(admitted.duplicates.len(), rows.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_index_says_what_a_hash_map_of_everything_says(steps in steps()) {
        Runtime::new().unwrap().block_on(play(steps));
    }
}

/// Enough keys for many flushes and several merges.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_larger_than_memory_is_exact() {
    let mut world = World::new().await;
    for start in 0..60 {
        let events: Vec<_> = (start * 50..start * 50 + 100).map(|key| (key, 20_000)).collect();
        world.arrive(&events).await;
        assert!(world.index.memory() < TINY.memory_bytes, "{}", world.index.memory());
    }
    world.index.flush().await.unwrap();
    let runs = world.runs();
    assert!(runs.len() < 20, "{} runs", runs.len());
    let flushes = runs.iter().filter_map(|run| Flushes::parse(run.file_name()?.to_str()?));
    assert!(flushes.clone().any(|flushes| flushes.last - flushes.first >= 7), "nothing was merged");
    world.table.commit().await.unwrap();
    world.restart(0, 1).await;
    world.arrive(&(0..3050).map(|key| (key, 20_000)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_days_open_no_more_than_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let table = open_table(&store).await;
    let mut index = UidIndex::open(folder.path(), table, 0, SeenConfig::default()).unwrap();
    let rows: Vec<_> = (0..1500).map(|at| row(7, at as i64 * 3 - 2000, at)).collect();
    assert!(index.admit(&batch(&rows)).await.unwrap().duplicates.is_empty());
    assert!(index.days.len() <= MAX_DAYS);
    let again: Vec<_> = (0..1500).map(|at| row(7, at as i64 * 3 - 2000, 1500 + at)).collect();
    assert_eq!(index.admit(&batch(&again)).await.unwrap().duplicates.len(), 1500);
    assert!(index.days.len() <= MAX_DAYS);
    assert!(index.days.values().map(Day::open_files).sum::<usize>() <= MAX_FILES + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_days_are_dropped() {
    let mut world = World::new().await;
    world.arrive(&[(1, 5), (1, 6), (1, 7)]).await;
    world.index.flush().await.unwrap();
    world.index.expire_before(7).await.unwrap();
    assert_eq!(world.runs().len(), 1);
    assert_eq!([5, 6, 7, 8].map(|day| world.index.is_expired(day)), [true, true, false, false]);
    world.arrive(&[(1, 7)]).await;
}

/// After a clean shutdown the table is not read; after a kill it is, and an error of it is no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_read_gives_an_error_and_the_batch_can_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = FaultyStore::new(5);
    let shared: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let table = open_table(&shared).await;
    let open = |from| UidIndex::open(folder.path(), table.clone(), from, SeenConfig::default()).unwrap();
    let first = batch(&[row(1, 3, 0), row(2, 3, 1), row(3, 3, 2)]);
    let again = batch(&[row(4, 3, 3), row(2, 3, 4), row(4, 3, 5)]);
    let mut index = open(0);
    index.admit(&first).await.unwrap();
    table.append(first, 3).unwrap();
    table.commit().await.unwrap();

    store.refuse_reads(true);
    let mut killed = open(3);
    assert!(killed.admit(&again).await.is_err());
    assert!(killed.admit(&again).await.is_err());
    store.refuse_reads(false);
    for _ in 0..2 {
        assert_eq!(killed.admit(&again).await.unwrap().duplicates, [1, 2]);
    }
    killed.flush().await.unwrap();
    store.refuse_reads(true);
    assert_eq!(open(6).admit(&batch(&[row(3, 3, 6), row(4, 3, 7)])).await.unwrap().duplicates, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_gives_an_error_and_forgets_nothing() {
    let mut world = World::new().await;
    world.arrive(&(0..100).map(|key| (key, 4)).collect::<Vec<_>>()).await;
    // A file in the place of the day's folder.
    let folder = world.folder.path().join("4");
    drop(fs::remove_dir_all(&folder));
    fs::write(&folder, "").unwrap();
    let error = world.index.flush().await.unwrap_err();
    assert!(error.to_string().contains("cannot write the duplicate index"), "{error}");
    assert!(matches!(error.fate(), event::Fate::Retry { .. }));
    fs::remove_file(&folder).unwrap();
    world.index.flush().await.unwrap();
    world.arrive(&(0..120).map(|key| (key, 4)).collect::<Vec<_>>()).await;
}
