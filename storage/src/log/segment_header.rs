//! The first 64 bytes of a segment (docs/log-format.md, "Segment").

use event::Offset;

use super::bytes_at::{u32_at, u64_at};

/// The size of a segment's header.
pub(super) const SEGMENT_HEADER: usize = 64;

/// The format version that this code writes.
pub(super) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"SGLASSLG";

/// What opens every frame of one segment: random bytes that nobody who writes records knows.
pub(super) type Marker = [u8; 16];

/// A segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The offset of the first record.
    pub(super) first: Offset,
    /// Opens every frame.
    pub(super) marker: Marker,
}

/// Why 64 bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// A right header of a version that is not known here.
    Newer(u32),
    /// Anything else.
    Damaged,
}

impl SegmentHeader {
    /// A header with a fresh marker.
    pub(super) fn new(first: Offset) -> Self {
        Self { first, marker: uuid::Uuid::new_v4().into_bytes() }
    }

    /// The bytes on disk.
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.marker);
        let sum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes on disk.
    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Result<Self, NoHeader> {
        if &bytes[0..8] != MAGIC || u32_at(bytes, 12) != checksum(bytes) {
            return Err(NoHeader::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            return Err(NoHeader::Newer(version));
        }
        if version == 0 || bytes[40..].iter().any(|byte| *byte != 0) {
            return Err(NoHeader::Damaged);
        }
        let mut marker = [0; 16];
        marker.copy_from_slice(&bytes[24..40]);
        Ok(Self { first: u64_at(bytes, 16), marker })
    }
}

fn checksum(bytes: &[u8; SEGMENT_HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

/// A segment's file name.
pub(super) fn segment_name(first: Offset) -> String {
    format!("{first:020}.log")
}

/// The first offset of the segment with this name; `None` for other names.
pub(super) fn segment_first(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(".log")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_sort_as_numbers() {
        for first in [0, 1, 99, u64::from(u32::MAX) + 1, u64::MAX] {
            assert_eq!(segment_first(&segment_name(first)), Some(first));
        }
        for name in ["LOCK", "1.log", "99999999999999999999.log", "+0000000000000000001.log", "x.log"] {
            assert_eq!(segment_first(name), None, "{name}");
        }
    }

    #[test]
    fn one_flipped_bit_is_found() {
        let header = SegmentHeader::new(7);
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), Err(NoHeader::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = SegmentHeader::new(7).encode();
        bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
        let sum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(NoHeader::Newer(9)));
    }
}
