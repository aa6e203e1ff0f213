//! Microsoft 365 unified audit log: records of the Management Activity API, the `AuditData` of audit searches,
//! and rows of `OfficeActivity` in Log Analytics.
//!
//! Every workload writes the common schema (`Operation`, `Workload`, `UserId`, `ClientIP` …) and members of its
//! own. Times have no zone and are UTC. Names are found in any case, since exports spell them variously.
//!
//! Microsoft's reference: Office 365 Management Activity API schema.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::{operation, subject};
use crate::address;
use crate::class::{Activity, Severity, Status};
use crate::email;
use crate::fields::Fields;
use crate::json::Object;
use crate::os;
use crate::reason::MapError;
use crate::required;
use crate::row::{Row, UNKNOWN};

pub(crate) use super::fields::FIELDS;

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(*record, "");
    fields.put_time(row, &["creationTime", "timeGenerated"])?;
    let operation = fields.text("operation").unwrap_or_default();
    let workload = fields.first(&["workload", "officeWorkload"]).unwrap_or_default();
    row.text(Col::ApiOperation, if operation.is_empty() { UNKNOWN } else { &operation });
    row.text_if(Col::ApiServiceName, Some(&workload));
    row.severity(Severity::Informational);
    let user = map_user(&mut fields, row);
    map_source(&mut fields, row);
    let is_file = fields.peek("itemType").is_none_or(|kind| matches!(kind.as_ref(), "File" | "Folder"))
        && ["sourceFileName", "objectId", "officeObjectId"].iter().any(|name| fields.has(name));
    let activity = operation::of(&operation, is_file);
    map_outcome(&operation, activity, &mut fields, row);
    match activity.activity_id {
        99 if !operation.is_empty() => row.class_named(&activity, &operation),
        _ => row.class(&activity),
    }
    subject::map(activity, &workload, &user, &mut fields, row);
    fields.put_json(row, Col::ApiRequestData, "parameters");
    map_metadata(&mut fields, row);
    required::actor_and_source(row);
    let id = fields.first(&["id", "officeId", "sourceRecordId"]);
    row.text_if(Col::MetadataUid, id.as_deref());
    // A request must have an id, and a record is of one request.
    row.text(Col::ApiRequestUid, id.as_deref().unwrap_or(UNKNOWN));
    fields.keep(row);
    Ok(match id {
        Some(id) => EventKey::from_parts(LogType::M365Audit, &[id.as_bytes()]),
        None => EventKey::from_content(LogType::M365Audit, record.raw().as_bytes()),
    })
}

/// The user's names, for events that concern the user.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) type_id: i32,
}

fn map_user(fields: &mut Fields<'_>, row: &mut Row<'_>) -> User {
    let name = fields.first(&["userId"]);
    row.text_if(Col::ActorUserName, name.as_deref());
    row.text_if(Col::ActorUserEmailAddr, email::of_principal(name.as_deref()));
    let uid = object_id(fields);
    row.text_if(Col::ActorUserUid, uid.as_deref());
    let key = fields.first(&["userKey"]).filter(|key| uid.as_deref() != Some(key));
    row.text_if(Col::ActorUserUidAlt, key);
    let kind = fields.first(&["userType"]).unwrap_or_default();
    let (word, type_id) = user_type(&kind);
    row.text_if(Col::ActorUserType, Some(word));
    row.int(Col::ActorUserTypeId, type_id);
    fields.put(row, Col::ActorAppUid, &["applicationId", "clientAppId", "appId"]);
    fields.put(row, Col::ActorAppName, &["applicationDisplayName", "application"]);
    User { name: name.map(Cow::into_owned), uid, type_id }
}

/// The object id in Entra: the user's key, or among the ids of the actor. Exchange has an older id for a key.
fn object_id(fields: &mut Fields<'_>) -> Option<String> {
    let key = fields.peek("userKey").filter(|key| is_guid(key));
    if let Some(key) = key {
        return Some(key.into_owned());
    }
    let member = fields.value("actor")?;
    let ids = member.as_array()?.filter_map(|id| id.as_object()?.get("ID")?.filled_text());
    ids.map(Cow::into_owned).find(|id| is_guid(id))
}

/// Whether a text has the shape of an object id, 8-4-4-4-12.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The word and OCSF's `user.type_id` for a `UserType`, which the API writes as a number.
fn user_type(kind: &str) -> (&str, i32) {
    match kind {
        "0" | "Regular" => ("Regular", 1),
        "1" | "Reserved" => ("Reserved", 99),
        "2" | "Admin" => ("Admin", 2),
        "3" | "DcAdmin" => ("DcAdmin", 2),
        "4" | "System" => ("System", 3),
        "5" | "Application" => ("Application", 4),
        "6" | "ServicePrincipal" => ("ServicePrincipal", 4),
        "" => ("", 0),
        other => (other, 99),
    }
}

fn map_source(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    const ADDRESSES: [&str; 3] = ["clientIp", "clientIpAddress", "actorIpAddress"];
    if let Some(address) = fields.first(&ADDRESSES) {
        address::put(&address, row);
    }
    fields.put(row, Col::HttpRequestUserAgent, &["userAgent", "clientInfoString"]);
    let extended = fields.value("extendedProperties").and_then(|list| pair(list, "UserAgent"));
    row.text_if(Col::HttpRequestUserAgent, extended);
    let device = |name| fields.value("deviceProperties").and_then(|list| pair(list, name));
    if let Some(system) = device("OS") {
        row.text(Col::SrcEndpointOsName, &system);
        row.int(Col::SrcEndpointOsTypeId, os::type_id(&system));
    }
    row.text_if(Col::SrcEndpointUid, device("Id"));
    row.text_if(Col::ActorSessionUid, device("SessionId"));
    fields.put(row, Col::ActorSessionUid, &["sessionId"]);
}

/// The value that a list of names and values gives to a name.
pub(super) fn pair<'a>(list: crate::json::Value<'a>, name: &str) -> Option<Cow<'a, str>> {
    let is_named = |pair: &Object<'a>| {
        pair.get("Name")
            .and_then(|found| found.as_str())
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
    };
    let pair = list.as_array()?.filter_map(|pair| pair.as_object()).find(is_named)?;
    pair.get("Value").or_else(|| pair.get("NewValue"))?.filled_text()
}

/// `ResultStatus`, but of sign-ins, where it is Success also for those that failed.
fn map_outcome(operation: &str, activity: Activity, fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let result = fields.first(&["resultStatus"]).unwrap_or_default();
    let status = match result.to_ascii_lowercase().as_str() {
        _ if operation == "UserLoginFailed" => Status::Failure,
        "success" | "succeeded" | "true" | "partiallysucceeded" => Status::Success,
        "failed" | "failure" | "false" => Status::Failure,
        // File operations are recorded when they are done.
        "" if activity.class_uid == 6006 => Status::Success,
        "" => Status::Unknown,
        _ => Status::Other,
    };
    if status == Status::Other {
        row.text(Col::Status, &result);
    }
    row.status(status);
    if status == Status::Failure {
        row.text_if(Col::ApiResponseError, fields.peek("logonError"));
    }
    fields.put(row, Col::StatusDetail, &["logonError", "resultReasonType"]);
    row.text_if(Col::StatusCode, Some(&result));
}

fn map_metadata(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    if let Some(tenant) = fields.first(&["organizationId"]) {
        row.text(Col::CloudOrgUid, &tenant);
        row.text(Col::MetadataTenantUid, &tenant);
    }
    fields.put(row, Col::MetadataEventCode, &["recordType"]);
    fields.put(row, Col::MetadataLogVersion, &["version"]);
    fields.put(row, Col::MetadataCorrelationUid, &["correlationId", "interSystemsId"]);
    row.text(Col::MetadataLogName, "Unified Audit Log");
    row.text(Col::MetadataProductName, "Microsoft 365");
    row.text(Col::MetadataProductVendorName, "Microsoft");
}

#[cfg(test)]
mod tests {
    use event::{Col, LogType};

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::M365Audit, "m365");
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        let record = r#"{"CreationTime":"2026-05-01T10:00:00","Operation":"Set-Mailbox","Workload":"Exchange","RecordType":1}"#;
        let events = sample::map(&[record]).events;
        assert_eq!(events.int_at(Col::Time, 0), Some(1_777_629_600_000_000));
    }

    #[test]
    fn the_corpus_maps() {
        corpus::check_folder(LogType::M365Audit, "m365", 0.0);
        corpus::check_folder(LogType::M365Audit, "sekoia/o365", 0.0);
        for workload in ["Exchange", "SharePoint", "AzureActiveDirectory"] {
            let table = format!("expected/panther/Microsoft365.Audit.{workload}.jsonl");
            corpus::check_folder(LogType::M365Audit, &table, 0.0);
        }
    }
}
