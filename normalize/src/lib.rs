//! Raw cloud records to OCSF columns.
//!
//! [`Normalizer::map`] takes a [`RawBatch`](event::RawBatch) and gives [`Normalized`]: an
//! [`EventBatch`](event::EventBatch) with one row for each record it could read, and a [`Reject`] with a
//! [`Reason`] for each other one. Rows and rejects together are always as many as the records.
//!
//! One record's way: bytes → checked once, without a tree ([`json`]) → taken out of its envelope →
//! its log type told from its keys ([`detect`]) → its mapping ([`mapping`]) sets the columns of a
//! [`row`]; whatever no column takes lands in `unmapped`, and `raw_data` holds the record itself.
//!
//! This crate is pure: no clock, no file, no socket, no thread. Its input is hostile: a record has at
//! most 4 MiB, 64 levels and 20,000 keys, and no bytes make it panic.

mod aws;
mod azure;
mod class;
#[cfg(test)]
mod corpus;
mod detect;
mod envelope;
mod gcp;
mod glance;
mod json;
mod mapping;
mod normalizer;
mod pushed;
mod reason;
mod row;
#[cfg(test)]
mod sample;
mod schema_doc;
mod time;

pub use glance::GLANCED;
pub use normalizer::{Glance, Normalized, Normalizer};
pub use reason::{Reason, Reject};
pub use schema_doc::schema_markdown;
