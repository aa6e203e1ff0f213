//! The table of mappings: one per log type.

use event::{Col, EventKey, LogType};

use crate::json::Object;
use crate::reason::MapError;
use crate::row::Row;
use crate::{aws, azure, custom, finding, gcp, github, kubernetes, m365, ocsf, okta, workspace};

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
            LogType::KubernetesAudit => {
                Self { map: kubernetes::audit::map, fields: kubernetes::audit::FIELDS }
            }
            LogType::OktaSystem => Self { map: okta::system::map, fields: okta::system::FIELDS },
            LogType::GithubAudit => Self { map: github::audit::map, fields: github::audit::FIELDS },
            LogType::M365Audit => Self { map: m365::audit::map, fields: m365::audit::FIELDS },
            LogType::GoogleWorkspace => {
                Self { map: workspace::activity::map, fields: workspace::activity::FIELDS }
            }
            LogType::AwsGuardduty => {
                Self { map: finding::guardduty::map, fields: finding::guardduty::FIELDS }
            }
            LogType::AwsSecurityHub => {
                Self { map: finding::security_hub::map, fields: finding::security_hub::FIELDS }
            }
            LogType::GcpScc => Self { map: finding::scc::map, fields: finding::scc::FIELDS },
            LogType::MicrosoftDefender => {
                Self { map: finding::defender::map, fields: finding::defender::FIELDS }
            }
            LogType::Ocsf => Self { map: ocsf::map, fields: ocsf::FIELDS },
            LogType::Custom => Self { map: custom::without_mapping, fields: &[] },
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
    (Col::CloudProvider, "by the log type, unless the record or its carrier says otherwise"),
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
