//! The word that all stages are to end.

use tokio::sync::watch;

/// Returns when the word is given, or when nobody is left who could give it.
pub(crate) async fn asked(stop: &mut watch::Receiver<bool>) {
    // The guard over the value must not live across the caller's next await.
    drop(stop.wait_for(|stopped| *stopped).await);
}
