//! Who called, from where, with which credentials: `authenticationInfo`, `authorizationInfo` and
//! `requestMetadata`.

use core::net::IpAddr;
use std::borrow::Cow;

use event::{Col, JsonText};

use super::entry::{AuditLog, Entry, keep};
use super::principal::{ACTOR, Principal};
use crate::json::{Elements, Member, Object};
use crate::row::{Row, UNKNOWN};

/// Sets the actor's columns.
pub(super) fn map_actor(log: &AuditLog<'_>, row: &mut Row<'_>) {
    if let Some((list, checks)) = log.authorization.and_then(|list| Some((list, list.as_array()?))) {
        if checks.clone().any(|check| check.as_object().is_none()) {
            row.keep_value(&log.path, "authorizationInfo", &list);
        }
        row.json(Col::ActorAuthorizations, |json| write_checks(checks, json));
    }
    let Some(info) = log.authentication else { return };
    let text =
        |keys: [&str; 2]| keys.iter().find_map(|key| info.get(key)).and_then(|value| value.filled_text());
    let email = text(["principalEmail", "principal_email"]);
    let subject = text(["principalSubject", "principal_subject"]);
    // The subject names the kind, the address is the plain name.
    if let Some(principal) = subject.as_deref().or(email.as_deref()).map(Principal::parse) {
        row.text_if(Col::ActorUserName, email.as_deref());
        principal.set(&ACTOR, row);
    }
    let path = format!("{}.authenticationInfo", log.path);
    for member in info.members() {
        map_authentication(&path, &member, row);
    }
}

/// What else is known of the credentials.
fn map_authentication(path: &str, member: &Member<'_>, row: &mut Row<'_>) {
    match member.key.as_ref() {
        "principalEmail" | "principal_email" | "principalSubject" | "principal_subject"
            if member.value.text().is_some() => {}
        "serviceAccountKeyName" | "service_account_key_name" => {
            // `//iam.googleapis.com/projects/P/serviceAccounts/A/keys/K`: the key alone, because that is
            // what its creation is recorded with.
            let name = member.value.filled_text().unwrap_or_default();
            row.text_if(Col::ActorUserCredentialUid, name.rsplit('/').next());
            keep(row, path, member);
        }
        "serviceAccountDelegationInfo" | "service_account_delegation_info" => {
            // In the order of delegation, so the first is the identity behind it all.
            let first =
                member.value.as_array().and_then(|mut chain| chain.next()).and_then(|link| link.as_object());
            row.text_if(Col::ActorSessionIssuer, first.as_ref().and_then(delegate));
            keep(row, path, member);
        }
        "oauthInfo" | "oauth_info" => {
            let Some(oauth) = member.value.as_object() else { return keep(row, path, member) };
            for part in oauth.members() {
                match part.key.as_ref() {
                    "oauthClientId" | "oauth_client_id" => row.put_filled(Col::ActorAppUid, path, &part),
                    _ => keep(row, &format!("{path}.oauthInfo"), &part),
                }
            }
        }
        _ => keep(row, path, member),
    }
}

/// The name of one link of a delegation chain.
fn delegate<'a>(link: &Object<'a>) -> Option<Cow<'a, str>> {
    link.at(&["firstPartyPrincipal", "principalEmail"])
        .or_else(|| link.get("principalSubject"))
        .or_else(|| link.at(&["thirdPartyPrincipal", "thirdPartyClaims", "sub"]))?
        .filled_text()
}

/// OCSF `authorization` objects. Protobuf's JSON leaves `"granted": false` out.
fn write_checks(checks: Elements<'_>, json: &mut JsonText<'_>) {
    let mut is_empty = true;
    for check in checks {
        let Some(check) = check.as_object() else { continue };
        if is_empty {
            json.begin_array();
            is_empty = false;
        }
        let granted = check.get("granted").and_then(|value| value.boolean()) == Some(true);
        json.item();
        json.begin_object();
        json.text_member("decision", if granted { "granted" } else { "denied" });
        write_permission(&check, json);
        json.end_object();
    }
    if !is_empty {
        json.end_array();
    }
}

/// The permission as the policy that was asked; on what stands in its data.
fn write_permission(check: &Object<'_>, json: &mut JsonText<'_>) {
    json.key("policy");
    json.begin_object();
    json.text_member("type", "permission");
    if let Some(permission) = check.get("permission").and_then(|value| value.filled_text()) {
        json.text_member("name", &permission);
    }
    let is_data = |member: &Member<'_>| {
        !matches!(member.key.as_ref(), "permission" | "granted") && member.value.raw() != "{}"
    };
    if check.members().any(|member| is_data(&member)) {
        json.key("data");
        json.begin_object();
        for member in check.members().filter(is_data) {
            json.key(&member.key);
            member.value.write(json);
        }
        json.end_object();
    }
    json.end_object();
}

/// Sets the columns of the calling machine.
pub(super) fn map_source(log: &AuditLog<'_>, row: &mut Row<'_>) {
    let path = format!("{}.requestMetadata", log.path);
    for member in log.request_metadata.iter().flat_map(Object::members) {
        match member.key.as_ref() {
            "callerIp" | "callerIP" | "caller_ip" => map_address(&path, &member, row),
            "callerSuppliedUserAgent" | "caller_supplied_user_agent" => {
                row.put_filled(Col::HttpRequestUserAgent, &path, &member);
            }
            _ => keep(row, &path, &member),
        }
    }
}

/// `callerIp` is an address, `private` or `gce-internal-ip`: the latter two say that Google saw the
/// call inside its own network.
fn map_address(path: &str, member: &Member<'_>, row: &mut Row<'_>) {
    match member.value.filled_text() {
        Some(address) if address.parse::<IpAddr>().is_ok() => row.put(Col::SrcEndpointIp, path, member),
        Some(_) => row.put(Col::SrcEndpointName, path, member),
        None => keep(row, path, member),
    }
}

/// Sets actor and source where the record names none but OCSF asks for them: the source where the class
/// does, the actor also where permission checks make one without a name.
///
/// Google itself acts in system events, and reports the end of long operations without saying again
/// who began them: there the service stands in. Otherwise the caller is not known: anonymous access, or
/// a name that Google withholds from the owner of the resource.
pub(super) fn map_absent(
    entry: &Entry<'_>,
    log: &AuditLog<'_>,
    is_system_event: bool,
    class_uid: i32,
    row: &mut Row<'_>,
) {
    let by_service = (is_system_event || entry.is_end) && !log.service.is_empty();
    let wants_source = matches!(class_uid, 6003 | 6005);
    let wants_actor = wants_source || row.has(Col::ActorAuthorizations);
    if wants_actor && !row.has(Col::ActorUserName) {
        if by_service {
            row.text(Col::ActorAppName, &log.service);
        } else {
            row.text(Col::ActorUserName, UNKNOWN);
        }
    }
    if wants_source && !row.has(Col::SrcEndpointIp) && !row.has(Col::SrcEndpointName) {
        if by_service {
            row.text(Col::SrcEndpointDomain, &log.service);
        } else {
            row.text(Col::SrcEndpointName, UNKNOWN);
        }
    }
}
