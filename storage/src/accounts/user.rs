//! Users, and where they have signed in from.

use std::fmt;

use rusqlite::{Connection, Row, params};

use crate::Result;
use crate::state::Txn;

/// Who keeps a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Stormglass, with a password.
    Local,
    /// The provider of single sign-on.
    SignOn,
    /// A directory, by SCIM; may sign in by single sign-on.
    Directory,
}

impl Origin {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Local, "local"), (Self::SignOn, "single_sign_on"), (Self::Directory, "directory")];

    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(origin, _)| *origin == self).map_or("", |(_, name)| name)
    }

    /// What it is that is called `name`; what is not known has no password, and no other way in.
    fn named(name: &str) -> Self {
        Self::ALL.iter().find(|(_, known)| *known == name).map_or(Self::Directory, |(origin, _)| *origin)
    }
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Never given twice.
    pub id: String,
    /// Whose user.
    pub tenant: String,
    /// What the user signs in as, and is called in histories.
    pub name: String,
    /// The name of the person; may be empty.
    pub display: String,
    /// May be empty.
    pub email: String,
    /// The name of the role.
    pub role: String,
    /// Who keeps the user.
    pub origin: Origin,
    /// Issuer and subject of single sign-on, once they are known.
    pub subject: Option<String>,
    /// What the directory calls the user.
    pub external_id: Option<String>,
    /// The password's hash with its parameters (PHC string).
    pub password: Option<String>,
    /// Who the user is elsewhere, as SERVICE:ID (`slack:U0123456789`): what is done there is done by the user.
    pub handles: Vec<String>,
    /// Whether the user may come in.
    pub is_active: bool,
    /// Microseconds since 1970.
    pub created_us: i64,
    /// Microseconds since 1970.
    pub changed_us: i64,
}

impl fmt::Debug for UserRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRow")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("origin", &self.origin)
            .field("has_password", &self.password.is_some())
            .field("is_active", &self.is_active)
            .finish_non_exhaustive()
    }
}

/// An address from which a user has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInPlace {
    /// The user.
    pub user_id: String,
    /// The address.
    pub address: String,
    /// When last, microseconds since 1970.
    pub last_us: i64,
}

/// All users, in the order of their ids.
///
/// # Errors
/// The database refuses.
pub fn users(db: &Connection) -> Result<Vec<UserRow>> {
    let mut select = db.prepare_cached(
        "SELECT id, tenant, name, display, email, role, origin, subject, external_id, password, is_active,
            created_us, changed_us, handles FROM users ORDER BY id",
    )?;
    let rows = select.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: row.get(0)?,
        tenant: row.get(1)?,
        name: row.get(2)?,
        display: row.get(3)?,
        email: row.get(4)?,
        role: row.get(5)?,
        origin: Origin::named(row.get_ref(6)?.as_str()?),
        subject: row.get(7)?,
        external_id: row.get(8)?,
        password: row.get(9)?,
        is_active: row.get(10)?,
        created_us: row.get(11)?,
        changed_us: row.get(12)?,
        handles: row.get_ref(13)?.as_str()?.split_whitespace().map(str::to_owned).collect(),
    })
}

/// Adds a user, or changes the one with this id.
///
/// # Errors
/// The name, subject or external id is another user's; the database refuses.
pub fn put_user(txn: &Txn<'_>, user: &UserRow) -> Result<()> {
    txn.prepare_cached(
        "INSERT INTO users (id, tenant, name, display, email, role, origin, subject, external_id, password,
            is_active, created_us, changed_us, handles)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (id) DO UPDATE SET name = ?3, display = ?4, email = ?5, role = ?6, origin = ?7, subject = ?8,
            external_id = ?9, password = ?10, is_active = ?11, changed_us = ?13,
            handles = ?14",
    )?
    .execute(params![
        user.id,
        user.tenant,
        user.name,
        user.display,
        user.email,
        user.role,
        user.origin.as_str(),
        user.subject,
        user.external_id,
        user.password,
        user.is_active,
        user.created_us,
        user.changed_us,
        user.handles.join(" "),
    ])?;
    Ok(())
}

/// Forgets a user with all sessions; tokens stay, to be revoked first.
///
/// # Errors
/// The database refuses.
pub fn remove_user(txn: &Txn<'_>, id: &str) -> Result<()> {
    txn.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Where all users have signed in from, in the order of users and addresses.
///
/// # Errors
/// The database refuses.
pub fn sign_in_places(db: &Connection) -> Result<Vec<SignInPlace>> {
    let mut select =
        db.prepare_cached("SELECT user_id, address, last_us FROM user_sign_ins ORDER BY user_id, address")?;
    let rows = select.query_map([], |row| {
        Ok(SignInPlace { user_id: row.get(0)?, address: row.get(1)?, last_us: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The most addresses that are kept of a user.
const PLACES: u32 = 20;

/// Notes where a user has signed in; only the newest twenty are kept.
///
/// # Errors
/// The database refuses.
pub fn put_sign_in_place(txn: &Txn<'_>, place: &SignInPlace, tenant: &str) -> Result<()> {
    txn.prepare_cached(
        "INSERT INTO user_sign_ins (user_id, address, tenant, last_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id, address) DO UPDATE SET last_us = ?4",
    )?
    .execute(params![place.user_id, place.address, tenant, place.last_us])?;
    txn.prepare_cached(
        "DELETE FROM user_sign_ins WHERE user_id = ?1 AND address NOT IN
            (SELECT address FROM user_sign_ins WHERE user_id = ?1 ORDER BY last_us DESC LIMIT ?2)",
    )?
    .execute(params![place.user_id, PLACES])?;
    Ok(())
}
