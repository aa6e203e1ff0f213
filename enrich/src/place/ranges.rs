//! Networks and what lies in them, found by binary search.

/// An address as a number.
pub(super) trait Number: Copy + Ord {
    /// The next one, if there is one.
    fn next(self) -> Option<Self>;
    /// The one before, if there is one.
    fn before(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// A range as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<N> {
    pub(super) first: N,
    pub(super) last: N,
    /// What lies in it.
    pub(super) place: u32,
    /// Where it is written.
    pub(super) line: u32,
}

/// Ranges that do not meet, in order.
#[derive(Debug, Default)]
pub(super) struct Ranges<N> {
    firsts: Vec<N>,
    /// The last address and what lies in the range, for each of `firsts`.
    rests: Vec<(N, u32)>,
}

/// Two ranges of which neither lies in the other, or that are the same, by their lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) line: u32,
    pub(super) with: u32,
    pub(super) is_same: bool,
}

impl<N: Number> Ranges<N> {
    /// Ranges may lie in one another; the inner one counts.
    ///
    /// # Errors
    /// Ranges that overlap otherwise.
    pub(super) fn new(mut rows: Vec<Row<N>>) -> Result<Self, Clash> {
        rows.sort_by(|a, b| a.first.cmp(&b.first).then(b.last.cmp(&a.last)).then(a.line.cmp(&b.line)));
        let mut ranges =
            Self { firsts: Vec::with_capacity(rows.len()), rests: Vec::with_capacity(rows.len()) };
        // Those around the place where we are, the innermost last, and the first address that has no range yet.
        let mut around: Vec<Row<N>> = Vec::new();
        let mut free: Option<N> = None;
        for row in rows {
            while let Some(inner) = around.pop_if(|inner| inner.last < row.first) {
                free = ranges.end(&inner, free);
            }
            if let Some(outer) = around.last() {
                let is_same = (outer.first, outer.last) == (row.first, row.last);
                if is_same || row.last > outer.last {
                    return Err(Clash {
                        line: row.line.max(outer.line),
                        with: row.line.min(outer.line),
                        is_same,
                    });
                }
                if let (Some(from), Some(to)) = (free, row.first.before())
                    && from <= to
                {
                    ranges.push(from, to, outer.place);
                }
            }
            free = Some(row.first);
            around.push(row);
        }
        while let Some(inner) = around.pop() {
            free = ranges.end(&inner, free);
        }
        ranges.firsts.shrink_to_fit();
        ranges.rests.shrink_to_fit();
        Ok(ranges)
    }

    /// The rest of a range that is over; what is free after it.
    fn end(&mut self, row: &Row<N>, free: Option<N>) -> Option<N> {
        if let Some(from) = free
            && from <= row.last
        {
            self.push(from, row.last, row.place);
        }
        row.last.next()
    }

    fn push(&mut self, first: N, last: N, place: u32) {
        self.firsts.push(first);
        self.rests.push((last, place));
    }

    /// What lies around an address.
    pub(super) fn find(&self, address: N) -> Option<u32> {
        let at = self.firsts.partition_point(|first| *first <= address).checked_sub(1)?;
        let (last, place) = self.rests.get(at)?;
        (address <= *last).then_some(*place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(first: u32, last: u32, place: u32) -> Row<u32> {
        Row { first, last, place, line: place }
    }

    #[test]
    fn the_innermost_counts_up_to_the_ends_of_all_addresses() {
        let rows = vec![row(20, 29, 3), row(0, u32::MAX, 1), row(10, 99, 2), row(u32::MAX, u32::MAX, 4)];
        let ranges = Ranges::new(rows).unwrap();
        for (address, place) in [
            (0, 1),
            (9, 1),
            (10, 2),
            (20, 3),
            (29, 3),
            (30, 2),
            (99, 2),
            (100, 1),
            (u32::MAX - 1, 1),
            (u32::MAX, 4),
        ] {
            assert_eq!(ranges.find(address), Some(place), "{address}");
        }
        assert_eq!(Ranges::new(vec![row(5, 9, 1)]).unwrap().find(4), None);
        assert_eq!(Ranges::<u32>::new(Vec::new()).unwrap().find(4), None);
    }

    #[test]
    fn what_overlaps_is_told() {
        let clash = |rows| Ranges::new(rows).unwrap_err();
        let same = Clash { line: 2, with: 1, is_same: true };
        assert_eq!(clash(vec![row(5, 9, 1), row(5, 9, 2)]), same);
        let across = Clash { line: 2, with: 1, is_same: false };
        assert_eq!(clash(vec![row(5, 9, 1), row(8, 12, 2)]), across);
    }

    proptest! {
        /// Whatever ranges do not clash: the answer is that of the smallest that holds the address.
        #[test]
        fn as_a_search_through_all(ranges in prop::collection::vec((0_u32..64, 0_u32..12), 0..12)) {
            let rows: Vec<_> = (0..).zip(&ranges).map(|(at, (first, more))| row(*first, first + more, at)).collect();
            let Ok(found) = Ranges::new(rows.clone()) else { return Ok(()) };
            for address in 0..80 {
                let around = rows.iter().filter(|row| row.first <= address && address <= row.last);
                let expected = around.min_by_key(|row| row.last - row.first).map(|row| row.place);
                prop_assert_eq!(found.find(address), expected);
            }
        }
    }
}
