//! Where each source that is pulled goes on after a restart, in its collector's own words, and which
//! sources somebody has paused.
//!
//! A position is saved after the records before it are in the log. A kill between the two repeats these
//! records; their events are then found by their ids.

use std::collections::BTreeMap;

use event::SourceId;
use rusqlite::{Connection, OptionalExtension};

use crate::state::Txn;
use crate::{Error, Result};

pub(crate) const MIGRATIONS: &[&str] = &["
CREATE TABLE source_positions (
    source    TEXT NOT NULL,
    key       TEXT NOT NULL,
    value     TEXT NOT NULL,
    saved_us  INTEGER NOT NULL,
    PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE paused_sources (source TEXT PRIMARY KEY, since_us INTEGER NOT NULL) STRICT;
"];

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 << 10;

/// The positions of `source`, by key. `source` may also name a second reading of a source, such as a
/// backfill: a text of its own.
///
/// # Errors
/// The database refuses.
pub fn all(db: &Connection, source: &str) -> Result<BTreeMap<String, String>> {
    let mut select = db.prepare_cached("SELECT key, value FROM source_positions WHERE source = ?1")?;
    let rows = select.query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When a position of `source` was last saved, in microseconds since 1970; `None` if never.
///
/// # Errors
/// The database refuses.
pub fn saved_us(db: &Connection, source: &str) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT max(saved_us) FROM source_positions WHERE source = ?1")?;
    Ok(select.query_row([source], |row| row.get(0))?)
}

/// Applies changes in their order: a value is set, `None` forgets the key.
///
/// # Errors
/// [`Error::PositionTooLong`]; the database refuses. The transaction must not be committed then.
pub fn apply<'a>(
    txn: &Txn<'_>,
    source: &str,
    changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    now_us: i64,
) -> Result<()> {
    let mut upsert = txn.prepare_cached(
        "INSERT INTO source_positions (source, key, value, saved_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (source, key) DO UPDATE SET value = ?3, saved_us = ?4",
    )?;
    let mut delete = txn.prepare_cached("DELETE FROM source_positions WHERE source = ?1 AND key = ?2")?;
    for (key, value) in changes {
        let bytes = key.len().max(value.map_or(0, |value| value.len() * MAX_KEY_BYTES / MAX_VALUE_BYTES));
        if bytes > MAX_KEY_BYTES {
            return Err(Error::PositionTooLong { source_name: source.to_owned() });
        }
        match value {
            Some(value) => upsert.execute((source, key, value, now_us))?,
            None => delete.execute((source, key))?,
        };
    }
    Ok(())
}

/// Forgets all positions of `source`: it is read from its beginning again.
///
/// # Errors
/// The database refuses.
pub fn forget(txn: &Txn<'_>, source: &str) -> Result<()> {
    txn.execute("DELETE FROM source_positions WHERE source = ?1", [source])?;
    Ok(())
}

/// Since when `source` is paused, in microseconds since 1970; `None` while it is not.
///
/// # Errors
/// The database refuses.
pub fn paused_since_us(db: &Connection, source: &SourceId) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT since_us FROM paused_sources WHERE source = ?1")?;
    Ok(select.query_row([source.as_str()], |row| row.get(0)).optional()?)
}

/// Notes that `source` is paused, or no longer; a second pause keeps the time of the first.
///
/// # Errors
/// The database refuses.
pub fn set_paused(txn: &Txn<'_>, source: &SourceId, is_paused: bool, now_us: i64) -> Result<()> {
    if is_paused {
        let insert = "INSERT INTO paused_sources VALUES (?1, ?2) ON CONFLICT (source) DO NOTHING";
        txn.execute(insert, (source.as_str(), now_us))?;
    } else {
        txn.execute("DELETE FROM paused_sources WHERE source = ?1", [source.as_str()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn state() -> (tempfile::TempDir, State) {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        (dir, state)
    }

    #[test]
    fn positions_are_set_and_forgotten_by_source() {
        let (_dir, state) = state();
        let all = |source: &'static str| state.read(|db| all(db, source)).unwrap().into_iter().collect();
        let apply = |source: &'static str, changes: &[(&'static str, Option<&'static str>)], now_us| {
            state.write(|txn| apply(txn, source, changes.iter().copied(), now_us))
        };
        let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        let is = |source: &'static str, pairs: &[(&str, &str)]| {
            let found: Vec<(String, String)> = all(source);
            assert_eq!(found, text(pairs), "{source}");
        };
        is("a", &[]);
        apply("a", &[("k", Some("1")), ("l", Some("2")), ("k", Some("3"))], 7).unwrap();
        apply("b", &[("k", Some("9"))], 8).unwrap();
        is("a", &[("k", "3"), ("l", "2")]);
        apply("a", &[("k", None), ("m", None)], 9).unwrap();
        is("a", &[("l", "2")]);
        assert_eq!(state.read(|db| saved_us(db, "a")).unwrap(), Some(7));
        assert_eq!(state.read(|db| saved_us(db, "c")).unwrap(), None);
        state.write(|txn| forget(txn, "a")).unwrap();
        is("a", &[]);
        is("b", &[("k", "9")]);
    }

    #[test]
    fn what_is_too_long_changes_nothing() {
        let (_dir, state) = state();
        let long_key = "k".repeat(MAX_KEY_BYTES + 1);
        let long_value = "v".repeat(MAX_VALUE_BYTES + 64);
        for (key, value) in [(long_key.as_str(), "v"), ("k", long_value.as_str())] {
            let changes = [("first", Some("1")), (key, Some(value))];
            let error = state.write(|txn| apply(txn, "a", changes, 0)).unwrap_err();
            assert!(matches!(error, Error::PositionTooLong { .. }), "{error}");
            assert_eq!(error.fate(), event::Fate::Reject);
        }
        assert!(state.read(|db| all(db, "a")).unwrap().is_empty());
        let fits = "v".repeat(MAX_VALUE_BYTES);
        state.write(|txn| apply(txn, "a", [("k", Some(fits.as_str()))], 0)).unwrap();
    }

    #[test]
    fn a_pause_outlives_a_restart_and_keeps_its_time() {
        let (dir, state) = state();
        let (a, b) = (SourceId::new("a"), SourceId::new("b"));
        state.write(|txn| set_paused(txn, &a, true, 5)).unwrap();
        state.write(|txn| set_paused(txn, &a, true, 6)).unwrap();
        drop(state);
        let state = State::open(&dir.path().join("state.db")).unwrap();
        assert_eq!(state.read(|db| paused_since_us(db, &a)).unwrap(), Some(5));
        assert_eq!(state.read(|db| paused_since_us(db, &b)).unwrap(), None);
        state.write(|txn| set_paused(txn, &a, false, 7)).unwrap();
        assert_eq!(state.read(|db| paused_since_us(db, &a)).unwrap(), None);
    }
}
