//! Logs of AWS: objects that a queue announces, `LookupEvents`, and the digests that prove them whole.
//!
//! No SDK: [`S3QueueCollector`] and the others sign their few calls themselves (`sign.rs`), and find keys
//! where AWS's own tools do (`credentials.rs`). docs/sources/aws.md says how to set a source up.

mod check;
mod client;
mod credentials;
mod digest;
mod endpoint;
mod http;
mod lookup;
mod msk;
mod notification;
mod proof;
mod queue;
mod s3;
mod secret;
mod sign;
mod sqs;
pub(crate) mod xml;

use std::time::Duration;

pub(crate) use check::allow;
pub use check::{check_digests, check_lookup_events, check_s3_queue};
pub use digest::{
    ChainWalk, DigestReport, DigestState, DigestsCollector, Finding, FollowDigestsConfig, LogFile,
    PublicKeys, StoredDigest, Trail, TrailArn, TrailDigests, TrailDigestsConfig, TrailPlace, verify_chain,
};
pub(crate) use http::accepted;
pub use lookup::LookupEventsConfig;
pub(crate) use msk::MskTokens;
pub use notification::{Announced, Notification, ObjectAddress, ObjectKind, decode_notification};
pub(crate) use proof::CallerProof;
pub use queue::{S3QueueCollector, S3QueueConfig};
pub(crate) use s3::Bucket;
pub use secret::Secret;
pub(crate) use sign::encode;

pub use crate::environment::Environment;
pub use crate::queue::RecentObjects;

/// Who calls AWS, and where.
///
/// Keys come from the environment, a profile, a web identity, a container's agent or the machine's
/// metadata service, the first that is there; with them the role is assumed, if one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsAccess {
    /// The region, where it is not in the queue's address or the environment.
    pub region: Option<String>,
    /// A profile in `~/.aws`; it wins over keys in the environment.
    pub profile: Option<String>,
    /// A role to assume, by its ARN.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for: chosen by us, one for each customer.
    pub external_id: Option<String>,
    /// What CloudTrail shows of our sessions.
    pub session_name: String,
    /// How long a session of the role lasts: 15 min up to the role's own limit.
    pub session_duration: Duration,
    /// Where all services are, if not at AWS; otherwise `AWS_ENDPOINT_URL…` of the environment.
    pub endpoint_url: Option<String>,
}

impl Default for AwsAccess {
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            role_arn: None,
            external_id: None,
            session_name: "stormglass".into(),
            session_duration: Duration::from_secs(3600),
            endpoint_url: None,
        }
    }
}
