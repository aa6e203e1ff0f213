//! What windows have gathered: digests, and floods of alerts that belong to no incident.

use std::collections::BTreeMap;

use alerts::FeedEntry;
use storage::state::Txn;

use super::alert::untold;
use super::known::Known;
use super::{Follower, severity};
use crate::outbox::{Closed, Line, Outbox, Why, key};
use crate::route::Route;
use crate::subject::STORMGLASS;
use crate::{Notification, NotificationKind, Result};

/// The most lines of a digest.
const LINES: usize = 50;

impl Follower {
    pub(super) fn tell_closed(&self, txn: &Txn<'_>, closed: &Closed, now_us: i64) -> Result<()> {
        let path = match closed {
            Closed::Flood { route, .. } | Closed::Digest { route, .. } => route,
        };
        let Some(route) = self.routing.find(path) else {
            return self.tell_orphaned(txn, path, closed, now_us);
        };
        let (told, begin_us) = match closed {
            // One more is told as what it is.
            Closed::Flood { line, .. } if line.held == 1 => return self.tell_held(txn, route, line, now_us),
            Closed::Flood { line, .. } => (self.flood(line, now_us), line.begin_us),
            Closed::Digest { route, lines } => {
                let begin_us = lines.iter().map(|line| line.begin_us).min().unwrap_or(now_us);
                (self.digest(route, lines, begin_us, now_us), begin_us)
            }
        };
        let channels = self.present(route, now_us);
        for line in closed.lines() {
            let held = (path.as_str(), closed.why(), line.rule.as_str());
            match channels.is_empty() {
                true => Outbox::lose_held(txn, held, Why::Nobody, "")?,
                false => Outbox::told_in(txn, held, &told.subject_id, now_us)?,
            }
        }
        let begin = begin_us.to_string();
        for channel in channels {
            let key = key(&["window", told.kind.as_str(), path, &told.rule_id, &begin, channel]);
            self.put(txn, path, channel, &told, &key, now_us)?;
        }
        Ok(())
    }

    /// The channels of a route that are there: nobody is told by others.
    fn present<'a>(&'a self, route: &'a Route, now_us: i64) -> Vec<&'a str> {
        let mut channels = self.routing.channels(&route.targets, now_us);
        channels.retain(|channel| self.channels.contains_key(*channel));
        channels
    }

    /// What a route has gathered that is gone is told where its alerts would go now.
    fn tell_orphaned(&self, txn: &Txn<'_>, path: &str, closed: &Closed, now_us: i64) -> Result<()> {
        let mut by_channel: BTreeMap<&str, (&Route, Vec<Line>)> = BTreeMap::new();
        let mut known = Known::default();
        for line in closed.lines() {
            self.read(&line.last_alert, &mut known)?;
            let Some(stored) = known.alerts.get(&line.last_alert) else { continue };
            let lifted = known.home(&line.last_alert).map(|home| home.lifted(stored));
            let routes = self.routing.decide(lifted.as_ref().unwrap_or(stored), now_us);
            let held = (path, closed.why(), line.rule.as_str());
            if routes.is_empty() {
                let reason = "the route that gathered it is gone, and no other takes it";
                Outbox::lose_held(txn, held, Why::Unrouted, reason)?;
                tracing::info!(
                    path,
                    rule = line.rule,
                    "the route is gone, and no other takes what it gathered"
                );
                continue;
            }
            let mut is_told = false;
            for route in routes {
                if matches!(closed, Closed::Flood { .. }) && line.held == 1 {
                    Outbox::forget_untold(txn, &line.last_alert, path)?;
                    self.tell_held(txn, route, line, now_us)?;
                    continue;
                }
                for channel in self.present(route, now_us) {
                    is_told = true;
                    let (_, told) = by_channel.entry(channel).or_insert((route, Vec::new()));
                    if told.last() != Some(line) {
                        told.push(line.clone());
                    }
                }
            }
            if !is_told {
                let reason = "the route that gathered it is gone, and where it goes now nobody is on call";
                Outbox::lose_held(txn, held, Why::Nobody, reason)?;
            }
        }
        for (channel, (route, lines)) in &by_channel {
            let begin_us = lines.iter().map(|line| line.begin_us).min().unwrap_or(now_us);
            let told = match (closed, lines.first()) {
                (Closed::Flood { .. }, Some(line)) => self.flood(line, now_us),
                // Two routes may tell another part of it.
                _ => self.digest(&format!("{path} by {}", route.path), lines, begin_us, now_us),
            };
            for line in lines {
                let held = (path, closed.why(), line.rule.as_str());
                Outbox::told_by(txn, held, &route.path, &told.subject_id, now_us)?;
            }
            let begin = begin_us.to_string();
            let key = key(&["window", told.kind.as_str(), path, &told.rule_id, &begin, channel]);
            self.put(txn, &route.path, channel, &told, &key, now_us)?;
        }
        for line in by_channel.values().flat_map(|(_, lines)| lines) {
            Outbox::let_go(txn, (path, closed.why(), &line.rule))?;
        }
        Ok(())
    }

    fn tell_held(&self, txn: &Txn<'_>, route: &Route, line: &Line, now_us: i64) -> Result<()> {
        let mut known = Known::default();
        self.read(&line.last_alert, &mut known)?;
        let Some(stored) = known.alerts.get(&line.last_alert) else { return Ok(()) };
        // Whoever has dealt with it already need not be told.
        if stored.status != alerts::AlertStatus::New {
            let reason = "somebody had taken it before its window closed";
            return untold(txn, stored, &route.path, Why::Taken, reason, now_us);
        }
        Outbox::forget_untold(txn, &line.last_alert, &route.path)?;
        let home = known.home(&line.last_alert);
        // Its incident has told of it since.
        if let Some(home) = home.filter(|_| !route.tells_all) {
            for row in Outbox::told_of(txn, &home.incident.id)?.iter().filter(|row| row.route == route.path) {
                let held = std::iter::once(line.last_alert.as_str());
                Outbox::told_with(txn, &route.path, &home.incident.id, held, row.told_us)?;
            }
            return Ok(());
        }
        if self.present(route, now_us).is_empty() {
            return untold(txn, stored, &route.path, Why::Nobody, "", now_us);
        }
        let entry = FeedEntry {
            seq: 0,
            at_us: now_us,
            alert_id: line.last_alert.clone(),
            change: "raised".into(),
            by: STORMGLASS.into(),
            reason: String::new(),
        };
        self.tell_alert(txn, route, stored, home, &entry, None).map(drop)
    }

    fn flood(&self, line: &Line, now_us: i64) -> Notification {
        let span = span(now_us.saturating_sub(line.begin_us));
        let description = format!(
            "{} alerts of this rule in {span}; of these {} are not told one by one. The latest is {}.",
            line.total(),
            line.held,
            line.last_alert
        );
        Notification {
            title: format!("{} alerts: {}", line.total(), line.title),
            description,
            severity_id: line.severity_id,
            rule_id: line.rule.clone(),
            count: line.total(),
            link: self.links.alerts.link(&line.last_alert),
            ..several(NotificationKind::Flood, &line.first_alert, line.begin_us, now_us)
        }
    }

    fn digest(&self, route: &str, lines: &[Line], begin_us: i64, now_us: i64) -> Notification {
        let count = lines.iter().map(Line::total).sum();
        let mut description = String::new();
        for line in lines.iter().take(LINES) {
            let severity = severity(line.severity_id);
            description.push_str(&format!("{} × {} ({severity})\n", line.total(), line.title));
        }
        if lines.len() > LINES {
            description.push_str(&format!("and {} rules more\n", lines.len() - LINES));
        }
        let span = span(now_us.saturating_sub(begin_us));
        let subject = format!("digest-{}", key(&["digest", route, &begin_us.to_string()]));
        Notification {
            title: format!("{count} alerts of {} rules in {span}", lines.len()),
            description: description.trim_end().to_owned(),
            severity_id: lines.iter().map(|line| line.severity_id).max().unwrap_or(1),
            count,
            ..several(NotificationKind::Digest, &subject, begin_us, now_us)
        }
    }
}

/// What is told of several alerts, without what only one has.
fn several(kind: NotificationKind, subject: &str, begin_us: i64, now_us: i64) -> Notification {
    Notification {
        kind,
        subject_id: subject.to_owned(),
        thread: subject.to_owned(),
        time_us: now_us,
        created_us: begin_us,
        ..Notification::test("", STORMGLASS, now_us)
    }
}

/// A span of time in words.
fn span(us: i64) -> String {
    match us / 1_000_000 {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
