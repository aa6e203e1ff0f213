//! From what happens to alerts to what is told: the feed is followed, routes are asked, deliveries are put
//! into the outbox, and the place in the feed moves, all in one transaction.

use std::collections::HashMap;

use alerts::{AlertStatus, AlertStore, FeedEntry, StoredAlert};
use storage::state::Txn;

use crate::outbox::{Closed, Draft, DueStep, Line, Opening, Outbox, WindowFate, key};
use crate::route::{Route, Routing};
use crate::subject::{LinkTemplate, STORMGLASS, bounded};
use crate::trouble::failing_channel;
use crate::{Error, Notification, NotificationKind, Result};

/// How many entries of the feed share a transaction at most.
const BATCH: usize = 500;

/// The most lines of a digest.
const LINES: usize = 50;

/// What follows the feed.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) outbox: Outbox,
    pub(crate) alerts: AlertStore,
    pub(crate) routing: Routing,
    /// The names of all channels.
    pub(crate) channels: Vec<String>,
    pub(crate) links: LinkTemplate,
}

/// The alerts that a turn is about, by id; one that is gone is not in it.
type Known = HashMap<String, StoredAlert>;

impl Follower {
    /// Follows the feed for a while, and tells what has become due: escalations, digests, floods. Returns
    /// whether something was done; there may be more then.
    pub(crate) fn turn(&self, now_us: i64) -> Result<bool> {
        let seq = self.outbox.position()?.unwrap_or(0);
        let entries = self.alerts.feed(seq, BATCH)?;
        let has_closed = self.outbox.has_closed(now_us)?;
        let steps = self.outbox.due_steps(now_us)?;
        if entries.is_empty() && !has_closed && steps.is_empty() {
            return Ok(false);
        }
        let mut known = Known::new();
        for entry in entries.iter().filter(|_| !self.routing.routes.is_empty()) {
            if NotificationKind::of_change(&entry.change).is_some() {
                self.read(&entry.alert_id, &mut known)?;
            }
        }
        for step in &steps {
            self.read(&step.subject, &mut known)?;
        }
        self.outbox.state().write(|txn| {
            if has_closed {
                for closed in Outbox::close_windows(txn, now_us)? {
                    self.tell_closed(txn, &closed, &known, now_us)?;
                }
            }
            for entry in &entries {
                if let Some(stored) = known.get(&entry.alert_id) {
                    self.tell_entry(txn, entry, stored)?;
                }
            }
            if let Some(last) = entries.last() {
                Outbox::set_position(txn, last.seq)?;
            }
            for step in &steps {
                self.escalate(txn, step, known.get(&step.subject), now_us)?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(true)
    }

    /// An alert that cannot be read is left out: it must not hold up the others.
    fn read(&self, id: &str, known: &mut Known) -> Result<()> {
        if known.contains_key(id) {
            return Ok(());
        }
        match self.alerts.get(id) {
            Ok((mut stored, _)) => {
                // Raw records are not told, and may be megabytes.
                for event in &mut stored.alert.evidence {
                    event.raw = String::new();
                }
                known.insert(id.to_owned(), stored);
                Ok(())
            }
            Err(alerts::Error::AlertUnknown { .. }) => Ok(()),
            Err(error @ alerts::Error::Damaged { .. }) => {
                tracing::error!(%error, "an alert is not told");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn tell_entry(&self, txn: &Txn<'_>, entry: &FeedEntry, stored: &StoredAlert) -> Result<()> {
        let Some(kind) = NotificationKind::of_change(&entry.change) else { return Ok(()) };
        // What a silence hides is not told, whatever happens to it; once released it comes as raised.
        if stored.suppressed_by.is_some() {
            return Ok(());
        }
        // It goes on from one that was told, and somebody has taken that already.
        let is_taken = stored.version > 1 && stored.status != AlertStatus::New;
        match kind {
            NotificationKind::Raised if is_taken => Ok(()),
            NotificationKind::Raised => self.tell_raised(txn, entry, stored),
            _ => self.tell_change(txn, kind, entry, stored),
        }
    }

    fn tell_raised(&self, txn: &Txn<'_>, entry: &FeedEntry, stored: &StoredAlert) -> Result<()> {
        let alert = &stored.alert;
        // That a channel fails is told by the others, at once and one by one.
        let failing = failing_channel(stored);
        let mut is_told = false;
        for route in self.routing.decide(stored, entry.at_us) {
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
                continue;
            }
            if let (Some(fold), None) = (route.fold, failing) {
                opening.window_us = micros(fold.window);
                if Outbox::fold(txn, &opening, fold.burst, entry.at_us)? == WindowFate::Held {
                    continue;
                }
            }
            is_told |= self.tell_alert(txn, route, stored, entry, failing)?;
        }
        if failing.is_none() || is_told {
            return Ok(());
        }
        let told = Notification::of_alert(NotificationKind::Raised, stored, STORMGLASS, &self.links);
        for channel in self.channels.iter().filter(|channel| failing != Some(channel)) {
            self.put(txn, crate::trouble::RULE, channel, &told, &feed_key(entry, channel), entry.at_us)?;
        }
        Ok(())
    }

    /// Tells a new alert by itself; whether anybody is told.
    fn tell_alert(
        &self,
        txn: &Txn<'_>,
        route: &Route,
        stored: &StoredAlert,
        entry: &FeedEntry,
        but: Option<&str>,
    ) -> Result<bool> {
        let told = Notification::of_alert(NotificationKind::Raised, stored, &entry.by, &self.links);
        let mut is_told = false;
        for channel in self.routing.channels(&route.targets, entry.at_us) {
            if but == Some(channel) {
                continue;
            }
            self.put(txn, &route.path, channel, &told, &feed_key(entry, channel), entry.at_us)?;
            is_told = true;
        }
        self.begin_escalation(txn, route, stored, entry.at_us)?;
        Ok(is_told)
    }

    /// Changes go where the alert was told.
    fn tell_change(
        &self,
        txn: &Txn<'_>,
        kind: NotificationKind,
        entry: &FeedEntry,
        stored: &StoredAlert,
    ) -> Result<()> {
        let subject = stored.alert.id.as_str();
        if matches!(kind, NotificationKind::Acknowledged | NotificationKind::Closed) {
            Outbox::end_escalations(txn, subject)?;
        }
        let told = Notification::of_alert(kind, stored, &entry.by, &self.links);
        let mut routes: Vec<&Route> = Vec::new();
        for (channel, path) in Outbox::told_by(txn, subject)? {
            let route = self.routing.find(&path);
            // Whoever was told by a route that is gone still learns the end of it.
            let is_wanted =
                route.map_or(kind != NotificationKind::Amended, |route| route.tell.contains(&kind));
            if is_wanted {
                self.put(txn, &path, &channel, &told, &feed_key(entry, &channel), entry.at_us)?;
            }
            routes.extend(route.filter(|route| routes.iter().all(|known| known.path != route.path)));
        }
        if kind == NotificationKind::Reopened {
            for route in routes {
                self.begin_escalation(txn, route, stored, entry.at_us)?;
            }
        }
        Ok(())
    }

    fn begin_escalation(&self, txn: &Txn<'_>, route: &Route, stored: &StoredAlert, at_us: i64) -> Result<()> {
        let Some(first) = route.escalate.first() else { return Ok(()) };
        let subject = stored.alert.id.to_string();
        let due = DueStep { subject, route: route.path.clone(), step: 0 };
        Outbox::await_acknowledgement(txn, &due, at_us.saturating_add(micros(first.after)))
    }

    /// Tells the next in line, if nobody has acknowledged the alert.
    fn escalate(
        &self,
        txn: &Txn<'_>,
        due: &DueStep,
        stored: Option<&StoredAlert>,
        now_us: i64,
    ) -> Result<()> {
        let stored = stored.filter(|stored| stored.status == alerts::AlertStatus::New);
        let route = self.routing.find(&due.route);
        let step = route.and_then(|route| route.escalate.get(due.step as usize));
        let (Some(stored), Some(route), Some(step)) = (stored, route, step) else {
            return Outbox::end_escalation(txn, due);
        };
        let told = Notification::of_alert(NotificationKind::Escalated, stored, STORMGLASS, &self.links);
        for channel in self.routing.channels(&step.targets, now_us) {
            let (number, at) = (due.step.to_string(), now_us.to_string());
            let key = key(&["escalation", &due.subject, &due.route, &number, &at, channel]);
            self.put(txn, &route.path, channel, &told, &key, now_us)?;
        }
        let Some(next) = route.escalate.get(due.step as usize + 1) else {
            return Outbox::end_escalation(txn, due);
        };
        // Times are told from the raising; what is late does not make the next later.
        let wait = next.after.saturating_sub(step.after);
        let due = DueStep { step: due.step + 1, ..due.clone() };
        Outbox::await_acknowledgement(txn, &due, now_us.saturating_add(micros(wait)))
    }

    fn tell_closed(&self, txn: &Txn<'_>, closed: &Closed, known: &Known, now_us: i64) -> Result<()> {
        let path = match closed {
            Closed::Flood { route, .. } | Closed::Digest { route, .. } => route,
        };
        let Some(route) = self.routing.find(path) else {
            tracing::warn!(route = path, "the route is gone; what it has gathered is not told");
            return Ok(());
        };
        let (told, begin_us) = match closed {
            // One more is told as what it is.
            Closed::Flood { line, .. } if line.held == 1 => {
                return self.tell_held(txn, route, line, known, now_us);
            }
            Closed::Flood { line, .. } => (self.flood(line, now_us), line.begin_us),
            Closed::Digest { route, lines } => {
                let begin_us = lines.iter().map(|line| line.begin_us).min().unwrap_or(now_us);
                (self.digest(route, lines, begin_us, now_us), begin_us)
            }
        };
        let begin = begin_us.to_string();
        for channel in self.routing.channels(&route.targets, now_us) {
            let key = key(&["window", told.kind.as_str(), path, &told.rule_id, &begin, channel]);
            self.put(txn, path, channel, &told, &key, now_us)?;
        }
        Ok(())
    }

    fn tell_held(&self, txn: &Txn<'_>, route: &Route, line: &Line, known: &Known, now_us: i64) -> Result<()> {
        let mut found = known.clone();
        self.read(&line.last_alert, &mut found)?;
        let Some(stored) = found.get(&line.last_alert) else { return Ok(()) };
        // Whoever has dealt with it already need not be told.
        if stored.status != alerts::AlertStatus::New {
            return Ok(());
        }
        let entry = FeedEntry {
            seq: 0,
            at_us: now_us,
            alert_id: line.last_alert.clone(),
            change: "raised".into(),
            by: STORMGLASS.into(),
            reason: String::new(),
        };
        self.tell_alert(txn, route, stored, &entry, None).map(drop)
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
            link: self.links.link(&line.last_alert),
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

    fn put(
        &self,
        txn: &Txn<'_>,
        route: &str,
        channel: &str,
        notification: &Notification,
        key: &str,
        now_us: i64,
    ) -> Result<()> {
        if !self.channels.iter().any(|known| known == channel) {
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

fn severity(severity_id: u8) -> &'static str {
    match severity_id {
        1 => "informational",
        2 => "low",
        3 => "medium",
        4 => "high",
        5 => "critical",
        _ => "unknown",
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

pub(crate) fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
