//! Users, sessions and tokens: as the state has them, and in memory beside it.
//!
//! One process has the folder open and every change goes through here, first to the disk, then to memory: so
//! each request is judged by what holds at that moment, without a look at the disk, and who was disabled or
//! revoked is out with the next request. All that changes something blocks.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use storage::accounts::{self, SecretHash, SessionRow, SignInPlace, TokenRow, UserRow};
use storage::state::{State, Txn};

use super::token;

/// The most users; a directory that tells more is wrong.
const USERS: usize = 100_000;
/// The most sessions of a user; the one that was used least lately ends for another.
const SESSIONS: usize = 20;
/// The most tokens that are kept, ended ones included.
const TOKENS: usize = 10_000;
/// How exact the last use of a session is kept on the disk.
const SESSION_USE_US: i64 = 60 * 1_000_000;
/// And that of a token.
const TOKEN_USE_US: i64 = 5 * 60 * 1_000_000;

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refused {
    /// The name is another's.
    #[error("there is a {what} called `{name}` already; choose another name")]
    Taken { what: &'static str, name: String },
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    Unknown { what: &'static str, name: String },
    /// There is no room.
    #[error("there are {most} {what} already, the most that are kept")]
    Full { what: &'static str, most: usize },
    /// The disk refuses.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// When sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionEnds {
    /// Without use.
    pub(crate) idle: Duration,
    /// In any case.
    pub(crate) absolute: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Directory {
    state: State,
    ends: SessionEnds,
    /// One changes, others wait: what is checked still holds when it is written.
    changing: Mutex<()>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    users: BTreeMap<String, UserRow>,
    sessions: HashMap<SecretHash, SessionRow>,
    tokens: HashMap<SecretHash, TokenRow>,
    places: BTreeSet<(String, String)>,
}

impl Directory {
    /// What the state holds.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn open(state: State, ends: SessionEnds) -> storage::Result<Self> {
        let known = state.read(|db| {
            let users = accounts::users(db)?.into_iter().map(|user| (user.id.clone(), user)).collect();
            let sessions =
                accounts::sessions(db)?.into_iter().map(|session| (session.hash, session)).collect();
            let tokens = accounts::tokens(db)?.into_iter().map(|token| (token.hash, token)).collect();
            let places = accounts::sign_in_places(db)?;
            let places = places.into_iter().map(|place| (place.user_id, place.address)).collect();
            Ok::<_, storage::Error>(Known { users, sessions, tokens, places })
        })?;
        Ok(Self { state, ends, changing: Mutex::new(()), known: RwLock::new(known) })
    }

    /// Whether nobody is known: neither a user nor a token.
    pub(crate) fn is_empty(&self) -> bool {
        let known = self.known.read();
        known.users.is_empty() && known.tokens.is_empty()
    }

    /// Whether a user may come in, or a token lives at `now_us`.
    pub(crate) fn has_anybody(&self, now_us: i64) -> bool {
        let known = self.known.read();
        let is_live = |token: &TokenRow| token.revoked_us.is_none() && token.expires_us > now_us;
        known.users.values().any(|user| user.is_active) || known.tokens.values().any(is_live)
    }

    /// When sessions end.
    pub(crate) fn ends(&self) -> SessionEnds {
        self.ends
    }

    /// All users, by name.
    pub(crate) fn users(&self) -> Vec<UserRow> {
        let mut users: Vec<_> = self.known.read().users.values().cloned().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }

    /// The user with this id.
    pub(crate) fn user(&self, id: &str) -> Option<UserRow> {
        self.known.read().users.get(id).cloned()
    }

    /// The first user of whom `is_wanted` holds.
    pub(crate) fn find_user(&self, is_wanted: impl Fn(&UserRow) -> bool) -> Option<UserRow> {
        self.known.read().users.values().find(|user| is_wanted(user)).cloned()
    }

    /// The user called `name`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn user_named(&self, name: &str) -> Result<UserRow, Refused> {
        self.find_user(|user| user.name == name)
            .ok_or_else(|| Refused::Unknown { what: "user", name: name.to_owned() })
    }

    /// Whether the user has signed in from `address` before.
    pub(crate) fn is_known_place(&self, user_id: &str, address: IpAddr) -> bool {
        self.known.read().places.contains(&(user_id.to_owned(), address.to_string()))
    }

    /// Adds a user; `id` is given here.
    ///
    /// # Errors
    /// The name, subject or external id is taken, also as a name by a token; there is no room.
    pub(crate) fn add_user(&self, mut user: UserRow) -> Result<UserRow, Refused> {
        let _turn = self.changing.lock();
        user.id = token::random_hex()?.chars().take(32).collect();
        if self.known.read().users.len() >= USERS {
            return Err(Refused::Full { what: "users", most: USERS });
        }
        self.check_user(&user)?;
        self.state.write(|txn| accounts::put_user(txn, &user))?;
        self.known.write().users.insert(user.id.clone(), user.clone());
        Ok(user)
    }

    fn check_user(&self, user: &UserRow) -> Result<(), Refused> {
        let known = self.known.read();
        let taken = |what, name: &str| Err(Refused::Taken { what, name: name.to_owned() });
        for other in known.users.values().filter(|other| other.id != user.id && other.tenant == user.tenant) {
            if other.name == user.name {
                return taken("user", &user.name);
            }
            if user.external_id.is_some() && other.external_id == user.external_id {
                return taken("user of the directory", user.external_id.as_deref().unwrap_or_default());
            }
            if let Some(handle) = user.handles.iter().find(|handle| other.handles.contains(handle)) {
                return taken("user with the handle", handle);
            }
            if user.subject.is_some() && other.subject == user.subject {
                return taken("user of the provider", user.subject.as_deref().unwrap_or_default());
            }
        }
        if known.tokens.values().any(|token| token.name == user.name) {
            return taken("token", &user.name);
        }
        Ok(())
    }

    /// Changes the user with this id by `change`. Sessions end where a password, the role or the leave to come
    /// in was changed, except the one of `keep`; tokens of a user who may not come in end for good.
    ///
    /// # Errors
    /// There is no such user, or a name is taken.
    pub(crate) fn change_user(
        &self,
        id: &str,
        keep: Option<SecretHash>,
        now_us: i64,
        change: impl FnOnce(&mut UserRow),
    ) -> Result<UserRow, Refused> {
        let _turn = self.changing.lock();
        let before = self.user(id).ok_or_else(|| Refused::Unknown { what: "user", name: id.to_owned() })?;
        let mut user = before.clone();
        change(&mut user);
        (user.id, user.changed_us) = (before.id.clone(), now_us);
        self.check_user(&user)?;
        let is_sharp = !user.is_active || user.role != before.role || user.password != before.password;
        let ended = if is_sharp { self.sessions_of(id, keep) } else { Vec::new() };
        let revoked = if user.is_active { Vec::new() } else { self.revoked_tokens_of(id, now_us) };
        self.state.write(|txn| {
            accounts::put_user(txn, &user)?;
            end(txn, &ended, &revoked)
        })?;
        let mut known = self.known.write();
        known.users.insert(user.id.clone(), user.clone());
        known.forget(&ended, revoked);
        Ok(user)
    }

    /// Keeps a password that was hashed anew, if it is still the `old` one; sessions go on.
    ///
    /// # Errors
    /// There is no such user with this password; the disk refuses.
    pub(crate) fn rehash(&self, id: &str, old: Option<&str>, password: String) -> Result<UserRow, Refused> {
        let _turn = self.changing.lock();
        let user = self.user(id).filter(|user| user.password.as_deref() == old);
        let mut user = user.ok_or_else(|| Refused::Unknown { what: "user", name: id.to_owned() })?;
        user.password = Some(password);
        self.state.write(|txn| accounts::put_user(txn, &user))?;
        self.known.write().users.insert(user.id.clone(), user.clone());
        Ok(user)
    }

    /// Forgets a user. Sessions and tokens end.
    ///
    /// # Errors
    /// There is no such user.
    pub(crate) fn remove_user(&self, id: &str, now_us: i64) -> Result<UserRow, Refused> {
        let _turn = self.changing.lock();
        let user = self.user(id).ok_or_else(|| Refused::Unknown { what: "user", name: id.to_owned() })?;
        let (ended, revoked) = (self.sessions_of(id, None), self.revoked_tokens_of(id, now_us));
        self.state.write(|txn| {
            end(txn, &ended, &revoked)?;
            accounts::remove_user(txn, id)
        })?;
        let mut known = self.known.write();
        known.users.remove(id);
        known.places.retain(|(user_id, _)| user_id != id);
        known.forget(&ended, revoked);
        Ok(user)
    }

    fn sessions_of(&self, user_id: &str, keep: Option<SecretHash>) -> Vec<SecretHash> {
        let known = self.known.read();
        let sessions = known.sessions.values().filter(|session| session.user_id == user_id);
        sessions.map(|session| session.hash).filter(|hash| Some(*hash) != keep).collect()
    }

    fn revoked_tokens_of(&self, user_id: &str, now_us: i64) -> Vec<TokenRow> {
        let known = self.known.read();
        let tokens = known.tokens.values().filter(|token| token.owner_id.as_deref() == Some(user_id));
        let live = tokens.filter(|token| token.revoked_us.is_none());
        live.map(|token| TokenRow { revoked_us: Some(now_us), ..token.clone() }).collect()
    }

    // ---- sessions ------------------------------------------------------------------------------

    /// Begins a session and gives the secret of it, which is kept nowhere.
    ///
    /// # Errors
    /// There is no such user; the disk refuses.
    pub(crate) fn open_session(
        &self,
        user: &UserRow,
        address: IpAddr,
        now_us: i64,
    ) -> Result<String, Refused> {
        let _turn = self.changing.lock();
        // Between the password and the session, it may have been changed.
        let is_as_known = |now: &UserRow| now.is_active && now.password == user.password;
        let current = self.user(&user.id).filter(is_as_known);
        let current = current.ok_or_else(|| Refused::Unknown { what: "user", name: user.name.clone() })?;
        let secret = token::random_hex()?;
        let session = SessionRow {
            hash: token::secret_hash(&secret),
            tenant: current.tenant.clone(),
            user_id: current.id.clone(),
            address: address.to_string(),
            created_us: now_us,
            used_us: now_us,
        };
        let place =
            SignInPlace { user_id: current.id.clone(), address: session.address.clone(), last_us: now_us };
        let ended = self.superfluous(&current.id, now_us);
        self.state.write(|txn| {
            end(txn, &ended, &[])?;
            accounts::put_session(txn, &session)?;
            accounts::put_sign_in_place(txn, &place, &current.tenant)
        })?;
        let mut known = self.known.write();
        known.forget(&ended, Vec::new());
        known.sessions.insert(session.hash, session);
        known.places.insert((place.user_id, place.address));
        Ok(secret)
    }

    /// Sessions of everybody that are over, and those of the user for which there is no room.
    fn superfluous(&self, user_id: &str, now_us: i64) -> Vec<SecretHash> {
        let known = self.known.read();
        let (over, live): (Vec<_>, Vec<_>) =
            known.sessions.values().partition(|session| self.is_over(session, now_us));
        let mut own: Vec<_> = live.into_iter().filter(|session| session.user_id == user_id).collect();
        own.sort_by_key(|session| std::cmp::Reverse(session.used_us));
        let over = over.into_iter().map(|session| session.hash);
        over.chain(own.into_iter().skip(SESSIONS - 1).map(|session| session.hash)).collect()
    }

    fn is_over(&self, session: &SessionRow, now_us: i64) -> bool {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        now_us.saturating_sub(session.used_us) >= micros(self.ends.idle)
            || now_us.saturating_sub(session.created_us) >= micros(self.ends.absolute)
    }

    /// The session whose secret has this hash, and its user, if both may still come in; notes the use. `true`
    /// says that the disk should be told by [`keep_use`](Self::keep_use).
    pub(crate) fn session(&self, hash: SecretHash, now_us: i64) -> Option<(SessionRow, UserRow, bool)> {
        let mut known = self.known.write();
        let session = known.sessions.get(&hash).filter(|session| !self.is_over(session, now_us))?;
        let (mut session, user) = (session.clone(), known.users.get(&session.user_id)?.clone());
        if !user.is_active {
            return None;
        }
        // What is kept is one minute behind at most, and what is in memory as well.
        let is_stale = now_us.saturating_sub(session.used_us) >= SESSION_USE_US;
        if is_stale {
            session.used_us = now_us;
            known.sessions.insert(hash, session.clone());
        }
        Some((session, user, is_stale))
    }

    /// The user of a session that goes on; no use is noted.
    pub(crate) fn session_user(&self, hash: SecretHash, now_us: i64) -> Option<UserRow> {
        let known = self.known.read();
        let session = known.sessions.get(&hash).filter(|session| !self.is_over(session, now_us))?;
        known.users.get(&session.user_id).filter(|user| user.is_active).cloned()
    }

    /// Ends the session whose secret has this hash.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn end_session(&self, hash: SecretHash) -> Result<(), Refused> {
        let _turn = self.changing.lock();
        self.state.write(|txn| accounts::remove_session(txn, &hash))?;
        self.known.write().sessions.remove(&hash);
        Ok(())
    }

    /// Ends the sessions of a user; says how many.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn end_sessions(&self, user_id: &str) -> Result<usize, Refused> {
        let _turn = self.changing.lock();
        let ended = self.sessions_of(user_id, None);
        self.state.write(|txn| end(txn, &ended, &[]))?;
        self.known.write().forget(&ended, Vec::new());
        Ok(ended.len())
    }

    /// How many sessions of the user go on.
    pub(crate) fn count_sessions(&self, user_id: &str, now_us: i64) -> usize {
        let known = self.known.read();
        let own = known.sessions.values().filter(|session| session.user_id == user_id);
        own.filter(|session| !self.is_over(session, now_us)).count()
    }

    // ---- tokens --------------------------------------------------------------------------------

    /// All tokens, oldest first.
    pub(crate) fn tokens(&self) -> Vec<TokenRow> {
        let mut tokens: Vec<_> = self.known.read().tokens.values().cloned().collect();
        tokens.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        tokens
    }

    /// Adds a token and gives its text, which is kept nowhere; `id` and `hash` are given here.
    ///
    /// # Errors
    /// The name is taken, by a user as well; there is no room.
    pub(crate) fn add_token(&self, mut row: TokenRow) -> Result<(TokenRow, String), Refused> {
        let _turn = self.changing.lock();
        {
            let known = self.known.read();
            if known.tokens.len() >= TOKENS {
                return Err(Refused::Full { what: "tokens", most: TOKENS });
            }
            if known.tokens.values().any(|token| token.tenant == row.tenant && token.name == row.name) {
                return Err(Refused::Taken { what: "token", name: row.name });
            }
            if known.users.values().any(|user| user.name == row.name) {
                return Err(Refused::Taken { what: "user", name: row.name });
            }
        }
        let (text, _) = token::new_token()?;
        row.id = token::random_hex()?.chars().take(16).collect();
        row.hash = token::secret_hash(&text);
        self.state.write(|txn| accounts::put_token(txn, &row))?;
        self.known.write().tokens.insert(row.hash, row.clone());
        Ok((row, text))
    }

    /// The token whose text has this hash, and its owner, if both may still come in; notes the use. `true`
    /// says that the disk should be told by [`keep_use`](Self::keep_use).
    pub(crate) fn token(&self, hash: SecretHash, now_us: i64) -> Option<(TokenRow, Option<UserRow>, bool)> {
        let known = self.known.read();
        let (mut token, owner) = known.live(known.tokens.get(&hash)?, now_us)?;
        drop(known);
        let is_stale = token.used_us.is_none_or(|used_us| now_us.saturating_sub(used_us) >= TOKEN_USE_US);
        if is_stale {
            token.used_us = Some(now_us);
            if let Some(kept) = self.known.write().tokens.get_mut(&hash) {
                kept.used_us = Some(now_us);
            }
        }
        Some((token, owner, is_stale))
    }

    /// The token called so, and its owner, if both may still come in; no use is noted.
    pub(crate) fn token_named(&self, name: &str, now_us: i64) -> Option<(TokenRow, Option<UserRow>)> {
        let known = self.known.read();
        known.live(known.tokens.values().find(|token| token.name == name)?, now_us)
    }

    /// Ends a token, by its id or name.
    ///
    /// # Errors
    /// There is none that is live.
    pub(crate) fn revoke(&self, token: &TokenRow, now_us: i64) -> Result<(), Refused> {
        let _turn = self.changing.lock();
        let current = self.known.read().tokens.get(&token.hash).cloned();
        let current = current.filter(|token| token.revoked_us.is_none());
        let current =
            current.ok_or_else(|| Refused::Unknown { what: "live token", name: token.name.clone() })?;
        let revoked = TokenRow { revoked_us: Some(now_us), ..current };
        self.state.write(|txn| accounts::put_token(txn, &revoked))?;
        self.known.write().tokens.insert(revoked.hash, revoked);
        Ok(())
    }

    /// Writes down when a session or token was last used. What has ended meanwhile stays ended.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn keep_use(&self, hash: SecretHash) -> Result<(), Refused> {
        let _turn = self.changing.lock();
        let (session, token) = {
            let known = self.known.read();
            (known.sessions.get(&hash).cloned(), known.tokens.get(&hash).cloned())
        };
        self.state.write(|txn| {
            if let Some(session) = &session {
                accounts::put_session(txn, session)?;
            }
            if let Some(token) = &token {
                accounts::put_token(txn, token)?;
            }
            Ok::<_, storage::Error>(())
        })?;
        Ok(())
    }
}

fn end(txn: &Txn<'_>, sessions: &[SecretHash], tokens: &[TokenRow]) -> storage::Result<()> {
    sessions.iter().try_for_each(|hash| accounts::remove_session(txn, hash))?;
    tokens.iter().try_for_each(|token| accounts::put_token(txn, token))
}

impl Known {
    /// A token and its owner, if both may come in.
    fn live(&self, token: &TokenRow, now_us: i64) -> Option<(TokenRow, Option<UserRow>)> {
        if token.revoked_us.is_some() || token.expires_us <= now_us {
            return None;
        }
        let owner = match &token.owner_id {
            Some(id) => Some(self.users.get(id).filter(|user| user.is_active)?.clone()),
            None => None,
        };
        Some((token.clone(), owner))
    }

    fn forget(&mut self, sessions: &[SecretHash], tokens: Vec<TokenRow>) {
        for hash in sessions {
            self.sessions.remove(hash);
        }
        for token in tokens {
            self.tokens.insert(token.hash, token);
        }
    }
}
