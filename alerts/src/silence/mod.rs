//! Silences: alerts that are known and not to be told for a while.
//!
//! An alert that a silence covers is recorded as any other, with the silence's id; it is not told, and lists
//! leave it out unless asked. Nothing is ever deleted, and what a silence hid can be released, which counts as
//! raised then.
//!
//! Whether an alert is covered is a function of the alert and of the silences that are in force when it is
//! recorded, decided in that transaction. The times of a silence are compared with those of the alert's events
//! and not with the clock: what happened during a maintenance window is covered by it also if the log comes
//! late, and what happened before or after is not.

mod matcher;
mod pattern;
mod schedule;
mod store;
mod trial;

use serde::{Deserialize, Serialize};

pub use matcher::{Matcher, Target};
pub use pattern::Pattern;
pub use schedule::{Schedule, WeeklyWindow};
pub use store::{SILENCES, SilenceCount, SilencePage};
pub use trial::{Trial, TrialRule};

pub(crate) use store::InForce;

use crate::lifecycle::{OWNER_BYTES, REASON_BYTES};
use crate::{Alert, Error, Result};

/// The longest that a silence lasts, in microseconds: 366 days.
pub const LONGEST_US: i64 = 366 * 86_400_000_000;
/// The longest that a silence lasts which names nothing, in microseconds: 7 days.
pub const LONGEST_OF_ALL_US: i64 = 7 * 86_400_000_000;
/// The most fields that a silence names.
const MATCHERS: usize = 20;
/// The most patterns of a field.
const PATTERNS: usize = 100;

/// A silence as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceSpec {
    /// What an alert must be like, in every respect.
    pub matchers: Vec<Matcher>,
    /// From which time of events on, microseconds since 1970.
    pub starts_us: i64,
    /// Before which time of events.
    pub ends_us: i64,
    /// Only at these hours of the week; `None`: always.
    pub schedule: Option<Schedule>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Whether it is meant that it names nothing and so may hide everything. Asked for once, and not kept.
    pub is_of_all: bool,
}

/// A silence that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// What it is for.
    pub spec: SilenceSpec,
    /// When it was made, microseconds since 1970.
    pub created_us: i64,
    /// By whom.
    pub created_by: String,
    /// By whom it was ended before its time, when, and why.
    pub ended: Option<Ended>,
}

/// That somebody has ended a silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// What is true of a silence at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceStatus {
    /// It will begin.
    Pending,
    /// It covers what happens now, at the hours of its schedule.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody has ended it; it covers nothing any more.
    Ended,
}

impl SilenceStatus {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }
}

impl Silence {
    /// What is true of it at `now_us`.
    pub fn status(&self, now_us: i64) -> SilenceStatus {
        if self.ended.is_some() {
            SilenceStatus::Ended
        } else if now_us < self.spec.starts_us {
            SilenceStatus::Pending
        } else if now_us < self.spec.ends_us {
            SilenceStatus::Active
        } else {
            SilenceStatus::Expired
        }
    }
}

impl SilenceSpec {
    /// Refuses what would hide more than anybody can mean, or for ever.
    ///
    /// # Errors
    /// [`Error::SilenceRefused`], which says what is wrong and the mend.
    pub fn check(&self, now_us: i64) -> Result<()> {
        let refuse = |problem: String| Err(Error::SilenceRefused { problem });
        self.check_matchers()?;
        if self.reason.trim().is_empty() || self.reason.len() > REASON_BYTES {
            return refuse(format!("`reason` has 1 to {REASON_BYTES} bytes; say why"));
        }
        if self.owner.trim().is_empty() || self.owner.len() > OWNER_BYTES {
            return refuse(format!("`owner` has 1 to {OWNER_BYTES} bytes; say who answers for it"));
        }
        if self.ends_us <= self.starts_us {
            return refuse("it ends before it starts; choose a later end".to_owned());
        }
        if self.ends_us <= now_us {
            return refuse("its end has passed; choose a later one".to_owned());
        }
        let lasts_us = self.ends_us.saturating_sub(self.starts_us);
        if lasts_us > LONGEST_US {
            return refuse("it lasts longer than 366 days; choose an earlier end".to_owned());
        }
        if lasts_us > LONGEST_OF_ALL_US && !self.names_something() {
            return refuse(
                "it may hide everything and lasts longer than 7 days; choose an earlier end".to_owned(),
            );
        }
        Ok(())
    }

    /// A silence must name something, unless the opposite is meant. Severity and provider alone do not: they would
    /// hide whatever else happens.
    pub(crate) fn check_matchers(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::SilenceRefused { problem });
        if self.matchers.len() > MATCHERS {
            return refuse(format!("it names more than {MATCHERS} fields; make several silences"));
        }
        for matcher in &self.matchers {
            if matcher.patterns.is_empty() || matcher.patterns.len() > PATTERNS {
                return refuse(format!("`{}` takes 1 to {PATTERNS} values", matcher.target));
            }
        }
        if !self.is_of_all && !self.names_something() {
            return refuse(
                "it names nothing, so that it would hide everything; name a rule, an entity, a tag or another \
                 field by a value, by a pattern with at least three characters that are no wildcards, or by a network \
                 of at least /8 (IPv6: /16); or say that everything is meant (`everything`)"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether it says more than how grave alerts are and whose cloud they are of.
    fn names_something(&self) -> bool {
        let names = |matcher: &Matcher| {
            !matches!(matcher.target, Target::Severity | Target::Provider)
                && matcher.patterns.iter().all(Pattern::names_something)
        };
        self.matchers.iter().any(names)
    }

    /// Whether an alert is what the silence is for, and all of it happened while the silence was in force.
    pub fn covers(&self, alert: &Alert) -> bool {
        let is_within = |time_us: i64| self.starts_us <= time_us && time_us < self.ends_us;
        is_within(alert.time_us) && is_within(begin_us(alert)) && self.would_cover(alert)
    }

    /// The same, whatever the silence's own beginning and end are.
    pub(crate) fn would_cover(&self, alert: &Alert) -> bool {
        let at_its_hours = |time_us| self.schedule.as_ref().is_none_or(|schedule| schedule.is_on(time_us));
        self.matchers.iter().all(|matcher| matcher.matches(alert))
            && at_its_hours(alert.time_us)
            && at_its_hours(begin_us(alert))
    }
}

/// When the first event of an alert happened.
fn begin_us(alert: &Alert) -> i64 {
    alert.joined.as_ref().map_or(alert.time_us, |joined| joined.begin_us.min(alert.time_us))
}
