//! Matching: which rules hold for which rows of a batch.
//!
//! First every column that can start a rule is looked through by its distinct labels. That names the rows
//! and the rules worth a look; a rule whose labels do not occur costs nothing. Then each candidate's
//! expression is evaluated, cheap tests first: answers about labels are kept for the batch, fields and the
//! record itself are taken apart once a row, and only if a candidate asks for them.

mod field_use;
mod json;
mod labels;
mod lookup;
mod possible;
mod row;
mod scratch;
mod sieve;
pub(crate) mod time;
mod value;

use event::{Col, EventBatch, LogType};

pub(crate) use field_use::FieldUse;
pub(crate) use labels::Labels;
pub use scratch::Scratch;
pub use sieve::Sieve;
pub(crate) use value::{Form, Value};

use crate::compile::{ColumnIndex, LogTypes, RuleSet};
pub(crate) use row::RowView;

/// A rule holds for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    /// The row in the batch.
    pub row: u32,
    /// The index of the rule in [`RuleSet::rules`].
    pub rule: u32,
}

impl RuleSet {
    /// The matches in a batch, by row and then by rule; each pair once. `scratch` is for use by one thread
    /// at a time, with any set and any batch.
    pub fn matches(&self, batch: &EventBatch, scratch: &mut Scratch) -> Vec<Match> {
        scratch.begin(self.program.tables, self.units.len());
        for index in &self.columns {
            self.find_candidates(index, batch, scratch);
        }
        self.add_unanchored(batch, scratch);
        let log_types = log_types(batch);
        let mut view = RowView::new(batch, &self.program);
        let mut matches = Vec::new();
        let Scratch { labels, columns, row_units, stamps, .. } = scratch;
        for row in 0..batch.len() {
            let Some(log_type) = log_type(batch, row, &log_types) else { continue };
            row_units.clear();
            for column in columns.iter() {
                let Some(key) = batch.label(column.col).key(row) else { continue };
                row_units.extend_from_slice(column.units_of(key));
            }
            let first = matches.len();
            for unit in row_units.iter() {
                // A unit may be a candidate by several labels.
                let Some(stamp) = stamps.get_mut(*unit as usize) else { continue };
                if std::mem::replace(stamp, row + 1) == row + 1 {
                    continue;
                }
                let Some(unit) = self.units.get(*unit as usize) else { continue };
                if unit.log_types.meets(log_type) && view.holds(&unit.code, row, labels) {
                    matches.push(Match { row: row as u32, rule: unit.rule });
                }
            }
            if let Some(found) = matches.get_mut(first..) {
                found.sort_unstable();
            }
        }
        // Two readings of a rule can hold for one event only if two mappings claim the same log type.
        matches.dedup();
        matches
    }

    /// Looks through the labels of one column.
    fn find_candidates(&self, index: &ColumnIndex, batch: &EventBatch, scratch: &mut Scratch) {
        let labels = batch.label(index.col);
        let keys = labels.values().len();
        if keys == 0 {
            return;
        }
        scratch.find_first_rows(labels.keys_iter(), keys);
        let Scratch { first_rows, labels: answers, columns, .. } = scratch;
        let mut column = scratch::Candidates::new(index.col);
        for first in first_rows.iter() {
            let text = first.and_then(|row| batch.str_at(index.col, row));
            column.begin_label();
            let (Some(row), Some(text)) = (*first, text) else { continue };
            index.candidates(&crate::fold::fold(text), &mut column.units);
            for (predicate, units) in &index.passes {
                if self.passes(*predicate, index.col, batch, row, answers) {
                    column.units.extend(units);
                }
            }
        }
        column.end();
        if !column.units.is_empty() {
            columns.push(column);
        }
    }

    fn passes(
        &self,
        predicate: usize,
        col: Col,
        batch: &EventBatch,
        row: usize,
        answers: &mut Labels,
    ) -> bool {
        let Some(probe) = self.program.predicates.get(predicate) else { return false };
        let places = probe.field.and_then(|field| self.program.fields.get(field)).map(|field| &field.places);
        let tables = places.into_iter().flatten().zip(&probe.labels);
        tables
            .filter(|(place, _)| place.col == col)
            .filter_map(|(_, table)| answers.answer(batch, col, row, (*table)?, &probe.matcher))
            .any(|passes| passes)
    }

    /// Units without an anchor are candidates in every row.
    fn add_unanchored(&self, batch: &EventBatch, scratch: &mut Scratch) {
        if self.unanchored.is_empty() {
            return;
        }
        let mut column = scratch::Candidates::new(Col::LogType);
        for _ in 0..batch.label(Col::LogType).values().len() {
            column.begin_label();
            column.units.extend(&self.unanchored);
        }
        column.end();
        scratch.columns.push(column);
    }
}

/// The log type of each label in the batch.
fn log_types(batch: &EventBatch) -> Vec<Option<LogTypes>> {
    let labels = batch.label(Col::LogType);
    let mut found = vec![None; labels.values().len()];
    for (row, key) in labels.keys_iter().enumerate() {
        if let Some(slot) = key.and_then(|key| found.get_mut(key)).filter(|slot| slot.is_none()) {
            let log_type = batch.str_at(Col::LogType, row).and_then(|name| name.parse::<LogType>().ok());
            *slot = Some(log_type.map_or(LogTypes::default(), |log_type| LogTypes::of(&[log_type])));
        }
    }
    found
}

fn log_type(batch: &EventBatch, row: usize, known: &[Option<LogTypes>]) -> Option<LogTypes> {
    known.get(batch.label(Col::LogType).key(row)?).copied().flatten()
}
