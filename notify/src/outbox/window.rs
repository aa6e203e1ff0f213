//! Windows of time in which alerts are gathered for a digest, or counted once they are a flood.

use rusqlite::OptionalExtension as _;
use storage::state::{Txn, rusqlite};

use super::{Outbox, Why};
use crate::Result;

/// The longest window of a flood that goes on.
const LONGEST_US: i64 = 3_600_000_000;

/// An alert on its way into a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) route: &'a str,
    pub(crate) rule: &'a str,
    pub(crate) title: &'a str,
    pub(crate) severity_id: u8,
    pub(crate) alert: &'a str,
    pub(crate) window_us: i64,
}

/// What becomes of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is told by itself.
    Told,
    /// It is counted.
    Held,
}

/// What a window of one rule has held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) rule: String,
    pub(crate) title: String,
    pub(crate) severity_id: u8,
    pub(crate) begin_us: i64,
    pub(crate) told: u64,
    pub(crate) held: u64,
    pub(crate) first_alert: String,
    pub(crate) last_alert: String,
}

/// A window that has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closed {
    /// More of one rule than are told one by one.
    Flood { route: String, line: Line },
    /// What a route has gathered, a line a rule.
    Digest { route: String, lines: Vec<Line> },
}

impl Closed {
    /// What it has held, a line a rule.
    pub(crate) fn lines(&self) -> &[Line] {
        match self {
            Self::Flood { line, .. } => std::slice::from_ref(line),
            Self::Digest { lines, .. } => lines,
        }
    }

    /// Why that was not told at once.
    pub(crate) fn why(&self) -> Why {
        match self {
            Self::Flood { .. } => Why::Fold,
            Self::Digest { .. } => Why::Digest,
        }
    }
}

impl Outbox {
    /// When the window closes that counts the next alert of a rule; `None`: a route tells it by itself.
    pub(crate) fn counts_until(&self, route: &str, rule: &str, burst: u32) -> Result<Option<i64>> {
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT close_us FROM windows WHERE route = ?1 AND kind = 'fold' AND rule = ?2 AND told >= ?3",
            )?;
            let close_us = select.query_row(rusqlite::params![route, rule, burst], |row| row.get(0));
            Ok(close_us.optional()?)
        })
    }

    /// Counts an alert of a rule; up to `burst` are told by themselves.
    pub(crate) fn fold(txn: &Txn<'_>, opening: &Opening<'_>, burst: u32, now_us: i64) -> Result<Fate> {
        let told: Option<u32> = txn
            .prepare_cached("SELECT told FROM windows WHERE route = ?1 AND kind = 'fold' AND rule = ?2")?
            .query_row([opening.route, opening.rule], |row| row.get(0))
            .optional()?;
        if told.is_none_or(|told| told < burst) {
            Self::count(txn, opening, "fold", now_us, (1, 0))?;
            return Ok(Fate::Told);
        }
        Self::count(txn, opening, "fold", now_us, (0, 1))?;
        Ok(Fate::Held)
    }

    /// Gathers an alert for a route's digest.
    pub(crate) fn gather(txn: &Txn<'_>, opening: &Opening<'_>, now_us: i64) -> Result<()> {
        Self::count(txn, opening, "digest", now_us, (0, 1))
    }

    fn count(
        txn: &Txn<'_>,
        opening: &Opening<'_>,
        kind: &str,
        now_us: i64,
        counts: (u32, u32),
    ) -> Result<()> {
        // All rules of a digest close together.
        let close_us: Option<i64> = match kind {
            "digest" => txn
                .prepare_cached("SELECT min(close_us) FROM windows WHERE route = ?1 AND kind = 'digest'")?
                .query_row([opening.route], |row| row.get(0))?,
            _ => None,
        };
        txn.prepare_cached(
            "INSERT INTO windows (route, kind, rule, title, severity_id, begin_us, close_us, rounds, told, held,
                first_alert, last_alert)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?10)
             ON CONFLICT (route, kind, rule) DO UPDATE SET told = told + ?8, held = held + ?9, last_alert = ?10,
                severity_id = max(severity_id, ?5), title = ?4",
        )?
        .execute(rusqlite::params![
            opening.route,
            kind,
            opening.rule,
            opening.title,
            opening.severity_id,
            now_us,
            close_us.unwrap_or_else(|| now_us.saturating_add(opening.window_us)),
            counts.0,
            counts.1,
            opening.alert
        ])?;
        Ok(())
    }

    /// Whether a window has closed.
    pub(crate) fn has_closed(&self, now_us: i64) -> Result<bool> {
        self.state().read(|db| {
            let mut select =
                db.prepare_cached("SELECT EXISTS (SELECT 1 FROM windows WHERE close_us <= ?1)")?;
            Ok(select.query_row([now_us], |row| row.get(0))?)
        })
    }

    /// Takes what the windows that have closed hold. After a flood the next window begins at once, twice as
    /// long and all silent: what goes on is told at growing intervals.
    pub(crate) fn close_windows(txn: &Txn<'_>, now_us: i64) -> Result<Vec<Closed>> {
        let mut closed = Vec::new();
        let mut select = txn.prepare_cached(
            "SELECT route, kind, rule, title, severity_id, begin_us, close_us, rounds, told, held, first_alert, last_alert
             FROM windows WHERE close_us <= ?1 ORDER BY route, kind, severity_id DESC, held DESC, rule LIMIT 1000",
        )?;
        let rows = select
            .query_map([now_us], |row| {
                let line = Line {
                    rule: row.get(2)?,
                    title: row.get(3)?,
                    severity_id: row.get(4)?,
                    begin_us: row.get(5)?,
                    told: row.get(8)?,
                    held: row.get(9)?,
                    first_alert: row.get(10)?,
                    last_alert: row.get(11)?,
                };
                let rounds: u32 = row.get(7)?;
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(6)?, rounds, line))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for (route, kind, close_us, rounds, line) in rows {
            if kind == "fold" && line.held > 1 {
                let span = close_us.saturating_sub(line.begin_us).saturating_mul(2);
                let span = span.clamp(1_000_000, LONGEST_US.max(close_us.saturating_sub(line.begin_us)));
                txn.prepare_cached(
                    "UPDATE windows SET begin_us = ?3, close_us = ?4, rounds = ?5, told = ?6, held = 0
                     WHERE route = ?1 AND kind = 'fold' AND rule = ?2",
                )?
                .execute(rusqlite::params![
                    route,
                    line.rule,
                    now_us,
                    now_us.saturating_add(span),
                    rounds.saturating_add(1),
                    SILENT
                ])?;
            } else {
                txn.prepare_cached("DELETE FROM windows WHERE route = ?1 AND kind = ?2 AND rule = ?3")?
                    .execute(rusqlite::params![route, kind, line.rule])?;
            }
            if line.held == 0 {
                continue;
            }
            if kind == "fold" {
                closed.push(Closed::Flood { route, line });
                continue;
            }
            match closed.last_mut() {
                Some(Closed::Digest { route: same, lines }) if *same == route => lines.push(line),
                _ => closed.push(Closed::Digest { route, lines: vec![line] }),
            }
        }
        Ok(closed)
    }
}

/// As many as told that no further one is.
const SILENT: u32 = u32::MAX;

impl Line {
    /// How many alerts there were in all.
    pub(crate) fn total(&self) -> u64 {
        let told = if self.told >= u64::from(SILENT) { 0 } else { self.told };
        told + self.held
    }
}
