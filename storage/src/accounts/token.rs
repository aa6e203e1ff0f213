//! Tokens of the API that users make while the server runs.

use rusqlite::{Connection, params};

use super::SecretHash;
use crate::Result;
use crate::state::Txn;

/// A token; it stays after its end, so that histories name something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Never given twice.
    pub id: String,
    /// Whose token.
    pub tenant: String,
    /// What it is called in histories.
    pub name: String,
    /// The user whose rights bound it and with whom it ends; none of a service's.
    pub owner_id: Option<String>,
    /// Who made it.
    pub made_by: String,
    /// The name of its role.
    pub role: String,
    /// The only rights of the role that it has, joined by commas; all where there is nothing.
    pub rights: Option<String>,
    /// Of its text.
    pub hash: SecretHash,
    /// Microseconds since 1970.
    pub created_us: i64,
    /// When it ends, microseconds since 1970.
    pub expires_us: i64,
    /// When it was last used, give or take five minutes.
    pub used_us: Option<i64>,
    /// When it was ended before its time.
    pub revoked_us: Option<i64>,
}

/// All tokens, oldest first.
///
/// # Errors
/// The database refuses.
pub fn tokens(db: &Connection) -> Result<Vec<TokenRow>> {
    let mut select = db.prepare_cached(
        "SELECT id, tenant, name, owner_id, made_by, role, rights, hash, created_us, expires_us, used_us, revoked_us
         FROM api_tokens ORDER BY created_us, id",
    )?;
    let rows = select.query_map([], |row| {
        Ok(TokenRow {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            owner_id: row.get(3)?,
            made_by: row.get(4)?,
            role: row.get(5)?,
            rights: row.get(6)?,
            hash: SecretHash(row.get(7)?),
            created_us: row.get(8)?,
            expires_us: row.get(9)?,
            used_us: row.get(10)?,
            revoked_us: row.get(11)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds a token, or notes when it was used or revoked.
///
/// # Errors
/// The name is another token's; the database refuses.
pub fn put_token(txn: &Txn<'_>, token: &TokenRow) -> Result<()> {
    txn.prepare_cached(
        "INSERT INTO api_tokens (id, tenant, name, owner_id, made_by, role, rights, hash, created_us, expires_us,
            used_us, revoked_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (id) DO UPDATE SET used_us = ?11, revoked_us = ?12",
    )?
    .execute(params![
        token.id,
        token.tenant,
        token.name,
        token.owner_id,
        token.made_by,
        token.role,
        token.rights,
        token.hash.0,
        token.created_us,
        token.expires_us,
        token.used_us,
        token.revoked_us,
    ])?;
    Ok(())
}
