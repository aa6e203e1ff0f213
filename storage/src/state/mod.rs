//! The state: one SQLite database for what changes in small steps and must change together, such as
//! alerts, dead letters, counts and the consumers' positions.
//!
//! WAL with `synchronous=FULL`: a commit that was answered survives a power loss (with `NORMAL`, which
//! many take, it may be rolled back). One writer, whose transactions are short; readers of their own
//! that never wait for it. Each room keeps its own tables and brings them up to date with
//! [`State::migrate`].
//!
//! All calls block; call them where blocking is allowed.

mod connection;
mod migration;
mod readers;
#[cfg(test)]
mod tests;
mod watched;

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
pub use rusqlite;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::readers::Readers;
pub use self::watched::Watched;
use self::watched::Watches;
use crate::{Error, Result, accounts, dead_letter, ledger, position, remembered, source_position};

/// An open state database. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct State {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    // Before the writer: the last connection to close tidies up, and only the writer can.
    readers: Readers,
    writer: Mutex<Connection>,
    poison: OnceLock<String>,
    watches: Watches,
}

/// A transaction that writes: run statements on it, and leave its end to [`State::write`].
#[derive(Debug)]
pub struct Txn<'c> {
    transaction: Transaction<'c>,
}

impl Deref for Txn<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

impl State {
    /// Opens the database at `path`, which is made if it is missing. After a crash the whole file is
    /// checked, which takes a second or so a gigabyte.
    ///
    /// # Errors
    /// [`Error::StateDamaged`], [`Error::StateForeign`], [`Error::Newer`], or the disk refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let writer = connection::open_writer(path)?;
        let inner = Inner {
            readers: Readers::new(path),
            writer: Mutex::new(writer),
            poison: OnceLock::new(),
            watches: Watches::default(),
        };
        let state = Self { inner: Arc::new(inner) };
        state.migrate("position", position::MIGRATIONS)?;
        state.migrate("dead_letter", dead_letter::MIGRATIONS)?;
        state.migrate("ledger", ledger::MIGRATIONS)?;
        state.migrate("remembered", remembered::MIGRATIONS)?;
        state.migrate("source_position", source_position::MIGRATIONS)?;
        state.migrate("auth", accounts::MIGRATIONS)?;
        Ok(state)
    }

    /// Brings the tables of `room` up to date: `steps` are all that were ever released, in order;
    /// those that the database has seen are left out. All or none take effect.
    ///
    /// # Errors
    /// [`Error::RoomNewer`] if the database has seen more steps than there are; the database refuses.
    pub fn migrate(&self, room: &str, steps: &[&str]) -> Result<()> {
        self.write(|txn| migration::migrate(txn, room, steps))
    }

    /// Runs `work` in one transaction: durable when this returns `Ok`, undone if it returns an error
    /// or panics. Writers wait for each other.
    ///
    /// # Errors
    /// Those of `work`; [`Error::StatePoisoned`]; the transaction cannot be begun or committed.
    pub fn write<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Txn<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut writer = self.inner.writer.lock();
        if let Some(reason) = self.poisoned() {
            return Err(Error::StatePoisoned { reason }.into());
        }
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Error::Sqlite)?;
        let before = transaction.total_changes();
        let txn = Txn { transaction };
        let result = work(&txn)?;
        let has_changed = txn.total_changes() != before;
        let numbers = if has_changed { self.inner.watches.numbers(&txn) } else { Vec::new() };
        txn.transaction.commit().map_err(|error| self.commit_failed(error))?;
        self.inner.watches.tell(&numbers);
        Ok(result)
    }

    /// The whole number that `sql` gives, 0 for none; it should find it by an index, as every commit asks for it.
    /// Whoever waits for it is woken by a commit that changes it, and by no other.
    ///
    /// # Errors
    /// The statement cannot be run.
    pub fn watch(&self, sql: &'static str) -> Result<Watched> {
        self.inner.watches.subscribe(&self.inner.writer.lock(), sql)
    }

    /// Runs `work` on one unchanging view of what is committed; it cannot write.
    ///
    /// # Errors
    /// Those of `work`; the database cannot be read.
    pub fn read<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.inner.readers.run(|reader| {
            // Ends with a rollback, as it has nothing to keep.
            let view = reader.unchecked_transaction().map_err(Error::Sqlite)?;
            work(&view)
        })?
    }

    /// Why nothing is written any more; `None` while all is well.
    pub fn poisoned(&self) -> Option<String> {
        self.inner.poison.get().cloned()
    }

    /// A failed sync leaves it open what is on the disk, and a second one would prove nothing: only
    /// reading the file again does.
    fn commit_failed(&self, error: rusqlite::Error) -> Error {
        let error = Error::Sqlite(error);
        if error.fate() == event::Fate::Stop {
            self.inner.poison.get_or_init(|| error.to_string());
            tracing::error!(%error, "the state is poisoned; it is read on, but takes no more changes");
        }
        error
    }
}
