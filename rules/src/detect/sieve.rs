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
    hasher: foldhash::fast::RandomState,
}

/// The labels of one column that are remembered.
#[derive(Debug)]
struct Column {
    /// The place in [`RuleSet::columns`].
    index: usize,
    labels: HashTable<(Box<str>, LogTypes)>,
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
                columns.push(Column { index, labels: HashTable::new() });
            }
        }
        let untold = rules.columns.iter().filter(|index| !wanted.contains(&index.col));
        let units = untold.flat_map(ColumnIndex::units).chain(rules.unanchored.iter().copied());
        let everywhere = units.fold(LogTypes::default(), |all, unit| all.with(log_types(&rules, unit)));
        Self { wanted, columns, places, everywhere, hasher: foldhash::fast::RandomState::default(), rules }
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// The columns that it wants to be told.
    pub fn wanted(&self) -> &[Col] {
        &self.wanted
    }

    /// Whether a rule may hold for a record of this log type with these labels; a column that is not among
    /// them is empty. [`RuleSet::possible`] looks closer.
    pub fn may_match<'t>(&mut self, log_type: LogType, told: impl Iterator<Item = (Col, &'t str)>) -> bool {
        let log_type = LogTypes::of(&[log_type]);
        if self.everywhere.meets(log_type) {
            return true;
        }
        for (col, label) in told {
            let Some(at) = self.places.get(col as usize).copied().flatten() else { continue };
            if self.starts(at.into(), label).meets(log_type) {
                return true;
            }
        }
        false
    }

    /// The log types of all rules that a label starts.
    fn starts(&mut self, at: usize, label: &str) -> LogTypes {
        let Some(column) = self.columns.get_mut(at) else { return LogTypes::default() };
        let Some(index) = self.rules.columns.get(column.index) else { return LogTypes::default() };
        let hash = self.hasher.hash_one(label.as_bytes());
        if let Some((_, found)) = column.labels.find(hash, |(known, _)| **known == *label) {
            return *found;
        }
        let found = find(&self.rules, index, label);
        if label.len() <= MAX_LABEL_BYTES {
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

fn find(rules: &RuleSet, index: &ColumnIndex, label: &str) -> LogTypes {
    let mut units = Vec::new();
    index.candidates(&crate::fold::fold(label), &mut units);
    for (predicate, started) in &index.passes {
        let probe = rules.program.predicates.get(*predicate);
        if probe.is_some_and(|probe| probe.matcher.is_match(&Value::new(Form::Text, label))) {
            units.extend(started);
        }
    }
    units.into_iter().fold(LogTypes::default(), |all, unit| all.with(log_types(rules, unit)))
}

fn log_types(rules: &RuleSet, unit: u32) -> LogTypes {
    rules.units.get(unit as usize).map(|unit| unit.log_types).unwrap_or_default()
}
