//! Alerts that go on as another: an event that came late begins an episode earlier, or joins several that were apart.

use std::collections::BTreeSet;

use rusqlite::OptionalExtension as _;
use storage::state::{Txn, rusqlite};

use crate::amend::release;
use crate::history::{self, AlertChange};
use crate::row::{from_json, to_json};
use crate::{AlertId, AlertStatus, AlertStore, Evidence, Result, Verdict, version};

/// How an alert stands that goes on as another.
struct Standing {
    id: AlertId,
    status: String,
    version: u32,
    owner: Option<String>,
    labels: BTreeSet<String>,
    is_suppressed: bool,
}

impl AlertStore {
    /// The ids of the events that an alert rests on, as far as it names them; `None` if there is no such alert.
    ///
    /// # Errors
    /// The database refuses, or the alert is damaged.
    pub fn events(txn: &Txn<'_>, id: &AlertId) -> Result<Option<BTreeSet<String>>> {
        let evidence: Option<String> = txn
            .prepare_cached("SELECT evidence FROM alerts WHERE id = ?1")?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        let Some(evidence) = evidence else { return Ok(None) };
        let evidence: Vec<Evidence> = from_json(id, &evidence)?;
        Ok(Some(evidence.into_iter().map(|event| event.event_uid).collect()))
    }

    /// The alert that one goes on as; itself, where it does not.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) fn heir(db: &rusqlite::Connection, id: String) -> Result<String> {
        let mut select = db.prepare_cached(
            "SELECT duplicate_of FROM alerts WHERE id = ?1 AND verdict = ?2 AND duplicate_of IS NOT NULL",
        )?;
        let mut last = id;
        for _ in 0..MOST_HEIRS {
            let next = select.query_row([last.as_str(), Verdict::Refuted.as_str()], |row| row.get(0));
            match next.optional()? {
                Some(next) => last = next,
                None => break,
            }
        }
        Ok(last)
    }

    /// Lets alerts go on as another. Where the other is new, it is a later version of them: it stands where the one
    /// stood that somebody works on, else the first that is open, else the first; it is the same person's, and has
    /// the labels of all and the earlier versions of that one. What a silence did not hide stays in sight. The old
    /// ones are closed and say where they go on.
    ///
    /// # Errors
    /// The database refuses, or an alert is damaged; the caller's transaction must not be committed then.
    pub fn go_on(txn: &Txn<'_>, old: &[AlertId], new: &AlertId, now_us: i64) -> Result<()> {
        let mut standings = Vec::new();
        for id in old {
            version::keep(txn, id, "an event that came late begins it earlier", now_us)?;
            standings.extend(standing(txn, id)?);
        }
        // The first of the least.
        if let Some(from) = standings.iter().min_by_key(|one| rank(&one.status)) {
            take_over(txn, from, &standings, new, now_us)?;
        }
        for id in old {
            Self::refute(txn, id, &format!("it goes on as alert {new}"), now_us)?;
            txn.prepare_cached("UPDATE alerts SET duplicate_of = ?2 WHERE id = ?1 AND verdict = ?3")?
                .execute(rusqlite::params![id.as_str(), new.as_str(), Verdict::Refuted.as_str()])?;
        }
        Ok(())
    }
}

fn rank(status: &str) -> u8 {
    match status.parse() {
        Ok(AlertStatus::Acknowledged | AlertStatus::InProgress) => 0,
        Ok(AlertStatus::New) => 1,
        Ok(AlertStatus::Closed) | Err(_) => 2,
    }
}

/// How an alert stands; `None` where late events have refuted it already: there is nothing to take over.
fn standing(txn: &Txn<'_>, id: &AlertId) -> Result<Option<Standing>> {
    let mut select = txn.prepare_cached(
        "SELECT status, version, owner, labels, suppressed_by IS NOT NULL FROM alerts WHERE id = ?1 AND verdict IS NOT ?2",
    )?;
    let found = select.query_row([id.as_str(), Verdict::Refuted.as_str()], |row| {
        let labels: String = row.get(3)?;
        let standing = Standing {
            id: id.clone(),
            status: row.get(0)?,
            version: row.get(1)?,
            owner: row.get(2)?,
            labels: BTreeSet::new(),
            is_suppressed: row.get(4)?,
        };
        Ok((standing, labels))
    });
    let Some((standing, labels)) = found.optional()? else { return Ok(None) };
    Ok(Some(Standing { labels: from_json(id, &labels)?, ..standing }))
}

/// Makes a new alert, that nobody has touched, the later version of `from`.
fn take_over(txn: &Txn<'_>, from: &Standing, all: &[Standing], new: &AlertId, now_us: i64) -> Result<()> {
    let labels: BTreeSet<&String> = all.iter().flat_map(|one| &one.labels).collect();
    let owner = from.owner.as_ref().or_else(|| all.iter().find_map(|one| one.owner.as_ref()));
    let version = all.iter().map(|one| one.version).max().unwrap_or(0).saturating_add(1);
    let taken_over = txn
        .prepare_cached(
            "UPDATE alerts SET (status, verdict, reason, acknowledged_us, closed_us) =
                (SELECT status, verdict, reason, acknowledged_us, closed_us FROM alerts WHERE id = ?1),
                owner = ?3, labels = ?4, version = ?5
             WHERE id = ?2 AND version = 1 AND revision = 1 AND status = 'new'",
        )?
        .execute(rusqlite::params![from.id.as_str(), new.as_str(), owner, to_json(new, &labels)?, version])?;
    if taken_over == 0 {
        return Ok(());
    }
    txn.prepare_cached(
        "INSERT OR IGNORE INTO alert_versions
         SELECT ?2, version, replaced_us, why, time_us, severity, events, event_uids
         FROM alert_versions WHERE alert_id = ?1",
    )?
    .execute([from.id.as_str(), new.as_str()])?;
    let which = match all {
        [one] => format!("alert {} goes on as this one", one.id),
        several => {
            let ids: Vec<_> = several.iter().take(MOST_NAMED).map(|one| one.id.as_str()).collect();
            let more = several.len().saturating_sub(ids.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("alerts {}{more} go on as this one, which stands where {} stood", ids.join(", "), from.id)
        }
    };
    let why = format!("{which}: an event that came late begins it earlier");
    history::write(txn, new.as_str(), &AlertChange::by_stormglass(now_us, "amended", "evidence", why))?;
    let is_seen = |one: &Standing| !one.is_suppressed && rank(&one.status) < 2;
    if !from.is_suppressed || all.iter().any(is_seen) {
        release(txn, new, "it goes on from an alert that no silence hid", now_us)?;
    }
    Ok(())
}

/// An alert goes on as another so often at most: each time it begins earlier.
const MOST_HEIRS: usize = 1000;

/// The most alerts that a line of the history names.
const MOST_NAMED: usize = 10;
