//! What others push, made into records: Splunk's HTTP Event Collector ([`hec`]), OpenTelemetry's logs
//! ([`otlp`]) and syslog ([`syslog`]). Bytes in, records out; sockets and HTTP are `server`'s.
//!
//! A pushed message is written into the log as a JSON object of two members: what is said about it, under the
//! name of the protocol, and what it carries, which may be the record of a known log:
//!
//! ```json
//! {"syslog":{"id":"…","received":"…","facility":4,…},"message":"…"}
//! {"hec":{"id":"…","received":"…","host":"…",…},"event":…}
//! {"otlp":{"id":"…","received":"…","severityNumber":9,…},"body":…}
//! ```
//!
//! # Ids
//! None of the three gives an event an id. Ours lies in the record (`id`), so that a replay of the log
//! changes nothing:
//! - an event of HEC or OTLP that says when it happened is known by its content and by how many equal ones
//!   stand before it in the request: a request that is sent again after a lost answer changes nothing;
//! - one that does not, and every line of syslog, is known by its reception: two equal lines are two events.

pub mod hec;
pub mod okta;
pub mod otlp;
pub mod pubsub;
pub mod syslog;

mod flat;
mod reception;
mod records;

pub use reception::{Reception, rfc3339};
pub use records::Records;
