//! Alerts that are not told by themselves, and why: no route takes them, or they are told with others.
//!
//! A row is written in the transaction that decides so. What is counted is told when its window closes; the row then
//! names the digest or flood that it was told in. Of an alert that is told with an incident it names the incident: that
//! may be split, and then only the row says in which messages the alert was.

use storage::state::{Txn, rusqlite};

use super::Outbox;
use crate::Result;

/// Why an alert is not told by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// No route takes it.
    Unrouted,
    /// A route takes it, and nobody is on call.
    Nobody,
    /// Somebody had taken it before it was to be told.
    Taken,
    /// A route gathers it for a digest.
    Digest,
    /// There are many of its rule at once, and it is counted.
    Fold,
    /// It was told with an incident, which it may have left since.
    Incident,
}

impl Why {
    const ALL: [Self; 6] =
        [Self::Unrouted, Self::Nobody, Self::Taken, Self::Digest, Self::Fold, Self::Incident];

    /// The name in SQL and in the API; of what windows hold their kind.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unrouted => "unrouted",
            Self::Nobody => "nobody",
            Self::Taken => "taken",
            Self::Digest => "digest",
            Self::Fold => "fold",
            Self::Incident => "incident",
        }
    }
}

/// An alert that a route does not tell by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) alert: String,
    /// Empty: of all routes.
    pub(crate) route: String,
    pub(crate) why: Why,
    /// Empty: of an alert that is told with an incident.
    pub(crate) rule: String,
    /// In words; may be empty.
    pub(crate) reason: String,
    pub(crate) at_us: i64,
    /// When the window closes that holds it, microseconds since 1970.
    pub(crate) until_us: Option<i64>,
    /// What it was told in, and when.
    pub(crate) told_in: Option<(String, i64)>,
}

impl Outbox {
    /// Notes that an alert is not told by itself, in the place of what was noted of it and the route before.
    pub(crate) fn set_untold(txn: &Txn<'_>, untold: &Untold) -> Result<()> {
        txn.prepare_cached(
            "INSERT INTO untold (alert, route, why, rule, reason, at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (alert, route) DO UPDATE SET why = ?3, rule = ?4, reason = ?5, at_us = ?6, told_in = NULL,
                told_us = NULL",
        )?
        .execute(rusqlite::params![
            untold.alert,
            untold.route,
            untold.why.as_str(),
            untold.rule,
            untold.reason,
            untold.at_us
        ])?;
        Ok(())
    }

    /// Notes in which incident alerts are told, unless they are held or were told by the route already.
    pub(crate) fn told_with<'a>(
        txn: &Txn<'_>,
        route: &str,
        incident: &str,
        alerts: impl Iterator<Item = &'a str>,
        now_us: i64,
    ) -> Result<()> {
        let mut insert = txn.prepare_cached(
            "INSERT INTO untold (alert, route, why, rule, reason, at_us, told_in, told_us)
             VALUES (?1, ?2, 'incident', '', '', ?4, ?3, ?4) ON CONFLICT (alert, route) DO UPDATE SET
                why = excluded.why, rule = '', reason = '', at_us = excluded.at_us, told_in = excluded.told_in,
                told_us = excluded.told_us
             WHERE why IN ('nobody', 'unrouted')",
        )?;
        for alert in alerts {
            insert.execute(rusqlite::params![alert, route, incident, now_us])?;
        }
        Ok(())
    }

    /// An alert is told by itself after all.
    pub(crate) fn forget_untold(txn: &Txn<'_>, alert: &str, route: &str) -> Result<()> {
        txn.prepare_cached("DELETE FROM untold WHERE alert = ?1 AND route = ?2")?.execute([alert, route])?;
        Ok(())
    }

    /// What a window of a rule held is told now, in a digest or flood.
    pub(crate) fn told_in(
        txn: &Txn<'_>,
        (route, why, rule): (&str, Why, &str),
        subject: &str,
        now_us: i64,
    ) -> Result<()> {
        txn.prepare_cached(
            "UPDATE untold SET told_in = ?4, told_us = ?5
             WHERE route = ?1 AND why = ?2 AND rule = ?3 AND told_us IS NULL",
        )?
        .execute(rusqlite::params![route, why.as_str(), rule, subject, now_us])?;
        Ok(())
    }

    /// What a window of a rule held is told now by another route: its own is gone. It is still held until it is
    /// [let go](Self::let_go), as several routes may tell it.
    pub(crate) fn told_by(
        txn: &Txn<'_>,
        (route, why, rule): (&str, Why, &str),
        other: &str,
        subject: &str,
        now_us: i64,
    ) -> Result<()> {
        txn.prepare_cached(
            "INSERT INTO untold (alert, route, why, rule, reason, at_us, told_in, told_us)
             SELECT alert, ?4, why, rule, reason, at_us, ?5, ?6 FROM untold
             WHERE route = ?1 AND why = ?2 AND rule = ?3 AND told_us IS NULL
             ON CONFLICT (alert, route) DO UPDATE SET why = excluded.why, rule = excluded.rule,
                reason = excluded.reason, at_us = excluded.at_us, told_in = excluded.told_in,
                told_us = excluded.told_us",
        )?
        .execute(rusqlite::params![route, why.as_str(), rule, other, subject, now_us])?;
        Ok(())
    }

    /// What a window of a rule held is held no more.
    pub(crate) fn let_go(txn: &Txn<'_>, (route, why, rule): (&str, Why, &str)) -> Result<()> {
        txn.prepare_cached(
            "DELETE FROM untold WHERE route = ?1 AND why = ?2 AND rule = ?3 AND told_us IS NULL",
        )?
        .execute([route, why.as_str(), rule])?;
        Ok(())
    }

    /// What a window of a rule held goes nowhere, because of `lost`.
    pub(crate) fn lose_held(
        txn: &Txn<'_>,
        (route, why, rule): (&str, Why, &str),
        lost: Why,
        reason: &str,
    ) -> Result<()> {
        txn.prepare_cached(
            "UPDATE untold SET why = ?4, reason = ?5
             WHERE route = ?1 AND why = ?2 AND rule = ?3 AND told_us IS NULL",
        )?
        .execute([route, why.as_str(), rule, lost.as_str(), reason])?;
        Ok(())
    }

    /// Why alerts were not told by themselves, some rows at most.
    pub(crate) fn untold(&self, alerts: &[String]) -> Result<Vec<Untold>> {
        let alerts = serde_json::to_string(alerts)?;
        self.state().read(|db| {
            let mut select = db.prepare_cached(
                "SELECT u.alert, u.route, u.why, u.rule, u.reason, u.at_us, w.close_us, u.told_in, u.told_us
                 FROM untold u LEFT JOIN windows w
                 ON u.told_us IS NULL AND w.route = u.route AND w.kind = u.why AND w.rule = u.rule
                 WHERE u.alert IN (SELECT value FROM json_each(?1)) ORDER BY u.at_us, u.alert, u.route LIMIT 2000",
            )?;
            let rows = select.query_map([alerts], |row| {
                let why: String = row.get(2)?;
                let (told_in, told_us): (Option<String>, Option<i64>) = (row.get(7)?, row.get(8)?);
                Ok(Untold {
                    alert: row.get(0)?,
                    route: row.get(1)?,
                    why: Why::ALL.into_iter().find(|known| known.as_str() == why).unwrap_or(Why::Unrouted),
                    rule: row.get(3)?,
                    reason: row.get(4)?,
                    at_us: row.get(5)?,
                    until_us: row.get(6)?,
                    told_in: told_in.zip(told_us),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}
