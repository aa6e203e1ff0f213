//! Google Workspace activity: who did what in which application, as `activities.list` gives it.
//!
//! An activity has a list of events; nearly always one. A row tells the first, and the others are kept as they
//! are. Some collectors put the event's `name`, `type` and `parameters` beside the `id`.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::report::{Event, camel_case};
use crate::address;
use crate::class::{Activity, Severity, Status, api_activity, file_hosting};
use crate::email;
use crate::fields::Fields;
use crate::gcp::workspace::{is_second_factor, of_admin, of_login};
use crate::json::Object;
use crate::reason::{MapError, Reason};
use crate::required;
use crate::row::{Row, UNKNOWN};
use crate::{time, verb};

pub(crate) use super::fields::FIELDS;

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(*record, "");
    let nested = fields.nested(&["id"]);
    let mut id = nested.fields();
    // Activities without a time are exports of test tables; the API always says it.
    let micros = map_time(&mut id, &mut fields, row)?;
    let application = id.text("applicationName").unwrap_or_default();
    // Named as in Cloud Audit Logs, so that one rule reads both.
    row.text(Col::ApiServiceName, &format!("{application}.googleapis.com"));
    row.text_if(Col::MetadataLogName, Some(&application));
    id.put(row, Col::CloudOrgUid, &["customerId"]);
    let qualifier = id.text("uniqueQualifier");
    row.text_if(Col::MetadataUid, qualifier.as_deref());
    row.text(Col::ApiRequestUid, qualifier.as_deref().unwrap_or(UNKNOWN));
    id.keep(row);
    let actor = map_actor(&mut fields, row);
    if let Some(address) = fields.text("ipAddress") {
        address::put(&address, row);
    }
    map_network(&mut fields, row);
    let events = fields.nested(&["events"]);
    let list = events.objects();
    let event = match list.first() {
        Some(first) => Event::of(*first),
        None => Event::of(*record),
    };
    let name = event.text_of("name").unwrap_or_default();
    row.text(Col::ApiOperation, if name.is_empty() { UNKNOWN } else { &name });
    row.text_if(Col::MetadataEventCode, Some(&name));
    row.text_if(Col::MetadataProductFeatureName, event.text_of("type"));
    match list.len() {
        0 => {
            fields.forget("name");
            fields.forget("type");
            fields.put_json(row, Col::ApiRequestData, "parameters");
        }
        _ => {
            if let Some(parameters) = list.first().and_then(|event| event.get("parameters")) {
                row.json(Col::ApiRequestData, |json| parameters.write(json));
            }
            for member in list.first().iter().flat_map(|event| event.members()) {
                match (member.key.as_ref(), member.value.as_object()) {
                    ("name" | "type" | "parameters", _) => {}
                    ("status", Some(status)) => map_status(status, row),
                    _ => row.keep("events[0]", &member),
                }
            }
            if list.len() > 1 {
                events.keep(row);
            }
        }
    }
    row.severity(severity(&name));
    if !row.has(Col::StatusId) {
        row.status(status(&name, &event));
    }
    map_class(&application, &name, &event, actor.as_deref(), row);
    required::actor_and_source(row);
    row.text(Col::MetadataProductName, "Google Workspace");
    row.text(Col::MetadataProductVendorName, "Google");
    fields.keep(row);
    Ok(match qualifier {
        Some(qualifier) => EventKey::from_parts(
            LogType::GoogleWorkspace,
            &[&micros.to_be_bytes(), qualifier.as_bytes(), application.as_bytes()],
        ),
        None => EventKey::from_content(LogType::GoogleWorkspace, record.raw().as_bytes()),
    })
}

fn map_time(id: &mut Fields<'_>, fields: &mut Fields<'_>, row: &mut Row<'_>) -> Result<i64, MapError> {
    let value = id
        .value("time")
        .or_else(|| fields.value("time"))
        .ok_or_else(|| MapError::new(Reason::MissingTime, "the activity has no `id.time`"))?;
    let micros = time::of_value(&value)?;
    row.time(Col::Time, micros);
    row.text_if(Col::MetadataOriginalTime, value.text());
    id.forget("time");
    Ok(micros)
}

/// Returns the actor's name, for events that concern the actor.
fn map_actor(fields: &mut Fields<'_>, row: &mut Row<'_>) -> Option<String> {
    let nested = fields.nested(&["actor"]);
    let mut actor = nested.fields();
    let name = actor.first(&["email", "key"]);
    row.text_if(Col::ActorUserName, name.as_deref());
    row.text_if(Col::ActorUserEmailAddr, email::address(name.as_deref()));
    actor.put(row, Col::ActorUserUid, &["profileId"]);
    let nested = actor.nested(&["applicationInfo"]);
    let mut application = nested.fields();
    application.put(row, Col::ActorAppName, &["applicationName"]);
    application.put(row, Col::ActorAppUid, &["oauthClientId"]);
    application.keep(row);
    if let Some(kind) = actor.text("callerType") {
        row.int(
            Col::ActorUserTypeId,
            match kind.as_ref() {
                "USER" => 1,
                "APPLICATION" => 4,
                _ => 99,
            },
        );
        row.text(Col::ActorUserType, &kind);
    } else if name.is_some() {
        row.int(Col::ActorUserTypeId, 1);
    }
    let name = name.map(Cow::into_owned);
    actor.keep(row);
    name
}

/// Where the address is, as Google sees it.
fn map_network(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let nested = fields.nested(&["networkInfo"]);
    let mut network = nested.fields();
    network.put(row, Col::SrcEndpointLocationCountry, &["regionCode"]);
    network.put(row, Col::SrcEndpointLocationRegion, &["subdivisionCode"]);
    network.keep(row);
}

/// What came of an event, where it says so.
fn map_status(object: Object<'_>, row: &mut Row<'_>) {
    let mut status = Fields::of(object, "events[0].status");
    match status.peek("eventStatus").as_deref() {
        Some("SUCCEEDED" | "SUCCEEDED_WITH_WARNINGS") => row.status(Status::Success),
        Some("FAILED") => row.status(Status::Failure),
        _ => {}
    }
    status.put(row, Col::StatusCode, &["errorCode", "httpStatusCode"]);
    status.put(row, Col::StatusDetail, &["errorMessage"]);
    status.keep(row);
}

/// Google warns of attacks and hijacked accounts in the login reports.
fn severity(name: &str) -> Severity {
    match name {
        "gov_attack_warning" | "account_disabled_hijacked" => Severity::High,
        _ if name.starts_with("suspicious") || name.starts_with("account_disabled") => Severity::Medium,
        _ => Severity::Informational,
    }
}

fn status(name: &str, event: &Event<'_>) -> Status {
    match (name, event.text("login_challenge_status").as_deref()) {
        ("login_failure", _) | (_, Some("failed" | "Challenge Failed")) => Status::Failure,
        ("login_challenge", None) => Status::Unknown,
        _ => Status::Success,
    }
}

fn map_class(application: &str, name: &str, event: &Event<'_>, actor: Option<&str>, row: &mut Row<'_>) {
    let activity = match application {
        "login" | "user_accounts" | "saml" => login(name, event, actor, row),
        "admin" => admin(name, event, row),
        "drive" => drive(name, event, row),
        _ => None,
    };
    let activity = activity.unwrap_or_else(|| call(name));
    match activity.activity_id {
        99 if !name.is_empty() => row.class_named(&activity, name),
        _ => row.class(&activity),
    }
    if activity.class_uid == 6003 {
        let what = ["APPLICATION_NAME", "SETTING_NAME", "DOMAIN_NAME", "USER_EMAIL", "device_id", "app_name"];
        row.text_if(Col::ResourceName, what.iter().find_map(|name| event.text(name)));
    }
}

fn call(name: &str) -> Activity {
    if name.is_empty() { api_activity::UNKNOWN } else { verb::activity(&camel_case(name)) }
}

fn login(name: &str, event: &Event<'_>, actor: Option<&str>, row: &mut Row<'_>) -> Option<Activity> {
    let (activity, is_sign_in) = of_login(&camel_case(name))?;
    set_user(event.text("affected_email_address"), row);
    if !row.has(Col::UserName) {
        row.text_if(Col::UserName, actor);
        row.text_if(Col::UserEmailAddr, email::address(actor));
        required::user(row);
    }
    if is_sign_in {
        row.text(Col::ServiceName, "Google Workspace");
        row.flag(Col::IsRemote, true);
        let methods = event.texts("login_challenge_method");
        if event.flag("is_second_factor") == Some(true) {
            row.flag(Col::IsMfa, true);
        } else if !methods.is_empty() {
            row.flag(Col::IsMfa, methods.iter().any(|method| is_second_factor(method)));
        }
        match event.text("login_type").as_deref() {
            Some("saml") => {
                row.text(Col::AuthProtocol, "SAML");
                row.int(Col::AuthProtocolId, 5);
            }
            None | Some("unknown") => {}
            Some(other) => {
                row.text(Col::AuthProtocol, other);
                row.int(Col::AuthProtocolId, 99);
            }
        }
    }
    Some(activity)
}

fn set_user(name: Option<Cow<'_, str>>, row: &mut Row<'_>) {
    let Some(name) = name else { return };
    row.text(Col::UserName, &name);
    row.text_if(Col::UserEmailAddr, email::address(Some(&name)));
    row.int(Col::UserTypeId, 1);
}

fn admin(name: &str, event: &Event<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let activity = of_admin(&camel_case(&name.to_ascii_lowercase()))?;
    match activity.class_uid {
        3001 => set_user(Some(event.text("USER_EMAIL")?), row),
        3005 => {
            set_user(Some(event.text("USER_EMAIL")?), row);
            let role = event.text("ROLE_NAME").or_else(|| event.text("PRIVILEGE_NAME"));
            row.texts(Col::Privileges, &[role.as_deref().unwrap_or("admin")]);
        }
        3006 => {
            let group = event.text("GROUP_EMAIL")?;
            row.text(Col::GroupName, &group);
            row.text(Col::GroupUid, &group);
            set_user(event.text("USER_EMAIL"), row);
        }
        3004 => {
            let role = event.text("ROLE_NAME").or_else(|| event.text("INBOUND_SSO_PROFILE_NAME"))?;
            row.text(Col::EntityName, &role);
            row.text_if(Col::EntityUid, event.text("ROLE_ID"));
        }
        _ => {}
    }
    Some(activity)
}

/// The events of Drive that concern one document.
fn drive(name: &str, event: &Event<'_>, row: &mut Row<'_>) -> Option<Activity> {
    let title = event.text("doc_title");
    let uid = event.text("doc_id");
    if title.is_none() && uid.is_none() {
        return None;
    }
    row.text(Col::FileName, title.as_deref().or(uid.as_deref()).unwrap_or(UNKNOWN));
    row.text_if(Col::FileUid, uid);
    let kind = event.text("doc_type");
    row.int(
        Col::FileTypeId,
        match kind.as_deref() {
            Some("folder") => 2,
            Some(_) => 1,
            None => 0,
        },
    );
    row.text_if(Col::FileType, kind);
    Some(match name {
        "view" => file_hosting::OPEN,
        "preview" => file_hosting::PREVIEW,
        "download" => file_hosting::DOWNLOAD,
        "upload" | "create" => file_hosting::UPLOAD,
        "edit" => file_hosting::UPDATE,
        "delete" | "trash" => file_hosting::DELETE,
        "untrash" => file_hosting::RESTORE,
        "rename" => file_hosting::RENAME,
        "move" => file_hosting::MOVE,
        "copy" | "source_copy" => file_hosting::COPY,
        "lock" => file_hosting::LOCK,
        "unlock" => file_hosting::UNLOCK,
        _ if name.starts_with("change_") || name.starts_with("team_drive_membership") => file_hosting::SHARE,
        _ => file_hosting::OTHER,
    })
}

#[cfg(test)]
mod tests {
    use event::LogType;

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::GoogleWorkspace, "workspace");
    }

    #[test]
    fn the_corpus_maps() {
        // A third of the test rows says no time.
        corpus::check_folder(LogType::GoogleWorkspace, "expected/panther/GSuite.ActivityEvent.jsonl", 0.5);
    }
}
