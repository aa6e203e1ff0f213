//! Logs of Google Cloud: Pub/Sub, objects that it announces, Cloud Logging, Security Command Center.
//!
//! No SDK: the few calls are JSON over HTTPS, and tokens are found where Google's own tools find them
//! (`credentials.rs`). docs/sources/gcp.md says how to set a source up.

mod client;
mod credentials;
mod environment;
mod gcs;
mod logging;
mod mend;
mod message;
mod pubsub;
mod scc;
mod store;

pub use environment::Environment;
pub use logging::{AUDIT_FILTER, LoggingCollector, LoggingConfig};
pub use mend::mend;
pub use pubsub::{PubSubCollector, PubSubConfig};
pub use scc::{SccCollector, SccConfig};
pub(crate) use store::GcsTokens;

use crate::SecretReference;

/// Who calls Google, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoogleAccess {
    /// Where a key or the configuration of a federation lies; `None`: Application Default Credentials.
    pub credentials: Option<SecretReference>,
    /// The e-mail address of a service account to become, on which the identity has the role Service Account
    /// Token Creator.
    pub impersonate: Option<String>,
    /// Where all services are, if not at Google: an emulator, or a regional or private endpoint.
    pub endpoint: Option<String>,
    /// Sends no credentials: for emulators.
    pub anonymous: bool,
}
