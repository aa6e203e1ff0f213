//! Forgetting what grows without end: feeds that everybody has read, the matches of groups that are long over. A
//! little at a time, as everybody waits for the one who writes.

use rusqlite::OptionalExtension as _;
use storage::state::{State, rusqlite};

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
        trim(self.state(), "alert_feed", kept, read, now_us)
    }

    /// Forgets matches of groups that are over, at most [`TRIMMED_AT_ONCE`]; returns how many. A match that comes
    /// again after that is counted again.
    ///
    /// # Errors
    /// The database refuses.
    pub fn trim_matches(&self, kept: &Kept, now_us: i64) -> Result<usize> {
        let before_us = now_us.saturating_sub(kept.matches_us);
        let over = self.state().read(|db| {
            let mut next = db.prepare_cached(
                "SELECT alert_id, (SELECT updated_us FROM alerts WHERE id = alert_id) FROM alert_matches \
                 WHERE alert_id > ?1 ORDER BY alert_id LIMIT 1",
            )?;
            // From group to group: of their matches only the first is read.
            let mut last = String::new();
            while let Some((id, updated_us)) = next
                .query_row([&last], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?)))
                .optional()?
            {
                if updated_us.is_none_or(|updated_us| updated_us < before_us) {
                    return Ok::<_, Error>(Some(id));
                }
                last = id;
            }
            Ok(None)
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
        trim(self.state(), "incident_feed", kept, read, now_us)
    }
}

/// Entries come in the order of their times, so that those to be forgotten are the first. They are looked for where
/// nobody waits for it.
fn trim(state: &State, feed: &str, kept: &Kept, read: u64, now_us: i64) -> Result<usize> {
    let before_us = now_us.saturating_sub(kept.feed_us);
    // SQLite's numbers have a sign.
    let most = i64::MAX as u64;
    let cut: Option<u64> = state.read(|db| {
        let mut select = db.prepare_cached(&format!("SELECT max(seq) FROM {feed}"))?;
        let end: u64 = select.query_row([], |row| row.get::<_, Option<u64>>(0))?.unwrap_or(0);
        let many = end.saturating_sub(kept.feed_entries.min(most));
        let mut select = db.prepare_cached(&format!(
            "SELECT seq, at_us FROM {feed} WHERE seq <= ?1 ORDER BY seq LIMIT ?2"
        ))?;
        let mut rows = select.query(rusqlite::params![read.min(most), TRIMMED_AT_ONCE])?;
        let mut cut = None;
        while let Some(row) = rows.next()? {
            let (seq, at_us): (u64, i64) = (row.get(0)?, row.get(1)?);
            if at_us >= before_us && seq > many {
                break;
            }
            cut = Some(seq);
        }
        Ok::<_, Error>(cut)
    })?;
    let Some(cut) = cut else { return Ok(0) };
    state.write(|txn| {
        Ok(txn.prepare_cached(&format!("DELETE FROM {feed} WHERE seq <= ?1"))?.execute([cut])?)
    })
}
