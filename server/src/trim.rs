//! Trimming what grows, in the background and a little at a time.

use std::sync::Arc;
use std::time::Duration;

use alerts::TRIMMED_AT_ONCE;

use crate::app::{App, now_us};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(600);

/// Before the first look: a start has other work.
const FIRST: Duration = Duration::from_secs(60);

/// Between two transactions, so that others write, too.
const BREATH: Duration = Duration::from_millis(100);

impl App {
    /// Trims once; whether there may be more. Blocks.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(crate) fn trim(&self) -> anyhow::Result<bool> {
        let (kept, now_us) = (&self.config.kept, now_us());
        // Whoever follows the feed of alerts; clients of the live list are told of a gap.
        let told = self.notifier.outbox().position()?.unwrap_or(0);
        let read = self.incidents.position()?.min(told);
        let of_alerts = self.alerts.trim_feed(kept, read, now_us)?;
        let told = self.notifier.outbox().incident_position()?.unwrap_or(0);
        let of_incidents = self.incidents.trim_feed(kept, told, now_us)?;
        // Those of one group at a time.
        let matches = self.alerts.trim_matches(kept, now_us)?;
        Ok(of_alerts.max(of_incidents) >= TRIMMED_AT_ONCE || matches > 0)
    }
}

/// Trims for as long as the server runs.
pub(crate) async fn watch(app: Arc<App>) {
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        let trimming = app.clone();
        pause = match tokio::task::spawn_blocking(move || trimming.trim()).await {
            Ok(Ok(true)) => BREATH,
            Ok(Ok(false)) => EVERY,
            Ok(Err(error)) => {
                tracing::warn!("feeds are not trimmed: {error:#}");
                EVERY
            }
            Err(error) => {
                tracing::error!("trimming failed: {error}");
                EVERY
            }
        };
    }
}
