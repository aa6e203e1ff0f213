//! Silences in the state database.

use rusqlite::OptionalExtension as _;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};
use storage::state::{Txn, rusqlite};

use super::{Ended, Matcher, Schedule, Silence, SilenceSpec};
use crate::lifecycle::REASON_BYTES;
use crate::{Alert, AlertFilter, AlertStore, BulkOutcome, Change, Cursor, Edit, Error, Result, Selection};

/// The most silences that are in force at once.
pub const SILENCES: usize = 1000;

const COLUMNS: &str = "id, matchers, starts_us, ends_us, schedule, owner, reason, created_us, created_by, \
                       ended_us, ended_by, ended_reason";

/// A silence with what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceCount {
    /// The silence.
    pub silence: Silence,
    /// How many alerts it hides.
    pub hidden: u64,
    /// How many it hid that were released.
    pub released: u64,
}

/// A page of silences, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilencePage {
    /// The silences.
    pub silences: Vec<SilenceCount>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// The silences that may cover alerts, oldest first.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    silences: Vec<Silence>,
}

impl InForce {
    /// Those that nobody has ended and that end after `time_us`, the earliest time of the alerts in hand.
    ///
    /// # Errors
    /// The database refuses, or a silence is damaged.
    pub(crate) fn read(txn: &Txn<'_>, time_us: i64) -> Result<Self> {
        let mut select = txn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM silences WHERE ended_us IS NULL AND ends_us > ?1 ORDER BY created_us, id"
        ))?;
        let mut rows = select.query([time_us])?;
        let mut silences = Vec::new();
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(silence) => silences.push(silence),
                // It covers nothing: rather an alert too many than one that nobody hears of, or none any more.
                Err(Error::SilenceDamaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { silences })
    }

    /// The first that covers an alert.
    pub(crate) fn covering(&self, alert: &Alert) -> Option<&Silence> {
        self.silences.iter().find(|silence| silence.spec.covers(alert))
    }
}

impl AlertStore {
    /// Makes a silence. The same by the same person at the same moment is one.
    ///
    /// # Errors
    /// [`Error::SilenceRefused`], or the database refuses.
    pub fn add_silence(&self, spec: &SilenceSpec, by: &str, now_us: i64) -> Result<Silence> {
        spec.check(now_us)?;
        let (matchers, schedule) = written(spec)?;
        let mut hasher = blake3::Hasher::new();
        for part in [
            "silence",
            &matchers,
            schedule.as_deref().unwrap_or_default(),
            by,
            &spec.owner,
            &spec.reason,
            &format!("{} {} {now_us}", spec.starts_us, spec.ends_us),
        ] {
            hasher.update(part.as_bytes());
            hasher.update(b"\0");
        }
        let id: String = hasher.finalize().to_hex().chars().take(32).collect();
        self.state().write(|txn| {
            let in_force: usize = txn.query_row(
                "SELECT count(*) FROM silences WHERE ended_us IS NULL AND ends_us > ?1",
                [now_us],
                |row| row.get(0),
            )?;
            if in_force >= SILENCES {
                let problem = format!("there are {SILENCES} silences in force already; end some");
                return Err(Error::SilenceRefused { problem });
            }
            txn.execute(
                "INSERT INTO silences (id, matchers, starts_us, ends_us, schedule, owner, reason, created_us, created_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
                rusqlite::params![
                    id, matchers, spec.starts_us, spec.ends_us, schedule, spec.owner, spec.reason, now_us, by
                ],
            )?;
            Ok(())
        })?;
        Ok(self.silence(&id)?.silence)
    }

    /// A silence, and what it did.
    ///
    /// # Errors
    /// [`Error::SilenceUnknown`], or the database refuses.
    pub fn silence(&self, id: &str) -> Result<SilenceCount> {
        self.state().read(|db| {
            let sql = counted("WHERE id = ?1");
            let mut select = db.prepare_cached(&sql)?;
            let mut rows = select.query([id])?;
            match rows.next()? {
                Some(row) => count(row),
                None => Err(Error::SilenceUnknown { id: id.to_owned() }),
            }
        })
    }

    /// Silences behind `after`, newest first, at most `limit`: those that are in force or will be, or all.
    ///
    /// # Errors
    /// The database refuses, or a silence is damaged.
    pub fn silences(
        &self,
        also_past: bool,
        after: Option<&Cursor>,
        limit: usize,
        now_us: i64,
    ) -> Result<SilencePage> {
        let mut clauses = vec!["(?1 OR (ended_us IS NULL AND ends_us > ?2))".to_owned()];
        let mut values: Vec<Value> = vec![also_past.into(), now_us.into()];
        if let Some(cursor) = after {
            cursor.narrow("created_us", &mut clauses, &mut values);
        }
        values.push(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX).into());
        let sql = counted(&format!(
            "WHERE {} ORDER BY created_us DESC, id DESC LIMIT ?{}",
            clauses.join(" AND "),
            values.len()
        ));
        let mut silences = self.state().read(|db| {
            let mut select = db.prepare_cached(&sql)?;
            let mut rows = select.query(rusqlite::params_from_iter(values))?;
            let mut silences = Vec::new();
            while let Some(row) = rows.next()? {
                silences.push(count(row)?);
            }
            Ok::<_, Error>(silences)
        })?;
        let has_more = silences.len() > limit;
        silences.truncate(limit);
        let last = silences.last().filter(|_| has_more);
        let next = last.map(|last| Cursor { time_us: last.silence.created_us, id: last.silence.id.clone() });
        Ok(SilencePage { silences, next })
    }

    /// Ends a silence: from now on it covers nothing, whenever it happened. What it hid stays hidden until it
    /// is released.
    ///
    /// # Errors
    /// [`Error::SilenceUnknown`], [`Error::SilenceOver`], a reason too long, or the database refuses.
    pub fn end_silence(&self, id: &str, by: &str, reason: &str, now_us: i64) -> Result<SilenceCount> {
        if reason.len() > REASON_BYTES {
            let problem = format!("a reason has at most {REASON_BYTES} bytes; shorten it");
            return Err(Error::SilenceRefused { problem });
        }
        self.state().write(|txn| {
            let ended: Option<Option<i64>> = txn
                .query_row("SELECT ended_us FROM silences WHERE id = ?1", [id], |row| row.get(0))
                .optional()?;
            match ended {
                None => return Err(Error::SilenceUnknown { id: id.to_owned() }),
                Some(Some(_)) => return Err(Error::SilenceOver { id: id.to_owned() }),
                Some(None) => {}
            }
            txn.execute(
                "UPDATE silences SET ended_us = ?2, ended_by = ?3, ended_reason = ?4 WHERE id = ?1",
                rusqlite::params![id, now_us, by, reason],
            )?;
            Ok(())
        })?;
        self.silence(id)
    }

    /// Releases what a silence hid, up to [`BULK`](crate::BULK) alerts: from now on they count as raised.
    ///
    /// # Errors
    /// [`Error::SilenceUnknown`], or as [`edit_many`](Self::edit_many).
    pub fn release_silenced(&self, id: &str, by: &str, reason: &str, now_us: i64) -> Result<BulkOutcome> {
        self.silence(id)?;
        let hidden = AlertFilter { suppressed_by: Some(id.to_owned()), ..AlertFilter::default() };
        let edit =
            Edit { change: Change::Release, by: by.to_owned(), reason: reason.to_owned(), at_us: now_us };
        self.edit_many(&Selection::Filter(hidden), &edit)
    }
}

/// A matcher as it is stored.
#[derive(Serialize, Deserialize)]
struct WrittenMatcher {
    field: String,
    values: Vec<String>,
}

/// A schedule as it is stored.
#[derive(Serialize, Deserialize)]
struct WrittenSchedule {
    time_zone: String,
    windows: Vec<String>,
}

fn written(spec: &SilenceSpec) -> Result<(String, Option<String>)> {
    let matchers: Vec<_> = spec
        .matchers
        .iter()
        .map(|matcher| WrittenMatcher {
            field: matcher.target.to_string(),
            values: matcher.patterns.iter().map(ToString::to_string).collect(),
        })
        .collect();
    let schedule = spec.schedule.as_ref().map(|schedule| WrittenSchedule {
        time_zone: schedule.zone().to_owned(),
        windows: schedule.windows().iter().map(ToString::to_string).collect(),
    });
    let refused = |error: serde_json::Error| Error::SilenceRefused { problem: error.to_string() };
    let schedule = schedule.map(|schedule| serde_json::to_string(&schedule)).transpose().map_err(refused)?;
    Ok((serde_json::to_string(&matchers).map_err(refused)?, schedule))
}

fn counted(clauses: &str) -> String {
    format!(
        "SELECT {COLUMNS}, (SELECT count(*) FROM alerts WHERE suppressed_by = silences.id),
            (SELECT count(*) FROM alert_changes WHERE change = 'released' AND before = silences.id)
         FROM silences {clauses}"
    )
}

fn count(row: &rusqlite::Row<'_>) -> Result<SilenceCount> {
    Ok(SilenceCount { silence: read(row)?, hidden: row.get(12)?, released: row.get(13)? })
}

fn read(row: &rusqlite::Row<'_>) -> Result<Silence> {
    let id: String = row.get(0)?;
    let damaged = |problem: String| Error::SilenceDamaged { id: id.clone(), problem };
    let json = |error: serde_json::Error| damaged(error.to_string());
    let matchers: Vec<WrittenMatcher> = serde_json::from_str(&row.get::<_, String>(1)?).map_err(json)?;
    let mut read = Vec::with_capacity(matchers.len());
    for matcher in matchers {
        read.push(Matcher::read(&matcher.field, &matcher.values).map_err(damaged)?);
    }
    let schedule = match row.get::<_, Option<String>>(4)? {
        Some(text) => {
            let written: WrittenSchedule = serde_json::from_str(&text).map_err(json)?;
            Some(Schedule::read(&written.time_zone, &written.windows).map_err(damaged)?)
        }
        None => None,
    };
    let ended = match row.get::<_, Option<i64>>(9)? {
        Some(at_us) => {
            let reason = row.get::<_, Option<String>>(11)?.unwrap_or_default();
            Some(Ended { at_us, by: row.get::<_, Option<String>>(10)?.unwrap_or_default(), reason })
        }
        None => None,
    };
    let spec = SilenceSpec {
        matchers: read,
        starts_us: row.get(2)?,
        ends_us: row.get(3)?,
        schedule,
        owner: row.get(5)?,
        reason: row.get(6)?,
        is_of_all: false,
    };
    Ok(Silence { created_us: row.get(7)?, created_by: row.get(8)?, id, spec, ended })
}
