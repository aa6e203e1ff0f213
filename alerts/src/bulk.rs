//! Many alerts or incidents are changed at once: which, and what came of each.

use std::collections::BTreeSet;

use event::Fate;
use rusqlite::types::Value;
use storage::state::{Txn, rusqlite};

use crate::edit::{apply, refused};
use crate::page::conditions;
use crate::{AlertFilter, AlertStore, Change, Edit, Error, Expected, Result};

/// The most alerts or incidents that one bulk action changes.
pub const BULK: usize = 1000;

/// Why nothing is different.
const SO_ALREADY: &str = "it is so already";

/// Which alerts or incidents a bulk action is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection<F> {
    /// Those with these ids, each as whoever names it knows it; [`BULK`] at most.
    Ids(Vec<(String, Expected)>),
    /// Those that a list would show and that are not yet as the action makes them; the newest [`BULK`].
    Filter(F),
}

impl<F> Selection<F> {
    /// Those with these ids, whatever they are now.
    pub fn ids(ids: impl IntoIterator<Item = String>) -> Self {
        Self::Ids(ids.into_iter().map(|id| (id, Expected::Any)).collect())
    }
}

/// What a bulk action came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    /// The ids of those that are different from before.
    pub changed: Vec<String>,
    /// Those that are not.
    pub unchanged: Vec<Unchanged>,
    /// Whether the filter finds more: the same action again takes the next.
    pub more: bool,
}

/// One that a bulk action left as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchanged {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: String,
    /// The revision that it is at, if that is not the one at which it was known.
    pub revision: Option<u64>,
}

impl BulkOutcome {
    /// Notes what came of one: whether it was changed.
    ///
    /// # Errors
    /// One that is not of this one alone.
    pub(crate) fn note(&mut self, id: String, changed: Result<bool>) -> Result<()> {
        let (why, revision) = match changed {
            Ok(true) => {
                self.changed.push(id);
                return Ok(());
            }
            Ok(false) => (SO_ALREADY.to_owned(), None),
            Err(error) if error.fate() == Fate::Reject => {
                let revision = match &error {
                    Error::Stale { revision, .. } | Error::IncidentStale { revision, .. } => Some(*revision),
                    _ => None,
                };
                (error.to_string(), revision)
            }
            Err(error) => return Err(error),
        };
        self.unchanged.push(Unchanged { id, why, revision });
        Ok(())
    }
}

impl AlertStore {
    /// Changes many alerts in one transaction. An alert that cannot be changed holds up no other.
    ///
    /// # Errors
    /// [`Error::TooMany`] ids, or a comment for more alerts than one call reaches; [`Error::ReasonMissing`] or
    /// [`Error::ChangeSenseless`], whatever the alerts; or the database refuses. Nothing has changed then.
    pub fn edit_many(&self, selection: &Selection<AlertFilter>, edit: &Edit) -> Result<BulkOutcome> {
        edit.change.check(&edit.reason).map_err(|refusal| refused(refusal, "*", &edit.change))?;
        self.state().write(|txn| {
            let mut outcome = BulkOutcome::default();
            let named = match selection {
                Selection::Ids(ids) if ids.len() > BULK => {
                    return Err(Error::TooMany { what: "ids", most: BULK });
                }
                Selection::Ids(ids) => {
                    let mut seen = BTreeSet::new();
                    ids.iter().filter(|(id, _)| seen.insert(id.as_str())).cloned().collect()
                }
                Selection::Filter(filter) => {
                    let mut found = select(txn, filter, &edit.change)?;
                    outcome.more = found.len() > BULK;
                    found.truncate(BULK);
                    found
                }
            };
            // The same comment again would be said twice to those that have it.
            if outcome.more && edit.change == Change::Comment {
                return Err(Error::TooMany { what: "alerts for one comment", most: BULK });
            }
            for (id, expected) in named {
                let applied = apply(txn, &id, edit, &expected);
                outcome.note(id, applied.map(|applied| applied.step.is_some()))?;
            }
            Ok(outcome)
        })
    }
}

/// The ids of the alerts that a filter finds and that a change is still to be made to, one more than [`BULK`]
/// if there are so many.
fn select(txn: &Txn<'_>, filter: &AlertFilter, change: &Change) -> Result<Vec<(String, Expected)>> {
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
            let clause = unlabelled("alerts", add, remove, &mut values);
            clauses.push_str(" AND ");
            clauses.push_str(&clause);
        }
        Change::Release => narrow("suppressed_by IS NOT NULL", None),
        Change::Comment => {}
    }
    let sql = format!(
        "SELECT id FROM alerts WHERE {clauses} ORDER BY time_us DESC, id DESC LIMIT {}",
        BULK.saturating_add(1)
    );
    let mut select = txn.prepare(&sql)?;
    let found =
        select.query_map(rusqlite::params_from_iter(values), |row| Ok((row.get(0)?, Expected::Any)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The condition that a row of `table` still lacks one of the labels of `add`, or has one of `remove`.
pub(crate) fn unlabelled(table: &str, add: &[String], remove: &[String], values: &mut Vec<Value>) -> String {
    let mut any = Vec::new();
    for (labels, negation) in [(add, "NOT "), (remove, "")] {
        for label in labels {
            values.push(Value::Text(label.trim().to_owned()));
            let at = values.len();
            any.push(format!(
                "{negation}EXISTS (SELECT 1 FROM json_each({table}.labels) WHERE value = ?{at})"
            ));
        }
    }
    format!("({})", any.join(" OR "))
}
