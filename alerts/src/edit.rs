//! The one way in which people change alerts.

use rusqlite::OptionalExtension as _;
use storage::state::{Txn, rusqlite};

use crate::history::{self, STORMGLASS};
use crate::lifecycle::{Field, Refusal, Standing};
use crate::row::{from_json, to_json};
use crate::{AlertChange, AlertId, AlertStatus, AlertStore, Change, Error, Result, StoredAlert};

/// A change, by whom, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is to change.
    pub change: Change,
    /// Who does it.
    pub by: String,
    /// Why, or the comment; may be empty where the change does not demand it.
    pub reason: String,
    /// When, microseconds since 1970.
    pub at_us: i64,
}

/// What whoever changes an alert knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is now: the last one who writes wins, and is told what was overwritten.
    Any,
    /// It must be at one of these revisions.
    Revisions(Vec<u64>),
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The alert as it is now.
    pub alert: StoredAlert,
    /// Whether anything is different from before.
    pub is_changed: bool,
    /// The step in its history, if anything is.
    pub step: Option<AlertChange>,
    /// What somebody else had set, and is no more.
    pub overwrote: Option<Overwritten>,
}

/// What a change put something else in the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overwritten {
    /// What of the alert.
    pub field: Field,
    /// What it was.
    pub value: String,
    /// Who had set it.
    pub by: String,
    /// When, microseconds since 1970.
    pub at_us: i64,
}

pub(crate) struct Applied {
    pub(crate) step: Option<AlertChange>,
    overwrote: Option<Overwritten>,
}

impl AlertStore {
    /// Changes an alert, whatever it is now.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn change(
        &self,
        id: &str,
        change: Change,
        by: &str,
        reason: &str,
        now_us: i64,
    ) -> Result<StoredAlert> {
        let edit = Edit { change, by: by.to_owned(), reason: reason.to_owned(), at_us: now_us };
        Ok(self.edit(id, &edit, &Expected::Any)?.alert)
    }

    /// Changes an alert and writes the step into its history. What is so already stays so, without a step.
    ///
    /// # Errors
    /// [`Error::AlertUnknown`], [`Error::Stale`], [`Error::ChangeRefused`], [`Error::ReasonMissing`],
    /// [`Error::ChangeSenseless`], or the database refuses. Nothing has changed then.
    pub fn edit(&self, id: &str, edit: &Edit, expected: &Expected) -> Result<Edited> {
        let applied = self.state().write(|txn| apply(txn, id, edit, expected))?;
        let alert = self.get(id)?.0;
        let Applied { step, overwrote } = applied;
        Ok(Edited { alert, is_changed: step.is_some(), step, overwrote })
    }

    /// Makes a change within a transaction, whatever the alert is now; whether anything is different.
    ///
    /// # Errors
    /// As [`edit`](Self::edit). What was refused has changed nothing; of a database that refuses the caller's
    /// transaction must not be committed.
    pub fn edit_within(txn: &Txn<'_>, id: &str, edit: &Edit) -> Result<bool> {
        Ok(apply(txn, id, edit, &Expected::Any)?.step.is_some())
    }
}

/// Makes a change within a transaction.
pub(crate) fn apply(txn: &Txn<'_>, id: &str, edit: &Edit, expected: &Expected) -> Result<Applied> {
    let Some((before, revision)) = standing(txn, id)? else {
        return Err(Error::AlertUnknown { id: id.to_owned() });
    };
    if let Expected::Revisions(known) = expected
        && !known.contains(&revision)
    {
        return Err(Error::Stale { id: id.to_owned(), revision });
    }
    let change = &edit.change;
    let after = before.after(change, &edit.reason).map_err(|refusal| refused(refusal, id, change))?;
    if let Change::Duplicate(of) = change {
        check_original(txn, id, of)?;
    }
    if after == before && *change != Change::Comment {
        return Ok(Applied { step: None, overwrote: None });
    }
    let field = change.field();
    let overwrote = match expected {
        Expected::Any => overwritten(txn, id, field, &before, &edit.by)?,
        Expected::Revisions(_) => None,
    };
    let is_person = edit.by != STORMGLASS;
    let is_seen = is_person && field == Field::Status && after.status != AlertStatus::New;
    txn.prepare_cached(
        "UPDATE alerts SET status = ?2, verdict = ?3, reason = ?4, duplicate_of = ?5, owner = ?6, labels = ?7,
            updated_us = ?8, acknowledged_us = coalesce(acknowledged_us, ?9),
            closed_us = CASE WHEN ?2 <> 'closed' THEN NULL ELSE coalesce(closed_us, ?8) END,
            suppressed_by = ?10, suppressed_reason = iif(?10 IS NULL, NULL, suppressed_reason)
         WHERE id = ?1",
    )?
    .execute(rusqlite::params![
        id,
        after.status.as_str(),
        after.verdict.map(|verdict| verdict.as_str()),
        after.reason,
        after.duplicate_of,
        after.owner,
        to_json(&AlertId::stored(id.to_owned()), &after.labels)?,
        edit.at_us,
        is_seen.then_some(edit.at_us),
        after.suppressed_by,
    ])?;
    let step = AlertChange {
        at_us: edit.at_us,
        by: edit.by.clone(),
        change: change.as_str().to_owned(),
        field: Some(field.as_str().to_owned()),
        before: before.field(field),
        after: match change {
            Change::Duplicate(of) => Some(of.clone()),
            _ => after.field(field),
        },
        verdict: change.verdict().map(|verdict| verdict.as_str().to_owned()),
        reason: edit.reason.clone(),
    };
    history::write(txn, id, &step)?;
    Ok(Applied { step: Some(step), overwrote })
}

fn standing(txn: &Txn<'_>, id: &str) -> Result<Option<(Standing, u64)>> {
    let mut select = txn.prepare_cached(
        "SELECT status, verdict, reason, duplicate_of, owner, labels, revision, suppressed_by FROM alerts WHERE id = ?1",
    )?;
    let found = select.query_row([id], |row| {
        let (status, verdict): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let standing = Standing {
            status: status.parse().unwrap_or_default(),
            verdict: verdict.and_then(|name| name.parse().ok()),
            reason: row.get(2)?,
            duplicate_of: row.get(3)?,
            owner: row.get(4)?,
            labels: Vec::new(),
            suppressed_by: row.get(7)?,
        };
        Ok((standing, row.get::<_, String>(5)?, row.get(6)?))
    });
    let Some((standing, labels, revision)) = found.optional()? else { return Ok(None) };
    let labels = from_json(&AlertId::stored(id.to_owned()), &labels)?;
    Ok(Some((Standing { labels, ..standing }, revision)))
}

/// An alert that is told to be repeated must be there, be another, and be no duplicate itself: so chains of
/// duplicates never run in a circle, and lead to an alert that somebody has judged.
fn check_original(txn: &Txn<'_>, id: &str, of: &str) -> Result<()> {
    let senseless = |problem: String| Err(Error::ChangeSenseless { id: id.to_owned(), problem });
    if of == id {
        return senseless("an alert does not repeat itself; give the id of the other".to_owned());
    }
    let mut select = txn.prepare_cached("SELECT duplicate_of FROM alerts WHERE id = ?1")?;
    match select.query_row([of], |row| row.get::<_, Option<String>>(0)).optional()? {
        None => senseless(format!("there is no alert `{of}` that it could repeat; give the id of one")),
        Some(Some(first)) => senseless(format!("`{of}` is itself a duplicate of `{first}`; name that one")),
        Some(None) => Ok(()),
    }
}

fn overwritten(
    txn: &Txn<'_>,
    id: &str,
    field: Field,
    before: &Standing,
    by: &str,
) -> Result<Option<Overwritten>> {
    if !matches!(field, Field::Status | Field::Owner)
        || before.status == AlertStatus::New && field == Field::Status
    {
        return Ok(None);
    }
    let Some(value) = before.field(field) else { return Ok(None) };
    let last = history::last_about(txn, id, field.as_str())?.filter(|last| last.by != by);
    Ok(last.map(|last| Overwritten { field, value, by: last.by, at_us: last.at_us }))
}

pub(crate) fn refused(refusal: Refusal, id: &str, change: &Change) -> Error {
    let id = id.to_owned();
    match refusal {
        Refusal::Standing(status) => Error::ChangeRefused { id, status, wanted: change.as_str() },
        Refusal::ReasonMissing => Error::ReasonMissing { id },
        Refusal::Senseless(problem) => Error::ChangeSenseless { id, problem },
    }
}
