//! What is told of incidents: one message when it is opened, and then what changes it, in one thread.

use alerts::StoredAlert;
use alerts::incident::{IncidentFeedEntry, IncidentStatus, Incidents};
use storage::state::Txn;

use super::known::{Known, KnownIncident};
use super::{Follower, micros, severity};
use crate::channel::Manner;
use crate::outbox::{DueStep, Outbox, Told, key};
use crate::route::Route;
use crate::subject::{STORMGLASS, TEXT_BYTES, bounded};
use crate::{Notification, NotificationKind, Result, SubjectKind};

impl KnownIncident {
    /// Whether all that there is to tell of it was told by its alerts: each by itself, and none less severe.
    fn is_known_by(&self, lone: &[Told]) -> bool {
        let is_told = |id: &str| lone.iter().any(|row| row.subject == id);
        let severity_id = lone.iter().map(|row| row.severity_id).max();
        severity_id >= Some(self.incident.assessment.severity_id)
            && self.headlines.iter().all(|headline| is_told(&headline.alert_id))
            && self.headlines.len() as u64 == self.incident.alerts
    }

    /// An alert as routes see it: its incident may be more severe.
    pub(crate) fn lifted(&self, stored: &StoredAlert) -> StoredAlert {
        let mut lifted = stored.clone();
        lifted.alert.severity_id = lifted.alert.severity_id.max(self.incident.assessment.severity_id);
        lifted
    }
}

impl Follower {
    pub(super) fn tell_incident_change(
        &self,
        txn: &Txn<'_>,
        entry: &IncidentFeedEntry,
        known: &Known,
    ) -> Result<()> {
        let Some(found) = known.incident(&entry.incident_id) else { return Ok(()) };
        let id = &found.incident.id;
        match entry.change.as_str() {
            "opened" => self.survey(txn, found, entry, known),
            "severity" => {
                self.survey(txn, found, entry, known)?;
                self.tell_severity(txn, found, entry)
            }
            "grew" | "shrank" => self.grow(txn, found, entry.at_us),
            "merged" if *id != entry.incident_id => self.merge(txn, found, entry),
            change => match NotificationKind::of_incident_change(change) {
                Some(kind) => {
                    // What was split off while somebody had it in hand was told to nobody, and is somebody's to take now.
                    let is_wanted = matches!(kind, NotificationKind::Reopened | NotificationKind::Overdue);
                    if is_wanted && self.rows(txn, found, entry)?.is_empty() {
                        return self.survey(txn, found, entry, known);
                    }
                    self.tell_change_of_incident(txn, kind, found, entry)
                }
                None => Ok(()),
            },
        }
    }

    /// Asks the routes of all alerts of an incident.
    fn survey(
        &self,
        txn: &Txn<'_>,
        found: &KnownIncident,
        entry: &IncidentFeedEntry,
        known: &Known,
    ) -> Result<()> {
        let Some(members) = known.members.get(&found.incident.id) else { return Ok(()) };
        let seed = format!("incident {}", entry.seq);
        for stored in members.iter().filter(|stored| stored.suppressed_by.is_none()) {
            for route in self.routing.decide(&found.lifted(stored), entry.at_us) {
                if route.digest.is_some() {
                    continue;
                }
                for channel in self.routing.channels(&route.targets, entry.at_us) {
                    self.open(txn, route, channel, found, &seed, entry.at_us)?;
                }
            }
        }
        Ok(())
    }

    /// Tells a channel of an incident that it does not know.
    pub(super) fn open(
        &self,
        txn: &Txn<'_>,
        route: &Route,
        channel: &str,
        found: &KnownIncident,
        seed: &str,
        at_us: i64,
    ) -> Result<()> {
        let incident = &found.incident;
        if incident.status == IncidentStatus::Closed
            || Self::told_of_incident(txn, channel, &incident.id)?.is_some()
        {
            return Ok(());
        }
        let key = key(&["opened", seed, &incident.id, channel]);
        self.tell_incident(txn, NotificationKind::Raised, &route.path, channel, found, &key, at_us)?;
        if let (IncidentStatus::New, Some(first)) = (incident.status, route.escalate.first()) {
            // Its first alert may have begun it.
            let due = DueStep { subject: incident.id.clone(), route: route.path.clone(), step: 0 };
            Outbox::begin_to_await(txn, &due, at_us.saturating_add(micros(first.after)))?;
        }
        Ok(())
    }

    /// Puts a message about an incident into its thread of a channel, which it may begin.
    #[expect(clippy::too_many_arguments, reason = "what, by which route, to whom, of what, when")]
    pub(super) fn tell_incident(
        &self,
        txn: &Txn<'_>,
        kind: NotificationKind,
        route: &str,
        channel: &str,
        found: &KnownIncident,
        key: &str,
        at_us: i64,
    ) -> Result<()> {
        let Some(&manner) = self.channels.get(channel) else {
            tracing::warn!(channel, route, "there is no such channel any more; nothing is told to it");
            return Ok(());
        };
        let mut told = Notification::of_incident(kind, found, STORMGLASS, "", &self.links.incidents);
        let mut is_told = true;
        let row = match Self::told_of_incident(txn, channel, &found.incident.id)? {
            Some(row) => row,
            None => {
                let lone = self.lone(txn, channel, found)?;
                let known = lone.first().map(|first| (first.thread.clone(), first.since_us));
                let (thread, since_us) = match known {
                    Some(known) => known,
                    None => (self.fresh(txn, channel, &found.incident.id, key)?, at_us),
                };
                told.thread.clone_from(&thread);
                for row in &lone {
                    Outbox::move_escalations(txn, &row.subject, &found.incident.id)?;
                }
                // A program opens a case for each that is raised, also of a single alert.
                let is_people = manner != Manner::Stream;
                if kind == NotificationKind::Raised && is_people && found.is_known_by(&lone) {
                    // What is read once is not read again.
                    is_told = manner != Manner::Letter;
                    told.kind = NotificationKind::Amended;
                    told.takes_over = true;
                    told.note =
                        "this is the incident of what was told here before, and nothing else has happened"
                            .into();
                }
                self.gather_lone(txn, lone, &told, manner, at_us)?;
                Told {
                    channel: channel.to_owned(),
                    subject: found.incident.id.clone(),
                    about: SubjectKind::Incident,
                    thread,
                    route: route.to_owned(),
                    severity_id: 0,
                    alerts: 0,
                    since_us,
                    told_us: at_us,
                    window_us: self.window_us(route),
                    due_us: None,
                }
            }
        };
        told.thread.clone_from(&row.thread);
        if is_told {
            self.put(txn, route, channel, &told, key, at_us)?;
            Self::told_with(txn, route, found, at_us)?;
        }
        Outbox::set_told(txn, &row.shown(found, at_us))
    }

    /// What a channel was told of an incident, also under an id that it had before: what is read of an incident may
    /// be newer than the entry of the feed that says that its id is another. What was told goes on under the new one.
    pub(super) fn told_of_incident(txn: &Txn<'_>, channel: &str, id: &str) -> Result<Option<Told>> {
        if let Some(row) = Outbox::told_to(txn, channel, id)? {
            return Ok(Some(row));
        }
        let mut oldest: Option<Told> = None;
        for former in Incidents::merged_in(txn, id)? {
            if let Some(row) = Outbox::told_to(txn, channel, &former)?
                && oldest.as_ref().is_none_or(|oldest| row.since_us < oldest.since_us)
            {
                oldest = Some(row);
            }
        }
        let Some(row) = oldest else { return Ok(None) };
        Outbox::forget_told(txn, channel, &row.subject)?;
        let moved = Told { subject: id.to_owned(), ..row };
        Outbox::set_told(txn, &moved)?;
        Ok(Some(moved))
    }

    /// The alerts of an incident that a channel knows by themselves, in threads that no other incident has, the
    /// earliest first.
    fn lone(&self, txn: &Txn<'_>, channel: &str, found: &KnownIncident) -> Result<Vec<Told>> {
        let mut lone = Vec::new();
        for headline in &found.headlines {
            if let Some(row) = Outbox::told_to(txn, channel, &headline.alert_id)?
                && Outbox::incident_in(txn, channel, &row.thread)?.is_none()
            {
                lone.push(row);
            }
        }
        lone.sort_by(|a, b| (a.since_us, &a.subject).cmp(&(b.since_us, &b.subject)));
        Ok(lone)
    }

    /// A thread that nothing was told in.
    fn fresh(&self, txn: &Txn<'_>, channel: &str, id: &str, seed: &str) -> Result<String> {
        Ok(if Outbox::is_thread(txn, channel, id)? { key(&["thread", id, seed]) } else { id.to_owned() })
    }

    /// What was told of alerts by themselves goes on in the thread of their incident, which is that of the first.
    fn gather_lone(
        &self,
        txn: &Txn<'_>,
        lone: Vec<Told>,
        of_incident: &Notification,
        manner: Manner,
        at_us: i64,
    ) -> Result<()> {
        for row in lone.into_iter().filter(|row| row.thread != of_incident.thread) {
            // A letter is read once, and its thread is where it lies.
            if manner != Manner::Letter {
                let told = Notification {
                    kind: NotificationKind::Merged,
                    about: SubjectKind::Alert,
                    subject_id: row.subject.clone(),
                    thread: row.thread.clone(),
                    note: format!("it goes on as a part of the incident: {}", of_incident.title),
                    ..of_incident.clone()
                };
                let key = key(&["gathered", &row.channel, &row.thread, &of_incident.thread]);
                self.put(txn, &row.route, &row.channel, &told, &key, at_us)?;
            }
            Outbox::set_told(txn, &Told { thread: of_incident.thread.clone(), ..row })?;
        }
        Ok(())
    }

    /// What was told by itself because incidents were late joins the thread now.
    fn gather_late(&self, txn: &Txn<'_>, row: &Told, found: &KnownIncident, at_us: i64) -> Result<()> {
        let lone = self.lone(txn, &row.channel, found)?;
        let Some(&manner) = self.channels.get(&row.channel).filter(|_| !lone.is_empty()) else {
            return Ok(());
        };
        let mut told =
            Notification::of_incident(NotificationKind::Merged, found, STORMGLASS, "", &self.links.incidents);
        told.thread.clone_from(&row.thread);
        self.gather_lone(txn, lone, &told, manner, at_us)
    }

    /// How many alerts join or leave it is told when the windows of its channels close.
    pub(super) fn grow(&self, txn: &Txn<'_>, found: &KnownIncident, at_us: i64) -> Result<()> {
        for mut row in Outbox::told_of(txn, &found.incident.id)? {
            if row.alerts == found.incident.alerts || row.due_us.is_some() {
                continue;
            }
            row.grow(self.window_us(&row.route), at_us);
            Outbox::set_told(txn, &row)?;
        }
        Ok(())
    }

    /// Tells a channel how an incident has grown; that it has fewer alerts changes what was told of it.
    pub(super) fn tell_growth(
        &self,
        txn: &Txn<'_>,
        due: &Told,
        found: Option<&KnownIncident>,
        now_us: i64,
    ) -> Result<()> {
        // It may have been told, or become part of another, in this very turn.
        let row = Outbox::told_to(txn, &due.channel, &due.subject)?;
        let Some(row) = row.filter(|row| row.due_us.is_some_and(|due_us| due_us <= now_us)) else {
            return Ok(());
        };
        let found = found.filter(|found| {
            found.incident.id == row.subject
                && found.incident.status != IncidentStatus::Closed
                && found.incident.alerts != row.alerts
        });
        let Some(found) = found else {
            return Outbox::set_told(txn, &Told { due_us: None, ..row });
        };
        self.gather_late(txn, &row, found, now_us)?;
        let (before, now) = (row.alerts, found.incident.alerts);
        let (kind, note) = match now.checked_sub(before) {
            Some(1) => (NotificationKind::Grown, format!("1 alert more, {now} in all")),
            Some(more) => (NotificationKind::Grown, format!("{more} alerts more, {now} in all")),
            None => (
                NotificationKind::Amended,
                match before - now {
                    1 => format!("1 alert fewer, {now} in all"),
                    fewer => format!("{fewer} alerts fewer, {now} in all"),
                },
            ),
        };
        let at = now_us.to_string();
        let key = key(&["grown", &row.channel, &row.subject, &at]);
        let mut row = self.tell_row(txn, kind, row, found, STORMGLASS, &note, &key, now_us)?;
        row.alerts = now;
        row.has_grown(self.window_us(&row.route));
        Outbox::set_told(txn, &row)
    }

    /// Tells those who know less.
    fn tell_severity(&self, txn: &Txn<'_>, found: &KnownIncident, entry: &IncidentFeedEntry) -> Result<()> {
        let now = found.incident.assessment.severity_id;
        for row in self.rows(txn, found, entry)? {
            let kind = match row.severity_id.cmp(&now) {
                std::cmp::Ordering::Less => NotificationKind::Risen,
                std::cmp::Ordering::Equal => continue,
                std::cmp::Ordering::Greater => NotificationKind::Amended,
            };
            let why = found.incident.assessment.severity_why.join("; ");
            let note = format!("from {} to {}: {why}", severity(row.severity_id), severity(now));
            let key = change_key(entry, &row.channel, kind);
            let row = self.tell_row(txn, kind, row, found, &entry.by, &note, &key, entry.at_us)?;
            Outbox::set_told(txn, &row)?;
        }
        Ok(())
    }

    fn tell_change_of_incident(
        &self,
        txn: &Txn<'_>,
        kind: NotificationKind,
        found: &KnownIncident,
        entry: &IncidentFeedEntry,
    ) -> Result<()> {
        let id = &found.incident.id;
        if matches!(kind, NotificationKind::Acknowledged | NotificationKind::Closed) {
            Outbox::end_escalations(txn, id)?;
        }
        let note = match (kind, entry.change.as_str()) {
            // Why it was closed is the verdict's.
            (NotificationKind::Closed, _) => "",
            (_, "unassigned") => "nobody",
            // Whoever has read that it was taken reads what is new.
            (_, "started") => "in progress",
            _ => entry.reason.as_str(),
        };
        for row in self.rows(txn, found, entry)? {
            let route = self.routing.find(&row.route);
            let key = change_key(entry, &row.channel, kind);
            let row = self.tell_row(txn, kind, row, found, &entry.by, note, &key, entry.at_us)?;
            Outbox::set_told(txn, &row)?;
            if let (NotificationKind::Reopened, Some(route)) = (kind, route) {
                self.begin_escalation(txn, route, id, entry.at_us)?;
            }
        }
        Ok(())
    }

    /// Two incidents are one, or its id is another: what was told of the one goes on with the other.
    fn merge(&self, txn: &Txn<'_>, found: &KnownIncident, entry: &IncidentFeedEntry) -> Result<()> {
        let id = &found.incident.id;
        for row in Outbox::told_of(txn, &entry.incident_id)? {
            Outbox::forget_told(txn, &row.channel, &row.subject)?;
            let moved = Told { subject: id.clone(), ..row };
            let Some(own) = Outbox::told_to(txn, &moved.channel, id)? else {
                Outbox::set_told(txn, &moved)?;
                continue;
            };
            let (mut older, younger) =
                if moved.since_us < own.since_us { (moved, own) } else { (own, moved) };
            if older.thread != younger.thread {
                let note = format!("it goes on in: {}", found.incident.assessment.title);
                let kind = NotificationKind::Merged;
                let mut told =
                    Notification::of_incident(kind, found, STORMGLASS, &note, &self.links.incidents);
                told.thread.clone_from(&younger.thread);
                let key = change_key(entry, &younger.channel, kind);
                self.put(txn, &younger.route, &younger.channel, &told, &key, entry.at_us)?;
                Outbox::move_thread(txn, &younger.channel, &younger.thread, &older.thread)?;
            }
            older.severity_id = older.severity_id.max(younger.severity_id);
            Outbox::set_told(txn, &older)?;
        }
        Outbox::move_escalations(txn, &entry.incident_id, id)?;
        self.grow(txn, found, entry.at_us)
    }

    /// Who was told of the incident of an entry; it may have another id by now.
    fn rows(&self, txn: &Txn<'_>, found: &KnownIncident, entry: &IncidentFeedEntry) -> Result<Vec<Told>> {
        let mut rows = Outbox::told_of(txn, &found.incident.id)?;
        if entry.incident_id != found.incident.id {
            for row in Outbox::told_of(txn, &entry.incident_id)? {
                if rows.iter().all(|known| known.channel != row.channel) {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    /// Tells something of an incident to one who knows it, as loud as the route wants it; returns what is known
    /// there then.
    #[expect(clippy::too_many_arguments, reason = "what, to whom, of what, by whom, why, when")]
    fn tell_row(
        &self,
        txn: &Txn<'_>,
        kind: NotificationKind,
        row: Told,
        found: &KnownIncident,
        by: &str,
        note: &str,
        key: &str,
        at_us: i64,
    ) -> Result<Told> {
        let Some(is_quiet) = self.is_quiet(&row, kind) else { return Ok(row) };
        let note = bounded(note, TEXT_BYTES);
        let mut told = Notification::of_incident(kind, found, by, &note, &self.links.incidents);
        told.is_quiet = is_quiet;
        told.thread.clone_from(&row.thread);
        self.put(txn, &row.route, &row.channel, &told, key, at_us)?;
        if row.alerts != found.incident.alerts {
            Self::told_with(txn, &row.route, found, at_us)?;
        }
        // A comment says nothing of the rest.
        Ok(if kind == NotificationKind::Commented { row } else { row.shown(found, at_us) })
    }

    /// Notes that the alerts of an incident are told with it: they may leave it.
    fn told_with(txn: &Txn<'_>, route: &str, found: &KnownIncident, at_us: i64) -> Result<()> {
        let alerts = found.headlines.iter().map(|headline| headline.alert_id.as_str());
        Outbox::told_with(txn, route, &found.incident.id, alerts, at_us)
    }

    /// How long a route counts before it tells how an incident grows.
    fn window_us(&self, route: &str) -> i64 {
        self.routing.find(route).and_then(|route| route.fold).map_or(0, |fold| micros(fold.window))
    }
}

impl Told {
    /// After a message that shows the incident as it is.
    fn shown(mut self, found: &KnownIncident, at_us: i64) -> Self {
        self.severity_id = found.incident.assessment.severity_id;
        self.alerts = found.incident.alerts;
        self.told_us = at_us;
        self.due_us = None;
        self
    }
}

fn change_key(entry: &IncidentFeedEntry, channel: &str, kind: NotificationKind) -> String {
    key(&["incident", &entry.seq.to_string(), &entry.incident_id, channel, kind.as_str()])
}
