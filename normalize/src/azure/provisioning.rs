//! Entra's provisioning log: an account or group that Entra made, changed or removed in another system.
//!
//! The members are those of Microsoft Graph's resource `provisioningObjectSummary`
//! (<https://learn.microsoft.com/en-us/graph/api/resources/provisioningobjectsummary>), which diagnostic
//! settings put under `properties`. It stands beside directory audits and names everything otherwise: what was
//! done is `provisioningAction`, to whom the `targetIdentity`.

use event::Col;

use super::claims::{SERVICE, USER};
use crate::class::{Activity, Status, account_change, entity_management, group_management};
use crate::fields::Fields;
use crate::required;
use crate::row::{Row, UNKNOWN};

/// Whether a record is one of provisioning.
pub(super) fn is(fields: &Fields<'_>) -> bool {
    fields.has("provisioningAction") || fields.has("provisioningStatusInfo")
}

/// Fills `row` from the members of a record; its time and tenant are taken already.
pub(super) fn map(mut fields: Fields<'_>, row: &mut Row<'_>) {
    let action = fields.first(&["provisioningAction", "action"]).unwrap_or_default().into_owned();
    row.text_if(Col::ApiOperation, Some(action.as_str()).filter(|action| !action.is_empty()));
    // `Provisioning activity`, which says nothing beside the action.
    if !row.has(Col::ApiOperation) {
        fields.put(row, Col::ApiOperation, &["activityDisplayName", "operationName"]);
    }
    row.text(Col::ApiOperation, UNKNOWN);
    if !row.has(Col::MetadataTenantUid)
        && let Some(tenant) = fields.text("tenantId")
    {
        row.text(Col::MetadataTenantUid, &tenant);
        row.text(Col::CloudOrgUid, &tenant);
    }
    map_status(&mut fields, row);
    map_initiator(&mut fields, row);
    map_identities(&mut fields, &action, row);
    map_application(&mut fields, row);
    fields.put_json(row, Col::ApiRequestData, "modifiedProperties");
    fields.put(row, Col::MetadataUid, &["id"]);
    // What belongs to one object in one run, as one request.
    row.text_if(Col::ApiRequestUid, fields.peek("changeId").or_else(|| fields.peek("correlationId")));
    fields.put(row, Col::MetadataCorrelationUid, &["changeId", "correlationId"]);
    fields.keep(row);
}

/// What became of it; skipped and warned are neither success nor failure.
fn map_status(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let info = fields.nested(&["provisioningStatusInfo", "statusInfo"]);
    let mut info = info.fields();
    let word = info.first(&["status"]).or_else(|| fields.first(&["resultType"])).unwrap_or_default();
    row.text_if(Col::StatusCode, Some(&word));
    let status = match word.to_ascii_lowercase().as_str() {
        "" => Status::Unknown,
        "success" => Status::Success,
        "failure" => Status::Failure,
        _ => Status::Other,
    };
    if status == Status::Other {
        row.text(Col::Status, &word);
    }
    row.status(status);
    let error = info.nested(&["errorInformation"]);
    let mut error = error.fields();
    error.put(row, Col::ApiResponseError, &["errorCode"]);
    error.put(row, Col::StatusDetail, &["reason"]);
    fields.put(row, Col::StatusDetail, &["resultDescription"]);
    error.keep(row);
    info.keep(row);
}

/// Entra itself, a person who asked for it on demand, or an application.
fn map_initiator(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let initiator = fields.nested(&["initiatedBy"]);
    let mut initiator = initiator.fields();
    let kind = initiator.first(&["initiatorType"]).unwrap_or_default();
    row.text_if(Col::ActorUserType, Some(&kind));
    let type_id = if kind.eq_ignore_ascii_case("user") { USER } else { SERVICE };
    if initiator.has("id") || initiator.has("displayName") || initiator.has("name") {
        row.int(Col::ActorUserTypeId, type_id);
    }
    initiator.put(row, Col::ActorUserUid, &["id"]);
    initiator.put(row, Col::ActorUserName, &["displayName", "name"]);
    required::actor(row);
    initiator.keep(row);
}

/// Whom it was done to: as the other system has them, else as Entra has them.
fn map_identities(fields: &mut Fields<'_>, action: &str, row: &mut Row<'_>) {
    let (target, source) = (fields.nested(&["targetIdentity"]), fields.nested(&["sourceIdentity"]));
    let (mut target, mut source) = (target.fields(), source.fields());
    let kind = target.peek("identityType").or_else(|| source.peek("identityType"));
    let kind = kind.unwrap_or_default().into_owned();
    let activity = activity(&kind, action);
    if activity.activity_id == 99 && !action.is_empty() {
        row.class_named(&activity, action);
    } else {
        row.class(&activity);
    }
    let [name, uid, kind] = if activity.class_uid == account_change::OTHER.class_uid {
        row.int(Col::UserTypeId, USER);
        [Col::UserName, Col::UserUid, Col::UserType]
    } else if activity.class_uid == group_management::OTHER.class_uid {
        [Col::GroupName, Col::GroupUid, Col::EntityType]
    } else {
        [Col::EntityName, Col::EntityUid, Col::EntityType]
    };
    for identity in [&mut target, &mut source] {
        if !row.has(name) && !row.has(uid) {
            identity.put(row, name, &["displayName", "name"]);
            identity.put(row, uid, &["id"]);
            if kind != Col::EntityType || activity.class_uid == entity_management::OTHER.class_uid {
                identity.put(row, kind, &["identityType"]);
            }
        }
    }
    if !row.has(name) && !row.has(uid) {
        row.text(name, UNKNOWN);
    }
    target.keep(row);
    source.keep(row);
}

fn activity(kind: &str, action: &str) -> Activity {
    let action = action.to_ascii_lowercase();
    match (kind.to_ascii_lowercase().as_str(), action.as_str()) {
        ("group", "create") => group_management::CREATE,
        ("group", "delete") => group_management::DELETE,
        ("group", _) => group_management::OTHER,
        ("user" | "person", "create") => account_change::CREATE,
        ("user" | "person", "delete") => account_change::DELETE,
        // Staged: disabled first, deleted later.
        ("user" | "person", "disable" | "stageddelete") => account_change::DISABLE,
        ("user" | "person", _) => account_change::OTHER,
        (_, "create") => entity_management::CREATE,
        (_, "update") => entity_management::UPDATE,
        (_, "delete") => entity_management::DELETE,
        (_, "disable" | "stageddelete") => entity_management::DISABLE,
        _ => entity_management::OTHER,
    }
}

/// The enterprise application whose accounts they are, and the system that it stands for.
fn map_application(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["servicePrincipal"]);
    let applications = nested.objects();
    match applications.as_slice() {
        [application] => {
            let mut application = Fields::of(*application, nested.path());
            application.put(row, Col::ResourceUid, &["id"]);
            application.put(row, Col::ResourceName, &["displayName", "name"]);
            row.text(Col::ResourceType, "ServicePrincipal");
            application.keep(row);
        }
        _ => nested.keep(row),
    }
    let system = fields.nested(&["targetSystem"]);
    let mut system = system.fields();
    system.put(row, Col::ApiServiceName, &["displayName", "name"]);
    system.keep(row);
}

#[cfg(test)]
mod tests {
    use super::activity;

    #[test]
    fn actions_are_of_what_they_were_done_to() {
        let uid = |kind: &str, action: &str| activity(kind, action).type_uid();
        for (kind, action, expected) in [
            ("User", "create", 300_101),
            ("user", "delete", 300_106),
            ("User", "stagedDelete", 300_105),
            ("User", "disable", 300_105),
            ("User", "update", 300_199),
            ("Group", "create", 300_606),
            ("Group", "update", 300_699),
            ("Device", "update", 300_403),
            ("", "other", 300_499),
        ] {
            assert_eq!(uid(kind, action), expected, "{kind} {action}");
        }
    }
}
