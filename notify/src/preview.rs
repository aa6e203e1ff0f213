//! What would be told of an alert or incident now, to whom, and why.

use alerts::{Error as AlertsError, StoredAlert};

use crate::find::Found;
use crate::follow::Follower;
use crate::follow::known::{KnownIncident, WithMembers};
use crate::route::{Considered, Route, Target};
use crate::subject::last_by;
use crate::trouble::failing_channel;
use crate::{Error, Notification, NotificationKind, Result};

/// What would be told of an alert or incident if it were raised now, to whom, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The incident that the alert is told with.
    pub incident: Option<String>,
    /// The silences that hide it: nobody is told.
    pub silences: Vec<Silenced>,
    /// The routes that were asked, in their order.
    pub considered: Vec<Considered>,
    /// The routes that take it; none where silences hide it.
    pub taken: Vec<Taken>,
    /// What would be told, of the incident where the alert is told with it.
    pub notification: Notification,
}

/// A silence that hides an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silenced {
    /// Its id.
    pub id: String,
    /// Why there is one, in somebody's words.
    pub reason: String,
    /// Who answers for it; `None` where it is not there any more.
    pub owner: Option<String>,
    /// Until when it hides what happens, microseconds since 1970.
    pub until_us: Option<i64>,
}

/// A route that takes an alert or incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The route.
    pub route: Route,
    /// The channels that are told.
    pub channels: Vec<String>,
    /// Who is on call of each rota that it names; `None`: nobody.
    pub on_call: Vec<(String, Option<String>)>,
    /// Until when an alert of this rule is only counted, as there are many, microseconds since 1970.
    pub counted_until_us: Option<i64>,
    /// Whether the alert is told by itself besides its incident.
    pub by_itself: bool,
}

impl Follower {
    /// The preview of the alert or incident that has this id, or begins with these digits.
    ///
    /// # Errors
    /// There is neither, several begin so, or the database refuses.
    pub(crate) fn preview(&self, start: &str, now_us: i64) -> Result<Preview> {
        let (stored, history) = match self.find(start)? {
            Found::Incident(id) => {
                let (found, members) = self.known_incident(&id)?;
                return self.preview_incident(&found, &members, now_us);
            }
            Found::Alert(id) => self.alerts.get(&id)?,
        };
        let was_released = history.iter().any(|change| change.change == "released");
        let silence = match &stored.suppressed_by {
            Some(silence) => {
                let reason = stored.suppressed_reason.clone().unwrap_or_default();
                Some(self.silenced(silence, reason)?)
            }
            None if was_released => None,
            None => self.covering(&stored, now_us)?,
        };
        let home = self.home(stored.alert.id.as_str())?.filter(|_| silence.is_none());
        let Some(home) = home else {
            return self.preview_alert(&stored, last_by(&history), silence, now_us);
        };
        let (home, members) = self.known_incident(&home)?;
        let mut preview = self.preview_incident(&home, &members, now_us)?;
        preview.incident = Some(home.incident.id.clone());
        let (taken, considered) = self.routing.explain(&home.lifted(&stored), now_us);
        for route in taken {
            match preview.taken.iter_mut().find(|known| known.route.path == route.path) {
                Some(known) => known.by_itself = route.tells_all,
                // It gathers alerts for a digest, whatever they belong to.
                None => preview.taken.push(self.taken_by(route, None, None, now_us)?),
            }
        }
        for one in considered {
            match preview.considered.iter_mut().find(|known| known.path == one.path) {
                Some(known) if one.refusal.is_none() => *known = one,
                Some(_) => {}
                None => preview.considered.push(one),
            }
        }
        Ok(preview)
    }

    fn known_incident(&self, id: &str) -> Result<WithMembers> {
        self.incident_with_members(id)?.ok_or_else(|| Error::SubjectUnknown { id: id.to_owned() })
    }

    fn preview_alert(
        &self,
        stored: &StoredAlert,
        by: &str,
        silence: Option<Silenced>,
        now_us: i64,
    ) -> Result<Preview> {
        let (routes, considered) = self.routing.explain(stored, now_us);
        let failing = failing_channel(stored);
        let mut taken = Vec::new();
        if silence.is_none() {
            for route in routes {
                taken.push(self.taken_by(route, Some(&stored.alert.rule.id), failing, now_us)?);
            }
        }
        let notification = Notification::of_alert(NotificationKind::Raised, stored, by, &self.links.alerts);
        let silences = silence.into_iter().collect();
        Ok(Preview { incident: None, silences, considered, taken, notification })
    }

    /// Routes are asked for each of its alerts, as they are when it is opened.
    fn preview_incident(
        &self,
        found: &KnownIncident,
        members: &[StoredAlert],
        now_us: i64,
    ) -> Result<Preview> {
        let (mut routes, mut considered): (Vec<&Route>, Vec<Considered>) = (Vec::new(), Vec::new());
        let mut silences: Vec<Silenced> = Vec::new();
        for stored in members {
            if let Some(silence) = &stored.suppressed_by {
                if silences.iter().all(|known| known.id != *silence) {
                    let reason = stored.suppressed_reason.clone().unwrap_or_default();
                    silences.push(self.silenced(silence, reason)?);
                }
                continue;
            }
            let (taken, asked) = self.routing.explain(&found.lifted(stored), now_us);
            for route in taken {
                if route.digest.is_none() && !routes.contains(&route) {
                    routes.push(route);
                }
            }
            for one in asked {
                match considered.iter_mut().find(|known| known.path == one.path) {
                    // One alert that it takes is enough.
                    Some(known) if one.refusal.is_none() => *known = one,
                    Some(_) => {}
                    None => considered.push(one),
                }
            }
        }
        // One alert that none hides is enough.
        if members.iter().any(|stored| stored.suppressed_by.is_none()) {
            silences.clear();
        }
        for one in considered.iter_mut().filter(|one| one.refusal.is_none()) {
            let is_digest = self.routing.find(&one.path).is_some_and(|route| route.digest.is_some());
            if is_digest {
                one.refusal = Some("it counts alerts in a digest, and tells of no incident".into());
            }
        }
        let by = crate::subject::STORMGLASS;
        let notification =
            Notification::of_incident(NotificationKind::Raised, found, by, "", &self.links.incidents);
        let mut taken = Vec::new();
        for route in routes {
            taken.push(self.taken_by(route, None, None, now_us)?);
        }
        Ok(Preview { incident: None, silences, considered, taken, notification })
    }

    /// What a route does with an alert of a rule, or with an incident.
    fn taken_by(&self, route: &Route, rule: Option<&str>, but: Option<&str>, now_us: i64) -> Result<Taken> {
        let mut channels = self.routing.channels(&route.targets, now_us);
        channels.retain(|channel| but != Some(*channel));
        let steps = route.escalate.iter().flat_map(|step| &step.targets);
        let mut on_call: Vec<(String, Option<String>)> = Vec::new();
        for target in route.targets.iter().chain(steps) {
            if let Target::Rota(rota) = target
                && on_call.iter().all(|(known, _)| known != rota)
            {
                let channel = self.routing.channel(target, now_us).map(str::to_owned);
                on_call.push((rota.clone(), channel));
            }
        }
        let counted_until_us = match (rule, route.fold, route.digest) {
            (Some(rule), Some(fold), None) => self.outbox.counts_until(&route.path, rule, fold.burst)?,
            _ => None,
        };
        Ok(Taken {
            route: route.clone(),
            channels: channels.into_iter().map(str::to_owned).collect(),
            on_call,
            counted_until_us,
            by_itself: false,
        })
    }

    /// A silence that hides an alert.
    pub(crate) fn silenced(&self, id: &str, reason: String) -> Result<Silenced> {
        let found = match self.alerts.silence(id) {
            Ok(found) => Some(found.silence),
            Err(AlertsError::SilenceUnknown { .. } | AlertsError::SilenceDamaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let ended_us = found.as_ref().and_then(|silence| silence.ended.as_ref()).map(|ended| ended.at_us);
        Ok(Silenced {
            id: id.to_owned(),
            reason,
            owner: found.as_ref().map(|silence| silence.spec.owner.clone()),
            until_us: ended_us.or(found.map(|silence| silence.spec.ends_us)),
        })
    }

    /// The silence that would hide an alert if it were raised now.
    fn covering(&self, stored: &StoredAlert, now_us: i64) -> Result<Option<Silenced>> {
        let mut silences = self.alerts.silences(false, None, alerts::silence::SILENCES, now_us)?.silences;
        // The oldest hides it, and they come newest first.
        silences.retain(|one| one.silence.spec.covers(&stored.alert));
        match silences.pop() {
            Some(one) => self.silenced(&one.silence.id, one.silence.spec.reason.clone()).map(Some),
            None => Ok(None),
        }
    }
}
