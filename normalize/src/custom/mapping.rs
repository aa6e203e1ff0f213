//! A mapping, checked: what it makes of a record.

use event::{Col, EventKey, LogType, Provider};

use super::clock::Clock;
use super::condition::When;
use super::path::Path;
use super::record_test::RecordTest;
use super::rule::{Rule, Taken};
use crate::class::{Activity, Severity, Status};
use crate::json::{Object, Value};
use crate::reason::{MapError, Reason};
use crate::required;
use crate::row::{Row, UNKNOWN};

/// One mapping file.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    /// The value of `metadata_log_name`.
    pub(super) name: String,
    /// The file that it stands in.
    pub(super) file: String,
    /// Sources whose records it reads, whatever they look like.
    pub(super) sources: Vec<String>,
    /// How its records are told from those of other logs.
    pub(super) when: When,
    /// Where the time stands, in order of preference.
    pub(super) time: Vec<Path>,
    /// How it is written.
    pub(super) clock: Clock,
    /// What together makes an event's identity; all of it must be there.
    pub(super) uid: Vec<Path>,
    /// The activities of its class.
    pub(super) class: &'static [Activity],
    /// Gives an activity's number.
    pub(super) activity: Rule,
    /// The other columns, in the order of the table.
    pub(super) columns: Vec<Rule>,
    /// The tests beside it.
    pub(super) tests: Vec<RecordTest>,
}

impl Mapping {
    /// Fills `row` from one record.
    ///
    /// # Errors
    /// The record does not say when it happened.
    pub(crate) fn map(&self, record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
        let mut taken = Taken::new();
        self.map_time(record, row, &mut taken)?;
        for rule in &self.columns {
            rule.apply(record, row, &mut taken);
        }
        self.map_class(record, row);
        self.complete(record, row);
        keep_rest(record, "", &taken, row);
        Ok(self.key(record))
    }

    /// Whether a record has a time where the mapping looks for it.
    pub(crate) fn has_time(&self, record: &Object<'_>) -> bool {
        self.time.iter().any(|path| path.find(record).is_some())
    }

    fn map_time(&self, record: &Object<'_>, row: &mut Row<'_>, taken: &mut Taken) -> Result<(), MapError> {
        let value = self.time.iter().find_map(|path| path.find(record)).ok_or_else(|| {
            let problem =
                format!("the record has no value where the mapping `{}` looks for its time", self.name);
            MapError::new(Reason::MissingTime, problem)
        })?;
        row.time(Col::Time, self.clock.read(&value)?);
        row.text_if(Col::MetadataOriginalTime, value.text());
        taken.push(value.place());
        Ok(())
    }

    fn map_class(&self, record: &Object<'_>, row: &mut Row<'_>) {
        let number = self.activity.text(record).and_then(|text| text.parse::<i32>().ok()).unwrap_or_default();
        let find = |id: i32| self.class.iter().find(|activity| activity.activity_id == id);
        let Some(activity) = find(number).or_else(|| find(0)).or_else(|| self.class.first()) else { return };
        match activity.activity_id {
            // OCSF wants the source's own word.
            99 => {
                let word = self.activity.from.iter().find_map(|path| path.find(record)?.filled_text());
                row.class_named(activity, word.as_deref().unwrap_or(activity.activity_name));
            }
            _ => row.class(activity),
        }
    }

    /// The names of the mapping, and what OCSF wants of the class.
    fn complete(&self, record: &Object<'_>, row: &mut Row<'_>) {
        match self.number(Col::SeverityId, record) {
            Some(id) => row.text(Col::Severity, severity_name(id)),
            None => row.severity(Severity::Informational),
        }
        if let Some(id) = self.number(Col::StatusId, record) {
            row.text(Col::Status, status_name(self.class_uid(), id));
        }
        row.text(Col::MetadataLogName, &self.name);
        row.text(Col::MetadataProductName, &self.name);
        self.complete_class(record, row);
        row.text(Col::CloudProvider, Provider::Other.as_str());
    }

    /// What OCSF requires of the class, where the record says nothing of it.
    fn complete_class(&self, record: &Object<'_>, row: &mut Row<'_>) {
        let has = |row: &Row<'_>, cols: &[Col]| cols.iter().any(|col| row.has(*col));
        match self.class_uid() {
            2004 => row.text(Col::FindingInfoUid, self.key(record).uid().as_str()),
            3001 => required::user(row),
            3002 => {
                required::user(row);
                row.text(Col::ServiceName, &self.name);
            }
            class @ (3003 | 3005) => {
                required::user(row);
                // A session is given a group or privileges, not both.
                let has_group = class == 3003 && has(row, &[Col::GroupName, Col::GroupUid]);
                if !has_group && !row.has(Col::Privileges) {
                    row.texts(Col::Privileges, &[UNKNOWN]);
                }
            }
            3004 if !row.has(Col::EntityUid) => row.text(Col::EntityName, UNKNOWN),
            3006 if !row.has(Col::GroupUid) => row.text(Col::GroupName, UNKNOWN),
            6003 => {
                required::actor_and_source(row);
                row.text(Col::ApiOperation, UNKNOWN);
            }
            6005 => {
                required::actor_and_source(row);
                if !has(row, &[Col::DatabucketName, Col::DatabucketUid, Col::TableName, Col::TableUid]) {
                    row.text(Col::DatabucketName, UNKNOWN);
                }
                if has(row, &[Col::DatabucketName, Col::DatabucketUid]) {
                    row.int(Col::DatabucketTypeId, 0);
                }
            }
            6006 => {
                required::actor_and_source(row);
                row.text(Col::FileName, UNKNOWN);
                row.int(Col::FileTypeId, 0);
            }
            _ => {}
        }
    }

    /// The number that a column has.
    fn number(&self, col: Col, record: &Object<'_>) -> Option<i32> {
        let rule = self.columns.iter().find(|rule| rule.col == col)?;
        rule.text(record)?.parse().ok()
    }

    fn class_uid(&self) -> i32 {
        self.class.first().map_or(0, |activity| activity.class_uid)
    }

    fn key(&self, record: &Object<'_>) -> EventKey {
        let parts: Option<Vec<String>> =
            self.uid.iter().map(|path| Some(path.find(record)?.text()?.into_owned())).collect();
        match parts.filter(|parts| !parts.is_empty()) {
            Some(parts) => {
                let bytes: Vec<&[u8]> = std::iter::once(self.name.as_bytes())
                    .chain(parts.iter().map(|part| part.as_bytes()))
                    .collect();
                EventKey::from_parts(LogType::Custom, &bytes)
            }
            None => EventKey::from_content(LogType::Custom, record.raw().as_bytes()),
        }
    }
}

/// Puts what was not taken under `unmapped`. An array of which a part was taken is kept as a whole.
fn keep_rest(object: &Object<'_>, path: &str, taken: &Taken, row: &mut Row<'_>) {
    for member in object.members() {
        let value: Value<'_> = member.value;
        if taken.contains(&value.place()) {
            continue;
        }
        let inner = value.as_object().filter(|_| taken.iter().any(|place| value.holds(*place)));
        match inner {
            Some(inner) if path.is_empty() => keep_rest(&inner, &member.key, taken, row),
            Some(inner) => keep_rest(&inner, &format!("{path}.{}", member.key), taken, row),
            None => row.keep(path, &member),
        }
    }
}

/// The name of a severity.
fn severity_name(id: i32) -> &'static str {
    let known = [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
        Severity::Fatal,
    ];
    let found = known.iter().find(|severity| severity.id() == id);
    found.map_or(if id == 99 { "Other" } else { "Unknown" }, |severity| severity.name())
}

/// The name of a status in a class: findings have others than events.
fn status_name(class_uid: i32, id: i32) -> &'static str {
    if class_uid / 1000 == 2 {
        return match id {
            1 => "New",
            2 => "In Progress",
            3 => "Suppressed",
            4 => "Resolved",
            5 => "Archived",
            6 => "Deleted",
            99 => "Other",
            _ => "Unknown",
        };
    }
    let known = [Status::Success, Status::Failure, Status::Other];
    known.iter().find(|status| status.id() == id).map_or("Unknown", |status| status.name())
}
