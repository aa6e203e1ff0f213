//! The outbox: what is to be told, written before it is told.
//!
//! ```text
//! feed of alerts ──► follow: routes ──► deliveries (waiting) ──► a worker a channel ──► delivered
//!                    and its position, one transaction              its outcome           or dead
//! ```
//!
//! A delivery is a row with a key that no other ever has. It is sent, then its row is changed: a crash between
//! the two sends it again under the same key. Deliveries of one channel and thread go one after the other, in
//! the order of their rows; one that waits holds up its thread and nothing else. What a row says (`notification`)
//! is empty once it is delivered: only what may be sent again is kept.
//!
//! Besides: `told` (which channel knows which alert or incident, in which thread), `untold` (which alert is not told by
//! itself, and why), `escalations` (who is told next, and when), `windows` (what is gathered or counted until a window
//! closes), `threads` (what channels asked to be remembered), `channel_health` (since when one fails).

mod escalation;
mod gone;
mod health;
mod listing;
mod queue;
mod told;
mod untold;
mod window;

use rusqlite::OptionalExtension as _;
use storage::state::{State, Txn, rusqlite};

use crate::{Notification, Result};

pub(crate) use escalation::DueStep;
pub(crate) use health::{DISABLED_PROBE_US, Failing};
pub use listing::{ChannelQueue, DeliveryFilter, DeliveryRecord, DeliveryState, Subjects, state_tables};
pub(crate) use queue::{Next, Waiting};
pub(crate) use told::Told;
pub(crate) use untold::{Untold, Why};
pub(crate) use window::{Closed, Fate as WindowFate, Line, Opening};

/// The schema, one step a released version.
const MIGRATIONS: &[&str] = &["
CREATE TABLE notify_position (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL
) STRICT;
CREATE TABLE deliveries (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    key           TEXT NOT NULL UNIQUE,
    channel       TEXT NOT NULL,
    route         TEXT NOT NULL,
    subject       TEXT NOT NULL,
    thread        TEXT NOT NULL,
    kind          TEXT NOT NULL,
    title         TEXT NOT NULL,
    notification  TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'waiting',
    attempts      INTEGER NOT NULL DEFAULT 0,
    created_us    INTEGER NOT NULL,
    next_us       INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    last_error    TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (channel, next_us, id) WHERE state = 'waiting';
CREATE INDEX deliveries_in_thread ON deliveries (channel, thread, id) WHERE state = 'waiting';
CREATE INDEX deliveries_by_subject ON deliveries (subject, id);
CREATE INDEX deliveries_by_state ON deliveries (state, id);
CREATE INDEX deliveries_settled ON deliveries (updated_us) WHERE state <> 'waiting';
CREATE TABLE threads (
    channel     TEXT NOT NULL,
    thread      TEXT NOT NULL,
    remembered  TEXT NOT NULL,
    updated_us  INTEGER NOT NULL,
    PRIMARY KEY (channel, thread)
) STRICT, WITHOUT ROWID;
CREATE TABLE escalations (
    subject  TEXT NOT NULL,
    route    TEXT NOT NULL,
    step     INTEGER NOT NULL,
    due_us   INTEGER NOT NULL,
    PRIMARY KEY (subject, route)
) STRICT, WITHOUT ROWID;
CREATE INDEX escalations_due ON escalations (due_us);
CREATE TABLE windows (
    route        TEXT NOT NULL,
    kind         TEXT NOT NULL,
    rule         TEXT NOT NULL,
    title        TEXT NOT NULL,
    severity_id  INTEGER NOT NULL,
    begin_us     INTEGER NOT NULL,
    close_us     INTEGER NOT NULL,
    rounds       INTEGER NOT NULL,
    told         INTEGER NOT NULL,
    held         INTEGER NOT NULL,
    first_alert  TEXT NOT NULL,
    last_alert   TEXT NOT NULL,
    PRIMARY KEY (route, kind, rule)
) STRICT, WITHOUT ROWID;
CREATE INDEX windows_due ON windows (close_us);
CREATE TABLE channel_health (
    channel     TEXT PRIMARY KEY,
    since_us    INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    probe_us    INTEGER,
    alert_id    TEXT
) STRICT, WITHOUT ROWID;
",
"
ALTER TABLE notify_position ADD COLUMN incident_seq INTEGER;
CREATE TABLE told (
    channel      TEXT NOT NULL,
    subject      TEXT NOT NULL,
    about        TEXT NOT NULL,
    thread       TEXT NOT NULL,
    route        TEXT NOT NULL,
    severity_id  INTEGER NOT NULL,
    alerts       INTEGER NOT NULL,
    since_us     INTEGER NOT NULL,
    told_us      INTEGER NOT NULL,
    window_us    INTEGER NOT NULL,
    due_us       INTEGER,
    PRIMARY KEY (channel, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_by_subject ON told (subject);
CREATE INDEX told_by_thread ON told (channel, thread);
CREATE INDEX told_due ON told (due_us) WHERE due_us IS NOT NULL;
CREATE INDEX told_old ON told (told_us);
INSERT INTO told SELECT channel, subject, 'alert', min(thread), min(route), 0, 1, min(created_us), max(updated_us), 0, NULL
    FROM deliveries WHERE kind IN ('raised', 'escalated') GROUP BY channel, subject;
",
"
ALTER TABLE deliveries ADD COLUMN planned_us INTEGER;
CREATE TABLE untold (
    alert    TEXT NOT NULL,
    route    TEXT NOT NULL,
    why      TEXT NOT NULL,
    rule     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    told_in  TEXT,
    told_us  INTEGER,
    PRIMARY KEY (alert, route)
) STRICT, WITHOUT ROWID;
CREATE INDEX untold_held ON untold (route, why, rule) WHERE told_us IS NULL;
CREATE INDEX untold_old ON untold (at_us);
",
    // Those that were called before their turn are counted with each delivery.
    "
CREATE INDEX deliveries_called ON deliveries (channel, planned_us) WHERE state = 'waiting' AND planned_us IS NOT NULL;
"];

/// What is to be told to one channel.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    pub(crate) key: String,
    pub(crate) channel: &'a str,
    pub(crate) route: &'a str,
    pub(crate) notification: &'a Notification,
}

/// The tables of what is to be told and what was. All calls block.
#[derive(Debug, Clone)]
pub struct Outbox {
    state: State,
}

impl Outbox {
    /// Opens the tables, making them where they are missing.
    ///
    /// # Errors
    /// The state cannot be written, or was written by a newer version.
    pub fn open(state: State) -> Result<Self> {
        state.migrate("notify", MIGRATIONS)?;
        Ok(Self { state })
    }

    /// The database that the tables are in.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// How far the feed was followed; `None` before the first time.
    pub fn position(&self) -> Result<Option<u64>> {
        self.state.read(|db| {
            let mut select = db.prepare_cached("SELECT seq FROM notify_position")?;
            Ok(select.query_row([], |row| row.get(0)).optional()?)
        })
    }

    /// How far the feed of incidents was followed; `None` before the first time.
    pub fn incident_position(&self) -> Result<Option<u64>> {
        self.state.read(|db| {
            let mut select = db.prepare_cached("SELECT incident_seq FROM notify_position")?;
            Ok(select.query_row([], |row| row.get(0)).optional()?.flatten())
        })
    }

    pub(crate) fn set_incident_position(txn: &Txn<'_>, seq: u64) -> Result<()> {
        txn.prepare_cached(
            "INSERT INTO notify_position (id, seq, incident_seq) VALUES (1, 0, ?1)
             ON CONFLICT (id) DO UPDATE SET incident_seq = ?1",
        )?
        .execute([seq])?;
        Ok(())
    }

    pub(crate) fn set_position(txn: &Txn<'_>, seq: u64) -> Result<()> {
        txn.prepare_cached(
            "INSERT INTO notify_position (id, seq) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET seq = ?1",
        )?
        .execute([seq])?;
        Ok(())
    }

    /// Puts a delivery into the queue of its channel; one whose key is there changes nothing.
    pub(crate) fn put(txn: &Txn<'_>, draft: &Draft<'_>, now_us: i64) -> Result<()> {
        let told = draft.notification;
        txn.prepare_cached(
            "INSERT INTO deliveries (key, channel, route, subject, thread, kind, title, notification, created_us, next_us, updated_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?9) ON CONFLICT (key) DO NOTHING",
        )?
        .execute(rusqlite::params![
            draft.key,
            draft.channel,
            draft.route,
            told.subject_id,
            told.thread,
            told.kind.as_str(),
            told.title,
            serde_json::to_string(told)?,
            now_us
        ])?;
        Ok(())
    }
}

/// The key of a delivery: a function of what is told to whom.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"delivery");
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(32).collect()
}
