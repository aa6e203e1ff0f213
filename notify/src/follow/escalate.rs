//! Who is told when nobody acknowledges an alert or incident.

use alerts::StoredAlert;
use storage::state::Txn;

use super::known::{Known, KnownIncident};
use super::{Follower, micros};
use crate::outbox::{DueStep, Outbox, key};
use crate::route::{Escalation, Route};
use crate::subject::STORMGLASS;
use crate::{Notification, NotificationKind, Result};

impl KnownIncident {
    /// Whether nobody works on it: neither on itself nor on all of its alerts.
    fn is_new(&self) -> bool {
        self.incident.status == alerts::incident::IncidentStatus::New
            && self.headlines.iter().any(|headline| headline.is_new)
    }
}

impl Follower {
    pub(super) fn begin_escalation(
        &self,
        txn: &Txn<'_>,
        route: &Route,
        subject: &str,
        at_us: i64,
    ) -> Result<()> {
        let Some(first) = route.escalate.first() else { return Ok(()) };
        let due = DueStep { subject: subject.to_owned(), route: route.path.clone(), step: 0 };
        Outbox::await_acknowledgement(txn, &due, at_us.saturating_add(micros(first.after)))
    }

    /// Tells the next in line, if nobody has acknowledged it.
    pub(super) fn escalate(&self, txn: &Txn<'_>, due: &DueStep, known: &Known, now_us: i64) -> Result<()> {
        // Whoever has taken it in this very turn is in the database and not among the steps any more.
        if !Outbox::is_awaited(txn, due)? {
            return Ok(());
        }
        let home = known.home(&due.subject).or_else(|| known.incident(&due.subject));
        let stored = known.alerts.get(&due.subject);
        let is_new = stored.is_none_or(|stored| stored.status == alerts::AlertStatus::New)
            && home.is_none_or(KnownIncident::is_new)
            && (stored.is_some() || home.is_some());
        let route = self.routing.find(&due.route);
        if route.is_none() {
            Outbox::end_escalation(txn, due)?;
            return if is_new { self.hand_over(txn, due, stored, home, now_us) } else { Ok(()) };
        }
        let step = route.and_then(|route| route.escalate.get(due.step as usize));
        let (true, Some(route), Some(step)) = (is_new, route, step) else {
            return Outbox::end_escalation(txn, due);
        };
        for channel in self.routing.channels(&step.targets, now_us) {
            let (number, at) = (due.step.to_string(), now_us.to_string());
            let key = key(&["escalation", &due.subject, &due.route, &number, &at, channel]);
            match (stored, home) {
                (Some(stored), home) => {
                    let kind = NotificationKind::Escalated;
                    let mut told = Notification::of_alert(kind, stored, STORMGLASS, &self.links.alerts);
                    self.place(txn, &mut told, channel, home)?;
                    self.put(txn, &route.path, channel, &told, &key, now_us)?;
                    self.note_alert(txn, &route.path, channel, &told, now_us)?;
                }
                (None, Some(home)) => {
                    let kind = NotificationKind::Escalated;
                    self.tell_incident(txn, kind, &route.path, channel, home, &key, now_us)?;
                }
                (None, None) => {}
            }
        }
        let Some(next) = route.escalate.get(due.step as usize + 1) else {
            return Outbox::end_escalation(txn, due);
        };
        // Times are told from the raising; what is late does not make the next later.
        let wait = next.after.saturating_sub(step.after);
        let due = DueStep { step: due.step + 1, ..due.clone() };
        Outbox::await_acknowledgement(txn, &due, now_us.saturating_add(micros(wait)))
    }
    /// The route that waited is gone: those that take the alert now go on with the same step, at its time of theirs; one
    /// that has fewer goes on with what is still to come. Those that have escalated it themselves do not begin again.
    fn hand_over(
        &self,
        txn: &Txn<'_>,
        due: &DueStep,
        stored: Option<&StoredAlert>,
        home: Option<&KnownIncident>,
        now_us: i64,
    ) -> Result<()> {
        let worst = home.and_then(|home| home.worst.as_ref());
        let Some(stored) = stored.or(worst) else { return Ok(()) };
        let face = home.map_or_else(|| stored.clone(), |home| home.lifted(stored));
        let created_us = home.map_or(stored.created_us, |home| home.incident.created_us);
        for route in self.routing.decide(&face, now_us) {
            if Outbox::has_escalated(txn, &due.subject, &route.path)? {
                continue;
            }
            let due_us = |step: &Escalation| created_us.saturating_add(micros(step.after));
            let mut steps = (0_u32..).zip(&route.escalate);
            let same = steps.clone().find(|(number, _)| *number == due.step);
            let Some((number, step)) = same.or_else(|| steps.find(|(_, step)| due_us(step) > now_us)) else {
                continue;
            };
            let due = DueStep { route: route.path.clone(), step: number, ..due.clone() };
            Outbox::begin_to_await(txn, &due, due_us(step))?;
        }
        Ok(())
    }
}
