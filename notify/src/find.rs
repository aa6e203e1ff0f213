//! What an id, or the beginning of one, is of.

use alerts::Error as AlertsError;

use crate::follow::Follower;
use crate::outbox::Subjects;
use crate::{Error, Result};

/// What was found, by its whole id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// An alert.
    Alert(String),
    /// A living incident.
    Incident(String),
}

impl Follower {
    /// The alert or incident that has this id, or begins with these digits.
    ///
    /// # Errors
    /// There is neither, several begin so, or the database refuses.
    pub(crate) fn find(&self, start: &str) -> Result<Found> {
        match self.alerts.whole_id(start) {
            Ok(id) => return Ok(Found::Alert(id)),
            Err(AlertsError::AlertUnknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let unknown = || Error::SubjectUnknown { id: start.chars().take(64).collect() };
        match self.incidents.as_ref().ok_or_else(unknown)?.get(start) {
            Ok(incident) => Ok(Found::Incident(incident.id)),
            Err(AlertsError::IncidentUnknown { .. }) => Err(unknown()),
            Err(error) => Err(error.into()),
        }
    }

    /// The incident of an alert.
    pub(crate) fn home(&self, alert: &str) -> Result<Option<String>> {
        match &self.incidents {
            Some(incidents) => Ok(incidents.of_alert(alert)?),
            None => Ok(None),
        }
    }

    /// All that deliveries about an alert or incident may be about: it may be told by itself, with its incident (also
    /// under the ids that this had before), by its alerts, in a digest, in a flood.
    ///
    /// # Errors
    /// There is no such alert, incident or digest, several begin so, or the database refuses.
    pub(crate) fn subjects(&self, start: &str) -> Result<Subjects> {
        let (mut ids, home) = match self.find(start) {
            Ok(Found::Alert(id)) => {
                let home = self.home(&id)?;
                (vec![id], home)
            }
            Ok(Found::Incident(id)) => (self.members(&id)?, Some(id)),
            // What a digest is told of, or an alert that the retention has taken.
            Err(Error::SubjectUnknown { .. }) if self.outbox.is_subject(start)? => {
                return Ok(Subjects { ids: vec![start.to_owned()], told_in: Vec::new() });
            }
            Err(error) => return Err(error),
        };
        let told_in = self.outbox.untold(&ids)?.into_iter().filter_map(|one| one.told_in).collect();
        if let Some(home) = home {
            ids.extend(self.names(home)?);
        }
        Ok(Subjects { ids, told_in })
    }

    /// The alerts of an incident, the first 1000.
    pub(crate) fn members(&self, incident: &str) -> Result<Vec<String>> {
        let Some(incidents) = &self.incidents else { return Ok(Vec::new()) };
        Ok(incidents.headlines(incident)?.into_iter().map(|headline| headline.alert_id).collect())
    }

    /// The ids that an incident has and had.
    pub(crate) fn names(&self, incident: String) -> Result<Vec<String>> {
        let mut names = match &self.incidents {
            Some(incidents) => incidents.merged(&incident)?,
            None => Vec::new(),
        };
        names.push(incident);
        Ok(names)
    }
}
