//! Entra directory audit logs: changes to users, groups, roles, applications, policies, devices.
//!
//! The members are those of Microsoft Graph's resource `directoryAudit`, which diagnostic settings put
//! under `properties` and Log Analytics spells as columns. What a change did to its targets
//! (`modifiedProperties`, with the values before and after) stays together: `targetResources` as a whole
//! is the `api_request_data`. What Entra provisions elsewhere is a log of its own shape ([`provisioning`]).

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::claims::{Actor, SERVICE, USER};
use super::diagnostic::Diagnostic;
use super::target::{self, Target};
use super::{change, provisioning, tenant};
use crate::address;
use crate::class::{Severity, Status};
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::required;
use crate::row::{Row, UNKNOWN};

pub(crate) use super::audit_fields::FIELDS;

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut diagnostic = Diagnostic::of(*record);
    let mut fields = diagnostic.fields();
    fields.put_time(row, &["activityDateTime", "time", "timeGenerated"])?;
    row.severity(Severity::Informational);
    tenant::map(&mut fields, row);
    if provisioning::is(&fields) {
        let key = key(&fields, record);
        map_metadata(&mut fields, row);
        row.text(Col::MetadataProductFeatureName, "ProvisioningLogs");
        fields.forget_repeats(&["category"], "ProvisioningLogs");
        address::require(row);
        provisioning::map(fields, row);
        return Ok(key);
    }
    // Entra puts the same name in both.
    let activity = fields.first(&["activityDisplayName", "operationName"]).unwrap_or_default();
    row.text_if(Col::ApiOperation, Some(&activity));
    row.text(Col::ApiOperation, UNKNOWN);
    fields.put(row, Col::ApiServiceName, &["loggedByService"]);
    let actor = map_initiator(&mut fields, row);
    map_result(&mut fields, row);
    let category = map_category(&mut fields, row);
    let details = fields.nested(&["additionalDetails"]);
    map_details(&details.objects(), row);
    fields.put(row, Col::HttpRequestUserAgent, &["userAgent"]);
    let nested = fields.nested(&["targetResources"]);
    let targets: Vec<_> = nested.objects().into_iter().map(Target).collect();
    if let Some(value) = nested.value() {
        row.json(Col::ApiRequestData, |json| value.write(json));
    }
    let operation_type = fields.peek("operationType").or_else(|| fields.peek("aadOperationType"));
    let kinds: Vec<_> = targets.iter().map(Target::kind).collect();
    let change = change::of(&activity, &operation_type.unwrap_or_default(), &category, &kinds);
    change.map(&activity, row);
    target::map_resources(change.subject, &targets, row);
    target::map(change.subject, &targets, &activity, &actor, row);
    address::require(row);
    map_metadata(&mut fields, row);
    details.keep(row);
    let key = key(&fields, record);
    fields.put(row, Col::MetadataUid, &["id"]);
    // The id that the client gave its request.
    row.text_if(Col::ApiRequestUid, fields.peek("correlationId"));
    fields.put(row, Col::MetadataCorrelationUid, &["correlationId"]);
    fields.keep(row);
    Ok(key)
}

fn key(fields: &Fields<'_>, record: &Object<'_>) -> EventKey {
    match fields.peek("id") {
        Some(id) => EventKey::from_parts(LogType::EntraAudit, &[id.as_bytes()]),
        None => EventKey::from_content(LogType::EntraAudit, record.raw().as_bytes()),
    }
}

/// `initiatedBy.user` or `initiatedBy.app`: a person, or an application on its own behalf.
fn map_initiator(fields: &mut Fields<'_>, row: &mut Row<'_>) -> Actor {
    let nested = fields.nested(&["initiatedBy"]);
    let mut initiator = nested.fields();
    let user = initiator.nested(&["user"]);
    let app = initiator.nested(&["app"]);
    let (mut user, mut app) = (user.fields(), app.fields());
    let mut actor = Actor::default();
    if user.has("id") || user.has("userPrincipalName") {
        actor.uid = user.text("id").map(Cow::into_owned);
        actor.name = user.first(&["userPrincipalName", "displayName"]).map(Cow::into_owned);
        row.text_if(Col::ActorUserUid, actor.uid.as_deref());
        row.text_if(Col::ActorUserName, actor.name.as_deref());
        user.put(row, Col::ActorUserType, &["userType"]);
        user.put(row, Col::ActorUserAccountUid, &["homeTenantId"]);
        row.int(Col::ActorUserTypeId, USER);
    }
    app.put(row, Col::ActorAppUid, &["appId"]);
    if !row.has(Col::ActorUserTypeId) && (app.has("servicePrincipalId") || app.has("displayName")) {
        let name = app.peek("displayName").or_else(|| app.peek("servicePrincipalName"));
        row.text_if(Col::ActorUserName, name);
        app.put(row, Col::ActorUserUid, &["servicePrincipalId"]);
        row.text(Col::ActorUserType, "servicePrincipal");
        row.int(Col::ActorUserTypeId, SERVICE);
    }
    app.put(row, Col::ActorAppName, &["displayName", "servicePrincipalName"]);
    let address = user.first(&["ipAddress"]).or_else(|| fields.first(&["callerIpAddress", "ipAddress"]));
    if let Some(address) = address {
        address::put(&address, row);
        fields.forget_repeats(&["callerIpAddress", "ipAddress"], &address);
    }
    required::actor(row);
    user.keep(row);
    app.keep(row);
    initiator.keep(row);
    actor
}

fn map_result(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let result = fields.first(&["result"]).unwrap_or_default();
    row.text_if(Col::StatusCode, Some(&result));
    let status = match result.to_ascii_lowercase().as_str() {
        "" => Status::Unknown,
        "success" => Status::Success,
        "failure" | "clienterror" | "servererror" | "timeout" => Status::Failure,
        _ => Status::Other,
    };
    if status == Status::Other {
        row.text(Col::Status, &result);
    }
    row.status(status);
    fields.put(row, Col::StatusDetail, &["resultReason", "resultDescription"]);
}

/// The category of the change; `AuditLogs` is that of the log and comes first only where there is no other.
fn map_category(fields: &mut Fields<'_>, row: &mut Row<'_>) -> String {
    fields.forget_repeats(&["category"], "AuditLogs");
    let category = fields.text("category").unwrap_or_default().into_owned();
    row.text_if(Col::MetadataProductFeatureName, Some(&category));
    category
}

/// The user agent, and the address that Privileged Identity Management writes here only.
fn map_details(details: &[Object<'_>], row: &mut Row<'_>) {
    for detail in details {
        let mut pair = Fields::of(*detail, "");
        let (Some(key), Some(value)) = (pair.text("key"), pair.text("value")) else { continue };
        match key.as_ref() {
            "User-Agent" => row.text(Col::HttpRequestUserAgent, &value),
            "ipaddr" if !row.has(Col::SrcEndpointIp) => address::put(&value, row),
            _ => {}
        }
    }
}

fn map_metadata(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    fields.put(row, Col::ApiVersion, &["operationVersion"]);
    row.text(Col::MetadataLogName, "AuditLogs");
    row.text(Col::MetadataProductName, "Microsoft Entra ID");
    row.text(Col::MetadataProductVendorName, "Microsoft");
}
