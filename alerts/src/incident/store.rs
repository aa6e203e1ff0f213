//! Incidents as they are stored, and reading them.

use storage::state::rusqlite::{self, Connection, OptionalExtension as _, Row};

use super::assess::Assessment;
use super::change::IncidentChange;
use super::follow::Incidents;
use super::page::{IncidentFilter, IncidentPage, conditions};
use crate::risk::{Fading, Score};
use crate::{AlertStatus, AlertStore, Cursor, Error, Expected, Result, StoredAlert};

/// The most incidents that a page has.
const MAX_PAGE: usize = 500;

/// The most alerts of an incident that are shown with it; all are in the table `incident_alerts`.
pub(super) const MAX_ALERTS: usize = 1000;

/// An incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its id, a function of its earliest alert, or of the split that made it: 32 hexadecimal digits.
    pub id: String,
    /// 1, and one more for each change: whoever has read it at a revision can tell whether it is still so.
    pub revision: u64,
    /// Where it stands.
    pub status: AlertStatus,
    /// Who works on it.
    pub owner: Option<String>,
    /// The team's own labels, sorted.
    pub labels: Vec<String>,
    /// What it turned out to be, once closed.
    pub verdict: Option<String>,
    /// Why it was closed, in somebody's words.
    pub reason: Option<String>,
    /// What its alerts make of it.
    pub assessment: Assessment,
    /// How many alerts it has.
    pub alerts: u64,
    /// When it was opened, microseconds since 1970.
    pub created_us: i64,
    /// When it last changed.
    pub updated_us: i64,
    /// When somebody first took it.
    pub acknowledged_us: Option<i64>,
    /// When it was closed.
    pub closed_us: Option<i64>,
    /// Until when somebody must take it.
    pub acknowledge_due_us: Option<i64>,
    /// Until when it must be closed.
    pub close_due_us: Option<i64>,
    /// Whether nobody took it in time.
    pub acknowledge_overdue: bool,
    /// Whether it was not closed in time.
    pub close_overdue: bool,
}

/// An alert of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentAlert {
    /// The alert.
    pub stored: StoredAlert,
    /// Why it belongs to the incident.
    pub why: String,
    /// Its risk.
    pub risk: Option<Score>,
}

/// As much of an alert of an incident as is told in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// The alert.
    pub alert_id: String,
    /// When its deciding event happened, microseconds since 1970.
    pub time_us: i64,
    /// The title of its rule.
    pub title: String,
    /// 1 to 5.
    pub severity_id: u8,
    /// Whether nobody has looked at it.
    pub is_new: bool,
}

/// Something that happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentFeedEntry {
    /// Its number: grows, and is never given twice.
    pub seq: u64,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// The incident.
    pub incident_id: String,
    /// What, as in the incident's history: `opened`, `grew`, `severity`, `acknowledge_overdue` and so on.
    pub change: String,
    /// Who; `stormglass` where nobody did.
    pub by: String,
    /// Why, or what exactly.
    pub reason: String,
}

/// An entity with its risk.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedEntity {
    /// `identity`, `address` or `resource`.
    pub kind: String,
    /// Its name.
    pub entity: String,
    /// The risk at the time asked for.
    pub risk: f64,
    /// How many alerts make it.
    pub alerts: u64,
    /// When the first of them happened, microseconds since 1970.
    pub first_us: i64,
    /// When the last did.
    pub last_us: i64,
    /// How critical it is.
    pub criticality: String,
}

const COLUMNS: &str = "id, status, owner, verdict, reason, assessment, alerts, created_us, updated_us, acknowledged_us, \
                       closed_us, acknowledge_due_us, close_due_us, acknowledge_overdue, close_overdue, revision, \
                       labels";

fn read(row: &Row<'_>) -> Result<Incident> {
    let id: String = row.get(0)?;
    let status: String = row.get(1)?;
    let (assessment, labels): (String, String) = (row.get(5)?, row.get(16)?);
    Ok(Incident {
        status: status.parse().unwrap_or_default(),
        owner: row.get(2)?,
        labels: serde_json::from_str(&labels).map_err(|source| Error::Damaged { id: id.clone(), source })?,
        verdict: row.get(3)?,
        reason: row.get(4)?,
        assessment: serde_json::from_str(&assessment)
            .map_err(|source| Error::Damaged { id: id.clone(), source })?,
        alerts: row.get(6)?,
        created_us: row.get(7)?,
        updated_us: row.get(8)?,
        acknowledged_us: row.get(9)?,
        closed_us: row.get(10)?,
        acknowledge_due_us: row.get(11)?,
        close_due_us: row.get(12)?,
        acknowledge_overdue: row.get(13)?,
        close_overdue: row.get(14)?,
        revision: row.get(15)?,
        id,
    })
}

/// The living incident that an id, or the first digits of one, leads to: itself, or what it was merged into.
pub(super) fn resolve(db: &Connection, id: &str) -> Result<String> {
    let unknown = || Error::IncidentUnknown { id: id.chars().take(64).collect() };
    let is_id = (6..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return Err(unknown());
    }
    // `g` is beyond all hexadecimal digits.
    let mut select = db.prepare_cached(
        "SELECT DISTINCT coalesce(merged_into, id) FROM incidents WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2",
    )?;
    let found: Vec<String> =
        select.query_map([id.to_ascii_lowercase()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    match <[String; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(several) if several.is_empty() => Err(unknown()),
        Err(_) => Err(Error::IncidentRefused {
            id: id.into(),
            problem: "is the beginning of several incidents; write more of the id".into(),
        }),
    }
}

pub(super) fn get(db: &Connection, id: &str) -> Result<Incident> {
    let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM incidents WHERE id = ?1"))?;
    let mut rows = select.query([id])?;
    match rows.next()? {
        Some(row) => read(row),
        None => Err(Error::IncidentUnknown { id: id.into() }),
    }
}

pub(super) fn expect(incident: &Incident, expected: &Expected) -> Result<()> {
    match expected {
        Expected::Revisions(known) if !known.contains(&incident.revision) => {
            Err(Error::IncidentStale { id: incident.id.clone(), revision: incident.revision })
        }
        Expected::Revisions(_) | Expected::Any => Ok(()),
    }
}

impl Incidents {
    /// The incident of an id, or of its first digits; of one that was merged, what it was merged into.
    ///
    /// # Errors
    /// [`Error::IncidentUnknown`], or the database refuses.
    pub fn get(&self, id: &str) -> Result<Incident> {
        self.state().read(|db| get(db, &resolve(db, id)?))
    }

    /// Incidents, the one with the latest event first: at most `limit` (and 500), at least one.
    ///
    /// # Errors
    /// The database refuses.
    pub fn list(
        &self,
        filter: &IncidentFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IncidentPage> {
        let limit = limit.clamp(1, MAX_PAGE);
        let (clauses, values) = conditions(filter, after);
        let sql = format!(
            "SELECT {COLUMNS} FROM incidents WHERE {clauses} ORDER BY last_us DESC, id DESC LIMIT {}",
            limit + 1
        );
        let mut incidents = self.state().read(|db| {
            let mut select = db.prepare_cached(&sql)?;
            let mut rows = select.query(rusqlite::params_from_iter(values))?;
            let mut incidents = Vec::new();
            while let Some(row) = rows.next()? {
                incidents.push(read(row)?);
            }
            Ok::<_, Error>(incidents)
        })?;
        let mut next = None;
        if incidents.len() > limit {
            incidents.truncate(limit);
            let last = incidents.last();
            next = last.map(|last| Cursor { time_us: last.assessment.last_us, id: last.id.clone() });
        }
        Ok(IncidentPage { incidents, next })
    }

    /// The alerts of an incident in order of time, the first 1000.
    ///
    /// # Errors
    /// The database refuses.
    pub fn alerts(&self, id: &str) -> Result<Vec<IncidentAlert>> {
        let rows: Vec<(String, String, Option<String>, Option<u8>)> = self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT alert_id, why, parts, score FROM incident_alerts LEFT JOIN alert_risk USING (alert_id) \
                 WHERE incident_id = ?1 ORDER BY time_us, alert_id LIMIT ?2",
            )?;
            let rows = select.query_map(rusqlite::params![id, MAX_ALERTS], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            Ok::<_, Error>(rows.collect::<rusqlite::Result<_>>()?)
        })?;
        let store = AlertStore::open(self.state().clone())?;
        let mut alerts = Vec::with_capacity(rows.len());
        for (alert_id, why, parts, score) in rows {
            let stored = match store.get(&alert_id) {
                Ok((stored, _)) => stored,
                // Retention was faster.
                Err(Error::AlertUnknown { .. }) => continue,
                Err(error) => return Err(error),
            };
            let risk = parts.zip(score).and_then(|(parts, score)| stored_score(&parts, score));
            alerts.push(IncidentAlert { stored, why, risk });
        }
        Ok(alerts)
    }

    /// The alerts of an incident in order of time, the first 1000, without their evidence.
    ///
    /// # Errors
    /// The database refuses.
    pub fn headlines(&self, id: &str) -> Result<Vec<Headline>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT alerts.id, alerts.time_us, title, severity_id, status = 'new' FROM incident_alerts \
                 JOIN alerts ON alerts.id = alert_id WHERE incident_id = ?1 \
                 ORDER BY incident_alerts.time_us, alert_id LIMIT ?2",
            )?;
            let found = select.query_map(rusqlite::params![id, MAX_ALERTS], |row| {
                Ok(Headline {
                    alert_id: row.get(0)?,
                    time_us: row.get(1)?,
                    title: row.get(2)?,
                    severity_id: row.get(3)?,
                    is_new: row.get(4)?,
                })
            })?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The history of an incident and of those that were merged into it, oldest first.
    ///
    /// # Errors
    /// The database refuses.
    pub fn history(&self, id: &str) -> Result<Vec<IncidentChange>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT incident_id, at_us, by, change, verdict, reason FROM incident_changes \
                 WHERE incident_id = ?1 OR incident_id IN (SELECT id FROM incidents WHERE merged_into = ?1) \
                 ORDER BY at_us, rowid",
            )?;
            let steps = select.query_map([id], |row| {
                Ok(IncidentChange {
                    incident_id: row.get(0)?,
                    at_us: row.get(1)?,
                    by: row.get(2)?,
                    change: row.get(3)?,
                    verdict: row.get(4)?,
                    reason: row.get(5)?,
                })
            })?;
            Ok(steps.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The ids that were merged into an incident.
    ///
    /// # Errors
    /// The database refuses.
    pub fn merged(&self, id: &str) -> Result<Vec<String>> {
        self.state().read(|db| Self::merged_in(db, id))
    }

    /// As [`merged`](Self::merged), as a transaction sees it.
    ///
    /// # Errors
    /// The database refuses.
    pub fn merged_in(db: &Connection, id: &str) -> Result<Vec<String>> {
        let mut select = db.prepare_cached("SELECT id FROM incidents WHERE merged_into = ?1 ORDER BY id")?;
        Ok(select.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
    }

    /// The risk of an alert; `None` before it is known.
    ///
    /// # Errors
    /// The database refuses.
    pub fn alert_risk(&self, alert_id: &str) -> Result<Option<Score>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached("SELECT parts, score FROM alert_risk WHERE alert_id = ?1")?;
            let found =
                select.query_row([alert_id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).optional()?;
            Ok(found.and_then(|(parts, score)| stored_score(&parts, score)))
        })
    }

    /// The incident that an alert belongs to.
    ///
    /// # Errors
    /// The database refuses.
    pub fn of_alert(&self, alert_id: &str) -> Result<Option<String>> {
        self.state().read(|db| {
            let mut select =
                db.prepare_cached("SELECT incident_id FROM incident_alerts WHERE alert_id = ?1")?;
            Ok(select.query_row([alert_id], |row| row.get(0)).optional()?)
        })
    }

    /// Entities by their risk at `now_us`, the greatest first; with `entity`, those of that name, in whatever
    /// case.
    ///
    /// # Errors
    /// The database refuses.
    pub fn ranked(&self, entity: Option<&str>, now_us: i64, limit: usize) -> Result<Vec<RankedEntity>> {
        let mut ranked = self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT kind, entity, risk, as_of_us, half_life_us, alerts, first_us, last_us, criticality \
                 FROM entity_risk WHERE ?1 IS NULL OR entity = ?1 COLLATE NOCASE",
            )?;
            let rows = select.query_map([entity], |row| {
                let (as_of_us, half_life_us): (i64, i64) = (row.get(3)?, row.get(4)?);
                let fading = Fading { half_life_us, ..Fading::default() };
                Ok(RankedEntity {
                    kind: row.get(0)?,
                    entity: row.get(1)?,
                    risk: row.get::<_, f64>(2)? * fading.left(as_of_us, now_us),
                    alerts: row.get(5)?,
                    first_us: row.get(6)?,
                    last_us: row.get(7)?,
                    criticality: row.get(8)?,
                })
            })?;
            Ok::<_, Error>(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        ranked.sort_by(|a, b| {
            b.risk.total_cmp(&a.risk).then_with(|| (&a.kind, &a.entity).cmp(&(&b.kind, &b.entity)))
        });
        ranked.truncate(limit);
        Ok(ranked)
    }

    /// The one identity with a risk that is so called without what kind it is: `entra:user:0a1b…` as `0a1b…`.
    ///
    /// # Errors
    /// The database refuses.
    pub fn identity_called(&self, name: &str) -> Result<Option<String>> {
        let found: Vec<String> = self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT entity FROM entity_risk WHERE kind = 'identity' \
                 AND substr(entity, -length(?1) - 1) = ':' || ?1 COLLATE NOCASE LIMIT 2",
            )?;
            Ok::<_, Error>(select.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
        })?;
        // Of two it is neither's.
        Ok(<[String; 1]>::try_from(found).ok().map(|[one]| one))
    }

    /// The number of the newest entry of the feed of incidents, also if that is forgotten; 0 before the first.
    ///
    /// # Errors
    /// The database refuses.
    pub fn feed_end(&self) -> Result<u64> {
        self.state().read(|db| {
            let mut select =
                db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'incident_feed'")?;
            Ok(select.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
        })
    }

    /// What happened to incidents after entry `seq`, oldest first, at most `limit`: written in the transaction of
    /// the change itself, as the feed of alerts.
    ///
    /// # Errors
    /// The database refuses.
    pub fn feed(&self, seq: u64, limit: usize) -> Result<Vec<IncidentFeedEntry>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT seq, at_us, incident_id, change, by, reason FROM incident_feed WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?;
            let entries = select.query_map(rusqlite::params![seq, limit], |row| {
                Ok(IncidentFeedEntry {
                    seq: row.get(0)?,
                    at_us: row.get(1)?,
                    incident_id: row.get(2)?,
                    change: row.get(3)?,
                    by: row.get(4)?,
                    reason: row.get(5)?,
                })
            })?;
            Ok(entries.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn stored_score(parts: &str, score: u8) -> Option<Score> {
    let parts = serde_json::from_str(parts).ok()?;
    Some(Score { score, parts, criticality: Default::default() })
}
