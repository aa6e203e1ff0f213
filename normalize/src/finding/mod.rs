//! Findings: what security products of the clouds detected, as OCSF Detection Finding.
//!
//! A record is one report of a finding; the same finding comes again when it changes. Who did what from where
//! stands in the same columns as of any event, and in a document in the finding's first evidence. The severity
//! is the product's.

pub(crate) mod defender;
pub(crate) mod entra_risk;
pub(crate) mod guardduty;
pub(crate) mod scc;
pub(crate) mod security_hub;

use event::Col;

use crate::class::{Severity, detection_finding};
use crate::fields::Fields;
use crate::json::Object;
use crate::row::Row;
use crate::time;

/// OCSF `status_id` of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FindingStatus {
    Unknown = 0,
    New = 1,
    InProgress = 2,
    Suppressed = 3,
    Resolved = 4,
    Archived = 5,
}

impl FindingStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::New => "New",
            Self::InProgress => "In Progress",
            Self::Suppressed => "Suppressed",
            Self::Resolved => "Resolved",
            Self::Archived => "Archived",
        }
    }

    /// Whether nobody needs to look any more.
    fn is_closed(self) -> bool {
        matches!(self, Self::Suppressed | Self::Resolved | Self::Archived)
    }
}

/// Sets class, status and severity. `is_changed`: the finding was reported before.
fn report(status: FindingStatus, is_changed: bool, severity: Severity, row: &mut Row<'_>) {
    let activity = match (status.is_closed(), is_changed) {
        (true, _) => detection_finding::CLOSE,
        (false, true) => detection_finding::UPDATE,
        (false, false) => detection_finding::CREATE,
    };
    row.class(&activity);
    row.int(Col::StatusId, status as i32);
    row.text(Col::Status, status.name());
    row.severity(severity);
    row.flag(Col::IsAlert, !status.is_closed());
}

/// When a finding was made and when it changed, in microseconds since 1970. Read before the time of the record is
/// taken, which is one of them.
#[derive(Debug, Clone, Copy)]
struct History {
    created_by: &'static str,
    created: Option<i64>,
    changed: Option<i64>,
}

impl History {
    /// From the member `created_by` and the first good one of `changed_by`, all of which stay.
    fn of(fields: &Fields<'_>, created_by: &'static str, changed_by: &[&str]) -> Self {
        let moment = |name: &str| fields.value(name).and_then(|value| time::of_value(&value).ok());
        let changed = changed_by.iter().find_map(|name| moment(name));
        Self { created_by, created: moment(created_by), changed }
    }

    /// Whether it was reported before.
    fn is_changed(&self) -> bool {
        self.created.is_some() && self.changed > self.created
    }

    /// Sets both; the member of the first is taken then.
    fn put(&self, fields: &mut Fields<'_>, row: &mut Row<'_>) {
        if let Some(created) = self.created {
            row.time(Col::FindingInfoCreatedTime, created);
            fields.forget(self.created_by);
        }
        if let Some(changed) = self.changed {
            row.time(Col::FindingInfoModifiedTime, changed);
        }
    }
}

/// Sets the evidences, each as it stands.
fn put_evidences(evidences: &[Object<'_>], row: &mut Row<'_>) {
    if evidences.is_empty() {
        return;
    }
    row.json(Col::Evidences, |json| {
        json.begin_array();
        for evidence in evidences {
            json.item();
            json.begin_object();
            json.key("data");
            evidence.write(json);
            json.end_object();
        }
        json.end_array();
    });
}

/// A word for a severity, in any case.
fn severity_of(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "low" => Severity::Low,
        "medium" => Severity::Medium,
        "high" => Severity::High,
        "critical" => Severity::Critical,
        _ => Severity::Informational,
    }
}

/// What the resources of a finding are in the list that OCSF has for them.
#[derive(Debug, Default)]
struct Resource {
    uid: Option<String>,
    name: Option<String>,
    kind: Option<String>,
}

/// Sets the resources and the columns of the first; those without name and id are left out.
fn set_resources(resources: &[Resource], row: &mut Row<'_>) {
    let known = || resources.iter().filter(|resource| resource.uid.is_some() || resource.name.is_some());
    let Some(first) = known().next() else { return };
    row.text_if(Col::ResourceUid, first.uid.as_deref());
    row.text_if(Col::ResourceName, first.name.as_deref());
    row.text_if(Col::ResourceType, first.kind.as_deref());
    row.json(Col::Resources, |json| {
        json.begin_array();
        for resource in known() {
            json.item();
            json.begin_object();
            for (key, value) in [("uid", &resource.uid), ("name", &resource.name), ("type", &resource.kind)] {
                if let Some(value) = value {
                    json.text_member(key, value);
                }
            }
            json.end_object();
        }
        json.end_array();
    });
}
