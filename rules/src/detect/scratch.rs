//! Buffers that are used again from batch to batch.

use std::ops::Range;

use event::Col;

use super::labels::Labels;

/// The buffers of one thread; any rule set and any batch can use them.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) labels: Labels,
    pub(super) columns: Vec<Candidates>,
    /// The first row of each label of the column at hand.
    pub(super) first_rows: Vec<Option<usize>>,
    /// The candidates of the row at hand.
    pub(super) row_units: Vec<u32>,
    /// By unit: the last row, plus one, in which it was evaluated.
    pub(super) stamps: Vec<usize>,
}

/// The units that each label of a column makes candidates.
#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) col: Col,
    pub(super) units: Vec<u32>,
    /// By key of the dictionary.
    ranges: Vec<Range<u32>>,
}

impl Scratch {
    pub(super) fn begin(&mut self, tables: usize, units: usize) {
        self.labels.begin(tables);
        self.columns.clear();
        self.stamps.clear();
        self.stamps.resize(units, 0);
    }

    pub(super) fn find_first_rows(&mut self, row_keys: impl Iterator<Item = Option<usize>>, keys: usize) {
        self.first_rows.clear();
        self.first_rows.resize(keys, None);
        for (row, key) in row_keys.enumerate() {
            if let Some(first @ None) = key.and_then(|key| self.first_rows.get_mut(key)) {
                *first = Some(row);
            }
        }
    }
}

impl Candidates {
    pub(super) fn new(col: Col) -> Self {
        Self { col, units: Vec::new(), ranges: Vec::new() }
    }

    /// What is added from now on belongs to the next label.
    pub(super) fn begin_label(&mut self) {
        self.end();
        let start = self.position();
        self.ranges.push(start..start);
    }

    /// Ends the last label.
    pub(super) fn end(&mut self) {
        let end = self.position();
        if let Some(last) = self.ranges.last_mut() {
            last.end = end;
        }
    }

    fn position(&self) -> u32 {
        u32::try_from(self.units.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn units_of(&self, key: usize) -> &[u32] {
        let range = self.ranges.get(key).cloned().unwrap_or_default();
        self.units.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}
