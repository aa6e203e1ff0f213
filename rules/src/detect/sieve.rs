//! Records passed over by a few labels, without a batch of columns.
//!
//! Most records have no label that any rule starts from. What a label starts is found once and remembered:
//! the same names of calls, services and callers come again and again.

use std::hash::BuildHasher;
use std::sync::Arc;

use event::{COLUMNS, Col, LogType};
use hashbrown::HashTable;

use super::{Form, Value};
use crate::compile::{ColumnIndex, LogTypes, RuleSet};

/// Labels remembered in a column, at most; then all are forgotten.
const MAX_LABELS: usize = 16_384;
/// Longer labels are not remembered: they hardly come again.
const MAX_LABEL_BYTES: usize = 512;

/// Columns whose labels hardly come again with the same others: each is asked for itself.
const ALONE: [Col; 3] = [Col::ActorUserUid, Col::HttpRequestUserAgent, Col::ApiResponseErrorMessage];

/// Ends a label in a key of [`Sieve::together`]; no byte of UTF-8 is it.
const END_OF_LABEL: u8 = 0xff;

/// What labels start, for one rule set and one thread.
#[derive(Debug)]
pub struct Sieve {
    rules: Arc<RuleSet>,
    wanted: Vec<Col>,
    /// Columns that rules start from.
    columns: Vec<Column>,
    /// By column: its place in `columns`.
    places: Vec<Option<u8>>,
    /// Log types of rules that no known label starts: each event of theirs is possible.
    everywhere: LogTypes,
    /// What the labels of all columns but those of [`ALONE`] start together, by these labels, each behind the
    /// place of its column: one search instead of one a column.
    together: HashTable<(Box<[u8]>, LogTypes)>,
    key: Vec<u8>,
    /// Used again for each label that is not remembered.
    units: Vec<u32>,
    hasher: foldhash::fast::RandomState,
}

/// The labels of one column that are remembered: from the second time on. Most labels that come once never
/// come again.
#[derive(Debug)]
struct Column {
    /// The place in [`RuleSet::columns`].
    index: usize,
    is_alone: bool,
    labels: HashTable<(Box<str>, LogTypes)>,
    /// By some bits of a label's hash: other bits of the one that came last.
    came: Box<[u32]>,
}

/// Slots of [`Column::came`].
const CAME: usize = 1 << 12;

impl Column {
    /// Whether a label of this hash has come before, as far as is known.
    fn came_before(&mut self, hash: u64) -> bool {
        let mark = hash as u32 | 1;
        let slot = self.came.get_mut((hash >> 32) as usize % CAME);
        slot.is_some_and(|slot| std::mem::replace(slot, mark) == mark)
    }
}

impl Sieve {
    /// One that is told the columns `known` of each record, as far as rules ask about them.
    pub fn new(rules: Arc<RuleSet>, known: &[Col]) -> Self {
        let wanted = rules.columns_of(known);
        let mut places = vec![None; COLUMNS.len()];
        let mut columns = Vec::new();
        for (index, started) in
            rules.columns.iter().enumerate().filter(|(_, index)| wanted.contains(&index.col))
        {
            if let Some(place) = places.get_mut(started.col as usize) {
                *place = u8::try_from(columns.len()).ok();
                let is_alone = ALONE.contains(&started.col);
                let came = vec![0; CAME].into_boxed_slice();
                columns.push(Column { index, is_alone, labels: HashTable::new(), came });
            }
        }
        let untold = rules.columns.iter().filter(|index| !wanted.contains(&index.col));
        let units = untold.flat_map(ColumnIndex::units).chain(rules.unanchored.iter().copied());
        let everywhere = units.fold(LogTypes::default(), |all, unit| all.with(log_types(&rules, unit)));
        Self {
            wanted,
            columns,
            places,
            everywhere,
            together: HashTable::new(),
            key: Vec::new(),
            units: Vec::new(),
            hasher: foldhash::fast::RandomState::default(),
            rules,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// The columns that it wants to be told.
    pub fn wanted(&self) -> &[Col] {
        &self.wanted
    }

    /// The columns from which rules start: all that [`may_match`](Self::may_match) looks at.
    pub fn starting(&self) -> Vec<Col> {
        let started = self.columns.iter().filter_map(|column| self.rules.columns.get(column.index));
        started.map(|started| started.col).collect()
    }

    /// Whether a rule may hold for a record of this log type with these labels; a column that is not among
    /// them is empty. [`RuleSet::possible`] looks closer.
    pub fn may_match<'t>(
        &mut self,
        log_type: LogType,
        told: impl Iterator<Item = (Col, &'t str)> + Clone,
    ) -> bool {
        let log_type = LogTypes::of(&[log_type]);
        if self.everywhere.meets(log_type) || self.start_together(told.clone()).meets(log_type) {
            return true;
        }
        for (col, label) in told {
            let Some(at) = self.place(col, true) else { continue };
            if self.starts(at.into(), label).meets(log_type) {
                return true;
            }
        }
        false
    }

    /// The place of a column from which rules start, if it is asked alone or not.
    #[inline]
    fn place(&self, col: Col, alone: bool) -> Option<u8> {
        let at = self.places.get(col as usize).copied().flatten()?;
        self.columns.get(usize::from(at)).filter(|column| column.is_alone == alone).map(|_| at)
    }

    /// The log types of all rules that labels start which are not asked alone.
    fn start_together<'t>(&mut self, told: impl Iterator<Item = (Col, &'t str)> + Clone) -> LogTypes {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for (col, label) in told.clone() {
            if let Some(at) = self.place(col, false) {
                key.push(at);
                key.extend_from_slice(label.as_bytes());
                key.push(END_OF_LABEL);
            }
        }
        let hash = self.hasher.hash_one(key.as_slice());
        let known = self.together.find(hash, |(known, _)| **known == *key).map(|(_, found)| *found);
        let found = known.unwrap_or_else(|| {
            let places = told.filter_map(|(col, label)| Some((self.place(col, false)?, label)));
            let places: Vec<_> = places.collect();
            let found = places
                .into_iter()
                .fold(LogTypes::default(), |all, (at, label)| all.with(self.starts(at.into(), label)));
            if key.len() <= MAX_LABEL_BYTES {
                if self.together.len() >= MAX_LABELS {
                    self.together.clear();
                }
                let hasher = &self.hasher;
                let entry = (key.as_slice().into(), found);
                self.together.insert_unique(hash, entry, |(known, _)| hasher.hash_one(&**known));
            }
            found
        });
        self.key = key;
        found
    }

    /// The log types of all rules that a label starts.
    fn starts(&mut self, at: usize, label: &str) -> LogTypes {
        let Some(column) = self.columns.get_mut(at) else { return LogTypes::default() };
        let Some(index) = self.rules.columns.get(column.index) else { return LogTypes::default() };
        let hash = self.hasher.hash_one(label.as_bytes());
        if let Some((_, found)) = column.labels.find(hash, |(known, _)| **known == *label) {
            return *found;
        }
        let found = find(&self.rules, index, label, &mut self.units);
        if label.len() <= MAX_LABEL_BYTES && column.came_before(hash) {
            if column.labels.len() >= MAX_LABELS {
                column.labels.clear();
            }
            let hasher = &self.hasher;
            column
                .labels
                .insert_unique(hash, (label.into(), found), |(known, _)| hasher.hash_one(known.as_bytes()));
        }
        found
    }
}

fn find(rules: &RuleSet, index: &ColumnIndex, label: &str, units: &mut Vec<u32>) -> LogTypes {
    units.clear();
    index.candidates(&crate::fold::fold(label), units);
    for (predicate, started) in &index.passes {
        let probe = rules.program.predicates.get(*predicate);
        if probe.is_some_and(|probe| probe.matcher.is_match(&Value::new(Form::Text, label))) {
            units.extend(started);
        }
    }
    units.iter().fold(LogTypes::default(), |all, unit| all.with(log_types(rules, *unit)))
}

fn log_types(rules: &RuleSet, unit: u32) -> LogTypes {
    rules.units.get(unit as usize).map(|unit| unit.log_types).unwrap_or_default()
}
