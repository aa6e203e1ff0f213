//! Each room's tables have a version: the number of steps that made them.

use rusqlite::OptionalExtension;

use super::Txn;
use crate::{Error, Result};

/// The version of what this file itself lays down (`PRAGMA user_version`).
pub(super) const LAYOUT: u32 = 1;

pub(super) fn migrate(txn: &Txn<'_>, room: &str, steps: &[&str]) -> Result<()> {
    txn.execute(
        "CREATE TABLE IF NOT EXISTS rooms (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",
        [],
    )?;
    txn.pragma_update(None, "user_version", LAYOUT)?;
    let found: Option<u32> = txn
        .query_row("SELECT version FROM rooms WHERE name = ?1", [room], |row| row.get(0))
        .optional()?;
    let found = found.unwrap_or(0);
    let known = steps.len() as u32;
    if found > known {
        return Err(Error::RoomNewer { room: room.to_owned(), found, known });
    }
    for step in steps.iter().skip(found as usize) {
        txn.execute_batch(step)?;
    }
    txn.execute(
        "INSERT INTO rooms (name, version) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = ?2",
        (room, known),
    )?;
    Ok(())
}
