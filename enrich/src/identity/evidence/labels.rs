//! What a label means, asked once for each distinct one of a batch.

use event::{Col, EventBatch};

/// Answers about the labels of one column.
#[derive(Debug)]
pub(super) struct Labels<'b, T> {
    batch: &'b EventBatch,
    col: Col,
    /// By key of the dictionary.
    answers: Vec<Option<T>>,
}

impl<'b, T: Copy> Labels<'b, T> {
    pub(super) fn new(batch: &'b EventBatch, col: Col) -> Self {
        Self { batch, col, answers: Vec::new() }
    }

    /// What `ask` says of the label of a row; `None` if there is no label.
    #[inline]
    pub(super) fn of(&mut self, row: usize, ask: impl FnOnce(&str) -> T) -> Option<T> {
        let labels = self.batch.label(self.col);
        let key = labels.key(row)?;
        if let Some(Some(answer)) = self.answers.get(key) {
            return Some(*answer);
        }
        let answer = ask(self.batch.str_at(self.col, row)?);
        if self.answers.len() <= key {
            self.answers.resize(labels.values().len().max(key + 1), None);
        }
        *self.answers.get_mut(key)? = Some(answer);
        Some(answer)
    }
}
