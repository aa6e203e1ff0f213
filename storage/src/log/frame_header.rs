//! The first 72 bytes of a frame (docs/log-format.md, "Frame").

use event::Offset;

use super::bytes_at::{u32_at, u64_at};
use super::segment_header::Marker;

/// The size of a frame's header.
pub(super) const FRAME_HEADER: usize = 72;

/// The most bytes of data in a frame, before and after compression.
pub(super) const MAX_DATA: u32 = 64 << 20;

/// The most bytes of meta in a frame.
pub(super) const MAX_META: u32 = 16 << 20;

/// The most records in a frame.
pub(super) const MAX_RECORDS: u32 = 1 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Records of one batch.
    Records,
    /// All before is durable.
    Seal,
}

/// How a frame's data is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// As it is.
    None,
    /// One zstd frame.
    Zstd,
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// What the frame is.
    pub(super) kind: Kind,
    /// How `data` is stored.
    pub(super) codec: Codec,
    /// CRC32C of `meta`.
    pub(super) meta_sum: u32,
    /// CRC32C of `data` as stored.
    pub(super) data_sum: u32,
    /// The offset of the first record; of a seal, the next offset.
    pub(super) first: Offset,
    /// Below this position the segment was synced before this frame was written.
    pub(super) durable: u64,
    /// When the records were received, microseconds since 1970.
    pub(super) received_us: i64,
    /// How many records.
    pub(super) records: u32,
    /// The bytes of `meta`.
    pub(super) meta_len: u32,
    /// The bytes of `data` as stored.
    pub(super) data_len: u32,
    /// The bytes of `data` before compression.
    pub(super) plain_len: u32,
}

impl FrameHeader {
    /// A seal at position `durable` of its segment.
    pub(super) fn seal(next: Offset, durable: u64) -> Self {
        Self {
            kind: Kind::Seal,
            codec: Codec::None,
            meta_sum: 0,
            data_sum: 0,
            first: next,
            durable,
            received_us: 0,
            records: 0,
            meta_len: 0,
            data_len: 0,
            plain_len: 0,
        }
    }

    /// Whether this header can have been written at position `at`; a copy elsewhere has not.
    pub(super) fn may_lie_at(&self, at: u64) -> bool {
        match self.kind {
            Kind::Records => self.durable <= at,
            Kind::Seal => self.durable == at,
        }
    }

    /// The bytes of the whole frame.
    pub(super) fn frame_len(&self) -> u64 {
        FRAME_HEADER as u64 + u64::from(self.meta_len) + u64::from(self.data_len)
    }

    /// The offset after the frame.
    pub(super) fn next(&self) -> Offset {
        // `decode` and the writer have made sure that it fits.
        self.first.saturating_add(u64::from(self.records))
    }

    /// The bytes on disk.
    pub(super) fn encode(&self, marker: &Marker) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        bytes[0..16].copy_from_slice(marker);
        bytes[20..24].copy_from_slice(&self.meta_sum.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.data_sum.to_le_bytes());
        bytes[28] = match self.kind {
            Kind::Records => 1,
            Kind::Seal => 2,
        };
        bytes[29] = match self.codec {
            Codec::None => 0,
            Codec::Zstd => 1,
        };
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.durable.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.received_us.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.records.to_le_bytes());
        bytes[60..64].copy_from_slice(&self.meta_len.to_le_bytes());
        bytes[64..68].copy_from_slice(&self.data_len.to_le_bytes());
        bytes[68..72].copy_from_slice(&self.plain_len.to_le_bytes());
        let sum = checksum(&bytes);
        bytes[16..20].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes on disk; `None` if they are no right header of this segment. Every number in
    /// the result is within the format's limits.
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER], marker: &Marker) -> Option<Self> {
        if &bytes[0..16] != marker || u32_at(bytes, 16) != checksum(bytes) || bytes[30..32] != [0, 0] {
            return None;
        }
        let kind = match bytes[28] {
            1 => Kind::Records,
            2 => Kind::Seal,
            _ => return None,
        };
        let codec = match bytes[29] {
            0 => Codec::None,
            1 => Codec::Zstd,
            _ => return None,
        };
        let header = Self {
            kind,
            codec,
            meta_sum: u32_at(bytes, 20),
            data_sum: u32_at(bytes, 24),
            first: u64_at(bytes, 32),
            durable: u64_at(bytes, 40),
            received_us: u64_at(bytes, 48).cast_signed(),
            records: u32_at(bytes, 56),
            meta_len: u32_at(bytes, 60),
            data_len: u32_at(bytes, 64),
            plain_len: u32_at(bytes, 68),
        };
        header.within_limits().then_some(header)
    }

    fn within_limits(&self) -> bool {
        let shape = match self.kind {
            Kind::Seal => {
                self.records == 0 && self.meta_len == 0 && self.data_len == 0 && self.plain_len == 0
            }
            Kind::Records => (1..=MAX_RECORDS).contains(&self.records),
        };
        let plain = self.codec != Codec::None || self.plain_len == self.data_len;
        shape
            && plain
            && self.meta_len <= MAX_META
            && self.data_len <= MAX_DATA
            && self.plain_len <= MAX_DATA
            && self.first.checked_add(u64::from(self.records)).is_some()
    }
}

/// The marker of the segment whose first frame has these bytes, if they are a right header by
/// themselves: the way back to a segment whose own header is damaged.
pub(super) fn marker_of(bytes: &[u8; FRAME_HEADER]) -> Option<(Marker, FrameHeader)> {
    let mut marker = [0; 16];
    marker.copy_from_slice(&bytes[0..16]);
    FrameHeader::decode(bytes, &marker).map(|header| (marker, header))
}

fn checksum(bytes: &[u8; FRAME_HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..16]), &bytes[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: Marker = *b"0123456789abcdef";

    fn header() -> FrameHeader {
        FrameHeader {
            kind: Kind::Records,
            codec: Codec::Zstd,
            meta_sum: 1,
            data_sum: 2,
            first: u64::from(u32::MAX),
            durable: 64,
            received_us: -5,
            records: MAX_RECORDS,
            meta_len: MAX_META,
            data_len: 4,
            plain_len: MAX_DATA,
        }
    }

    #[test]
    fn reads_back_at_the_limits() {
        let bytes = header().encode(&MARKER);
        assert_eq!(FrameHeader::decode(&bytes, &MARKER), Some(header()));
        assert_eq!(header().next(), u64::from(u32::MAX) + u64::from(MAX_RECORDS));
        let seal = FrameHeader::seal(u64::MAX, u64::MAX);
        assert_eq!(FrameHeader::decode(&seal.encode(&MARKER), &MARKER), Some(seal));
        assert_eq!(marker_of(&bytes), Some((MARKER, header())));
    }

    #[test]
    fn beyond_the_limits_is_no_header() {
        let wrong = [
            FrameHeader { records: 0, ..header() },
            FrameHeader { records: MAX_RECORDS + 1, ..header() },
            FrameHeader { meta_len: MAX_META + 1, ..header() },
            FrameHeader { data_len: MAX_DATA + 1, ..header() },
            FrameHeader { plain_len: MAX_DATA + 1, ..header() },
            FrameHeader { codec: Codec::None, ..header() },
            FrameHeader { first: u64::MAX, ..header() },
            FrameHeader { kind: Kind::Seal, ..header() },
        ];
        for header in wrong {
            assert_eq!(FrameHeader::decode(&header.encode(&MARKER), &MARKER), None, "{header:?}");
        }
    }

    #[test]
    fn one_flipped_bit_is_found() {
        let bytes = header().encode(&MARKER);
        for bit in 0..FRAME_HEADER * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&flipped, &MARKER), None, "bit {bit}");
        }
    }
}
