//! Where records come from, and how bytes become records.
//!
//! A record is one event as its cloud wrote it: a slice of JSON text, not yet parsed. On the way
//! there are four nouns:
//! - an [`Input`] is one thing to read; [`expand`] makes them of paths, folders, globs, `-`, and
//!   addresses in S3, Google Cloud Storage and Azure;
//! - a [`RecordReader`] reads one: it takes off gzip or zstd, and cuts the bytes into records;
//! - the [`Splitter`] in it knows the shapes in which logs come (NDJSON, arrays, `{"Records":[…]}`);
//! - [`Batches`] reads many inputs in the background and hands out batches that are fit for the log.
//!
//! What is not a list of inputs but goes on for ever is a [`Collector`]: [`Files`] and [`Objects`] follow
//! what grows; those of AWS are in [`aws`], those of Azure and Microsoft 365 in [`azure`], of Google in
//! [`google`], topics of Kafka and event hubs in [`kafka`]; [`okta`], [`github`], [`google_workspace`] and, for
//! any other list of JSON, [`http_list`] have theirs. What others push is read by [`push`].
//!
//! What this crate does not do: it does not parse records and does not know what they mean, it takes
//! no envelope off (EventBridge, Pub/Sub, `LookupEvents` items: `normalize` does), and it writes nothing.
//!
//! # Promises
//! - Each byte of the input that is no white space and no syntax around records is in exactly one
//!   record or reject, and a reject tells why. Nothing is dropped in silence: a torn end, damage in a
//!   compressed stream, and a limit each leave a reject that names the place.
//! - A record that cannot be read takes no other with it, as far as one can tell where the next begins.
//! - Memory is bounded by [`Limits`], whatever the input claims: a batch and two records of the
//!   largest size for a reader, whose memory the batch takes over, and the window of the compression (at most 128 MiB, usually 8).
//! - The result does not depend on how the bytes arrive.
//!
//! ```
//! use ingest::{Limits, split_body};
//! let batch = split_body(b"{\"a\":1}\n{\"b\":\n{\"c\":3}\n".as_slice(), &Limits::default());
//! assert_eq!(batch.len(), 3);
//! ```

pub mod aws;
pub mod azure;
mod batches;
mod by_key;
mod check;
mod collect;
mod collector;
mod decode;
mod environment;
mod error;
mod expand;
mod finding;
mod folder;
mod gathered;
pub mod github;
pub mod google;
pub mod google_workspace;
pub mod http_list;
mod input;
mod jwt;
pub mod kafka;
mod limits;
mod list;
mod oauth;
mod object;
pub mod okta;
pub mod push;
mod queue;
mod reader;
mod repeat;
mod secret;
mod session;
mod split;
mod token;
mod web;

pub use batches::{Batches, FailedInput, ReadOptions, ReadProgress};
pub use check::{CheckOutcome, CheckStep};
pub use collect::{Files, FilesConfig, Objects, ObjectsConfig, Sweep, SweepProgress, check_objects};
pub use collector::{Backlog, Collected, Collector, Polled, PositionChange};
pub use environment::Environment;
pub use error::{Error, Result};
pub use expand::expand;
pub use finding::{FindingKind, SourceFinding};
pub use input::Input;
pub use limits::Limits;
pub use list::{ListPurpose, ListSource, Lists};
pub use object::open_store;
pub use queue::QueueCounts;
pub use reader::{RecordReader, split_body};
pub use secret::SecretReference;
pub use split::{KEPT_BYTES, LISTS, Splitter};
