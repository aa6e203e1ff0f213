//! The tables of alerts in the state database.

use rusqlite::types::Value;
use serde::Serialize;
use storage::state::{State, Txn, rusqlite};
use storage::state_table::{StateColumn, StateTable};

use crate::alert::severity_name;
use crate::page::{AlertFilter, AlertPage, Cursor};
use crate::{
    Alert, AlertId, AlertStatus, Change, Entity, EntityKind, Error, Evidence, Result, RuleRef, Verdict,
};

/// The schema, one step a released version.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE alerts (
    id            TEXT PRIMARY KEY,
    rule_id       TEXT NOT NULL,
    title         TEXT NOT NULL,
    level         TEXT NOT NULL,
    tags          TEXT NOT NULL,
    description   TEXT NOT NULL,
    severity_id   INTEGER NOT NULL,
    severity      TEXT NOT NULL,
    status        TEXT NOT NULL DEFAULT 'new',
    verdict       TEXT,
    reason        TEXT,
    time_us       INTEGER NOT NULL,
    created_us    INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    provider      TEXT NOT NULL,
    actor         TEXT,
    account       TEXT,
    address       TEXT,
    operation     TEXT,
    event_uid     TEXT,
    entities      TEXT NOT NULL,
    evidence      TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_time ON alerts (time_us DESC, id DESC);
CREATE INDEX alerts_by_status ON alerts (status, time_us DESC, id DESC);
CREATE INDEX alerts_by_rule ON alerts (rule_id, time_us DESC, id DESC);
CREATE TABLE alert_changes (
    alert_id  TEXT NOT NULL REFERENCES alerts (id),
    at_us     INTEGER NOT NULL,
    by        TEXT NOT NULL,
    change    TEXT NOT NULL,
    verdict   TEXT,
    reason    TEXT NOT NULL
) STRICT;
CREATE INDEX alert_changes_by_alert ON alert_changes (alert_id, at_us);
",
    "
ALTER TABLE alerts ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE alerts ADD COLUMN response TEXT NOT NULL DEFAULT '[]';
ALTER TABLE alerts ADD COLUMN joined TEXT;
",
    // Triggers, so that no way of changing an alert can forget the feed.
    "
CREATE TABLE alert_feed (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us     INTEGER NOT NULL,
    alert_id  TEXT NOT NULL,
    change    TEXT NOT NULL,
    by        TEXT NOT NULL,
    reason    TEXT NOT NULL
) STRICT;
CREATE TRIGGER alert_feed_raised AFTER INSERT ON alerts BEGIN
    INSERT INTO alert_feed (at_us, alert_id, change, by, reason)
    VALUES (new.created_us, new.id, 'raised', 'stormglass', '');
END;
CREATE TRIGGER alert_feed_changed AFTER INSERT ON alert_changes BEGIN
    INSERT INTO alert_feed (at_us, alert_id, change, by, reason)
    VALUES (new.at_us, new.alert_id, new.change, new.by, new.reason);
END;
",
];

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
}

/// One step in an alert's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertChange {
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// Who.
    pub by: String,
    /// What, as a past participle.
    pub change: String,
    /// The verdict of a closing.
    pub verdict: Option<String>,
    /// Why; may be empty.
    pub reason: String,
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

    /// Records alerts within `txn`; those that are there already stay as they are. Returns how many
    /// are new.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not be committed then.
    pub fn record(txn: &Txn, alerts: &[Alert], now_us: i64) -> Result<usize> {
        let mut insert = txn.prepare_cached(INSERT)?;
        let mut new = 0;
        for alert in alerts {
            new += insert.execute(rusqlite::params_from_iter(values(alert, now_us)?))?;
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
            let mut select = db.prepare_cached(
                "SELECT at_us, by, change, verdict, reason FROM alert_changes WHERE alert_id = ?1 ORDER BY at_us, rowid",
            )?;
            let changes = select
                .query_map([id], |row| {
                    Ok(AlertChange {
                        at_us: row.get(0)?,
                        by: row.get(1)?,
                        change: row.get(2)?,
                        verdict: row.get(3)?,
                        reason: row.get(4)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok((alert, changes))
        })
    }

    /// Changes an alert's status and writes the step into its history.
    ///
    /// # Errors
    /// [`Error::AlertUnknown`], [`Error::ChangeRefused`], [`Error::ReasonMissing`] for a closing, or the
    /// database refuses. Nothing has changed then.
    pub fn change(
        &self,
        id: &str,
        change: Change,
        by: &str,
        reason: &str,
        now_us: i64,
    ) -> Result<StoredAlert> {
        self.state.write(|txn| {
            let status: Option<String> = {
                let mut select = txn.prepare_cached("SELECT status FROM alerts WHERE id = ?1")?;
                select.query_row([id], |row| row.get(0)).map(Some).or_else(none_if_absent)?
            };
            let status = status.ok_or_else(|| Error::AlertUnknown { id: id.into() })?;
            let status: AlertStatus = status.parse().unwrap_or(AlertStatus::New);
            let after = status.after(change).ok_or_else(|| Error::ChangeRefused {
                id: id.into(),
                status: status.as_str(),
                wanted: change.as_str(),
            })?;
            let verdict = match change {
                Change::Close(_) if reason.trim().is_empty() => {
                    return Err(Error::ReasonMissing { id: id.into() });
                }
                Change::Close(verdict) => Some(verdict.as_str()),
                Change::Acknowledge | Change::Reopen => None,
            };
            let closing_reason = verdict.map(|_| reason);
            txn.execute(
                "UPDATE alerts SET status = ?2, verdict = ?3, reason = ?4, updated_us = ?5 WHERE id = ?1",
                rusqlite::params![id, after.as_str(), verdict, closing_reason, now_us],
            )?;
            txn.execute(
                "INSERT INTO alert_changes (alert_id, at_us, by, change, verdict, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                rusqlite::params![id, now_us, by, change.as_str(), verdict, reason],
            )?;
            Ok::<_, Error>(())
        })?;
        Ok(self.get(id)?.0)
    }
}

// ---------------------------------------------------------------------------------------------

const INSERT: &str = "
    INSERT INTO alerts (id, rule_id, title, level, tags, description, severity_id, severity, time_us, created_us,
        updated_us, provider, actor, account, address, operation, event_uid, entities, evidence, response, joined)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
    ON CONFLICT (id) DO NOTHING";

/// The values of a row, in the order of [`INSERT`].
pub(crate) fn values(alert: &Alert, now_us: i64) -> Result<[Value; 20]> {
    let text = |text: &str| Value::Text(text.to_owned());
    let maybe = |found: Option<&str>| found.map_or(Value::Null, text);
    let deciding = alert.evidence.last();
    Ok([
        text(alert.id.as_str()),
        text(&alert.rule.id),
        text(&alert.rule.title),
        text(&alert.rule.level),
        Value::Text(to_json(&alert.id, &alert.rule.tags)?),
        text(&alert.rule.description),
        i64::from(alert.severity_id).into(),
        text(severity_name(alert.severity_id)),
        alert.time_us.into(),
        now_us.into(),
        text(&alert.provider),
        maybe(alert.entity(EntityKind::Actor)),
        maybe(alert.entity(EntityKind::Account)),
        maybe(alert.entity(EntityKind::Address)),
        maybe(deciding.map(|event| event.operation.as_str())),
        maybe(deciding.map(|event| event.event_uid.as_str())),
        Value::Text(to_json(&alert.id, &alert.entities)?),
        Value::Text(to_json(&alert.id, &alert.evidence)?),
        Value::Text(to_json(&alert.id, &alert.rule.response)?),
        match &alert.joined {
            Some(joined) => Value::Text(to_json(&alert.id, joined)?),
            None => Value::Null,
        },
    ])
}

const COLUMNS: &str = "id, rule_id, title, level, tags, description, severity_id, status, verdict, reason, \
                       time_us, created_us, updated_us, provider, entities, evidence, version, response, joined";

fn read(row: &rusqlite::Row<'_>) -> Result<StoredAlert> {
    let id = AlertId::stored(row.get(0)?);
    let verdict: Option<String> = row.get(8)?;
    let status: String = row.get(7)?;
    Ok(StoredAlert {
        status: status.parse().unwrap_or(AlertStatus::New),
        verdict: verdict.and_then(|name| name.parse().ok()),
        reason: row.get(9)?,
        created_us: row.get(11)?,
        updated_us: row.get(12)?,
        version: row.get(16)?,
        alert: Alert {
            rule: RuleRef {
                id: row.get(1)?,
                title: row.get(2)?,
                level: row.get(3)?,
                tags: from_json(&id, &row.get::<_, String>(4)?)?,
                description: row.get(5)?,
                response: from_json(&id, &row.get::<_, String>(17)?)?,
            },
            severity_id: row.get(6)?,
            time_us: row.get(10)?,
            provider: row.get(13)?,
            entities: from_json::<Vec<Entity>>(&id, &row.get::<_, String>(14)?)?,
            evidence: from_json::<Vec<Evidence>>(&id, &row.get::<_, String>(15)?)?,
            joined: row.get::<_, Option<String>>(18)?.map(|text| from_json(&id, &text)).transpose()?,
            id,
        },
    })
}

/// The WHERE clause of a list and its values; the values are always bound, never written into it.
fn conditions(filter: &AlertFilter, after: Option<&Cursor>) -> (String, Vec<Value>) {
    let mut clauses = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |clause: &str, value: Value| {
        values.push(value);
        clauses.push(clause.replace('?', &format!("?{}", values.len())));
    };
    if let Some(status) = filter.status {
        add("status = ?", status.as_str().to_owned().into());
    }
    if let Some(least) = filter.min_severity_id {
        add("severity_id >= ?", i64::from(least).into());
    }
    if let Some(rule) = &filter.rule_id {
        add("rule_id = ?", rule.clone().into());
    }
    if let Some(provider) = &filter.provider {
        // An alert over several clouds names them all.
        add("instr(', ' || lower(provider) || ', ', ', ' || lower(?) || ', ') > 0", provider.clone().into());
    }
    if let Some(entity) = &filter.entity {
        add(
            "EXISTS (SELECT 1 FROM json_each(alerts.entities) WHERE ? COLLATE NOCASE IN (json_extract(value, '$.value'), json_extract(value, '$.name')))",
            entity.clone().into(),
        );
    }
    if let Some(since) = filter.since_us {
        add("time_us >= ?", since.into());
    }
    if let Some(until) = filter.until_us {
        add("time_us < ?", until.into());
    }
    if let Some(cursor) = after {
        add("time_us <= ?", cursor.time_us.into());
        values.push(cursor.time_us.into());
        values.push(cursor.id.clone().into());
        clauses.push(format!("(time_us, id) < (?{}, ?{})", values.len() - 1, values.len()));
    }
    (clauses.join(" AND "), values)
}

fn none_if_absent<T>(error: rusqlite::Error) -> rusqlite::Result<Option<T>> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(None),
        other => Err(other),
    }
}

fn to_json<T: Serialize>(id: &AlertId, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::Damaged { id: id.to_string(), source })
}

fn from_json<T: serde::de::DeserializeOwned>(id: &AlertId, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Damaged { id: id.to_string(), source })
}

/// The table `alerts` as SQL shows it.
pub fn state_table() -> StateTable {
    use StateColumn::{Integer, Text, Time};
    StateTable {
        name: "alerts",
        sql: "SELECT id, rule_id, title, level, severity_id, severity, status, verdict, reason, time_us AS time, \
              created_us AS created, updated_us AS updated, provider, actor, account, address, operation, event_uid, \
              tags, entities, evidence, description, version, joined, response FROM alerts",
        columns: &[
            ("id", Text),
            ("rule_id", Text),
            ("title", Text),
            ("level", Text),
            ("severity_id", Integer),
            ("severity", Text),
            ("status", Text),
            ("verdict", Text),
            ("reason", Text),
            ("time", Time),
            ("created", Time),
            ("updated", Time),
            ("provider", Text),
            ("actor", Text),
            ("account", Text),
            ("address", Text),
            ("operation", Text),
            ("event_uid", Text),
            ("tags", Text),
            ("entities", Text),
            ("evidence", Text),
            ("description", Text),
            ("version", Integer),
            ("joined", Text),
            ("response", Text),
        ],
    }
}
