//! What is told when nobody acknowledges an alert.

use storage::state::{Txn, rusqlite};

use super::Outbox;
use crate::{NotificationKind, Result};

/// A step that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueStep {
    pub(crate) subject: String,
    pub(crate) route: String,
    pub(crate) step: u32,
}

impl Outbox {
    /// Waits for an acknowledgement of `subject` until `due_us`; then `step` of the route is told.
    pub(crate) fn await_acknowledgement(txn: &Txn<'_>, due: &DueStep, due_us: i64) -> Result<()> {
        txn.prepare_cached(
            "INSERT INTO escalations (subject, route, step, due_us) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (subject, route) DO UPDATE SET step = ?3, due_us = ?4",
        )?
        .execute(rusqlite::params![due.subject, due.route, due.step, due_us])?;
        Ok(())
    }

    /// The same, unless it is waited for already.
    pub(crate) fn begin_to_await(txn: &Txn<'_>, due: &DueStep, due_us: i64) -> Result<()> {
        txn.prepare_cached(
            "INSERT INTO escalations (subject, route, step, due_us) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(rusqlite::params![due.subject, due.route, due.step, due_us])?;
        Ok(())
    }

    /// Whether a route has escalated a subject.
    pub(crate) fn has_escalated(txn: &Txn<'_>, subject: &str, route: &str) -> Result<bool> {
        let mut select = txn.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM deliveries WHERE subject = ?1 AND route = ?2 AND kind = ?3)",
        )?;
        Ok(select.query_row([subject, route, NotificationKind::Escalated.as_str()], |row| row.get(0))?)
    }

    /// Whether a step that was due is still waited for.
    pub(crate) fn is_awaited(txn: &Txn<'_>, due: &DueStep) -> Result<bool> {
        let mut select = txn.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM escalations WHERE subject = ?1 AND route = ?2 AND step = ?3)",
        )?;
        Ok(select.query_row(rusqlite::params![due.subject, due.route, due.step], |row| row.get(0))?)
    }

    /// Nobody is waited for any more.
    pub(crate) fn end_escalations(txn: &Txn<'_>, subject: &str) -> Result<()> {
        txn.prepare_cached("DELETE FROM escalations WHERE subject = ?1")?.execute([subject])?;
        Ok(())
    }

    /// One step has been told, or its route is gone.
    pub(crate) fn end_escalation(txn: &Txn<'_>, due: &DueStep) -> Result<()> {
        txn.prepare_cached("DELETE FROM escalations WHERE subject = ?1 AND route = ?2")?
            .execute([&due.subject, &due.route])?;
        Ok(())
    }

    /// Steps that are due, the longest due first, some at a time.
    pub(crate) fn due_steps(&self, now_us: i64) -> Result<Vec<DueStep>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT subject, route, step FROM escalations WHERE due_us <= ?1 ORDER BY due_us LIMIT 200",
            )?;
            let due = select.query_map([now_us], |row| {
                Ok(DueStep { subject: row.get(0)?, route: row.get(1)?, step: row.get(2)? })
            })?;
            Ok(due.collect::<rusqlite::Result<_>>()?)
        })
    }
}
