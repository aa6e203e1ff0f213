//! How a mapping's records are told from all others: `when`.

use super::path::Path;
use crate::json::Object;

/// What must hold of a record; all of it. Without any it fits none.
#[derive(Debug, Clone, Default)]
pub(super) struct When {
    /// Places that must have a value.
    pub(super) has: Vec<Path>,
    /// Places that must have one of some values.
    pub(super) equals: Vec<(Path, Vec<String>)>,
}

impl When {
    /// Whether it says anything.
    pub(super) fn is_empty(&self) -> bool {
        self.has.is_empty() && self.equals.is_empty()
    }

    pub(super) fn fits(&self, record: &Object<'_>) -> bool {
        !self.is_empty()
            && self.has.iter().all(|path| path.find(record).is_some())
            && self.equals.iter().all(|(path, values)| {
                let found = path.find(record).and_then(|value| value.text());
                found.is_some_and(|found| values.iter().any(|value| *value == found))
            })
    }
}
