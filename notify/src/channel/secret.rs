//! A secret that a channel shows.

use std::fmt;
use std::sync::Arc;

use super::Outcome;

/// Reads a secret where it lies. It is read for each delivery, so that a new one is taken without a restart,
/// and it is never shown.
#[derive(Clone)]
pub struct Secret(Arc<dyn Fn() -> Result<String, String> + Send + Sync>);

impl Secret {
    /// A secret that `read` gives; it may block. Its error must not hold the secret.
    pub fn new(read: impl Fn() -> Result<String, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The secret as it is now; blocks.
    ///
    /// # Errors
    /// What `read` says.
    pub fn read(&self) -> Result<String, String> {
        (self.0)()
    }

    /// The secret, without blocking; else the outcome of the delivery that needs it.
    pub(super) async fn get(&self) -> Result<String, Outcome> {
        let secret = self.clone();
        let read = tokio::task::spawn_blocking(move || secret.read()).await;
        // It may be where a moment ago it was not: a vault that starts, a file that is being replaced.
        let problem = match read {
            Ok(Ok(secret)) => return Ok(secret),
            Ok(Err(problem)) => problem,
            Err(_) => "the reader failed".to_owned(),
        };
        Err(Outcome::Retry { after: None, reason: format!("a secret cannot be read: {problem}") })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
