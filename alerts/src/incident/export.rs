//! Exporting an incident, and keeping what was exported: each export names the one before.

use storage::state::rusqlite::{self, Connection, OptionalExtension as _};

use super::Incidents;
use super::change::note;
use crate::bundle::{Dossier, Package, Stamp};
use crate::{Error, Result};

/// What the history calls an export.
const EXPORTED: &str = "exported";

/// How often an export begins anew because another one of the same incident was faster.
const TRIES: usize = 5;

impl Incidents {
    /// All that is known of an incident, but for records that its alerts only name.
    ///
    /// # Errors
    /// [`Error::IncidentUnknown`], or the database refuses.
    pub fn dossier(&self, id: &str) -> Result<Dossier> {
        let incident = self.get(id)?;
        let mut history = self.history(&incident.id)?;
        history.retain(|step| step.change != EXPORTED);
        Ok(Dossier {
            merged: self.merged(&incident.id)?,
            alerts: self.alerts(&incident.id)?,
            history,
            records: Default::default(),
            incident,
        })
    }

    /// Makes the package of a dossier and writes down who has it and what its hash is, before anybody gets it.
    ///
    /// # Errors
    /// [`Error::PackageTooLarge`]; the database refuses. Nothing is exported then.
    pub fn export(&self, dossier: &Dossier, by: &str, version: &str, now_us: i64) -> Result<Package> {
        let id = dossier.incident.id.as_str();
        for _ in 0..TRIES {
            let previous = self.state().read(|db| last(db, id))?;
            let stamp =
                Stamp { by: by.into(), at_us: now_us, version: version.into(), previous: previous.clone() };
            let package = dossier.package(&stamp)?;
            let is_written = self.state().write(|txn| {
                if last(txn, id)? != previous {
                    return Ok(false);
                }
                txn.execute(
                    "INSERT INTO incident_exports (incident_id, at_us, by, sha256, previous) VALUES (?1, ?2, ?3, ?4, ?5)",
                    rusqlite::params![id, now_us, by, package.sha256, previous],
                )?;
                note(txn, id, by, EXPORTED, None, &format!("SHA-256 of the manifest: {}", package.sha256), now_us)?;
                Ok::<_, Error>(true)
            })?;
            if is_written {
                return Ok(package);
            }
        }
        Err(Error::IncidentRefused {
            id: id.into(),
            problem: "is exported by many at once; try again".into(),
        })
    }
}

/// The hash of the last export of an incident.
fn last(db: &Connection, id: &str) -> Result<Option<String>> {
    let mut select = db.prepare_cached(
        "SELECT sha256 FROM incident_exports WHERE incident_id = ?1 ORDER BY id DESC LIMIT 1",
    )?;
    Ok(select.query_row([id], |row| row.get(0)).optional()?)
}
