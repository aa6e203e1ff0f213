//! Fakes of cloud services that have no server of their own to test with, and the faults of all of them.
//!
//! A service is a file: a [`Fake`] with its routes, its state, and the limits that its documentation names.
//! Where the vendor has a machine-readable model (botocore's service models, Google's discovery documents),
//! a test holds the fake's answers to it. A [`Proxy`] in front, of a fake or of a real server, is the fault
//! layer. For tests alone: nothing here ships.

mod assertion;
pub mod aws;
#[expect(clippy::indexing_slicing, reason = "of JSON alone: what is missing there is null")]
pub mod azure;
mod fake;
mod github;
pub mod google;
pub mod kafka;
mod lookup;
pub mod notify;
mod object_queue;
mod okta;
mod proxy;
mod reply;
mod workspace;

pub use assertion::Signer;
pub use fake::Fake;
pub use github::{Github, GithubEvent};
pub use lookup::{LookupEvents, TrailEvent};
pub use object_queue::{ObjectQueue, QUEUE_PATH};
pub use okta::{Okta, OktaEvent};
pub use proxy::{Fault, Proxy, Seen, answer};
pub use workspace::{Activity, Workspace};
