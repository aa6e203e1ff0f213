//! Answers about labels: a predicate is asked once for each distinct label of a batch.

use event::{Col, EventBatch};

use super::{Form, Value};
use crate::compile::Matcher;

/// Tables of answers, by label. They hold for one batch.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    tables: Vec<Table>,
    batch: u64,
}

#[derive(Debug, Default)]
struct Table {
    batch: u64,
    /// By key of the dictionary.
    answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Unasked,
    No,
    Yes,
}

impl Labels {
    /// Forgets all answers.
    pub(crate) fn begin(&mut self, tables: usize) {
        self.batch += 1;
        if self.tables.len() < tables {
            self.tables.resize_with(tables, Table::default);
        }
    }

    /// Whether the label of a row passes; `None` if there is no label.
    pub(crate) fn answer(
        &mut self,
        batch: &EventBatch,
        col: Col,
        row: usize,
        table: usize,
        matcher: &Matcher,
    ) -> Option<bool> {
        let labels = batch.label(col);
        let key = labels.key(row)?;
        let table = self.tables.get_mut(table)?;
        if table.batch != self.batch {
            table.batch = self.batch;
            table.answers.clear();
            table.answers.resize(labels.values().len(), Answer::Unasked);
        }
        let answer = table.answers.get_mut(key)?;
        if *answer == Answer::Unasked {
            let passes = matcher.is_match(&Value::new(Form::Text, batch.str_at(col, row)?));
            *answer = if passes { Answer::Yes } else { Answer::No };
        }
        Some(*answer == Answer::Yes)
    }
}
