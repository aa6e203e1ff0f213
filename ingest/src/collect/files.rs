//! Files of this machine: read as they grow, followed when they are renamed, copied and truncated, or
//! compressed.
//!
//! What a file is, is told by device, inode and a checksum of its first line; whether its bytes up to the
//! mark are still the same, by the mark's checksum. So
//! - a renamed file goes on where it was;
//! - a truncated one, or another one under the same inode, begins anew;
//! - a new file that begins with the bytes of one that is known, compressed or not, is a copy of it and goes
//!   on at that one's mark: what was written between the last read and a truncation is found in the copy.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use event::{LogType, SourceId};

use super::background::Background;
use super::growing::{Growing, Mark};
use super::kept::Kept;
use super::listing::{FileId, Found, Stamp, list};
use crate::decode::{Chunk, Decoder, Format};
use crate::{Collected, Collector, Error, Limits, Polled, PositionChange, Result};

/// The first line is looked at up to here.
const HEAD_BYTES: usize = 1024;

/// Files that are kept open between reads.
const OPEN_FILES: usize = 256;

/// How long an open file is still read after it has lost its name.
const UNNAMED: Duration = Duration::from_secs(60);

/// How long a file is remembered after it was last seen, for copies of it.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// How files are read.
#[derive(Debug, Clone)]
pub struct FilesConfig {
    /// The source that is charged with the records.
    pub source: SourceId,
    /// The log type, where it is known; otherwise each record is asked.
    pub log_type: Option<LogType>,
    /// Files, folders with the folders in them, and glob patterns.
    pub paths: Vec<String>,
    /// How often is looked for new files and new bytes.
    pub every: Duration,
    /// How long a file must not have changed before it is read although its first line has no end, or it is
    /// compressed: it is complete then.
    pub settle: Duration,
    /// How long a file must not have changed before a torn record at its end is taken for all there will
    /// be; `None` waits for ever.
    pub torn_after: Option<Duration>,
    /// The most files that are kept in mind.
    pub max_files: usize,
    /// Bounds on records, batches and compressed files.
    pub limits: Limits,
    /// The time of day in microseconds since 1970.
    pub now_us: fn() -> i64,
}

/// The collector over files; see [`FilesConfig`].
#[derive(Debug)]
pub struct Files {
    background: Background<Engine, Step>,
}

impl Files {
    /// A collector that goes on at `positions`, which an earlier one gave.
    pub fn open(config: FilesConfig, positions: &BTreeMap<String, String>) -> Self {
        let name = config.source.to_string();
        Self { background: Background::new(name, Engine::new(config, positions)) }
    }
}

#[async_trait]
impl Collector for Files {
    async fn poll(&mut self) -> Result<Polled> {
        match self.background.step(Engine::step).await? {
            Step::Collected(collected) => Ok(Polled::Collected(collected)),
            Step::Nothing { wait } => {
                tokio::time::sleep(wait).await;
                Ok(Polled::Idle)
            }
        }
    }

    /// A look that failed is made again at once: a poll that only waits follows one that went through.
    fn is_failing(&self) -> bool {
        false
    }

    /// Positions are all there is.
    async fn ack(&mut self, _tickets: &[u64]) -> Result<()> {
        Ok(())
    }
}

/// What a step led to.
#[derive(Debug)]
enum Step {
    Collected(Collected),
    /// Nothing before this has passed.
    Nothing {
        wait: Duration,
    },
}

/// A file's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    file: FileId,
    /// Of its first line.
    crc: u32,
}

impl Key {
    fn to_text(self) -> String {
        format!("{:x}:{:x}:{:08x}", self.file.device, self.file.inode, self.crc)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(|part| u64::from_str_radix(part, 16).ok());
        let file = FileId { device: parts.next()??, inode: parts.next()?? };
        Some(Self { file, crc: u32::try_from(parts.next()??).ok()? })
    }
}

/// A file that is known.
#[derive(Debug)]
struct Entry {
    kept: Kept,
    /// Where it was last seen; `None` where it is not now.
    path: Option<PathBuf>,
    /// As it was when it was last found to be the same; `None` asks for another look.
    stamp: Option<Stamp>,
    /// Since when it is as it is: unchanged, or gone.
    since_us: i64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    growing: Growing,
    /// The same file, to look at what stands before.
    file: File,
}

/// The first line of a file.
#[derive(Debug)]
struct Head {
    line: Vec<u8>,
    is_compressed: bool,
}

impl Head {
    /// The checksum of its first bytes; `None` where there are not so many.
    fn crc(&self, bytes: u64) -> Option<u32> {
        self.line.get(..usize::try_from(bytes).ok()?).map(crc32c::crc32c)
    }

    fn bytes(&self) -> u64 {
        self.line.len() as u64
    }
}

#[derive(Debug)]
struct Engine {
    config: FilesConfig,
    entries: BTreeMap<Key, Entry>,
    /// Files that may have bytes to read.
    ready: VecDeque<Key>,
    /// Files that are not settled yet: as they were, and since when.
    unsettled: HashMap<FileId, (Stamp, i64)>,
    scanned_us: Option<i64>,
    /// Positions that moved without records.
    moved: Vec<PositionChange>,
    /// What could not be read, told once all that can be is handed out.
    problem: Option<Error>,
    ticket: u64,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Engine {
    fn new(config: FilesConfig, positions: &BTreeMap<String, String>) -> Self {
        let now_us = (config.now_us)();
        let entry = |kept| Entry { kept, path: None, stamp: None, since_us: now_us, open: None };
        let entries = positions
            .iter()
            .filter_map(|(key, value)| Some((Key::from_text(key)?, entry(Kept::from_text(value)?))))
            .collect();
        Self {
            config,
            entries,
            ready: VecDeque::new(),
            unsettled: HashMap::new(),
            scanned_us: None,
            moved: Vec::new(),
            problem: None,
            ticket: 0,
        }
    }

    fn now_us(&self) -> i64 {
        (self.config.now_us)()
    }

    fn step(&mut self) -> Result<Step> {
        let every_us = micros(self.config.every);
        loop {
            if let Some(key) = self.ready.pop_front() {
                match self.read(key) {
                    Ok(Some(collected)) => {
                        self.ready.push_back(key);
                        return Ok(Step::Collected(collected));
                    }
                    Ok(None) => {}
                    Err(error) => self.problem = Some(error),
                }
                continue;
            }
            let waited_us = self.scanned_us.map(|scanned_us| self.now_us().saturating_sub(scanned_us));
            // A clock that was set back must not stop the source.
            if waited_us.is_none_or(|waited_us| !(0..every_us).contains(&waited_us)) {
                self.scanned_us = Some(self.now_us());
                if let Err(error) = self.scan() {
                    self.scanned_us = None;
                    return Err(error);
                }
                if !self.ready.is_empty() {
                    continue;
                }
            }
            if !self.moved.is_empty() {
                let position = std::mem::take(&mut self.moved);
                return Ok(Step::Collected(self.collected(None, position)));
            }
            if let Some(problem) = self.problem.take() {
                // The next try looks again, however soon it comes.
                self.scanned_us = None;
                return Err(problem);
            }
            let waited_us = self.scanned_us.map_or(0, |scanned_us| self.now_us() - scanned_us);
            let left_us = every_us.saturating_sub(waited_us.max(0)).max(1000);
            return Ok(Step::Nothing { wait: Duration::from_micros(left_us.unsigned_abs()) });
        }
    }

    fn collected(&mut self, batch: Option<event::RawBatch>, position: Vec<PositionChange>) -> Collected {
        self.ticket += 1;
        Collected { batch, position, findings: Vec::new(), ticket: self.ticket }
    }

    /// Looks which files there are and which have changed.
    fn scan(&mut self) -> Result<()> {
        let now_us = self.now_us();
        let (found, problem) = list(&self.config.paths, self.config.max_files)?;
        self.problem = problem;
        for (file, found) in &found {
            if let Err(error) = self.look(*file, found, now_us) {
                // A file that vanishes under our hands is no trouble.
                let is_gone =
                    matches!(&error, Error::File { source, .. } if source.kind() == io::ErrorKind::NotFound);
                self.problem = self.problem.take().or((!is_gone).then_some(error));
            }
        }
        self.unsettled.retain(|file, _| found.contains_key(file));
        // A clock that was set back must not make a span last until it has caught up.
        self.unsettled.values_mut().for_each(|(_, since_us)| *since_us = now_us.min(*since_us));
        self.entries.values_mut().for_each(|entry| entry.since_us = now_us.min(entry.since_us));
        let unnamed_us = micros(UNNAMED);
        for (key, entry) in &mut self.entries {
            if found.contains_key(&key.file) && entry.path.is_some() {
                continue;
            }
            if entry.path.take().is_some() {
                entry.since_us = now_us;
            }
            if entry.open.is_some() && now_us - entry.since_us <= unnamed_us {
                self.ready.push_back(*key);
            } else {
                entry.open = None;
            }
        }
        self.forget(now_us);
        Ok(())
    }

    /// Forgets files that have not been seen for long, and of too many those that were seen first.
    fn forget(&mut self, now_us: i64) {
        let remembered_us = micros(REMEMBERED);
        let mut gone: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.path.is_none()).collect();
        gone.sort_by_key(|(_, entry)| entry.since_us);
        let surplus = self.entries.len().saturating_sub(self.config.max_files.saturating_mul(2));
        let forgotten: Vec<Key> = gone
            .into_iter()
            .enumerate()
            .filter(|(index, (_, entry))| *index < surplus || now_us - entry.since_us > remembered_us)
            .map(|(_, (key, _))| *key)
            .collect();
        for key in forgotten {
            self.entries.remove(&key);
            self.moved.push(PositionChange { key: key.to_text(), value: None });
        }
    }

    /// Looks at one file that was found.
    fn look(&mut self, file: FileId, found: &Found, now_us: i64) -> Result<()> {
        let failed = |source| Error::File { path: found.path.clone(), source };
        let of_file = Key { file, crc: 0 }..=Key { file, crc: u32::MAX };
        let mut same = None;
        let mut has_changed = false;
        let mut opened = None;
        for (key, entry) in self.entries.range_mut(of_file) {
            if same.is_some() {
                entry.path = None;
                continue;
            }
            let is_same = entry.stamp == Some(found.stamp) || {
                let opened = match &opened {
                    Some(opened) => opened,
                    None => opened.insert(File::open(&found.path).map_err(failed)?),
                };
                is_continued(*key, entry, opened, found.stamp).map_err(failed)?
            };
            if !is_same {
                if entry.path.take().is_some() {
                    entry.since_us = now_us;
                }
                (entry.open, entry.stamp) = (None, None);
                continue;
            }
            if entry.stamp != Some(found.stamp) {
                (entry.stamp, entry.since_us) = (Some(found.stamp), now_us);
                has_changed = true;
            }
            entry.path = Some(found.path.clone());
            same = Some(*key);
        }
        let key = match same {
            Some(key) => key,
            None => match self.meet(file, found, now_us)? {
                Some(key) => {
                    has_changed = true;
                    key
                }
                None => return Ok(()),
            },
        };
        let torn_after_us = self.config.torn_after.map(micros);
        let Some(entry) = self.entries.get(&key) else { return Ok(()) };
        let read_to = entry.open.as_ref().map_or(entry.kept.mark.offset, |open| open.growing.tail().1);
        let is_torn = torn_after_us.is_some_and(|after_us| now_us - entry.since_us >= after_us)
            && found.stamp.size > entry.kept.mark.offset;
        // What was inflated cannot be held against the size, so each change asks for a read.
        if !entry.kept.is_done && (has_changed || found.stamp.size > read_to || is_torn) {
            self.ready.push_back(key);
        }
        Ok(())
    }

    /// Takes a file that is new, once its first line is there. It may be a copy of one that is known.
    fn meet(&mut self, file: FileId, found: &Found, now_us: i64) -> Result<Option<Key>> {
        let failed = |source| Error::File { path: found.path.clone(), source };
        let seen = self.unsettled.entry(file).or_insert((found.stamp, now_us));
        if seen.0 != found.stamp {
            *seen = (found.stamp, now_us);
        }
        let is_settled = now_us.saturating_sub(seen.1) >= micros(self.config.settle);
        let Some(head) = head(&found.path, is_settled, &self.config.limits).map_err(failed)? else {
            return Ok(None);
        };
        self.unsettled.remove(&file);
        let crc = crc32c::crc32c(&head.line);
        let key = Key { file, crc };
        let original = self.original(key, &head, &found.path).map_err(failed)?;
        let kept = original.unwrap_or_else(|| Kept {
            mark: Mark::default(),
            size: head.bytes(),
            is_done: false,
            modified_us: 0,
            label: format!("{}#{:08x}", found.path.display(), crc),
        });
        if kept.mark.offset > 0 {
            self.moved.push(PositionChange { key: key.to_text(), value: Some(kept.to_text()) });
        }
        let (path, stamp) = (Some(found.path.clone()), Some(found.stamp));
        self.entries.insert(key, Entry { kept, path, stamp, since_us: now_us, open: None });
        Ok(Some(key))
    }

    /// What is kept of a known file that the one at `path` is a copy of.
    fn original(&self, key: Key, head: &Head, path: &Path) -> io::Result<Option<Kept>> {
        let mut like: Vec<&Kept> = self
            .entries
            .iter()
            .filter(|(known, entry)| known.file != key.file && entry.kept.mark.offset > 0)
            // A line that had no end when it was first read is longer by now.
            .filter(|(known, entry)| head.crc(entry.kept.size) == Some(known.crc))
            .map(|(_, entry)| &entry.kept)
            .collect();
        like.sort_by_key(|kept| std::cmp::Reverse(kept.mark.offset));
        for kept in like {
            if open_at(path, kept.mark, head.is_compressed, &self.config.limits)?.is_some() {
                return Ok(Some(Kept { is_done: false, size: head.bytes(), ..kept.clone() }));
            }
        }
        Ok(None)
    }

    /// Reads a batch of one file; `None` where there is nothing more for now.
    fn read(&mut self, key: Key) -> Result<Option<Collected>> {
        let now_us = self.now_us();
        let open_files = self.entries.values().filter(|entry| entry.open.is_some()).count();
        let Some(entry) = self.entries.get_mut(&key) else { return Ok(None) };
        let name = entry.path.clone().unwrap_or_else(|| PathBuf::from(&entry.kept.label));
        let failed = |source| Error::File { path: name.clone(), source };
        if entry.open.as_ref().is_some_and(|open| !is_as_read(open)) {
            // Truncated since the last look; the next look tells what it is now.
            (entry.open, entry.stamp) = (None, None);
            return Ok(None);
        }
        if entry.open.is_none() {
            let Some(path) = &entry.path else { return Ok(None) };
            match open_named(path, key, entry, &self.config.limits) {
                Ok(Some(open)) => entry.open = Some(open),
                Ok(None) => {
                    entry.stamp = None;
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
        let Some(open) = &mut entry.open else { return Ok(None) };
        let mut batch = open.growing.next_batch();
        if matches!(batch, Ok(None)) && open.growing.is_plain() && open.growing.is_inside_record() {
            let idle_us = now_us.saturating_sub(entry.since_us);
            if self.config.torn_after.is_some_and(|after| idle_us >= micros(after)) {
                open.growing.finish();
                batch = open.growing.next_batch();
                // A reader that was told the end begins anew at its mark, should the file grow.
                let mark = open.growing.mark();
                if let Ok(None) = batch {
                    entry.kept.mark = mark;
                    entry.open = None;
                    self.moved.push(change(key, &entry.kept));
                    return Ok(None);
                }
            }
        }
        if batch.is_err() {
            (entry.open, entry.stamp) = (None, None);
        }
        let Some(batch) = batch? else {
            let Some(open) = &entry.open else { return Ok(None) };
            entry.kept.mark = open.growing.mark();
            if !open.growing.is_plain() {
                entry.kept.is_done = true;
                entry.open = None;
                self.moved.push(change(key, &entry.kept));
            } else if open_files > OPEN_FILES && !open.growing.is_inside_record() {
                entry.open = None;
            }
            return Ok(None);
        };
        if let Some(open) = &entry.open {
            entry.kept.mark = open.growing.mark();
        }
        let (source, log_type) = (self.config.source.clone(), self.config.log_type);
        let batch = batch.finish(source, log_type, entry.kept.label.clone(), now_us);
        let mut position = std::mem::take(&mut self.moved);
        position.push(change(key, &entry.kept));
        Ok(Some(self.collected(Some(batch), position)))
    }
}

fn change(key: Key, kept: &Kept) -> PositionChange {
    PositionChange { key: key.to_text(), value: Some(kept.to_text()) }
}

/// Whether the file still holds what was read of it, as far as its identity and the mark tell.
fn is_continued(key: Key, entry: &Entry, file: &File, stamp: Stamp) -> io::Result<bool> {
    if entry.kept.is_done {
        // Its size when it was read is not kept, but its first line tells another file.
        let head = head_of(file.try_clone()?, true, &Limits::default())?;
        return Ok(head.is_some_and(|head| head.crc(entry.kept.size) == Some(key.crc)));
    }
    if let Some(open) = &entry.open {
        if open.growing.is_plain() {
            return Ok(is_as_read(open));
        }
        return Ok(entry.stamp.is_none_or(|before| before == stamp));
    }
    let Some(head) = head_of(file.try_clone()?, true, &Limits::default())? else { return Ok(false) };
    if head.is_compressed {
        return Ok(head.crc(entry.kept.size) == Some(key.crc));
    }
    let mark = entry.kept.mark;
    Ok(crc_at(file, 0, entry.kept.size)? == Some(key.crc)
        && crc_at(file, mark.offset - mark.tail_bytes() as u64, mark.tail_bytes() as u64)? == Some(mark.crc))
}

/// The checksum of some bytes; `None` where there are not so many.
fn crc_at(file: &File, offset: u64, bytes: u64) -> io::Result<Option<u32>> {
    let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(0)];
    match file.read_exact_at(&mut buffer, offset) {
        Ok(()) => Ok(Some(crc32c::crc32c(&buffer))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the last bytes that were read still stand where they were read.
fn is_as_read(open: &Open) -> bool {
    if !open.growing.is_plain() {
        return true;
    }
    let (tail, end) = open.growing.tail();
    let mut now = vec![0; tail.len()];
    open.file.read_exact_at(&mut now, end - tail.len() as u64).is_ok() && now == tail
}

/// The first line of the file at `path`, of a compressed one that of its content; `None` where it may still
/// come.
fn head(path: &Path, is_settled: bool, limits: &Limits) -> io::Result<Option<Head>> {
    head_of(File::open(path)?, is_settled, limits)
}

fn head_of(file: File, is_settled: bool, limits: &Limits) -> io::Result<Option<Head>> {
    let mut bytes = vec![0; HEAD_BYTES];
    let count = read_up_to(&mut bytes, |at, out| file.read_at(out, at as u64))?;
    bytes.truncate(count);
    let is_compressed = matches!(Format::of(&bytes), Format::Gzip | Format::Zstd | Format::Parquet);
    if is_compressed {
        if !is_settled {
            return Ok(None);
        }
        let mut whole = file;
        whole.seek(SeekFrom::Start(0))?;
        let mut decoder = Decoder::new(Box::new(whole), limits.clone());
        bytes = vec![0; HEAD_BYTES];
        let count = read_up_to(&mut bytes, |_, out| {
            Ok(match decoder.read(out)? {
                Chunk::Bytes(count) | Chunk::Foreign(count, _) => count,
                Chunk::End | Chunk::Damaged(_) => 0,
            })
        })?;
        bytes.truncate(count);
    }
    let line = match memchr::memchr(b'\n', &bytes) {
        Some(end) => bytes.get(..=end).unwrap_or_default(),
        None if bytes.len() == HEAD_BYTES || (is_settled && !bytes.is_empty()) || is_compressed => &bytes,
        None => return Ok(None),
    };
    Ok(Some(Head { line: line.to_vec(), is_compressed }))
}

fn read_up_to(
    out: &mut [u8],
    mut read: impl FnMut(usize, &mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut at = 0;
    while let Some(free) = out.get_mut(at..).filter(|free| !free.is_empty()) {
        match read(at, free) {
            Ok(0) => break,
            Ok(count) => at += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

/// A reader of the file at `path`, if it is the one meant: since it was looked at it may have got another name,
/// or been truncated and written anew.
fn open_named(path: &Path, key: Key, entry: &Entry, limits: &Limits) -> io::Result<Option<Open>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if FileId::of(&metadata) != key.file || !is_continued(key, entry, &file, Stamp::of(&metadata))? {
        return Ok(None);
    }
    let mut start = [0; 8];
    let count = read_up_to(&mut start, |at, out| file.read_at(out, at as u64))?;
    let format = Format::of(start.get(..count).unwrap_or_default());
    let is_compressed = matches!(format, Format::Gzip | Format::Zstd | Format::Parquet);
    let growing = reader(file.try_clone()?, entry.kept.mark, is_compressed, limits)?;
    Ok(growing.map(|growing| Open { growing, file }))
}

fn open_at(path: &Path, mark: Mark, is_compressed: bool, limits: &Limits) -> io::Result<Option<Growing>> {
    reader(File::open(path)?, mark, is_compressed, limits)
}

fn reader(mut file: File, mark: Mark, is_compressed: bool, limits: &Limits) -> io::Result<Option<Growing>> {
    let plain_start = mark.offset - mark.tail_bytes() as u64;
    file.seek(SeekFrom::Start(if is_compressed { 0 } else { plain_start }))?;
    let read: Box<dyn Read + Send> = Box::new(file);
    if mark.offset == 0 {
        return Ok(Some(Growing::new(read, limits)));
    }
    if is_compressed {
        return Growing::resume_inflated(read, limits, mark);
    }
    Growing::resume(read, limits, mark)
}

#[cfg(test)]
mod tests;
