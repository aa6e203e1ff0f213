//! Raw cloud records to OCSF columns.
//!
//! [`Normalizer::map`] takes a [`RawBatch`](event::RawBatch) and gives [`Normalized`]: an
//! [`EventBatch`](event::EventBatch) with one row for each record it could read, and a [`Reject`] with a
//! [`Reason`] for each other one. Rows and rejects together are always as many as the records.
//!
//! One record's way: bytes → checked once, without a tree ([`json`]) → taken out of its envelope →
//! its log type told from its keys, or, of a line of text, from its shape ([`detect`]) → its mapping ([`mapping`]) sets the columns of a
//! [`row`]; whatever no column takes lands in `unmapped`, and `raw_data` holds the record itself.
//!
//! This crate is pure: no clock, no file, no socket, no thread. Its input is hostile: a record has at
//! most 4 MiB, 64 levels and 20,000 keys, and no bytes make it panic.

mod address;
mod aws;
mod azure;
mod class;
#[cfg(test)]
mod corpus;
mod custom;
mod detect;
mod email;
mod envelope;
mod envoy;
mod fields;
mod finding;
mod gcp;
mod github;
mod glance;
mod http;
mod json;
mod kubernetes;
mod m365;
mod mapping;
mod nested;
mod network;
mod normalizer;
mod ocsf;
mod okta;
mod os;
mod product;
mod pushed;
mod reason;
mod required;
mod row;
#[cfg(test)]
mod sample;
mod schema_doc;
mod time;
mod verb;
mod words;
mod workspace;

pub use custom::{CustomMappings, MappingFile, MappingTests};
pub use glance::{Asked, GLANCED, Told};
pub use normalizer::{Glance, Normalized, Normalizer};
pub use reason::{Reason, Reject};
pub use schema_doc::schema_markdown;
