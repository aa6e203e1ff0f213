//! Whom or what an identity operation changed: user, role, group, policy and the like.

use std::borrow::Cow;

use event::Col;

use super::arn::Arn;
use super::cloudtrail::Record;
use super::identity::{self, Caller};
use super::selector::{Entity, Subject};
use crate::row::{Row, UNKNOWN};

/// Sets the attributes that OCSF requires for the subject's class. A call that was denied often has no
/// parameters; then the name is `Unknown`.
pub(super) fn map(record: &Record<'_>, caller: &Caller<'_>, subject: Subject, row: &mut Row<'_>) {
    match subject {
        Subject::User => {
            map_user(record, row);
            map_privileges(record, row);
        }
        Subject::UserOrCaller if record.request_text("userName").is_some() => map_user(record, row),
        Subject::UserOrCaller | Subject::Caller => {
            map_caller(caller, row);
            map_credential(record, row);
        }
        Subject::Role => {
            map_role(record, row);
            map_privileges(record, row);
        }
        Subject::Assignment => map_assignment(record, row),
        Subject::Group => map_group(record, row),
        Subject::Entity(entity) => map_entity(record, entity, row),
        Subject::Nothing | Subject::SignIn | Subject::DataStore => {}
    }
}

fn map_user(record: &Record<'_>, row: &mut Row<'_>) {
    row.text_if(Col::UserName, record.request_text("userName"));
    row.text_if(Col::UserUid, record.response_text(&["user", "arn"]));
    row.text_if(Col::UserUidAlt, record.response_text(&["user", "userId"]));
    // IAM Identity Center knows users by id.
    row.text_if(Col::UserUid, record.request_text("userId"));
    row.text_if(Col::UserUid, record.response_text(&["userId"]));
    row.text_if(Col::UserAccountUid, Some(&record.account));
    map_credential(record, row);
    if !row.has(Col::UserName) && !row.has(Col::UserUid) {
        row.text(Col::UserName, UNKNOWN);
    }
}

/// The key, certificate or password that was created, changed or deleted.
fn map_credential(record: &Record<'_>, row: &mut Row<'_>) {
    row.text_if(Col::UserCredentialUid, record.response_text(&["accessKey", "accessKeyId"]));
    for key in ["accessKeyId", "sSHPublicKeyId", "certificateId", "serviceSpecificCredentialId"] {
        row.text_if(Col::UserCredentialUid, record.request_text(key));
    }
    for path in [
        ["sSHPublicKey", "sSHPublicKeyId"],
        ["certificate", "certificateId"],
        ["serviceSpecificCredential", "serviceSpecificCredentialId"],
    ] {
        row.text_if(Col::UserCredentialUid, record.response_text(&path));
    }
}

/// The caller as the user of the event.
pub(super) fn map_caller(caller: &Caller<'_>, row: &mut Row<'_>) {
    row.text_if(Col::UserName, caller.name.as_deref());
    row.text_if(Col::UserUid, caller.arn.as_deref());
    row.text_if(Col::UserUidAlt, caller.principal.as_deref());
    if !caller.kind.is_empty() {
        row.text(Col::UserType, &caller.kind);
        row.int(Col::UserTypeId, identity::type_id(&caller.kind));
    }
    row.text_if(Col::UserAccountUid, caller.account.as_deref());
    if !row.has(Col::UserName) && !row.has(Col::UserUid) && !row.has(Col::UserAccountUid) {
        row.text(Col::UserName, UNKNOWN);
    }
}

/// OCSF's class for rights knows only users, so the role stands there, with its type.
fn map_role(record: &Record<'_>, row: &mut Row<'_>) {
    let name = record.request_text("roleName");
    row.text(Col::UserName, name.as_deref().unwrap_or(UNKNOWN));
    row.text(Col::UserType, "Role");
    row.int(Col::UserTypeId, 99);
    row.text_if(Col::UserAccountUid, Some(&record.account));
}

fn map_privileges(record: &Record<'_>, row: &mut Row<'_>) {
    if let Some(privilege) = privilege(record) {
        row.texts(Col::Privileges, &[&privilege]);
    } else if is_about_rights(record) {
        row.texts(Col::Privileges, &[UNKNOWN]);
    }
}

/// A managed policy by its ARN, an inline policy by its name.
fn privilege<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    ["policyArn", "policyName", "permissionsBoundary", "permissionSetArn"]
        .into_iter()
        .find_map(|key| record.request_text(key))
}

fn is_about_rights(record: &Record<'_>) -> bool {
    record.event_name.contains("Policy") || record.event_name.contains("Permission")
}

fn map_assignment(record: &Record<'_>, row: &mut Row<'_>) {
    let principal = record.request_text("principalId");
    row.text(Col::UserUid, principal.as_deref().unwrap_or(UNKNOWN));
    // USER or GROUP.
    row.text_if(Col::UserType, record.request_text("principalType"));
    row.text_if(Col::UserAccountUid, record.request_text("targetId"));
    row.texts(Col::Privileges, &[privilege(record).as_deref().unwrap_or(UNKNOWN)]);
}

fn map_group(record: &Record<'_>, row: &mut Row<'_>) {
    row.text_if(Col::GroupName, record.request_text("groupName"));
    row.text_if(Col::GroupName, record.request_text("displayName"));
    row.text_if(Col::GroupUid, record.response_text(&["group", "arn"]));
    row.text_if(Col::GroupUid, record.request_text("groupId"));
    row.text_if(Col::GroupUid, record.response_text(&["groupId"]));
    if !row.has(Col::GroupName) && !row.has(Col::GroupUid) {
        row.text(Col::GroupName, UNKNOWN);
    }
    row.text_if(Col::UserName, record.request_text("userName"));
    // IAM Identity Center names the member in one of these ways.
    for path in [&["memberId"] as &[&str], &["memberId", "userId"], &["member", "memberId"]] {
        let member =
            record.request.and_then(|request| request.at(path)).and_then(|value| value.filled_text());
        row.text_if(Col::UserUid, member);
    }
    if let Some(privilege) = privilege(record) {
        row.texts(Col::Privileges, &[&privilege]);
    }
}

/// Where the name and id of an entity stand.
struct EntityFields {
    kind: &'static str,
    request_name: &'static str,
    request_uid: &'static str,
    /// The object in the response that describes the entity.
    response: &'static str,
    response_uid: &'static str,
}

fn entity_fields(entity: Entity) -> EntityFields {
    let (kind, request_name, request_uid, response, response_uid) = match entity {
        Entity::Role => ("AWS::IAM::Role", "roleName", "roleArn", "role", "arn"),
        Entity::InstanceProfile => (
            "AWS::IAM::InstanceProfile",
            "instanceProfileName",
            "instanceProfileArn",
            "instanceProfile",
            "arn",
        ),
        Entity::Policy => ("AWS::IAM::ManagedPolicy", "policyName", "policyArn", "policy", "arn"),
        Entity::SamlProvider => ("AWS::IAM::SAMLProvider", "name", "sAMLProviderArn", "", "sAMLProviderArn"),
        Entity::OpenIdProvider => {
            ("AWS::IAM::OIDCProvider", "url", "openIDConnectProviderArn", "", "openIDConnectProviderArn")
        }
        Entity::ServerCertificate => (
            "AWS::IAM::ServerCertificate",
            "serverCertificateName",
            "serverCertificateId",
            "serverCertificateMetadata",
            "arn",
        ),
        Entity::MfaDevice => (
            "AWS::IAM::VirtualMFADevice",
            "virtualMFADeviceName",
            "serialNumber",
            "virtualMFADevice",
            "serialNumber",
        ),
        Entity::PermissionSet => {
            ("AWS::SSO::PermissionSet", "name", "permissionSetArn", "permissionSet", "permissionSetArn")
        }
    };
    EntityFields { kind, request_name, request_uid, response, response_uid }
}

fn map_entity(record: &Record<'_>, entity: Entity, row: &mut Row<'_>) {
    let fields = entity_fields(entity);
    row.text(Col::EntityType, fields.kind);
    let uid = match fields.response {
        "" => record.response_text(&[fields.response_uid]),
        object => record.response_text(&[object, fields.response_uid]),
    };
    let uid = uid.or_else(|| record.request_text(fields.request_uid));
    row.text_if(Col::EntityUid, uid.as_deref());
    row.text_if(Col::EntityName, record.request_text(fields.request_name));
    row.text_if(Col::EntityName, record.response_text(&[fields.response, fields.request_name]));
    row.text_if(Col::EntityName, uid.as_deref().and_then(Arn::parse).map(|arn| arn.name()));
    if !row.has(Col::EntityName) && !row.has(Col::EntityUid) {
        row.text(Col::EntityName, UNKNOWN);
    }
}
