//! Incidents and risk kept up to date while the server runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alerts::incident::Context;
use alerts::risk::Confidences;
use rules::{RuleSet, Status};

use crate::app::{App, now_us};

/// How often clocks, and what is known beside the alerts, are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Between two looks there is at least so many times what the last one took of a core: joining must not take the
/// machine.
const REST: u32 = 10;

/// The longest between two looks, also after one that has failed.
const LONGEST: Duration = Duration::from_secs(10);

// While incidents rest they are not stuck: a rest and as long a look end before alerts are told without them.
const _: () = assert!(2 * LONGEST.as_micros() < notify::PATIENCE_US as u128);

impl App {
    /// Brings incidents and risk up to date with the alerts. Blocks.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(crate) fn follow_alerts(&self) -> alerts::Result<()> {
        self.incidents.follow(&self.incident_context()?, now_us()).map(drop)
    }

    /// What is known beside the alerts when they are joined.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn incident_context(&self) -> alerts::Result<Context> {
        self.identities.0.look()?;
        Ok(Context {
            names: self.identities.clone(),
            assets: self.assets.assets(),
            confidences: Arc::new(confidences(&self.pipeline.rules())),
        })
    }

    /// Does [`follow_alerts`](Self::follow_alerts), if there are alerts that were not looked at. What a command does to a folder must be whole when
    /// the next one asks.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(crate) async fn follow_new_alerts(self: &Arc<Self>) -> anyhow::Result<()> {
        let app = self.clone();
        let follow = move || {
            if app.incidents.position()? < app.alerts.feed_end()? { app.follow_alerts() } else { Ok(()) }
        };
        Ok(tokio::task::spawn_blocking(follow).await??)
    }
}

/// How sure rules are, by Sigma's `status`.
fn confidences(rules: &RuleSet) -> Confidences {
    let confidence = |status: Option<Status>| match status {
        Some(Status::Stable) => 90,
        Some(Status::Test) => 80,
        Some(Status::Experimental) => 60,
        Some(Status::Deprecated | Status::Unsupported) => 40,
        None => 70,
    };
    let heads = rules.rules().iter().map(|rule| (rule.id(), rule.status()));
    let correlations = rules.correlations().iter().map(|rule| (rule.id(), rule.status()));
    heads.chain(correlations).map(|(id, status)| (id.to_owned(), confidence(status))).collect()
}

/// Follows alerts for as long as the server runs: at once when something has happened to them.
pub(crate) async fn watch(app: Arc<App>) {
    let mut news = match app.alerts.watch_feed() {
        Ok(news) => news,
        Err(error) => {
            tracing::error!("incidents are not kept up to date: {error}");
            return;
        }
    };
    loop {
        news.mark_known();
        let (began, following) = (Instant::now(), app.clone());
        let done = tokio::task::spawn_blocking(move || following.follow_alerts()).await;
        let (took, worked) = (began.elapsed(), app.incidents.worked());
        tracing::debug!(?took, ?worked, "incidents followed alerts");
        let is_done = matches!(done, Ok(Ok(())));
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("incidents are not up to date: {error}"),
            Err(error) => tracing::error!("following alerts failed: {error}"),
        }
        tokio::time::sleep(rest(worked, is_done)).await;
        while began.elapsed() < EVERY && !has_news(&app).await {
            // Who commits is there as long as this is.
            tokio::time::timeout(EVERY, news.changed()).await.ok();
        }
    }
}

/// How long nobody looks after a look that took so much of a core, and came to its end or not.
fn rest(worked: Duration, is_done: bool) -> Duration {
    if is_done { worked.saturating_mul(REST).min(LONGEST) } else { LONGEST }
}

/// Whether the feed of alerts has entries that were not followed. What cannot be asked is followed, which says why.
async fn has_news(app: &Arc<App>) -> bool {
    let app = app.clone();
    let ask = move || Ok::<_, alerts::Error>(app.incidents.position()? < app.alerts.feed_end()?);
    matches!(tokio::task::spawn_blocking(ask).await, Ok(Ok(true)) | Ok(Err(_)) | Err(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_incidents_waits_out_their_rest() {
        let patience = Duration::from_micros(notify::PATIENCE_US.unsigned_abs());
        for worked in [Duration::ZERO, Duration::from_millis(30), Duration::from_secs(9), Duration::MAX] {
            for is_done in [true, false] {
                assert!(rest(worked, is_done) < patience / 2, "{worked:?} {is_done}");
            }
        }
        assert_eq!(rest(Duration::from_millis(30), true), Duration::from_millis(300));
    }
}
