//! The kinds of log that Stormglass can read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A cloud, as `cloud.provider` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure and Entra.
    Azure,
    /// Google Cloud.
    Gcp,
    /// None of them: software that runs anywhere.
    Other,
}

impl Provider {
    /// The value of the column `cloud_provider` and of the table's partition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "GCP",
            Self::Other => "Other",
        }
    }
}

/// A kind of record; each has one mapping in `normalize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogType {
    /// AWS CloudTrail: management, data, insight and network activity events.
    AwsCloudtrail,
    /// Azure Activity Log.
    AzureActivity,
    /// Entra sign-in logs: interactive, non-interactive, service principal, managed identity.
    EntraSignin,
    /// Entra directory audit logs.
    EntraAudit,
    /// Google Cloud audit logs: admin activity, data access, system event, policy denied.
    GcpAudit,
    /// Lines of syslog that are no record of another log.
    Syslog,
    /// OpenTelemetry's log records that are none of another log.
    Otlp,
    /// Events of Splunk's HTTP Event Collector that are none of another log.
    Hec,
}

impl LogType {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::AwsCloudtrail,
        Self::AzureActivity,
        Self::EntraSignin,
        Self::EntraAudit,
        Self::GcpAudit,
        Self::Syslog,
        Self::Otlp,
        Self::Hec,
    ];

    /// The name in columns, configuration and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwsCloudtrail => "aws_cloudtrail",
            Self::AzureActivity => "azure_activity",
            Self::EntraSignin => "entra_signin",
            Self::EntraAudit => "entra_audit",
            Self::GcpAudit => "gcp_audit",
            Self::Syslog => "syslog",
            Self::Otlp => "otlp",
            Self::Hec => "hec",
        }
    }

    /// The cloud that writes this log.
    pub fn provider(self) -> Provider {
        match self {
            Self::AwsCloudtrail => Provider::Aws,
            Self::AzureActivity | Self::EntraSignin | Self::EntraAudit => Provider::Azure,
            Self::GcpAudit => Provider::Gcp,
            Self::Syslog | Self::Otlp | Self::Hec => Provider::Other,
        }
    }
}

impl fmt::Display for LogType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LogType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("unknown log type `{name}`; choose one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for kind in LogType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("eventlog".parse::<LogType>().unwrap_err().contains("aws_cloudtrail"));
    }
}
