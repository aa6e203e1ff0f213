//! What correlations remember: hits, the events behind them, how far time has come, and the links of identities.
//!
//! Plain rows, written in the transaction that also writes alerts and the consumer's position, so that a
//! restart finds memory, alerts and position of the same moment. What the rows mean is known to those who
//! write them.

mod links;

use rusqlite::{Connection, OptionalExtension, params};

use crate::Result;
use crate::state::Txn;

pub use links::{
    LinkRow, LinksVersion, forget_links, links, links_around, links_since, links_table, links_version,
    set_link, undo_link, undone,
};

pub(crate) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE correlation_hits (
    correlation  TEXT NOT NULL,
    time_us      INTEGER NOT NULL,
    event        BLOB NOT NULL,
    member       INTEGER NOT NULL,
    value        INTEGER NOT NULL,
    weight       INTEGER NOT NULL,
    key          TEXT NOT NULL,
    actor        TEXT,
    PRIMARY KEY (correlation, time_us, event, member, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX correlation_hits_by_event ON correlation_hits (event);
CREATE TABLE correlation_events (
    event     BLOB PRIMARY KEY,
    time_us   INTEGER NOT NULL,
    evidence  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX correlation_events_by_time ON correlation_events (time_us);
CREATE TABLE correlation_marks (
    correlation   TEXT PRIMARY KEY,
    forgotten_us  INTEGER NOT NULL
) STRICT;
CREATE TABLE correlation_clock (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    watermark_us  INTEGER NOT NULL
) STRICT;
CREATE TABLE watermarks (
    source       TEXT PRIMARY KEY,
    event_us     INTEGER NOT NULL,
    received_us  INTEGER NOT NULL
) STRICT;
CREATE TABLE identity_links (
    id          TEXT PRIMARY KEY,
    a           TEXT NOT NULL,
    b           TEXT NOT NULL,
    kind        TEXT NOT NULL,
    confidence  INTEGER NOT NULL,
    from_us     INTEGER NOT NULL,
    until_us    INTEGER NOT NULL,
    proof       TEXT NOT NULL
) STRICT;
CREATE TABLE identity_undone (
    id       TEXT PRIMARY KEY,
    at_us    INTEGER NOT NULL,
    by       TEXT NOT NULL,
    reason   TEXT NOT NULL
) STRICT
",
    "
CREATE TABLE correlation_rules (
    correlation  TEXT PRIMARY KEY,
    rule         TEXT NOT NULL,
    definition   TEXT NOT NULL,
    keep_us      INTEGER NOT NULL
) STRICT
",
    // Links are many, and whoever knows them wants to know at once whether some have gone.
    "
CREATE TABLE identity_links_gone (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    count  INTEGER NOT NULL
) STRICT;
INSERT INTO identity_links_gone (one, count) VALUES (1, 0);
CREATE TRIGGER identity_links_count_gone AFTER DELETE ON identity_links BEGIN
    UPDATE identity_links_gone SET count = count + 1;
END
",
];

/// A hit of a correlation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HitRow {
    /// The correlation's fingerprint.
    pub correlation: String,
    /// The event's time, microseconds since 1970.
    pub time_us: i64,
    /// The event's key.
    pub event: u128,
    /// Which of the correlation's rules matched.
    pub member: u16,
    /// The digest of the value.
    pub value: u64,
    /// How many hits it stands for.
    pub weight: u32,
    /// The group's key as JSON, the actor left out.
    pub key: String,
    /// Who acted, as the cloud names them.
    pub actor: Option<String>,
}

/// Remembers a hit; one that is there stays as it is.
///
/// # Errors
/// The database refuses.
pub fn add_hit(txn: &Txn<'_>, hit: &HitRow) -> Result<()> {
    let mut insert = txn.prepare_cached(
        "INSERT INTO correlation_hits (correlation, time_us, event, member, value, weight, key, actor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![
        hit.correlation,
        hit.time_us,
        hit.event.to_be_bytes(),
        hit.member,
        hit.value.cast_signed(),
        hit.weight,
        hit.key,
        hit.actor
    ])?;
    Ok(())
}

/// Forgets a hit, or lets it stand for `weight` hits.
///
/// # Errors
/// The database refuses.
pub fn change_hit(
    txn: &Txn<'_>,
    correlation: &str,
    time_us: i64,
    event: u128,
    member: u16,
    value: u64,
    weight: u32,
) -> Result<()> {
    let which = "correlation = ?1 AND time_us = ?2 AND event = ?3 AND member = ?4 AND value = ?5";
    let sql = match weight {
        0 => format!("DELETE FROM correlation_hits WHERE {which} AND ?6 = 0"),
        _ => format!("UPDATE correlation_hits SET weight = ?6 WHERE {which}"),
    };
    let values = params![correlation, time_us, event.to_be_bytes(), member, value.cast_signed(), weight];
    txn.prepare_cached(&sql)?.execute(values)?;
    Ok(())
}

/// Calls `each` with every hit that is remembered.
///
/// # Errors
/// The database refuses.
pub fn hits(db: &Connection, mut each: impl FnMut(HitRow)) -> Result<()> {
    let mut select = db.prepare(
        "SELECT correlation, time_us, event, member, value, weight, key, actor FROM correlation_hits",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        each(HitRow {
            correlation: row.get(0)?,
            time_us: row.get(1)?,
            event: u128::from_be_bytes(row.get(2)?),
            member: row.get(3)?,
            value: row.get::<_, i64>(4)?.cast_unsigned(),
            weight: row.get(5)?,
            key: row.get(6)?,
            actor: row.get(7)?,
        });
    }
    Ok(())
}

/// Whose the hits of a fingerprint are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRow {
    /// The correlation's fingerprint.
    pub correlation: String,
    /// The id of its rule.
    pub rule: String,
    /// Changes with all that the rule asks of its hits.
    pub definition: String,
    /// How long a hit may matter, in microseconds.
    pub keep_us: i64,
}

/// Notes whose the hits of a fingerprint are.
///
/// # Errors
/// The database refuses.
pub fn set_rule(txn: &Txn<'_>, rule: &RuleRow) -> Result<()> {
    let mut upsert = txn.prepare_cached(
        "INSERT INTO correlation_rules (correlation, rule, definition, keep_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (correlation) DO UPDATE SET rule = ?2, definition = ?3, keep_us = ?4",
    )?;
    upsert.execute(params![rule.correlation, rule.rule, rule.definition, rule.keep_us])?;
    Ok(())
}

/// Whose hits there are.
///
/// # Errors
/// The database refuses.
pub fn rules(db: &Connection) -> Result<Vec<RuleRow>> {
    let mut select = db.prepare("SELECT correlation, rule, definition, keep_us FROM correlation_rules")?;
    let rows = select.query_map([], |row| {
        Ok(RuleRow {
            correlation: row.get(0)?,
            rule: row.get(1)?,
            definition: row.get(2)?,
            keep_us: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many hits a correlation remembers.
///
/// # Errors
/// The database refuses.
pub fn count(db: &Connection, correlation: &str) -> Result<u64> {
    let sql = "SELECT count(*) FROM correlation_hits WHERE correlation = ?1";
    Ok(db.query_row(sql, [correlation], |row| row.get(0))?)
}

/// What one fingerprint remembers is another's from now on: that of the same correlation in a later version.
///
/// # Errors
/// The database refuses.
pub fn rename(txn: &Txn<'_>, from: &str, to: &str) -> Result<()> {
    for table in ["correlation_hits", "correlation_marks"] {
        let sql = format!("UPDATE OR REPLACE {table} SET correlation = ?2 WHERE correlation = ?1");
        txn.prepare_cached(&sql)?.execute([from, to])?;
    }
    Ok(())
}

/// For how long hits are kept whose correlation is not known to any rule that was ever noted.
const KEEP_UNKNOWN_US: i64 = 30 * 86_400_000_000;

/// Forgets hits of correlations that are not among `loaded`, for their rule may come back: only those that
/// happened so long before `before_us` that it would not ask for them, and the oldest beyond `most` in all.
/// Returns how many, by rule.
///
/// # Errors
/// The database refuses.
pub fn forget_unloaded(
    txn: &Txn<'_>,
    loaded: &[&str],
    before_us: i64,
    most: usize,
) -> Result<Vec<(String, u64)>> {
    let known: Vec<(String, Option<String>, Option<i64>)> = {
        let mut select = txn.prepare(
            "SELECT correlation, rule, keep_us FROM
                (SELECT DISTINCT correlation FROM correlation_hits UNION SELECT correlation FROM correlation_marks
                 UNION SELECT correlation FROM correlation_rules)
             LEFT JOIN correlation_rules USING (correlation)",
        )?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    let mut gone: Vec<(String, u64)> = Vec::new();
    let mut left = 0;
    for (correlation, rule, keep_us) in &known {
        if loaded.contains(&correlation.as_str()) {
            continue;
        }
        let oldest_us = before_us.saturating_sub(keep_us.unwrap_or(KEEP_UNKNOWN_US));
        let mut hits = txn.execute(
            "DELETE FROM correlation_hits WHERE correlation = ?1 AND time_us < ?2",
            params![correlation, oldest_us],
        )?;
        let rest = count(txn, correlation)? as usize;
        let room = most.saturating_sub(left);
        if rest > room {
            hits += txn.execute(
                "DELETE FROM correlation_hits WHERE correlation = ?1 AND (time_us, event, member, value) IN
                    (SELECT time_us, event, member, value FROM correlation_hits WHERE correlation = ?1
                     ORDER BY time_us LIMIT ?2)",
                params![correlation, rest.saturating_sub(room) as i64],
            )?;
        }
        left += rest.min(room);
        if rest == 0 {
            txn.execute(
                "DELETE FROM correlation_marks WHERE correlation = ?1 AND forgotten_us < ?2",
                params![correlation, oldest_us],
            )?;
            txn.execute(
                "DELETE FROM correlation_rules WHERE correlation = ?1
                    AND NOT EXISTS (SELECT 1 FROM correlation_marks WHERE correlation = ?1)",
                [correlation],
            )?;
        }
        if hits > 0 {
            gone.push((rule.clone().unwrap_or_else(|| correlation.clone()), hits as u64));
        }
    }
    if !gone.is_empty() {
        forget_events(txn)?;
    }
    Ok(gone)
}

/// Forgets events without a hit.
///
/// # Errors
/// The database refuses.
pub fn forget_events(txn: &Txn<'_>) -> Result<()> {
    txn.execute(
        "DELETE FROM correlation_events WHERE NOT EXISTS
            (SELECT 1 FROM correlation_hits WHERE correlation_hits.event = correlation_events.event)",
        [],
    )?;
    Ok(())
}

/// Forgets an event, unless a hit still needs it.
///
/// # Errors
/// The database refuses.
pub fn forget_event(txn: &Txn<'_>, event: u128) -> Result<()> {
    let mut delete = txn.prepare_cached(
        "DELETE FROM correlation_events WHERE event = ?1
            AND NOT EXISTS (SELECT 1 FROM correlation_hits WHERE event = ?1)",
    )?;
    delete.execute([event.to_be_bytes()])?;
    Ok(())
}

/// Keeps what an alert will say of an event.
///
/// # Errors
/// The database refuses.
pub fn add_event(txn: &Txn<'_>, event: u128, time_us: i64, evidence: &str) -> Result<()> {
    let mut insert = txn.prepare_cached(
        "INSERT INTO correlation_events (event, time_us, evidence) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![event.to_be_bytes(), time_us, evidence])?;
    Ok(())
}

/// What was kept of an event.
///
/// # Errors
/// The database refuses.
pub fn event(db: &Connection, event: u128) -> Result<Option<String>> {
    let mut select = db.prepare_cached("SELECT evidence FROM correlation_events WHERE event = ?1")?;
    Ok(select.query_row([event.to_be_bytes()], |row| row.get(0)).optional()?)
}

/// Notes that a correlation has forgotten what happened before.
///
/// # Errors
/// The database refuses.
pub fn set_forgotten(txn: &Txn<'_>, correlation: &str, before_us: i64) -> Result<()> {
    let mut upsert = txn.prepare_cached(
        "INSERT INTO correlation_marks (correlation, forgotten_us) VALUES (?1, ?2)
         ON CONFLICT (correlation) DO UPDATE SET forgotten_us = max(forgotten_us, ?2)",
    )?;
    upsert.execute(params![correlation, before_us])?;
    Ok(())
}

/// What each correlation has forgotten, by fingerprint.
///
/// # Errors
/// The database refuses.
pub fn forgotten(db: &Connection) -> Result<Vec<(String, i64)>> {
    let mut select = db.prepare("SELECT correlation, forgotten_us FROM correlation_marks")?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?)
}

/// Notes the time up to which windows were judged to be over.
///
/// # Errors
/// The database refuses.
pub fn set_watermark(txn: &Txn<'_>, watermark_us: i64) -> Result<()> {
    let mut upsert = txn.prepare_cached(
        "INSERT INTO correlation_clock (one, watermark_us) VALUES (1, ?1)
         ON CONFLICT (one) DO UPDATE SET watermark_us = max(watermark_us, ?1)",
    )?;
    upsert.execute([watermark_us])?;
    Ok(())
}

/// The time up to which windows were judged to be over; `None` if none was.
///
/// # Errors
/// The database refuses.
pub fn watermark(db: &Connection) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT watermark_us FROM correlation_clock")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?)
}

/// How far a source has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceMark {
    /// The latest time of one of its events, microseconds since 1970.
    pub event_us: i64,
    /// When it was heard last, microseconds since 1970.
    pub received_us: i64,
}

impl SourceMark {
    /// How far it has come; a source that was not heard of for `idle_us` holds nobody up.
    pub fn reached_us(&self, idle_us: i64, now_us: i64) -> i64 {
        let is_idle = now_us.saturating_sub(self.received_us) > idle_us;
        if is_idle { now_us } else { self.event_us }
    }
}

/// Notes how far a source has come; it never goes back.
///
/// # Errors
/// The database refuses.
pub fn set_mark(txn: &Txn<'_>, source: &str, mark: SourceMark) -> Result<()> {
    let mut upsert = txn.prepare_cached(
        "INSERT INTO watermarks (source, event_us, received_us) VALUES (?1, ?2, ?3)
         ON CONFLICT (source) DO UPDATE SET
            event_us = max(event_us, ?2), received_us = max(received_us, ?3)",
    )?;
    upsert.execute(params![source, mark.event_us, mark.received_us])?;
    Ok(())
}

/// How far each source has come.
///
/// # Errors
/// The database refuses.
pub fn marks(db: &Connection) -> Result<Vec<(String, SourceMark)>> {
    let mut select = db.prepare("SELECT source, event_us, received_us FROM watermarks")?;
    let rows = select.query_map([], |row| {
        Ok((row.get(0)?, SourceMark { event_us: row.get(1)?, received_us: row.get(2)? }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn hit(correlation: &str, event: u128) -> HitRow {
        HitRow {
            correlation: correlation.into(),
            time_us: -5,
            event,
            member: 3,
            value: u64::MAX,
            weight: 1,
            key: "[\"k\"]".into(),
            actor: None,
        }
    }

    #[test]
    fn hits_and_events_read_back_and_are_forgotten_together() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        state
            .write(|txn| {
                for hit in [hit("a", u128::MAX), hit("a", u128::MAX), hit("b", 7)] {
                    add_hit(txn, &hit)?;
                    add_event(txn, hit.event, hit.time_us, "{}")?;
                }
                set_forgotten(txn, "a", 5)?;
                set_forgotten(txn, "a", 3)?;
                set_mark(txn, "s", SourceMark { event_us: 9, received_us: 1 })?;
                set_mark(txn, "s", SourceMark { event_us: 2, received_us: 4 })
            })
            .unwrap();
        let all = || {
            let mut all = Vec::new();
            state.read(|db| hits(db, |hit| all.push(hit))).unwrap();
            all
        };
        assert_eq!(all(), [hit("a", u128::MAX), hit("b", 7)]);
        assert_eq!(state.read(forgotten).unwrap(), [("a".to_owned(), 5)]);
        assert_eq!(
            state.read(marks).unwrap(),
            [("s".to_owned(), SourceMark { event_us: 9, received_us: 4 })]
        );
        assert_eq!(state.read(watermark).unwrap(), None);
        state.write(|txn| set_watermark(txn, 7).and_then(|()| set_watermark(txn, 6))).unwrap();
        assert_eq!(state.read(watermark).unwrap(), Some(7));
        state.write(|txn| change_hit(txn, "a", -5, u128::MAX, 3, u64::MAX, 12)).unwrap();
        assert_eq!(all()[0].weight, 12);
        state.write(|txn| change_hit(txn, "a", -5, u128::MAX, 3, u64::MAX, 0)).unwrap();
        assert_eq!(all(), [hit("b", 7)]);
        state.write(forget_events).unwrap();
        assert_eq!(state.read(|db| event(db, u128::MAX)).unwrap(), None);
        assert_eq!(state.read(|db| event(db, 7)).unwrap().as_deref(), Some("{}"));
    }

    #[test]
    fn what_is_not_loaded_is_forgotten_by_age_and_number_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let at = |correlation: &str, time_us| HitRow { time_us, ..hit(correlation, time_us as u128) };
        let rule = |correlation: &str| RuleRow {
            correlation: correlation.into(),
            rule: format!("rule {correlation}"),
            definition: String::new(),
            keep_us: 100,
        };
        state
            .write(|txn| {
                for hit in [at("a", 1), at("b", 1), at("b", 900), at("b", 950), at("c", 1), at("d", 960)] {
                    add_hit(txn, &hit)?;
                    add_event(txn, hit.event, hit.time_us, "{}")?;
                }
                set_forgotten(txn, "c", 5)?;
                ["a", "b", "c", "d"].iter().try_for_each(|name| set_rule(txn, &rule(name)))
            })
            .unwrap();
        let left = || {
            let mut all = Vec::new();
            state.read(|db| hits(db, |hit| all.push((hit.correlation, hit.time_us)))).unwrap();
            all.into_iter().map(|(name, time_us)| format!("{name}{time_us}")).collect::<Vec<_>>().join(" ")
        };
        let forget = |most| state.write(|txn| forget_unloaded(txn, &["a"], 1000, most)).unwrap();
        let gone = |rule: &str, hits| (format!("rule {rule}"), hits);
        assert_eq!(forget(10), [gone("b", 1), gone("c", 1)]);
        assert_eq!(left(), "a1 b900 b950 d960");
        let names: Vec<_> = state.read(rules).unwrap().into_iter().map(|rule| rule.correlation).collect();
        assert_eq!(names, ["a", "b", "d"]);
        assert_eq!(state.read(forgotten).unwrap(), []);
        assert!(state.read(|db| event(db, 1)).unwrap().is_some(), "`a` still needs it");
        assert_eq!(forget(2), [gone("d", 1)]);
        assert_eq!(forget(1), [gone("b", 1)]);
        assert_eq!(left(), "a1 b950");
        // A later version calls it otherwise.
        state.write(|txn| rename(txn, "b", "e")).unwrap();
        assert_eq!(left(), "a1 e950");
        state.write(|txn| forget_event(txn, 950).and_then(|()| forget_event(txn, 900))).unwrap();
        assert!(state.read(|db| event(db, 950)).unwrap().is_some());
    }
}
