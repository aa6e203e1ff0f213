//! The one way in which people change alerts: one at a time, or many at once.

use std::collections::BTreeSet;

use event::Fate;
use rusqlite::OptionalExtension as _;
use rusqlite::types::Value;
use storage::state::{Txn, rusqlite};

use crate::history::{self, STORMGLASS};
use crate::lifecycle::{Field, Refusal, Standing};
use crate::page::conditions;
use crate::row::{from_json, to_json};
use crate::{AlertChange, AlertFilter, AlertId, AlertStatus, AlertStore, Change, Error, Result, StoredAlert};

/// The most alerts that one bulk action changes.
pub const BULK: usize = 1000;

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

/// Which alerts a bulk action is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those with these ids, [`BULK`] at most.
    Ids(Vec<String>),
    /// Those that a list would show and that are not yet as the action makes them; the newest [`BULK`].
    Filter(AlertFilter),
}

/// What a bulk action came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    /// Alerts that are different from before.
    pub changed: Vec<String>,
    /// Alerts that are not, and why.
    pub unchanged: Vec<(String, String)>,
    /// Whether the filter finds more: the same action again takes the next.
    pub more: bool,
}

pub(crate) struct Applied {
    step: Option<AlertChange>,
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

    /// Changes many alerts in one transaction. An alert that cannot be changed holds up no other.
    ///
    /// # Errors
    /// [`Error::TooMany`] ids, or a comment for more alerts than one call reaches; [`Error::ReasonMissing`] or
    /// [`Error::ChangeSenseless`], whatever the alerts; or the database refuses. Nothing has changed then.
    pub fn edit_many(&self, selection: &Selection, edit: &Edit) -> Result<BulkOutcome> {
        edit.change.check(&edit.reason).map_err(|refusal| refused(refusal, "*", &edit.change))?;
        self.state().write(|txn| {
            let mut outcome = BulkOutcome::default();
            let ids = match selection {
                Selection::Ids(ids) if ids.len() > BULK => {
                    return Err(Error::TooMany { what: "ids", most: BULK });
                }
                Selection::Ids(ids) => {
                    let mut seen = BTreeSet::new();
                    ids.iter().filter(|id| seen.insert(id.as_str())).cloned().collect()
                }
                Selection::Filter(filter) => {
                    let mut ids = select(txn, filter, &edit.change)?;
                    outcome.more = ids.len() > BULK;
                    ids.truncate(BULK);
                    ids
                }
            };
            // The same comment again would be said twice to those that have it.
            if outcome.more && edit.change == Change::Comment {
                return Err(Error::TooMany { what: "alerts for one comment", most: BULK });
            }
            for id in ids {
                match apply(txn, &id, edit, &Expected::Any) {
                    Ok(Applied { step: Some(_), .. }) => outcome.changed.push(id),
                    Ok(_) => outcome.unchanged.push((id, "it is so already".to_owned())),
                    Err(error) if error.fate() == Fate::Reject => {
                        outcome.unchanged.push((id, error.to_string()));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(outcome)
        })
    }
}

/// The ids of the alerts that a filter finds and that a change is still to be made to, one more than [`BULK`]
/// if there are so many.
fn select(txn: &Txn<'_>, filter: &AlertFilter, change: &Change) -> Result<Vec<String>> {
    let (mut clauses, mut values) = conditions(filter, None);
    let mut narrow = |clause: &str, value: Option<&str>| {
        let clause = match value {
            Some(value) => {
                values.push(Value::Text(value.to_owned()));
                clause.replace('?', &format!("?{}", values.len()))
            }
            None => clause.to_owned(),
        };
        clauses.push_str(" AND ");
        clauses.push_str(&clause);
    };
    match change {
        Change::Acknowledge => narrow("status = 'new'", None),
        Change::Start => narrow("status IN ('new', 'acknowledged')", None),
        Change::Close(_) => narrow("status <> 'closed'", None),
        Change::Duplicate(of) => narrow("status <> 'closed' AND id <> ?", Some(of)),
        Change::Reopen => narrow("status = 'closed'", None),
        Change::Assign(owner) => narrow("owner IS NOT ?", Some(owner.trim())),
        Change::Unassign => narrow("owner IS NOT NULL", None),
        Change::Label { add, remove } => {
            let has = "EXISTS (SELECT 1 FROM json_each(alerts.labels) WHERE value = ?)";
            let mut any = Vec::new();
            for (labels, clause) in [(add, format!("NOT {has}")), (remove, has.to_owned())] {
                for label in labels {
                    values.push(Value::Text(label.trim().to_owned()));
                    any.push(clause.replace('?', &format!("?{}", values.len())));
                }
            }
            clauses.push_str(&format!(" AND ({})", any.join(" OR ")));
        }
        Change::Release => narrow("suppressed_by IS NOT NULL", None),
        Change::Comment => {}
    }
    let sql = format!(
        "SELECT id FROM alerts WHERE {clauses} ORDER BY time_us DESC, id DESC LIMIT {}",
        BULK.saturating_add(1)
    );
    let mut select = txn.prepare(&sql)?;
    let ids = select.query_map(rusqlite::params_from_iter(values), |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
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

fn refused(refusal: Refusal, id: &str, change: &Change) -> Error {
    let id = id.to_owned();
    match refusal {
        Refusal::Standing(status) => Error::ChangeRefused { id, status, wanted: change.as_str() },
        Refusal::ReasonMissing => Error::ReasonMissing { id },
        Refusal::Senseless(problem) => Error::ChangeSenseless { id, problem },
    }
}
