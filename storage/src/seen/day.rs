//! The keys of one UTC day.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use event::Offset;

use super::run::{Damaged, Entry, Flushes, Owner, Run, RunWriter};

/// Keys in memory: halves of the key, first offset. `[u64; 2]` rather than `u128` keeps an entry at 24
/// bytes. The standard hasher is keyed, so nobody can choose ids that collide.
pub(super) type Fresh = HashMap<[u64; 2], Offset>;

/// Runs merged at once, at least.
const MERGE_RUNS: usize = 8;
/// Slots of a hash table take this many bytes: the entry and one byte of control.
const SLOT: usize = 25;

fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

/// The memory that a hash table takes: slots are a power of two, 7/8 of them used at most.
pub(super) fn memory_of(fresh: &Fresh) -> usize {
    fresh.capacity() / 7 * 8 * SLOT
}

/// Keys on their way into a run.
#[derive(Debug, Clone)]
struct Frozen {
    keys: Arc<Fresh>,
    covers: Offset,
}

/// The index of one day.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) owner: Owner,
    folder: PathBuf,
    fresh: Fresh,
    frozen: Option<Frozen>,
    /// In the order of their flushes.
    runs: Vec<Arc<Run>>,
    /// The runs hold every key with a lower first offset.
    pub(super) covers: Offset,
    next_flush: u64,
    /// When it was last used.
    pub(super) touched: Instant,
}

impl Day {
    /// Opens what is on disk. Runs that do not belong together are deleted: the table has their keys.
    pub(super) fn open(folder: PathBuf, owner: Owner, filter_room: usize, now: Instant) -> Self {
        let mut day = Self {
            owner,
            folder,
            fresh: Fresh::new(),
            frozen: None,
            runs: Vec::new(),
            covers: 0,
            next_flush: 0,
            touched: now,
        };
        match open_runs(&day.folder, owner, filter_room) {
            Ok(runs) => {
                day.covers = runs.iter().map(|run| run.covers).max().unwrap_or(0);
                day.next_flush = runs.last().map_or(0, |run| run.flushes.last + 1);
                day.runs = runs;
            }
            Err(Damaged(reason)) => {
                tracing::warn!(
                    day = owner.day,
                    reason,
                    "the duplicate index of a day is read from the table again"
                );
                day.forget_runs();
            }
        }
        day
    }

    /// Whether the key came at an earlier offset. If not, it has now.
    pub(super) fn is_duplicate(&mut self, key: u128, offset: Offset) -> Result<bool, Damaged> {
        if let Some(first) = self.fresh.get_mut(&halves(key)) {
            let earlier = *first < offset;
            *first = offset.min(*first);
            return Ok(earlier);
        }
        let first = self.settled(key)?;
        if first.is_some_and(|first| first < offset) {
            return Ok(true);
        }
        if first != Some(offset) {
            self.fresh.insert(halves(key), offset);
        }
        Ok(false)
    }

    /// Takes a key from the table.
    pub(super) fn load(&mut self, key: u128, offset: Offset) {
        let first = self.fresh.entry(halves(key)).or_insert(offset);
        *first = offset.min(*first);
    }

    /// The first offset of a key that is no longer fresh.
    fn settled(&self, key: u128) -> Result<Option<Offset>, Damaged> {
        if let Some(first) = self.frozen.as_ref().and_then(|frozen| frozen.keys.get(&halves(key))) {
            return Ok(Some(*first));
        }
        for run in self.runs.iter().rev() {
            if let Some(first) = run.find(key)? {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    pub(super) fn fresh_len(&self) -> usize {
        self.fresh.len()
    }

    pub(super) fn fresh_memory(&self) -> usize {
        memory_of(&self.fresh)
    }

    /// The memory of what finds keys in runs.
    pub(super) fn lookup_memory(&self) -> usize {
        self.runs.iter().map(|run| run.memory()).sum()
    }

    pub(super) fn open_files(&self) -> usize {
        self.runs.len()
    }

    /// The memory that filters would take which are not in memory.
    pub(super) fn missing_filters(&self) -> usize {
        self.runs.iter().map(|run| run.missing_filter()).sum()
    }

    /// Reads those filters.
    pub(super) fn restore_filters(&mut self) -> Result<(), Damaged> {
        for run in self.runs.iter_mut().filter(|run| run.missing_filter() > 0) {
            *run = Arc::new(Run::open(&self.folder, run.flushes, self.owner, usize::MAX)?);
        }
        Ok(())
    }

    /// What to do to write the keys in memory into a run; `None` if there are none. `covers`: every key
    /// of a lower first offset has come.
    pub(super) fn flush(&mut self, covers: Offset, filter_room: usize) -> Option<FlushJob> {
        if self.frozen.is_none() && !self.fresh.is_empty() {
            let keys = Arc::new(std::mem::take(&mut self.fresh));
            self.frozen = Some(Frozen { keys, covers });
        }
        let frozen = self.frozen.clone()?;
        let flushes = Flushes { first: self.next_flush, last: self.next_flush };
        Some(FlushJob { folder: self.folder.clone(), owner: self.owner, flushes, frozen, filter_room })
    }

    /// Takes the run that a flush has written.
    pub(super) fn flushed(&mut self, run: Run) {
        self.next_flush = run.flushes.last + 1;
        self.covers = self.covers.max(run.covers);
        self.runs.push(Arc::new(run));
        self.frozen = None;
    }

    /// What to do to have fewer runs; `None` if it is not worth it.
    ///
    /// The newest runs are merged as long as the next older one is no larger than all of them together:
    /// so a key is rewritten about log₂(n / 8) times for n flushes. A run never grows over `most` entries.
    pub(super) fn merge(&self, most: u64, filter_room: usize) -> Option<MergeJob> {
        let mut entries = 0;
        let mut count = 0;
        for run in self.runs.iter().rev() {
            let alike = count < MERGE_RUNS || run.entries <= entries;
            if !alike || entries + run.entries > most {
                break;
            }
            entries += run.entries;
            count += 1;
        }
        let inputs: Vec<_> = self.runs.iter().skip(self.runs.len() - count).cloned().collect();
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return None };
        let flushes = Flushes { first: first.flushes.first, last: last.flushes.last };
        (count >= MERGE_RUNS).then(|| MergeJob {
            folder: self.folder.clone(),
            owner: self.owner,
            flushes,
            inputs,
            entries,
            filter_room,
        })
    }

    /// Takes the run that a merge has written, in the place of its inputs.
    pub(super) fn merged(&mut self, merged: Run) {
        let inside = |run: &Arc<Run>| {
            run.flushes.first >= merged.flushes.first && run.flushes.last <= merged.flushes.last
        };
        for run in self.runs.iter().filter(|run| inside(run)) {
            // If it stays, the next opening removes it.
            drop(fs::remove_file(self.folder.join(run.flushes.file_name())));
        }
        self.runs.retain(|run| !inside(run));
        self.runs.push(Arc::new(merged));
        self.runs.sort_by_key(|run| run.flushes);
    }

    /// Deletes the runs. The keys in memory stay.
    pub(super) fn forget_runs(&mut self) {
        self.runs.clear();
        self.covers = 0;
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The runs of a folder, each flush in exactly one.
fn open_runs(folder: &Path, owner: Owner, mut filter_room: usize) -> Result<Vec<Arc<Run>>, Damaged> {
    let mut names = Vec::new();
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => {
            for entry in entries? {
                let name = entry?.file_name();
                match Flushes::parse(&name.to_string_lossy()) {
                    Some(flushes) => names.push(flushes),
                    None => drop(fs::remove_file(folder.join(name))), // half written
                }
            }
        }
    }
    // The widest first, so that the inputs of a merge come after what they became.
    names.sort_by_key(|flushes| (flushes.first, std::cmp::Reverse(flushes.last)));
    let mut runs: Vec<Arc<Run>> = Vec::new();
    for flushes in names {
        let next = runs.last().map_or(0, |run: &Arc<Run>| run.flushes.last + 1);
        if flushes.last < next {
            drop(fs::remove_file(folder.join(flushes.file_name())));
            continue;
        }
        if flushes.first != next {
            return Err(Damaged(format!("flush {next} is missing")));
        }
        let run = Run::open(folder, flushes, owner, filter_room)?;
        filter_room = filter_room.saturating_sub(run.memory());
        runs.push(Arc::new(run));
    }
    Ok(runs)
}

// ---------------------------------------------------------------------------------------------

/// Keys in memory, to be written into a run.
#[derive(Debug)]
pub(super) struct FlushJob {
    folder: PathBuf,
    owner: Owner,
    flushes: Flushes,
    frozen: Frozen,
    filter_room: usize,
}

impl FlushJob {
    /// Does it; takes about 0.1 s per million keys.
    pub(super) fn run(self) -> io::Result<Run> {
        let keys = &self.frozen.keys;
        let mut entries: Vec<([u64; 2], Offset)> = keys.iter().map(|(key, offset)| (*key, *offset)).collect();
        entries.sort_unstable();
        let most = entries.len() as u64;
        let mut writer = RunWriter::create(&self.folder, self.flushes, most, self.filter_room)?;
        for ([high, low], offset) in entries {
            writer.push((u128::from(high) << 64 | u128::from(low), offset))?;
        }
        writer.finish(self.flushes, self.owner, self.frozen.covers)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(self.flushes.file_name())
    }
}

/// Runs to be merged into one.
#[derive(Debug)]
pub(super) struct MergeJob {
    folder: PathBuf,
    owner: Owner,
    flushes: Flushes,
    inputs: Vec<Arc<Run>>,
    entries: u64,
    filter_room: usize,
}

impl MergeJob {
    /// Does it; takes seconds for large runs.
    pub(super) fn run(self) -> Result<Run, Damaged> {
        let covers = self.inputs.iter().map(|run| run.covers).max().unwrap_or(0);
        let mut writer = RunWriter::create(&self.folder, self.flushes, self.entries, self.filter_room)?;
        let mut heads: Vec<(Entry, usize)> = Vec::new();
        let mut scans: Vec<_> = self.inputs.iter().map(Run::scan).collect();
        for (number, scan) in scans.iter_mut().enumerate() {
            heads.extend(scan.next()?.map(|entry| (entry, number)));
        }
        let mut last: Option<u128> = None;
        // The inputs are few: looking at each is as fast as a heap.
        while let Some((at, ((key, offset), number))) =
            heads.iter().copied().enumerate().min_by_key(|(_, (entry, _))| *entry)
        {
            // The same key with its later offsets follows: left out.
            if last != Some(key) {
                writer.push((key, offset))?;
                last = Some(key);
            }
            match scans.get_mut(number).map(|scan| scan.next()).transpose()?.flatten() {
                Some(entry) => heads.get_mut(at).map_or((), |head| head.0 = entry),
                None => drop(heads.swap_remove(at)),
            }
        }
        Ok(writer.finish(self.flushes, self.owner, covers)?)
    }
}
