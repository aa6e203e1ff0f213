//! What would be told of an alert or incident now, to whom, and why.

use alerts::StoredAlert;

use crate::follow::Follower;
use crate::follow::known::KnownIncident;
use crate::route::{Considered, Route};
use crate::subject::last_by;
use crate::{Error, Notification, NotificationKind, Result};

/// What would be told of an alert or incident if it were raised now, to whom, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The routes that were asked, in their order.
    pub considered: Vec<Considered>,
    /// The routes that take it, with the channels that would be told.
    pub taken: Vec<(Route, Vec<String>)>,
    /// What would be told.
    pub notification: Notification,
}

impl Follower {
    /// The preview of the alert or incident that has this id.
    ///
    /// # Errors
    /// There is neither, or the database refuses.
    pub(crate) fn preview(&self, id: &str, now_us: i64) -> Result<Preview> {
        match self.alerts.get(id) {
            Ok((stored, history)) => return Ok(self.preview_alert(&stored, last_by(&history), now_us)),
            Err(alerts::Error::AlertUnknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match self.incident_with_members(id)? {
            Some((found, members)) => Ok(self.preview_incident(&found, &members, now_us)),
            None => Err(Error::SubjectUnknown { id: id.to_owned() }),
        }
    }

    fn preview_alert(&self, stored: &StoredAlert, by: &str, now_us: i64) -> Preview {
        let (taken, considered) = self.routing.explain(stored, now_us);
        let notification = Notification::of_alert(NotificationKind::Raised, stored, by, &self.links.alerts);
        Preview { considered, taken: self.told_by(taken, now_us), notification }
    }

    /// Routes are asked for each of its alerts, as they are when it is opened.
    fn preview_incident(&self, found: &KnownIncident, members: &[StoredAlert], now_us: i64) -> Preview {
        let (mut routes, mut considered): (Vec<&Route>, Vec<Considered>) = (Vec::new(), Vec::new());
        for stored in members.iter().filter(|stored| stored.suppressed_by.is_none()) {
            let (taken, asked) = self.routing.explain(&found.lifted(stored), now_us);
            for route in taken {
                if route.digest.is_none() && !routes.contains(&route) {
                    routes.push(route);
                }
            }
            for one in asked {
                match considered.iter_mut().find(|known| known.path == one.path) {
                    // One alert that it takes is enough.
                    Some(known) if one.refusal.is_none() => known.refusal = None,
                    Some(_) => {}
                    None => considered.push(one),
                }
            }
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
        Preview { considered, taken: self.told_by(routes, now_us), notification }
    }

    fn told_by(&self, routes: Vec<&Route>, now_us: i64) -> Vec<(Route, Vec<String>)> {
        let told = routes.into_iter().map(|route| {
            let channels = self.routing.channels(&route.targets, now_us);
            (route.clone(), channels.into_iter().map(str::to_owned).collect())
        });
        told.collect()
    }
}
