//! Passing trouble is waited out.

use event::Fate;

use crate::{Error, Result};

/// Returns when what failed with `error` may be tried again.
///
/// # Errors
/// `error` itself, where trying again would not help.
pub(crate) async fn wait_out(work: &str, error: impl Into<Error>) -> Result<()> {
    let error = error.into();
    match error.fate() {
        Fate::Retry { after } => {
            tracing::warn!(%error, "{work} is tried again");
            tokio::time::sleep(after).await;
            Ok(())
        }
        Fate::Reject | Fate::Stop => Err(error),
    }
}
