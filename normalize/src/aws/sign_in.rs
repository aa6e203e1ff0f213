//! Sign-ins and new sessions: who signed in, to what, with what, and whether it worked.

use event::Col;

use super::arn::Arn;
use super::cloudtrail::Record;
use super::identity::{self, Caller};
use super::target;
use crate::json::Object;
use crate::row::{Row, UNKNOWN};

/// OCSF `auth_protocol_id`.
const OPEN_ID: i32 = 4;
const SAML: i32 = 5;
const OAUTH: i32 = 6;

/// Sets the attributes of class Authentication.
pub(super) fn map(record: &Record<'_>, caller: &Caller<'_>, row: &mut Row<'_>) {
    row.text(Col::ServiceName, if record.event_source.is_empty() { UNKNOWN } else { &record.event_source });
    row.flag(Col::IsRemote, true);
    match record.event_name.as_ref() {
        "ConsoleLogin" | "UserAuthentication" | "Authenticate" | "ExternalIdPDirectoryLogin" => {
            row.text(Col::LogonType, "Interactive");
            row.int(Col::LogonTypeId, 2);
        }
        "AssumeRoleWithSAML" => protocol(SAML, row),
        "AssumeRoleWithWebIdentity" => protocol(OPEN_ID, row),
        "CreateToken" | "CreateTokenWithIAM" | "CreateOAuth2Token" => protocol(OAUTH, row),
        _ => {}
    }
    map_session(record, row);
    // Whoever takes a role becomes that role; in every other sign-in the caller is the user.
    match record.request_text("roleArn").or_else(|| record.request_text("targetPrincipal")) {
        Some(role) => map_assumed(record, &role, row),
        None if record.event_name == "GetFederationToken" => map_federated(record, row),
        None => target::map_caller(caller, row),
    }
    // The serial number of the device is sent along with a code.
    if record.request_text("serialNumber").is_some() {
        row.flag(Col::IsMfa, true);
    }
}

fn protocol(id: i32, row: &mut Row<'_>) {
    row.int(Col::AuthProtocolId, id);
    row.text(
        Col::AuthProtocol,
        match id {
            SAML => "SAML",
            OPEN_ID => "OpenID",
            _ => "OAUTH 2.0",
        },
    );
}

/// The session that the sign-in opened and its temporary key.
fn map_session(record: &Record<'_>, row: &mut Row<'_>) {
    row.text_if(Col::SessionUid, record.request_text("roleSessionName"));
    row.text_if(Col::SessionIssuer, record.request_text("roleArn"));
    row.text_if(Col::SessionCredentialUid, record.response_text(&["credentials", "accessKeyId"]));
}

fn map_assumed(record: &Record<'_>, role: &str, row: &mut Row<'_>) {
    let arn = Arn::parse(role);
    row.text(Col::UserName, arn.map_or(role, |arn| arn.name()));
    row.text_if(Col::UserUid, record.response_text(&["assumedRoleUser", "arn"]));
    row.text(Col::UserUid, role);
    row.text_if(Col::UserUidAlt, record.response_text(&["assumedRoleUser", "assumedRoleId"]));
    let is_root = record.event_name == "AssumeRoot";
    row.text(Col::UserType, if is_root { "Root" } else { "Role" });
    row.int(Col::UserTypeId, if is_root { identity::type_id("Root") } else { 99 });
    row.text_if(Col::UserAccountUid, arn.map(|arn| arn.account));
}

fn map_federated(record: &Record<'_>, row: &mut Row<'_>) {
    let name = record.request_text("name");
    row.text(Col::UserName, name.as_deref().unwrap_or(UNKNOWN));
    row.text_if(Col::UserUid, record.response_text(&["federatedUser", "arn"]));
    row.text_if(Col::UserUidAlt, record.response_text(&["federatedUser", "federatedUserId"]));
    row.text(Col::UserType, "FederatedUser");
    row.int(Col::UserTypeId, identity::type_id("FederatedUser"));
    row.text_if(Col::UserAccountUid, Some(&record.account));
}

/// `additionalEventData`: of a sign-in, whether it had a second factor and came through SAML; of every
/// other event nothing that OCSF has a place for.
pub(super) fn map_additional(additional: &Object<'_>, is_sign_in: bool, row: &mut Row<'_>) {
    const PATH: &str = "additionalEventData";
    for member in additional.members() {
        match member.key.as_ref() {
            "MFAUsed" if is_sign_in => {
                match member.value.as_str().as_deref() {
                    Some("Yes") => row.flag(Col::IsMfa, true),
                    Some("No") => row.flag(Col::IsMfa, false),
                    _ => {}
                }
                // Kept: "No" of a federated sign-in only means that AWS itself asked for none.
                row.keep(PATH, &member);
            }
            "SamlProviderArn" if is_sign_in => {
                protocol(SAML, row);
                row.put_filled(Col::ActorIdpUid, PATH, &member);
            }
            _ => row.keep(PATH, &member),
        }
    }
}

/// Whether a sign-in says, in a member named after itself, that it failed: `"ConsoleLogin": "Failure"`.
pub(super) fn says_failure(record: &Record<'_>) -> bool {
    let result = |object: Option<Object<'_>>| {
        let value = object?.get(&record.event_name)?;
        value.as_str().map(|text| text == "Failure")
    };
    // Only sign-in services do so; the search costs too much to do for every event.
    if record.event_source != "signin.amazonaws.com" {
        return false;
    }
    result(record.response).or_else(|| result(record.service_details)).unwrap_or(false)
}
