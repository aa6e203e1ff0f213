//! Each room's tables have a version: the number of steps that made them.

use rusqlite::OptionalExtension;

use super::Txn;
use crate::{Error, Result};

/// Where the versions are kept; every database has it.
pub(super) const ROOMS: &str = "CREATE TABLE rooms (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT";

pub(super) fn migrate(txn: &Txn<'_>, room: &str, steps: &[&str]) -> Result<()> {
    let found: Option<u32> =
        txn.query_row("SELECT version FROM rooms WHERE name = ?1", [room], |row| row.get(0)).optional()?;
    let found = found.unwrap_or(0);
    let known = steps.len() as u32;
    if found > known {
        return Err(Error::RoomNewer { room: room.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
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
