//! The audit log: what was done to Stormglass and by whom, in a chain that shows when it is tampered with.
//!
//! # Layout
//!
//! An entry is canonical JSON (RFC 8785: sorted keys, no spaces, whole numbers only) in the table `audit` of
//! the state database, numbered from 1 without gaps. Beside it lies its hash:
//!
//! ```text
//! hash(i) = SHA-256("stormglass-audit-v1\0" ‖ hash(i - 1) ‖ entry(i))      hash(0) = 32 zero bytes
//! ```
//!
//! The first entry, `audit.begin`, names the chain by a random id and the public key that signs it. A
//! [`Checkpoint`] is a signature (ed25519) over chain, number, hash and time of an entry:
//!
//! ```text
//! "stormglass-audit-checkpoint-v2\n" chain "\n" seq "\n" hash "\n" at_us "\n" after "\n"
//! ```
//!
//! with numbers in decimal and the hash in hex; `after` is the entry of the checkpoint before, 0 for none. (Those
//! of older versions say `v1` and have no `after`.) The newest also lies in the file [`HEAD_FILE`] beside the
//! key, and nothing is signed that does not go on from it.
//!
//! # What it shows, and what not
//!
//! Whoever may write to the database but has no key cannot change, remove or insert an entry before the
//! newest checkpoint without being found out by [`verify`], nor get what they have written signed. Entries
//! after it are chained only, for at most the minute until the next one. A chain alone does not show that its end was cut off: only a checkpoint
//! that lies elsewhere does, an [`Anchor`].
//!
//! The oldest entries may be dropped (`retention`), all up to a checkpoint. What stays begins with a [`Start`],
//! signed over the hash of the last entry that is gone.
//!
//! [`append`] takes a transaction, so that a change of the state and its entry are one commit.

mod anchor;
mod archive;
mod chain;
mod checkpoint;
mod fact;
mod head;
mod key;
mod page;
mod retention;
mod start;
#[cfg(test)]
mod tests;
pub mod verify;

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _};

pub use anchor::Anchor;
pub use archive::Archive;
pub use chain::Digest;
pub use checkpoint::Checkpoint;
pub use fact::{Detail, Fact, Outcome};
pub use head::{HEAD_FILE, kept as kept_head};
pub use key::{PUBLIC_KEY_FILE, PublicKey, SIGNING_KEY_FILE, SigningKey};
pub use page::{AuditFilter, AuditRow, state_table};
pub use retention::{Extent, Retention, Segment};
pub use start::Start;

use self::head::Head;
use crate::state::{State, Txn};
use crate::{Error, Result};

/// The tables. What is written stays: the triggers hold our own code to it.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        entry TEXT NOT NULL,
        hash BLOB NOT NULL,
        at_us INTEGER AS (CASE WHEN json_valid(entry) THEN json_extract(entry, '$.at_us') END) VIRTUAL,
        actor TEXT AS (CASE WHEN json_valid(entry) THEN json_extract(entry, '$.actor') END) VIRTUAL,
        action TEXT AS (CASE WHEN json_valid(entry) THEN json_extract(entry, '$.action') END) VIRTUAL,
        outcome TEXT AS (CASE WHEN json_valid(entry) THEN json_extract(entry, '$.outcome') END) VIRTUAL,
        of_seq INTEGER AS (CASE WHEN json_valid(entry) THEN json_extract(entry, '$.of') END) VIRTUAL
    ) STRICT;
    CREATE INDEX audit_by_actor ON audit (actor, seq);
    CREATE INDEX audit_by_action ON audit (action, seq);
    CREATE INDEX audit_intended ON audit (seq) WHERE outcome = 'intended';
    CREATE INDEX audit_answers ON audit (of_seq) WHERE of_seq IS NOT NULL;
    CREATE TABLE audit_checkpoints (seq INTEGER PRIMARY KEY, line TEXT NOT NULL) STRICT;
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
",
    "
    CREATE TABLE audit_start (
        one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, line TEXT NOT NULL
    ) STRICT;
    DROP TRIGGER audit_is_not_deleted;
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        WHEN OLD.seq > coalesce((SELECT seq FROM audit_start), 0)
        BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
",
];

/// Entries after which a checkpoint is due before its time.
pub const SIGN_AFTER: u64 = 1000;

/// The audit log of a data folder. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct AuditLog {
    state: State,
    key: Arc<SigningKey>,
    chain: Arc<str>,
    head: Arc<Mutex<Head>>,
}

impl AuditLog {
    /// Opens the log in `state`, with its key in `folder`. The first time, the key is made and the chain
    /// begun. Where the key is gone a new one is made and the log says so: [`verify`] then asks for both.
    /// A log that does not go on from what was signed is opened all the same, and not signed: see [`Self::proved`].
    ///
    /// # Errors
    /// The key cannot be read or written, or the state refuses.
    pub fn open(state: State, folder: &Path, now_us: i64) -> Result<Self> {
        state.migrate("audit", MIGRATIONS)?;
        let key = SigningKey::open(folder)?;
        let public = key.public().to_string();
        let (chain, head, is_begun) = state.write(|txn| {
            let text = |sql: &str| {
                let read = txn.query_row(sql, [], |row| row.get::<_, Option<String>>(0));
                Ok::<_, Error>(read.optional()?.flatten())
            };
            let start = text("SELECT line FROM audit_start")?.and_then(|line| Start::parse(line.as_bytes()));
            let first = text("SELECT entry FROM audit WHERE seq = 1")?;
            let (chain, named) = match (start, first) {
                (Some(start), _) => (start.chain, start.keys.last().cloned()),
                (None, Some(first)) => (chain::named(first.as_bytes()).unwrap_or_default(), None),
                (None, None) => {
                    let chain = uuid::Uuid::new_v4().to_string();
                    let fact = Fact::of_stormglass("audit.begin").with("chain", &*chain).with("key", &*public);
                    append(txn, &fact, now_us)?;
                    let head = Head::open(folder, txn, &key.public(), false)?;
                    return Ok((chain, head, true));
                }
            };
            let newest = text(
                "SELECT json_extract(entry, '$.detail.key') FROM audit WHERE action IN ('audit.begin', 'audit.key') \
                 ORDER BY seq DESC LIMIT 1",
            )?;
            let is_new_key = newest.or(named).as_deref() != Some(&*public);
            if is_new_key {
                tracing::warn!(key = public, "the audit log is signed with another key from now on");
                append(txn, &Fact::of_stormglass("audit.key").with("key", &*public), now_us)?;
            }
            let head = Head::open(folder, txn, &key.public(), is_new_key)?;
            Ok::<_, Error>((chain, head, is_new_key))
        })?;
        let head = Arc::new(Mutex::new(head));
        let log = Self { state, key: Arc::new(key), chain: chain.into(), head };
        // From now on it is known that the log has begun.
        match if is_begun { log.checkpoint(now_us).map(drop) } else { Ok(()) } {
            Ok(()) | Err(Error::AuditUnsigned { .. }) => Ok(log),
            Err(error) => Err(error),
        }
    }

    /// The key that verifies the checkpoints.
    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// Appends entries in their order, each with its time in microseconds since 1970; durable when this
    /// returns. Gives the number of the last, or 0 for none.
    ///
    /// # Errors
    /// The state refuses; nothing was written then.
    pub fn append(&self, facts: &[(i64, Fact)]) -> Result<u64> {
        if facts.is_empty() {
            return Ok(0);
        }
        self.state.write(|txn| {
            let mut seq = 0;
            for (at_us, fact) in facts {
                seq = append(txn, fact, *at_us)?;
            }
            Ok(seq)
        })
    }

    /// Whether the log goes on from what was signed last, so that it may be signed again.
    ///
    /// # Errors
    /// [`Error::AuditUnsigned`]: it does not, or the state cannot be read.
    pub fn proved(&self) -> Result<()> {
        let head = self.head.lock();
        self.state.read(|db| head.proved(db, &self.chain).map(drop))
    }

    /// Signs the newest entry, unless it is signed already.
    ///
    /// # Errors
    /// [`Error::AuditUnsigned`]: the log does not go on from what was signed last. Or the state or the folder
    /// refuses.
    pub fn checkpoint(&self, now_us: i64) -> Result<Option<Checkpoint>> {
        let mut head = self.head.lock();
        let made = self.state.write(|txn| {
            let (seq, hash) = head.proved(txn, &self.chain)?;
            let before = head.signed(txn)?;
            if seq == before {
                return Ok(None);
            }
            let checkpoint = Checkpoint::sign(&self.key, &self.chain, seq, hash, now_us, before);
            txn.execute(
                "INSERT INTO audit_checkpoints (seq, line) VALUES (?1, ?2)",
                rusqlite::params![seq, checkpoint.to_line()],
            )?;
            Ok::<_, Error>(Some(checkpoint))
        })?;
        head.keep(made.as_ref())?;
        Ok(made)
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn newest_checkpoint(&self) -> Result<Option<Checkpoint>> {
        let line: Option<String> = self.state.read(|db| {
            let mut select =
                db.prepare_cached("SELECT line FROM audit_checkpoints ORDER BY seq DESC LIMIT 1")?;
            Ok::<_, Error>(select.query_row([], |row| row.get(0)).optional()?)
        })?;
        Ok(line.and_then(|line| Checkpoint::parse(line.as_bytes())))
    }

    /// The state that the log lies in.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }
}

/// Appends an entry within `txn`, the transaction of the change that it tells of; gives its number.
///
/// # Errors
/// The database refuses; the transaction must not be committed then.
pub fn append(txn: &Txn<'_>, fact: &Fact, now_us: i64) -> Result<u64> {
    let (last, hash) = head(txn)?;
    let seq = last + 1;
    let entry = fact.canonical(seq, now_us);
    let hash = hash.next(entry.as_bytes());
    let mut insert = txn.prepare_cached("INSERT INTO audit (seq, entry, hash) VALUES (?1, ?2, ?3)")?;
    insert.execute(rusqlite::params![seq, entry, hash.as_bytes()])?;
    Ok(seq)
}

/// Number and hash of the newest entry.
fn head(db: &Connection) -> Result<(u64, Digest)> {
    let mut select = db.prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?;
    let found = select.query_row([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))).optional()?;
    // A damaged hash is left to `verify`; the chain goes on from what is there.
    Ok(found.map_or((0, Digest::ZERO), |(seq, hash)| (seq, Digest::read(&hash).unwrap_or(Digest::ZERO))))
}
