//! What late or further events do to an alert that was raised.

use storage::state::{Txn, rusqlite};

use crate::history::{self, AlertChange};
use crate::row::{to_json, values};
use crate::silence::InForce;
use crate::{Alert, AlertId, AlertStatus, AlertStore, Result, Verdict, version};

impl AlertStore {
    /// Records an alert, or brings the one that is there up to date: what it rests on is replaced, what it
    /// rested on is kept as an earlier version, its version grows, and its history says so. Its status stays, but for an alert that was refuted and now
    /// is not: that is new again. Returns whether the alert is new.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not be committed then.
    pub fn record_or_amend(txn: &Txn<'_>, alert: &Alert, now_us: i64) -> Result<bool> {
        if Self::record(txn, std::slice::from_ref(alert), now_us)? > 0 {
            return Ok(true);
        }
        let (evidence, joined) = (
            to_json(&alert.id, &alert.evidence)?,
            alert.joined.as_ref().map(|joined| to_json(&alert.id, joined)).transpose()?,
        );
        let events = alert.joined.as_ref().map_or(alert.evidence.len() as u64, |joined| joined.events);
        let told = format!("it rests on {events} events");
        let is_other: bool = txn
            .prepare_cached("SELECT evidence IS NOT ?2 OR joined IS NOT ?3 FROM alerts WHERE id = ?1")?
            .query_row(rusqlite::params![alert.id.as_str(), evidence, joined], |row| row.get(0))?;
        if is_other {
            version::keep(txn, &alert.id, &told, now_us)?;
            replace(txn, alert, now_us)?;
        }
        let revived = txn
            .prepare_cached(
                "UPDATE alerts SET status = 'new', verdict = NULL, reason = NULL, duplicate_of = NULL, closed_us = NULL,
                    updated_us = ?2
                 WHERE id = ?1 AND verdict = ?3",
            )?
            .execute(rusqlite::params![alert.id.as_str(), now_us, Verdict::Refuted.as_str()])?;
        if revived > 0 {
            let step = AlertChange {
                before: Some(AlertStatus::Closed.as_str().to_owned()),
                after: Some(AlertStatus::New.as_str().to_owned()),
                ..AlertChange::by_stormglass(now_us, "reopened", "status", told)
            };
            history::write(txn, alert.id.as_str(), &step)?;
        } else if is_other {
            let step = AlertChange::by_stormglass(now_us, "amended", "evidence", told);
            history::write(txn, alert.id.as_str(), &step)?;
        }
        if is_other {
            let silences = InForce::read(txn, alert.time_us)?;
            if silences.covering(alert).is_none() {
                release(txn, &alert.id, "it has grown by what no silence covers", now_us)?;
            }
        }
        Ok(false)
    }

    /// Closes an alert because late events show that it never was. One that somebody has closed already
    /// stays as it is, with a line in its history. An id that is not there changes nothing.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not be committed then.
    pub fn refute(txn: &Txn<'_>, id: &AlertId, reason: &str, now_us: i64) -> Result<()> {
        let status = txn
            .prepare_cached("SELECT status FROM alerts WHERE id = ?1")?
            .query_row([id.as_str()], |row| row.get::<_, String>(0));
        let status = match status {
            Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(()),
            found => found?,
        };
        let verdict = Verdict::Refuted.as_str();
        if status != AlertStatus::Closed.as_str() {
            txn.prepare_cached(
                "UPDATE alerts SET status = 'closed', verdict = ?2, reason = ?3, updated_us = ?4, closed_us = ?4
                 WHERE id = ?1",
            )?
            .execute(rusqlite::params![id.as_str(), verdict, reason, now_us])?;
        }
        let step = AlertChange {
            verdict: Some(verdict.to_owned()),
            after: Some(AlertStatus::Closed.as_str().to_owned()),
            before: Some(status),
            ..AlertChange::by_stormglass(now_us, "refuted", "status", reason.to_owned())
        };
        history::write(txn, id.as_str(), &step)
    }
}

/// Puts what an alert rests on now in the place of what it did; its version grows.
///
/// # Errors
/// The database refuses; the caller's transaction must not be committed then.
pub(crate) fn replace(txn: &Txn<'_>, alert: &Alert, now_us: i64) -> Result<()> {
    let [
        id,
        ..,
        severity_id,
        severity,
        time_us,
        now,
        provider,
        actor,
        account,
        address,
        operation,
        event_uid,
        entities,
        evidence,
        _,
        joined,
    ] = values(alert, now_us)?;
    txn.prepare_cached(
        "UPDATE alerts SET version = version + 1, severity_id = ?2, severity = ?3, time_us = ?4, updated_us = ?5,
            provider = ?6, actor = ?7, account = ?8, address = ?9, operation = ?10, event_uid = ?11,
            entities = ?12, evidence = ?13, joined = ?14
         WHERE id = ?1",
    )?
    .execute(rusqlite::params![
        id, severity_id, severity, time_us, now, provider, actor, account, address, operation, event_uid,
        entities, evidence, joined
    ])?;
    Ok(())
}

/// Takes an alert out of the silence that hides it, if one does; so it counts as raised.
///
/// # Errors
/// The database refuses.
pub(crate) fn release(txn: &Txn<'_>, id: &AlertId, reason: &str, now_us: i64) -> Result<()> {
    use rusqlite::OptionalExtension as _;
    let silence: Option<String> = txn
        .prepare_cached("SELECT suppressed_by FROM alerts WHERE id = ?1 AND suppressed_by IS NOT NULL")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    let Some(silence) = silence else { return Ok(()) };
    txn.prepare_cached(
        "UPDATE alerts SET suppressed_by = NULL, suppressed_reason = NULL, updated_us = ?2 WHERE id = ?1",
    )?
    .execute(rusqlite::params![id.as_str(), now_us])?;
    let step = AlertChange {
        before: Some(silence),
        ..AlertChange::by_stormglass(now_us, "released", "suppressed_by", reason.to_owned())
    };
    history::write(txn, id.as_str(), &step)
}
