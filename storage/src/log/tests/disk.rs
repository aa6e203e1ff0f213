//! A disk in memory that forgets what was not synced, tears writes, and fails when told to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::log::fs::{Fs, ReadAt, SegmentFile};

/// A small deterministic generator (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Which operations fail, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// The first operation that fails, counted from 1.
    pub(super) at: u64,
    /// Whether all after it fail, too.
    pub(super) for_ever: bool,
    /// With what.
    pub(super) kind: io::ErrorKind,
    /// Whether a failing write leaves half of its bytes.
    pub(super) short: bool,
}

#[derive(Debug, Default)]
struct Inode {
    /// What a reader sees.
    now: Vec<u8>,
    /// What a power loss leaves for sure.
    durable: Vec<u8>,
    /// What was done since.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => content.resize(*len, 0),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    inodes: Vec<Inode>,
    operations: u64,
    syncs: u64,
    fault: Option<Fault>,
}

impl State {
    /// Counts an operation; `Err` if it is to fail.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fault {
            Some(fault) if self.operations == fault.at => Err(fault.kind.into()),
            Some(fault) if fault.for_ever && self.operations > fault.at => Err(fault.kind.into()),
            _ => Ok(()),
        }
    }
}

/// Files in order of their names, with their bytes.
pub(super) type Files = Vec<(PathBuf, Vec<u8>)>;

/// The disk. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    state: Arc<Mutex<State>>,
}

impl Disk {
    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.state.lock();
        state.fault = fault;
        state.operations = 0;
    }

    /// How many operations there were since the fault was set.
    pub(super) fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// What a power loss leaves: of each change that was not synced all, nothing, the beginning, or
    /// some sectors.
    pub(super) fn after_power_loss(&self, rng: &mut Rng) -> Self {
        let state = self.state.lock();
        let mut after = State::default();
        let mut names = state.durable_names.clone();
        for (name, inode) in &state.names {
            if !names.contains_key(name) && rng.below(2) == 0 {
                names.insert(name.clone(), *inode);
            }
        }
        names.retain(|name, _| state.names.contains_key(name) || rng.below(2) == 0);
        for (name, inode) in names {
            let content = survivor(&state.inodes[inode], rng);
            after.inodes.push(Inode { now: content.clone(), durable: content, unsynced: Vec::new() });
            after.names.insert(name.clone(), after.inodes.len() - 1);
            after.durable_names.insert(name, after.inodes.len() - 1);
        }
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// What a kill leaves: everything that was written.
    pub(super) fn after_kill(&self) -> Self {
        let state = self.state.lock();
        let mut after = State::default();
        for (name, inode) in &state.names {
            let Inode { now, durable, unsynced } = &state.inodes[*inode];
            let inode = Inode { now: now.clone(), durable: durable.clone(), unsynced: unsynced.clone() };
            after.inodes.push(inode);
            after.names.insert(name.clone(), after.inodes.len() - 1);
            if state.durable_names.contains_key(name) {
                after.durable_names.insert(name.clone(), after.inodes.len() - 1);
            }
        }
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// The files in order of their names.
    pub(super) fn files(&self) -> Files {
        let state = self.state.lock();
        state.names.iter().map(|(name, inode)| (name.clone(), state.inodes[*inode].now.clone())).collect()
    }

    /// A disk with these files, all durable.
    pub(super) fn with_files(files: Files) -> Self {
        let mut state = State::default();
        for (name, content) in files {
            state.inodes.push(Inode { now: content.clone(), durable: content, unsynced: Vec::new() });
            state.names.insert(name.clone(), state.inodes.len() - 1);
            state.durable_names.insert(name, state.inodes.len() - 1);
        }
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn file(&self, inode: usize) -> Arc<dyn SegmentFile> {
        Arc::new(OpenFile { disk: self.clone(), inode })
    }
}

fn survivor(inode: &Inode, rng: &mut Rng) -> Vec<u8> {
    let mut content = inode.durable.clone();
    for change in &inode.unsynced {
        match (change, rng.below(4)) {
            (_, 0) => {}
            (Change::Write { at, bytes }, 1) => {
                let bytes = bytes[..rng.below(bytes.len() + 1)].to_vec();
                Change::Write { at: *at, bytes }.apply(&mut content);
            }
            (Change::Write { at, bytes }, 2) => {
                // The length may be recorded before the bytes are.
                let len = content.len().max(at + bytes.len());
                Change::SetLen(len).apply(&mut content);
                for (index, sector) in bytes.chunks(512).enumerate() {
                    if rng.below(2) == 0 {
                        Change::Write { at: at + index * 512, bytes: sector.to_vec() }.apply(&mut content);
                    }
                }
            }
            _ => change.apply(&mut content),
        }
    }
    content
}

impl Fs for Disk {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.operate()?;
        let inside = state.names.keys().filter(|name| name.parent() == Some(dir));
        Ok(inside.map(|name| name.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let mut state = self.state.lock();
        state.operate()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path, _write: bool) -> io::Result<Arc<dyn SegmentFile>> {
        let mut state = self.state.lock();
        state.operate()?;
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(inode))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operate()?;
        state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operate()?;
        assert!(state.names.keys().all(|name| name.parent() == Some(dir)));
        state.durable_names = state.names.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: Disk,
    inode: usize,
}

impl OpenFile {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.syncs += 1;
        let allowed = state.operate();
        let inode = &mut state.inodes[self.inode];
        for change in inode.unsynced.drain(..) {
            // As Linux does: after a failed sync the pages count as clean, and a second sync succeeds
            // without having written them.
            if allowed.is_ok() {
                change.apply(&mut inode.durable);
            }
        }
        allowed
    }
}

impl ReadAt for OpenFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state.lock();
        state.operate()?;
        Ok(state.inodes[self.inode].now.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.operate()?;
        (&state.inodes[self.inode].now[..]).read_exact_at(buf, at)
    }
}

impl SegmentFile for OpenFile {
    fn write_all_at(&self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let mut bytes = parts.concat();
        let allowed = state.operate();
        if allowed.is_err() {
            let half = if state.fault.is_some_and(|fault| fault.short) { bytes.len() / 2 } else { 0 };
            bytes.truncate(half);
        }
        let change = Change::Write { at: at as usize, bytes };
        let inode = &mut state.inodes[self.inode];
        change.apply(&mut inode.now);
        inode.unsynced.push(change);
        allowed
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.operate()?;
        let change = Change::SetLen(len as usize);
        let inode = &mut state.inodes[self.inode];
        change.apply(&mut inode.now);
        inode.unsynced.push(change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}
