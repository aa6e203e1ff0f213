//! Reading what of alerts decides about incidents.

use std::collections::BTreeSet;

use storage::state::rusqlite::{Connection, Row};

use super::subject::Seed;
use super::tactic::Tactic;
use crate::{Error, Result};

/// The columns before the evidence: SQLite reads a row up to the last column asked for, and evidence is long. That a
/// column is NULL it knows from the head of the row.
const COLUMNS: &str = "id, rule_id, title, tags, severity_id, status, verdict, time_us, created_us, provider, event_uid, entities, \
                       suppressed_by IS NOT NULL";

/// Alerts about Stormglass itself, such as a silent source, are nobody's incident. Those about risk go with the
/// alerts that they rest on.
fn is_of_incidents(rule_id: &str) -> bool {
    !rule_id.starts_with("stormglass-")
}

/// The newest alerts, at most `most` of those in sight and as many of those that silences hide, oldest first.
pub(super) fn newest(db: &Connection, most: usize) -> Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for which in ["IS NULL", "IS NOT NULL"] {
        let sql = format!(
            "SELECT {COLUMNS} FROM alerts WHERE suppressed_by {which} ORDER BY time_us DESC, id DESC LIMIT ?1"
        );
        let mut select = db.prepare_cached(&sql)?;
        let mut rows = select.query([most])?;
        while let Some(row) = rows.next()? {
            seeds.extend(read(row)?);
        }
    }
    seeds.sort_by(|a, b| (a.time_us, &a.id).cmp(&(b.time_us, &b.id)));
    Ok(seeds)
}

/// The alert of an id; `None` if it is gone, was taken back or is not one for incidents.
pub(super) fn one(db: &Connection, id: &str) -> Result<Option<Seed>> {
    let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM alerts WHERE id = ?1"))?;
    let mut rows = select.query([id])?;
    match rows.next()? {
        Some(row) => read(row),
        None => Ok(None),
    }
}

/// Whether a silence hides an alert.
pub(super) fn is_hidden(db: &Connection, id: &str) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM alerts WHERE id = ?1 AND suppressed_by IS NOT NULL")?.exists([id])?)
}

/// The alerts that entries of the feed after `seq` are about, and the number of the last entry; at most `limit`
/// entries.
pub(super) fn changed(db: &Connection, seq: u64, limit: usize) -> Result<(BTreeSet<String>, u64)> {
    let mut select =
        db.prepare_cached("SELECT seq, alert_id FROM alert_feed WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = select.query(storage::state::rusqlite::params![seq, limit])?;
    let (mut ids, mut last) = (BTreeSet::new(), seq);
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        ids.insert(row.get(1)?);
    }
    Ok((ids, last))
}

fn read(row: &Row<'_>) -> Result<Option<Seed>> {
    let (id, rule_id): (String, String) = (row.get(0)?, row.get(1)?);
    let verdict: Option<String> = row.get(6)?;
    if !is_of_incidents(&rule_id) || verdict.as_deref() == Some("refuted") {
        return Ok(None);
    }
    let json = |place| -> Result<String> { Ok(row.get(place)?) };
    let damaged = |source| Error::Damaged { id: id.clone(), source };
    let tags: Vec<String> = serde_json::from_str(&json(3)?).map_err(damaged)?;
    let status: String = row.get(5)?;
    Ok(Some(Seed {
        rule_id,
        title: row.get(2)?,
        tactics: Tactic::of_tags(&tags),
        severity_id: row.get(4)?,
        is_closed: status == "closed",
        is_harmless: matches!(verdict.as_deref(), Some("false_positive" | "benign" | "duplicate")),
        time_us: row.get(7)?,
        created_us: row.get(8)?,
        provider: row.get(9)?,
        event: row.get(10)?,
        entities: serde_json::from_str(&json(11)?).map_err(damaged)?,
        is_hidden: row.get(12)?,
        id,
    }))
}
