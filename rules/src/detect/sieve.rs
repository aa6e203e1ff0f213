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
use crate::fold::fold_into;

/// Labels remembered in a column, at most; then all are forgotten.
const MAX_LABELS: usize = 16_384;
/// Longer labels are not remembered: they hardly come again.
const MAX_LABEL_BYTES: usize = 512;

/// Columns whose labels hardly come again with the same others: each is asked for itself.
const ALONE: [Col; 3] = [Col::ActorUserUid, Col::HttpRequestUserAgent, Col::ApiResponseErrorMessage];

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
    /// What the labels of all columns but those of [`ALONE`] start together, by these labels in words, as
    /// [`push_label`] puts them: one search instead of one a column.
    together: HashTable<(Box<[u64]>, LogTypes)>,
    key: Vec<u64>,
    /// Used again for each label that is not remembered.
    units: Vec<u32>,
    /// A label without case; used again, too.
    folded: String,
    hasher: foldhash::fast::RandomState,
}

/// The labels of one column that are remembered: from the second time on. Most labels that come once never
/// come again.
#[derive(Debug)]
struct Column {
    /// The place in [`RuleSet::columns`].
    index: usize,
    is_alone: bool,
    labels: HashTable<(Box<[u8]>, LogTypes)>,
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
            folded: String::new(),
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

    /// Whether a rule may hold for a record of this log type with these labels in UTF-8; a column that is not
    /// among them is empty. [`RuleSet::possible`] looks closer.
    pub fn may_match<'t>(
        &mut self,
        log_type: LogType,
        told: impl Iterator<Item = (Col, &'t [u8])> + Clone,
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
    fn start_together<'t>(&mut self, told: impl Iterator<Item = (Col, &'t [u8])> + Clone) -> LogTypes {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for (col, label) in told.clone() {
            if let Some(at) = self.place(col, false) {
                push_label(&mut key, at, label);
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
            if size_of_val(key.as_slice()) <= MAX_LABEL_BYTES {
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
    fn starts(&mut self, at: usize, label: &[u8]) -> LogTypes {
        let Some(column) = self.columns.get_mut(at) else { return LogTypes::default() };
        let Some(index) = self.rules.columns.get(column.index) else { return LogTypes::default() };
        let hash = self.hasher.hash_one(label);
        if let Some((_, found)) = column.labels.find(hash, |(known, _)| **known == *label) {
            return *found;
        }
        let found = find(&self.rules, index, label, &mut self.folded, &mut self.units);
        if label.len() <= MAX_LABEL_BYTES && column.came_before(hash) {
            if column.labels.len() >= MAX_LABELS {
                column.labels.clear();
            }
            let hasher = &self.hasher;
            column.labels.insert_unique(hash, (label.into(), found), |(known, _)| hasher.hash_one(&**known));
        }
        found
    }
}

/// Adds the label of the column at this place to a key: what both are long, then the label by eight bytes. Copying
/// and comparing whole words costs half of what bytes do.
#[inline]
fn push_label(key: &mut Vec<u64>, at: u8, label: &[u8]) {
    key.push(u64::from(at) << 56 | label.len() as u64);
    let (words, rest) = label.as_chunks::<8>();
    for word in words {
        key.push(u64::from_le_bytes(*word));
    }
    if rest.is_empty() {
        return;
    }
    // The last eight bytes, some of them for a second time.
    let last = label.last_chunk::<8>().map(|word| u64::from_le_bytes(*word));
    key.push(last.unwrap_or_else(|| rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))));
}

fn find(
    rules: &RuleSet,
    index: &ColumnIndex,
    label: &[u8],
    folded: &mut String,
    units: &mut Vec<u32>,
) -> LogTypes {
    // What is no text is told by nobody; it would be for the mapping to judge.
    let Ok(label) = str::from_utf8(label) else { return LogTypes::ALL };
    units.clear();
    fold_into(label, folded);
    index.candidates(folded, units);
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
