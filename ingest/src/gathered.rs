//! The records of a batch, while they still lie where the input was read to.
//!
//! A batch takes that memory over, so that no record is copied on its way from the input into the batch.

use event::{RawBatchBuilder, RawRecord};

use crate::split::{Place, Placed, Splitter};

/// Records in the order of the input.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// With the number of outer keys up to each.
    records: Vec<(Placed, usize)>,
    bytes: usize,
    /// Where the last record in the input ends.
    end: u64,
    is_held: bool,
}

impl Gathered {
    /// Adds the record that `splitter` has just given.
    #[inline]
    pub(crate) fn push(&mut self, record: Placed, splitter: &mut Splitter) {
        match &record.bytes {
            Place::Input(start, end) => {
                if !self.is_held {
                    splitter.hold(*start);
                    self.is_held = true;
                }
                self.bytes += (end - start) as usize;
                self.end = *end;
            }
            Place::Kept(kept) => self.bytes += kept.len(),
        }
        self.records.push((record, splitter.keep_outline()));
    }

    /// The number of records.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes of all records.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes
    }

    /// The batch, with the memory of `splitter` in which its records lie.
    pub(crate) fn finish(self, splitter: &mut Splitter) -> RawBatchBuilder {
        let (data, base) = if self.is_held { splitter.take(self.end) } else { (Vec::new(), 0) };
        let mut batch = RawBatchBuilder::over(data, splitter.take_outlines(), self.records.len());
        let mut keys = 0;
        for (Placed { bytes, number, reject }, keys_end) in self.records {
            let outline = keys..keys_end;
            keys = keys_end;
            let fits = match bytes {
                Place::Input(start, end) => {
                    let place = (start - base) as usize..(end - base) as usize;
                    batch.push_placed(place, number, reject.map(Into::into), outline)
                }
                Place::Kept(kept) => {
                    batch.push(RawRecord { bytes: &kept, number, reject: reject.as_deref() })
                }
            };
            debug_assert!(fits, "what is held has at most 2 GiB, and each place lies in it");
        }
        batch
    }
}
