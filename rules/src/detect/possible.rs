//! Which rows could match at all, when only some columns are known yet.

use event::{Col, EventBatch};

use super::Scratch;
use super::labels::Labels;
use crate::compile::{Code, Program, RuleSet};

impl RuleSet {
    /// Those of the columns that rules ask about, and the log type, which decides which rules do.
    pub fn columns_of(&self, columns: &[Col]) -> Vec<Col> {
        let asked = |col: &Col| {
            let places = self.program.fields.iter().flat_map(|field| &field.places);
            *col == Col::LogType || places.into_iter().any(|place| place.col == *col)
        };
        columns.iter().copied().filter(asked).collect()
    }

    /// The rows in which a rule may hold, in order, judged by the columns `known` of a batch whose other
    /// columns are not filled yet. A row that is not among them matches nothing, whatever the others say.
    pub fn possible(&self, batch: &EventBatch, known: &[Col], scratch: &mut Scratch) -> Vec<u32> {
        scratch.begin(self.program.tables, self.units.len());
        let (told, untold): (Vec<_>, Vec<_>) =
            self.columns.iter().partition(|index| known.contains(&index.col));
        for index in &told {
            self.find_candidates(index, batch, scratch);
        }
        // Nothing known starts these: they are tried on every row.
        let mut everywhere: Vec<u32> = untold.iter().flat_map(|index| index.units()).collect();
        everywhere.extend(&self.unanchored);
        everywhere.sort_unstable();
        everywhere.dedup();
        let log_types = super::log_types(batch);
        let Scratch { labels, columns, .. } = scratch;
        let mut view = Known { batch, program: &self.program, known, labels, row: 0 };
        let mut possible = Vec::new();
        for row in 0..batch.len() {
            let Some(log_type) = super::log_type(batch, row, &log_types) else { continue };
            view.row = row;
            let by_label = columns.iter().flat_map(|column| {
                let key = batch.label(column.col).key(row);
                key.map_or(&[][..], |key| column.units_of(key))
            });
            let mut may_hold = |unit: &u32| {
                self.units
                    .get(*unit as usize)
                    .is_some_and(|unit| unit.log_types.meets(log_type) && view.may(&unit.code, true))
            };
            if by_label.into_iter().any(&mut may_hold) || everywhere.iter().any(&mut may_hold) {
                possible.push(row as u32);
            }
        }
        possible
    }
}

/// A row of which some columns are known.
struct Known<'e> {
    batch: &'e EventBatch,
    program: &'e Program,
    known: &'e [Col],
    labels: &'e mut Labels,
    row: usize,
}

impl Known<'_> {
    /// Whether the expression may come to `wanted`.
    fn may(&mut self, code: &Code, wanted: bool) -> bool {
        match (code, wanted) {
            (Code::All(parts), true) | (Code::Any(parts), false) => {
                parts.iter().all(|part| self.may(part, wanted))
            }
            (Code::All(parts), false) | (Code::Any(parts), true) => {
                parts.iter().any(|part| self.may(part, wanted))
            }
            (Code::Not(inner), _) => self.may(inner, !wanted),
            (Code::Test(index), _) => self.answer(*index).is_none_or(|answer| answer == wanted),
        }
    }

    /// The answer of a predicate, if the known columns give it.
    fn answer(&mut self, predicate: usize) -> Option<bool> {
        let probe = self.program.predicates.get(predicate)?;
        let field = self.program.fields.get(probe.field?)?;
        let mut absent = true;
        for (place, table) in field.places.iter().zip(&probe.labels) {
            let table = (*table).filter(|_| self.known.contains(&place.col))?;
            match self.labels.answer(self.batch, place.col, self.row, table, &probe.matcher) {
                Some(answer) if answer || !field.union => return Some(answer),
                Some(_) => absent = false,
                None => {}
            }
        }
        (!probe.labels.is_empty()).then_some(absent && probe.absent)
    }
}
