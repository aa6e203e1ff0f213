//! SQL over events, alerts, dead letters and sources: read only, bounded, cancellable.
//!
//! A query sees one [snapshot](storage::table::TableSnapshot) of the events table: the files of one
//! version and the rows that are not in files yet. It runs on threads of its own, within a budget of
//! memory, rows and time, and ends when its [`QueryStream`] is dropped.
//!
//! What a statement may do is decided three times: by its syntax (`guard`), by DataFusion's own
//! options, and by the catalogue, which holds our tables and nothing else.

mod accounts;
mod config;
mod engine;
mod error;
mod events;
mod format;
mod functions;
mod guard;
mod hint;
mod observables;
mod prune;
mod state_scan;
mod stream;
#[cfg(test)]
mod tests;

pub use config::{QueryConfig, QueryRequest};
pub use engine::QueryEngine;
pub use error::{Error, Result};
pub use format::{Format, Writer};
pub use stream::QueryStream;
