//! How far each stage has come in the log.

use event::Offset;
use tokio::sync::watch;

/// The next offset of each stage: everything below it is done there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Refined: its rows are visible to SQL.
    pub refined: Offset,
    /// Raised: its alerts, dead letters and counts are durable.
    pub raised: Offset,
    /// Committed: its rows are in the table's files.
    pub committed: Offset,
}

impl Progress {
    /// Where a restart would begin, and what the log may forget.
    pub fn restart(&self) -> Offset {
        self.raised.min(self.committed)
    }
}

/// Moves one stage's mark forward.
pub(crate) fn advance(progress: &watch::Sender<Progress>, step: impl FnOnce(&mut Progress)) {
    progress.send_modify(step);
}

/// Waits until `reached`; `false` if the pipeline went away first.
pub(crate) async fn wait(
    progress: &mut watch::Receiver<Progress>,
    reached: impl FnMut(&Progress) -> bool,
) -> bool {
    progress.wait_for(reached).await.is_ok()
}
