//! A step is taken with many incidents at once.

use std::collections::BTreeSet;

use storage::state::rusqlite::types::Value;
use storage::state::{Txn, rusqlite};

use super::change::{Step, apply, refused};
use super::follow::Incidents;
use super::page::{IncidentFilter, conditions};
use super::store;
use crate::bulk::unlabelled;
use crate::{BULK, BulkOutcome, Error, Expected, Result, Selection, Verdict};

/// Once so many alerts belong to the incidents that a call has closed, it closes no more: whoever else writes waits
/// for it.
pub const CLOSED_AT_ONCE: u64 = 10_000;

impl Incidents {
    /// Takes a step with many incidents in one transaction. One with which it cannot be taken holds up no other. What
    /// came of them is told by their own ids where these are known.
    ///
    /// # Errors
    /// [`Error::TooMany`] ids, or a comment on more incidents than one call reaches; [`Error::IncidentSenseless`]
    /// where the step makes no sense, whatever the incidents; or the database refuses. Nothing has changed then.
    pub fn step_many(
        &self,
        selection: &Selection<IncidentFilter>,
        step: &Step,
        by: &str,
        now_us: i64,
    ) -> Result<BulkOutcome> {
        step.check("*")?;
        self.state().write(|txn| {
            let mut outcome = BulkOutcome::default();
            let named = match selection {
                Selection::Ids(ids) if ids.len() > BULK => {
                    return Err(Error::TooMany { what: "ids", most: BULK });
                }
                Selection::Ids(ids) => ids.clone(),
                Selection::Filter(filter) => {
                    let mut found = select(txn, filter, step)?;
                    outcome.more = found.len() > BULK;
                    found.truncate(BULK);
                    found
                }
            };
            // The same comment again would be said twice of those that have it.
            if outcome.more && matches!(step, Step::Comment(_)) {
                return Err(Error::TooMany { what: "incidents for one comment", most: BULK });
            }
            let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
            let mut alerts = 0;
            for (name, expected) in &named {
                if !names.insert(name) {
                    continue;
                }
                let id = match store::resolve(txn, name) {
                    Ok(id) => id,
                    Err(error) => {
                        outcome.note(name.clone(), Err(error))?;
                        continue;
                    }
                };
                if !seen.insert(id.clone()) {
                    let problem = "is what another of the ids leads to as well";
                    outcome.note(name.clone(), Err(refused(&id, problem)))?;
                    continue;
                }
                if alerts >= CLOSED_AT_ONCE {
                    if matches!(selection, Selection::Filter(_)) {
                        outcome.more = true;
                        break;
                    }
                    let problem = format!("is left for another call: this one has closed {alerts} alerts");
                    outcome.note(id.clone(), Err(refused(&id, &problem)))?;
                    continue;
                }
                let incident = store::get(txn, &id)?;
                let changed =
                    store::expect(&incident, expected).and_then(|()| apply(txn, &incident, step, by, now_us));
                if matches!(changed, Ok(true)) && closes_alerts(step) {
                    alerts += incident.alerts;
                }
                outcome.note(id, changed)?;
            }
            Ok(outcome)
        })
    }
}

fn closes_alerts(step: &Step) -> bool {
    match step {
        Step::Close { verdict, keeps_alerts, .. } => !keeps_alerts && *verdict != Verdict::Duplicate,
        _ => false,
    }
}

/// The ids of the incidents that a filter finds and with which a step is still to be taken, one more than [`BULK`] if
/// there are so many.
fn select(txn: &Txn<'_>, filter: &IncidentFilter, step: &Step) -> Result<Vec<(String, Expected)>> {
    let (mut clauses, mut values) = conditions(filter, None);
    let narrower = match step {
        Step::Acknowledge => "status = 'new' OR (status <> 'closed' AND owner IS NULL)".to_owned(),
        Step::Start => {
            "status IN ('new', 'acknowledged') OR (status <> 'closed' AND owner IS NULL)".to_owned()
        }
        Step::Close { .. } => "status <> 'closed'".to_owned(),
        Step::Reopen(_) => "status = 'closed'".to_owned(),
        Step::Assign(owner) => {
            values.push(Value::Text(owner.trim().to_owned()));
            format!("owner IS NOT ?{}", values.len())
        }
        Step::Unassign => "owner IS NOT NULL".to_owned(),
        Step::Label { add, remove } => unlabelled("incidents", add, remove, &mut values),
        Step::Comment(_) => "1".to_owned(),
    };
    clauses.push_str(&format!(" AND ({narrower})"));
    let sql = format!(
        "SELECT id FROM incidents WHERE {clauses} ORDER BY last_us DESC, id DESC LIMIT {}",
        BULK.saturating_add(1)
    );
    let mut select = txn.prepare(&sql)?;
    let found =
        select.query_map(rusqlite::params_from_iter(values), |row| Ok((row.get(0)?, Expected::Any)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
