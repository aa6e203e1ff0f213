//! How far each consumer of the log has come, kept in the same transaction as what it did.

use event::Offset;
use rusqlite::{Connection, OptionalExtension};

use crate::state::Txn;
use crate::{Error, Result};

pub(crate) const MIGRATIONS: &[&str] =
    &["CREATE TABLE positions (consumer TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT"];

/// The offset that `consumer` needs next; 0 if it was never set.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Connection, consumer: &str) -> Result<Offset> {
    let mut select = db.prepare_cached("SELECT next FROM positions WHERE consumer = ?1")?;
    Ok(select.query_row([consumer], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Notes that `consumer` has done everything below `next`.
///
/// # Errors
/// [`Error::PositionWentBack`] if it had come further already; the database refuses. The transaction
/// must not be committed then.
pub fn set(txn: &Txn<'_>, consumer: &str, next: Offset) -> Result<()> {
    let stored = get(txn, consumer)?;
    if next < stored {
        return Err(Error::PositionWentBack { consumer: consumer.to_owned(), stored, wanted: next });
    }
    let mut upsert = txn.prepare_cached(
        "INSERT INTO positions (consumer, next) VALUES (?1, ?2) ON CONFLICT (consumer) DO UPDATE SET next = ?2",
    )?;
    upsert.execute((consumer, next))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    #[test]
    fn positions_only_grow() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let get = |consumer: &'static str| state.read(|db| get(db, consumer)).unwrap();
        assert_eq!(get("raise"), 0);
        state.write(|txn| set(txn, "raise", 7)).unwrap();
        state.write(|txn| set(txn, "raise", 7)).unwrap();
        state.write(|txn| set(txn, "other", 1)).unwrap();
        let error = state.write(|txn| set(txn, "raise", 6)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the position of `raise` would go back from 7 to 6; this is a bug, please report it"
        );
        assert_eq!((get("raise"), get("other")), (7, 1));
        state.write(|txn| set(txn, "raise", u64::MAX)).unwrap_err();
        state.write(|txn| set(txn, "raise", i64::MAX as u64)).unwrap();
        assert_eq!(get("raise"), i64::MAX as u64);
    }
}
