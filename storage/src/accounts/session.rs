//! Sessions of users in browsers.

use rusqlite::{Connection, params};

use super::SecretHash;
use crate::Result;
use crate::state::Txn;

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Of the secret that the browser holds.
    pub hash: SecretHash,
    /// Whose session.
    pub tenant: String,
    /// The user.
    pub user_id: String,
    /// Where it began.
    pub address: String,
    /// When it began, microseconds since 1970.
    pub created_us: i64,
    /// When it was last used, give or take a minute.
    pub used_us: i64,
}

/// All sessions, in the order of their hashes.
///
/// # Errors
/// The database refuses.
pub fn sessions(db: &Connection) -> Result<Vec<SessionRow>> {
    let mut select = db.prepare_cached(
        "SELECT hash, tenant, user_id, address, created_us, used_us FROM user_sessions ORDER BY hash",
    )?;
    let rows = select.query_map([], |row| {
        Ok(SessionRow {
            hash: SecretHash(row.get(0)?),
            tenant: row.get(1)?,
            user_id: row.get(2)?,
            address: row.get(3)?,
            created_us: row.get(4)?,
            used_us: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds a session, or notes that it was used.
///
/// # Errors
/// There is no such user; the database refuses.
pub fn put_session(txn: &Txn<'_>, session: &SessionRow) -> Result<()> {
    txn.prepare_cached(
        "INSERT INTO user_sessions (hash, tenant, user_id, address, created_us, used_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (hash) DO UPDATE SET used_us = ?6",
    )?
    .execute(params![
        session.hash.0,
        session.tenant,
        session.user_id,
        session.address,
        session.created_us,
        session.used_us,
    ])?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// The database refuses.
pub fn remove_session(txn: &Txn<'_>, hash: &SecretHash) -> Result<()> {
    txn.prepare_cached("DELETE FROM user_sessions WHERE hash = ?1")?.execute(params![hash.0])?;
    Ok(())
}
