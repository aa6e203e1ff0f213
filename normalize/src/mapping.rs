//! The table of mappings: one per log type.

use event::{Col, EventKey, LogType};

use crate::json::Object;
use crate::reason::MapError;
use crate::row::Row;
use crate::{aws, azure, gcp, pushed};

/// How records of one log type become rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping {
    /// Fills the row from a record; returns the event's identity. What no column takes must go to
    /// [`Row::keep`], so that nothing is lost.
    pub(crate) map: fn(&Object<'_>, &mut Row<'_>) -> Result<EventKey, MapError>,
    /// Where each column's value comes from, in the cloud's own field names.
    pub(crate) fields: &'static [(Col, &'static str)],
}

impl Mapping {
    pub(crate) fn of(log_type: LogType) -> Self {
        match log_type {
            LogType::AwsCloudtrail => Self { map: aws::cloudtrail::map, fields: aws::cloudtrail::FIELDS },
            LogType::AzureActivity => Self { map: azure::activity::map, fields: azure::activity::FIELDS },
            LogType::EntraSignin => Self { map: azure::signin::map, fields: azure::signin::FIELDS },
            LogType::EntraAudit => Self { map: azure::audit::map, fields: azure::audit::FIELDS },
            LogType::GcpAudit => Self { map: gcp::audit::map, fields: gcp::audit::FIELDS },
            LogType::Syslog => Self { map: pushed::syslog::map, fields: pushed::syslog::FIELDS },
            LogType::Otlp => Self { map: pushed::otlp::map, fields: pushed::otlp::FIELDS },
            LogType::Hec => Self { map: pushed::hec::map, fields: pushed::hec::FIELDS },
        }
    }
}

/// What the framework itself sets, the same for every log type.
pub(crate) const FRAMEWORK_FIELDS: &[(Col, &str)] = &[
    (Col::EventUid, "a hash over the log type and the cloud's own id, or over the record where it has none"),
    (Col::LogType, "told from the record's keys, unless the source fixes it"),
    (Col::Source, "the name of the source"),
    (Col::LogOffset, "the record's number in the log"),
    (Col::MetadataVersion, "the OCSF version of the columns"),
    (Col::MetadataLoggedTime, "when the record was received"),
    (Col::CloudProvider, "by the log type"),
    (
        Col::Unmapped,
        "every member that no column takes, under its dotted name; `duplicate_keys`; members of an envelope under `envelope`",
    ),
    (Col::RawData, "the record, without its envelope"),
];

/// Columns that follow from one that a mapping lists: names of numbers, the day of the time.
#[cfg(test)]
pub(crate) const DERIVED: &[Col] = &[
    Col::EventDay,
    Col::ClassName,
    Col::CategoryUid,
    Col::CategoryName,
    Col::ActivityName,
    Col::TypeUid,
    Col::TypeName,
    Col::Severity,
    Col::Status,
];
