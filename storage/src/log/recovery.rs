//! Opening: what lies in the folder, and how far it can be trusted (docs/log-format.md, "Opening").

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use event::Offset;

use super::active::Active;
use super::frame_header::{FRAME_HEADER, Kind};
use super::fs::{Fs, ReadAt, SegmentFile};
use super::scan::{Beginning, FIRST_FRAME, Frames, Step, beginning};
use super::segment_header::{Marker, SegmentHeader, VERSION, segment_first, segment_name};
use crate::{Error, Result};

/// What opening the log found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes of writes that were never acknowledged, cut off the end.
    pub torn_bytes: u64,
    /// Damage to what had been acknowledged. A reader that comes by hands out a rejected record for
    /// each offset that is lost. Damage inside older segments is found only then.
    pub damage: Vec<Damage>,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file name.
    pub segment: String,
    /// Where in it, in bytes.
    pub bytes: Range<u64>,
    /// Which offsets are concerned, as far as is known; may be empty.
    pub offsets: Range<Offset>,
    /// What is wrong there.
    pub problem: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, bytes, offsets, problem } = self;
        write!(
            f,
            "`{segment}` at bytes {}..{}, offsets {}..{}: {problem}",
            bytes.start, bytes.end, offsets.start, offsets.end
        )
    }
}

/// A folder that was read.
#[derive(Debug)]
pub(super) struct Recovered {
    /// First offset and length of each segment.
    pub(super) segments: BTreeMap<Offset, u64>,
    /// The newest one.
    pub(super) active: Active,
    /// The next offset.
    pub(super) head: Offset,
    /// What was found.
    pub(super) report: Recovery,
}

/// Reads the folder and brings its newest segment into order.
///
/// # Errors
/// The disk refuses; a newer version wrote a segment; the next offset cannot be known.
pub(super) fn recover(fs: &dyn Fs, dir: &Path) -> Result<Recovered> {
    let names = fs.list(dir).map_err(|source| Error::Io { action: "list", path: dir.to_owned(), source })?;
    let mut firsts: Vec<Offset> = names.iter().filter_map(|name| segment_first(name)).collect();
    firsts.sort_unstable();
    let Some((newest, older)) = firsts.split_last() else {
        return made_anew(fs, dir, BTreeMap::new(), 0, Recovery::default());
    };
    let mut report = Recovery::default();
    let mut segments = BTreeMap::new();
    let nexts = firsts.iter().skip(1);
    for (first, next) in older.iter().zip(nexts) {
        segments.insert(*first, check_sealed(fs, dir, *first, *next, &mut report)?);
    }
    recover_newest(fs, dir, *newest, segments, report)
}

fn made_anew(
    fs: &dyn Fs,
    dir: &Path,
    mut segments: BTreeMap<Offset, u64>,
    first: Offset,
    report: Recovery,
) -> Result<Recovered> {
    let active = Active::create(fs, dir, first)?;
    segments.insert(first, active.end);
    Ok(Recovered { segments, active, head: first, report })
}

const STAND_IN: &str = "the header is not right; the first frame stands in for it";

/// The length of a segment that another follows; what is wrong with its ends goes into the report.
fn check_sealed(fs: &dyn Fs, dir: &Path, first: Offset, next: Offset, report: &mut Recovery) -> Result<u64> {
    let path = dir.join(segment_name(first));
    let failed = |source| Error::Io { action: "read", path: path.clone(), source };
    let file = fs.open(&path, false).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    let mut damaged = |bytes, offsets, problem| {
        report.damage.push(Damage { segment: segment_name(first), bytes, offsets, problem });
    };
    let start = beginning(&*file, first).map_err(failed)?;
    let Some(marker) = marker(&path, start)? else {
        damaged(0..len, first..next, "neither the header nor the first frame is right");
        return Ok(len);
    };
    if matches!(start, Beginning::FirstFrame(_)) {
        damaged(0..FIRST_FRAME, first..first, STAND_IN);
    }
    let seal = len.saturating_sub(FRAME_HEADER as u64);
    let last = Frames { file: &*file, marker, limit: len }.header_at(seal).map_err(failed)?;
    let end = match last {
        Some(header) if header.kind == Kind::Seal => Some(header.first),
        // A segment without frames needs no seal.
        _ if len == FIRST_FRAME => Some(first),
        _ => None,
    };
    match end {
        Some(end) if end == next => {}
        Some(end) => damaged(len..len, end..next, "offsets are missing before the next segment"),
        None => damaged(seal..len, first..next, "it does not end with a seal"),
    }
    Ok(len)
}

/// The segment's marker, `None` if it is damaged too much.
fn marker(path: &Path, beginning: Beginning) -> Result<Option<Marker>> {
    match beginning {
        Beginning::Header(header) => Ok(Some(header.marker)),
        Beginning::FirstFrame(marker) => Ok(Some(marker)),
        Beginning::Damaged => Ok(None),
        Beginning::Newer(version) => {
            let (found, known) = (u64::from(version), u64::from(VERSION));
            Err(Error::Newer { path: path.to_owned(), found, known })
        }
    }
}

fn recover_newest(
    fs: &dyn Fs,
    dir: &Path,
    first: Offset,
    mut segments: BTreeMap<Offset, u64>,
    mut report: Recovery,
) -> Result<Recovered> {
    let path = dir.join(segment_name(first));
    let failed = |action| {
        let path: PathBuf = path.clone();
        move |source| Error::Io { action, path, source }
    };
    let file = fs.open(&path, true).map_err(failed("open"))?;
    let len = file.len().map_err(failed("read"))?;
    let start = beginning(&*file, first).map_err(failed("read"))?;
    let Some(marker) = marker(&path, start)? else {
        let has_frame = len >= FIRST_FRAME + FRAME_HEADER as u64;
        if has_frame && !is_zero(&*file, len).map_err(failed("read"))? {
            let problem = "neither the header nor the first frame is right".into();
            return Err(Error::LogDamaged { path, position: 0, problem });
        }
        // Its creation was not finished, or it never held a record.
        fs.remove(&path).map_err(failed("remove"))?;
        fs.sync_dir(dir).map_err(|source| Error::Io { action: "sync", path: dir.to_owned(), source })?;
        report.torn_bytes += len;
        return made_anew(fs, dir, segments, first, report);
    };
    if matches!(start, Beginning::FirstFrame(_)) {
        let (segment, bytes) = (segment_name(first), 0..FIRST_FRAME);
        report.damage.push(Damage { segment, bytes, offsets: first..first, problem: STAND_IN });
    }
    let scanned = scan(&Frames { file: &*file, marker, limit: len }, first, &mut report.damage)
        .map_err(failed("read"))?;
    if scanned.end < len {
        report.torn_bytes += len - scanned.end;
        file.set_len(scanned.end).map_err(failed("cut"))?;
    }
    let header = SegmentHeader { first, marker };
    write_again(&*file, &header, scanned.unproven..scanned.end).map_err(failed("write"))?;
    file.sync_all().map_err(failed("sync"))?;
    fs.sync_dir(dir).map_err(|source| Error::Io { action: "sync", path: dir.to_owned(), source })?;
    segments.insert(first, scanned.end);
    let active = Active { first, marker, file, end: scanned.end, sealed: scanned.sealed };
    Ok(Recovered { segments, active, head: scanned.next, report })
}

/// After a kill the last group may be whole and yet only in memory; after a failed sync the system
/// may even believe that it is on the disk. Writing it once more makes the next sync an honest one.
fn write_again(file: &dyn SegmentFile, header: &SegmentHeader, bytes: Range<u64>) -> std::io::Result<()> {
    file.write_all_at(&[&header.encode()], 0)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = bytes.start;
    while at < bytes.end {
        buffer.truncate(usize::try_from(bytes.end - at).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer, at)?;
        file.write_all_at(&[&buffer], at)?;
        at += buffer.len() as u64;
    }
    Ok(())
}

fn is_zero(file: &dyn ReadAt, len: u64) -> std::io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < len {
        buffer.truncate(usize::try_from(len - at).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer, at)?;
        if buffer.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += buffer.len() as u64;
    }
    Ok(true)
}

struct Scanned {
    end: u64,
    /// Below this position, a later frame says that it was synced.
    unproven: u64,
    next: Offset,
    sealed: bool,
}

/// Reads the frames up to the torn tail, if there is one.
fn scan(frames: &Frames<'_>, first: Offset, damage: &mut Vec<Damage>) -> std::io::Result<Scanned> {
    let mut found = Scanned { end: FIRST_FRAME, unproven: FIRST_FRAME, next: first, sealed: true };
    while found.end < frames.limit {
        let (at, due) = (found.end, found.next);
        let step = frames.step(at, due)?;
        if let Step::Frame(header) = &step
            && frames.body_is_right(at, header)?
        {
            found.end = at + header.frame_len();
            found.next = header.next();
            found.sealed = header.kind == Kind::Seal;
            found.unproven = header.durable.clamp(found.unproven, at);
            continue;
        }
        if !frames.was_durable(at, due)? {
            return Ok(found);
        }
        let (bytes, next, problem) = match step {
            Step::Frame(header) => {
                (at..at + header.frame_len(), header.next(), "a frame's body is not right")
            }
            Step::Lost(lost) => (lost.bytes, lost.next.unwrap_or(due), "there is no right frame"),
        };
        found.end = bytes.end;
        found.next = next;
        found.sealed = false;
        damage.push(Damage { segment: segment_name(first), bytes, offsets: due..next, problem });
    }
    Ok(found)
}
