//! What people do about incidents.

use std::collections::BTreeSet;

use storage::state::{Txn, rusqlite};

use super::decision::{Decision, DecisionKind};
use super::follow::{Context, Incidents};
use super::store::{self, Incident};
use super::write::SPLIT;
use crate::edit::apply as apply_edit;
use crate::lifecycle::{OWNER_BYTES, REASON_BYTES, check_labels, relabelled};
use crate::{AlertStatus, Change, Edit, Error, Expected, Result, Verdict};

/// What was decided of such an incident would stand in its history, and change nothing.
const SETTLED: &str =
    "rests on alerts older than the newest that are joined (`incidents.remember`); it stays as it is";

/// How many alerts a line of the history names.
const NAMED: usize = 10;

/// A step in an incident's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentChange {
    /// The incident, or one that was merged into it later.
    pub incident_id: String,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// Who; `stormglass` where nobody did.
    pub by: String,
    /// What, as a word: `opened`, `grew`, `commented` and so on.
    pub change: String,
    /// The verdict of a closing.
    pub verdict: Option<String>,
    /// Why, what exactly, or the comment.
    pub reason: String,
}

/// What somebody does about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Takes it; whoever does becomes its owner, if it has none.
    Acknowledge,
    /// Works on it; whoever does becomes its owner, if it has none.
    Start,
    /// Gives it to somebody.
    Assign(String),
    /// Takes it from its owner.
    Unassign,
    /// Labels it, as alerts are.
    Label {
        /// Labels to put on it.
        add: Vec<String>,
        /// Labels to take off.
        remove: Vec<String>,
    },
    /// Says something about it.
    Comment(String),
    /// Is done with it.
    Close {
        /// What it turned out to be.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// Leaves its alerts as they are; else those that are open are closed with the same verdict and reason, but
        /// for duplicates: of which alert each is one, only somebody can say.
        keeps_alerts: bool,
    },
    /// Was done with it too early.
    Reopen(String),
}

impl Incidents {
    /// Takes a step, and writes it into the history. What is so already stays so, without an entry.
    ///
    /// # Errors
    /// [`Error::IncidentUnknown`], [`Error::IncidentRefused`] where the incident does not stand so that the step could
    /// be taken, [`Error::IncidentSenseless`] where it never could, or the database refuses. Nothing has changed then.
    pub fn step(&self, id: &str, step: &Step, by: &str, now_us: i64) -> Result<Incident> {
        self.step_if(id, step, by, &Expected::Any, now_us)
    }

    /// The same, if the incident is still as whoever takes the step knows it.
    ///
    /// # Errors
    /// [`Error::IncidentStale`] where it is not, or as [`step`](Self::step).
    pub fn step_if(
        &self,
        id: &str,
        step: &Step,
        by: &str,
        expected: &Expected,
        now_us: i64,
    ) -> Result<Incident> {
        self.state().write(|txn| {
            let id = store::resolve(txn, id)?;
            let incident = store::get(txn, &id)?;
            store::expect(&incident, expected)?;
            apply(txn, &incident, step, by, now_us)?;
            store::get(txn, &id)
        })
    }

    /// Makes one incident of two, for good: whatever joins either joins both. The first must be as `expected`.
    ///
    /// # Errors
    /// As [`step_if`](Self::step_if); both are the same already.
    pub fn merge(
        &self,
        ids: (&str, &str),
        by: &Deciding<'_>,
        context: &Context,
        now_us: i64,
    ) -> Result<Incident> {
        let a = self.decide(|txn, is_settled| {
            let (a, b) = (store::resolve(txn, ids.0)?, store::resolve(txn, ids.1)?);
            store::expect(&store::get(txn, &a)?, by.expected)?;
            if a == b {
                return Err(refused(&a, "and the other are one incident already"));
            }
            text(&a, "reason", by.reason)?;
            let (of_a, of_b) = (member_ids(txn, &a)?, member_ids(txn, &b)?);
            let (Some(first_a), Some(first_b)) = (of_a.first(), of_b.first()) else {
                return Err(refused(&a, "or the other has no alerts"));
            };
            for (id, alert) in [(&a, first_a), (&b, first_b)] {
                if is_settled(alert) {
                    return Err(refused(id, SETTLED));
                }
            }
            touch(txn, &a, now_us)?;
            touch(txn, &b, now_us)?;
            let kind = DecisionKind::Merge { a: first_a.clone(), b: first_b.clone() };
            let merged = of_a.iter().chain(&of_b).cloned().collect();
            Ok((a, by.decision(kind, now_us), merged))
        })?;
        self.follow(context, now_us)?;
        self.get(&a)
    }

    /// Takes alerts out of an incident and makes one of their own of them, for good: nothing joins them to the
    /// rest again. Returns the new incident; where too little is left of either to be an incident, the alerts are
    /// in none, and the old one is returned.
    ///
    /// # Errors
    /// As [`step_if`](Self::step_if); the alerts are not all of the incident, or are all that it has.
    pub fn split(
        &self,
        id: &str,
        alerts: &BTreeSet<String>,
        by: &Deciding<'_>,
        context: &Context,
        now_us: i64,
    ) -> Result<Incident> {
        let id = self.decide(|txn, is_settled| {
            let id = store::resolve(txn, id)?;
            store::expect(&store::get(txn, &id)?, by.expected)?;
            text(&id, "reason", by.reason)?;
            let all: BTreeSet<String> = member_ids(txn, &id)?.into_iter().collect();
            for alert in alerts {
                if is_of_risk(txn, alert)? {
                    let problem =
                        format!("keeps alert `{alert}` beside the alert that it rests on; name that one");
                    return Err(refused(&id, &problem));
                }
                if !all.contains(alert) {
                    let problem = format!("has no alert `{alert}`; write whole ids, as it shows them");
                    return Err(refused(&id, &problem));
                }
            }
            let rest: BTreeSet<_> = all.difference(alerts).cloned().collect();
            if alerts.is_empty() || rest.is_empty() {
                return Err(refused(&id, "would keep or lose all its alerts; name some of them"));
            }
            if all.iter().any(|alert| is_settled(alert)) {
                return Err(refused(&id, SETTLED));
            }
            touch(txn, &id, now_us)?;
            let mut out: Vec<String> =
                alerts.iter().take(NAMED).map(|id| id.chars().take(12).collect()).collect();
            out.extend((alerts.len() > NAMED).then(|| format!("{} more", alerts.len() - NAMED)));
            let told = format!("{}; taken out: {}", by.reason, out.join(", "));
            note(txn, &id, by.by, SPLIT, None, &told, now_us)?;
            let decision = Decision::split(&id, alerts.clone(), rest, by.by, by.reason, now_us);
            Ok((id, decision, all))
        })?;
        self.follow(context, now_us)?;
        let new = alerts.first().map(|alert| self.of_alert(alert)).transpose()?.flatten();
        self.get(&new.unwrap_or(id))
    }
}

/// Who decides about incidents, why, and what they know of them.
#[derive(Debug, Clone, Copy)]
pub struct Deciding<'a> {
    /// Who.
    pub by: &'a str,
    /// Why, in their words.
    pub reason: &'a str,
    /// The revisions at which they know the incident.
    pub expected: &'a Expected,
}

impl<'a> Deciding<'a> {
    /// About incidents as they are.
    pub fn new(by: &'a str, reason: &'a str) -> Self {
        Self { by, reason, expected: &Expected::Any }
    }

    fn decision(&self, kind: DecisionKind, at_us: i64) -> Decision {
        Decision { by: self.by.into(), reason: self.reason.into(), at_us, kind }
    }
}

/// Something is said or decided about an incident: whoever knows it as it was does not know that.
fn touch(txn: &Txn<'_>, id: &str, now_us: i64) -> Result<()> {
    txn.prepare_cached("UPDATE incidents SET updated_us = ?2 WHERE id = ?1")?
        .execute(rusqlite::params![id, now_us])?;
    Ok(())
}

/// Whether an alert is about the risk of somebody.
fn is_of_risk(txn: &Txn<'_>, alert: &str) -> Result<bool> {
    let mut select = txn.prepare_cached("SELECT 1 FROM entity_risk_alerts WHERE alert_id = ?1")?;
    Ok(select.exists([alert])?)
}

/// What can be decided about: the alerts of an incident but those about risk, which go with what they rest on.
fn member_ids(txn: &Txn<'_>, id: &str) -> Result<Vec<String>> {
    let mut select = txn.prepare_cached(
        "SELECT alert_id FROM incident_alerts WHERE incident_id = ?1 \
         AND alert_id NOT IN (SELECT alert_id FROM entity_risk_alerts) ORDER BY time_us, alert_id",
    )?;
    Ok(select.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn refused(id: &str, problem: &str) -> Error {
    Error::IncidentRefused { id: id.into(), problem: problem.into() }
}

fn senseless(id: &str, problem: String) -> Error {
    Error::IncidentSenseless { id: id.into(), problem }
}

fn text(id: &str, field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() || text.len() > REASON_BYTES {
        return Err(senseless(id, format!("it needs a `{field}` of 1 to {REASON_BYTES} bytes")));
    }
    Ok(())
}

impl Step {
    /// Whether the step makes sense, whatever incident it is for.
    ///
    /// # Errors
    /// [`Error::IncidentSenseless`], of the incident `id`.
    pub(super) fn check(&self, id: &str) -> Result<()> {
        match self {
            Self::Comment(comment) => text(id, "comment", comment),
            Self::Close { reason, .. } => text(id, "reason", reason),
            Self::Reopen(reason) if reason.len() > REASON_BYTES => {
                Err(senseless(id, format!("it needs a `reason` of at most {REASON_BYTES} bytes")))
            }
            Self::Assign(owner) => {
                let is_name = !owner.trim().is_empty() && !owner.chars().any(char::is_control);
                if !is_name || owner.len() > OWNER_BYTES {
                    return Err(senseless(
                        id,
                        format!(
                            "an owner is a name of 1 to {OWNER_BYTES} bytes without control characters; to take it off, unassign"
                        ),
                    ));
                }
                Ok(())
            }
            Self::Label { add, remove } => {
                check_labels(add, remove).map_err(|problem| senseless(id, problem))
            }
            Self::Acknowledge | Self::Start | Self::Unassign | Self::Reopen(_) => Ok(()),
        }
    }
}

/// Takes a step within a transaction; whether anything is different. What is refused has changed nothing.
pub(super) fn apply(txn: &Txn<'_>, incident: &Incident, step: &Step, by: &str, now_us: i64) -> Result<bool> {
    let (id, is_closed) = (incident.id.as_str(), incident.status == AlertStatus::Closed);
    step.check(id)?;
    match step {
        Step::Acknowledge => return take(txn, incident, &Change::Acknowledge, by, now_us),
        Step::Start => return take(txn, incident, &Change::Start, by, now_us),
        Step::Assign(owner) => return give(txn, incident, Some(owner.trim()), by, now_us),
        Step::Unassign => return give(txn, incident, None, by, now_us),
        Step::Label { add, remove } => return label(txn, incident, (add, remove), by, now_us),
        Step::Comment(comment) => {
            touch(txn, id, now_us)?;
            note(txn, id, by, "commented", None, comment, now_us)?;
        }
        Step::Close { verdict, reason, keeps_alerts } => {
            if is_closed {
                return Err(refused(id, "is closed already; reopen it first"));
            }
            if !keeps_alerts && *verdict != Verdict::Duplicate {
                close_alerts(txn, id, *verdict, by, reason, now_us)?;
            }
            let verdict = verdict.as_str();
            txn.execute(
                "UPDATE incidents SET status = 'closed', verdict = ?2, reason = ?3, closed_us = ?4, \
                 acknowledged_us = coalesce(acknowledged_us, ?4), updated_us = ?4 WHERE id = ?1",
                rusqlite::params![id, verdict, reason, now_us],
            )?;
            note(txn, id, by, "closed", Some(verdict), reason, now_us)?;
        }
        Step::Reopen(reason) => {
            if !is_closed {
                return Err(refused(id, "is not closed"));
            }
            reopen(txn, id, by, reason, now_us)?;
        }
    }
    Ok(true)
}

/// Somebody takes an incident or begins to work on it.
fn take(txn: &Txn<'_>, incident: &Incident, change: &Change, by: &str, now_us: i64) -> Result<bool> {
    let (id, word) = (incident.id.as_str(), change.as_str());
    let Some(status) = incident.status.after(change) else {
        return Err(refused(id, &format!("is closed and cannot be {word}; reopen it first")));
    };
    if status == incident.status && incident.owner.is_some() {
        return Ok(false);
    }
    txn.execute(
        "UPDATE incidents SET status = ?2, owner = coalesce(owner, ?3), \
         acknowledged_us = coalesce(acknowledged_us, ?4), updated_us = ?4 WHERE id = ?1",
        rusqlite::params![id, status.as_str(), by, now_us],
    )?;
    note(txn, id, by, word, None, "", now_us)?;
    Ok(true)
}

/// An incident is somebody's from now on, or nobody's.
fn give(txn: &Txn<'_>, incident: &Incident, owner: Option<&str>, by: &str, now_us: i64) -> Result<bool> {
    if incident.owner.as_deref() == owner {
        return Ok(false);
    }
    let id = incident.id.as_str();
    txn.execute(
        "UPDATE incidents SET owner = ?2, updated_us = ?3 WHERE id = ?1",
        rusqlite::params![id, owner, now_us],
    )?;
    match owner {
        Some(owner) => note(txn, id, by, "assigned", None, owner, now_us)?,
        None => {
            let was = incident.owner.as_deref().unwrap_or_default();
            note(txn, id, by, "unassigned", None, &format!("it was {was}'s"), now_us)?;
        }
    }
    Ok(true)
}

fn label(
    txn: &Txn<'_>,
    incident: &Incident,
    (add, remove): (&[String], &[String]),
    by: &str,
    now_us: i64,
) -> Result<bool> {
    let id = incident.id.as_str();
    let before = &incident.labels;
    let after = relabelled(before, add, remove).map_err(|problem| senseless(id, problem))?;
    if after == *before {
        return Ok(false);
    }
    let labels =
        serde_json::to_string(&after).map_err(|source| Error::Damaged { id: id.to_owned(), source })?;
    txn.execute(
        "UPDATE incidents SET labels = ?2, updated_us = ?3 WHERE id = ?1",
        rusqlite::params![id, labels, now_us],
    )?;
    let mut told = Vec::new();
    for (word, of, other) in [("added", &after, before), ("removed", before, &after)] {
        let differ: Vec<_> = of.iter().filter(|label| !other.contains(label)).map(String::as_str).collect();
        if !differ.is_empty() {
            told.push(format!("{word} {}", differ.join(", ")));
        }
    }
    note(txn, id, by, "labelled", None, &told.join("; "), now_us)?;
    Ok(true)
}

/// Closes the alerts of an incident that are open.
fn close_alerts(
    txn: &Txn<'_>,
    id: &str,
    verdict: Verdict,
    by: &str,
    reason: &str,
    now_us: i64,
) -> Result<()> {
    let open: Vec<String> = {
        let mut select = txn.prepare_cached(
            "SELECT alert_id FROM incident_alerts JOIN alerts ON alerts.id = alert_id \
             WHERE incident_id = ?1 AND alerts.status <> 'closed' ORDER BY incident_alerts.time_us, alert_id",
        )?;
        select.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    let short: String = id.chars().take(12).collect();
    let reason = format!("with incident {short}: {reason}");
    let edit = Edit { change: Change::Close(verdict), by: by.to_owned(), reason, at_us: now_us };
    for alert in open {
        apply_edit(txn, &alert, &edit, &Expected::Any)?;
    }
    Ok(())
}

/// Opens a closed incident again; its clocks begin anew.
pub(super) fn reopen(txn: &Txn<'_>, id: &str, by: &str, reason: &str, now_us: i64) -> Result<()> {
    txn.execute(
        "UPDATE incidents SET status = 'new', verdict = NULL, reason = NULL, closed_us = NULL, \
         acknowledge_due_us = ?2 + (acknowledge_due_us - clock_us), close_due_us = ?2 + (close_due_us - clock_us), \
         acknowledge_overdue = 0, close_overdue = 0, acknowledged_us = NULL, clock_us = ?2, updated_us = ?2 \
         WHERE id = ?1",
        rusqlite::params![id, now_us],
    )?;
    note(txn, id, by, "reopened", None, reason, now_us)
}

pub(super) fn note(
    txn: &Txn<'_>,
    id: &str,
    by: &str,
    change: &str,
    verdict: Option<&str>,
    reason: &str,
    now_us: i64,
) -> Result<()> {
    let mut insert = txn.prepare_cached(
        "INSERT INTO incident_changes (incident_id, at_us, by, change, verdict, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(rusqlite::params![id, now_us, by, change, verdict, reason])?;
    Ok(())
}
