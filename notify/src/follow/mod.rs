//! From what happens to alerts and incidents to what is told: their feeds are followed, routes are asked,
//! deliveries are put into the outbox, and the places in the feeds move, all in one transaction.
//!
//! An alert that belongs to an incident is told with it. Which incident an alert belongs to is known once
//! incidents have followed the feed of alerts as far; that is waited for, and not for long.

mod alert;
mod escalate;
mod incident;
pub(crate) mod known;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use alerts::incident::Incidents;
use alerts::{AlertStore, FeedEntry};
use parking_lot::Mutex;
use storage::state::Txn;

use crate::channel::Manner;
use crate::outbox::{Draft, Outbox, Told, key};
use crate::route::{DEFAULT_TELL, Routing};
use crate::subject::LinkTemplate;
use crate::{Error, Notification, NotificationKind, Result};
use known::Known;

/// How many entries of a feed share a transaction at most.
const BATCH: usize = 500;

/// How long an alert waits for incidents to look at it, in microseconds. They take some milliseconds, seconds where the machine has
/// too much to do or they are read from the database at a start. When they have not moved for so long they are stuck,
/// and rather is an alert told by itself than not at all.
pub const PATIENCE_US: i64 = 30_000_000;

/// How long further alerts wait for incidents that are stuck.
const SHORT_PATIENCE_US: i64 = 1_000_000;

/// Where a person reads more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// Of an alert.
    pub alerts: LinkTemplate,
    /// Of an incident.
    pub incidents: LinkTemplate,
}

/// What follows the feeds.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) outbox: Outbox,
    pub(crate) alerts: AlertStore,
    /// `None`: alerts are told by themselves.
    pub(crate) incidents: Option<Incidents>,
    pub(crate) routing: Routing,
    /// All channels by name.
    pub(crate) channels: BTreeMap<String, Manner>,
    pub(crate) links: Links,
    /// Shared by one follower with the next.
    pub(crate) patience: Arc<Mutex<Patience>>,
}

/// What the follower waits for.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// The first entry of the feed that incidents have not looked at, and since when it is waited for.
    waiting: Option<(u64, i64)>,
    /// Up to where incidents had followed when they were found stuck.
    stuck_at: Option<u64>,
}

impl Patience {
    /// Up to which entry of those up to `last` may be told, when incidents have followed up to `passed` and
    /// `next` is the first that they have not.
    fn bound(&mut self, passed: u64, next: Option<u64>, last: u64, now_us: i64) -> u64 {
        self.stuck_at = self.stuck_at.filter(|at| *at == passed);
        let Some(next) = next else {
            self.waiting = None;
            return last;
        };
        let since_us = match self.waiting {
            // The clock may have been set back.
            Some((waiting, since_us)) if waiting == next && since_us <= now_us => since_us,
            _ => now_us,
        };
        let patience_us = if self.stuck_at.is_some() { SHORT_PATIENCE_US } else { PATIENCE_US };
        if now_us.saturating_sub(since_us) < patience_us {
            self.waiting = Some((next, since_us));
            return passed;
        }
        if self.stuck_at.is_none() {
            tracing::warn!("incidents do not follow the alerts; alerts are told by themselves until they do");
        }
        self.waiting = None;
        self.stuck_at = Some(passed);
        last
    }
}

impl Follower {
    /// Follows the feeds for a while, and tells what has become due: escalations, digests, floods, how incidents
    /// grow. Returns whether something was done; there may be more then.
    pub(crate) fn turn(&self, now_us: i64) -> Result<bool> {
        let seq = self.outbox.position()?.unwrap_or(0);
        let entries = self.ready(self.alerts.feed(seq, BATCH)?, now_us)?;
        let incident_seq = self.outbox.incident_position()?.unwrap_or(0);
        let changes = match &self.incidents {
            Some(incidents) => incidents.feed(incident_seq, BATCH)?,
            None => Vec::new(),
        };
        let has_closed = self.outbox.has_closed(now_us)?;
        let steps = self.outbox.due_steps(now_us)?;
        let grown = self.outbox.due_growth(now_us)?;
        if entries.is_empty() && changes.is_empty() && grown.is_empty() && !has_closed && steps.is_empty() {
            return Ok(false);
        }
        let mut known = Known::default();
        if !self.routing.routes.is_empty() {
            for entry in &entries {
                if NotificationKind::of_alert_change(&entry.change).is_some() {
                    self.read(&entry.alert_id, &mut known)?;
                }
            }
            for change in &changes {
                match change.change.as_str() {
                    "opened" | "severity" | "reopened" | "acknowledge_overdue" | "close_overdue" => {
                        self.read_members(&change.incident_id, &mut known)?;
                    }
                    _ => self.read_incident(&change.incident_id, &mut known)?,
                }
            }
        }
        for step in &steps {
            self.read(&step.subject, &mut known)?;
            if !known.alerts.contains_key(&step.subject) {
                self.read_incident(&step.subject, &mut known)?;
            }
        }
        for told in &grown {
            self.read_incident(&told.subject, &mut known)?;
        }
        self.outbox.state().write(|txn| {
            if has_closed {
                for closed in Outbox::close_windows(txn, now_us)? {
                    self.tell_closed(txn, &closed, now_us)?;
                }
            }
            for change in &changes {
                self.tell_incident_change(txn, change, &known)?;
            }
            if let Some(last) = changes.last() {
                Outbox::set_incident_position(txn, last.seq)?;
            }
            for entry in &entries {
                if let Some(stored) = known.alerts.get(&entry.alert_id) {
                    self.tell_entry(txn, entry, stored, &known)?;
                }
            }
            if let Some(last) = entries.last() {
                Outbox::set_position(txn, last.seq)?;
            }
            for told in &grown {
                self.tell_growth(txn, told, known.incident(&told.subject), now_us)?;
            }
            for step in &steps {
                self.escalate(txn, step, &known, now_us)?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(true)
    }

    /// The entries that may be told: those that incidents have looked at, or that have waited long enough.
    fn ready(&self, mut entries: Vec<FeedEntry>, now_us: i64) -> Result<Vec<FeedEntry>> {
        let (Some(incidents), Some(last)) = (&self.incidents, entries.last().map(|entry| entry.seq)) else {
            return Ok(entries);
        };
        let passed = incidents.position()?;
        let next = entries.iter().map(|entry| entry.seq).find(|seq| *seq > passed);
        let bound = self.patience.lock().bound(passed, next, last, now_us);
        entries.retain(|entry| entry.seq <= bound);
        Ok(entries)
    }

    /// How a channel that was told by a route is told something that happens later: `Some(true)` quietly, `None`
    /// not at all.
    fn is_quiet(&self, told: &Told, kind: NotificationKind) -> Option<bool> {
        let manner = self.channels.get(&told.channel).copied().unwrap_or(Manner::Letter);
        if kind == NotificationKind::Commented && !manner.takes_comments() {
            return None;
        }
        // Whoever was told by a route that is gone still learns the end of it.
        let tell = self.routing.find(&told.route).map_or(DEFAULT_TELL, |route| route.tell.as_slice());
        if tell.contains(&kind) {
            return Some(false);
        }
        (kind != NotificationKind::Commented && manner.takes_quiet()).then_some(true)
    }

    fn put(
        &self,
        txn: &Txn<'_>,
        route: &str,
        channel: &str,
        notification: &Notification,
        key: &str,
        now_us: i64,
    ) -> Result<()> {
        if !self.channels.contains_key(channel) {
            tracing::warn!(channel, route, "there is no such channel any more; nothing is told to it");
            return Ok(());
        }
        Outbox::put(txn, &Draft { key: key.to_owned(), channel, route, notification }, now_us)
    }
}

/// A delivery for an entry of the feed; two routes that tell the same channel tell it once.
fn feed_key(entry: &FeedEntry, channel: &str) -> String {
    // What was held has no place in the feed of its own.
    let place = if entry.seq == 0 { "held".to_owned() } else { entry.seq.to_string() };
    key(&["feed", &place, &entry.alert_id, channel])
}

/// The name of a severity.
pub(crate) fn severity(severity_id: u8) -> &'static str {
    match severity_id {
        1 => "informational",
        2 => "low",
        3 => "medium",
        4 => "high",
        5 => "critical",
        _ => "unknown",
    }
}

pub(crate) fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_incidents_have_not_looked_at_waits_and_not_for_ever() {
        let mut patience = Patience::default();
        assert_eq!(patience.bound(0, Some(1), 5, 0), 0);
        assert_eq!(patience.bound(0, Some(1), 5, PATIENCE_US - 1), 0);
        let mut now_us = PATIENCE_US;
        assert_eq!(patience.bound(3, Some(4), 5, now_us), 3, "the next waits anew");
        now_us += PATIENCE_US;
        assert_eq!(patience.bound(3, Some(4), 6, now_us - 1), 3);
        assert_eq!(patience.bound(3, Some(4), 6, now_us), 6);
        // They are stuck, and what follows waits for a moment.
        assert_eq!(patience.bound(3, Some(7), 7, now_us), 3);
        assert_eq!(patience.bound(3, Some(7), 8, now_us + SHORT_PATIENCE_US - 1), 3);
        now_us += SHORT_PATIENCE_US;
        assert_eq!(patience.bound(3, Some(7), 8, now_us), 8);
        // They have moved.
        assert_eq!(patience.bound(4, Some(9), 9, now_us), 4);
        assert_eq!(patience.bound(4, Some(9), 9, now_us + PATIENCE_US - 1), 4);
        // The clock is set back, and it is not waited for longer.
        assert_eq!(patience.bound(4, Some(9), 9, 0), 4);
        assert_eq!(patience.bound(4, Some(9), 9, PATIENCE_US), 9);
        assert_eq!(patience.bound(9, None, 9, PATIENCE_US), 9);
        assert_eq!(patience.waiting, None);
    }
}
