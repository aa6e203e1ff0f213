//! The tables of alerts in the state database.

use storage::state::{State, Txn, rusqlite};

use crate::history::{self, AlertChange};
use crate::page::{AlertFilter, AlertPage, Cursor, conditions};
use crate::row::{COLUMNS, INSERT, read, values};
use crate::schema::MIGRATIONS;
use crate::silence::{InForce, Silence};
use crate::{Alert, AlertStatus, Error, Result, Verdict};

/// The most alerts that [`AlertStore::list`] returns at once.
pub const MAX_LIMIT: usize = 1000;

/// An alert with its life so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAlert {
    /// The alert.
    pub alert: Alert,
    /// Where it stands.
    pub status: AlertStatus,
    /// What it turned out to be, once closed.
    pub verdict: Option<Verdict>,
    /// Why it was closed, in somebody's words.
    pub reason: Option<String>,
    /// When it was raised, microseconds since 1970.
    pub created_us: i64,
    /// When it last changed, microseconds since 1970.
    pub updated_us: i64,
    /// 1, and one more for each time that late or further events changed what it rests on.
    pub version: u32,
    /// 1, and one more for each change of whatever kind: whoever has read it at a revision can tell whether it
    /// is still the same.
    pub revision: u64,
    /// Whose it is.
    pub owner: Option<String>,
    /// The team's own labels, sorted.
    pub labels: Vec<String>,
    /// The alert that it repeats, if it was closed as a duplicate.
    pub duplicate_of: Option<String>,
    /// When a person first took it up, microseconds since 1970.
    pub acknowledged_us: Option<i64>,
    /// When it was closed, microseconds since 1970.
    pub closed_us: Option<i64>,
    /// The silence that hides it: it is not told, and lists leave it out unless asked.
    pub suppressed_by: Option<String>,
    /// Why that silence was made.
    pub suppressed_reason: Option<String>,
}

impl StoredAlert {
    /// An alert that nobody has touched since it was raised at `created_us`.
    pub fn untouched(alert: Alert, created_us: i64) -> Self {
        Self {
            alert,
            status: AlertStatus::New,
            verdict: None,
            reason: None,
            created_us,
            updated_us: created_us,
            version: 1,
            revision: 1,
            owner: None,
            labels: Vec::new(),
            duplicate_of: None,
            acknowledged_us: None,
            closed_us: None,
            suppressed_by: None,
            suppressed_reason: None,
        }
    }
}

/// Reads and writes the alert tables.
#[derive(Debug, Clone)]
pub struct AlertStore {
    state: State,
}

impl AlertStore {
    /// Opens the tables, making them where they are missing.
    ///
    /// # Errors
    /// The state cannot be written, or was written by a newer version.
    pub fn open(state: State) -> Result<Self> {
        state.migrate("alerts", MIGRATIONS)?;
        Ok(Self { state })
    }

    /// The database that the tables are in.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Records alerts within `txn`; those that are there already stay as they are. One that a silence in
    /// force covers is recorded as suppressed by it. Returns how many are new.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not be committed then.
    pub fn record(txn: &Txn, alerts: &[Alert], now_us: i64) -> Result<usize> {
        let Some(earliest_us) = alerts.iter().map(|alert| alert.time_us).min() else { return Ok(0) };
        let silences = InForce::read(txn, earliest_us)?;
        let mut new = 0;
        for alert in alerts {
            new += usize::from(insert(txn, alert, silences.covering(alert), now_us)?);
        }
        Ok(new)
    }

    /// How many alerts there are.
    ///
    /// # Errors
    /// The database refuses.
    pub fn count(&self) -> Result<u64> {
        self.state.read(|db| Ok(db.query_row("SELECT count(*) FROM alerts", [], |row| row.get(0))?))
    }

    /// A page of alerts, newest event first: at most `limit` (and [`MAX_LIMIT`]), at least one, so that
    /// turning the pages comes to an end.
    ///
    /// # Errors
    /// The database refuses, or holds a damaged alert.
    pub fn list(&self, filter: &AlertFilter, after: Option<&Cursor>, limit: usize) -> Result<AlertPage> {
        let limit = limit.clamp(1, MAX_LIMIT);
        let (clauses, values) = conditions(filter, after);
        let sql = format!(
            "SELECT {COLUMNS} FROM alerts WHERE {clauses} ORDER BY time_us DESC, id DESC LIMIT {}",
            limit + 1
        );
        let mut alerts = self.state.read(|db| {
            let mut select = db.prepare_cached(&sql)?;
            let mut rows = select.query(rusqlite::params_from_iter(values))?;
            let mut alerts = Vec::new();
            while let Some(row) = rows.next()? {
                alerts.push(read(row)?);
            }
            Ok::<_, Error>(alerts)
        })?;
        let next = if alerts.len() > limit {
            alerts.truncate(limit);
            alerts.last().map(|last| Cursor { time_us: last.alert.time_us, id: last.alert.id.to_string() })
        } else {
            None
        };
        Ok(AlertPage { alerts, next })
    }

    /// The id of the one alert that begins with `start`: six hexadecimal digits, or more of them.
    ///
    /// # Errors
    /// [`Error::AlertUnknown`], [`Error::ChangeSenseless`] where several begin so, or the database refuses.
    pub fn whole_id(&self, start: &str) -> Result<String> {
        let unknown = || Error::AlertUnknown { id: start.chars().take(64).collect() };
        let is_id = (6..=32).contains(&start.len()) && start.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return Err(unknown());
        }
        let found: Vec<String> = self.state.read(|db| {
            // `g` is beyond all hexadecimal digits.
            let mut select =
                db.prepare_cached("SELECT id FROM alerts WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2")?;
            let rows = select.query_map([start.to_ascii_lowercase()], |row| row.get(0))?;
            Ok::<_, Error>(rows.collect::<rusqlite::Result<_>>()?)
        })?;
        match <[String; 1]>::try_from(found) {
            Ok([one]) => Ok(one),
            Err(several) if several.is_empty() => Err(unknown()),
            Err(_) => Err(Error::ChangeSenseless {
                id: start.to_owned(),
                problem: "several alerts begin so; write more of the id".into(),
            }),
        }
    }

    /// One alert and its history.
    ///
    /// # Errors
    /// [`Error::AlertUnknown`], or the database refuses.
    pub fn get(&self, id: &str) -> Result<(StoredAlert, Vec<AlertChange>)> {
        self.state.read(|db| {
            let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM alerts WHERE id = ?1"))?;
            let mut rows = select.query([id])?;
            let alert = match rows.next()? {
                Some(row) => read(row)?,
                None => return Err(Error::AlertUnknown { id: id.into() }),
            };
            let changes = history::of(db, id)?;
            Ok((alert, changes))
        })
    }
}

/// Writes an alert, suppressed by `silence`; `false` if it is there already.
///
/// # Errors
/// The database refuses.
pub(crate) fn insert(txn: &Txn<'_>, alert: &Alert, silence: Option<&Silence>, now_us: i64) -> Result<bool> {
    let text = |text: &String| rusqlite::types::Value::Text(text.clone());
    let values = values(alert, now_us)?.into_iter().chain([
        silence.map_or(rusqlite::types::Value::Null, |silence| text(&silence.id)),
        silence.map_or(rusqlite::types::Value::Null, |silence| text(&silence.spec.reason)),
    ]);
    Ok(txn.prepare_cached(INSERT)?.execute(rusqlite::params_from_iter(values))? > 0)
}
