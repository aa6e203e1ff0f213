//! Users as a directory tells them: a small part of SCIM 2.0 (RFC 7643, 7644), enough to add users, to change
//! them, and to have those who leave out at once.
//!
//! Users with a password of their own are none of a directory's business: here they are not there.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::accounts::{Origin, TENANT, UserRow};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::scim_schema::{self, LIST, ScimList, ScimPatchRequest, ScimUser, ScimUserRequest, USER, location};
use super::users::{cut, differences};
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{AuthAct, AuthEvent, Caller, Client, Refused, Right, is_user_name};

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The role of a user of whom the provider of single sign-on has not told another.
const ROLE: &str = "read_only";
/// The most users of an answer.
const PAGE: usize = 200;
/// The most operations of a PATCH.
const OPERATIONS: usize = 100;
/// The longest `externalId`.
const EXTERNAL_ID: usize = 256;

/// What an error says (RFC 7644, 3.12).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScimError {
    schemas: [String; 1],
    /// The HTTP status, as text.
    status: String,
    /// The kind of a 400 or 409, one of RFC 7644's words.
    #[serde(rename = "scimType", skip_serializing_if = "Option::is_none", default)]
    scim_type: Option<String>,
    detail: String,
}

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    scim_type: Option<&'static str>,
    detail: String,
}

impl Refusal {
    fn bad(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, scim_type: Some(scim_type), detail: detail.into() }
    }

    fn no_user(id: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, scim_type: None, detail: format!("there is no user `{id}`") }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, scim_type: None, detail: problem.detail }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Taken { .. } => {
                let (status, detail) = (StatusCode::CONFLICT, refused.to_string());
                Self { status, scim_type: Some("uniqueness"), detail }
            }
            _ => Problem::from(refused).into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ScimError {
            schemas: [ERROR.into()],
            status: self.status.as_u16().to_string(),
            scim_type: self.scim_type.map(Into::into),
            detail: self.detail,
        };
        answer(self.status, &body)
    }
}

/// A refusal of the gate, in SCIM's words.
pub(crate) fn scim_refusal(problem: Problem) -> Response {
    let retry_after = problem.retry_after;
    let mut response = Refusal::from(problem).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/scim+json")], bytes).into_response()
}

/// Whether a directory may see the user.
fn is_visible(user: &UserRow) -> bool {
    user.origin != Origin::Local && user.tenant == TENANT
}

/// The user whose id is `id`, else whose `externalId` or `userName` it is.
fn find(app: &App, id: &str) -> Result<UserRow, Refusal> {
    let by = |is_it: &dyn Fn(&UserRow) -> bool| {
        app.auth.directory.find_user(|user| is_visible(user) && is_it(user))
    };
    by(&|user| user.id == id)
        .or_else(|| by(&|user| user.external_id.as_deref() == Some(id)))
        .or_else(|| by(&|user| user.name == id.to_lowercase()))
        .ok_or_else(|| Refusal::no_user(id))
}

fn read_body(body: Result<Bytes, BytesRejection>) -> Result<Value, Refusal> {
    let bytes = body.map_err(|rejection| Refusal {
        status: rejection.status(),
        scim_type: None,
        detail: "the body cannot be read".into(),
    })?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad("invalidSyntax", format!("the body is not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Refusal::bad("invalidSyntax", "the body is no object")) }
}

/// What can be set of a user. Attributes that are not known are passed over (RFC 7644, 3.3).
fn set(user: &mut UserRow, attribute: &str, value: &Value) -> Result<(), Refusal> {
    let wrong = |wanted: &str| Refusal::bad("invalidValue", format!("`{attribute}` is not {wanted}"));
    // Attribute names are the same in any case (RFC 7643, 2.1), and may bear their schema.
    let lower = attribute.to_lowercase();
    let plain = lower.strip_prefix(&format!("{}:", USER.to_lowercase())).unwrap_or(&lower).to_owned();
    let text = || value.as_str().map(str::to_owned).ok_or_else(|| wrong("text"));
    match plain.as_str() {
        "active" => {
            // Entra ID sends "True" and "False".
            user.is_active = match value {
                Value::Bool(flag) => *flag,
                Value::String(word) if word.eq_ignore_ascii_case("true") => true,
                Value::String(word) if word.eq_ignore_ascii_case("false") => false,
                _ => return Err(wrong("true or false")),
            };
        }
        "username" => {
            let name = text()?.to_lowercase();
            if !is_user_name(&name) {
                return Err(wrong("a name: 1 to 128 of a-z, 0-9 and `. _ - @ +`"));
            }
            user.name = name;
        }
        "externalid" => {
            let id = Some(text()?).filter(|id| !id.is_empty());
            if id.as_ref().is_some_and(|id| id.len() > EXTERNAL_ID) {
                return Err(wrong("an id of at most 256 bytes"));
            }
            user.external_id = id;
        }
        "displayname" | "name.formatted" => user.display = cut(text()?),
        "name" => {
            let name = value.as_object().ok_or_else(|| wrong("an object"))?;
            if let Some(formatted) = name.get("formatted").and_then(Value::as_str) {
                user.display = cut(formatted.to_owned());
            }
        }
        "schemas" => {
            let is_schemas = |names: &Vec<Value>| names.iter().all(Value::is_string);
            if !value.as_array().is_some_and(is_schemas) {
                return Err(wrong("a list of names"));
            }
        }
        "emails" => {
            let emails = value.as_array().ok_or_else(|| wrong("a list of addresses"))?;
            let primary = emails.iter().find(|email| email.get("primary") == Some(&Value::Bool(true)));
            let email = primary.or(emails.first()).and_then(|email| email.get("value"));
            user.email = cut(email.and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        // `emails[type eq "work"].value`: there is one.
        path if path.starts_with("emails[") && path.ends_with("].value") => user.email = cut(text()?),
        _ => {}
    }
    Ok(())
}

fn set_all(user: &mut UserRow, attributes: &Value) -> Result<(), Refusal> {
    let attributes = attributes.as_object().into_iter().flatten();
    attributes.into_iter().try_for_each(|(attribute, value)| set(user, attribute, value))
}

/// What a PATCH makes of a user (RFC 7644, 3.5.2).
fn patched(mut user: UserRow, body: &Value) -> Result<UserRow, Refusal> {
    let schemas = body.get("schemas").and_then(Value::as_array);
    if !schemas.is_some_and(|schemas| schemas.iter().any(|schema| schema == PATCH)) {
        return Err(Refusal::bad("invalidSyntax", format!("`schemas` does not name `{PATCH}`")));
    }
    let operations = body.get("Operations").and_then(Value::as_array);
    let operations = operations.filter(|operations| (1..=OPERATIONS).contains(&operations.len()));
    let operations = operations.ok_or_else(|| {
        Refusal::bad("invalidSyntax", format!("`Operations` is no list of 1 to {OPERATIONS}"))
    })?;
    for operation in operations {
        let op = operation.get("op").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let (path, value) = (operation.get("path"), operation.get("value"));
        let path = match path {
            None => None,
            Some(Value::String(path)) => Some(path.as_str()),
            Some(_) => return Err(Refusal::bad("invalidPath", "`path` is no text")),
        };
        match (op.as_str(), path, value) {
            ("add" | "replace", Some(path), Some(value)) => set(&mut user, path, value)?,
            ("add" | "replace", None, Some(value)) if value.is_object() => set_all(&mut user, value)?,
            ("remove", Some(path), _) => match path.to_lowercase().as_str() {
                "externalid" => user.external_id = None,
                "displayname" => user.display = String::new(),
                "emails" => user.email = String::new(),
                "active" | "username" => {
                    return Err(Refusal::bad("mutability", format!("`{path}` cannot be removed")));
                }
                _ => {}
            },
            ("remove", None, _) => return Err(Refusal::bad("noTarget", "`remove` needs a `path`")),
            ("add" | "replace", ..) => return Err(Refusal::bad("invalidValue", "`value` is missing")),
            _ => return Err(Refusal::bad("invalidSyntax", "`op` is not add, replace or remove")),
        }
    }
    Ok(user)
}

/// Says what is understood (RFC 7643, 5).
#[utoipa::path(get, path = "/scim/v2/ServiceProviderConfig", tag = "scim",
    responses((status = 200, body = Object, content_type = "application/scim+json")))]
pub(crate) async fn config() -> Response {
    answer(StatusCode::OK, &scim_schema::config(PAGE))
}

/// Lists the kinds of resources (RFC 7643, 6).
#[utoipa::path(get, path = "/scim/v2/ResourceTypes", tag = "scim",
    responses((status = 200, body = Object, content_type = "application/scim+json")))]
pub(crate) async fn resource_types() -> Response {
    answer(StatusCode::OK, &scim_schema::resource_types())
}

/// Lists the schemas (RFC 7643, 7).
#[utoipa::path(get, path = "/scim/v2/Schemas", tag = "scim",
    responses((status = 200, body = Object, content_type = "application/scim+json")))]
pub(crate) async fn schemas() -> Response {
    answer(StatusCode::OK, &scim_schema::schemas())
}

/// Which users.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserQuery {
    /// `userName eq "ana"` or `externalId eq "17"`; no other.
    filter: Option<String>,
    /// The first, from 1; what is less is 1.
    #[serde(rename = "startIndex")]
    start_index: Option<i64>,
    /// How many, 200 at most; what is less than 0 is 0.
    count: Option<i64>,
}

/// Attribute and value of the only kind of filter that is understood.
fn read_filter(text: &str) -> Option<(String, String)> {
    let (attribute, rest) = text.trim().split_once(' ')?;
    let (operator, value) = rest.trim().split_once(' ')?;
    let value: String = serde_json::from_str(value.trim()).ok()?;
    let attribute = attribute.to_lowercase();
    let is_known =
        matches!(attribute.as_str(), "username" | "externalid") && operator.eq_ignore_ascii_case("eq");
    is_known.then_some((attribute, value))
}

/// Lists the users of the directory and of single sign-on.
#[utoipa::path(get, path = "/scim/v2/Users", tag = "scim", params(UserQuery),
    responses((status = 200, body = ScimList, content_type = "application/scim+json")))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<UserQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    caller.needs(Right::Provision)?;
    let Query(query) = query.map_err(|rejection| Refusal::bad("invalidValue", rejection.body_text()))?;
    let filter = match &query.filter {
        None => None,
        Some(text) => Some(read_filter(text).ok_or_else(|| {
            Refusal::bad("invalidFilter", "only `userName eq \"…\"` and `externalId eq \"…\"` are understood")
        })?),
    };
    let is_wanted = |user: &UserRow| match &filter {
        None => true,
        Some((attribute, value)) if attribute == "username" => user.name == value.to_lowercase(),
        Some((_, value)) => user.external_id.as_ref() == Some(value),
    };
    let mut users = app.auth.directory.users();
    users.retain(|user| is_visible(user) && is_wanted(user));
    let start = usize::try_from(query.start_index.unwrap_or(1)).unwrap_or(1).max(1);
    let count = query.count.map_or(PAGE, |count| usize::try_from(count).unwrap_or(0)).min(PAGE);
    let resources: Vec<_> = users.iter().skip(start - 1).take(count).map(ScimUser::new).collect();
    let body = ScimList {
        schemas: [LIST],
        total_results: users.len(),
        start_index: start,
        items_per_page: resources.len(),
        resources,
    };
    Ok(answer(StatusCode::OK, &body))
}

/// Shows a user, by id, `externalId` or `userName`.
#[utoipa::path(get, path = "/scim/v2/Users/{id}", tag = "scim", params(("id" = String, Path)),
    responses((status = 200, body = ScimUser, content_type = "application/scim+json")))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    caller.needs(Right::Provision)?;
    Ok(answer(StatusCode::OK, &ScimUser::new(&find(&app, &id)?)))
}

/// Adds a user, who may then sign in by single sign-on.
#[utoipa::path(post, path = "/scim/v2/Users", tag = "scim",
    request_body(content = ScimUserRequest, content_type = "application/scim+json"),
    responses((status = 201, body = ScimUser, content_type = "application/scim+json"),
        (status = 409, body = ScimError, content_type = "application/scim+json")))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    caller.needs(Right::Provision)?;
    let body = read_body(body)?;
    let now_us = now_us();
    let mut user = UserRow {
        id: String::new(),
        tenant: TENANT.to_owned(),
        name: String::new(),
        display: String::new(),
        email: String::new(),
        role: ROLE.to_owned(),
        origin: Origin::Directory,
        subject: None,
        external_id: None,
        password: None,
        is_active: true,
        created_us: now_us,
        changed_us: now_us,
        handles: Vec::new(),
    };
    set_all(&mut user, &body)?;
    if user.name.is_empty() {
        return Err(Refusal::bad("invalidValue", "`userName` is missing"));
    }
    if app.auth.has_configured(&user.name) {
        return Err(Refused::Taken { what: "token", name: user.name }.into());
    }
    let directory = app.auth.directory.clone();
    let user = super::alerts::blocking(move || directory.add_user(user)).await??;
    app.auth.tell(AuthEvent::new(AuthAct::UserAdded, &caller.name, client.0).to(&user.name).because("scim"));
    let mut response = answer(StatusCode::CREATED, &ScimUser::new(&user));
    if let Ok(location) = HeaderValue::from_str(&location(&user.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Changes a user. Where `active` becomes false, sessions end and tokens are revoked at once.
#[utoipa::path(patch, path = "/scim/v2/Users/{id}", tag = "scim", params(("id" = String, Path)),
    request_body(content = ScimPatchRequest, content_type = "application/scim+json"),
    responses((status = 200, body = ScimUser, content_type = "application/scim+json"),
        (status = 409, body = ScimError, content_type = "application/scim+json")))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    keep(&app, &caller, client, &id, body, patched).await
}

/// Replaces what a directory knows of a user: what is not sent is taken away, but for `active`. Where that becomes
/// false, sessions end and tokens are revoked at once.
#[utoipa::path(put, path = "/scim/v2/Users/{id}", tag = "scim", params(("id" = String, Path)),
    request_body(content = ScimUserRequest, content_type = "application/scim+json"),
    responses((status = 200, body = ScimUser, content_type = "application/scim+json"),
        (status = 409, body = ScimError, content_type = "application/scim+json")))]
pub(crate) async fn replace(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    keep(&app, &caller, client, &id, body, replaced).await
}

/// What a PUT makes of a user (RFC 7644, 3.5.1).
fn replaced(user: UserRow, body: &Value) -> Result<UserRow, Refusal> {
    let emptied = UserRow {
        name: String::new(),
        display: String::new(),
        email: String::new(),
        external_id: None,
        ..user
    };
    let mut wanted = emptied;
    set_all(&mut wanted, body)?;
    if wanted.name.is_empty() {
        return Err(Refusal::bad("invalidValue", "`userName` is missing"));
    }
    Ok(wanted)
}

/// Makes of a user what `want` makes of it and the body.
async fn keep(
    app: &App,
    caller: &Caller,
    client: Client,
    id: &str,
    body: Result<Bytes, BytesRejection>,
    want: fn(UserRow, &Value) -> Result<UserRow, Refusal>,
) -> Result<Response, Refusal> {
    caller.needs(Right::Provision)?;
    let user = find(app, id)?;
    let wanted = want(user.clone(), &read_body(body)?)?;
    if wanted.name != user.name && app.auth.has_configured(&wanted.name) {
        return Err(Refused::Taken { what: "token", name: wanted.name }.into());
    }
    let (directory, id) = (app.auth.directory.clone(), user.id.clone());
    let change = move |user: &mut UserRow| {
        (user.name, user.display, user.email) = (wanted.name, wanted.display, wanted.email);
        (user.external_id, user.is_active) = (wanted.external_id, wanted.is_active);
    };
    let changed =
        super::alerts::blocking(move || directory.change_user(&id, None, now_us(), change)).await??;
    let changes = differences(&user, &changed);
    if !changes.is_empty() {
        tell("change", changes.join("; "));
    }
    let detail = if changed.is_active { "scim" } else { "scim: disabled" };
    let told = AuthEvent::new(AuthAct::UserChanged, &caller.name, client.0);
    app.auth.tell(told.to(&changed.name).because(detail));
    Ok(answer(StatusCode::OK, &ScimUser::new(&changed)))
}

/// Removes a user. Sessions end and tokens are revoked at once.
#[utoipa::path(delete, path = "/scim/v2/Users/{id}", tag = "scim", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    caller.needs(Right::Provision)?;
    let user = find(&app, &id)?;
    let directory = app.auth.directory.clone();
    super::alerts::blocking(move || directory.remove_user(&user.id, now_us())).await??;
    app.auth
        .tell(AuthEvent::new(AuthAct::UserRemoved, &caller.name, client.0).to(&user.name).because("scim"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user() -> UserRow {
        UserRow {
            id: "1".into(),
            tenant: TENANT.into(),
            name: "ana".into(),
            display: String::new(),
            email: String::new(),
            role: ROLE.into(),
            origin: Origin::Directory,
            subject: None,
            external_id: Some("17".into()),
            password: None,
            is_active: true,
            created_us: 0,
            changed_us: 0,
            handles: Vec::new(),
        }
    }

    fn patch(operations: Value) -> Result<UserRow, Option<&'static str>> {
        let body = json!({ "schemas": [PATCH], "Operations": operations });
        patched(user(), &body).map_err(|refusal| refusal.scim_type)
    }

    #[test]
    fn a_user_is_disabled_in_every_way_that_directories_write_it() {
        for operation in [
            json!({"op": "replace", "path": "active", "value": false}),
            json!({"op": "Replace", "path": "active", "value": "False"}),
            json!({"op": "replace", "value": {"active": false}}),
            json!({"op": "Add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": false}),
        ] {
            assert!(!patch(json!([operation.clone()])).unwrap().is_active, "{operation}");
        }
        let changed = patch(json!([
            {"op": "replace", "path": "userName", "value": "Ana.B@Example.com"},
            {"op": "add", "path": "emails[type eq \"work\"].value", "value": "ana@example.com"},
            {"op": "replace", "value": {"displayName": "Ana B", "title": "passed over"}},
            {"op": "remove", "path": "externalId"},
        ]));
        let changed = changed.unwrap();
        assert_eq!((changed.name.as_str(), changed.email.as_str()), ("ana.b@example.com", "ana@example.com"));
        assert_eq!((changed.display.as_str(), changed.external_id), ("Ana B", None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_scims_words() {
        for (operations, kind) in [
            (json!([]), "invalidSyntax"),
            (json!({}), "invalidSyntax"),
            (json!([{"op": "replace", "path": "active", "value": "no"}]), "invalidValue"),
            (json!([{"op": "replace", "path": "active", "value": null}]), "invalidValue"),
            (json!([{"op": "replace", "path": "active"}]), "invalidValue"),
            (json!([{"op": "replace", "path": 7, "value": 1}]), "invalidPath"),
            (json!([{"op": "replace", "path": "userName", "value": "a b"}]), "invalidValue"),
            (json!([{"op": "replace", "path": "userName", "value": "cli"}]), "invalidValue"),
            (json!([{"op": "replace", "path": "externalId", "value": "x".repeat(257)}]), "invalidValue"),
            (json!([{"op": "remove"}]), "noTarget"),
            (json!([{"op": "remove", "path": "userName"}]), "mutability"),
            (json!([{"op": "move", "path": "active", "value": true}]), "invalidSyntax"),
            (json!([7]), "invalidSyntax"),
            (json!(vec![json!({"op": "remove", "path": "title"}); OPERATIONS + 1]), "invalidSyntax"),
        ] {
            assert_eq!(patch(operations.clone()), Err(Some(kind)), "{operations}");
        }
        assert!(patched(user(), &json!({"Operations": [{"op": "remove", "path": "title"}]})).is_err());
    }

    #[test]
    fn a_put_takes_away_what_it_does_not_send() {
        let before = UserRow { display: "Ana".into(), email: "ana@example.com".into(), ..user() };
        let after = replaced(before.clone(), &json!({"userName": "Ana", "schemas": [USER]})).unwrap();
        assert_eq!((after.display.as_str(), after.email.as_str(), after.external_id), ("", "", None));
        assert_eq!((after.id.as_str(), after.is_active), ("1", true));
        assert!(!replaced(before.clone(), &json!({"userName": "ana", "active": false})).unwrap().is_active);
        for bad in [json!({}), json!({"userName": 7}), json!({"userName": "ana", "schemas": 7})] {
            assert!(replaced(before.clone(), &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn filters_are_two() {
        assert_eq!(read_filter("userName eq \"Ana\""), Some(("username".into(), "Ana".into())));
        assert_eq!(read_filter(" externalid EQ \"1 \\\"7\" "), Some(("externalid".into(), "1 \"7".into())));
        for bad in [
            "",
            "userName",
            "userName eq",
            "userName eq ana",
            "userName sw \"a\"",
            "active eq true",
            "password eq \"x\"",
            "userName eq \"a\" or active eq true",
        ] {
            assert_eq!(read_filter(bad), None, "{bad}");
        }
    }
}
