//! Which incidents a list shows, and its pages.

use storage::state::rusqlite::types::Value;

use super::store::Incident;
use crate::{AlertStatus, Cursor, Verdict};

/// Which incidents to list; an empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Only with one of these; any if empty.
    pub statuses: Vec<AlertStatus>,
    /// Only of at least this severity, 1 to 5.
    pub min_severity_id: Option<u8>,
    /// Only closed with this verdict.
    pub verdict: Option<Verdict>,
    /// Only those of this owner.
    pub owner: Option<String>,
    /// Only those of nobody.
    pub is_unassigned: bool,
    /// Only with this label.
    pub label: Option<String>,
    /// Only those in which this name is involved.
    pub entity: Option<String>,
    /// Only those with an alert of this rule.
    pub rule_id: Option<String>,
    /// Only those whose last event is at or after this, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Only those whose first event is before this, microseconds since 1970.
    pub until_us: Option<i64>,
    /// Only those that are not acknowledged or closed in time.
    pub is_overdue: bool,
}

/// A page of incidents, the one with the latest event first.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentPage {
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// The WHERE clause of a list and its values; the values are always bound, never written into it.
pub(super) fn conditions(filter: &IncidentFilter, after: Option<&Cursor>) -> (String, Vec<Value>) {
    let mut clauses = vec!["merged_into IS NULL".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    if !filter.statuses.is_empty() {
        let mut places = Vec::new();
        for status in &filter.statuses {
            values.push(status.as_str().to_owned().into());
            places.push(format!("?{}", values.len()));
        }
        clauses.push(format!("status IN ({})", places.join(", ")));
    }
    if filter.is_unassigned {
        clauses.push("owner IS NULL".to_owned());
    }
    if filter.is_overdue {
        clauses.push("status <> 'closed' AND (acknowledge_overdue OR close_overdue)".to_owned());
    }
    let mut add = |clause: &str, value: Value| {
        values.push(value);
        clauses.push(clause.replace('?', &format!("?{}", values.len())));
    };
    if let Some(least) = filter.min_severity_id {
        add("severity_id >= ?", i64::from(least).into());
    }
    if let Some(verdict) = filter.verdict {
        add("verdict = ?", verdict.as_str().to_owned().into());
    }
    if let Some(owner) = &filter.owner {
        add("owner = ?", owner.clone().into());
    }
    if let Some(label) = &filter.label {
        add(
            "EXISTS (SELECT 1 FROM json_each(incidents.labels) WHERE value = ? COLLATE NOCASE)",
            label.clone().into(),
        );
    }
    if let Some(entity) = &filter.entity {
        add(
            "EXISTS (SELECT 1 FROM json_each(assessment, '$.entities') WHERE ? = json_extract(value, '$[1]') COLLATE NOCASE)",
            entity.clone().into(),
        );
    }
    if let Some(rule) = &filter.rule_id {
        add(
            "EXISTS (SELECT 1 FROM incident_alerts JOIN alerts ON alerts.id = alert_id WHERE incident_id = incidents.id AND rule_id = ?)",
            rule.clone().into(),
        );
    }
    if let Some(since_us) = filter.since_us {
        add("last_us >= ?", since_us.into());
    }
    if let Some(until_us) = filter.until_us {
        add("first_us < ?", until_us.into());
    }
    if let Some(cursor) = after {
        cursor.narrow("last_us", &mut clauses, &mut values);
    }
    (clauses.join(" AND "), values)
}
