//! Connections with the settings that the promises need.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migration::ROOMS;
use crate::{Error, Result};

/// `SGLS`: tells our databases from others (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x5347_4c53;

/// The version of the database as a whole (`PRAGMA user_version`).
const LAYOUT: u32 = 1;

/// How long a connection waits for another process, such as a backup tool.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps compiled.
const CACHED_STATEMENTS: usize = 128;

/// The one connection that writes.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    // It holds hashes of passwords. SQLite gives the WAL and its index the mode of the database.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| Error::Io { action: "open", path: path.to_owned(), source })?;
    // A connection that ends in order takes the WAL with it.
    let crashed = std::fs::metadata(wal_of(path)).is_ok_and(|wal| wal.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = open(path, flags)?;
    identify(&connection, path).map_err(|error| damaged(error, path))?;
    settle(&connection).map_err(|error| damaged(error, path))?;
    if crashed {
        check(&connection, path)?;
    }
    // SQLite syncs the folder for its WAL, not for the database itself.
    sync_parent(path)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = open(path, flags)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // Functions in a tampered schema must not run; damaged pages must be found.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// Makes sure that the file is ours, or new, before anything in it is changed.
fn identify(connection: &Connection, path: &Path) -> Result<()> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let layout: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION_ID && layout > LAYOUT {
        let (found, known) = (u64::from(layout), u64::from(LAYOUT));
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    if application == APPLICATION_ID {
        return Ok(());
    }
    if application != 0 || layout != 0 || tables != 0 {
        return Err(Error::StateForeign { path: path.to_owned() });
    }
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT}; {ROOMS}; COMMIT"
    ))?;
    Ok(())
}

/// What makes commits durable and checked.
fn settle(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // macOS: its fsync does not reach the platters. Elsewhere without effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // 16 MiB: identities' links are widened all over their table, and each page is brought home once for many commits.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    // After a burst the WAL gives its space back.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(())
}

fn check(connection: &Connection, path: &Path) -> Result<()> {
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| damaged(error.into(), path))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(Error::StateDamaged { path: path.to_owned(), problem: verdict })
}

/// Names the file where SQLite found it damaged.
fn damaged(error: Error, path: &Path) -> Error {
    let Error::Sqlite(inner) = &error else { return error };
    match inner.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::StateDamaged { path: path.to_owned(), problem: inner.to_string() }
        }
        _ => error,
    }
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn sync_parent(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|source| Error::Io {
        action: "sync",
        path: parent.to_owned(),
        source,
    })
}
