//! Who may come in: users, their sessions, API tokens.
//!
//! Plain rows; what they mean is known to those who check them. No secret is kept: of a session and of a
//! token the SHA-256 (they are random, so a fast hash suffices), of a password what argon2id makes of it.
//! Every row has a tenant; there is one so far, [`TENANT`].

mod session;
mod token;
mod user;

use std::fmt;

pub use session::{SessionRow, put_session, remove_session, sessions};
pub use token::{TokenRow, put_token, tokens};
pub use user::{
    Origin, SignInPlace, UserRow, put_sign_in_place, put_user, remove_user, sign_in_places, users,
};

/// The tenant of everything, until there are several.
pub const TENANT: &str = "default";

/// The SHA-256 of a random secret. It is shown nowhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

pub(crate) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE users (
    id           TEXT PRIMARY KEY,
    tenant       TEXT NOT NULL,
    name         TEXT NOT NULL,
    display      TEXT NOT NULL,
    email        TEXT NOT NULL,
    role         TEXT NOT NULL,
    origin       TEXT NOT NULL,
    subject      TEXT,
    external_id  TEXT,
    password     TEXT,
    is_active    INTEGER NOT NULL,
    created_us   INTEGER NOT NULL,
    changed_us   INTEGER NOT NULL,
    UNIQUE (tenant, name),
    UNIQUE (tenant, subject),
    UNIQUE (tenant, external_id)
) STRICT;
CREATE TABLE user_sign_ins (
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address  TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    last_us  INTEGER NOT NULL,
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;
CREATE TABLE user_sessions (
    hash        BLOB PRIMARY KEY,
    tenant      TEXT NOT NULL,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address     TEXT NOT NULL,
    created_us  INTEGER NOT NULL,
    used_us     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX user_sessions_by_user ON user_sessions (user_id);
CREATE TABLE api_tokens (
    id          TEXT PRIMARY KEY,
    tenant      TEXT NOT NULL,
    name        TEXT NOT NULL,
    owner_id    TEXT,
    made_by     TEXT NOT NULL,
    role        TEXT NOT NULL,
    rights      TEXT,
    hash        BLOB NOT NULL UNIQUE,
    created_us  INTEGER NOT NULL,
    expires_us  INTEGER NOT NULL,
    used_us     INTEGER,
    revoked_us  INTEGER,
    UNIQUE (tenant, name)
) STRICT;
",
    "
ALTER TABLE users ADD COLUMN handles TEXT NOT NULL DEFAULT '';
",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn user(id: &str, name: &str) -> UserRow {
        UserRow {
            id: id.into(),
            tenant: TENANT.into(),
            name: name.into(),
            display: "Ana".into(),
            email: "ana@example.com".into(),
            role: "analyst".into(),
            origin: Origin::Local,
            subject: None,
            external_id: None,
            password: Some("$argon2id$hunter".into()),
            is_active: true,
            created_us: 1,
            changed_us: 2,
            handles: vec!["slack:U1".into(), "pagerduty:P1".into()],
        }
    }

    fn session(hash: u8, user_id: &str) -> SessionRow {
        SessionRow {
            hash: SecretHash([hash; 32]),
            tenant: TENANT.into(),
            user_id: user_id.into(),
            address: "192.0.2.7".into(),
            created_us: 5,
            used_us: 6,
        }
    }

    #[test]
    fn rows_come_back_as_they_went_and_go_with_their_user() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let (ana, bob) = (user("1", "ana"), user("2", "bob"));
        let token = TokenRow {
            id: "t".into(),
            tenant: TENANT.into(),
            name: "laptop".into(),
            owner_id: Some("1".into()),
            made_by: "ana".into(),
            role: "analyst".into(),
            rights: Some("read,query".into()),
            hash: SecretHash([9; 32]),
            created_us: 1,
            expires_us: 2,
            used_us: None,
            revoked_us: None,
        };
        let place = SignInPlace { user_id: "1".into(), address: "192.0.2.7".into(), last_us: 7 };
        state
            .write(|txn| {
                put_user(txn, &ana)?;
                put_user(txn, &bob)?;
                put_session(txn, &session(1, "1"))?;
                put_session(txn, &session(2, "2"))?;
                put_sign_in_place(txn, &place, TENANT)?;
                put_token(txn, &token)
            })
            .unwrap();
        assert_eq!(state.read(users).unwrap(), [ana.clone(), bob.clone()]);
        assert_eq!(state.read(sessions).unwrap(), [session(1, "1"), session(2, "2")]);
        assert_eq!(state.read(tokens).unwrap(), std::slice::from_ref(&token));
        assert_eq!(state.read(sign_in_places).unwrap(), [place]);

        let changed = UserRow { role: "admin".into(), is_active: false, ..ana };
        let revoked = TokenRow { revoked_us: Some(8), used_us: Some(7), ..token };
        state
            .write(|txn| {
                put_user(txn, &changed)?;
                put_token(txn, &revoked)?;
                put_session(txn, &SessionRow { used_us: 9, ..session(1, "1") })
            })
            .unwrap();
        assert_eq!(state.read(users).unwrap(), [changed, bob]);
        assert_eq!(state.read(tokens).unwrap(), [revoked]);
        assert_eq!(state.read(sessions).unwrap()[0].used_us, 9);
        state.write(|txn| remove_user(txn, "1")).unwrap();
        assert_eq!(state.read(sessions).unwrap(), [session(2, "2")]);
        assert_eq!(state.read(sign_in_places).unwrap(), []);
        state.write(|txn| remove_session(txn, &SecretHash([2; 32]))).unwrap();
        assert_eq!(state.read(sessions).unwrap(), []);
    }

    #[test]
    fn names_are_given_once_a_tenant_and_no_hash_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        state.write(|txn| put_user(txn, &user("1", "ana"))).unwrap();
        assert!(state.write(|txn| put_user(txn, &user("2", "ana"))).is_err());
        let elsewhere = UserRow { tenant: "other".into(), ..user("3", "ana") };
        state.write(|txn| put_user(txn, &elsewhere)).unwrap();
        assert!(!format!("{elsewhere:?}").contains("hunter"));
        assert!(!format!("{:?}", session(77, "1")).contains("77"));
    }
}
