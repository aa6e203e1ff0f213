//! An event's way, in one sitting.
//!
//! ```text
//! accept ──► the log ──► refine ─────► turn ──┬──► sink   rows, then one Delta commit with the offset
//!            raw records  raw → OCSF,  in the │
//!            and offsets, rules match; log's  └──► raise  alerts, dead letters, counts and the offset
//!            one fsync    many at once order               in one SQLite transaction
//! ```
//!
//! - [`accept`](Pipeline::accept) returns when the records are durable in the log; a source is
//!   acknowledged after that and never before.
//! - `refine` turns entries of the log into columns and matches, on all cores.
//! - `turn` takes what is refined in the log's order: duplicates leave, rows go to the sink, findings
//!   and rejects to `raise`.
//! - `upkeep` merges small files, removes expired days and deletes files that nobody needs.
//! - `sink` and `raise` each keep their own offset inside their own commit. After a crash work starts
//!   again from the lower one, and each skips what it has: a crash repeats work, never its effect.

mod accept;
mod config;
mod detect;
mod error;
mod health;
mod progress;
mod raise;
mod refine;
mod retry;
mod run;
mod sink;
mod stop;
mod tally;
mod turn;
mod upkeep;

pub use config::PipelineConfig;
pub use error::{Error, Result};
pub use health::Health;
pub use progress::Progress;
pub use run::{Parts, Pipeline, passed};
pub use tally::Tally;
