//! Who called Azure Resource Manager: the claims of the caller's token, and `caller`.
//!
//! Claims are named as Microsoft's "Access token claims reference" has them, the older ones by the URI
//! that WS-Federation gave them.

use std::borrow::Cow;

use event::Col;

use crate::fields::Fields;
use crate::required;
use crate::row::Row;
use crate::time;

const OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";
const TENANT_ID: &str = "http://schemas.microsoft.com/identity/claims/tenantid";
const IDENTITY_PROVIDER: &str = "http://schemas.microsoft.com/identity/claims/identityprovider";
const METHODS: &str = "http://schemas.microsoft.com/claims/authnmethodsreferences";
const UPN: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";
const NAME: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name";
const EMAIL: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";
const SPN: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/spn";

/// OCSF `user.type_id`.
pub(super) const USER: i32 = 1;
/// OCSF `user.type_id`.
pub(super) const SERVICE: i32 = 4;

/// The caller's names, for operations that concern the caller.
#[derive(Debug, Default)]
pub(super) struct Actor {
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
}

/// Sets the `actor_*` columns. `caller` is a user principal name, the object id of an application, or the
/// name of an Azure service; event hubs do not have it. `principal_type` is what the authorization says.
pub(super) fn map(
    claims: &mut Fields<'_>,
    caller: Option<&str>,
    principal_type: Option<&str>,
    row: &mut Row<'_>,
) -> Actor {
    let (name, id) = match caller {
        Some(caller) if is_guid(caller) => (None, Some(caller)),
        other => (other, None),
    };
    if let Some(email) = claims.peek(EMAIL).or_else(|| claims.peek("email")) {
        row.text(Col::ActorUserEmailAddr, &email);
    }
    let user_name = claims.first(&[UPN, "upn", NAME, "uniqueName", "preferredUsername", EMAIL, "email"]);
    if row.has(Col::ActorUserEmailAddr) {
        claims.first(&[EMAIL, "email"]);
    }
    let is_person = user_name.is_some() || name.is_some_and(|name| name.contains('@'));
    let uid = claims.first(&[OBJECT_ID, "oid"]);
    let actor = Actor {
        name: name.map(str::to_owned).or(user_name.map(Cow::into_owned)).or_else(|| service_name(claims)),
        uid: uid.as_deref().or(id).map(str::to_owned),
    };
    if let Some(name) = &actor.name {
        row.text(Col::ActorUserName, name);
        claims.forget_repeats(&[SPN, "name"], name);
    }
    row.text_if(Col::ActorUserUid, actor.uid.as_deref());
    claims.put(row, Col::ActorUserUidAlt, &["puid"]);
    claims.put(row, Col::ActorAppUid, &["appid", "azp"]);
    if actor.name.is_some() || actor.uid.is_some() {
        put_type(claims.text("idtyp"), principal_type, is_person, id.is_some(), row);
    }
    if let Some(tenant) = claims.first(&[TENANT_ID, "tid"]) {
        let tenant = tenant.to_ascii_lowercase();
        row.text(Col::ActorUserAccountUid, &tenant);
        row.text(Col::CloudOrgUid, &tenant);
        row.text(Col::MetadataTenantUid, &tenant);
    }
    // The id that the sign-in log has as `uniqueTokenIdentifier`.
    claims.put(row, Col::ActorUserCredentialUid, &["uti"]);
    claims.put(row, Col::ActorSessionUid, &["sid"]);
    claims.put(row, Col::ActorSessionIssuer, &["iss"]);
    claims.put(row, Col::ActorIdpName, &[IDENTITY_PROVIDER, "idp"]);
    if let Some(issued) = claims.peek("iat").and_then(|text| time::of_text(&text).ok()) {
        claims.forget("iat");
        row.time(Col::ActorSessionCreatedTime, issued);
    }
    // The methods themselves (pwd, rsa, mfa) have no column and stay.
    if let Some(methods) = claims.peek(METHODS).or_else(|| claims.peek("amr")) {
        row.flag(Col::ActorSessionIsMfa, methods.split(',').any(|method| method.trim() == "mfa"));
    }
    required::actor(row);
    actor
}

/// The name of a service, or failing that the display name.
fn service_name(claims: &mut Fields<'_>) -> Option<String> {
    claims.first(&[SPN, "name"]).map(Cow::into_owned)
}

/// `idtyp` is an optional claim, so the rest has to do where it is missing: only applications are called
/// by their object id.
fn put_type(
    idtyp: Option<Cow<'_, str>>,
    principal_type: Option<&str>,
    is_person: bool,
    called_by_id: bool,
    row: &mut Row<'_>,
) {
    let kind = idtyp.as_deref().or(principal_type);
    row.text_if(Col::ActorUserType, kind);
    let type_id = match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("user") => USER,
        Some("app" | "serviceprincipal" | "device") => SERVICE,
        None if is_person => USER,
        None if called_by_id => SERVICE,
        _ => 0,
    };
    row.int(Col::ActorUserTypeId, type_id);
}

/// Whether a text has the shape of an object id, 8-4-4-4-12.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_alphanumeric(),
        })
}
