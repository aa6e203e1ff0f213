//! Who was told of what, and in which thread.
//!
//! A row is a channel and an alert or incident that it was told of by itself. Its thread is the id of what was
//! told first, and stays: an incident that its channel knows by one of its alerts goes on in the thread of that
//! alert, and one that turns out to be part of another goes on in the older of both threads.

use rusqlite::{OptionalExtension as _, Row};
use storage::state::{Txn, rusqlite};

use super::Outbox;
use crate::{Result, SubjectKind};

/// The longest between two messages that say how an incident grows.
const LONGEST_US: i64 = 3_600_000_000;

/// What a channel was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) channel: String,
    pub(crate) subject: String,
    pub(crate) about: SubjectKind,
    pub(crate) thread: String,
    /// The route that chose the channel.
    pub(crate) route: String,
    /// As it was told last.
    pub(crate) severity_id: u8,
    /// How many alerts were told of last.
    pub(crate) alerts: u64,
    pub(crate) since_us: i64,
    pub(crate) told_us: i64,
    /// How long after a message the next one says how an incident has grown.
    pub(crate) window_us: i64,
    /// When it is to be told how it has grown.
    pub(crate) due_us: Option<i64>,
}

const COLUMNS: &str =
    "channel, subject, about, thread, route, severity_id, alerts, since_us, told_us, window_us, due_us";

fn read(row: &Row<'_>) -> rusqlite::Result<Told> {
    let about: String = row.get(2)?;
    Ok(Told {
        channel: row.get(0)?,
        subject: row.get(1)?,
        about: if about == "incident" { SubjectKind::Incident } else { SubjectKind::Alert },
        thread: row.get(3)?,
        route: row.get(4)?,
        severity_id: row.get(5)?,
        alerts: row.get(6)?,
        since_us: row.get(7)?,
        told_us: row.get(8)?,
        window_us: row.get(9)?,
        due_us: row.get(10)?,
    })
}

impl Told {
    /// The window begins: what grows is told at its end, and while it goes on at growing intervals.
    pub(crate) fn grow(&mut self, base_us: i64, now_us: i64) {
        if self.due_us.is_some() {
            return;
        }
        let has_rested = now_us.saturating_sub(self.told_us) >= self.window_us.saturating_mul(2);
        if has_rested {
            self.window_us = base_us;
        }
        self.due_us = Some(now_us.max(self.told_us.saturating_add(self.window_us)));
    }

    /// It was told how it has grown.
    pub(crate) fn has_grown(&mut self, base_us: i64) {
        self.due_us = None;
        self.window_us = self.window_us.max(base_us).saturating_mul(2).min(LONGEST_US.max(base_us));
    }
}

impl Outbox {
    /// What a channel was told of this subject.
    pub(crate) fn told_to(txn: &Txn<'_>, channel: &str, subject: &str) -> Result<Option<Told>> {
        let mut select =
            txn.prepare_cached(&format!("SELECT {COLUMNS} FROM told WHERE channel = ?1 AND subject = ?2"))?;
        Ok(select.query_row([channel, subject], read).optional()?)
    }

    /// The channels that were told of a subject, the earliest first.
    pub(crate) fn told_of(txn: &rusqlite::Connection, subject: &str) -> Result<Vec<Told>> {
        let mut select = txn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM told WHERE subject = ?1 ORDER BY since_us, channel"
        ))?;
        let told = select.query_map([subject], read)?;
        Ok(told.collect::<rusqlite::Result<_>>()?)
    }

    /// Writes a row, in the place of one of the same channel and subject.
    pub(crate) fn set_told(txn: &Txn<'_>, told: &Told) -> Result<()> {
        txn.prepare_cached(&format!(
            "INSERT INTO told ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (channel, subject) DO UPDATE SET thread = ?4, route = ?5, severity_id = ?6, alerts = ?7,
                since_us = ?8, told_us = ?9, window_us = ?10, due_us = ?11"
        ))?
        .execute(rusqlite::params![
            told.channel,
            told.subject,
            told.about.as_str(),
            told.thread,
            told.route,
            told.severity_id,
            told.alerts,
            told.since_us,
            told.told_us,
            told.window_us,
            told.due_us
        ])?;
        Ok(())
    }

    /// Removes the row of a subject that lives on under another id.
    pub(crate) fn forget_told(txn: &Txn<'_>, channel: &str, subject: &str) -> Result<()> {
        txn.prepare_cached("DELETE FROM told WHERE channel = ?1 AND subject = ?2")?
            .execute([channel, subject])?;
        Ok(())
    }

    /// The incident that a thread of a channel is about.
    pub(crate) fn incident_in(
        txn: &rusqlite::Connection,
        channel: &str,
        thread: &str,
    ) -> Result<Option<String>> {
        let mut select = txn.prepare_cached(
            "SELECT subject FROM told WHERE channel = ?1 AND thread = ?2 AND about = 'incident' LIMIT 1",
        )?;
        Ok(select.query_row([channel, thread], |row| row.get(0)).optional()?)
    }

    /// Whether anything was told in a thread of a channel.
    pub(crate) fn is_thread(txn: &Txn<'_>, channel: &str, thread: &str) -> Result<bool> {
        let mut select =
            txn.prepare_cached("SELECT EXISTS (SELECT 1 FROM told WHERE channel = ?1 AND thread = ?2)")?;
        Ok(select.query_row([channel, thread], |row| row.get(0))?)
    }

    /// All that was told in a thread goes on in another.
    pub(crate) fn move_thread(txn: &Txn<'_>, channel: &str, from: &str, to: &str) -> Result<()> {
        txn.prepare_cached("UPDATE told SET thread = ?3 WHERE channel = ?1 AND thread = ?2")?
            .execute([channel, from, to])?;
        Ok(())
    }

    /// What is to be told how it has grown, the longest due first, some at a time.
    pub(crate) fn due_growth(&self, now_us: i64) -> Result<Vec<Told>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM told WHERE due_us <= ?1 ORDER BY due_us LIMIT 200"
            ))?;
            let due = select.query_map([now_us], read)?;
            Ok(due.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Who is waited for to take `from` is waited for to take `to`.
    pub(crate) fn move_escalations(txn: &Txn<'_>, from: &str, to: &str) -> Result<()> {
        txn.prepare_cached("UPDATE OR IGNORE escalations SET subject = ?2 WHERE subject = ?1")?
            .execute([from, to])?;
        Self::end_escalations(txn, from)
    }
}
