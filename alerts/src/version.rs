//! What an alert rested on before late or further events changed it.

use serde::Serialize;
use storage::state::{Txn, rusqlite};

use crate::row::{from_json, to_json};
use crate::{AlertId, AlertStore, Evidence, Joined, Result};

/// The most earlier versions that are kept of an alert: its first, and the newest of the others.
pub const VERSIONS: usize = 20;

/// The most event ids that are kept of a version: the first half of them and the last.
pub const VERSION_EVENTS: usize = 200;

/// A version of an alert that another one has replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertVersion {
    /// Its number, from 1.
    pub version: u32,
    /// When it was replaced, microseconds since 1970.
    pub replaced_us: i64,
    /// Why it was.
    pub why: String,
    /// When its deciding event happened, microseconds since 1970.
    pub time_us: i64,
    /// Its severity.
    pub severity: String,
    /// How many events it rested on.
    pub events: u64,
    /// The ids of those events, the first and the last of very many.
    pub event_uids: Vec<String>,
}

impl AlertStore {
    /// The earlier versions of an alert that are kept, oldest first.
    ///
    /// # Errors
    /// The database refuses.
    pub fn versions(&self, id: &str) -> Result<Vec<AlertVersion>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT version, replaced_us, why, time_us, severity, events, event_uids FROM alert_versions
                 WHERE alert_id = ?1 ORDER BY version",
            )?;
            let mut rows = select.query([id])?;
            let mut versions = Vec::new();
            while let Some(row) = rows.next()? {
                let uids: String = row.get(6)?;
                versions.push(AlertVersion {
                    version: row.get(0)?,
                    replaced_us: row.get(1)?,
                    why: row.get(2)?,
                    time_us: row.get(3)?,
                    severity: row.get(4)?,
                    events: row.get(5)?,
                    event_uids: from_json(&AlertId::stored(id.to_owned()), &uids)?,
                });
            }
            Ok(versions)
        })
    }
}

/// Keeps what the alert `id` rests on now, because it is about to be replaced.
///
/// # Errors
/// The database refuses, or the alert is damaged.
pub(crate) fn keep(txn: &Txn<'_>, id: &AlertId, why: &str, now_us: i64) -> Result<()> {
    let (version, time_us, severity, evidence, joined) = txn
        .prepare_cached("SELECT version, time_us, severity, evidence, joined FROM alerts WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((
                row.get::<_, u32>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, Option<String>>(4)?,
            ))
        })?;
    let evidence: Vec<Evidence> = from_json(id, &evidence)?;
    let joined: Option<Joined> = joined.map(|text| from_json(id, &text)).transpose()?;
    let events = joined.map_or(evidence.len() as u64, |joined| joined.events);
    let half = VERSION_EVENTS / 2;
    let is_named = |index: usize| index < half || index + half >= evidence.len();
    let uids: Vec<&str> = evidence
        .iter()
        .enumerate()
        .filter(|(index, _)| is_named(*index))
        .map(|(_, event)| event.event_uid.as_str())
        .collect();
    txn.prepare_cached(
        "INSERT OR REPLACE INTO alert_versions
            (alert_id, version, replaced_us, why, time_us, severity, events, event_uids)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(rusqlite::params![
        id.as_str(),
        version,
        now_us,
        why,
        time_us,
        severity,
        events,
        to_json(id, &uids)?
    ])?;
    txn.prepare_cached("DELETE FROM alert_versions WHERE alert_id = ?1 AND version > 1 AND version <= ?2")?
        .execute(rusqlite::params![id.as_str(), i64::from(version) - (VERSIONS as i64 - 1)])?;
    Ok(())
}
