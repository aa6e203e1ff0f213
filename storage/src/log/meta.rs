//! The `meta` of a frame: what is common to its records, and where each of them lies.

use event::{LogType, RawBatch, RawBatchBuilder, RawRecord, SourceId};

/// Writes the meta of `batch`.
pub(super) fn encode(batch: &RawBatch) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + batch.origin.len() + batch.len() * 4);
    put_text(&mut out, batch.source.as_str());
    put_text(&mut out, batch.log_type.map_or("", LogType::as_str));
    put_text(&mut out, &batch.origin);
    let mut expected = 0_u64;
    for record in batch.records() {
        let rejected = u64::from(record.reject.is_some());
        put_varint(&mut out, (record.bytes.len() as u64) << 1 | rejected);
        put_varint(&mut out, zigzag(record.number.wrapping_sub(expected).cast_signed()));
        if let Some(reason) = record.reject {
            put_text(&mut out, reason);
        }
        expected = record.number.wrapping_add(1);
    }
    out
}

/// What a frame's meta says.
#[derive(Debug)]
pub(super) struct Meta<'a> {
    source: &'a str,
    log_type: Option<LogType>,
    origin: &'a str,
    spans: Vec<Span<'a>>,
}

#[derive(Debug)]
struct Span<'a> {
    len: usize,
    number: u64,
    reject: Option<&'a str>,
}

impl<'a> Meta<'a> {
    /// Reads the meta of a frame of `records` records that have `plain_len` bytes together; `None`
    /// if it is not right.
    pub(super) fn decode(bytes: &'a [u8], records: u32, plain_len: u32) -> Option<Self> {
        let mut input = Input { bytes };
        let source = input.text()?;
        // A later version's log type is no damage: the records are asked one by one.
        let log_type = input.text()?.parse().ok();
        let origin = input.text()?;
        // A record takes two bytes of meta at least, so a claim cannot make this allocate more.
        if records as usize > input.bytes.len() / 2 {
            return None;
        }
        let mut spans = Vec::with_capacity(records as usize);
        let mut expected = 0_u64;
        let mut total = 0_u64;
        for _ in 0..records {
            let len = input.varint()?;
            let number = expected.wrapping_add(unzigzag(input.varint()?).cast_unsigned());
            let reject = if len & 1 == 1 { Some(input.text()?) } else { None };
            total = total.checked_add(len >> 1).filter(|total| *total <= u64::from(plain_len))?;
            spans.push(Span { len: usize::try_from(len >> 1).ok()?, number, reject });
            expected = number.wrapping_add(1);
        }
        (input.bytes.is_empty() && total == u64::from(plain_len)).then_some(Self {
            source,
            log_type,
            origin,
            spans,
        })
    }

    /// The batch whose records lie one after another in `data`.
    pub(super) fn batch(&self, data: &[u8], received_us: i64) -> Option<RawBatch> {
        self.build(data, received_us, |span| span.reject)
    }

    /// As [`batch`](Self::batch), but every record is rejected for `reason`, since `data` is damaged.
    pub(super) fn damaged_batch(&self, data: &[u8], received_us: i64, reason: &str) -> Option<RawBatch> {
        self.build(data, received_us, |_| Some(reason))
    }

    /// As [`damaged_batch`](Self::damaged_batch), for data that cannot be taken apart: all of it
    /// goes to the first record.
    pub(super) fn damaged_whole(&self, data: &[u8], received_us: i64, reason: &str) -> Option<RawBatch> {
        let mut builder = RawBatchBuilder::with_capacity(data.len());
        let mut bytes = data;
        for span in &self.spans {
            if !builder.push(RawRecord { bytes, number: span.number, reject: Some(reason) }) {
                return None;
            }
            bytes = &[];
        }
        Some(self.finish(builder, received_us))
    }

    fn build<'b>(
        &'b self,
        data: &[u8],
        received_us: i64,
        reject: impl Fn(&Span<'a>) -> Option<&'b str>,
    ) -> Option<RawBatch> {
        let mut builder = RawBatchBuilder::with_capacity(data.len());
        let mut rest = data;
        for span in &self.spans {
            let (bytes, after) = rest.split_at_checked(span.len)?;
            if !builder.push(RawRecord { bytes, number: span.number, reject: reject(span) }) {
                return None;
            }
            rest = after;
        }
        Some(self.finish(builder, received_us))
    }

    fn finish(&self, builder: RawBatchBuilder, received_us: i64) -> RawBatch {
        builder.finish(SourceId::new(self.source), self.log_type, self.origin.to_owned(), received_us)
    }
}

// ---------------------------------------------------------------------------------------------

/// Bytes that are read from the front.
struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        std::str::from_utf8(text).ok()
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Small differences of either sign become small numbers.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(value: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_varint(&mut out, zigzag(signed));
            let mut input = Input { bytes: &out };
            prop_assert_eq!(input.varint(), Some(value));
            prop_assert_eq!(input.varint().map(unzigzag), Some(signed));
            prop_assert!(input.bytes.is_empty());
        }

        #[test]
        fn any_bytes_are_borne(bytes: Vec<u8>, records in 0..100_u32, len in 0..1000_u32) {
            if let Some(meta) = Meta::decode(&bytes, records, len) {
                let batch = meta.batch(&vec![0; len as usize], 0).unwrap();
                prop_assert_eq!(batch.len(), records as usize);
            }
        }
    }

    #[test]
    fn records_take_few_bytes() {
        let mut builder = RawBatchBuilder::with_capacity(0);
        for number in 1000..2000 {
            assert!(builder.push(RawRecord { bytes: &[0; 50], number, reject: None }));
        }
        let batch = builder.finish(SourceId::new("cli"), Some(LogType::GcpAudit), "a".into(), 0);
        let meta = encode(&batch);
        assert!(meta.len() < 2100, "{}", meta.len());
        let back = Meta::decode(&meta, 1000, 50_000).unwrap().batch(&vec![0; 50_000], 0).unwrap();
        assert_eq!(back, batch);
    }

    #[test]
    fn a_name_from_the_future_is_no_damage() {
        let mut meta = Vec::new();
        for text in ["cli", "vpc_flow", "a.gz"] {
            put_text(&mut meta, text);
        }
        put_varint(&mut meta, 2 << 1);
        put_varint(&mut meta, zigzag(7));
        let batch = Meta::decode(&meta, 1, 2).unwrap().batch(b"{}", 0).unwrap();
        assert_eq!((batch.log_type, batch.get(0).map(|record| record.number)), (None, Some(7)));
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        let mut bytes = vec![0xff; 9];
        bytes.push(1);
        assert_eq!(Input { bytes: &bytes }.varint(), Some(u64::MAX));
        bytes[9] = 2;
        assert_eq!(Input { bytes: &bytes }.varint(), None);
    }
}
