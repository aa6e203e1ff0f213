//! Offsets whose records are gone: each becomes a rejected record, so that all are accounted for.

use std::ops::Range;
use std::path::Path;

use event::Offset;

use super::entry::LogEntry;
use super::fs::SegmentFile;
use super::segment_header::segment_name;
use crate::{Error, Result};

/// The most rejected records in one entry.
const ENTRY_RECORDS: u64 = 4096;

/// The most damaged bytes that are kept for a human eye.
const KEEP_BYTES: u64 = 16 << 20;

/// More missing offsets than this are not believed.
const MAX_MISSING: u64 = 1 << 32;

/// A run of offsets that no right frame holds.
#[derive(Debug)]
pub(super) struct Missing {
    offsets: Range<Offset>,
    /// What lies in their place.
    bytes: Vec<u8>,
    /// Segment and position, as a record's origin.
    place: String,
    reason: String,
}

impl Missing {
    /// Keeps what lies in the place of `offsets`.
    pub(super) fn read(
        file: &dyn SegmentFile,
        segment: Offset,
        bytes: Range<u64>,
        offsets: Range<Offset>,
        problem: &'static str,
        dir: &Path,
    ) -> Result<Self> {
        let name = segment_name(segment);
        if offsets.end - offsets.start > MAX_MISSING {
            return Err(Error::LogDamaged {
                path: dir.join(name),
                position: bytes.start,
                problem: format!("{problem}: offsets {}..{}", offsets.start, offsets.end),
            });
        }
        let keep = (bytes.end - bytes.start).min(KEEP_BYTES);
        let mut kept = vec![0; keep as usize];
        file.read_exact_at(&mut kept, bytes.start).map_err(|source| Error::Io {
            action: "read",
            path: dir.join(&name),
            source,
        })?;
        let place = format!("{name}@{}", bytes.start);
        let reason =
            format!("damaged in the log, segment `{name}` bytes {}..{}: {problem}", bytes.start, bytes.end);
        Ok(Self { offsets, bytes: kept, place, reason })
    }

    /// How many records are missing.
    pub(super) fn count(&self) -> u64 {
        self.offsets.end - self.offsets.start
    }

    pub(super) fn report(&self) {
        let Self { offsets, reason, .. } = self;
        tracing::error!(
            first = offsets.start,
            records = self.count(),
            reason,
            "records lost in the log become dead letters"
        );
    }

    /// The next of them as an entry; `None` when all are out.
    pub(super) fn next_entry(&mut self) -> Option<LogEntry> {
        let first = self.offsets.start;
        let count = self.count().min(ENTRY_RECORDS);
        if count == 0 {
            return None;
        }
        self.offsets.start += count;
        let bytes = std::mem::take(&mut self.bytes);
        Some(LogEntry::lost(first, count as u32, &bytes, self.place.clone(), &self.reason))
    }
}
