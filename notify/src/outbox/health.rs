//! Channels that fail: since when, why, and the alert that says so.

use rusqlite::OptionalExtension as _;
use storage::state::{Txn, rusqlite};

use super::Outbox;
use crate::{Error, Result};

/// How long after its last attempt a channel that is disabled is tried: somebody may have mended it elsewhere.
pub(crate) const DISABLED_PROBE_US: i64 = 30 * 60 * 1_000_000;

/// A channel that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) since_us: i64,
    pub(crate) reason: String,
    /// When it is tried next, if nothing is sent until then.
    pub(crate) probe_us: Option<i64>,
    /// The alert that says so, once there is one.
    pub(crate) alert_id: Option<String>,
}

impl Outbox {
    /// How the channel fails; `None`: it does not.
    pub(crate) fn failing(&self, channel: &str) -> Result<Option<Failing>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT since_us, reason, probe_us, alert_id FROM channel_health WHERE channel = ?1",
            )?;
            let found = select.query_row([channel], |row| {
                Ok(Failing {
                    since_us: row.get(0)?,
                    reason: row.get(1)?,
                    probe_us: row.get(2)?,
                    alert_id: row.get(3)?,
                })
            });
            Ok(found.optional()?)
        })
    }

    /// The channel fails, from `now_us` on if it did not before.
    pub(crate) fn set_failing(txn: &Txn<'_>, channel: &str, failing: &Failing) -> Result<()> {
        txn.prepare_cached(
            "INSERT INTO channel_health (channel, since_us, reason, probe_us, alert_id) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (channel) DO UPDATE SET reason = ?3, probe_us = ?4, alert_id = ?5",
        )?
        .execute(rusqlite::params![
            channel,
            failing.since_us,
            failing.reason,
            failing.probe_us,
            failing.alert_id
        ])?;
        Ok(())
    }

    /// The channel works.
    pub(crate) fn set_working(&self, channel: &str) -> Result<()> {
        self.state().write(|txn| {
            txn.prepare_cached("DELETE FROM channel_health WHERE channel = ?1")?.execute([channel])?;
            Ok::<_, Error>(())
        })
    }

    /// Channels that are disabled are tried at once: the server starts with a configuration that may be mended.
    pub(crate) fn probe_all(&self) -> Result<()> {
        self.state().write(|txn| {
            txn.execute("UPDATE channel_health SET probe_us = 0 WHERE probe_us IS NOT NULL", [])?;
            Ok::<_, Error>(())
        })
    }

    /// A channel that is disabled is tried at once.
    ///
    /// # Errors
    /// The database refuses.
    pub fn probe(&self, channel: &str) -> Result<()> {
        self.state().write(|txn| {
            txn.prepare_cached(
                "UPDATE channel_health SET probe_us = 0 WHERE channel = ?1 AND probe_us IS NOT NULL",
            )?
            .execute([channel])?;
            Ok::<_, Error>(())
        })
    }
}
