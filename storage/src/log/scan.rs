//! Finding one's way through a segment's frames, past damage if need be.

use std::io;
use std::ops::Range;

use event::Offset;
use memchr::memmem;

use super::frame_header::{FRAME_HEADER, FrameHeader, marker_of};
use super::fs::ReadAt;
use super::segment_header::{Marker, NoHeader, SEGMENT_HEADER, SegmentHeader};

/// How much of a segment is looked at in one piece.
const CHUNK: usize = 256 << 10;

/// Frames begin here.
pub(super) const FIRST_FRAME: u64 = SEGMENT_HEADER as u64;

/// How a segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// With a right header.
    Header(SegmentHeader),
    /// With a damaged one, but the first frame gives the marker away.
    FirstFrame(Marker),
    /// With a header of this newer version.
    Newer(u32),
    /// With a damaged header and no right first frame.
    Damaged,
}

/// Looks at the beginning of the segment that should start at offset `first`.
pub(super) fn beginning(file: &dyn ReadAt, first: Offset) -> io::Result<Beginning> {
    let len = file.len()?;
    if len >= SEGMENT_HEADER as u64 {
        let mut bytes = [0; SEGMENT_HEADER];
        file.read_exact_at(&mut bytes, 0)?;
        match SegmentHeader::decode(&bytes) {
            Ok(header) if header.first == first => return Ok(Beginning::Header(header)),
            Err(NoHeader::Newer(version)) => return Ok(Beginning::Newer(version)),
            Ok(_) | Err(NoHeader::Damaged) => {}
        }
    }
    if len >= FIRST_FRAME + FRAME_HEADER as u64 {
        let mut bytes = [0; FRAME_HEADER];
        file.read_exact_at(&mut bytes, FIRST_FRAME)?;
        if let Some((marker, frame)) = marker_of(&bytes)
            && frame.first == first
        {
            return Ok(Beginning::FirstFrame(marker));
        }
    }
    Ok(Beginning::Damaged)
}

/// The part of a segment that may be read.
#[derive(Clone, Copy)]
pub(super) struct Frames<'a> {
    /// The segment.
    pub(super) file: &'a dyn ReadAt,
    /// What opens its frames.
    pub(super) marker: Marker,
    /// Nothing at or behind this position counts.
    pub(super) limit: u64,
}

/// What comes next in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A frame with a right header, whose first offset is the one that is due.
    Frame(FrameHeader),
    /// No right frame.
    Lost(Lost),
}

/// A place where a right frame is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// The bytes that are no right frame; may be empty.
    pub(super) bytes: Range<u64>,
    /// The offset of the next right frame, which begins where `bytes` end; `None` if there is none.
    pub(super) next: Option<Offset>,
}

impl Frames<'_> {
    /// What lies at position `at`, where offset `due` should begin.
    pub(super) fn step(&self, at: u64, due: Offset) -> io::Result<Step> {
        match self.header_at(at)? {
            Some(header) if header.first == due => Ok(Step::Frame(header)),
            Some(header) if header.first > due => {
                Ok(Step::Lost(Lost { bytes: at..at, next: Some(header.first) }))
            }
            _ => Ok(Step::Lost(self.resume(at, due)?)),
        }
    }

    /// The stretch from `at` to the next right frame behind it.
    fn resume(&self, at: u64, due: Offset) -> io::Result<Lost> {
        Ok(match self.search(at + 1, due)? {
            Some((end, header)) => Lost { bytes: at..end, next: Some(header.first) },
            None => Lost { bytes: at..self.limit.max(at), next: None },
        })
    }

    /// Whether the bytes at `at` had been synced: a frame behind them says so.
    pub(super) fn was_durable(&self, at: u64, due: Offset) -> io::Result<bool> {
        let mut from = at + 1;
        while let Some((found, header)) = self.search(from, due)? {
            if header.durable > at {
                return Ok(true);
            }
            from = found + 1;
        }
        Ok(false)
    }

    /// The right header at `at` whose frame ends within the limit, if there is one.
    pub(super) fn header_at(&self, at: u64) -> io::Result<Option<FrameHeader>> {
        if self.limit.saturating_sub(at) < FRAME_HEADER as u64 {
            return Ok(None);
        }
        let mut bytes = [0; FRAME_HEADER];
        self.file.read_exact_at(&mut bytes, at)?;
        let header = FrameHeader::decode(&bytes, &self.marker);
        Ok(header.filter(|header| header.may_lie_at(at) && header.frame_len() <= self.limit - at))
    }

    /// The first right header at or behind `from` that does not go back before offset `due`.
    fn search(&self, from: u64, due: Offset) -> io::Result<Option<(u64, FrameHeader)>> {
        let finder = memmem::Finder::new(&self.marker);
        let mut buffer = Vec::new();
        let mut at = from;
        while self.limit.saturating_sub(at) >= FRAME_HEADER as u64 {
            let len = usize::try_from(self.limit - at).unwrap_or(CHUNK).min(CHUNK);
            buffer.resize(len, 0);
            self.file.read_exact_at(&mut buffer, at)?;
            for hit in finder.find_iter(&buffer) {
                let place = at + hit as u64;
                if let Some(header) = self.header_at(place)?
                    && header.first >= due
                {
                    return Ok(Some((place, header)));
                }
            }
            // A marker may lie across two pieces.
            at += (len - (self.marker.len() - 1)) as u64;
        }
        Ok(None)
    }

    /// Whether the body of the frame at `at` has the checksums that its header says.
    pub(super) fn body_is_right(&self, at: u64, header: &FrameHeader) -> io::Result<bool> {
        let meta = at + FRAME_HEADER as u64;
        let data = meta + u64::from(header.meta_len);
        Ok(self.checksum(meta, header.meta_len)? == header.meta_sum
            && self.checksum(data, header.data_len)? == header.data_sum)
    }

    fn checksum(&self, at: u64, len: u32) -> io::Result<u32> {
        let mut buffer = vec![0; CHUNK.min(len as usize)];
        let (mut at, mut left) = (at, len as usize);
        let mut sum = 0;
        while left > 0 {
            buffer.truncate(left);
            self.file.read_exact_at(&mut buffer, at)?;
            sum = crc32c::crc32c_append(sum, &buffer);
            at += buffer.len() as u64;
            left -= buffer.len();
        }
        Ok(sum)
    }
}
