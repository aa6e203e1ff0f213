//! Changes of identities: service accounts and their keys, roles, deny policies, identity pools; and
//! tokens for service accounts, which are the sign-ins of Google Cloud.

use std::borrow::Cow;

use event::Col;

use super::entry::{AuditLog, Entry};
use super::principal::{Principal, TARGET, project_of};
use super::resource::{segment_after, short_name};
use crate::class::{Activity, account_change, authentication, entity_management};
use crate::row::Row;

/// Maps a change of an identity or a token; `None` if this is neither.
pub(super) fn map(entry: &Entry<'_>, log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let word = log.method_word();
    match log.service.as_ref() {
        "iam.googleapis.com" => {
            if let Some(activity) = of_service_account(word) {
                return map_service_account(entry, log, row).then_some(activity);
            }
            let (activity, kind) = of_entity(word)?;
            map_entity(log, kind, row).then_some(activity)
        }
        "iamcredentials.googleapis.com" => map_token(entry, log, row),
        "sts.googleapis.com" if word == "ExchangeToken" => map_exchange(log, row),
        _ => None,
    }
}

/// OCSF has no activity for access keys, so those are Other, in Google's words.
fn of_service_account(word: &str) -> Option<Activity> {
    Some(match word {
        "CreateServiceAccount" => account_change::CREATE,
        "DeleteServiceAccount" => account_change::DELETE,
        "DisableServiceAccount" => account_change::DISABLE,
        "EnableServiceAccount" => account_change::ENABLE,
        "UndeleteServiceAccount"
        | "UpdateServiceAccount"
        | "PatchServiceAccount"
        | "CreateServiceAccountKey"
        | "UploadServiceAccountKey"
        | "DeleteServiceAccountKey"
        | "DisableServiceAccountKey"
        | "EnableServiceAccountKey" => account_change::OTHER,
        _ => return None,
    })
}

/// The service account stands in the response, in the labels or in the name of the resource; an attempt
/// that failed has only the name that was wished for.
fn map_service_account(entry: &Entry<'_>, log: &AuditLog<'_>, row: &mut Row<'_>) -> bool {
    let path = log.request_text(&["name"]).or_else(|| log.resource_name.clone()).unwrap_or_default();
    let in_path = segment_after("serviceAccounts", &path);
    // The path holds either the address or the number.
    let number = in_path.filter(|name| !name.contains('@'));
    let email = log
        .response_text(&["email"])
        .or_else(|| entry.label("email_id"))
        .or_else(|| in_path.filter(|name| name.contains('@')).map(Cow::Borrowed));
    let uid = log
        .response_text(&["unique_id"])
        .or_else(|| log.response_text(&["uniqueId"]))
        .or_else(|| entry.label("unique_id"))
        .or(number.map(Cow::Borrowed));
    let wished = log.request_text(&["account_id"]).or_else(|| log.request_text(&["accountId"]));
    row.text_if(Col::UserUid, uid.as_deref());
    row.text_if(Col::UserName, email.as_deref().or(wished.as_deref()));
    row.text_if(Col::UserAccountUid, email.as_deref().and_then(project_of).or(segment_of_project(&path)));
    if let Some(email) = &email {
        row.text_if(Col::UserEmailAddr, Principal::parse(email).email());
    }
    row.text(Col::UserType, "serviceAccount");
    row.int(Col::UserTypeId, 4);
    let key = log.response_text(&["name"]).unwrap_or(path);
    row.text_if(Col::UserCredentialUid, segment_after("keys", &key));
    row.has(Col::UserUid) || row.has(Col::UserName)
}

/// `-` in a path stands for "whatever the project is".
fn segment_of_project(path: &str) -> Option<&str> {
    segment_after("projects", path).filter(|project| *project != "-")
}

fn of_entity(word: &str) -> Option<(Activity, &'static str)> {
    let verbs = [
        ("Create", entity_management::CREATE),
        ("Delete", entity_management::DELETE),
        ("Undelete", entity_management::OTHER),
        ("Update", entity_management::UPDATE),
    ];
    let (noun, activity) =
        verbs.iter().find_map(|(verb, activity)| Some((word.strip_prefix(verb)?, *activity)))?;
    let kind = match noun {
        "Role" => "role",
        "Policy" => "policy",
        "WorkloadIdentityPool" => "workloadIdentityPool",
        "WorkloadIdentityPoolProvider" => "workloadIdentityPoolProvider",
        "WorkforcePool" => "workforcePool",
        "WorkforcePoolProvider" => "workforcePoolProvider",
        _ => return None,
    };
    Some((activity, kind))
}

/// A creation names the entity in its response, or asks for it by an id; else it is the resource.
fn map_entity(log: &AuditLog<'_>, kind: &str, row: &mut Row<'_>) -> bool {
    let wished = match kind {
        "role" => &["role_id", "roleId"][..],
        "policy" => &["policyId"],
        "workloadIdentityPool" => &["workloadIdentityPoolId"],
        "workloadIdentityPoolProvider" => &["workloadIdentityPoolProviderId"],
        "workforcePool" => &["workforcePoolId"],
        _ => &["workforcePoolProviderId"],
    };
    let id = wished.iter().find_map(|key| log.request_text(&[key]));
    let answered = log.response_text(&["name"]).filter(|name| !name.contains("/operations/"));
    let parent = log.resource_name.clone();
    let uid = match (answered, id) {
        (Some(name), _) => Some(name),
        // The resource of a creation is what the new entity lies in.
        (None, Some(id)) => Some(id),
        (None, None) => log.request_text(&["name"]).or(parent),
    };
    let Some(uid) = uid else { return false };
    row.text(Col::EntityUid, &uid);
    row.text_if(Col::EntityName, Some(short_name(&uid)));
    row.text(Col::EntityType, kind);
    true
}

/// `GenerateAccessToken` and its like: someone takes on a service account.
fn map_token(entry: &Entry<'_>, log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    if !matches!(log.method_word(), "GenerateAccessToken" | "GenerateIdToken") {
        return None;
    }
    if !map_service_account(entry, log, row) {
        return None;
    }
    map_sign_in(log, row);
    Some(authentication::LOGON)
}

/// A workload or person from elsewhere becomes a principal of Google Cloud.
fn map_exchange(log: &AuditLog<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let info = log.authentication?;
    let subject = info.get("principalSubject").or_else(|| info.get("principalEmail"))?.filled_text()?;
    Principal::parse(&subject).set(&TARGET, row);
    map_sign_in(log, row);
    Some(authentication::LOGON)
}

fn map_sign_in(log: &AuditLog<'_>, row: &mut Row<'_>) {
    row.text(Col::ServiceName, &log.service);
    row.flag(Col::IsRemote, true);
}
