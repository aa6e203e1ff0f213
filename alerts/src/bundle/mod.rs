//! The evidence package of an incident: everything that is known of it, for people and machines, with hashes.
//!
//! | file | what |
//! | --- | --- |
//! | `incident.json` | incident, alerts, timeline, history |
//! | `report.md`, `report.html` | the same to be read; the page needs nothing else and runs nothing |
//! | `records.ndjson` | the records as the clouds wrote them, one event a line |
//! | `manifest.json` | size and SHA-256 of each of these; who exported it, when, with which version, and the hash of the manifest of the export before |
//! | `SHA256SUMS` | the same hashes and the manifest's, as `sha256sum -c` reads them |
//!
//! The same incident gives the same bytes in all but the last two, which bear the stamp. A package proves that it
//! is whole; that it is the one that was exported is proven by the manifest's hash, which is printed at the export
//! and kept in the state database.

mod document;
mod manifest;
mod markup;
mod report;
#[cfg(test)]
mod tests;
mod verify;
mod zip;

use std::collections::BTreeMap;

pub use manifest::{FORMAT, MANIFEST, Manifest, ManifestFile, SUMS, sha256};
pub use verify::{Verified, verify};
pub use zip::{read_zip, write_zip};

use crate::incident::{Incident, IncidentAlert, IncidentChange, TimelineEntry, timeline};
use crate::{Error, Result};

/// The most bytes of records in a package.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// What is known of an incident.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// The incident.
    pub incident: Incident,
    /// Ids that were merged into it.
    pub merged: Vec<String>,
    /// Its alerts, in order.
    pub alerts: Vec<IncidentAlert>,
    /// What happened to it, exports aside: a package must not differ for having been made before.
    pub history: Vec<IncidentChange>,
    /// Records from the table, by event: of events that alerts only name.
    pub records: BTreeMap<String, String>,
}

/// Who exports a package, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Who.
    pub by: String,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// The version of Stormglass.
    pub version: String,
    /// The SHA-256 of the manifest of the export of this incident before; `None` for the first.
    pub previous: Option<String>,
}

/// A package: its files by name, and the hash of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The files by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The SHA-256 of `manifest.json`, in hexadecimal digits.
    pub sha256: String,
}

impl Dossier {
    /// The events of the incident in order, with the records that are known.
    pub fn timeline(&self) -> Vec<TimelineEntry> {
        let mut entries = timeline(self.alerts.iter().map(|alert| &alert.stored));
        for entry in entries.iter_mut().filter(|entry| entry.raw.is_empty()) {
            if let Some(raw) = self.records.get(&entry.event_uid) {
                entry.raw.clone_from(raw);
            }
        }
        entries
    }

    /// The events whose records no alert holds.
    pub fn wanted_records(&self) -> Vec<String> {
        let entries = timeline(self.alerts.iter().map(|alert| &alert.stored));
        let wanted = entries.into_iter().filter(|entry| entry.raw.is_empty() && !entry.event_uid.is_empty());
        wanted.map(|entry| entry.event_uid).collect()
    }

    /// Makes the package.
    ///
    /// # Errors
    /// [`Error::PackageTooLarge`].
    pub fn package(&self, stamp: &Stamp) -> Result<Package> {
        let timeline = self.timeline();
        let bytes: usize = timeline.iter().map(|entry| entry.raw.len()).sum();
        if bytes > MAX_RECORD_BYTES {
            return Err(Error::PackageTooLarge {
                id: self.incident.id.clone(),
                bytes,
                limit: MAX_RECORD_BYTES,
            });
        }
        let document = document::Document::new(self, &timeline);
        let mut files = BTreeMap::new();
        let damaged = |source| Error::Damaged { id: self.incident.id.clone(), source };
        let mut json = serde_json::to_vec_pretty(&document).map_err(damaged)?;
        json.push(b'\n');
        files.insert("incident.json".to_owned(), json);
        files.insert("records.ndjson".to_owned(), document::records(&timeline).map_err(damaged)?);
        files.insert("report.md".to_owned(), report::markdown(&document).into_bytes());
        files.insert("report.html".to_owned(), report::html(&document).into_bytes());
        let manifest = Manifest::new(&self.incident.id, stamp, &files);
        let mut json = serde_json::to_vec_pretty(&manifest).map_err(damaged)?;
        json.push(b'\n');
        let hash = sha256(&json);
        files.insert(MANIFEST.to_owned(), json);
        let sums = manifest::sums(&files);
        files.insert(SUMS.to_owned(), sums.into_bytes());
        Ok(Package { files, sha256: hash })
    }
}

/// Microseconds since 1970 as RFC 3339 in UTC.
fn time(us: i64) -> String {
    use chrono::{DateTime, SecondsFormat, Utc};
    DateTime::<Utc>::from_timestamp_micros(us)
        .map_or_else(|| us.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
