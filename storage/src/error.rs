//! Errors of this crate.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use event::{Fate, Offset};

use crate::log::Holder;

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
        /// Who holds it, as it wrote itself.
        holder: Holder,
    },
    /// A collector asked to save a position that is longer than positions may be.
    #[error("a position of the source `{source_name}` is too long; this is a bug, please report it")]
    PositionTooLong {
        /// The source.
        source_name: String,
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
    #[error(
        "offset {wanted} is not in the log, which holds {tail}..{head}; restore the folder that belongs to the state and the table"
    )]
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
    #[error(
        "the tables of `{room}` have version {found}, this version knows up to {known}; run the newer version"
    )]
    RoomNewer {
        /// The room.
        room: String,
        /// The version in the database.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A consumer's position would go back; its work would be done twice.
    #[error(
        "the position of `{consumer}` would go back from {stored} to {wanted}; this is a bug, please report it"
    )]
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

    // ---- audit -------------------------------------------------------------------------------
    /// Entries of the audit log that were to be dropped are not what was signed.
    #[error(
        "the audit log cannot be trimmed: {problem}; `stormglass audit verify` says more, and nothing is dropped until it is mended"
    )]
    AuditUnsound {
        /// What is wrong.
        problem: String,
    },
    /// The audit log does not go on from what was signed last.
    #[error(
        "the audit log is not signed any more: {problem}; `stormglass audit verify` says more. Restore the database, or keep all \
         as evidence and move `audit.key` and `audit.head` away to go on with a new key"
    )]
    AuditUnsigned {
        /// What is wrong.
        problem: String,
    },
    /// The archive of the audit log has another file under the name of a segment.
    #[error("the archive has something else as `{place}`; move it away, or name another `audit.archive`")]
    AuditArchive {
        /// The file or object.
        place: String,
    },
    /// The key that signs the audit log is none.
    #[error("`{path}` is no key to sign the audit log with: {problem}; restore it, or move it away to go on with a new one", path = path.display())]
    AuditKey {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
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
    /// The events table lies where this version cannot write.
    #[error("the events table cannot lie at `{location}`: {problem}; name a local folder")]
    TableLocation {
        /// The folder or address.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The table has a file that is in none of our partitions: it is no table of Stormglass.
    #[error(
        "the events table has the file `{path}` without `event_day` and `cloud_provider`; name another data folder"
    )]
    TableFile {
        /// The file, from the table's root.
        path: String,
    },
    /// The table has a column of another type: it is no table of Stormglass.
    #[error("the events table has `{column}` as {found}, not {wanted}; name another data folder")]
    TableColumn {
        /// The column.
        column: String,
        /// Its type in the table.
        found: String,
        /// Its type in this version.
        wanted: String,
    },
    /// Another Stormglass has written to the table; this one must not go on.
    #[error("another process writes to the events table at `{location}`; stop it, then restart")]
    TableFenced {
        /// The table.
        location: String,
    },
    /// The table's store does not say whether a commit was written. The same commit is tried again.
    #[error("a commit of the events table is undecided: {reason}; try again in {} ms", retry_after.as_millis())]
    TableUndecided {
        /// The last failure.
        reason: String,
        /// The least time to wait.
        retry_after: Duration,
    },
    /// A sync of the table's folder failed earlier; nothing is written until a restart.
    #[error("the events table takes no more writes: {reason}; mend the disk, then restart")]
    TablePoisoned {
        /// The first failure.
        reason: String,
    },
    /// The duplicate index could not be written. Passes when there is room; its keys are still known.
    #[error("cannot write the duplicate index `{path}`: {source}; make room on the disk", path = path.display())]
    SeenUnwritten {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A task was cancelled or panicked.
    #[error("a task of the storage ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What is to be done about it.
    pub fn fate(&self) -> Fate {
        match self {
            Self::LogFull { retry_after, .. } | Self::TableUndecided { retry_after, .. } => {
                Fate::Retry { after: *retry_after }
            }
            Self::ObjectStore(_) | Self::SeenUnwritten { .. } => {
                Fate::Retry { after: Duration::from_secs(1) }
            }
            Self::Sqlite(error) => sqlite_fate(error),
            Self::BatchTooLarge { .. } | Self::BatchEmpty | Self::PositionTooLong { .. } => Fate::Reject,
            _ => Fate::Stop,
        }
    }
}

/// Another process at the file, such as a backup tool, and a full disk pass.
fn sqlite_fate(error: &rusqlite::Error) -> Fate {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            Fate::Retry { after: Duration::from_millis(100) }
        }
        Some(rusqlite::ErrorCode::DiskFull) => Fate::Retry { after: Duration::from_secs(1) },
        _ => Fate::Stop,
    }
}
