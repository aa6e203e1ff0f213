//! Which log a record is from, told by its keys.

mod line;
mod network;

use event::LogType;

pub(crate) use line::line;

use crate::json::{Object, Value};
use crate::reason::{MapError, Reason};
use crate::{product, pushed};

/// The log type of a record that lies in no envelope.
///
/// One look at each key, and for CloudTrail, the most frequent, at the first few only.
///
/// # Errors
/// [`Reason::UnknownLogType`].
pub(crate) fn log_type(record: &Object<'_>) -> Result<LogType, MapError> {
    let mut cloudtrail_keys = 0;
    for member in record.members() {
        match member.key.as_ref() {
            "eventVersion" | "userIdentity" | "eventTime" | "eventSource" | "eventName" | "awsRegion"
            | "eventID" | "requestParameters" | "recipientAccountId" | "insightDetails" => {
                cloudtrail_keys += 1
            }
            "protoPayload" => return gcp(&member.value),
            "syslog" | "otlp" | "hec" => {
                if let Some(log_type) = pushed::log_type(&member) {
                    return Ok(log_type);
                }
            }
            _ => {}
        }
        if cloudtrail_keys == 2 {
            return Ok(LogType::AwsCloudtrail);
        }
    }
    let other = || network::log_type(record).or_else(|| product::log_type(record));
    microsoft(record).or_else(other).ok_or_else(|| unknown(record))
}

/// `protoPayload` can hold other things than audit logs; its `@type` says so, where it is given.
fn gcp(payload: &Value<'_>) -> Result<LogType, MapError> {
    let kind = payload.as_object().and_then(|payload| payload.get("@type")).and_then(|kind| kind.as_str());
    match kind {
        Some(kind) if !kind.ends_with("AuditLog") => Err(MapError::new(
            Reason::UnknownLogType,
            format!("a Google Cloud log entry whose `protoPayload` is no AuditLog but `{}`", clip(&kind)),
        )),
        _ => Ok(LogType::GcpAudit),
    }
}

/// What decides between the logs of Azure and Entra. Each arrives from diagnostic settings (`category`),
/// from Log Analytics (PascalCase columns and `Type`) and from its own API (camelCase, snake_case from
/// Python's).
#[derive(Debug, Default)]
struct Clues<'a> {
    category: Option<Value<'a>>,
    table: Option<Value<'a>>,
    operation: Option<Value<'a>>,
    resource_id: Option<Value<'a>>,
    activity: bool,
    sign_in: u8,
    audit: u8,
    risk: u8,
    role_alert: u8,
}

fn microsoft(record: &Object<'_>) -> Option<LogType> {
    let clues = clues(record);
    let text =
        |value: Option<Value<'_>>| value.and_then(|value| value.as_str()).unwrap_or_default().into_owned();
    if let Some(found) = by_table(&text(clues.table)) {
        return Some(found);
    }
    if clues.activity {
        return Some(LogType::AzureActivity);
    }
    if clues.role_alert >= 2 || (clues.risk >= 2 && clues.sign_in < 2) {
        return Some(LogType::EntraRisk);
    }
    if clues.audit >= 2 {
        return Some(LogType::EntraAudit);
    }
    if clues.sign_in >= 2 {
        return Some(LogType::EntraSignin);
    }
    let operation = text(clues.operation);
    let category = text(clues.category);
    if let Some(found) = by_category(&category) {
        return Some(found);
    }
    if operation == "Sign-in activity" {
        return Some(LogType::EntraSignin);
    }
    let resource = text(clues.resource_id).to_ascii_lowercase();
    if resource.contains("/providers/microsoft.aadiam") {
        return Some(LogType::EntraAudit);
    }
    // Without a category: `Microsoft.Compute/virtualMachines/write` on something in a subscription.
    let is_operation = operation.contains('/') && operation.to_ascii_lowercase().starts_with("microsoft.");
    (category.is_empty() && is_operation && resource.starts_with("/subscriptions/"))
        .then_some(LogType::AzureActivity)
}

fn clues<'a>(record: &Object<'a>) -> Clues<'a> {
    let mut clues = Clues::default();
    for member in record.members() {
        let value = member.value;
        match member.key.as_ref() {
            // The Activity Log's own API writes {"value", "localizedValue"} here.
            "category" | "Category" => {
                let inner = value.as_object().and_then(|object| object.get("value"));
                clues.category = Some(inner.unwrap_or(value));
            }
            "Type" => clues.table = Some(value),
            "operationName" | "OperationName" => clues.operation = Some(value),
            "resourceId" | "ResourceId" => clues.resource_id = Some(value),
            "eventDataId"
            | "event_data_id"
            | "EventDataId"
            | "eventTimestamp"
            | "event_timestamp"
            | "OperationNameValue"
            | "CategoryValue"
            | "ActivityStatusValue" => clues.activity = true,
            "conditionalAccessStatus"
            | "ConditionalAccessStatus"
            | "isInteractive"
            | "IsInteractive"
            | "appliedConditionalAccessPolicies"
            | "ConditionalAccessPolicies"
            | "clientAppUsed"
            | "ClientAppUsed"
            | "appDisplayName"
            | "AppDisplayName"
            | "signInEventTypes"
            | "authenticationDetails"
            | "AuthenticationDetails"
            | "servicePrincipalCredentialKeyId"
            | "ServicePrincipalCredentialKeyId" => {
                clues.sign_in += 1;
            }
            "activityDisplayName"
            | "ActivityDisplayName"
            | "activityDateTime"
            | "ActivityDateTime"
            | "loggedByService"
            | "LoggedByService"
            | "targetResources"
            | "TargetResources"
            | "initiatedBy"
            | "InitiatedBy"
            | "provisioningAction"
            | "ProvisioningAction"
            | "provisioningStatusInfo"
            | "ProvisioningStatusInfo"
            | "AADOperationType" => clues.audit += 1,
            "riskEventType"
            | "RiskEventType"
            | "riskLevel"
            | "RiskLevel"
            | "riskState"
            | "RiskState"
            | "riskLastUpdatedDateTime"
            | "RiskLastUpdatedDateTime" => clues.risk += 1,
            "alertDefinitionId" | "incidentCount" | "alertIncidents" | "scopeType" => clues.role_alert += 1,
            _ => {}
        }
    }
    clues
}

/// The table of Log Analytics that a row is from.
fn by_table(table: &str) -> Option<LogType> {
    Some(match table {
        "AzureActivity" => LogType::AzureActivity,
        "SigninLogs"
        | "AADNonInteractiveUserSignInLogs"
        | "AADServicePrincipalSignInLogs"
        | "AADManagedIdentitySignInLogs"
        | "ADFSSignInLogs" => LogType::EntraSignin,
        "AuditLogs" | "AADProvisioningLogs" => LogType::EntraAudit,
        "AADUserRiskEvents"
        | "AADRiskyUsers"
        | "AADServicePrincipalRiskEvents"
        | "AADRiskyServicePrincipals" => LogType::EntraRisk,
        _ => return None,
    })
}

/// The category of diagnostic settings. Categories not listed are resource logs (storage, key vault and
/// the like), which are none of ours.
fn by_category(category: &str) -> Option<LogType> {
    Some(match category {
        "Administrative" | "Policy" | "Security" | "ServiceHealth" | "Alert" | "Recommendation"
        | "Autoscale" | "ResourceHealth" => LogType::AzureActivity,
        "SignInLogs"
        | "NonInteractiveUserSignInLogs"
        | "ServicePrincipalSignInLogs"
        | "ManagedIdentitySignInLogs"
        | "ADFSSignInLogs" => LogType::EntraSignin,
        "AuditLogs" | "ProvisioningLogs" => LogType::EntraAudit,
        "UserRiskEvents" | "RiskyUsers" | "ServicePrincipalRiskEvents" | "RiskyServicePrincipals" => {
            LogType::EntraRisk
        }
        "NetworkSecurityGroupFlowEvent" => LogType::AzureNsgFlow,
        "FlowLogFlowEvent" => LogType::AzureVnetFlow,
        "TunnelDiagnosticLog"
        | "IKEDiagnosticLog"
        | "RouteDiagnosticLog"
        | "GatewayDiagnosticLog"
        | "P2SDiagnosticLog" => LogType::AzureVpn,
        _ => return None,
    })
}

/// Keys that give away a log which is none of ours.
const FOREIGN: &[(&str, &str)] = &[
    ("Records", "a whole file of records"),
    ("records", "a whole file of records"),
    ("digestStartTime", "a CloudTrail digest file"),
    ("jsonPayload", "a Google Cloud log entry that is neither audit log nor VPC flow nor VPN log"),
    ("textPayload", "a Google Cloud log entry that is neither audit log nor VPC flow nor VPN log"),
];

#[cold]
fn unknown(record: &Object<'_>) -> MapError {
    for (key, what) in FOREIGN {
        if record.get(key).is_some() {
            return MapError::new(
                Reason::UnknownLogType,
                format!("{what}, by its key `{key}`; not a log type of ours"),
            );
        }
    }
    let category = ["category", "Category"].into_iter().find_map(|key| record.get(key)?.as_str());
    if let Some(category) = category {
        let problem = format!(
            "an Azure resource log or other record of category `{}`; not a log type of ours",
            clip(&category)
        );
        return MapError::new(Reason::UnknownLogType, problem);
    }
    let keys: Vec<_> = record.members().take(4).map(|member| format!("`{}`", clip(&member.key))).collect();
    let problem = match keys.as_slice() {
        [] => "the record is empty".to_owned(),
        keys => format!("keys {} fit no known log type", keys.join(", ")),
    };
    MapError::new(Reason::UnknownLogType, format!("{problem}; set the log type of the source if you know it"))
}

/// At most 64 characters of a foreign text, for a message.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tokens;

    fn detect(text: &str) -> Result<LogType, String> {
        let mut tokens = Tokens::default();
        tokens.scan(text).unwrap();
        let record = Value::root(text, &tokens).as_object().unwrap();
        log_type(&record).map_err(|error| error.detail)
    }

    #[test]
    fn every_shape_is_told() {
        for (log_type, texts) in [
            (
                LogType::AwsCloudtrail,
                &[
                    r#"{"eventVersion":"1.08","userIdentity":{}}"#,
                    r#"{"readOnly":true,"eventTime":"x","eventID":"y"}"#,
                    r#"{"eventType":"AwsCloudTrailInsight","eventID":"y","insightDetails":{}}"#,
                ] as &[_],
            ),
            (
                LogType::AzureActivity,
                &[
                    r#"{"time":"x","operationName":"MICROSOFT.COMPUTE/X/WRITE","category":"Administrative"}"#,
                    r#"{"operationName":{"value":"a"},"category":{"value":"Policy"},"eventTimestamp":"x"}"#,
                    r#"{"operation_name":{"value":"a"},"event_data_id":"x"}"#,
                    r#"{"OperationNameValue":"x","TimeGenerated":"y"}"#,
                    r#"{"Type":"AzureActivity"}"#,
                    r#"{"operationName":"Microsoft.Compute/x/write","resourceId":"/SUBSCRIPTIONS/1"}"#,
                ],
            ),
            (
                LogType::EntraSignin,
                &[
                    r#"{"category":"NonInteractiveUserSignInLogs","properties":{}}"#,
                    r#"{"operationName":"Sign-in activity","properties":{}}"#,
                    r#"{"Type":"AADServicePrincipalSignInLogs","Category":"x"}"#,
                    r#"{"createdDateTime":"x","appDisplayName":"y","isInteractive":true}"#,
                ],
            ),
            (
                LogType::EntraAudit,
                &[
                    r#"{"category":"AuditLogs","operationName":"Add user"}"#,
                    r#"{"category":"UserManagement","activityDateTime":"x","activityDisplayName":"y"}"#,
                    r#"{"Category":"ApplicationManagement","LoggedByService":"x","TargetResources":"[]"}"#,
                    r#"{"category":"DirectoryManagement","resourceId":"/tenants/1/providers/Microsoft.aadiam"}"#,
                ],
            ),
            (
                LogType::EntraRisk,
                &[
                    r#"{"category":"UserRiskEvents","operationName":"User Risk Detection","properties":{}}"#,
                    r#"{"id":"x","riskEventType":"newCountry","riskState":"atRisk","activityDateTime":"y"}"#,
                    r#"{"id":"x","riskLevel":"low","riskState":"atRisk","userPrincipalName":"y"}"#,
                    r#"{"Type":"AADRiskyUsers","RiskState":"atRisk"}"#,
                    r#"{"alertDefinitionId":"x","incidentCount":1,"isActive":true}"#,
                ],
            ),
            (
                LogType::GcpAudit,
                &[
                    r#"{"insertId":"x","protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog"}}"#,
                    r#"{"protoPayload":{"methodName":"x"}}"#,
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(detect(text), Ok(log_type), "{text}");
            }
        }
    }

    #[test]
    fn what_is_foreign_is_named() {
        for (text, word) in [
            (r#"{"logName":"x","jsonPayload":{}}"#, "neither audit log"),
            (
                r#"{"protoPayload":{"@type":"type.googleapis.com/google.appengine.logging.v1.RequestLog"}}"#,
                "RequestLog",
            ),
            (r#"{"category":"StorageWrite","operationName":"PutBlob"}"#, "StorageWrite"),
            (r#"{"a":1,"b":2}"#, "`a`, `b`"),
            ("{}", "empty"),
        ] {
            let detail = detect(text).unwrap_err();
            assert!(detail.contains(word), "{text}: {detail}");
        }
    }
}
