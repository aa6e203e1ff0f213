//! What a turn is about, read before its transaction: whoever writes must not wait for what is read.

use std::collections::HashMap;
use std::sync::Arc;

use alerts::incident::{Headline, Incident};
use alerts::{AlertChange, FeedEntry, StoredAlert};

use super::Follower;
use crate::Result;

/// Alerts by id with the incidents that they belong to, and incidents by their ids, also by those that they had
/// before. What is gone is not in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) alerts: HashMap<String, StoredAlert>,
    /// To whom alerts were given, by alert.
    given: HashMap<String, Vec<AlertChange>>,
    homes: HashMap<String, String>,
    incidents: HashMap<String, Arc<KnownIncident>>,
    /// All alerts of an incident, where they were asked for.
    pub(super) members: HashMap<String, Arc<Vec<StoredAlert>>>,
}

/// An incident, and what is told of its alerts.
#[derive(Debug)]
pub(crate) struct KnownIncident {
    pub(crate) incident: Incident,
    pub(crate) headlines: Vec<Headline>,
    /// The most severe alert, the earliest of them.
    pub(crate) worst: Option<StoredAlert>,
    /// Grows with each change: the number of the newest entry of the feed of incidents before it was read.
    pub(crate) version: u32,
}

/// An incident and all its alerts.
pub(crate) type WithMembers = (Arc<KnownIncident>, Arc<Vec<StoredAlert>>);

impl Known {
    /// The incident of an alert.
    pub(super) fn home(&self, alert: &str) -> Option<&KnownIncident> {
        self.incident(self.homes.get(alert)?)
    }

    /// To whom an entry of the feed says that its alert was given; it may be another's by now.
    pub(super) fn given(&self, entry: &FeedEntry) -> Option<&str> {
        let is_it = |step: &&AlertChange| {
            step.at_us == entry.at_us
                && step.change == entry.change
                && step.by == entry.by
                && step.reason == entry.reason
        };
        self.given.get(&entry.alert_id)?.iter().find(is_it)?.after.as_deref()
    }

    /// The living incident that an id leads to.
    pub(super) fn incident(&self, id: &str) -> Option<&KnownIncident> {
        self.incidents.get(id).map(Arc::as_ref)
    }
}

impl Follower {
    /// Reads an alert and its incident. One that cannot be read is left out: it must not hold up the others.
    pub(super) fn read(&self, id: &str, known: &mut Known) -> Result<()> {
        if known.alerts.contains_key(id) {
            return Ok(());
        }
        let Some((stored, mut history)) = self.alert(id)? else { return Ok(()) };
        known.alerts.insert(id.to_owned(), stored);
        history.retain(|step| step.change == "assigned");
        if !history.is_empty() {
            known.given.insert(id.to_owned(), history);
        }
        if let Some(incidents) = &self.incidents
            && let Some(home) = incidents.of_alert(id)?
        {
            self.read_incident(&home, known)?;
            known.homes.insert(id.to_owned(), home);
        }
        Ok(())
    }

    fn alert(&self, id: &str) -> Result<Option<(StoredAlert, Vec<AlertChange>)>> {
        match self.alerts.get(id) {
            Ok((mut stored, history)) => {
                // Raw records are not told, and may be megabytes.
                for event in &mut stored.alert.evidence {
                    event.raw = String::new();
                }
                Ok(Some((stored, history)))
            }
            Err(alerts::Error::AlertUnknown { .. }) => Ok(None),
            Err(error @ alerts::Error::Damaged { .. }) => {
                tracing::error!(%error, "an alert is not told");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the incident that an id leads to.
    pub(super) fn read_incident(&self, id: &str, known: &mut Known) -> Result<()> {
        let Some(incidents) = self.incidents.as_ref().filter(|_| !known.incidents.contains_key(id)) else {
            return Ok(());
        };
        let version = u32::try_from(incidents.feed_end()?).unwrap_or(u32::MAX);
        let incident = match incidents.get(id) {
            Ok(incident) => incident,
            Err(alerts::Error::IncidentUnknown { .. }) => return Ok(()),
            Err(error @ alerts::Error::Damaged { .. }) => {
                tracing::error!(%error, "an incident is not told");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let headlines = incidents.headlines(&incident.id)?;
        let mut worst: Option<&Headline> = None;
        for headline in &headlines {
            if worst.is_none_or(|worst| worst.severity_id < headline.severity_id) {
                worst = Some(headline);
            }
        }
        let worst = match worst {
            Some(worst) => self.alert(&worst.alert_id)?.map(|(worst, _)| worst),
            None => None,
        };
        let current = incident.id.clone();
        let read = Arc::new(KnownIncident { incident, headlines, worst, version });
        known.incidents.insert(current, read.clone());
        known.incidents.insert(id.to_owned(), read);
        Ok(())
    }

    /// The living incident that an id leads to, and all its alerts.
    pub(crate) fn incident_with_members(&self, id: &str) -> Result<Option<WithMembers>> {
        let mut known = Known::default();
        self.read_members(id, &mut known)?;
        let Some(found) = known.incidents.get(id).cloned() else { return Ok(None) };
        let members = known.members.remove(&found.incident.id).unwrap_or_default();
        Ok(Some((found, members)))
    }

    /// Reads all alerts of an incident.
    pub(super) fn read_members(&self, id: &str, known: &mut Known) -> Result<()> {
        self.read_incident(id, known)?;
        let Some(found) = known.incidents.get(id).cloned() else { return Ok(()) };
        let id = &found.incident.id;
        if known.members.contains_key(id) {
            return Ok(());
        }
        let mut members = Vec::with_capacity(found.headlines.len());
        for headline in &found.headlines {
            members.extend(self.alert(&headline.alert_id)?.map(|(member, _)| member));
        }
        known.members.insert(id.clone(), Arc::new(members));
        Ok(())
    }
}
