//! What late or further events do to an alert that was raised.

use storage::state::{Txn, rusqlite};

use crate::store::{AlertStore, values};
use crate::{Alert, AlertId, AlertStatus, Error, Result, Verdict};

/// Who changes alerts when nobody does.
const STORMGLASS: &str = "stormglass";

impl AlertStore {
    /// Records an alert, or brings the one that is there up to date: what it rests on is replaced, its
    /// version grows, and its history says so. Its status stays, but for an alert that was refuted and now
    /// is not: that is new again. Returns whether the alert is new.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not be committed then.
    pub fn record_or_amend(txn: &Txn<'_>, alert: &Alert, now_us: i64) -> Result<bool> {
        if Self::record(txn, std::slice::from_ref(alert), now_us)? > 0 {
            return Ok(true);
        }
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
        let changed = txn.prepare_cached(
            "UPDATE alerts SET version = version + 1, severity_id = ?2, severity = ?3, time_us = ?4, updated_us = ?5,
                provider = ?6, actor = ?7, account = ?8, address = ?9, operation = ?10, event_uid = ?11, entities = ?12,
                evidence = ?13, joined = ?14
             WHERE id = ?1 AND (evidence IS NOT ?13 OR joined IS NOT ?14)",
        )?
        .execute(rusqlite::params![
            id, severity_id, severity, time_us, now, provider, actor, account, address, operation, event_uid,
            entities, evidence, joined
        ])?;
        let revived = txn
            .prepare_cached(
                "UPDATE alerts SET status = 'new', verdict = NULL, reason = NULL, updated_us = ?2
             WHERE id = ?1 AND verdict = ?3",
            )?
            .execute(rusqlite::params![alert.id.as_str(), now_us, Verdict::Refuted.as_str()])?;
        let events = alert.joined.as_ref().map_or(alert.evidence.len() as u64, |joined| joined.events);
        if revived > 0 {
            note(txn, &alert.id, "reopened", None, &format!("it rests on {events} events"), now_us)?;
        } else if changed > 0 {
            note(txn, &alert.id, "amended", None, &format!("it rests on {events} events"), now_us)?;
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
                "UPDATE alerts SET status = 'closed', verdict = ?2, reason = ?3, updated_us = ?4 WHERE id = ?1",
            )?
            .execute(rusqlite::params![id.as_str(), verdict, reason, now_us])?;
        }
        note(txn, id, "refuted", Some(verdict), reason, now_us)
    }
}

fn note(
    txn: &Txn<'_>,
    id: &AlertId,
    change: &str,
    verdict: Option<&str>,
    reason: &str,
    now_us: i64,
) -> Result<()> {
    let mut insert = txn.prepare_cached(
        "INSERT INTO alert_changes (alert_id, at_us, by, change, verdict, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert
        .execute(rusqlite::params![id.as_str(), now_us, STORMGLASS, change, verdict, reason])
        .map(|_| ())
        .map_err(Error::from)
}
