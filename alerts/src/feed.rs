//! What happens to alerts, in the order in which it was committed.
//!
//! An entry is written in the transaction of the change itself, by the database: whoever follows the feed
//! (notifications, live lists) misses nothing and reads nothing that was undone.

use rusqlite::{Connection, OptionalExtension as _};
use storage::state::{Watched, rusqlite};

use crate::{AlertStore, Result};

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its number: grows, and is never given twice.
    pub seq: u64,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// The alert.
    pub alert_id: String,
    /// What: `raised`, or the change as a past participle, as in the alert's history.
    pub change: String,
    /// Who; `stormglass` where nobody did.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

impl AlertStore {
    /// The entries after `seq`, oldest first, at most `limit`; 0 begins at the first that is kept.
    ///
    /// # Errors
    /// The database refuses.
    pub fn feed(&self, seq: u64, limit: usize) -> Result<Vec<FeedEntry>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT seq, at_us, alert_id, change, by, reason FROM alert_feed WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?;
            let entries = select
                .query_map(rusqlite::params![seq, limit], |row| {
                    Ok(FeedEntry {
                        seq: row.get(0)?,
                        at_us: row.get(1)?,
                        alert_id: row.get(2)?,
                        change: row.get(3)?,
                        by: row.get(4)?,
                        reason: row.get(5)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(entries)
        })
    }

    /// The number of the newest entry that is kept; whoever waits for it is woken by each commit with something new.
    ///
    /// # Errors
    /// The database refuses.
    pub fn watch_feed(&self) -> Result<Watched> {
        Ok(self.state().watch("SELECT max(seq) FROM alert_feed")?)
    }

    /// The number of the newest entry; 0 before the first.
    ///
    /// # Errors
    /// The database refuses.
    pub fn feed_end(&self) -> Result<u64> {
        self.state().read(end)
    }
}

/// The number of the newest entry, also if that is forgotten.
pub(crate) fn end(db: &Connection) -> Result<u64> {
    let seq = db
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'alert_feed'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(seq.unwrap_or(0))
}
