//! Errors of this crate.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use event::{Fate, Offset};

/// What can go wrong with what is durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- log ---------------------------------------------------------------------------------
    /// An operation on a file or folder failed. Mend the disk or the rights, then restart.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error("`{path}` is in use by {holder}; stop it first, or use another data folder", path = path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as it wrote itself: process id and address.
        holder: String,
    },
    /// There is no room in the log: its limit or the disk is reached. Passes when consumers catch up.
    #[error("the log is full ({reason}); try again in {} ms", retry_after.as_millis())]
    LogFull {
        /// Which limit, with its figures.
        reason: String,
        /// The least time to wait.
        retry_after: Duration,
    },
    /// A write or sync failed earlier; nothing is accepted until a restart re-reads what is durable.
    #[error("the log takes no more writes: {reason}; mend the disk, then restart")]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// The log was closed.
    #[error("the log is closed")]
    LogClosed,
    /// A batch is over a limit of the log's format.
    #[error("a batch has {found} {what}, the log takes at most {limit}; send smaller batches")]
    BatchTooLarge {
        /// What is counted: `bytes`, `records`, ...
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A batch without records has no place in the log.
    #[error("a batch has no records; send at least one")]
    BatchEmpty,
    /// A reader asked for what was trimmed or was never written.
    #[error("offset {wanted} is not in the log, which holds {tail}..{head}; restore the folder that belongs to the state and the table")]
    OffsetUnknown {
        /// The offset asked for.
        wanted: Offset,
        /// The oldest offset kept.
        tail: Offset,
        /// The next offset to be written.
        head: Offset,
    },
    /// The log's files contradict each other in a way that must not be guessed about.
    #[error("`{path}` is damaged at byte {position}: {problem}; save a copy of the folder, then move this file away", path = path.display())]
    LogDamaged {
        /// The segment.
        path: PathBuf,
        /// Where in the segment.
        position: u64,
        /// What is wrong there.
        problem: String,
    },
    /// A file was written by a newer Stormglass.
    #[error("`{path}` has format version {found}, this version knows up to {known}; run the newer version", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The newest version known here.
        known: u64,
    },

    // ---- state -------------------------------------------------------------------------------
    /// The state database refused.
    #[error("the state database refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The state database is damaged. Restore it from a backup.
    #[error("the state database `{path}` is damaged: {problem}; restore it from a backup", path = path.display())]
    StateDamaged {
        /// The database file.
        path: PathBuf,
        /// What the check found.
        problem: String,
    },
    /// The file is a database, but not one of Stormglass.
    #[error("`{path}` is no state database of Stormglass; name another data folder", path = path.display())]
    StateForeign {
        /// The file.
        path: PathBuf,
    },
    /// A commit of the state failed earlier; nothing is written until a restart.
    #[error("the state takes no more writes: {reason}; mend the disk, then restart")]
    StatePoisoned {
        /// The first failure.
        reason: String,
    },
    /// The tables of a room were written by a newer Stormglass.
    #[error("the tables of `{room}` have version {found}, this version knows up to {known}; run the newer version")]
    RoomNewer {
        /// The room.
        room: String,
        /// The version in the database.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A consumer's position would go back; its work would be done twice.
    #[error("the position of `{consumer}` would go back from {stored} to {wanted}; this is a bug, please report it")]
    PositionWentBack {
        /// The consumer.
        consumer: String,
        /// The position stored.
        stored: Offset,
        /// The position asked for.
        wanted: Offset,
    },
    /// A number does not fit the database's 63 bits.
    #[error("{what} {value} is over 2^63 - 1")]
    NumberTooLarge {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u64,
    },

    // ---- table, seen -------------------------------------------------------------------------
    /// The Delta table refused.
    #[error("the events table refused: {0}")]
    Delta(#[from] deltalake_core::DeltaTableError),
    /// A Parquet file could not be written or read.
    #[error("a Parquet file of the events table failed: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The object store refused.
    #[error("the store of the events table refused: {0}")]
    ObjectStore(#[from] object_store::Error),
    /// Columns could not be put together.
    #[error("a batch of events could not be built: {0}")]
    Columns(#[from] arrow::error::ArrowError),
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What is to be done about it.
    pub fn fate(&self) -> Fate {
        match self {
            Self::LogFull { retry_after, .. } => Fate::Retry { after: *retry_after },
            Self::BatchTooLarge { .. } | Self::BatchEmpty => Fate::Reject,
            _ => Fate::Stop,
        }
    }
}
