//! Which events came before: the duplicate index.
//!
//! An event is a duplicate if its key was first seen at an **earlier** log offset. A replayed event has
//! the offset that it had, so it is never its own duplicate. There is no window: the same event is found
//! a month later. A key is looked for among the events of the same UTC day (of the event's own time,
//! which every delivery of it repeats).
//!
//! Keys are kept exactly, 24 bytes each: new ones in a hash table, the rest in sorted files
//! (`<folder>/<day>/<first>-<last>.run`, format in [`run`]) with a Bloom filter in memory. Memory is
//! bounded whatever comes ([`SeenConfig::memory_bytes`]); a day that does not fit reads more from disk.
//!
//! The index is a copy of the table's columns `event_uid` and `log_offset`, never the truth:
//! - Each run says which offsets it *covers*. When a day is first touched, what the table holds beyond
//!   that is read from it. A replay brings what neither has. So nothing is synced, and a kill costs
//!   reading the newest files of the days in use.
//! - A file that is missing or whose checksum is wrong makes the day be read from the table again.
//!   Deleting the folder while Stormglass is stopped is always safe.
//!
//! This holds while the caller appends the rows of one call of [`UidIndex::admit`] to the table before
//! it makes the next, and replays from an offset up to which the table is complete.
//!
//! Retention: the index of a day goes with its partition ([`UidIndex::expire_before`]). Such an event
//! delivered again would look new, so the pipeline asks [`UidIndex::is_expired`] first and counts it
//! as expired, a deliberate drop.

mod day;
mod filter;
mod run;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, BooleanArray, StringArray};
use arrow::datatypes::{Date32Type, Int64Type};
use event::{Col, EventBatch, EventKey, Offset};
use tokio::task::{JoinHandle, spawn_blocking};

use self::day::{Day, FlushJob};
use self::run::{Damaged, Owner, Run};
use crate::table::{EventTable, Partition};
use crate::{Error, Result};

/// Days open at once, at most: events of hostile times cannot open more.
const MAX_DAYS: usize = 512;
/// Files open at once, at most, but for those of the day in use.
const MAX_FILES: usize = 256;
/// A day not used for so long makes room for the filters of others.
const IDLE: Duration = Duration::from_secs(60);
/// A day that had to be read from the table is written into a run at once from this many keys on.
const LARGE_LOAD: usize = 100_000;

/// Bounds of the duplicate index.
#[derive(Debug, Clone)]
pub struct SeenConfig {
    /// Memory, in bytes. 256 MiB: half for new keys and their way to disk (0.9 million at a time), half
    /// for finding 100 million keys on disk. With more keys than that in the days in use, look-ups read
    /// the disk and slow down.
    pub memory_bytes: usize,
}

impl Default for SeenConfig {
    fn default() -> Self {
        Self { memory_bytes: 256 << 20 }
    }
}

/// What [`UidIndex::admit`] says of a batch.
#[derive(Debug)]
pub struct Admitted {
    /// For each row, whether it is new.
    pub keep: BooleanArray,
    /// The rows that are not.
    pub duplicates: Vec<u32>,
}

/// The duplicate index. One task owns it and feeds it all events in log order.
#[derive(Debug)]
pub struct UidIndex {
    config: SeenConfig,
    folder: PathBuf,
    generation: u128,
    table: EventTable,
    days: HashMap<i32, Day>,
    /// Every row of a lower offset was admitted or is in the table.
    position: Offset,
    /// Days before it have expired.
    first_day: i32,
    flushing: Option<(i32, JoinHandle<io::Result<Run>>)>,
    merging: Option<(i32, JoinHandle<std::result::Result<Run, Damaged>>)>,
}

impl UidIndex {
    /// Opens the index in `folder`, which is made if need be. The events from `replay_from` on will be
    /// admitted, in order; the table holds all before.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path, table: EventTable, replay_from: Offset, config: SeenConfig) -> Result<Self> {
        let generation = generation(folder).map_err(|source| Error::Io {
            action: "open the duplicate index in",
            path: folder.into(),
            source,
        })?;
        Ok(Self {
            config,
            folder: folder.to_owned(),
            generation,
            table,
            days: HashMap::new(),
            position: replay_from,
            first_day: i32::MIN,
            flushing: None,
            merging: None,
        })
    }

    /// Tells the new events of a batch from those that came before, earlier rows of the same batch
    /// included, and remembers them.
    ///
    /// Reads small parts of files on the calling thread.
    ///
    /// # Errors
    /// The table cannot be read, or the disk takes no more. The same batch may be admitted again.
    pub async fn admit(&mut self, batch: &EventBatch) -> Result<Admitted> {
        self.make_room().await?;
        let rows = Rows::of(batch);
        let mut keep = vec![true; batch.len()];
        let mut at = 0;
        while let Some(day) = rows.day(at) {
            self.open_day(day).await?;
            let Some(open) = self.days.get_mut(&day) else { break };
            if let Err(damaged) = rows.admit_into(open, &mut at, &mut keep) {
                self.rebuild(day, damaged).await?;
                // Rows of this batch that only the lost files knew are in no table yet. Admitting a row
                // again gives the same answer.
                at = 0;
            }
        }
        if let Some(last) = rows.offsets.last() {
            self.position = self.position.max(u64::try_from(*last).unwrap_or_default() + 1);
        }
        let duplicates = keep.iter().enumerate().filter(|(_, keep)| !**keep).map(|(row, _)| row as u32);
        Ok(Admitted { duplicates: duplicates.collect(), keep: keep.into() })
    }

    /// Whether a day's events have left the table, so that nobody knows which of them came before.
    pub fn is_expired(&self, day: i32) -> bool {
        Partition::day_in_table(day) < self.first_day
    }

    /// Drops the index of all days before `day`; called after
    /// [`EventTable::expire`](crate::table::EventTable::expire) and, with the same day, after opening.
    ///
    /// # Errors
    /// None in practice; what cannot be deleted is left.
    pub async fn expire_before(&mut self, day: i32) -> Result<()> {
        self.first_day = self.first_day.max(day);
        self.finish_jobs(true).await?;
        self.days.retain(|open, _| *open >= day);
        let folder = self.folder.clone();
        spawn_blocking(move || remove_days_before(&folder, day)).await?;
        Ok(())
    }

    /// Writes all keys in memory to disk, so that the next opening reads nothing from the table; for a
    /// shutdown. Without it nothing is lost.
    ///
    /// # Errors
    /// The disk takes no more.
    pub async fn flush(&mut self) -> Result<()> {
        self.finish_jobs(true).await?;
        let days: Vec<i32> = self.days.keys().copied().collect();
        for day in days {
            self.flush_now(day).await?;
        }
        Ok(())
    }

    /// The memory taken, in bytes.
    pub fn memory(&self) -> usize {
        self.days.values().map(|day| day.fresh_memory() + day.lookup_memory()).sum()
    }

    // -----------------------------------------------------------------------------------------

    /// Makes the day ready: its runs open, what the table holds beyond them loaded.
    async fn open_day(&mut self, day: i32) -> Result<()> {
        let now = Instant::now();
        if let Some(open) = self.days.get_mut(&day) {
            open.touched = now;
            return Ok(());
        }
        self.close_days().await?;
        let owner = Owner { generation: self.generation, day };
        let opened = Day::open(self.day_folder(day), owner, self.lookup_room(), now);
        let covers = opened.covers;
        self.days.insert(day, opened);
        // Until it is loaded it must not answer. Rows that are in no file yet count, too: the day may have
        // been closed a moment ago, and its files damaged since.
        if let Err(error) = self.load(day, covers).await {
            self.days.remove(&day);
            return Err(error);
        }
        Ok(())
    }

    /// Reads the day's keys of offsets from `from` on from the table.
    async fn load(&mut self, day: i32, from: Offset) -> Result<()> {
        let table = self.table.clone();
        let (limit, room) = (self.fresh_limit(), self.lookup_room());
        let Some(open) = self.days.get_mut(&day) else { return Ok(()) };
        let before = open.fresh_len();
        let mut take = |key: EventKey, offset: Offset| {
            if offset < from {
                return Ok(());
            }
            open.load(key.0, offset);
            if open.fresh_memory() > limit {
                // Not complete yet, so this run covers no more than before.
                if let Some(job) = open.flush(open.covers, room) {
                    open.flushed(run_flush(job)?);
                }
            }
            Ok(())
        };
        table.stored_keys(day, from, &mut take).await?;
        table.live_keys(day, &mut take)?;
        if open.fresh_len() > before + LARGE_LOAD {
            self.flush_now(day).await?;
        }
        Ok(())
    }

    /// Reads a day from the table again whose files are damaged.
    async fn rebuild(&mut self, day: i32, Damaged(reason): Damaged) -> Result<()> {
        tracing::warn!(day, reason, "the duplicate index of a day is read from the table again");
        self.finish_jobs(true).await?;
        if let Some(open) = self.days.get_mut(&day) {
            open.forget_runs();
        }
        // If this fails the day must not answer from what is left of it.
        let loaded = self.load(day, 0).await;
        if loaded.is_err() {
            self.days.remove(&day);
        }
        loaded
    }

    /// Brings memory under its bounds before a batch.
    async fn make_room(&mut self) -> Result<()> {
        self.finish_jobs(false).await?;
        while self.days.values().map(Day::fresh_memory).sum::<usize>() > self.fresh_limit() {
            self.finish_flush().await?;
            let largest = self.days.iter().max_by_key(|(_, day)| day.fresh_memory()).map(|(day, _)| *day);
            let Some(day) = largest else { break };
            self.start_flush(day);
        }
        if self.merging.is_none() {
            self.start_merge();
        }
        self.restore_filters().await
    }

    /// Reads filters for which there was no room when their runs were opened.
    async fn restore_filters(&mut self) -> Result<()> {
        let room = self.lookup_room();
        let fits = |day: &&mut Day| (1..=room).contains(&day.missing_filters());
        let Some(day) = self.days.values_mut().find(fits) else { return Ok(()) };
        let number = day.owner.day;
        match day.restore_filters() {
            Ok(()) => Ok(()),
            Err(damaged) => self.rebuild(number, damaged).await,
        }
    }

    /// Closes the days that were not used for longest while there are too many, or too much is open.
    async fn close_days(&mut self) -> Result<()> {
        loop {
            let files: usize = self.days.values().map(Day::open_files).sum();
            let crowded = self.lookup_room() < self.config.memory_bytes / 8;
            let (many_days, many_files) = (self.days.len() >= MAX_DAYS, files >= MAX_FILES);
            // Filters are large: taking turns would read them again and again. Rather do without one.
            let may_go = |day: &&Day| {
                let frees_files = day.open_files() > 0;
                many_days
                    || (many_files && frees_files)
                    || (crowded && frees_files && day.touched.elapsed() > IDLE)
            };
            let oldest = self.days.values().filter(may_go).min_by_key(|day| day.touched);
            let Some(day) = oldest.map(|day| day.owner.day) else { return Ok(()) };
            self.finish_jobs(true).await?;
            self.flush_now(day).await?;
            self.days.remove(&day);
        }
    }

    fn day_folder(&self, day: i32) -> PathBuf {
        self.folder.join(day.to_string())
    }

    /// New keys are written to disk over this many bytes: a third of the half, as a hash table that
    /// grows, one on its way to disk and its sorted copy may be there together.
    fn fresh_limit(&self) -> usize {
        self.config.memory_bytes / 6
    }

    /// What is left of the half for finding keys on disk.
    fn lookup_room(&self) -> usize {
        let taken: usize = self.days.values().map(Day::lookup_memory).sum();
        (self.config.memory_bytes / 2).saturating_sub(taken)
    }

    fn start_flush(&mut self, day: i32) {
        let (position, room) = (self.position, self.lookup_room());
        if let Some(job) = self.days.get_mut(&day).and_then(|day| day.flush(position, room)) {
            self.flushing = Some((day, spawn_blocking(move || job.run())));
        }
    }

    async fn flush_now(&mut self, day: i32) -> Result<()> {
        let (position, room) = (self.position, self.lookup_room());
        while let Some(open) = self.days.get_mut(&day) {
            let Some(job) = open.flush(position, room) else { break };
            let run = spawn_blocking(move || run_flush(job)).await??;
            open.flushed(run);
        }
        Ok(())
    }

    fn start_merge(&mut self) {
        let most = (self.config.memory_bytes / 10) as u64; // its filter: an eighth of the memory
        let (room, limit) = (self.lookup_room(), self.config.memory_bytes / 8);
        // The filters of the inputs go when the merged one comes.
        let job = self.days.values().find_map(|day| {
            let job = day.merge(most, (room + day.lookup_memory()).min(limit))?;
            Some((day.owner.day, job))
        });
        if let Some((day, job)) = job {
            self.merging = Some((day, spawn_blocking(move || job.run())));
        }
    }

    /// Takes what flushes and merges have written; with `wait` those that still run too.
    async fn finish_jobs(&mut self, wait: bool) -> Result<()> {
        if wait || self.flushing.as_ref().is_some_and(|(_, task)| task.is_finished()) {
            self.finish_flush().await?;
        }
        if wait || self.merging.as_ref().is_some_and(|(_, task)| task.is_finished()) {
            self.finish_merge().await?;
        }
        Ok(())
    }

    async fn finish_flush(&mut self) -> Result<()> {
        let Some((day, task)) = &mut self.flushing else { return Ok(()) };
        let (day, run) = (*day, task.await);
        self.flushing = None;
        // After an error the keys are still in memory, and the next flush takes them.
        let run = run?.map_err(|source| unwritten(self.day_folder(day), source))?;
        if let Some(open) = self.days.get_mut(&day) {
            open.flushed(run);
        }
        Ok(())
    }

    async fn finish_merge(&mut self) -> Result<()> {
        let Some((day, task)) = &mut self.merging else { return Ok(()) };
        let (day, run) = (*day, task.await);
        self.merging = None;
        match run? {
            Ok(run) => {
                if let Some(open) = self.days.get_mut(&day) {
                    open.merged(run);
                }
            }
            // Whatever it was: a damaged run is found again by a look-up, a full disk by a flush.
            Err(Damaged(reason)) => {
                tracing::warn!(day, reason, "runs of the duplicate index were not merged")
            }
        }
        Ok(())
    }
}

/// The columns that matter.
struct Rows<'a> {
    uids: &'a StringArray,
    offsets: &'a [i64],
    days: &'a [i32],
}

impl<'a> Rows<'a> {
    fn of(batch: &'a EventBatch) -> Self {
        Self {
            uids: batch.text(Col::EventUid),
            offsets: batch.column(Col::LogOffset).as_primitive::<Int64Type>().values(),
            days: batch.column(Col::EventDay).as_primitive::<Date32Type>().values(),
        }
    }

    fn day(&self, row: usize) -> Option<i32> {
        self.days.get(row).map(|day| Partition::day_in_table(*day))
    }

    /// Admits the rows from `at` on that are of the same day; after an error `at` is the row in question.
    fn admit_into(
        &self,
        day: &mut Day,
        at: &mut usize,
        keep: &mut [bool],
    ) -> std::result::Result<(), Damaged> {
        while self.day(*at) == Some(day.owner.day) {
            let row = *at;
            let uid = (row < self.uids.len() && self.uids.is_valid(row)).then(|| self.uids.value(row));
            let offset = self.offsets.get(row).and_then(|offset| Offset::try_from(*offset).ok());
            // The schema has no null here; what is no key is nobody's duplicate.
            if let (Some(key), Some(offset), Some(keep)) =
                (uid.and_then(EventKey::parse), offset, keep.get_mut(row))
            {
                *keep = !day.is_duplicate(key.0, offset)?;
            }
            *at += 1;
        }
        Ok(())
    }
}

fn run_flush(job: FlushJob) -> Result<Run> {
    let path = job.path();
    job.run().map_err(|source| unwritten(path, source))
}

fn unwritten(path: PathBuf, source: io::Error) -> Error {
    Error::SeenUnwritten { path, source }
}

/// The number that ties runs to this life of the folder; a new one, with nothing else in the folder, if
/// there is none.
fn generation(folder: &Path) -> io::Result<u128> {
    fs::create_dir_all(folder)?;
    let path = folder.join("GENERATION");
    let known = fs::read_to_string(&path).ok();
    if let Some(known) = known.and_then(|text| u128::from_str_radix(text.trim(), 16).ok()) {
        return Ok(known);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    let generation = uuid::Uuid::new_v4().as_u128();
    let mut file = File::create(&path)?;
    writeln!(file, "{generation:032x}")?;
    file.sync_all()?;
    Ok(generation)
}

fn remove_days_before(folder: &Path, before: i32) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let day = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if day.is_some_and(|day| day < before) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
