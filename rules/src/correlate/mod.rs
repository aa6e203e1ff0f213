//! Correlations: matches of rules, joined by what they have in common and by time.
//!
//! A match that a correlation asks for is a [`Hit`]: key, time, event, value. A group is the hits with one
//! key. What a group amounts to is a function of its hits alone ([`window`]): no order of arrival, no
//! repetition and no restart changes it. [`Correlator`] keeps the groups, judges again what has changed, and
//! tells the difference to what it told before: an episode is raised, grows, or is withdrawn because a late
//! event refutes it.
//!
//! Times are those of the events. What must wait for a window to be over waits for the watermark, the time
//! below which events are no longer expected; it is given, not read from a clock.

mod correlator;
mod hit;
pub(crate) mod person;
mod prune;
#[cfg(test)]
mod tests;
mod window;

pub use correlator::{
    Bound, Cleared, Correlator, CorrelatorLimits, CorrelatorStats, Episode, Finding, Observed, Remembered,
};
pub use hit::{Hit, HitValue, Hits};
pub(crate) use person::Whose;

use crate::check::judge::{Asks, Judge};
use crate::compile::Correlation;

/// What a correlation wants of an event beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    Text,
    Number,
    AddressAtPlace,
}

impl Correlation {
    /// How long before the time from which on events are waited for a match may lie and still matter, in
    /// microseconds.
    pub fn keep_us(&self) -> i64 {
        const DAY_US: i64 = 86_400_000_000;
        let past_us = match &self.judge {
            Judge::Volume { learning_us, .. } => {
                window::HISTORY_US.max(*learning_us).saturating_add(self.timespan_us().saturating_mul(2))
            }
            Judge::FirstSeen { .. } => self.timespan_us().saturating_add(2 * DAY_US),
            _ => self.timespan_us(),
        };
        self.reach_us.saturating_add(past_us)
    }

    pub(crate) fn wants(&self) -> Wants {
        match &self.judge {
            Judge::Rolling(asks) | Judge::Closed(asks) => match asks {
                Asks::Distinct(_) => Wants::Text,
                Asks::Number(..) => Wants::Number,
                Asks::Count(_) | Asks::Rules(_) | Asks::Presence(_) => Wants::Nothing,
            },
            Judge::FirstSeen { .. } | Judge::Rare { .. } => Wants::Text,
            Judge::Ordered { differs: true, .. } => Wants::Text,
            Judge::Travel { .. } => Wants::AddressAtPlace,
            Judge::Following(_) | Judge::Ordered { .. } | Judge::Absence | Judge::Volume { .. } => {
                Wants::Nothing
            }
        }
    }
}
