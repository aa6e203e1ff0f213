//! What people see of the outbox, what they may do about it, and what it forgets.

use std::str::FromStr;

use rusqlite::OptionalExtension as _;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};
use storage::state::rusqlite;
use storage::state_table::{StateColumn, StateTable};

use super::Outbox;
use crate::{Error, Result};

/// The most rows that [`Outbox::list`] returns at once.
const MAX_LIMIT: usize = 1000;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent, or sent again.
    Waiting,
    /// The service took it.
    Delivered,
    /// It is not tried any more.
    Dead,
}

impl DeliveryState {
    /// The name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        [Self::Waiting, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| format!("unknown state `{name}`; choose waiting, delivered or dead"))
    }
}

/// A delivery as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Its number.
    pub id: i64,
    /// Its idempotency key.
    pub key: String,
    /// The channel.
    pub channel: String,
    /// The route that chose the channel.
    pub route: String,
    /// What it is about.
    pub subject: String,
    /// Why it is told.
    pub kind: String,
    /// What it says in one line.
    pub title: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was put into the queue, microseconds since 1970.
    pub created_us: i64,
    /// When it is sent next, microseconds since 1970; while it waits.
    pub next_us: Option<i64>,
    /// When it last changed, microseconds since 1970.
    pub updated_us: i64,
    /// What went wrong last; may be empty.
    pub last_error: String,
}

/// Which deliveries to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only of this channel.
    pub channel: Option<String>,
    /// Only about one of these.
    pub subjects: Option<Subjects>,
    /// Only with a smaller number.
    pub before: Option<i64>,
}

/// What deliveries are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    /// Ids of alerts and incidents, or of a digest.
    pub ids: Vec<String>,
    /// Digests, floods and incidents in which some of them were told: their subject, and when that was made,
    /// microseconds since 1970.
    pub told_in: Vec<(String, i64)>,
}

/// How a channel is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelQueue {
    /// Deliveries that wait.
    pub waiting: u64,
    /// Deliveries that are not tried any more.
    pub dead: u64,
    /// When the oldest that waits was put into the queue, microseconds since 1970.
    pub oldest_us: Option<i64>,
    /// Since when it fails, microseconds since 1970, and why.
    pub failing: Option<(i64, String)>,
    /// Whether nothing is sent until it is mended.
    pub disabled: bool,
}

impl Outbox {
    /// Deliveries, newest first, at most `limit`.
    ///
    /// # Errors
    /// The database refuses.
    pub fn list(&self, filter: &DeliveryFilter, limit: usize) -> Result<Vec<DeliveryRecord>> {
        let mut clauses = vec!["1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        if let Some(subjects) = &filter.subjects {
            let of_others = subjects.told_in.iter().map(|(id, _)| id);
            let made: Vec<_> = subjects.told_in.iter().map(|(id, at_us)| format!("{id} {at_us}")).collect();
            values.push(
                serde_json::to_string(&subjects.ids.iter().chain(of_others).collect::<Vec<_>>())?.into(),
            );
            values.push(serde_json::to_string(&subjects.ids)?.into());
            values.push(serde_json::to_string(&made)?.into());
            // The first finds them by the index.
            clauses.push(
                "subject IN (SELECT value FROM json_each(?1)) AND (subject IN (SELECT value FROM json_each(?2)) OR \
                 subject || ' ' || created_us IN (SELECT value FROM json_each(?3)))"
                    .into(),
            );
        }
        let mut add = |clause: &str, value: Value| {
            values.push(value);
            clauses.push(format!("{clause} ?{}", values.len()));
        };
        if let Some(state) = filter.state {
            add("state =", state.as_str().to_owned().into());
        }
        if let Some(channel) = &filter.channel {
            add("channel =", channel.clone().into());
        }
        if let Some(before) = filter.before {
            add("id <", before.into());
        }
        let sql = format!(
            "SELECT id, key, channel, route, subject, kind, title,
                state, attempts, created_us, next_us, updated_us, last_error
             FROM deliveries WHERE {} ORDER BY id DESC LIMIT {}",
            clauses.join(" AND "),
            limit.clamp(1, MAX_LIMIT)
        );
        self.state().read(|db| {
            let mut select = db.prepare_cached(&sql)?;
            let found = select.query_map(rusqlite::params_from_iter(values), |row| {
                let state: String = row.get(7)?;
                let state = state.parse().unwrap_or(DeliveryState::Dead);
                Ok(DeliveryRecord {
                    id: row.get(0)?,
                    key: row.get(1)?,
                    channel: row.get(2)?,
                    route: row.get(3)?,
                    subject: row.get(4)?,
                    kind: row.get(5)?,
                    title: row.get(6)?,
                    state,
                    attempts: row.get(8)?,
                    created_us: row.get(9)?,
                    next_us: Some(row.get(10)?).filter(|_| state == DeliveryState::Waiting),
                    updated_us: row.get(11)?,
                    last_error: row.get(12)?,
                })
            })?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// How a channel is doing.
    ///
    /// # Errors
    /// The database refuses.
    pub fn queue(&self, channel: &str) -> Result<ChannelQueue> {
        self.state().read(|db| {
            let (waiting, oldest_us) = db
                .prepare_cached(
                    "SELECT count(*), min(created_us) FROM deliveries WHERE channel = ?1 AND state = 'waiting'",
                )?
                .query_row([channel], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let dead = db
                .prepare_cached("SELECT count(*) FROM deliveries WHERE channel = ?1 AND state = 'dead'")?
                .query_row([channel], |row| row.get(0))?;
            let failing = db
                .prepare_cached("SELECT since_us, reason, probe_us FROM channel_health WHERE channel = ?1")?
                .query_row([channel], |row| {
                    Ok(((row.get(0)?, row.get(1)?), row.get::<_, Option<i64>>(2)?.is_some()))
                })
                .optional()?;
            let disabled = failing.as_ref().is_some_and(|(_, disabled)| *disabled);
            Ok(ChannelQueue { waiting, dead, oldest_us, failing: failing.map(|(failing, _)| failing), disabled })
        })
    }

    /// Sends a dead delivery again, under its old key, with all attempts before it.
    ///
    /// # Errors
    /// [`Error::DeliveryUnknown`], or the database refuses.
    pub fn resend(&self, id: i64, now_us: i64) -> Result<()> {
        let changed = self.state().write(|txn| {
            Ok::<_, Error>(
                txn.prepare_cached(
                    "UPDATE deliveries SET state = 'waiting', attempts = 0, next_us = ?2, updated_us = ?2,
                        planned_us = NULL
                     WHERE id = ?1 AND state = 'dead'",
                )?
                .execute(rusqlite::params![id, now_us])?,
            )
        })?;
        if changed == 0 { Err(Error::DeliveryUnknown { id }) } else { Ok(()) }
    }

    /// Sends all dead deliveries again, of one channel or of all; returns how many.
    ///
    /// # Errors
    /// The database refuses.
    pub fn resend_all(&self, channel: Option<&str>, now_us: i64) -> Result<usize> {
        self.state().write(|txn| {
            Ok(txn
                .prepare_cached(
                    "UPDATE deliveries SET state = 'waiting', attempts = 0, next_us = ?2, updated_us = ?2,
                        planned_us = NULL
                     WHERE state = 'dead' AND channel = coalesce(?1, channel)",
                )?
                .execute(rusqlite::params![channel, now_us])?)
        })
    }

    /// Forgets what was settled before `before_us` and what is remembered of threads that are as old, at most
    /// some thousand rows at a time; returns how many. What waits since before is dead.
    pub(crate) fn forget(&self, before_us: i64, now_us: i64) -> Result<usize> {
        const AT_ONCE: i64 = 5000;
        self.state().write(|txn| {
            txn.prepare_cached(
                "UPDATE deliveries SET state = 'dead', updated_us = ?2,
                    last_error = 'it waited longer than `notify.keep`; last: ' || last_error
                 WHERE state = 'waiting' AND created_us < ?1",
            )?
            .execute(rusqlite::params![before_us, now_us])?;
            let mut gone = txn
                .prepare_cached(
                    "DELETE FROM deliveries WHERE id IN (
                        SELECT id FROM deliveries WHERE state <> 'waiting' AND updated_us < ?1 LIMIT ?2)",
                )?
                .execute(rusqlite::params![before_us, AT_ONCE])?;
            gone += txn
                .prepare_cached(
                    "DELETE FROM threads AS t WHERE updated_us < ?1 AND NOT EXISTS (
                        SELECT 1 FROM deliveries d
                        WHERE d.channel = t.channel AND d.thread = t.thread AND d.state = 'waiting')",
                )?
                .execute([before_us])?;
            gone += txn
                .prepare_cached(
                    "DELETE FROM told WHERE (channel, subject) IN (
                        SELECT channel, subject FROM told WHERE told_us < ?1 AND due_us IS NULL LIMIT ?2)",
                )?
                .execute(rusqlite::params![before_us, AT_ONCE])?;
            gone += txn
                .prepare_cached(
                    "DELETE FROM untold WHERE (alert, route) IN (
                        SELECT alert, route FROM untold WHERE at_us < ?1 LIMIT ?2)",
                )?
                .execute(rusqlite::params![before_us, AT_ONCE])?;
            Ok(gone)
        })
    }

    /// Of what waits for a channel the newest `rows` wait on; the others are dead, and can be sent again.
    pub(crate) fn bury_beyond(&self, channel: &str, rows: u64, now_us: i64) -> Result<usize> {
        self.state().write(|txn| {
            let cut: Option<i64> = txn
                .prepare_cached(
                    "SELECT id FROM deliveries WHERE channel = ?1 AND state = 'waiting'
                     ORDER BY id DESC LIMIT 1 OFFSET ?2",
                )?
                .query_row(rusqlite::params![channel, rows], |row| row.get(0))
                .optional()?;
            let Some(cut) = cut else { return Ok(0) };
            let reason = format!("more than {rows} waited");
            Ok(txn
                .prepare_cached(
                    "UPDATE deliveries SET state = 'dead', last_error = ?3, updated_us = ?4
                     WHERE channel = ?1 AND state = 'waiting' AND id <= ?2",
                )?
                .execute(rusqlite::params![channel, cut, reason, now_us])?)
        })
    }

    /// Keeps at most `rows` settled deliveries: the newest.
    pub(crate) fn keep_newest(&self, rows: u64) -> Result<usize> {
        self.state().write(|txn| {
            let cut: Option<i64> = txn
                .prepare_cached(
                    "SELECT id FROM deliveries WHERE state <> 'waiting' ORDER BY id DESC LIMIT 1 OFFSET ?1",
                )?
                .query_row([rows], |row| row.get(0))
                .optional()?;
            let Some(cut) = cut else { return Ok(0) };
            Ok(txn
                .prepare_cached("DELETE FROM deliveries WHERE state <> 'waiting' AND id <= ?1")?
                .execute([cut])?)
        })
    }

    /// Keeps at most `rows` rows of who was told of what, and as many of what was not told: the newest.
    pub(crate) fn keep_newest_told(&self, rows: u64) -> Result<usize> {
        self.state().write(|txn| {
            let cut: Option<i64> = txn
                .prepare_cached("SELECT at_us FROM untold ORDER BY at_us DESC LIMIT 1 OFFSET ?1")?
                .query_row([rows], |row| row.get(0))
                .optional()?;
            if let Some(cut) = cut {
                txn.prepare_cached("DELETE FROM untold WHERE at_us <= ?1")?.execute([cut])?;
            }
            let cut: Option<i64> = txn
                .prepare_cached("SELECT told_us FROM told ORDER BY told_us DESC LIMIT 1 OFFSET ?1")?
                .query_row([rows], |row| row.get(0))
                .optional()?;
            let Some(cut) = cut else { return Ok(0) };
            Ok(txn.prepare_cached("DELETE FROM told WHERE told_us <= ?1")?.execute([cut])?)
        })
    }
}

/// The tables `deliveries` and `untold` as SQL shows them.
pub fn state_tables() -> [StateTable; 2] {
    use StateColumn::{Integer, Text, Time};
    let untold = StateTable {
        name: "untold",
        sql: "SELECT alert, route, why, reason, at_us AS time, told_in, told_us AS told FROM untold",
        columns: &[
            ("alert", Text),
            ("route", Text),
            ("why", Text),
            ("reason", Text),
            ("time", Time),
            ("told_in", Text),
            ("told", Time),
        ],
    };
    let deliveries = StateTable {
        name: "deliveries",
        sql: "SELECT id, key, channel, route, subject, thread, kind, title, state, attempts, created_us AS created, \
              next_us AS next, updated_us AS updated, last_error, notification FROM deliveries",
        columns: &[
            ("id", Integer),
            ("key", Text),
            ("channel", Text),
            ("route", Text),
            ("subject", Text),
            ("thread", Text),
            ("kind", Text),
            ("title", Text),
            ("state", Text),
            ("attempts", Integer),
            ("created", Time),
            ("next", Time),
            ("updated", Time),
            ("last_error", Text),
            ("notification", Text),
        ],
    };
    [deliveries, untold]
}
