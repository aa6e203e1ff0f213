//! A batch on its way into a frame, and back.

use event::RawBatch;

use super::compression::Compression;
use super::frame_header::{Codec, FrameHeader, Kind, MAX_DATA, MAX_META, MAX_RECORDS};
use super::meta::{self, Meta};
use crate::{Error, Result};

/// An encoded batch; the writer sets what depends on its place in the log.
#[derive(Debug)]
pub(super) struct Frame {
    /// The header, with `first` and `durable` still 0.
    pub(super) header: FrameHeader,
    /// The meta.
    pub(super) meta: Vec<u8>,
    /// The data as stored.
    pub(super) data: Vec<u8>,
}

impl Frame {
    /// Encodes `batch`.
    ///
    /// # Errors
    /// The batch is empty or over a limit of the format.
    pub(super) fn encode(batch: &RawBatch, compression: &Compression) -> Result<Self> {
        if batch.is_empty() {
            return Err(Error::BatchEmpty);
        }
        let records = within("records", batch.len(), MAX_RECORDS)?;
        let plain_len = within("bytes", batch.byte_len(), MAX_DATA)?;
        let meta = meta::encode(batch);
        let meta_len = within("bytes of names, places and reasons", meta.len(), MAX_META)?;
        let mut plain = compression.scratch();
        for record in batch.records() {
            plain.extend_from_slice(record.bytes);
        }
        let (codec, data) = compression.compress(plain);
        let header = FrameHeader {
            kind: Kind::Records,
            codec,
            meta_sum: crc32c::crc32c(&meta),
            data_sum: crc32c::crc32c(&data),
            first: 0,
            durable: 0,
            received_us: batch.received_us,
            records,
            meta_len,
            // Stored data is never longer than plain data.
            data_len: data.len() as u32,
            plain_len,
        };
        Ok(Self { header, meta, data })
    }

    /// The bytes that the frame takes in a segment.
    pub(super) fn len(&self) -> u64 {
        self.header.frame_len()
    }
}

fn within(what: &'static str, found: usize, limit: u32) -> Result<u32> {
    match u32::try_from(found) {
        Ok(found) if found <= limit => Ok(found),
        _ => Err(Error::BatchTooLarge { what, found: found as u64, limit: u64::from(limit) }),
    }
}

/// A frame's body against its header.
#[derive(Debug)]
pub(super) enum Body {
    /// The batch, as it was appended.
    Whole(RawBatch),
    /// Meta is right, data is not: the batch with each record rejected.
    DataDamaged(RawBatch),
    /// Not even meta is right.
    Damaged,
}

/// Reads a body of `meta` and `data`; `reason` tells in rejected records what happened and where.
pub(super) fn decode_body(
    header: &FrameHeader,
    meta: &[u8],
    data: &[u8],
    compression: &Compression,
    reason: impl FnOnce() -> String,
) -> Body {
    if crc32c::crc32c(meta) != header.meta_sum {
        return Body::Damaged;
    }
    let Some(meta) = Meta::decode(meta, header.records, header.plain_len) else { return Body::Damaged };
    let right = crc32c::crc32c(data) == header.data_sum;
    let batch = match header.codec {
        Codec::None if right => meta.batch(data, header.received_us),
        Codec::Zstd if right => compression
            .decompress(data, header.plain_len)
            .and_then(|plain| meta.batch(&plain, header.received_us)),
        Codec::None | Codec::Zstd => None,
    };
    if let Some(batch) = batch {
        return Body::Whole(batch);
    }
    let reason = reason();
    let damaged = match header.codec {
        Codec::None => meta.damaged_batch(data, header.received_us, &reason),
        Codec::Zstd => meta.damaged_whole(data, header.received_us, &reason),
    };
    damaged.map_or(Body::Damaged, Body::DataDamaged)
}

#[cfg(test)]
mod tests {
    use event::{LogType, RawBatchBuilder, RawRecord, SourceId};
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn batches()(
            records in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), any::<u64>(), prop::option::of(".{0,9}")), 1..50),
            source in "[a-z]{1,9}",
            origin in ".{0,30}",
            log_type in prop::option::of(prop::sample::select(LogType::ALL.to_vec())),
            received_us: i64,
            repeat in 1..30_usize,
        ) -> RawBatch {
            let mut builder = RawBatchBuilder::with_capacity(0);
            for (bytes, number, reject) in &records {
                let bytes = bytes.repeat(repeat);
                assert!(builder.push(RawRecord { bytes: &bytes, number: *number, reject: reject.as_deref() }));
            }
            builder.finish(SourceId::new(&source), log_type, origin, received_us)
        }
    }

    fn decode(frame: &Frame, compression: &Compression) -> Body {
        decode_body(&frame.header, &frame.meta, &frame.data, compression, || "damaged".into())
    }

    proptest! {
        #[test]
        fn batches_read_back(batch in batches()) {
            let compression = Compression::default();
            let frame = Frame::encode(&batch, &compression).unwrap();
            prop_assert!(frame.data.len() <= batch.byte_len());
            match decode(&frame, &compression) {
                Body::Whole(back) => prop_assert_eq!(back, batch),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn a_flipped_bit_is_never_a_batch(batch in batches(), place: prop::sample::Index, bit in 0..8_u32) {
            let compression = Compression::default();
            let mut frame = Frame::encode(&batch, &compression).unwrap();
            let place = place.index(frame.meta.len() + frame.data.len());
            let in_meta = place < frame.meta.len();
            let byte = match place.checked_sub(frame.meta.len()) {
                None => &mut frame.meta[place],
                Some(place) => &mut frame.data[place],
            };
            *byte ^= 1_u8 << bit;
            match decode(&frame, &compression) {
                Body::Whole(_) => prop_assert!(false, "not found"),
                Body::Damaged => prop_assert!(in_meta),
                Body::DataDamaged(damaged) => {
                    prop_assert!(!in_meta);
                    prop_assert_eq!(&damaged.source, &batch.source);
                    prop_assert_eq!(damaged.len(), batch.len());
                    prop_assert!(damaged.records().all(|record| record.reject == Some("damaged")));
                }
            }
        }
    }

    #[test]
    fn limits_are_named() {
        let compression = Compression::default();
        let empty = RawBatchBuilder::with_capacity(0).finish(SourceId::new("a"), None, String::new(), 0);
        assert!(matches!(Frame::encode(&empty, &compression), Err(Error::BatchEmpty)));
        let mut builder = RawBatchBuilder::with_capacity(0);
        for number in 0..=u64::from(MAX_RECORDS) {
            assert!(builder.push(RawRecord { bytes: b"", number, reject: None }));
        }
        let many = builder.finish(SourceId::new("a"), None, String::new(), 0);
        let error = Frame::encode(&many, &compression).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a batch has 1048577 records, the log takes at most 1048576; send smaller batches"
        );
        let mut builder = RawBatchBuilder::with_capacity(0);
        assert!(builder.push(RawRecord { bytes: &vec![b'x'; MAX_DATA as usize], number: 0, reject: None }));
        let largest = builder.finish(SourceId::new("a"), None, String::new(), 0);
        assert!(Frame::encode(&largest, &compression).is_ok());
        let mut builder = RawBatchBuilder::with_capacity(0);
        assert!(builder.push(RawRecord {
            bytes: &vec![b'x'; MAX_DATA as usize + 1],
            number: 0,
            reject: None
        }));
        let larger = builder.finish(SourceId::new("a"), None, String::new(), 0);
        assert!(matches!(
            Frame::encode(&larger, &compression),
            Err(Error::BatchTooLarge { what: "bytes", .. })
        ));
    }
}
