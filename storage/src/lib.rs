//! Everything durable: the log, the events table, the state.
//!
//! - [`log::Log`]: raw records, synced to the disk before their source is acknowledged, numbered by
//!   offset without gaps. Whoever reads it keeps an offset of its own and can be killed and go on.
//! - [`table::EventTable`]: events as columns, a Delta table of Parquet files. Each commit holds the
//!   log offset that it covers.
//! - [`state::State`]: one SQLite database for what changes in small steps and must change together:
//!   alerts, [`accounts`], what correlations have [`remembered`], [`dead_letter`]s, the [`ledger`] of what became of every record, the [`position`]s of
//!   the log's consumers, the [`source_position`]s of sources that are pulled.
//! - [`audit::AuditLog`]: what was done to Stormglass and by whom, chained and signed.
//! - [`seen::UidIndex`]: which events came at an earlier offset.
//!
//! Only this crate writes durable bytes. What it promises:
//!
//! - What was acknowledged or committed survives a kill and a power loss; each promise is kept by a
//!   sync before the answer, of the file and of its folder.
//! - An effect and the offset that it covers are one commit: a crash repeats work, not its effect.
//! - A failed sync is final. The part concerned is poisoned: it is read on, and refuses to write with
//!   the first failure as the reason, until it is opened again.
//! - Damage at rest is found by checksum and named; nothing damaged is handed out as if it were whole.
//!
//! It knows neither clouds nor rules, and not what an alert means. One process has a folder open at a
//! time; the log's lock says which.
//!
//! ```
//! use event::{RawBatchBuilder, RawRecord, SourceId};
//! use storage::log::{Log, LogConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let log = Log::open(&dir.path().join("log"), LogConfig::default())?;
//! let mut records = RawBatchBuilder::with_capacity(16);
//! assert!(records.push(RawRecord { bytes: b"{}", number: 0, reject: None }));
//! let batch = records.finish(SourceId::new("cli"), None, "a.json".into(), 0);
//!
//! assert_eq!(log.append(&batch).await?, 0..1); // on the disk
//! let entry = log.reader(0)?.next().await?;
//! assert_eq!((entry.first, entry.batch), (0, batch));
//! log.trim(1)?; // every consumer has it; whole segments go
//! # Ok(())
//! # }
//! ```

mod error;

pub mod accounts;
pub mod audit;
pub mod dead_letter;
pub mod ledger;
pub mod log;
pub mod position;
pub mod remembered;
pub mod seen;
pub mod source_position;
pub mod state;
pub mod state_table;
pub mod table;

pub use error::{Error, Result};
