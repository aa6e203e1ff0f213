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
//! - `refine` turns entries of the log into columns, with the places of their addresses, and matches, on all
//!   cores.
//! - `turn` takes what is refined in the log's order: duplicates leave, rows go to the sink, findings
//!   and rejects to `raise`.
//! - `raise` also lets correlations remember (`memory`) and writes what they remember, found and forgot
//!   (`changes`) in the same transaction; `rehearse` is the same over events that are already there.
//! - `upkeep` merges small files, removes expired days and deletes files that nobody needs.
//! - [`Sources`] drives what is pulled: `collect` is the turn of one source, from its collector through
//!   `accept` to its saved position and its acknowledgement; `source_health` tells how it is doing.
//! - `sink` and `raise` each keep their own offset inside their own commit. After a crash work starts
//!   again from the lower one, and each skips what it has: a crash repeats work, never its effect.

mod accept;
mod changes;
mod collect;
mod config;
mod correlated;
mod detect;
mod error;
mod health;
mod identities;
mod memory;
mod progress;
mod raise;
mod redact;
mod refine;
mod rehearse;
mod retry;
mod rule_counts;
mod run;
mod shortage;
mod sift;
mod sink;
mod source_alerts;
mod source_findings;
mod source_health;
mod source_status;
mod sources;
mod stop;
mod tally;
mod turn;
mod upkeep;
mod who;

pub use collect::{Opener, SourceSpec};
pub use config::PipelineConfig;
pub use enrich::identity::{ClusterIssuer, IdentityConfig, PoolProvider};
pub use enrich::place::{self, Places};
pub use error::{Error, Result};
pub use health::Health;
pub use identities::{Changed, Identities};
pub use memory::{CorrelationConfig, CorrelationState, SourceReached};
pub use progress::Progress;
pub use rehearse::{Rehearsal, Rehearsed};
pub use rule_counts::{RuleCount, RuleCounts};
pub use run::{Parts, Pipeline, passed};
pub use sift::Sifter;
pub use source_health::{HealthBounds, Judgement, SourceState};
pub use source_status::{PullCounts, SourceReport};
pub use sources::{Source, Sources};
pub use tally::Tally;
pub use who::{actor, actor_name};
