//! Forgetting what grows without end: feeds that everybody has read, the matches of groups that are long over. A
//! little at a time, as everybody waits for the one who writes.

use storage::state::{Txn, rusqlite};

use crate::incident::Incidents;
use crate::{AlertStore, Error, Result};

/// How many rows go in one transaction.
pub const TRIMMED_AT_ONCE: usize = 1000;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// How long entries of a feed are kept, in microseconds.
    pub feed_us: i64,
    /// How many entries of a feed are kept at most.
    pub feed_entries: u64,
    /// How long after the last change of a group's alert its matches are kept, in microseconds.
    pub matches_us: i64,
}

impl AlertStore {
    /// Forgets entries of the feed of alerts that are too old or too many, up to `read`, which all who follow the
    /// feed have read, and at most [`TRIMMED_AT_ONCE`]; returns how many.
    ///
    /// # Errors
    /// The database refuses.
    pub fn trim_feed(&self, kept: &Kept, read: u64, now_us: i64) -> Result<usize> {
        self.state().write(|txn| trim(txn, "alert_feed", kept, read, now_us))
    }

    /// Forgets matches of groups that are over, at most [`TRIMMED_AT_ONCE`]; returns how many. A match that comes
    /// again after that is counted again.
    ///
    /// # Errors
    /// The database refuses.
    pub fn trim_matches(&self, kept: &Kept, now_us: i64) -> Result<usize> {
        let before_us = now_us.saturating_sub(kept.matches_us);
        let over: Option<String> = self.state().read(|db| {
            use rusqlite::OptionalExtension as _;
            let mut select = db.prepare_cached(
                "SELECT id FROM alerts WHERE id IN (SELECT DISTINCT alert_id FROM alert_matches) AND updated_us < ?1 LIMIT 1",
            )?;
            Ok::<_, Error>(select.query_row([before_us], |row| row.get(0)).optional()?)
        })?;
        let Some(over) = over else { return Ok(0) };
        self.state().write(|txn| {
            let mut delete = txn.prepare_cached(
                "DELETE FROM alert_matches WHERE alert_id = ?1 \
                 AND event IN (SELECT event FROM alert_matches WHERE alert_id = ?1 LIMIT ?2)",
            )?;
            Ok(delete.execute(rusqlite::params![over, TRIMMED_AT_ONCE])?)
        })
    }
}

impl Incidents {
    /// [`AlertStore::trim_feed`] for the feed of incidents.
    ///
    /// # Errors
    /// The database refuses.
    pub fn trim_feed(&self, kept: &Kept, read: u64, now_us: i64) -> Result<usize> {
        self.state().write(|txn| trim(txn, "incident_feed", kept, read, now_us))
    }
}

fn trim(txn: &Txn<'_>, feed: &str, kept: &Kept, read: u64, now_us: i64) -> Result<usize> {
    let sql = format!(
        "DELETE FROM {feed} WHERE seq IN (SELECT seq FROM {feed} WHERE seq <= ?1 \
         AND (at_us < ?2 OR seq <= (SELECT max(seq) FROM {feed}) - ?3) ORDER BY seq LIMIT ?4)"
    );
    let before_us = now_us.saturating_sub(kept.feed_us);
    // SQLite's numbers have a sign.
    let most = i64::MAX as u64;
    let values = rusqlite::params![read.min(most), before_us, kept.feed_entries.min(most), TRIMMED_AT_ONCE];
    Ok(txn.prepare_cached(&sql)?.execute(values)?)
}
