//! The table of mappings: one per log type.

use event::{Col, EventKey, LogType};

use crate::json::Object;
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::{
    aws, azure, custom, envoy, finding, gcp, github, kubernetes, m365, ocsf, okta, pushed, workspace,
};

/// Fills the row from a line of text; returns the event's identity.
pub(crate) type MapLine = fn(&str, &mut Row<'_>) -> Result<EventKey, MapError>;

/// How records of one log type become rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping {
    /// Fills the row from a record; returns the event's identity. What no column takes must go to
    /// [`Row::keep`], so that nothing is lost.
    pub(crate) map: fn(&Object<'_>, &mut Row<'_>) -> Result<EventKey, MapError>,
    /// The same from a record that is a line of text, if the log has such. A line whose fields the file's first
    /// line names has that above it, as the splitter hands it out.
    pub(crate) line: Option<MapLine>,
    /// Where each column's value comes from, in the cloud's own field names.
    pub(crate) fields: &'static [(Col, &'static str)],
}

impl Mapping {
    pub(crate) fn of(log_type: LogType) -> Self {
        match log_type {
            LogType::AwsCloudtrail => {
                Self { map: aws::cloudtrail::map, line: None, fields: aws::cloudtrail::FIELDS }
            }
            LogType::AzureActivity => {
                Self { map: azure::activity::map, line: None, fields: azure::activity::FIELDS }
            }
            LogType::EntraSignin => {
                Self { map: azure::signin::map, line: None, fields: azure::signin::FIELDS }
            }
            LogType::EntraAudit => Self { map: azure::audit::map, line: None, fields: azure::audit::FIELDS },
            LogType::GcpAudit => Self { map: gcp::audit::map, line: None, fields: gcp::audit::FIELDS },
            LogType::AwsVpcFlow => Self {
                map: aws::vpc_flow::map,
                line: Some(aws::vpc_flow::map_line),
                fields: aws::vpc_flow::FIELDS,
            },
            LogType::AwsRoute53Resolver => {
                Self { map: aws::route53::map, line: None, fields: aws::route53::FIELDS }
            }
            LogType::AwsWaf => Self { map: aws::waf::map, line: None, fields: aws::waf::FIELDS },
            LogType::AwsElb => {
                Self { map: no_object, line: Some(aws::elb::map_line), fields: aws::elb::FIELDS }
            }
            LogType::AwsS3Access => {
                Self { map: no_object, line: Some(aws::s3_access::map_line), fields: aws::s3_access::FIELDS }
            }
            LogType::AwsCloudfront => Self {
                map: aws::cloudfront::map,
                line: Some(aws::cloudfront::map_line),
                fields: aws::cloudfront::FIELDS,
            },
            LogType::AzureNsgFlow => {
                Self { map: azure::flow::map_group, line: None, fields: azure::flow::FIELDS }
            }
            LogType::AzureVnetFlow => {
                Self { map: azure::flow::map_network, line: None, fields: azure::flow::FIELDS }
            }
            LogType::AzureVpn => Self { map: azure::vpn::map, line: None, fields: azure::vpn::FIELDS },
            LogType::GcpVpcFlow => {
                Self { map: gcp::vpc_flow::map, line: None, fields: gcp::vpc_flow::FIELDS }
            }
            LogType::GcpVpn => Self { map: gcp::vpn::map, line: None, fields: gcp::vpn::FIELDS },
            LogType::IstioAccess => {
                Self { map: envoy::map, line: Some(envoy::map_line), fields: envoy::FIELDS }
            }
            LogType::KubernetesAudit => {
                Self { map: kubernetes::audit::map, line: None, fields: kubernetes::audit::FIELDS }
            }
            LogType::OktaSystem => Self { map: okta::system::map, line: None, fields: okta::system::FIELDS },
            LogType::GithubAudit => {
                Self { map: github::audit::map, line: None, fields: github::audit::FIELDS }
            }
            LogType::M365Audit => Self { map: m365::audit::map, line: None, fields: m365::audit::FIELDS },
            LogType::GoogleWorkspace => {
                Self { map: workspace::activity::map, line: None, fields: workspace::activity::FIELDS }
            }
            LogType::AwsGuardduty => {
                Self { map: finding::guardduty::map, line: None, fields: finding::guardduty::FIELDS }
            }
            LogType::AwsSecurityHub => {
                Self { map: finding::security_hub::map, line: None, fields: finding::security_hub::FIELDS }
            }
            LogType::GcpScc => Self { map: finding::scc::map, line: None, fields: finding::scc::FIELDS },
            LogType::MicrosoftDefender => {
                Self { map: finding::defender::map, line: None, fields: finding::defender::FIELDS }
            }
            LogType::EntraRisk => {
                Self { map: finding::entra_risk::map, line: None, fields: finding::entra_risk::FIELDS }
            }
            LogType::Ocsf => Self { map: ocsf::map, line: None, fields: ocsf::FIELDS },
            LogType::Custom => Self { map: custom::without_mapping, line: None, fields: &[] },
            LogType::Syslog => Self { map: pushed::syslog::map, line: None, fields: pushed::syslog::FIELDS },
            LogType::Otlp => Self { map: pushed::otlp::map, line: None, fields: pushed::otlp::FIELDS },
            LogType::Hec => Self { map: pushed::hec::map, line: None, fields: pushed::hec::FIELDS },
        }
    }
}

/// For logs that are nothing but text.
fn no_object(_: &Object<'_>, _: &mut Row<'_>) -> Result<EventKey, MapError> {
    Err(MapError::new(
        Reason::WrongType,
        "the record is a JSON object, but this log consists of lines of text",
    ))
}

/// What the framework itself sets, the same for every log type.
pub(crate) const FRAMEWORK_FIELDS: &[(Col, &str)] = &[
    (Col::EventUid, "a hash over the log type and the cloud's own id, or over the record where it has none"),
    (Col::LogType, "told from the record's keys, or the shape of its line, unless the source fixes it"),
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
