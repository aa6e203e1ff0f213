//! Reading on from an offset, past damage that is named, up to what is durable and no further.

use std::ops::Range;
use std::sync::Arc;

use event::Offset;
use tokio::sync::watch;

use super::entry::LogEntry;
use super::frame::{Body, decode_body};
use super::frame_header::{FRAME_HEADER, FrameHeader, Kind};
use super::fs::SegmentFile;
use super::lost::Missing;
use super::open_log::{Head, OpenLog};
use super::scan::{Beginning, FIRST_FRAME, Frames, Step, beginning};
use super::segment_header::{Marker, VERSION, segment_name};
use super::segments::Place;
use super::stats::add;
use crate::{Error, Result};

/// A place in the log that moves on with what it reads. Each has its own file handle.
///
/// Reading blocks for as long as the page cache or the disk takes; what was appended lately comes
/// from the page cache.
#[derive(Debug)]
pub struct LogReader {
    shared: Arc<OpenLog>,
    head: watch::Receiver<Head>,
    /// The next offset to hand out.
    next: Offset,
    segment: Option<OpenSegment>,
    /// Offsets that are to be handed out as rejected records.
    missing: Option<Missing>,
}

#[derive(Debug)]
struct OpenSegment {
    first: Offset,
    file: Arc<dyn SegmentFile>,
    /// `None`: so damaged that no frame can be found.
    marker: Option<Marker>,
    /// The position of the next frame.
    at: u64,
    /// The offset with which it should begin.
    due: Offset,
}

impl LogReader {
    pub(super) fn new(shared: Arc<OpenLog>, from: Offset) -> Result<Self> {
        let (tail, head) = (shared.segments.tail(), shared.head());
        if from < tail || from > head {
            return Err(Error::OffsetUnknown { wanted: from, tail, head });
        }
        let head = shared.subscribe();
        Ok(Self { shared, head, next: from, segment: None, missing: None })
    }

    /// The offset that comes next.
    pub fn position(&self) -> Offset {
        self.next
    }

    /// The next entry; waits until there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next), and [`Error::LogClosed`] when everything was read and no more
    /// can come.
    pub async fn next(&mut self) -> Result<LogEntry> {
        loop {
            if let Some(entry) = self.try_next()? {
                return Ok(entry);
            }
            let next = self.next;
            let head = self.head.wait_for(|head| head.offset > next || !head.open).await;
            match head {
                Ok(head) if head.offset > next => {}
                _ => return Err(Error::LogClosed),
            }
        }
    }

    /// The next entry, if one is durable.
    ///
    /// # Errors
    /// The disk cannot be read, or the offset was trimmed away before it was read. Damaged records
    /// are no error: they come as rejected records, each at its own offset.
    pub fn try_next(&mut self) -> Result<Option<LogEntry>> {
        let head = self.shared.head();
        while self.next < head {
            if let Some(missing) = &mut self.missing {
                if let Some(entry) = missing.next_entry() {
                    self.next = entry.next();
                    return Ok(Some(entry));
                }
                self.missing = None;
                continue;
            }
            let Some(place) = self.place()? else { continue };
            if let Some(entry) = self.step(place, head)? {
                self.next = entry.next();
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The segment that is being read, opened if need be; `None` where it was trimmed behind the
    /// reader and the next is to be opened.
    fn place(&mut self) -> Result<Option<Place>> {
        if let Some(segment) = &self.segment {
            let place = self.shared.segments.at(segment.first);
            if place.is_none() {
                self.segment = None;
            }
            return Ok(place);
        }
        let place = self.shared.segments.holding(self.next).ok_or_else(|| self.trimmed())?;
        self.open(place.first)?;
        Ok(Some(place))
    }

    fn trimmed(&self) -> Error {
        let (tail, head) = (self.shared.segments.tail(), self.shared.head());
        Error::OffsetUnknown { wanted: self.next, tail, head }
    }

    fn open(&mut self, first: Offset) -> Result<()> {
        let path = self.shared.dir.join(segment_name(first));
        let file = self.shared.fs.open(&path, false).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                return self.trimmed();
            }
            Error::Io { action: "open", path: path.clone(), source }
        })?;
        let start = beginning(&*file, first).map_err(|source| Error::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let marker = match start {
            Beginning::Header(header) => Some(header.marker),
            Beginning::FirstFrame(marker) => Some(marker),
            Beginning::Damaged => None,
            Beginning::Newer(version) => {
                return Err(Error::Newer { path, found: u64::from(version), known: u64::from(VERSION) });
            }
        };
        self.segment = Some(OpenSegment { first, file, marker, at: FIRST_FRAME, due: first });
        Ok(())
    }

    /// Goes one frame, or one stretch of damage, further.
    fn step(&mut self, place: Place, head: Offset) -> Result<Option<LogEntry>> {
        let Some(segment) = &mut self.segment else { return Ok(None) };
        if segment.at >= place.len {
            return self.leave(place, head);
        }
        let failed = read_failed(&self.shared, segment.first);
        let found = match segment.marker {
            None => Found::Nothing(segment.at..place.len, None),
            Some(marker) => {
                let frames = Frames { file: &*segment.file, marker, limit: place.len };
                let mut step = frames.step(segment.at, segment.due).map_err(&failed)?;
                if matches!(step, Step::Lost(_)) {
                    // It may have been the way from the disk to here: believe it the second time.
                    step = frames.step(segment.at, segment.due).map_err(&failed)?;
                }
                match step {
                    Step::Frame(header) => Found::Frame(header),
                    Step::Lost(lost) => Found::Nothing(lost.bytes, lost.next),
                }
            }
        };
        drop(failed);
        match found {
            Found::Frame(header) => self.frame(&header),
            Found::Nothing(bytes, next) => {
                let next = next.or(place.next).unwrap_or(head);
                self.skip(bytes, next, "there is no right frame")?;
                Ok(None)
            }
        }
    }

    /// Takes the frame at hand, if it is wanted.
    fn frame(&mut self, header: &FrameHeader) -> Result<Option<LogEntry>> {
        let Some(segment) = &mut self.segment else { return Ok(None) };
        let bytes = segment.at..segment.at + header.frame_len();
        if header.kind == Kind::Seal || header.next() <= self.next {
            segment.at = bytes.end;
            segment.due = header.next();
            return Ok(None);
        }
        let mut body = read_body(&self.shared, segment, header)?;
        if !matches!(body, Body::Whole(_)) {
            body = read_body(&self.shared, segment, header)?;
        }
        match body {
            Body::Damaged => {
                self.skip(bytes, header.next(), "the frame's list of records is damaged")?;
                return Ok(None);
            }
            Body::DataDamaged(_) => {
                add(&self.shared.counters.damaged_records, u64::from(header.records));
                tracing::error!(
                    segment = segment_name(segment.first),
                    position = bytes.start,
                    records = header.records,
                    "damaged records in the log become dead letters"
                );
            }
            Body::Whole(_) => {}
        }
        segment.at = bytes.end;
        segment.due = header.next();
        let entry = match body {
            Body::Whole(batch) | Body::DataDamaged(batch) => LogEntry { first: header.first, batch },
            Body::Damaged => return Ok(None),
        };
        Ok(Some(entry.starting_at(self.next)))
    }

    /// Goes from the end of a segment to the beginning of the next.
    fn leave(&mut self, place: Place, head: Offset) -> Result<Option<LogEntry>> {
        let next = place.next.unwrap_or(head);
        if self.segment.as_ref().is_some_and(|segment| segment.due < next) {
            self.skip(place.len..place.len, next, "offsets are missing before the next segment")?;
        }
        if let Some(next) = place.next {
            self.open(next)?;
        }
        Ok(None)
    }

    /// Passes over `bytes`, up to offset `next`; the offsets between become rejected records.
    fn skip(&mut self, bytes: Range<u64>, next: Offset, problem: &'static str) -> Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let offsets = segment.due.max(self.next)..next;
        segment.at = bytes.end;
        segment.due = next;
        if offsets.is_empty() {
            return Ok(());
        }
        let missing =
            Missing::read(&*segment.file, segment.first, bytes, offsets, problem, &self.shared.dir)?;
        add(&self.shared.counters.damaged_records, missing.count());
        missing.report();
        self.missing = Some(missing);
        Ok(())
    }
}

enum Found {
    Frame(FrameHeader),
    Nothing(Range<u64>, Option<Offset>),
}

fn read_failed(shared: &OpenLog, first: Offset) -> impl Fn(std::io::Error) -> Error {
    let path = shared.dir.join(segment_name(first));
    move |source| Error::Io { action: "read", path: path.clone(), source }
}

/// Reads the body of the frame at hand.
fn read_body(shared: &OpenLog, segment: &OpenSegment, header: &FrameHeader) -> Result<Body> {
    let (meta_len, data_len) = (header.meta_len as usize, header.data_len as usize);
    let mut bytes = vec![0; meta_len + data_len];
    let at = segment.at + FRAME_HEADER as u64;
    segment.file.read_exact_at(&mut bytes, at).map_err(read_failed(shared, segment.first))?;
    let (meta, data) = bytes.split_at_checked(meta_len).unwrap_or_default();
    Ok(decode_body(header, meta, data, &shared.compression, || {
        format!("damaged in the log, segment `{}` at byte {}", segment_name(segment.first), segment.at)
    }))
}
