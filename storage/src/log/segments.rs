//! Which segments there are, for the writer, the readers and trimming.

use std::collections::BTreeMap;
use std::ops::Bound;

use event::Offset;
use parking_lot::Mutex;

/// First offset and durable length of every segment. There is always at least one.
#[derive(Debug)]
pub(super) struct Segments {
    lengths: Mutex<BTreeMap<Offset, u64>>,
}

/// A segment and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment's first offset.
    pub(super) first: Offset,
    /// Its durable length.
    pub(super) len: u64,
    /// The first offset of the next segment.
    pub(super) next: Option<Offset>,
}

impl Segments {
    pub(super) fn new(lengths: BTreeMap<Offset, u64>) -> Self {
        Self { lengths: Mutex::new(lengths) }
    }

    /// Adds a segment, or notes that one has grown.
    pub(super) fn set(&self, first: Offset, len: u64) {
        self.lengths.lock().insert(first, len);
    }

    /// Forgets a deleted segment.
    pub(super) fn forget(&self, first: Offset) {
        self.lengths.lock().remove(&first);
    }

    /// The oldest offset.
    pub(super) fn tail(&self) -> Offset {
        self.lengths.lock().keys().next().copied().unwrap_or_default()
    }

    /// How many segments, and their bytes.
    pub(super) fn totals(&self) -> (usize, u64) {
        let lengths = self.lengths.lock();
        (lengths.len(), lengths.values().sum())
    }

    /// The segment that holds `offset`, if it is not older than all.
    pub(super) fn holding(&self, offset: Offset) -> Option<Place> {
        let lengths = self.lengths.lock();
        let (first, len) = lengths.range(..=offset).next_back()?;
        Some(place(&lengths, *first, *len))
    }

    /// The segment that starts at `first`, if it is still there.
    pub(super) fn at(&self, first: Offset) -> Option<Place> {
        let lengths = self.lengths.lock();
        lengths.get(&first).map(|len| place(&lengths, first, *len))
    }

    /// The oldest segment, if all of it lies below `before` and it is not the newest.
    pub(super) fn oldest_below(&self, before: Offset) -> Option<Offset> {
        let lengths = self.lengths.lock();
        let mut firsts = lengths.keys();
        let (oldest, next) = (firsts.next()?, firsts.next()?);
        (*next <= before).then_some(*oldest)
    }
}

fn place(lengths: &BTreeMap<Offset, u64>, first: Offset, len: u64) -> Place {
    let mut later = lengths.range((Bound::Excluded(first), Bound::Unbounded));
    Place { first, len, next: later.next().map(|(next, _)| *next) }
}
