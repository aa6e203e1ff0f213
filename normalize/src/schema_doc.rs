//! The reference page of columns, printed from the code: `docs/schema.md`.

use event::{COLUMNS, Col, Column, Kind, LogType, OCSF_VERSION};

use crate::mapping::{FRAMEWORK_FIELDS, Mapping};

/// `docs/schema.md`: one row per column with its type, its place in an OCSF document, its meaning, and
/// for each log type the cloud's own fields that fill it.
pub fn schema_markdown() -> String {
    let mut page = format!(
        "# Columns of the table `events`\n\
         \n\
         Printed from the code; do not edit.\n\
         \n\
         One row is one event, whatever cloud it is from. The columns are attributes of OCSF {OCSF_VERSION} laid flat: \
         `actor.user.name` is `actor_user_name`. A column is null where the record has nothing for it. What no \
         column takes is in `unmapped`, and `raw_data` is the record as the cloud wrote it.\n\
         \n\
         Types are those of SQL; times are UTC, to the microsecond. `json` is text that holds one JSON value. \
         Columns without an OCSF path are Stormglass's own.\n\
         \n\
         The last column tells where a value is from, for each log type:\n\
         \n"
    );
    for log_type in LogType::ALL {
        page.push_str(&format!("- **{}**: {} (`{log_type}`)\n", short(log_type), long(log_type)));
    }
    page.push_str("\n| column | type | OCSF path | meaning | from |\n| --- | --- | --- | --- | --- |\n");
    for column in COLUMNS {
        page.push_str(&row(column));
    }
    page
}

fn short(log_type: LogType) -> &'static str {
    match log_type {
        LogType::AwsCloudtrail => "AWS",
        LogType::AzureActivity => "Azure",
        LogType::EntraSignin => "Entra sign-in",
        LogType::EntraAudit => "Entra audit",
        LogType::GcpAudit => "GCP",
        LogType::AwsVpcFlow => "VPC flow",
        LogType::AwsRoute53Resolver => "Route 53",
        LogType::AwsWaf => "WAF",
        LogType::AwsElb => "ELB",
        LogType::AwsS3Access => "S3 access",
        LogType::AwsCloudfront => "CloudFront",
        LogType::AzureNsgFlow => "NSG flow",
        LogType::AzureVnetFlow => "VNet flow",
        LogType::AzureVpn => "Azure VPN",
        LogType::GcpVpcFlow => "GCP flow",
        LogType::GcpVpn => "GCP VPN",
        LogType::IstioAccess => "Envoy",
        LogType::KubernetesAudit => "Kubernetes",
        LogType::OktaSystem => "Okta",
        LogType::GithubAudit => "GitHub",
        LogType::M365Audit => "M365",
        LogType::GoogleWorkspace => "Workspace",
        LogType::AwsGuardduty => "GuardDuty",
        LogType::AwsSecurityHub => "Security Hub",
        LogType::GcpScc => "SCC",
        LogType::MicrosoftDefender => "Defender",
        LogType::EntraRisk => "Entra risk",
        LogType::Ocsf => "OCSF",
        LogType::Custom => "Custom",
        LogType::Syslog => "syslog",
        LogType::Otlp => "OTLP",
        LogType::Hec => "HEC",
    }
}

fn long(log_type: LogType) -> &'static str {
    match log_type {
        LogType::AwsCloudtrail => "AWS CloudTrail",
        LogType::AzureActivity => "Azure Activity Log",
        LogType::EntraSignin => "Entra sign-in logs",
        LogType::EntraAudit => "Entra directory audit logs",
        LogType::GcpAudit => "Google Cloud audit logs",
        LogType::AwsVpcFlow => "Amazon VPC flow logs",
        LogType::AwsRoute53Resolver => "Route 53 Resolver query logs",
        LogType::AwsWaf => "AWS WAF logs",
        LogType::AwsElb => "Elastic Load Balancing access logs",
        LogType::AwsS3Access => "Amazon S3 server access logs",
        LogType::AwsCloudfront => "Amazon CloudFront standard logs",
        LogType::AzureNsgFlow => "Azure network security group flow logs",
        LogType::AzureVnetFlow => "Azure virtual network flow logs",
        LogType::AzureVpn => "Azure VPN gateway logs",
        LogType::GcpVpcFlow => "Google Cloud VPC flow logs",
        LogType::GcpVpn => "Google Cloud VPN logs",
        LogType::IstioAccess => "Envoy and Istio access logs",
        LogType::KubernetesAudit => "Kubernetes audit events",
        LogType::OktaSystem => "Okta System Log",
        LogType::GithubAudit => "GitHub audit log",
        LogType::M365Audit => "Microsoft 365 unified audit log",
        LogType::GoogleWorkspace => "Google Workspace activity reports",
        LogType::AwsGuardduty => "AWS GuardDuty findings",
        LogType::AwsSecurityHub => "AWS Security Hub findings",
        LogType::GcpScc => "Google Security Command Center findings",
        LogType::MicrosoftDefender => "Microsoft Defender XDR alerts",
        LogType::EntraRisk => {
            "Entra ID Protection's risk detections and alerts of Privileged Identity Management"
        }
        LogType::Ocsf => "OCSF documents, each attribute to the column of its path",
        LogType::Custom => "JSON of any other source, by a [mapping file](custom-sources.md)",
        LogType::Syslog => "syslog",
        LogType::Otlp => "OpenTelemetry logs (OTLP)",
        LogType::Hec => "events of Splunk's HTTP Event Collector",
    }
}

fn row(column: &Column) -> String {
    let path = if column.ocsf.is_empty() { String::new() } else { format!("`{}`", column.ocsf) };
    format!(
        "| `{}` | {} | {path} | {} | {} |\n",
        column.name,
        sql_type(column.kind),
        cell(column.meaning),
        origins(column.col)
    )
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Label | Kind::Text => "text",
        Kind::Json => "json",
        Kind::Int => "int",
        Kind::Long => "bigint",
        Kind::Float => "double",
        Kind::Flag => "boolean",
        Kind::Time => "timestamp",
        Kind::Day => "date",
    }
}

/// Where the values of a column are from: every log type's own words, or the one answer for all.
fn origins(col: Col) -> String {
    let mut origins = Vec::new();
    for log_type in LogType::ALL {
        let fields = Mapping::of(log_type).fields.iter().filter(|(listed, _)| *listed == col);
        origins.extend(fields.map(|(_, from)| format!("**{}**: {}", short(log_type), cell(from))));
    }
    origins.extend(FRAMEWORK_FIELDS.iter().filter(|(listed, _)| *listed == col).map(|(_, from)| cell(from)));
    if origins.is_empty() {
        origins.extend(follows(col).map(|from| format!("follows from {from}")));
    }
    if origins.is_empty() { "no log has it yet".to_owned() } else { origins.join("<br>") }
}

/// The columns that a column of ours always goes with; see [`crate::mapping::DERIVED`].
fn follows(col: Col) -> Option<&'static str> {
    Some(match col {
        Col::EventDay => "`time`",
        Col::ClassName | Col::CategoryUid | Col::CategoryName => "`class_uid`",
        Col::ActivityName => "`activity_id`",
        Col::TypeUid | Col::TypeName => "`class_uid` and `activity_id`",
        Col::Severity => "`severity_id`",
        Col::Status => "`status_id`",
        _ => return None,
    })
}

/// A text as it may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::DERIVED;

    #[test]
    fn derived_columns_say_from_what() {
        for col in DERIVED {
            assert!(follows(*col).is_some(), "`{}`", col.name());
        }
    }

    #[test]
    fn no_mapping_lists_a_column_twice() {
        for log_type in LogType::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for (col, _) in Mapping::of(log_type).fields {
                assert!(seen.insert(*col), "{log_type} lists `{}` twice", col.name());
            }
        }
    }
}
