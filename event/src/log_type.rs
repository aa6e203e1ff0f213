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
    /// Amazon VPC flow logs.
    AwsVpcFlow,
    /// Route 53 Resolver query logs.
    AwsRoute53Resolver,
    /// AWS WAF web ACL traffic logs.
    AwsWaf,
    /// Access logs of Elastic Load Balancing: application, network and classic load balancers.
    AwsElb,
    /// Amazon S3 server access logs.
    AwsS3Access,
    /// Amazon CloudFront standard (access) logs.
    AwsCloudfront,
    /// Azure network security group flow logs.
    AzureNsgFlow,
    /// Azure virtual network flow logs.
    AzureVnetFlow,
    /// Azure VPN gateway diagnostic logs: tunnels, IKE, routes.
    AzureVpn,
    /// Google Cloud VPC flow logs.
    GcpVpcFlow,
    /// Google Cloud VPN logs.
    GcpVpn,
    /// Access logs of Envoy, as Istio and others write them.
    IstioAccess,
    /// Kubernetes audit events, also of EKS and AKS.
    KubernetesAudit,
    /// Okta System Log.
    OktaSystem,
    /// GitHub audit log of an organisation or enterprise.
    GithubAudit,
    /// Microsoft 365 unified audit log.
    M365Audit,
    /// Google Workspace activity reports.
    GoogleWorkspace,
    /// AWS GuardDuty findings.
    AwsGuardduty,
    /// AWS Security Hub findings in the AWS Security Finding Format.
    AwsSecurityHub,
    /// Google Security Command Center findings.
    GcpScc,
    /// Alerts of Microsoft Defender XDR, as Microsoft Graph gives them.
    MicrosoftDefender,
    /// Risk detections of Entra ID Protection, who is at risk, and alerts of Privileged Identity Management.
    EntraRisk,
    /// Records that are OCSF documents already.
    Ocsf,
    /// JSON of any other source, read by a mapping file of the user.
    Custom,
    /// Lines of syslog that are no record of another log.
    Syslog,
    /// OpenTelemetry's log records that are none of another log.
    Otlp,
    /// Events of Splunk's HTTP Event Collector that are none of another log.
    Hec,
}

impl LogType {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 32] = [
        Self::AwsCloudtrail,
        Self::AzureActivity,
        Self::EntraSignin,
        Self::EntraAudit,
        Self::GcpAudit,
        Self::AwsVpcFlow,
        Self::AwsRoute53Resolver,
        Self::AwsWaf,
        Self::AwsElb,
        Self::AwsS3Access,
        Self::AwsCloudfront,
        Self::AzureNsgFlow,
        Self::AzureVnetFlow,
        Self::AzureVpn,
        Self::GcpVpcFlow,
        Self::GcpVpn,
        Self::IstioAccess,
        Self::KubernetesAudit,
        Self::OktaSystem,
        Self::GithubAudit,
        Self::M365Audit,
        Self::GoogleWorkspace,
        Self::AwsGuardduty,
        Self::AwsSecurityHub,
        Self::GcpScc,
        Self::MicrosoftDefender,
        Self::EntraRisk,
        Self::Ocsf,
        Self::Custom,
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
            Self::AwsVpcFlow => "aws_vpc_flow",
            Self::AwsRoute53Resolver => "aws_route53_resolver",
            Self::AwsWaf => "aws_waf",
            Self::AwsElb => "aws_elb",
            Self::AwsS3Access => "aws_s3_access",
            Self::AwsCloudfront => "aws_cloudfront",
            Self::AzureNsgFlow => "azure_nsg_flow",
            Self::AzureVnetFlow => "azure_vnet_flow",
            Self::AzureVpn => "azure_vpn",
            Self::GcpVpcFlow => "gcp_vpc_flow",
            Self::GcpVpn => "gcp_vpn",
            Self::IstioAccess => "istio_access",
            Self::KubernetesAudit => "kubernetes_audit",
            Self::OktaSystem => "okta_system",
            Self::GithubAudit => "github_audit",
            Self::M365Audit => "m365_audit",
            Self::GoogleWorkspace => "google_workspace",
            Self::AwsGuardduty => "aws_guardduty",
            Self::AwsSecurityHub => "aws_security_hub",
            Self::GcpScc => "gcp_scc",
            Self::MicrosoftDefender => "microsoft_defender",
            Self::EntraRisk => "entra_risk",
            Self::Ocsf => "ocsf",
            Self::Custom => "custom",
            Self::Syslog => "syslog",
            Self::Otlp => "otlp",
            Self::Hec => "hec",
        }
    }

    /// The cloud that writes this log, unless the record says another.
    pub fn provider(self) -> Provider {
        match self {
            Self::AwsCloudtrail => Provider::Aws,
            Self::AzureActivity | Self::EntraSignin | Self::EntraAudit => Provider::Azure,
            Self::GcpAudit => Provider::Gcp,
            Self::AwsVpcFlow
            | Self::AwsRoute53Resolver
            | Self::AwsWaf
            | Self::AwsElb
            | Self::AwsS3Access
            | Self::AwsCloudfront => Provider::Aws,
            Self::AzureNsgFlow | Self::AzureVnetFlow | Self::AzureVpn => Provider::Azure,
            Self::GcpVpcFlow | Self::GcpVpn => Provider::Gcp,
            Self::IstioAccess => Provider::Other,
            Self::AwsGuardduty | Self::AwsSecurityHub => Provider::Aws,
            Self::M365Audit | Self::MicrosoftDefender | Self::EntraRisk => Provider::Azure,
            Self::GoogleWorkspace | Self::GcpScc => Provider::Gcp,
            Self::KubernetesAudit | Self::OktaSystem | Self::GithubAudit | Self::Ocsf | Self::Custom => {
                Provider::Other
            }
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
