//! GitHub audit log: entries of the REST API and of audit log streaming, also of GitHub Enterprise Server.
//!
//! What happened is `action`, a subject and a verb: `repo.create`. The log has what was done; there is no
//! outcome but of the few actions whose name says that they failed.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::action;
use crate::address;
use crate::class::{Activity, Severity, Status};
use crate::email;
use crate::fields::Fields;
use crate::json::Object;
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
    // GitHub Enterprise Server has part of the members under `data`.
    let data = fields.nested(&["data"]);
    if let Some(object) = data.object() {
        fields.add(object, data.path());
    }
    // Collectors that allow no `@` in names spell it out.
    fields.put_time(row, &["@timestamp", "atSignTimestamp", "createdAt"])?;
    let action = fields.text("action").unwrap_or_default();
    row.text(Col::ApiOperation, if action.is_empty() { UNKNOWN } else { &action });
    row.text_if(Col::MetadataEventCode, Some(&action));
    row.severity(Severity::Informational);
    row.status(if action.ends_with("failed_login") { Status::Failure } else { Status::Success });
    let actor = fields.peek("actor");
    map_actor(&mut fields, row);
    map_class(action::of(&action), &action, &mut fields, row);
    if row.has(Col::ServiceName) {
        // Who signs in is the user.
        row.text_if(Col::UserName, actor);
        required::user(row);
    }
    map_repository(&mut fields, row);
    map_request(&mut fields, row);
    required::actor_and_source(row);
    fields.put(row, Col::CloudOrgUid, &["org"]);
    row.text(Col::MetadataLogName, "audit");
    row.text(Col::MetadataProductName, "Audit Log");
    row.text(Col::MetadataProductVendorName, "GitHub");
    let key = match fields.peek("documentId") {
        Some(id) => EventKey::from_parts(LogType::GithubAudit, &[id.as_bytes()]),
        None => EventKey::from_content(LogType::GithubAudit, record.raw().as_bytes()),
    };
    fields.put(row, Col::MetadataUid, &["documentId"]);
    fields.keep(row);
    Ok(key)
}

fn map_actor(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    fields.put(row, Col::ActorUserName, &["actor"]);
    fields.put(row, Col::ActorUserUid, &["actorId"]);
    let is_bot = fields.peek("actorIsBot").is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
    if row.has(Col::ActorUserName) || row.has(Col::ActorUserUid) {
        row.text(Col::ActorUserType, if is_bot { "Bot" } else { "User" });
        row.int(Col::ActorUserTypeId, if is_bot { 4 } else { 1 });
    }
    // The name that the company's identity provider has for the actor.
    if let Some(name) = fields.peek("externalIdentityNameid").filter(|name| email::is_address(name)) {
        row.text(Col::ActorUserEmailAddr, &name);
        fields.forget("externalIdentityNameid");
    }
    fields.put(row, Col::ActorUserCredentialUid, &["hashedToken"]);
    fields.put(row, Col::ActorSessionUid, &["actorSession"]);
    fields.put(row, Col::ActorIdpUid, &["issuer"]);
    fields.put(row, Col::ActorAppName, &["integration", "oauthApplicationName"]);
    fields.put(row, Col::ActorAppUid, &["applicationClientId"]);
    if let Some(address) = fields.text("actorIp") {
        address::put(&address, row);
    }
    let nested = fields.nested(&["actorLocation"]);
    let mut location = nested.fields();
    location.put(row, Col::SrcEndpointLocationCountry, &["countryCode"]);
    location.put(row, Col::SrcEndpointLocationRegion, &["regionName"]);
    location.put(row, Col::SrcEndpointLocationCity, &["city"]);
    location.keep(row);
}

/// Sets the class and whom it is about.
fn map_class(activity: Activity, action: &str, fields: &mut Fields<'_>, row: &mut Row<'_>) {
    match activity.activity_id {
        99 if !action.is_empty() => row.class_named(&activity, action),
        _ => row.class(&activity),
    }
    match activity.class_uid {
        3002 => {
            row.text(Col::ServiceName, "GitHub");
            row.flag(Col::IsRemote, true);
            if action.contains("sso_response") {
                row.text(Col::AuthProtocol, "SAML");
                row.int(Col::AuthProtocolId, 5);
            }
        }
        3005 => {
            let right = fields.text("permission").or_else(|| fields.text("role"));
            let right =
                right.unwrap_or(Cow::Borrowed(if action.contains("admin") { "admin" } else { UNKNOWN }));
            row.texts(Col::Privileges, &[&right]);
        }
        3006 => {
            fields.put(row, Col::GroupName, &["team"]);
            row.text_if(Col::GroupName, fields.peek("org").or_else(|| fields.peek("business")));
            row.text(Col::GroupName, UNKNOWN);
        }
        3001 => {}
        // API Activity knows no user but the actor.
        _ => return,
    }
    fields.put(row, Col::UserName, &["user"]);
    fields.put(row, Col::UserUid, &["userId"]);
    if fields.peek("email").is_some_and(|address| email::is_address(&address)) {
        fields.put(row, Col::UserEmailAddr, &["email"]);
    }
    if !matches!(activity.class_uid, 3002 | 3006) {
        required::user(row);
    }
    if row.has(Col::UserName) || row.has(Col::UserUid) {
        row.int(Col::UserTypeId, 1);
    }
}

/// The repository, or failing that whatever the action names by itself.
fn map_repository(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let name = fields.first(&["repo", "repository"]);
    let uid = fields.first(&["repoId", "repositoryId"]);
    let Some(label) = name.as_deref().or(uid.as_deref()) else { return };
    row.text_if(Col::ResourceUid, uid.as_deref());
    row.text(Col::ResourceName, label);
    row.text(Col::ResourceType, "repository");
    row.json(Col::Resources, |json| {
        json.begin_array();
        json.item();
        json.begin_object();
        json.text_member("name", label);
        if let Some(uid) = &uid {
            json.text_member("uid", uid);
        }
        json.text_member("type", "repository");
        json.end_object();
        json.end_array();
    });
}

fn map_request(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    fields.put(row, Col::HttpRequestUserAgent, &["userAgent"]);
    fields.put(row, Col::HttpRequestHttpMethod, &["method"]);
    fields.put(row, Col::HttpRequestUrl, &["url"]);
    fields.put(row, Col::ApiRequestUid, &["requestId"]);
}

#[cfg(test)]
mod tests {
    use event::LogType;

    use crate::{corpus, sample};

    #[test]
    fn samples() {
        sample::check(LogType::GithubAudit, "github");
    }

    #[test]
    fn the_corpus_maps() {
        corpus::check_folder(LogType::GithubAudit, "sekoia/github", 0.0);
        corpus::check_folder(LogType::GithubAudit, "ocsf/ocsf_examples/markdown/GitHub", 0.0);
        // Many rows of test tables say no time.
        corpus::check_folder(LogType::GithubAudit, "expected/panther/GitHub.Audit.jsonl", 0.4);
    }
}
