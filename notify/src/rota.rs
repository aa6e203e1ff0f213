//! Who is on call.

use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use crate::hours::wall;
use crate::{Error, Result};

/// People who take turns. A member is the name of the channel that reaches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rota {
    /// Its name; routes say `rota:NAME`.
    pub name: String,
    /// The channels of its members, in the order of their turns.
    pub members: Vec<String>,
    /// When the first member's first turn begins, by the clock on the wall.
    pub start: NaiveDateTime,
    /// How long a turn is: handovers stay at the same time of day when the clock is changed.
    pub every: Duration,
    /// Whose clock.
    pub zone: Tz,
    /// Spans in which somebody else is on call; the last that fits counts.
    pub overrides: Vec<Override>,
}

/// A span in which `member` is on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Its begin, by the clock on the wall.
    pub from: NaiveDateTime,
    /// Its end, not included.
    pub to: NaiveDateTime,
    /// The channel that reaches them.
    pub member: String,
}

impl std::str::FromStr for Override {
    type Err = Error;

    /// Reads `2026-12-24T09:00/2026-12-27T09:00 NAME`.
    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (span, member) = text.trim().split_once(' ')?;
            let (from, to) = span.split_once('/')?;
            let (from, to) = (wall_time(from)?, wall_time(to)?);
            let member = member.trim();
            (from < to && !member.is_empty()).then(|| Self { from, to, member: member.to_owned() })
        };
        read().ok_or_else(|| Error::BadRoute {
            text: text.to_owned(),
            problem: "no override; write `2026-12-24T09:00/2026-12-27T09:00 CHANNEL`".into(),
        })
    }
}

/// Reads `2026-01-05T09:00`.
pub fn wall_time(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%dT%H:%M").ok()
}

impl Rota {
    /// The channel of who is on call at a time in microseconds since 1970; `None` where nobody is a member.
    pub fn on_call(&self, now_us: i64) -> Option<&str> {
        let now = wall(now_us, self.zone);
        let replaced = self.overrides.iter().rev().find(|one| one.from <= now && now < one.to);
        if let Some(replaced) = replaced {
            return Some(&replaced.member);
        }
        let turn = i64::try_from(self.every.as_secs()).unwrap_or(i64::MAX).max(60);
        let turns = now.signed_duration_since(self.start).num_seconds().div_euclid(turn);
        let members = i64::try_from(self.members.len()).ok().filter(|count| *count > 0)?;
        let place = usize::try_from(turns.rem_euclid(members)).ok()?;
        self.members.get(place).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn rota() -> Rota {
        Rota {
            name: "primary".into(),
            members: vec!["ann".into(), "bob".into(), "cem".into()],
            start: wall_time("2026-03-02T09:00").unwrap(),
            every: Duration::from_secs(7 * 86_400),
            zone: "Europe/Berlin".parse().unwrap(),
            overrides: vec!["2026-03-10T00:00/2026-03-11T00:00 dee".parse().unwrap()],
        }
    }

    #[track_caller]
    fn check(at: &str, expected: &str) {
        let now_us = DateTime::parse_from_rfc3339(at).unwrap().timestamp_micros();
        assert_eq!(rota().on_call(now_us), Some(expected), "{at}");
    }

    #[test]
    fn turns_go_round_by_the_clock_on_the_wall() {
        check("2026-03-02T08:00:00Z", "ann");
        check("2026-03-02T07:59:59Z", "cem");
        check("2026-03-09T07:59:59Z", "ann");
        check("2026-03-09T08:00:00Z", "bob");
        // Summer time has begun: nine o'clock is an hour earlier.
        check("2026-03-30T06:59:59Z", "ann");
        check("2026-03-30T07:00:00Z", "bob");
    }

    #[test]
    fn an_override_goes_before() {
        check("2026-03-09T22:59:59Z", "bob");
        check("2026-03-09T23:00:00Z", "dee");
        check("2026-03-10T22:59:59Z", "dee");
        check("2026-03-10T23:00:00Z", "bob");
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(Rota { members: Vec::new(), overrides: Vec::new(), ..rota() }.on_call(0), None);
        for text in ["", "ann", "2026-03-10T00:00 ann", "2026-03-10T00:00/2026-03-10T00:00 ann", "a/b c"] {
            assert!(text.parse::<Override>().is_err(), "{text}");
        }
    }
}
