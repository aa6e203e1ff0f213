//! How long a delivery may take in all: what a [`Channel`](super::Channel) promises.

use std::time::Duration;

use tokio::time::timeout;

use super::Outcome;

/// Below the 30 seconds that are promised. Tests wait for its end.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 15 } else { 28 });

/// The outcome of an attempt, or that it took too long.
pub(super) async fn within(attempt: impl Future<Output = Result<Outcome, Outcome>>) -> Outcome {
    match timeout(PATIENCE, attempt).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::Retry { after: None, reason: "the service does not answer in time".into() },
    }
}
