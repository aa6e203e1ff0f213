//! Records to the measure of a rule, as AWS, Azure, Entra and Google Cloud write them: each wish is put where the
//! vendor's own documentation has the field, whatever the rule calls it.
//!
//! - <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>
//! - <https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema>
//! - <https://learn.microsoft.com/graph/api/resources/signin>, <https://learn.microsoft.com/graph/api/resources/directoryaudit>
//! - <https://cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog>

use serde_json::{Value, json};

/// A field as a rule names it, and a value that it accepts. Null: the field is to be absent.
pub(crate) type Wish = (String, Value);

/// A log that rules are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Log {
    CloudTrail,
    AzureActivity,
    EntraSignIns,
    EntraAudits,
    GcpAudit,
    Microsoft365,
}

impl Log {
    /// The log that a rule's log source names, if it is one of these.
    pub(crate) fn of(logsource: &Value) -> Option<Self> {
        let part = |key: &str| logsource[key].as_str().unwrap_or_default();
        Some(match (part("product"), part("service")) {
            ("aws", "cloudtrail") => Self::CloudTrail,
            ("azure", "activitylogs") => Self::AzureActivity,
            ("azure", "signinlogs") => Self::EntraSignIns,
            ("azure", "auditlogs") => Self::EntraAudits,
            ("gcp", "gcp.audit") => Self::GcpAudit,
            ("azure", "m365") => Self::Microsoft365,
            _ => return None,
        })
    }

    /// The same event in every form in which the log arrives, each with the form's name.
    pub(crate) fn records(self, wishes: &[Wish]) -> Vec<(&'static str, Value)> {
        match self {
            Self::CloudTrail => {
                let record = cloudtrail(wishes);
                let bus =
                    json!({"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": record});
                vec![("record", record), ("event bus", bus)]
            }
            Self::AzureActivity => azure_activity(wishes),
            Self::EntraSignIns => entra_sign_in(wishes),
            Self::EntraAudits => entra_audit(wishes),
            Self::GcpAudit => vec![("entry", gcp_audit(wishes))],
            Self::Microsoft365 => vec![("record", microsoft_365(wishes))],
        }
    }
}

fn microsoft_365(wishes: &[Wish]) -> Value {
    let mut record = json!({
        "CreationTime": "2026-05-01T10:00:00", "Id": "i", "RecordType": 8, "Operation": "x", "OrganizationId": "o",
        "Workload": "AzureActiveDirectory", "UserId": "ana@example.com", "UserType": 0, "ResultStatus": "Success",
    });
    for (name, value) in wishes {
        match name.split_once('.') {
            // Lists of pairs.
            Some((list, name)) => record[list] = json!([{"Name": name, "Value": value}]),
            None => record[name] = value.clone(),
        }
    }
    record
}

/// Puts a value at a path, its names joined by dots.
fn put(record: &mut Value, path: &str, value: Value) {
    let mut place = record;
    for step in path.split('.') {
        place = &mut place[step];
    }
    *place = value;
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text that says true or false as the flag itself.
fn flag(value: &Value) -> Value {
    match text(value).as_str() {
        "true" => true.into(),
        "false" => false.into(),
        _ => value.clone(),
    }
}

fn cloudtrail(wishes: &[Wish]) -> Value {
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/ana",
            "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE", "userName": "ana",
        },
        "eventTime": "2026-05-01T10:00:00Z", "eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances",
        "awsRegion": "eu-central-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.15.0",
        "requestParameters": null, "responseElements": null, "eventID": "0", "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333", "managementEvent": true, "readOnly": false,
    });
    for (name, value) in wishes {
        match name.as_str() {
            _ if value.is_null() => {}
            // A call that succeeded says so by having no error.
            "status" => assert_eq!(text(value), "success"),
            "requestParameters" if text(value) == "Suspended" => {
                let versioning = json!({"Status": value, "xmlns": "http://s3.amazonaws.com/doc/2006-03-01/"});
                record["requestParameters"] =
                    json!({"bucketName": "b", "VersioningConfiguration": versioning});
            }
            // A policy is a text.
            "requestParameters" => {
                let policy = json!({"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::<YOUR-BUCKET-NAME>/*"],
                }]});
                let asked = text(value).replace("1\"", "*\"");
                assert!(asked.split(' ').all(|part| policy.to_string().contains(part)), "{asked}");
                record["requestParameters"] = json!({"userName": "u", "policyDocument": policy.to_string()});
            }
            "requestParameters.containerDefinitions.command" => {
                record["requestParameters"] =
                    json!({"containerDefinitions": [{"name": "c", "command": [value]}]});
            }
            "requestParameters.layers" => record["requestParameters"]["layers"] = json!([value]),
            "userIdentity.arn" => {
                record["userIdentity"]["arn"] = value.clone();
                record["userIdentity"]["type"] = "AssumedRole".into();
            }
            _ => put(&mut record, name, flag(value)),
        }
    }
    record
}

fn azure_activity(wishes: &[Wish]) -> Vec<(&'static str, Value)> {
    let mut operation = "Microsoft.Compute/virtualMachines/read".to_owned();
    let mut kind = None;
    let (mut category, mut code) = ("Administrative".to_owned(), "OK".to_owned());
    for (name, value) in wishes {
        let value = text(value);
        match name.as_str() {
            "" | "operationName" | "OperationNameValue" => operation = value,
            "CategoryValue" => category = value,
            // The provider is what the operation's name begins with.
            "ResourceProviderValue" => assert!(operation.starts_with(&value) || kind.is_none()),
            "ResourceId" => kind = Some(value),
            "properties.statusCode" => code = value,
            other => unreachable!("{other}"),
        }
    }
    let provider = operation.split('/').next().unwrap().to_owned();
    let kind = kind.unwrap_or_else(|| "x".to_owned());
    let resource = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers/{provider}/{kind}/n"
    );
    let details = json!({
        "eventCategory": category, "entity": resource, "message": operation, "hierarchy": "root", "statusCode": code,
    });
    let hub = json!({
        "time": "2026-05-01T10:00:00.0000000Z", "resourceId": resource.to_uppercase(),
        "operationName": operation.to_uppercase(), "category": category, "resultType": "Success",
        "resultSignature": format!("Succeeded.{code}"), "durationMs": "10", "callerIpAddress": "198.51.100.7",
        "correlationId": "c", "level": "Information", "properties": details,
        "identity": {"claims": {"appid": "a", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "ana@example.com"}},
    });
    let row = json!({
        "OperationName": "Some words", "OperationNameValue": operation.to_uppercase(), "Level": "Informational",
        "ActivityStatusValue": "Success", "Category": category, "CategoryValue": category,
        "ResourceProviderValue": provider, "_ResourceId": resource.to_lowercase(), "ResourceId": resource,
        "Caller": "ana@example.com", "CallerIpAddress": "198.51.100.7", "CorrelationId": "c", "EventDataId": "e",
        "TimeGenerated": "2026-05-01T10:00:00Z", "Properties": details.to_string(), "Type": "AzureActivity",
    });
    let pair = |value: &str| json!({"value": value, "localizedValue": "Some words"});
    let api = json!({
        "eventTimestamp": "2026-05-01T10:00:00Z", "eventDataId": "e", "operationName": pair(&operation),
        "category": pair(&category), "resourceProviderName": pair(&provider), "resourceId": resource,
        "status": pair("Succeeded"), "subStatus": pair(&code), "caller": "ana@example.com", "level": "Informational",
        "correlationId": "c", "httpRequest": {"clientIpAddress": "198.51.100.7", "method": "PUT"}, "properties": details,
    });
    vec![("event hub", hub), ("Log Analytics", row), ("management API", api)]
}

fn entra_sign_in(wishes: &[Wish]) -> Vec<(&'static str, Value)> {
    let mut graph = json!({
        "id": "s", "createdDateTime": "2026-05-01T10:00:00Z", "userDisplayName": "Ana", "userId": "u",
        "userPrincipalName": "ana@example.com", "appId": "00000000-0000-0000-0000-00000000000a", "appDisplayName": "App",
        "ipAddress": "198.51.100.7", "clientAppUsed": "Browser", "userAgent": "Mozilla/5.0", "correlationId": "c",
        "conditionalAccessStatus": "notApplied", "isInteractive": true, "riskDetail": "none", "riskState": "none",
        "authenticationRequirement": "singleFactorAuthentication", "authenticationProtocol": "none",
        "resourceDisplayName": "Graph", "resourceId": "r", "resourceTenantId": "t", "homeTenantId": "t",
        "status": {"errorCode": 50_126, "failureReason": "Invalid username or password.", "additionalDetails": null},
        "deviceDetail": {"deviceId": "d", "isCompliant": true, "isManaged": true, "trustType": "Azure AD joined"},
        "location": {"city": "Berlin", "state": "Berlin", "countryOrRegion": "DE"}, "networkLocationDetails": [],
    });
    for (name, value) in wishes {
        let name = name.to_lowercase();
        match name.strip_prefix("properties.").unwrap_or(&name) {
            "resulttype" if *value == 0 => {
                graph["status"] = json!({"errorCode": 0, "failureReason": "Other."})
            }
            "resulttype" => graph["status"]["errorCode"] = value.clone(),
            "resultdescription" => graph["status"]["failureReason"] = value.clone(),
            "status" if text(value) == "Success" => {
                graph["status"] = json!({"errorCode": 0, "failureReason": "Other."});
            }
            "status" | "status.additionaldetails" => {
                graph["status"] = json!({"errorCode": 500_121, "failureReason": "Authentication failed.",
                    "additionalDetails": format!("{}; user declined the authentication", text(value))});
            }
            "devicedetail.trusttype" if value.is_null() => {
                graph["deviceDetail"].as_object_mut().unwrap().remove("trustType");
            }
            "devicedetail.trusttype" => graph["deviceDetail"]["trustType"] = value.clone(),
            "devicedetail.iscompliant" => graph["deviceDetail"]["isCompliant"] = flag(value),
            "devicedetail.deviceid" => graph["deviceDetail"]["deviceId"] = value.clone(),
            "networklocationdetails" => assert_eq!(text(value), "[]"),
            // What the portal shows, and Graph writes as one word.
            "message" | "authenticationprotocol" => {
                graph["authenticationProtocol"] = text(value).to_lowercase().into();
            }
            "location" => graph["location"]["countryOrRegion"] = value.clone(),
            "calleripaddress" => graph["ipAddress"] = value.clone(),
            lower => {
                let known = graph.as_object().unwrap().keys().find(|key| key.to_lowercase() == lower);
                let known = known.unwrap_or_else(|| unreachable!("{lower}")).clone();
                graph[known] = value.clone();
            }
        }
    }
    let code = text(&graph["status"]["errorCode"]);
    let reason = graph["status"]["failureReason"].clone();
    let country = graph["location"]["countryOrRegion"].clone();
    let hub = json!({
        "time": "2026-05-01T10:01:00Z", "resourceId": "/tenants/t/providers/Microsoft.aadiam", "Level": 4,
        "operationName": "Sign-in activity", "operationVersion": "1.0", "category": "SignInLogs", "tenantId": "t",
        "resultType": code, "resultSignature": "None", "resultDescription": reason, "identity": "Ana",
        "callerIpAddress": graph["ipAddress"], "correlationId": "c", "location": country, "properties": graph,
    });
    let mut row = json!({
        "TimeGenerated": "2026-05-01T10:00:00Z", "OperationName": "Sign-in activity", "Category": "SignInLogs",
        "ResultType": code, "ResultDescription": reason, "Identity": "Ana", "Location": country,
        "LocationDetails": graph["location"].to_string(), "AADTenantId": "t", "Type": "SigninLogs",
    });
    columns(&mut row, &graph, &["location"]);
    vec![("event hub", hub), ("Log Analytics", row), ("Graph", graph)]
}

/// The members as Log Analytics has them: PascalCase, JSON as text.
fn columns(row: &mut Value, graph: &Value, but: &[&str]) {
    for (name, value) in graph.as_object().unwrap() {
        if but.contains(&name.as_str()) {
            continue;
        }
        let value = match value {
            Value::Object(_) | Value::Array(_) => value.to_string().into(),
            other => other.clone(),
        };
        let (first, rest) = name.split_at(1);
        row[format!("{}{rest}", first.to_uppercase())] = value;
    }
}

fn entra_audit(wishes: &[Wish]) -> Vec<(&'static str, Value)> {
    let user = json!({"id": "u", "userPrincipalName": "ana@example.com", "ipAddress": "198.51.100.7"});
    let mut graph = json!({
        "id": "a", "category": "Other", "correlationId": "c", "result": "success", "resultReason": "",
        "activityDisplayName": "Something", "activityDateTime": "2026-05-01T10:00:00Z", "operationType": "Update",
        "loggedByService": "Core Directory", "initiatedBy": {"user": user, "app": null}, "additionalDetails": [],
        "targetResources": [{"id": "t", "displayName": "n", "type": "User", "modifiedProperties": []}],
    });
    let (mut property, mut before, mut after) = ("p".to_owned(), "[]".to_owned(), "[]".to_owned());
    for (name, value) in wishes {
        let lower = name.to_lowercase();
        let words = text(value);
        match lower.strip_prefix("properties.").unwrap_or(&lower) {
            "message" | "operationname" | "activitydisplayname" | "activitytype" => {
                graph["activityDisplayName"] = value.clone();
            }
            "status" | "result" if ["success", "failure"].contains(&words.to_lowercase().as_str()) => {
                graph["result"] = words.to_lowercase().into();
            }
            // The portal's "status reason".
            "status" | "failure_status_reason" | "resultreason" => graph["resultReason"] = value.clone(),
            "category" => graph["category"] = value.clone(),
            "loggedbyservice" => graph["loggedByService"] = value.clone(),
            "targetresources" if words.contains("Guest") => {
                (property, before, after) = ("UserType".into(), "[\"Guest\"]".into(), "[\"Member\"]".into());
            }
            "targetresources" => graph["targetResources"][0]["displayName"] = format!("Some {words}").into(),
            "targetresources.modifiedproperties" | "targetresources.modifiedproperties.displayname" => {
                property = words;
            }
            "targetresources.modifiedproperties.newvalue" => after = format!("[{{\"{words}}}]"),
            "consentcontext.isadminconsent" => {
                (property, after) = ("ConsentContext.IsAdminConsent".into(), "\"False\"".into());
            }
            "additionaldetails.additionalinfo" => {
                graph["additionalDetails"] = json!([
                    {"key": "User-Agent", "value": "Mozilla/5.0"},
                    {"key": "AdditionalInfo", "value": format!("{words} 00000000-0000-0000-0000-00000000000d")},
                ]);
            }
            other => unreachable!("{other}"),
        }
    }
    graph["targetResources"][0]["modifiedProperties"] =
        json!([{"displayName": property, "oldValue": before, "newValue": after}]);
    let activity = graph["activityDisplayName"].clone();
    let hub = json!({
        "time": "2026-05-01T10:00:00Z", "resourceId": "/tenants/t/providers/Microsoft.aadiam", "Level": 4,
        "operationName": activity, "operationVersion": "1.0", "category": "AuditLogs", "tenantId": "t",
        "resultSignature": "None", "correlationId": "c", "durationMs": 0, "identity": "Ana", "properties": graph,
    });
    let mut row = json!({
        "TimeGenerated": "2026-05-01T10:00:00Z", "OperationName": activity, "AADOperationType": graph["operationType"],
        "ResultDescription": graph["resultReason"], "AADTenantId": "t", "Identity": "Ana", "Type": "AuditLogs",
    });
    columns(&mut row, &graph, &["operationType"]);
    vec![("event hub", hub), ("Log Analytics", row), ("Graph", graph)]
}

fn gcp_audit(wishes: &[Wish]) -> Value {
    let mut entry = json!({
        "insertId": "i", "logName": "projects/demo/logs/cloudaudit.googleapis.com%2Factivity", "severity": "NOTICE",
        "timestamp": "2026-05-01T10:00:00Z", "receiveTimestamp": "2026-05-01T10:00:01Z",
        "resource": {"type": "project", "labels": {"project_id": "demo"}},
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "compute.googleapis.com",
            "methodName": "v1.compute.instances.get", "resourceName": "projects/demo",
            "authenticationInfo": {"principalEmail": "ana@example.com"},
            "authorizationInfo": [{"permission": "compute.instances.get", "granted": false}],
            "requestMetadata": {"callerIp": "198.51.100.7"},
        },
    });
    for (name, value) in wishes {
        let name = match name.as_str() {
            "gcp.audit.method_name" => "protoPayload.methodName",
            "data.protoPayload.authorizationInfo.permission" => {
                entry["protoPayload"]["authorizationInfo"][0]["permission"] = value.clone();
                continue;
            }
            "data.protoPayload.authorizationInfo.granted" => {
                entry["protoPayload"]["authorizationInfo"][0]["granted"] = flag(value);
                continue;
            }
            name => name.strip_prefix("data.").unwrap_or(name),
        };
        put(&mut entry, name, value.clone());
    }
    entry
}
