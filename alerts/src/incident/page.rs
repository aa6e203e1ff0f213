//! Pages of the list of incidents.

use super::change::IncidentStatus;
use super::store::Incident;
use crate::Cursor;

/// Which incidents to list; an empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Only with this status.
    pub status: Option<IncidentStatus>,
    /// Only of at least this severity, 1 to 5.
    pub min_severity_id: Option<u8>,
    /// Only those of this owner.
    pub owner: Option<String>,
    /// Only those in which this name is involved.
    pub entity: Option<String>,
    /// Only those whose last event is at or after this, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Only those that are not acknowledged or closed in time.
    pub overdue: bool,
}

/// A page of incidents, the one with the latest event first.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentPage {
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}
