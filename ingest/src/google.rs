//! Logs of Google Cloud: Pub/Sub, objects that it announces, Cloud Logging, Security Command Center.
//!
//! No SDK: the few calls are JSON over HTTPS, and tokens are found where Google's own tools find them
//! (`credentials.rs`). docs/sources/gcp.md says how to set a source up.

mod check;
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

pub use check::check_pubsub;
pub use environment::Environment;
pub(crate) use gcs::Bucket;
pub use logging::{AUDIT_FILTER, LoggingConfig};
pub use mend::mend;
pub(crate) use mend::objects_mend;
pub use pubsub::{PubSubCollector, PubSubConfig};
pub use scc::SccConfig;
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

impl GoogleAccess {
    /// The endpoint, if it is one of `service`: one of Google's own counts for the service in its name alone
    /// (`europe-west1-pubsub.googleapis.com`, `pubsub-psc.p.googleapis.com`), any other for all.
    fn endpoint_of(&self, service: &str) -> Option<&str> {
        let endpoint = self.endpoint.as_deref()?;
        let host = endpoint.split("://").nth(1).unwrap_or(endpoint);
        let host = host.split(['/', ':']).next().unwrap_or(host);
        let Some(name) = host.strip_suffix(".googleapis.com") else { return Some(endpoint) };
        let name = name.strip_suffix(".p").or_else(|| name.strip_suffix(".rep")).unwrap_or(name);
        let name = name.split('.').next().unwrap_or(name);
        let is_its = name == service
            || name.strip_suffix(service).is_some_and(|region| region.ends_with('-'))
            || name.strip_prefix(service).is_some_and(|rest| rest.starts_with('-'));
        is_its.then_some(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::GoogleAccess;

    #[test]
    fn an_endpoint_of_google_is_that_of_one_service() {
        let of = |endpoint: &str, service: &str| {
            let access = GoogleAccess { endpoint: Some(endpoint.into()), ..GoogleAccess::default() };
            access.endpoint_of(service).is_some()
        };
        for endpoint in [
            "https://pubsub.googleapis.com",
            "https://europe-west1-pubsub.googleapis.com/",
            "https://pubsub-psc.p.googleapis.com",
            "https://pubsub.me-central2.rep.googleapis.com",
        ] {
            assert!(of(endpoint, "pubsub") && !of(endpoint, "storage"), "{endpoint}");
            assert!(!of(endpoint, "iamcredentials"), "{endpoint}");
        }
        assert!(of("http://127.0.0.1:8085", "pubsub") && of("http://127.0.0.1:8085", "storage"));
    }
}
