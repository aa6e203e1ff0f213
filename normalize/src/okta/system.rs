//! Okta System Log: `LogEvent` of the System Log API, which event hooks and log streams deliver, too.
//!
//! What happened is `eventType`; who did it `actor`, from where `client` with the network in `securityContext`,
//! to what the list `target`. Members are found in any case of their names, since some collectors fold it.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::event_type;
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
    fields.put_time(row, &["published"])?;
    let event_type = fields.text("eventType").unwrap_or_default();
    row.text(Col::ApiOperation, if event_type.is_empty() { UNKNOWN } else { &event_type });
    row.text_if(Col::MetadataEventCode, Some(&event_type));
    fields.put(row, Col::Message, &["displayMessage"]);
    row.severity(severity(fields.peek("severity").as_deref()));
    let actor = map_actor(&mut fields, row);
    map_client(&mut fields, row);
    map_network(&mut fields, row);
    map_session(&mut fields, row);
    map_outcome(&mut fields, row);
    map_debug(&mut fields, row);
    let list = fields.nested(&["target"]);
    let targets: Vec<_> = list.objects().into_iter().map(Target).collect();
    map_resources(&targets, row);
    map_event(event_type::of(&event_type), &event_type, &actor, &targets, row);
    required::actor_and_source(row);
    fields.put(row, Col::MetadataLogVersion, &["version"]);
    map_transaction(&mut fields, row);
    row.text(Col::MetadataProductName, "System Log");
    row.text(Col::MetadataProductVendorName, "Okta");
    let key = match fields.peek("uuid") {
        Some(uuid) => EventKey::from_parts(LogType::OktaSystem, &[uuid.as_bytes()]),
        None => EventKey::from_content(LogType::OktaSystem, record.raw().as_bytes()),
    };
    fields.put(row, Col::MetadataUid, &["uuid"]);
    fields.keep(row);
    Ok(key)
}

/// A member of `target`.
#[derive(Clone, Copy)]
struct Target<'a>(Object<'a>);

impl<'a> Target<'a> {
    fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.0.get(key)?.filled_text()
    }

    fn is(&self, kind: &str) -> bool {
        self.text("type").is_some_and(|found| found == kind)
    }

    /// The login of a person, the name of anything else.
    fn name(&self) -> Option<Cow<'a, str>> {
        let login = self.text("alternateId").filter(|id| id != "unknown");
        if self.is("User") || self.is("AppUser") {
            return login.or_else(|| self.text("displayName"));
        }
        self.text("displayName").or(login)
    }
}

/// Who did it, for events that concern the actor.
#[derive(Debug, Default)]
struct Actor {
    name: Option<String>,
    uid: Option<String>,
    kind: Option<String>,
}

fn map_actor(fields: &mut Fields<'_>, row: &mut Row<'_>) -> Actor {
    let nested = fields.nested(&["actor"]);
    let mut member = nested.fields();
    let login = member.peek("alternateId").filter(|id| id != "unknown");
    if login.is_some() {
        member.forget("alternateId");
    }
    let name = login.or_else(|| member.text("displayName"));
    let actor = Actor {
        name: name.map(Cow::into_owned),
        uid: member.text("id").map(Cow::into_owned),
        kind: member.text("type").map(Cow::into_owned),
    };
    row.text_if(Col::ActorUserName, actor.name.as_deref());
    row.text_if(Col::ActorUserUid, actor.uid.as_deref());
    row.text_if(Col::ActorUserType, actor.kind.as_deref());
    row.text_if(Col::ActorUserEmailAddr, email::address(actor.name.as_deref()));
    if let Some(kind) = &actor.kind {
        row.int(Col::ActorUserTypeId, user_type_id(kind));
    }
    member.keep(row);
    actor
}

/// OCSF `user.type_id`.
fn user_type_id(kind: &str) -> i32 {
    match kind {
        "User" | "AppUser" => 1,
        "SystemPrincipal" => 3,
        "PublicClientApp" | "PublicClientAppEntity" | "AppInstance" | "ServicePrincipal" => 4,
        _ => 99,
    }
}

fn map_client(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["client"]);
    let mut client = nested.fields();
    if let Some(address) = client.text("ipAddress") {
        address::put(&address, row);
    }
    let agent = client.nested(&["userAgent"]);
    let mut agent = agent.fields();
    agent.put(row, Col::HttpRequestUserAgent, &["rawUserAgent"]);
    if let Some(system) = agent.text("os") {
        row.text(Col::SrcEndpointOsName, &system);
        row.int(Col::SrcEndpointOsTypeId, os::type_id(&system));
    }
    agent.keep(row);
    let place = client.nested(&["geographicalContext"]);
    let mut place = place.fields();
    place.put(row, Col::SrcEndpointLocationRegion, &["state"]);
    place.put(row, Col::SrcEndpointLocationCity, &["city"]);
    let coordinates = place.nested(&["geolocation"]);
    let mut coordinates = coordinates.fields();
    if let (Some(latitude), Some(longitude)) = (coordinates.number("lat"), coordinates.number("lon")) {
        row.float(Col::SrcEndpointLocationLat, latitude);
        row.float(Col::SrcEndpointLocationLong, longitude);
        coordinates.forget("lat");
        coordinates.forget("lon");
    }
    coordinates.keep(row);
    // Okta names countries in English; OCSF's two letters do not follow from that.
    place.keep(row);
    client.put(row, Col::ActorAppUid, &["id"]);
    client.keep(row);
    let nested = fields.nested(&["device"]);
    let mut device = nested.fields();
    device.put(row, Col::SrcEndpointUid, &["id"]);
    device.put(row, Col::SrcEndpointName, &["name"]);
    device.keep(row);
}

fn map_network(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["securityContext"]);
    let mut network = nested.fields();
    if let Some(number) = network.integer("asNumber") {
        row.long(Col::SrcEndpointAsn, number);
    }
    network.put(row, Col::SrcEndpointDomain, &["domain"]);
    network.keep(row);
}

fn map_session(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["authenticationContext"]);
    let mut context = nested.fields();
    // The root session holds through re-authentication, the external one is of the moment.
    context.put(row, Col::ActorSessionUid, &["rootSessionId"]);
    context.put(row, Col::ActorSessionUid, &["externalSessionId"]);
    let issuer = context.nested(&["issuer"]);
    let mut issuer = issuer.fields();
    issuer.put(row, Col::ActorIdpUid, &["id"]);
    issuer.put(row, Col::ActorIdpName, &["type"]);
    issuer.keep(row);
    context.keep(row);
}

fn map_outcome(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["outcome"]);
    let mut outcome = nested.fields();
    let result = outcome.text("result").unwrap_or_default();
    row.text_if(Col::StatusCode, Some(&result));
    let status = match result.to_ascii_uppercase().as_str() {
        "SUCCESS" | "ALLOW" => Status::Success,
        "FAILURE" | "DENY" => Status::Failure,
        "" | "UNKNOWN" => Status::Unknown,
        // A second factor was asked for, a step skipped, the answer put off.
        _ => Status::Other,
    };
    if status == Status::Other {
        row.text(Col::Status, &result);
    }
    row.status(status);
    if status == Status::Failure {
        row.text_if(Col::ApiResponseError, outcome.peek("reason"));
    }
    outcome.put(row, Col::StatusDetail, &["reason"]);
    outcome.keep(row);
}

/// `debugContext.debugData`: whatever the kind of event adds.
fn map_debug(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let context = fields.nested(&["debugContext"]);
    let mut context = context.fields();
    let data = context.nested(&["debugData"]);
    let mut data = data.fields();
    data.put(row, Col::ApiRequestUid, &["requestId"]);
    data.put(row, Col::HttpRequestUrl, &["url", "requestUri"]);
    // The score of Okta's own risk engine: LOW, MEDIUM or HIGH.
    row.text_if(Col::RiskLevel, data.peek("riskLevel"));
    if let Some(privileges) = data.peek("privilegeGranted").or_else(|| data.peek("privilegeRevoked")) {
        let list: Vec<_> = privileges.split(", ").filter(|name| !name.is_empty()).collect();
        row.texts(Col::Privileges, &list);
    }
    data.keep(row);
    context.keep(row);
}

fn map_transaction(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["transaction"]);
    let mut transaction = nested.fields();
    transaction.put(row, Col::MetadataCorrelationUid, &["id"]);
    transaction.keep(row);
}

/// Every target as a resource; what OCSF has no name for goes to its `data`.
fn map_resources(targets: &[Target<'_>], row: &mut Row<'_>) {
    if targets.is_empty() {
        return;
    }
    if let Some(first) = targets.first() {
        row.text_if(Col::ResourceUid, first.text("id"));
        row.text_if(Col::ResourceName, first.name());
        row.text_if(Col::ResourceType, first.text("type"));
    }
    row.json(Col::Resources, |json| {
        json.begin_array();
        for target in targets {
            json.item();
            json.begin_object();
            let name = target.name().unwrap_or(Cow::Borrowed(UNKNOWN));
            json.text_member("name", &name);
            for (key, member) in [("uid", "id"), ("type", "type")] {
                if let Some(text) = target.text(member) {
                    json.text_member(key, &text);
                }
            }
            let is_named = |key: &str| matches!(key, "id" | "type");
            json.key("data");
            json.begin_object();
            for member in target.0.members().filter(|member| !is_named(&member.key)) {
                if !member.value.is_null() {
                    json.key(&member.key);
                    member.value.write(json);
                }
            }
            json.end_object();
            json.end_object();
        }
        json.end_array();
    });
}

/// Sets the class and what it is about.
fn map_event(activity: Activity, event_type: &str, actor: &Actor, targets: &[Target<'_>], row: &mut Row<'_>) {
    match activity.activity_id {
        99 => row.class_named(&activity, event_type),
        _ => row.class(&activity),
    }
    let target = |kind: &str| targets.iter().find(|target| target.is(kind));
    match activity.class_uid {
        3002 => {
            let app = target("AppInstance");
            row.text_if(Col::ServiceUid, app.and_then(|app| app.text("id")));
            row.text_if(Col::ServiceName, app.and_then(Target::name));
            row.text(Col::ServiceName, "Okta");
            row.flag(Col::IsRemote, true);
            if event_type.ends_with("auth_via_mfa") {
                row.flag(Col::IsMfa, true);
            }
        }
        3006 => {
            let group = target("UserGroup").or(target("Group"));
            row.text_if(Col::GroupUid, group.and_then(|group| group.text("id")));
            row.text_if(Col::GroupName, group.and_then(Target::name));
            if group.is_none() {
                row.text(Col::GroupName, UNKNOWN);
            }
        }
        3005 => {
            let app = target("AppInstance").or(target("ROLE")).and_then(Target::name);
            row.texts(Col::Privileges, &[app.as_deref().unwrap_or(UNKNOWN)]);
        }
        _ => {}
    }
    if !matches!(activity.class_uid, 3001 | 3002 | 3005 | 3006) {
        return;
    }
    match target("User").or(target("AppUser")) {
        Some(user) => {
            let name = user.name();
            row.text_if(Col::UserEmailAddr, email::address(name.as_deref()));
            row.text_if(Col::UserName, name);
            row.text_if(Col::UserUid, user.text("id"));
            row.text_if(Col::UserType, user.text("type"));
            row.int(Col::UserTypeId, 1);
        }
        None if activity.class_uid != 3006 => {
            row.text_if(Col::UserName, actor.name.as_deref());
            row.text_if(Col::UserUid, actor.uid.as_deref());
            row.text_if(Col::UserType, actor.kind.as_deref());
            row.text_if(Col::UserEmailAddr, email::address(actor.name.as_deref()));
            required::user(row);
        }
        None => {}
    }
}

/// Okta's four words.
fn severity(word: Option<&str>) -> Severity {
    match word {
        Some("WARN") => Severity::Low,
        Some("ERROR") => Severity::Medium,
        _ => Severity::Informational,
    }
}

#[cfg(test)]
mod tests {
    use event::LogType;

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::OktaSystem, "okta");
    }

    #[test]
    fn the_corpus_maps() {
        corpus::check_folder(LogType::OktaSystem, "okta", 0.0);
        corpus::check_folder(LogType::OktaSystem, "sekoia/okta", 0.0);
        corpus::check_folder(LogType::OktaSystem, "ocsf/ocsf_examples/markdown/Okta", 0.0);
        // One row of 42 says no time.
        corpus::check_folder(LogType::OktaSystem, "expected/panther/Okta.SystemLog.jsonl", 0.03);
    }
}
