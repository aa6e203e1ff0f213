//! The queue of a channel: what is next, and what became of it.

use rusqlite::OptionalExtension as _;
use storage::state::{Txn, rusqlite};

use super::Outbox;
use crate::{Notification, Result};

/// How many that wait are called at most when a channel takes one: what follows is called by those, so that a channel
/// that takes messages again is not asked for all of them at once.
const CALLED: u32 = 10;

/// What is next: first what has its own turn, then what was called before it, else what comes first.
const TURNS: [&str; 3] = [
    "d.next_us <= ?2 AND (d.planned_us IS NULL OR d.planned_us <= ?2)",
    "d.next_us <= ?2 AND d.planned_us > ?2",
    "d.next_us > ?2",
];

/// Who waits no longer than so for the next attempt is not called: the first retry is soon enough.
const MOMENT_US: i64 = 6_000_000;

/// Who was called and not taken is not called again before.
const AGAIN_US: i64 = 30 * 60 * 1_000_000;

/// A delivery whose turn it is.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: i64,
    pub(crate) key: String,
    pub(crate) thread: String,
    /// `None`: the row is damaged.
    pub(crate) notification: Option<Notification>,
    pub(crate) remembered: Option<String>,
    /// Attempts made before.
    pub(crate) attempts: u32,
    /// When its turn would be by its own schedule, where it was called before that.
    pub(crate) planned_us: Option<i64>,
}

/// What a worker finds.
#[derive(Debug)]
pub(crate) enum Next {
    /// This one is to be sent now.
    Due(Box<Waiting>),
    /// The next is due at this time.
    At(i64),
    /// There is nothing.
    Nothing,
}

impl Outbox {
    /// What is next for a channel: of the first delivery of each thread the one that is due first. What was called
    /// before its turn delays none that has its own.
    pub(crate) fn next(&self, channel: &str, now_us: i64) -> Result<Next> {
        self.state().read(|db| {
            for turn in TURNS {
                let mut select = db.prepare_cached(&format!(
                    "SELECT d.id, d.key, d.thread, d.notification, d.attempts, t.remembered, d.planned_us, d.next_us
                     FROM deliveries d
                     LEFT JOIN threads t ON t.channel = d.channel AND t.thread = d.thread
                     WHERE d.channel = ?1 AND d.state = 'waiting' AND {turn} AND NOT EXISTS (
                         SELECT 1 FROM deliveries e
                         WHERE e.channel = d.channel AND e.thread = d.thread AND e.state = 'waiting' AND e.id < d.id)
                     ORDER BY d.next_us, d.id LIMIT 1"
                ))?;
                let found = select
                    .query_row(rusqlite::params![channel, now_us], |row| {
                        let text: String = row.get(3)?;
                        let waiting = Waiting {
                            id: row.get(0)?,
                            key: row.get(1)?,
                            thread: row.get(2)?,
                            notification: serde_json::from_str(&text).ok(),
                            attempts: row.get(4)?,
                            remembered: row.get(5)?,
                            planned_us: row.get(6)?,
                        };
                        Ok((waiting, row.get::<_, i64>(7)?))
                    })
                    .optional()?;
                match found {
                    Some((waiting, next_us)) if next_us <= now_us => return Ok(Next::Due(Box::new(waiting))),
                    Some((_, next_us)) => return Ok(Next::At(next_us)),
                    None => {}
                }
            }
            Ok(Next::Nothing)
        })
    }

    /// It was taken; what is to be remembered of its thread is kept. Some of what waits longer than a moment for
    /// another attempt are called now, as the channel takes messages. Of one that is not taken then the turn stays as it
    /// was, so that a message that the channel will not take is not tried with each that it takes.
    pub(crate) fn delivered(
        &self,
        channel: &str,
        sent: &Waiting,
        remember: Option<&str>,
        now_us: i64,
    ) -> Result<()> {
        self.state().write(|txn| {
            txn.prepare_cached(
                "UPDATE deliveries SET state = 'delivered', notification = '', attempts = attempts + 1, updated_us = ?2, last_error = ''
                 WHERE id = ?1",
            )?
            .execute(rusqlite::params![sent.id, now_us])?;
            if let Some(remember) = remember {
                txn.prepare_cached(
                    "INSERT INTO threads (channel, thread, remembered, updated_us) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (channel, thread) DO UPDATE SET remembered = ?3, updated_us = ?4",
                )?
                .execute(rusqlite::params![channel, sent.thread, remember, now_us])?;
            }
            let again_us = now_us.saturating_sub(AGAIN_US);
            call(txn, channel, now_us, now_us.saturating_add(MOMENT_US), again_us)
        })
    }

    /// It was not taken and is tried again at `next_us`, unless its channel is gone by now.
    pub(crate) fn put_off(
        &self,
        id: i64,
        attempts: u32,
        reason: &str,
        next_us: i64,
        now_us: i64,
    ) -> Result<()> {
        self.state().write(|txn| {
            txn.prepare_cached(
                "UPDATE deliveries SET attempts = ?2, last_error = ?3, next_us = ?4, updated_us = ?5, planned_us = NULL
                 WHERE id = ?1 AND state = 'waiting'",
            )?
            .execute(rusqlite::params![id, attempts, reason, next_us, now_us])?;
            Ok(())
        })
    }

    /// It was called before its turn and not taken: its turn stays, and this attempt does not count. Unless
    /// `are_others_called` still, they have their own turns again as well, and may be called with the next that is taken.
    pub(crate) fn put_back(
        &self,
        channel: &str,
        id: i64,
        reason: &str,
        are_others_called: bool,
        now_us: i64,
    ) -> Result<()> {
        self.state().write(|txn| {
            txn.prepare_cached(
                "UPDATE deliveries SET last_error = ?2, next_us = coalesce(planned_us, next_us), updated_us = ?3
                 WHERE id = ?1 AND state = 'waiting'",
            )?
            .execute(rusqlite::params![id, reason, now_us])?;
            if are_others_called {
                return Ok(());
            }
            txn.prepare_cached(
                "UPDATE deliveries SET next_us = planned_us, planned_us = NULL
                 WHERE channel = ?1 AND state = 'waiting' AND planned_us > ?2 AND next_us < planned_us",
            )?
            .execute(rusqlite::params![channel, now_us])?;
            Ok(())
        })
    }

    /// It is not tried again unless somebody wants it.
    pub(crate) fn bury(&self, id: i64, attempts: u32, reason: &str, now_us: i64) -> Result<()> {
        self.state().write(|txn| {
            txn.prepare_cached(
                "UPDATE deliveries SET state = 'dead', attempts = ?2, last_error = ?3, updated_us = ?4 WHERE id = ?1",
            )?
            .execute(rusqlite::params![id, attempts, reason, now_us])?;
            Ok(())
        })
    }

    /// The channel works again: some of what it could not take are called now, in their old order, also those that
    /// were called before.
    pub(crate) fn bring_forward(&self, channel: &str, now_us: i64) -> Result<()> {
        self.state().write(|txn| call(txn, channel, now_us, now_us, i64::MAX))
    }
}

/// Calls what waits for another attempt until after `after_us`, the oldest first, so that at most [`CALLED`] are called;
/// of what was called and not taken only that which was tried before `tried_us`.
fn call(txn: &Txn<'_>, channel: &str, now_us: i64, after_us: i64, tried_us: i64) -> Result<()> {
    txn.prepare_cached(
        "UPDATE deliveries SET planned_us = coalesce(planned_us, next_us), next_us = ?2 WHERE id IN (
            SELECT id FROM deliveries
            WHERE channel = ?1 AND state = 'waiting' AND next_us > ?3 AND attempts > 0
                AND (planned_us IS NULL OR updated_us < ?4)
            ORDER BY id LIMIT max(0, ?5 - (
                SELECT count(*) FROM deliveries
                WHERE channel = ?1 AND state = 'waiting' AND planned_us > ?2 AND next_us < planned_us)))",
    )?
    .execute(rusqlite::params![channel, now_us, after_us, tried_us, CALLED])?;
    Ok(())
}
