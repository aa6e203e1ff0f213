//! An alert's history: who changed what, when, from what to what.

use serde::Serialize;
use storage::state::{Txn, rusqlite};

use crate::Result;

/// Who changes alerts when nobody does.
pub(crate) const STORMGLASS: &str = "stormglass";

/// The most steps that are shown of an alert: its newest.
pub const HISTORY: usize = 1000;

/// One step in an alert's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AlertChange {
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// Who; `stormglass` where nobody did.
    pub by: String,
    /// What, as a past participle.
    pub change: String,
    /// What of the alert it is about: `status`, `owner`, `labels`, `comment`, `suppressed_by`, `evidence`.
    pub field: Option<String>,
    /// What that was before.
    pub before: Option<String>,
    /// What it was from then on.
    pub after: Option<String>,
    /// The verdict of a closing.
    pub verdict: Option<String>,
    /// Why, or the comment; may be empty.
    pub reason: String,
}

impl AlertChange {
    /// A step that Stormglass itself takes.
    pub(crate) fn by_stormglass(at_us: i64, change: &str, field: &str, reason: String) -> Self {
        Self {
            at_us,
            by: STORMGLASS.to_owned(),
            change: change.to_owned(),
            field: Some(field.to_owned()),
            reason,
            ..Self::default()
        }
    }
}

/// Writes a step, and with it, by a trigger, its entry in the feed.
///
/// # Errors
/// The database refuses.
pub(crate) fn write(txn: &Txn<'_>, id: &str, step: &AlertChange) -> Result<()> {
    txn.prepare_cached(
        "INSERT INTO alert_changes (alert_id, at_us, by, change, field, before, after, verdict, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(rusqlite::params![
        id,
        step.at_us,
        step.by,
        step.change,
        step.field,
        step.before,
        step.after,
        step.verdict,
        step.reason
    ])?;
    Ok(())
}

/// The newest [`HISTORY`] steps, oldest first.
///
/// # Errors
/// The database refuses.
pub(crate) fn of(db: &rusqlite::Connection, id: &str) -> Result<Vec<AlertChange>> {
    let mut select = db.prepare_cached(
        "SELECT at_us, by, change, field, before, after, verdict, reason FROM alert_changes WHERE alert_id = ?1
         ORDER BY at_us DESC, rowid DESC LIMIT ?2",
    )?;
    let mut steps =
        select.query_map(rusqlite::params![id, HISTORY], step)?.collect::<rusqlite::Result<Vec<_>>>()?;
    steps.reverse();
    Ok(steps)
}

/// The last step about a field of an alert.
///
/// # Errors
/// The database refuses.
pub(crate) fn last_about(db: &rusqlite::Connection, id: &str, field: &str) -> Result<Option<AlertChange>> {
    use rusqlite::OptionalExtension as _;
    let mut select = db.prepare_cached(
        "SELECT at_us, by, change, field, before, after, verdict, reason FROM alert_changes
         WHERE alert_id = ?1 AND field = ?2 ORDER BY at_us DESC, rowid DESC LIMIT 1",
    )?;
    Ok(select.query_row([id, field], step).optional()?)
}

fn step(row: &rusqlite::Row<'_>) -> rusqlite::Result<AlertChange> {
    Ok(AlertChange {
        at_us: row.get(0)?,
        by: row.get(1)?,
        change: row.get(2)?,
        field: row.get(3)?,
        before: row.get(4)?,
        after: row.get(5)?,
        verdict: row.get(6)?,
        reason: row.get(7)?,
    })
}
