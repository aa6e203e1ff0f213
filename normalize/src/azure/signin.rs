//! Entra sign-in logs: people (interactive or not), service principals, managed identities.
//!
//! The members are those of Microsoft Graph's resource `signIn`, which diagnostic settings put under
//! `properties` and Log Analytics spells as columns, some with a name of their own (`ResourceIdentity` is
//! `resourceId`, `LocationDetails` is `location`).

use event::{Col, EventKey, LogType};

use super::claims::{SERVICE, USER};
use super::diagnostic::Diagnostic;
use super::risk::Risk;
use super::{device, factors, tenant};
use crate::address;
use crate::class::{Severity, Status, authentication};
use crate::fields::Fields;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::{Row, UNKNOWN};

pub(crate) use super::signin_fields::FIELDS;

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut diagnostic = Diagnostic::of(*record);
    let mut fields = diagnostic.fields();
    // The frame's time is when the record was sent, minutes later.
    let micros = fields.put_time(row, &["createdDateTime", "time", "timeGenerated"])?;
    row.class(&authentication::LOGON);
    row.severity(Severity::Informational);
    row.flag(Col::IsRemote, true);
    tenant::map(&mut fields, row);
    let kind = map_kind(&mut fields, row);
    map_identity(&mut fields, kind, row);
    map_applications(&mut fields, row);
    let code = map_status(&mut fields, row);
    factors::map(&mut fields, code == "0", row);
    map_session(&mut fields, row);
    if let Some(address) = fields.first(&["ipAddress", "callerIpAddress"]) {
        address::put(&address, row);
    }
    device::map(&mut fields, row);
    address::require(row);
    let risk = Risk::take(&mut fields);
    risk.map(row);
    map_metadata(&mut fields, row);
    let key = match fields.peek("id") {
        Some(id) => key(&id, micros, &code, &risk),
        None => EventKey::from_content(LogType::EntraSignin, record.raw().as_bytes()),
    };
    fields.put(row, Col::MetadataUid, &["id"]);
    fields.put(row, Col::MetadataCorrelationUid, &["correlationId"]);
    fields.keep(row);
    Ok(key)
}

/// The identity of a sign-in record.
///
/// The id alone will not do: when a sign-in is interrupted for a second factor and goes on, and when
/// Identity Protection comes to another opinion later, a record with the same id follows that says so.
/// The second of its time is all that every shape has of it.
fn key(id: &str, micros: i64, code: &str, risk: &Risk<'_>) -> EventKey {
    let second = micros.div_euclid(1_000_000).to_string();
    let id = id.to_ascii_lowercase();
    let [state, level] = risk.opinion();
    let parts = [id.as_bytes(), second.as_bytes(), code.as_bytes(), state.as_bytes(), level.as_bytes()];
    EventKey::from_parts(LogType::EntraSignin, &parts)
}

/// The four kinds of sign-in, each a log of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Interactive,
    NonInteractive,
    ServicePrincipal,
    ManagedIdentity,
}

/// The kind by its log (`category`), by Graph's `signInEventTypes`, or by `isInteractive`.
fn map_kind(fields: &mut Fields<'_>, row: &mut Row<'_>) -> Kind {
    let event_types = fields.nested(&["signInEventTypes"]);
    let event_type = event_types.value().and_then(|value| value.as_array()?.next()?.filled_text());
    let interactive = fields.flag("isInteractive");
    let category = fields.first(&["category"]).unwrap_or_default().into_owned();
    let word =
        if category.is_empty() { event_type.unwrap_or_default().into_owned() } else { category.clone() };
    let kind = match word.to_ascii_lowercase().as_str() {
        "signinlogs" | "interactiveuser" | "adfssigninlogs" => Kind::Interactive,
        "noninteractiveusersigninlogs" | "noninteractiveuser" => Kind::NonInteractive,
        "serviceprincipalsigninlogs" | "serviceprincipal" => Kind::ServicePrincipal,
        "managedidentitysigninlogs" | "managedidentity" => Kind::ManagedIdentity,
        _ if fields.has("userPrincipalName") || !fields.has("servicePrincipalId") => match interactive {
            Some(false) => Kind::NonInteractive,
            _ => Kind::Interactive,
        },
        _ => Kind::ServicePrincipal,
    };
    let (log, logon_type, logon_type_id) = match kind {
        // Silent sign-ins of older tenants stand in the interactive log too.
        Kind::Interactive if interactive == Some(false) => ("SignInLogs", "Network", 3),
        Kind::Interactive => ("SignInLogs", "Interactive", 2),
        Kind::NonInteractive => ("NonInteractiveUserSignInLogs", "Network", 3),
        Kind::ServicePrincipal => ("ServicePrincipalSignInLogs", "servicePrincipal", 99),
        Kind::ManagedIdentity => ("ManagedIdentitySignInLogs", "managedIdentity", 99),
    };
    event_types.keep(row);
    row.text(Col::LogonType, logon_type);
    row.int(Col::LogonTypeId, logon_type_id);
    row.text(Col::MetadataProductFeatureName, if category.is_empty() { log } else { &category });
    kind
}

/// Who signed in. That is also who acts, so that one column tells all that an identity did.
fn map_identity(fields: &mut Fields<'_>, kind: Kind, row: &mut Row<'_>) {
    let is_person = matches!(kind, Kind::Interactive | Kind::NonInteractive);
    let (name, uid, user_type) = if is_person {
        (fields.text("userPrincipalName"), fields.text("userId"), fields.text("userType"))
    } else {
        let user_type = if kind == Kind::ManagedIdentity { "managedIdentity" } else { "servicePrincipal" };
        (fields.text("servicePrincipalName"), fields.text("servicePrincipalId"), Some(user_type.into()))
    };
    let name =
        name.or_else(|| uid.is_none().then(|| fields.first(&["userDisplayName", "identity"])).flatten());
    let name = name.or_else(|| uid.is_none().then(|| UNKNOWN.into()));
    let type_id = if is_person { USER } else { SERVICE };
    for (col, value) in [
        (Col::UserName, &name),
        (Col::UserUid, &uid),
        (Col::UserType, &user_type),
        (Col::ActorUserName, &name),
        (Col::ActorUserUid, &uid),
        (Col::ActorUserType, &user_type),
    ] {
        row.text_if(col, value.as_deref());
    }
    row.int(Col::UserTypeId, type_id);
    row.int(Col::ActorUserTypeId, type_id);
    // Guests belong to another tenant than the one they sign in to.
    let home =
        fields.first(if is_person { &["homeTenantId"] } else { &["appOwnerTenantId", "homeTenantId"] });
    if let Some(home) = home.map(|id| id.to_ascii_lowercase()) {
        row.text(Col::UserAccountUid, &home);
        row.text(Col::ActorUserAccountUid, &home);
    }
    const KEYS: [&str; 2] = ["servicePrincipalCredentialKeyId", "servicePrincipalCredentialThumbprint"];
    fields.put(row, Col::UserCredentialUid, &KEYS);
}

/// The application that signed in for the identity, and the one that it signed in to.
fn map_applications(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    fields.put(row, Col::ActorAppUid, &["appId"]);
    fields.put(row, Col::ActorAppName, &["appDisplayName"]);
    fields.put(row, Col::ServiceName, &["resourceDisplayName"]);
    // The frame and Log Analytics have the id of the tenant's log, a path, under the same name; that one
    // was taken with the tenant.
    fields.put(row, Col::ServiceUid, &["resourceIdentity", "resourceId"]);
    if !row.has(Col::ServiceName) && !row.has(Col::ServiceUid) {
        row.text(Col::ServiceName, UNKNOWN);
    }
}

/// The outcome, by the error code of Entra's token service (AADSTS), 0 for success; returns the code.
fn map_status(fields: &mut Fields<'_>, row: &mut Row<'_>) -> String {
    let nested = fields.nested(&["status"]);
    let mut status = nested.fields();
    let code = status.text("errorCode").map(|code| code.into_owned());
    let result = fields.peek("resultType").unwrap_or_default();
    let code = code.unwrap_or_else(|| result.into_owned());
    row.text_if(Col::StatusCode, Some(&code));
    fields.forget_repeats(&["resultType"], &code);
    row.status(match code.as_str() {
        "" => Status::Unknown,
        "0" => Status::Success,
        _ => Status::Failure,
    });
    // Graph says `Other.` where there was no failure.
    let reason =
        status.peek("failureReason").filter(|reason| reason != "Other.").map(|reason| reason.into_owned());
    let reason = reason.or_else(|| fields.peek("resultDescription").map(|reason| reason.into_owned()));
    if let Some(reason) = reason {
        row.text(Col::StatusDetail, &reason);
        status.forget_repeats(&["failureReason"], &reason);
        fields.forget_repeats(&["resultDescription"], &reason);
    }
    status.put(row, Col::StatusDetail, &["additionalDetails"]);
    status.keep(row);
    code
}

fn map_session(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    fields.put(row, Col::SessionUid, &["sessionId"]);
    // What the activity log has as the claim `uti`.
    fields.put(row, Col::SessionCredentialUid, &["uniqueTokenIdentifier"]);
    fields.put(row, Col::SessionIssuer, &["tokenIssuerName", "tokenIssuerType"]);
    let Some(protocol) = fields.peek("authenticationProtocol") else { return };
    let (word, id) = match protocol.to_ascii_lowercase().as_str() {
        // The usual flows of OpenID Connect and OAuth 2.0 are not told apart from anything older.
        "none" => return,
        "oauth2" => ("OAUTH 2.0", 6),
        "saml20" => ("SAML", 5),
        // deviceCode, ropc, wsFederation and so on: what matters is which, so it keeps Microsoft's word.
        _ => (protocol.as_ref(), 99),
    };
    row.text(Col::AuthProtocol, word);
    row.int(Col::AuthProtocolId, id);
    fields.forget_repeats(&["authenticationProtocol"], word);
}

fn map_metadata(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    fields.put(row, Col::ApiOperation, &["operationName"]);
    fields.put(row, Col::ApiVersion, &["operationVersion"]);
    fields.put(row, Col::HttpRequestUserAgent, &["userAgent"]);
    row.text(Col::MetadataLogName, "SignInLogs");
    row.text(Col::MetadataProductName, "Microsoft Entra ID");
    row.text(Col::MetadataProductVendorName, "Microsoft");
}
