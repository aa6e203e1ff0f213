//! Incidents and risk kept up to date while the server runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alerts::incident::Context;
use alerts::risk::Confidences;
use rules::{RuleSet, Status};

use crate::app::{App, now_us};

/// How often alerts are looked at, where nothing has changed.
const EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether there are changes. Looking costs some microseconds.
const LOOK: Duration = Duration::from_millis(20);

/// Between two looks there is at least so many times what the last one took: joining must not take the machine.
const REST: u32 = 10;

/// The longest between two looks.
const LONGEST: Duration = Duration::from_secs(60);

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
        Ok(Context {
            names: self.identities.names()?,
            assets: self.assets.clone(),
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

/// Follows alerts for as long as the server runs.
pub(crate) async fn watch(app: Arc<App>) {
    let mut pause = EVERY;
    let mut rest = Duration::ZERO;
    loop {
        tokio::time::sleep(rest).await;
        let due = Instant::now() + pause.saturating_sub(rest);
        while Instant::now() < due && !has_news(&app).await {
            tokio::time::sleep(LOOK).await;
        }
        let (began, following) = (Instant::now(), app.clone());
        let done = tokio::task::spawn_blocking(move || following.follow_alerts()).await;
        rest = began.elapsed().saturating_mul(REST).min(LONGEST);
        pause = rest.max(EVERY);
        app.notifier.look();
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!("incidents are not up to date: {error}");
                (rest, pause) = (LONGEST, LONGEST);
            }
            Err(error) => {
                tracing::error!("following alerts failed: {error}");
                (rest, pause) = (LONGEST, LONGEST);
            }
        }
    }
}

/// Whether something has happened to alerts that incidents have not looked at.
async fn has_news(app: &Arc<App>) -> bool {
    let app = app.clone();
    let asked = move || Ok::<_, alerts::Error>(app.incidents.position()? < app.alerts.feed_end()?);
    matches!(tokio::task::spawn_blocking(asked).await, Ok(Ok(true)))
}
