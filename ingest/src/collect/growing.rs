//! A thing that grows, such as a log file or an append blob: read from a mark on, and cut into records.
//!
//! A mark lies between two records and outside any list, so that a reader that begins there cuts the same
//! records as one that came by. Where it is asked for ([`Growing::in_lists`]) it may also lie in the list of a
//! container: flow logs of Azure are `{"records":[` and `]}` around blocks, and a new block goes before the
//! `]}`, so everything but that end stays as it is. A mark holds a checksum of the bytes before it: what stood there must still
//! stand there, otherwise the thing is another one.

use std::io::{self, Read};

use event::{RawBatchBuilder, RawRecord};

use crate::decode::{Chunk, Decoder};
use crate::{Error, Limits, Result, Splitter};

/// What is read at once.
const READ_BYTES: usize = 256 << 10;

/// How many bytes before a mark its checksum covers.
pub(super) const TAIL_BYTES: usize = 4 << 10;

/// What a mark lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Within {
    #[default]
    Nothing,
    /// The list of a container.
    List,
    /// The same; what followed was read to the end of the thing, and was the container's end.
    EndedList,
}

/// How far a thing was read; of a compressed one the offset counts inflated bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// The first byte that is not part of a record that was handed out.
    pub(super) offset: u64,
    /// The number of the next record.
    pub(super) number: u64,
    /// CRC-32C of the [`TAIL_BYTES`] bytes before, or of as many as there are.
    pub(super) crc: u32,
    pub(super) within: Within,
}

impl Mark {
    /// How many bytes the checksum covers.
    pub(super) fn tail_bytes(&self) -> usize {
        usize::try_from(self.offset).unwrap_or(usize::MAX).min(TAIL_BYTES)
    }
}

/// A reader of one growing thing.
#[derive(Debug)]
pub(super) struct Growing {
    decoder: Decoder,
    splitter: Splitter,
    limits: Limits,
    mark: Mark,
    /// How many bytes the splitter has, from the beginning of the thing.
    fed: u64,
    /// The last of them.
    window: Vec<u8>,
    is_refused: bool,
    is_end: bool,
    /// Whether marks may lie in a list.
    in_lists: bool,
    /// Told once the records before it are handed out.
    failed: Option<Error>,
}

impl Growing {
    /// Reads from the beginning, compressed or plain.
    pub(super) fn new(read: Box<dyn Read + Send>, limits: &Limits) -> Self {
        Self::start(Decoder::new(read, limits.clone()), limits, Mark::default(), Vec::new())
    }

    /// Goes on at `mark` in plain bytes; `read` begins [`Mark::tail_bytes`] before it. `None`: there stands
    /// something else now.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn resume(
        read: Box<dyn Read + Send>,
        limits: &Limits,
        mark: Mark,
    ) -> io::Result<Option<Self>> {
        let decoder = Decoder::plain(read, limits.clone());
        Self::skip(decoder, limits, mark, mark.tail_bytes() as u64)
    }

    /// Goes on at `mark` in something compressed; `read` begins at its beginning.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn resume_inflated(
        read: Box<dyn Read + Send>,
        limits: &Limits,
        mark: Mark,
    ) -> io::Result<Option<Self>> {
        Self::skip(Decoder::new(read, limits.clone()), limits, mark, mark.offset)
    }

    fn skip(mut decoder: Decoder, limits: &Limits, mark: Mark, mut left: u64) -> io::Result<Option<Self>> {
        let mut tail: Vec<u8> = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BYTES);
            let Some(space) = buffer.get_mut(..wanted) else { return Ok(None) };
            let Chunk::Bytes(count) = decoder.read(space)? else { return Ok(None) };
            tail.extend_from_slice(space.get(..count).unwrap_or_default());
            tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
            left -= count as u64;
        }
        let is_same = crc32c::crc32c(&tail) == mark.crc;
        Ok(is_same.then(|| Self::start(decoder, limits, mark, tail)))
    }

    fn start(decoder: Decoder, limits: &Limits, mark: Mark, window: Vec<u8>) -> Self {
        Self {
            decoder,
            splitter: match mark.within {
                Within::Nothing => Splitter::resume(limits.record_bytes, mark.offset, mark.number),
                _ => Splitter::resume_in_list(limits.record_bytes, mark.offset, mark.number),
            },
            limits: limits.clone(),
            mark,
            fed: mark.offset,
            window,
            is_refused: false,
            is_end: false,
            in_lists: false,
            failed: None,
        }
    }

    /// Lets marks lie in the list of a container.
    #[must_use]
    pub(super) fn in_lists(mut self) -> Self {
        self.in_lists = true;
        self
    }

    /// Where a reader would go on after what was handed out. Inside a list it stays before the list, unless
    /// [`in_lists`](Self::in_lists) says otherwise.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether the bytes are read as they are; known after the first read.
    pub(super) fn is_plain(&self) -> bool {
        self.decoder.is_plain()
    }

    /// Whether something was read that is not handed out: the beginning of a record.
    pub(super) fn is_inside_record(&self) -> bool {
        self.fed > self.mark.offset && self.mark.within != Within::EndedList
    }

    /// The last bytes that were read, and where they end.
    pub(super) fn tail(&self) -> (&[u8], u64) {
        let start = self.window.len().saturating_sub(TAIL_BYTES);
        (self.window.get(start..).unwrap_or_default(), self.fed)
    }

    /// Takes what was read as all there is: what is torn is handed out as rejects.
    pub(super) fn finish(&mut self) {
        self.end(None);
    }

    /// The next records. `None`: nothing more for now, or, of something compressed, at all.
    ///
    /// # Errors
    /// [`Error::Read`]; what was read before it was handed out, and another try may begin at
    /// [`mark`](Self::mark).
    pub(super) fn next_batch(&mut self) -> Result<Option<RawBatchBuilder>> {
        let mut batch = RawBatchBuilder::with_capacity(0);
        loop {
            while let Some(record) = self.splitter.next_record() {
                // A batch takes 4 GiB, and a record has at most 1.
                let fits = batch.push(RawRecord { ..record });
                debug_assert!(fits, "a batch is handed out long before it is full");
                if batch.byte_len() >= self.limits.batch_bytes || batch.len() >= self.limits.batch_records {
                    self.set_mark();
                    return Ok(Some(batch));
                }
            }
            self.set_mark();
            if let Some(error) = self.failed.take_if(|_| batch.is_empty()) {
                return Err(error);
            }
            if self.is_end || self.failed.is_some() || !self.read() {
                return Ok((!batch.is_empty()).then_some(batch));
            }
        }
    }

    /// Reads on; `false`: there is nothing more for now.
    fn read(&mut self) -> bool {
        // Never more, so that the bytes before the mark stay at hand.
        let space = self.splitter.space(READ_BYTES).get_mut(..READ_BYTES).unwrap_or_default();
        let chunk = match self.decoder.read(space) {
            Ok(chunk) => chunk,
            Err(source) => {
                self.failed = Some(Error::Read { at: self.fed, source });
                return true;
            }
        };
        let (count, refusal) = match chunk {
            Chunk::Bytes(count) => (count, None),
            Chunk::Foreign(count, reason) => (count, Some(reason)),
            Chunk::End if self.decoder.is_plain() && !self.is_refused => return false,
            Chunk::End => {
                self.end(None);
                return true;
            }
            Chunk::Damaged(reason) => {
                self.end(Some(reason));
                return true;
            }
        };
        self.window.extend_from_slice(space.get(..count).unwrap_or_default());
        if self.window.len() > TAIL_BYTES + 4 * READ_BYTES {
            self.window.drain(..self.window.len() - TAIL_BYTES - 2 * READ_BYTES);
        }
        if let Some(reason) = refusal {
            self.is_refused = true;
            self.splitter.refuse(reason);
        }
        self.splitter.filled(count);
        self.fed += count as u64;
        true
    }

    fn end(&mut self, damage: Option<String>) {
        self.is_end = true;
        self.splitter.finish(damage);
    }

    /// Moves the mark, if the splitter rests and the bytes before are at hand for the checksum. They are
    /// not after a broken record of more than 512 KiB; the next record moves the mark then.
    fn set_mark(&mut self) {
        let outside = self.splitter.rest();
        let in_list = self.splitter.list_rest().filter(|_| self.in_lists && !self.is_end);
        let is_all = outside.is_some_and(|(offset, _)| offset == self.fed);
        let within = match in_list {
            Some(_) if is_all => Within::EndedList,
            Some(_) => Within::List,
            None => Within::Nothing,
        };
        let Some((offset, number)) = in_list.or(outside) else { return };
        let mark = Mark { offset, number, crc: 0, within };
        let behind = usize::try_from(self.fed.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(end) = self.window.len().checked_sub(behind) else { return };
        let Some(start) = end.checked_sub(mark.tail_bytes()) else { return };
        let crc = crc32c::crc32c(self.window.get(start..end).unwrap_or_default());
        self.mark = Mark { crc, ..mark };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use event::SourceId;
    use proptest::prelude::*;

    use super::*;

    /// The records of the next batches, with their numbers, until there is nothing more.
    fn drain(growing: &mut Growing) -> Vec<(u64, String)> {
        let mut records = Vec::new();
        while let Some(batch) = growing.next_batch().unwrap() {
            let batch = batch.finish(SourceId::new("test"), None, "test".into(), 0);
            records.extend(
                batch
                    .records()
                    .map(|record| (record.number, String::from_utf8_lossy(record.bytes).into_owned())),
            );
        }
        records
    }

    fn limits() -> Limits {
        Limits { record_bytes: 1000, batch_records: 2, ..Limits::default() }
    }

    fn from_mark(bytes: &[u8], mark: Mark) -> Option<Growing> {
        let start = usize::try_from(mark.offset).unwrap() - mark.tail_bytes();
        Growing::resume(Box::new(Cursor::new(bytes.get(start..)?.to_vec())), &limits(), mark).unwrap()
    }

    /// As Azure writes flow logs: new blocks go before the end.
    #[test]
    fn a_list_that_is_filled_at_its_end_is_read_once() {
        let blocks = ["{\"n\":0}", "{\"n\":1},{\"n\":2}", "{\"n\":3}"];
        let flow = |tuples: &str| {
            format!("{{\"flowRecords\":{{\"flows\":[{{\"flowGroups\":[{{\"flowTuples\":[{tuples}]}}]}}]}}}}")
        };
        let flows = flow("\"a\",\"b\",\"c\"");
        let all = [blocks.map(str::to_owned).to_vec(), vec![flows]].concat();
        let mut mark = Mark::default();
        let mut read = Vec::new();
        for count in 0..=all.len() {
            let whole = format!("{{\"records\":[{}]}}", all[..count].join(","));
            let growing = match count {
                // An empty list has no element that one could go on behind.
                0 | 1 => Growing::new(Box::new(Cursor::new(whole.clone().into_bytes())), &limits()),
                _ => from_mark(whole.as_bytes(), mark).unwrap(),
            };
            let mut growing = growing.in_lists();
            read.extend(drain(&mut growing));
            assert!(!growing.is_inside_record(), "{count}");
            // One that looks again finds nothing.
            mark = growing.mark();
            if count > 0 {
                assert_eq!(mark.within, Within::EndedList);
                let mut again = from_mark(whole.as_bytes(), mark).unwrap().in_lists();
                assert_eq!((drain(&mut again), again.mark()), (Vec::new(), mark));
                again.finish();
                assert_eq!((drain(&mut again), again.mark().offset), (Vec::new(), whole.len() as u64));
            }
            // A part of the next block alone is torn, and waits.
            if let Some(next) = all.get(count).filter(|_| count > 0) {
                let (open, next) = (whole.strip_suffix("]}").unwrap(), next.strip_suffix('}').unwrap());
                let torn = format!("{open},{next}");
                let mut torn = from_mark(torn.as_bytes(), mark).unwrap().in_lists();
                drain(&mut torn);
                assert!(torn.is_inside_record());
            }
        }
        let numbers: Vec<_> = read.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
        assert!(read[6].1.contains("[\"c\"]") && !read[6].1.contains("\"a\""), "{}", read[6].1);
    }

    #[test]
    fn what_is_torn_waits_for_the_rest() {
        let whole = b"{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n";
        let mut growing = Growing::new(Box::new(Cursor::new(whole[..20].to_vec())), &limits());
        assert_eq!(drain(&mut growing), [(0, "{\"a\":1}".into()), (1, "{\"b\":2}".into())]);
        assert_eq!((growing.mark().offset, growing.mark().number), (16, 2));
        assert!(growing.is_plain() && growing.is_inside_record());
        let mut rest = from_mark(whole, growing.mark()).unwrap();
        assert_eq!(drain(&mut rest), [(2, "{\"c\":3}".into())]);
        assert!(from_mark(b"{\"x\":1}\n{\"b\":2}\n{\"c\":3}\n", growing.mark()).is_none(), "others before");
        assert!(from_mark(&whole[..10], growing.mark()).is_none(), "shorter");
        growing.finish();
        assert_eq!(drain(&mut growing), [(2, "{\"c\"".into())], "torn");
        assert_eq!((growing.mark().offset, growing.is_inside_record()), (20, false));
    }

    #[test]
    fn a_mark_is_never_inside_a_list() {
        let whole = b"{\"Records\":[{\"a\":1},{\"b\":2},{\"c\":3}],\"x\":[1]}\n{\"d\":4}\n";
        let mut growing = Growing::new(Box::new(Cursor::new(whole.to_vec())), &limits());
        growing.next_batch().unwrap().unwrap();
        assert_eq!(growing.mark(), Mark::default());
        assert_eq!(drain(&mut growing), [(2, "{\"c\":3}".into()), (3, "{\"d\":4}".into())]);
        assert_eq!((growing.mark().offset, growing.mark().number), (whole.len() as u64, 4));
    }

    #[test]
    fn compressed_ones_resume_too() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let lines: String = (0..1000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        encoder.write_all(lines.as_bytes()).unwrap();
        let gzip = encoder.finish().unwrap();
        let mut plain = Growing::new(Box::new(Cursor::new(lines.as_bytes()[..8004].to_vec())), &limits());
        let read = drain(&mut plain);
        let open =
            |mark| Growing::resume_inflated(Box::new(Cursor::new(gzip.clone())), &limits(), mark).unwrap();
        let mut rest = open(plain.mark()).unwrap();
        let all = [read, drain(&mut rest)].concat();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().enumerate().all(|(n, record)| *record == (n as u64, format!("{{\"n\":{n}}}"))));
        assert!(!rest.is_plain());
        assert!(open(Mark { crc: 1, ..plain.mark() }).is_none());
    }

    #[test]
    fn foreign_bytes_are_one_reject() {
        let mut growing = Growing::new(Box::new(Cursor::new(b"PK\x03\x04 and more".to_vec())), &limits());
        assert_eq!(drain(&mut growing).len(), 1);
        assert_eq!(growing.mark().offset, 13);
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[a-z]{0,9}".prop_map(|text| format!("{{\"a\":\"{text}\"}}\n")),
            2 => "[a-z]{0,9}".prop_map(|text| format!("line {text}\n")),
            1 => Just("{\"Records\":[{\"a\":1},{\"b\":[2]}],\"c\":3}\n".to_owned()),
            1 => Just("[{\"a\":1},\n{\"a\":2}]\n".to_owned()),
            1 => Just("{\n  \"a\": {\n  }\n}\n".to_owned()),
            1 => Just("\n \n".to_owned()),
            1 => (900_usize..6000).prop_map(|length| format!("{{\"long\":\"{}\"}}\n", "x".repeat(length))),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        /// Stopping and going on at any mark, whatever was there then, gives the same records.
        #[test]
        fn any_stop_gives_the_same_records(
            text in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6), in_lists: bool,
        ) {
            let mut whole = Growing::new(Box::new(Cursor::new(text.clone())), &limits());
            let expected = drain(&mut whole);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut mark = Mark::default();
            let mut found = std::collections::BTreeMap::new();
            for cut in cuts {
                let mut growing = if mark.offset == 0 {
                    Growing::new(Box::new(Cursor::new(text[..cut].to_vec())), &limits())
                } else {
                    from_mark(&text[..cut], mark).unwrap()
                };
                growing.in_lists = in_lists;
                for (number, record) in drain(&mut growing) {
                    // Inside a list the mark stays before it, and the same come again.
                    let before = found.insert(number, record.clone());
                    prop_assert!(before.is_none_or(|before| before == record));
                }
                mark = growing.mark();
            }
            prop_assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
        }
    }
}
