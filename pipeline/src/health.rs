//! Whether the pipeline runs, and if not, why.

use std::sync::Arc;

use parking_lot::Mutex;

/// Shared by all stages; the first failure is the one that is shown.
#[derive(Debug, Clone, Default)]
pub struct Health {
    failure: Arc<Mutex<Option<String>>>,
}

impl Health {
    /// Why the pipeline has stopped; `None` while it runs.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Notes that a stage has failed for good.
    pub(crate) fn fail(&self, stage: &str, error: &dyn std::fmt::Display) {
        let mut failure = self.failure.lock();
        if failure.is_none() {
            tracing::error!(stage, %error, "the pipeline stops");
            *failure = Some(format!("{stage}: {error}"));
        }
    }
}
