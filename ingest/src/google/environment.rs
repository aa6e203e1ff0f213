//! What Google's own tools find in the environment.

use std::path::PathBuf;

/// Where credentials may lie, read once from the variables that Google's libraries know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `GOOGLE_APPLICATION_CREDENTIALS`: a key file, or the configuration of a federation.
    pub credentials_file: Option<PathBuf>,
    /// What `gcloud auth application-default login` writes, below `CLOUDSDK_CONFIG` or the home folder.
    pub gcloud_file: Option<PathBuf>,
    /// `GCE_METADATA_HOST`: the metadata server as `host` or `host:port`.
    pub metadata_host: Option<String>,
    /// `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1`: the configuration of a federation may name a program.
    pub allows_executables: bool,
    /// `GOOGLE_CLOUD_QUOTA_PROJECT`: the project whose quota counts, and whose API must be enabled.
    pub quota_project: Option<String>,
    /// The variables by which an identity in AWS is found, for a federation with it.
    pub aws: crate::Environment,
    /// `PUBSUB_EMULATOR_HOST`: Pub/Sub over plain HTTP at `host:port`.
    pub pubsub_emulator: Option<String>,
    /// `STORAGE_EMULATOR_HOST`: Cloud Storage at an address, or over plain HTTP at `host:port`.
    pub storage_emulator: Option<String>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let gcloud = get("CLOUDSDK_CONFIG").map(PathBuf::from);
        let gcloud = gcloud.or_else(|| Some([get("HOME")?.as_str(), ".config", "gcloud"].iter().collect()));
        Self {
            credentials_file: get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            gcloud_file: gcloud.map(|folder| folder.join("application_default_credentials.json")),
            metadata_host: get("GCE_METADATA_HOST"),
            allows_executables: get("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES").as_deref() == Some("1"),
            quota_project: get("GOOGLE_CLOUD_QUOTA_PROJECT"),
            aws: crate::Environment::of_process(),
            pubsub_emulator: get("PUBSUB_EMULATOR_HOST"),
            storage_emulator: get("STORAGE_EMULATOR_HOST"),
        }
    }
}
