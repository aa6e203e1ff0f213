//! What is told of alerts: of those that belong to no incident, and of all where a route wants them.

use alerts::{AlertStatus, FeedEntry, StoredAlert};
use storage::state::Txn;

use super::known::{Known, KnownIncident};
use super::{Follower, feed_key, micros};
use crate::outbox::{Opening, Outbox, Told, Untold, Why, WindowFate};
use crate::route::{Considered, Route};
use crate::subject::{STORMGLASS, bounded};
use crate::trouble::failing_channel;
use crate::{Notification, NotificationKind, Result, SubjectKind};

/// The most bytes of why an alert is not told.
const REASON_BYTES: usize = 500;

impl Follower {
    pub(super) fn tell_entry(
        &self,
        txn: &Txn<'_>,
        entry: &FeedEntry,
        stored: &StoredAlert,
        known: &Known,
    ) -> Result<()> {
        let home = known.home(&entry.alert_id);
        let Some(kind) = NotificationKind::of_alert_change(&entry.change) else { return Ok(()) };
        // What a silence hides is not told, whatever happens to it; once released it comes as raised.
        if stored.suppressed_by.is_some() {
            return Ok(());
        }
        // It goes on from one that was told, and somebody has taken that already.
        let is_taken = stored.version > 1 && stored.status != AlertStatus::New;
        match kind {
            NotificationKind::Raised if is_taken => {
                let reason = "it goes on from an alert that somebody had taken";
                untold(txn, stored, "", Why::Taken, reason, entry.at_us)
            }
            NotificationKind::Raised => self.tell_raised(txn, entry, stored, home),
            _ => self.tell_change(txn, kind, entry, stored, known),
        }
    }

    fn tell_raised(
        &self,
        txn: &Txn<'_>,
        entry: &FeedEntry,
        stored: &StoredAlert,
        home: Option<&KnownIncident>,
    ) -> Result<()> {
        let alert = &stored.alert;
        // That a channel fails is told by the others, at once and one by one.
        let failing = failing_channel(stored);
        let mut is_told = false;
        let face = home.map(|home| home.lifted(stored));
        let (routes, considered) = self.routing.explain(face.as_ref().unwrap_or(stored), entry.at_us);
        let is_routed = !routes.is_empty();
        for route in routes {
            let mut opening = Opening {
                route: &route.path,
                rule: &alert.rule.id,
                title: &bounded(&alert.rule.title, 200),
                severity_id: alert.severity_id,
                alert: alert.id.as_str(),
                window_us: 0,
            };
            if let (Some(window), None) = (route.digest, failing) {
                opening.window_us = micros(window);
                Outbox::gather(txn, &opening, entry.at_us)?;
                untold(txn, stored, &route.path, Why::Digest, "", entry.at_us)?;
                continue;
            }
            if self.routing.channels(&route.targets, entry.at_us).is_empty() {
                untold(txn, stored, &route.path, Why::Nobody, "", entry.at_us)?;
            }
            if let Some(home) = home {
                let seed = format!("alert {}", entry.seq);
                for channel in self.routing.channels(&route.targets, entry.at_us) {
                    self.open(txn, route, channel, home, &seed, entry.at_us)?;
                }
                if !route.tells_all {
                    continue;
                }
            }
            if let (Some(fold), None) = (route.fold, failing) {
                opening.window_us = micros(fold.window);
                if Outbox::fold(txn, &opening, fold.burst, entry.at_us)? == WindowFate::Held {
                    untold(txn, stored, &route.path, Why::Fold, "", entry.at_us)?;
                    continue;
                }
            }
            is_told |= self.tell_alert(txn, route, stored, home, entry, failing)?;
        }
        if let Some(home) = home {
            self.grow(txn, home, entry.at_us)?;
        }
        if failing.is_none() || is_told {
            if !is_routed {
                untold(txn, stored, "", Why::Unrouted, &refusals(&considered), entry.at_us)?;
            }
            return Ok(());
        }
        let told = Notification::of_alert(NotificationKind::Raised, stored, STORMGLASS, &self.links.alerts);
        for channel in self.channels.keys().filter(|channel| failing != Some(channel.as_str())) {
            self.put_alert(txn, crate::trouble::RULE, channel, told.clone(), home, entry)?;
        }
        Ok(())
    }

    /// Tells a new alert by itself; whether anybody is told.
    pub(super) fn tell_alert(
        &self,
        txn: &Txn<'_>,
        route: &Route,
        stored: &StoredAlert,
        home: Option<&KnownIncident>,
        entry: &FeedEntry,
        but: Option<&str>,
    ) -> Result<bool> {
        let told = Notification::of_alert(NotificationKind::Raised, stored, &entry.by, &self.links.alerts);
        let mut is_told = false;
        for channel in self.routing.channels(&route.targets, entry.at_us) {
            if but == Some(channel) {
                continue;
            }
            self.put_alert(txn, &route.path, channel, told.clone(), home, entry)?;
            is_told = true;
        }
        // Who takes an incident takes its alerts.
        if home.is_none() {
            self.begin_escalation(txn, route, stored.alert.id.as_str(), entry.at_us)?;
        }
        Ok(is_told)
    }

    fn put_alert(
        &self,
        txn: &Txn<'_>,
        route: &str,
        channel: &str,
        mut told: Notification,
        home: Option<&KnownIncident>,
        entry: &FeedEntry,
    ) -> Result<()> {
        self.place(txn, &mut told, channel, home)?;
        self.put(txn, route, channel, &told, &feed_key(entry, channel), entry.at_us)?;
        self.note_alert(txn, route, channel, &told, entry.at_us)
    }

    /// Puts what is told of an alert into its thread.
    pub(super) fn place(
        &self,
        txn: &Txn<'_>,
        told: &mut Notification,
        channel: &str,
        home: Option<&KnownIncident>,
    ) -> Result<()> {
        let of_home = match home {
            Some(home) => Self::told_of_incident(txn, channel, &home.incident.id)?,
            None => None,
        };
        told.is_part = of_home.is_some();
        if let Some(own) = Outbox::told_to(txn, channel, &told.subject_id)? {
            told.thread = own.thread;
        } else if let Some(of_home) = of_home {
            told.thread = of_home.thread;
        }
        Ok(())
    }

    /// Notes that a channel was told of an alert by itself.
    pub(super) fn note_alert(
        &self,
        txn: &Txn<'_>,
        route: &str,
        channel: &str,
        told: &Notification,
        at_us: i64,
    ) -> Result<()> {
        if Outbox::told_to(txn, channel, &told.subject_id)?.is_some() || !self.channels.contains_key(channel)
        {
            return Ok(());
        }
        let row = Told {
            channel: channel.to_owned(),
            subject: told.subject_id.clone(),
            about: SubjectKind::Alert,
            thread: told.thread.clone(),
            route: route.to_owned(),
            severity_id: told.severity_id,
            alerts: 1,
            since_us: at_us,
            told_us: at_us,
            window_us: 0,
            due_us: None,
        };
        Outbox::set_told(txn, &row)
    }

    /// Changes go where the alert was told; what is said of it, also where its incident was.
    fn tell_change(
        &self,
        txn: &Txn<'_>,
        kind: NotificationKind,
        entry: &FeedEntry,
        stored: &StoredAlert,
        known: &Known,
    ) -> Result<()> {
        let home = known.home(&entry.alert_id);
        let subject = stored.alert.id.as_str();
        if matches!(kind, NotificationKind::Acknowledged | NotificationKind::Closed) {
            Outbox::end_escalations(txn, subject)?;
        }
        let mut rows = Outbox::told_of(txn, subject)?;
        if let (NotificationKind::Commented, Some(home)) = (kind, home) {
            for row in Outbox::told_of(txn, &home.incident.id)? {
                if rows.iter().all(|known| known.channel != row.channel) {
                    rows.push(row);
                }
            }
        }
        let mut told = Notification::of_alert(kind, stored, &entry.by, &self.links.alerts);
        let note = match (kind, known.given(entry).unwrap_or("nobody")) {
            (NotificationKind::Commented, _) => entry.reason.clone(),
            // Whoever has read that it was taken reads what is new.
            (NotificationKind::Acknowledged, _) if entry.change == "started" => "in progress".to_owned(),
            (NotificationKind::Assigned, owner) if entry.reason.is_empty() => owner.to_owned(),
            (NotificationKind::Assigned, owner) => format!("{owner}: {}", entry.reason),
            _ => String::new(),
        };
        told.note = bounded(&note, crate::subject::TEXT_BYTES);
        let mut routes: Vec<&Route> = Vec::new();
        for row in rows {
            if self.is_quiet(&row, kind) == Some(false) {
                self.place(txn, &mut told, &row.channel, home)?;
                told.thread.clone_from(&row.thread);
                self.put(txn, &row.route, &row.channel, &told, &feed_key(entry, &row.channel), entry.at_us)?;
            }
            let route = self.routing.find(&row.route);
            routes.extend(route.filter(|route| routes.iter().all(|known| known.path != route.path)));
        }
        if kind == NotificationKind::Reopened && home.is_none() {
            for route in routes {
                self.begin_escalation(txn, route, subject, entry.at_us)?;
            }
        }
        Ok(())
    }
}

/// Notes that a route does not tell an alert by itself.
pub(super) fn untold(
    txn: &Txn<'_>,
    stored: &StoredAlert,
    route: &str,
    why: Why,
    reason: &str,
    at_us: i64,
) -> Result<()> {
    let untold = Untold {
        alert: stored.alert.id.to_string(),
        route: route.to_owned(),
        why,
        rule: stored.alert.rule.id.clone(),
        reason: bounded(reason, REASON_BYTES),
        at_us,
        until_us: None,
        told_in: None,
    };
    Outbox::set_untold(txn, &untold)
}

/// Why routes do not take an alert, on one line.
fn refusals(considered: &[Considered]) -> String {
    let refused = considered.iter().filter_map(|one| {
        let refusal = one.refusal.as_ref()?;
        Some(format!("`{}`: {refusal}", one.path))
    });
    refused.collect::<Vec<_>>().join("; ")
}
