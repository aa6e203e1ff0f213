//! What waits for channels that are not there any more.

use storage::state::rusqlite;

use super::Outbox;
use crate::{Error, Result};

/// Why it is dead, and the mend.
const REASON: &str =
    "its channel is not in the configuration any more; put it back and send this again, or leave it";

impl Outbox {
    /// What waits for a channel that is not there is dead, and can be sent again once the channel is back; returns how
    /// many.
    pub(crate) fn bury_gone(&self, is_there: &dyn Fn(&str) -> bool, now_us: i64) -> Result<usize> {
        let mut gone =
            self.names("SELECT DISTINCT channel FROM deliveries WHERE state = 'waiting'", is_there)?;
        if gone.is_empty() {
            return Ok(0);
        }
        self.state().write(|txn| {
            // One may have come back while the writer was waited for.
            gone.retain(|channel| !is_there(channel));
            let mut update = txn.prepare_cached(
                "UPDATE deliveries SET state = 'dead', last_error = ?2, updated_us = ?3
                 WHERE channel = ?1 AND state = 'waiting'",
            )?;
            let mut buried = 0;
            for channel in &gone {
                let rows = update.execute(rusqlite::params![channel, REASON, now_us])?;
                tracing::warn!(channel, deliveries = rows, "the channel is gone; what waited for it is dead");
                buried += rows;
            }
            Ok(buried)
        })
    }

    /// The channels that are said to fail and are not there.
    pub(crate) fn failing_and_gone(&self, is_there: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        self.names("SELECT channel FROM channel_health", is_there)
    }

    /// The channel of a delivery.
    ///
    /// # Errors
    /// [`Error::DeliveryUnknown`], or the database refuses.
    pub(crate) fn channel_of(&self, id: i64) -> Result<String> {
        use rusqlite::OptionalExtension as _;
        let found: Option<String> = self.state().read(|db| {
            let mut select = db.prepare_cached("SELECT channel FROM deliveries WHERE id = ?1")?;
            Ok::<_, Error>(select.query_row([id], |row| row.get(0)).optional()?)
        })?;
        found.ok_or(Error::DeliveryUnknown { id })
    }

    /// Whether deliveries are about this.
    pub(crate) fn is_subject(&self, id: &str) -> Result<bool> {
        self.state().read(|db| {
            let mut select =
                db.prepare_cached("SELECT EXISTS (SELECT 1 FROM deliveries WHERE subject = ?1)")?;
            Ok(select.query_row([id], |row| row.get(0))?)
        })
    }

    /// The names that a statement selects and that are not there.
    fn names(&self, sql: &str, is_there: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.state().read(|db| {
            let mut select = db.prepare_cached(sql)?;
            Ok::<_, Error>(select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
        })?;
        names.retain(|name| !is_there(name));
        Ok(names)
    }
}
