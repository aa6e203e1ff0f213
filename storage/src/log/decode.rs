//! A whole segment in memory, for tools and for the fuzzer: the same code that reads the disk.

use std::io;
use std::ops::Range;

use event::Offset;

use super::compression::Compression;
use super::entry::LogEntry;
use super::frame::{Body, decode_body};
use super::frame_header::{FRAME_HEADER, FrameHeader, Kind};
use super::scan::{Beginning, FIRST_FRAME, Frames, Step, beginning};
use super::segment_header::{SEGMENT_HEADER, SegmentHeader};

/// What [`decode_frames`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// How many frames of records were whole.
    pub whole: u64,
    /// Stretches of bytes that are no right frame, or whose body is damaged.
    pub damaged: Vec<Range<u64>>,
    /// The offset after the last right frame.
    pub next: Offset,
    /// Why nothing could be read at all.
    pub refused: Option<&'static str>,
}

/// Reads the bytes of one segment and hands each whole frame to `each`, in order. Bears any bytes;
/// takes at most the memory of one frame (64 MiB of data) at a time.
pub fn decode_frames(bytes: &[u8], each: impl FnMut(LogEntry)) -> Decoded {
    // Reading from memory cannot fail within its length, which `Frames` respects.
    decode(bytes, each)
        .unwrap_or_else(|_| Decoded { refused: Some("the segment is cut short"), ..Decoded::default() })
}

fn decode(bytes: &[u8], mut each: impl FnMut(LogEntry)) -> io::Result<Decoded> {
    let refused = |why| Ok(Decoded { refused: Some(why), ..Decoded::default() });
    let named = bytes.first_chunk::<SEGMENT_HEADER>().and_then(|header| SegmentHeader::decode(header).ok());
    let first = named.map_or(0, |header| header.first);
    let marker = match beginning(&bytes, first)? {
        Beginning::Header(header) => header.marker,
        Beginning::FirstFrame(marker) => marker,
        Beginning::Newer(_) => return refused("a newer version wrote the segment"),
        Beginning::Damaged => {
            return refused("the segment has neither a right header nor a right first frame");
        }
    };
    let frames = Frames { file: &bytes, marker, limit: bytes.len() as u64 };
    let compression = Compression::default();
    let mut decoded = Decoded { next: first, ..Decoded::default() };
    let mut at = FIRST_FRAME;
    while at < frames.limit {
        match frames.step(at, decoded.next)? {
            Step::Frame(header) => {
                let end = at + header.frame_len();
                match body(bytes, at, &header, &compression) {
                    Some(entry) => {
                        decoded.whole += 1;
                        each(entry);
                    }
                    None if header.kind == Kind::Seal => {}
                    None => decoded.damaged.push(at..end),
                }
                decoded.next = header.next();
                at = end;
            }
            Step::Lost(lost) => {
                at = lost.bytes.end;
                decoded.next = lost.next.unwrap_or(decoded.next);
                decoded.damaged.push(lost.bytes);
            }
        }
    }
    Ok(decoded)
}

fn body(bytes: &[u8], at: u64, header: &FrameHeader, compression: &Compression) -> Option<LogEntry> {
    if header.kind == Kind::Seal {
        return None;
    }
    let body = bytes.get(usize::try_from(at).ok()? + FRAME_HEADER..)?;
    let (meta, rest) = body.split_at_checked(header.meta_len as usize)?;
    let data = rest.get(..header.data_len as usize)?;
    match decode_body(header, meta, data, compression, String::new) {
        Body::Whole(batch) => Some(LogEntry { first: header.first, batch }),
        Body::DataDamaged(_) | Body::Damaged => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_borne(bytes: Vec<u8>, with_header: bool) {
            let header = SegmentHeader::new(3);
            let mut segment = if with_header { header.encode().to_vec() } else { Vec::new() };
            segment.extend_from_slice(&bytes);
            let decoded = decode_frames(&segment, |_| {});
            prop_assert_eq!(decoded.whole, 0);
        }

        /// Right headers and seals between bytes of any kind, as after damage.
        #[test]
        fn right_headers_among_any_bytes(parts in prop::collection::vec((any::<Vec<u8>>(), 0..50_u64, 0..3_u32), 0..20)) {
            let segment_header = SegmentHeader::new(0);
            let mut segment = segment_header.encode().to_vec();
            for (bytes, first, records) in parts {
                let len = bytes.len() as u32;
                let mut header = FrameHeader::seal(first, segment.len() as u64);
                if records > 0 {
                    header = FrameHeader { kind: Kind::Records, records, data_len: len, plain_len: len, ..header };
                }
                segment.extend_from_slice(&header.encode(&segment_header.marker));
                segment.extend_from_slice(&bytes);
            }
            let mut last = None;
            let decoded = decode_frames(&segment, |entry| {
                assert!(last.is_none_or(|last| last < entry.first));
                last = Some(entry.first);
            });
            prop_assert!(decoded.refused.is_none());
        }
    }
}
