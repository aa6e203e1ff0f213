//! Users and roles.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use storage::accounts::{Origin, TENANT, UserRow};
use utoipa::{IntoParams, ToSchema};

use super::json::Json;
use super::page::{page, size};
use super::{Problem, format_us};
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{
    Auth, AuthAct, AuthEvent, Caller, Client, Refused, Right, Role, hashed, is_user_name, weakness,
};

/// A user.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UserBody {
    /// What the user signs in as.
    pub(crate) name: String,
    /// The name of the person; may be empty.
    pub(crate) display: String,
    /// May be empty.
    pub(crate) email: String,
    /// The name of the role.
    pub(crate) role: String,
    /// Who the user is elsewhere, as `slack:ID` or `pagerduty:ID`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) handles: Vec<String>,
    /// Who keeps the user: `local`, `single_sign_on` or `directory`.
    pub(crate) origin: String,
    /// Whether the user may come in.
    pub(crate) active: bool,
    /// Sessions that go on.
    pub(crate) sessions: usize,
    pub(crate) created: String,
    pub(crate) changed: String,
    /// The tenant.
    pub(crate) tenant: String,
}

/// A page of users, by name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UserList {
    pub(crate) users: Vec<UserBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// Which users.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserParameters {
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A user to add.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// 1 to 128 of a-z, 0-9 and `. _ - @ +`.
    pub(crate) name: String,
    /// The name of a role that may no more than the caller.
    pub(crate) role: String,
    /// At least 12 characters, and not what everybody tries first.
    pub(crate) password: String,
    /// The name of the person.
    #[serde(default)]
    pub(crate) display: String,
    #[serde(default)]
    pub(crate) email: String,
}

/// What is to change of a user; what is left out stays.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Another role. Sessions end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) role: Option<String>,
    /// Whether the user may come in. If not, sessions end and tokens are revoked for good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) active: Option<bool>,
    /// Another password. Sessions end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) display: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) email: Option<String>,
    /// Who the user is elsewhere, as `slack:ID` or `pagerduty:ID`, eight at most: what is done there, with a
    /// channel that is called back, is done in the user's name and by its right. Nobody else has the same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) handles: Option<Vec<String>>,
}

/// How many sessions have ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Ended {
    pub(crate) ended: usize,
}

/// A role.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RoleBody {
    pub(crate) name: String,
    /// What it is for.
    pub(crate) meaning: String,
    pub(crate) rights: Vec<String>,
}

/// All roles.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RoleList {
    pub(crate) roles: Vec<RoleBody>,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown { .. } => Self::not_found(&refused.to_string()),
            Refused::Taken { .. } | Refused::Full { .. } => Self::conflict(&refused.to_string()),
            Refused::Storage(error) => error.into(),
            Refused::Random(_) => Self::internal(&refused, event::Fate::Stop),
        }
    }
}

fn body(app: &App, user: UserRow) -> UserBody {
    UserBody {
        sessions: app.auth.directory.count_sessions(&user.id, now_us()),
        name: user.name,
        display: user.display,
        email: user.email,
        handles: user.handles,
        role: user.role,
        origin: user.origin.as_str().into(),
        active: user.is_active,
        created: format_us(user.created_us),
        changed: format_us(user.changed_us),
        tenant: user.tenant,
    }
}

/// Lists users.
#[utoipa::path(get, path = "/api/v1/users", tag = "access", params(UserParameters),
    responses((status = 200, body = UserList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<UserParameters>,
) -> Result<Json<UserList>, Problem> {
    caller.needs(Right::ReadUsers)?;
    let users = app.auth.directory.users().into_iter().filter(|user| user.tenant == caller.tenant);
    // No two users have the same name.
    let key = |user: &UserRow| user.name.clone();
    let found = page(users.collect(), key, wanted.cursor.as_deref(), size(wanted.limit))?;
    let users = found.entries.into_iter().map(|user| body(&app, user)).collect();
    Ok(Json(UserList { users, next: found.next }))
}

/// Shows a user.
#[utoipa::path(get, path = "/api/v1/users/{name}", tag = "access", params(("name" = String, Path)),
    responses((status = 200, body = UserBody), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<UserBody>, Problem> {
    caller.needs(Right::ReadUsers)?;
    Ok(Json(body(&app, app.auth.directory.user_named(&name)?)))
}

/// A role that the caller may give: nobody gives what one has not.
pub(super) fn grantable(auth: &Auth, caller: &Caller, name: &str) -> Result<Role, Problem> {
    let role = auth.roles.named(name).map_err(|error| Problem::bad_request(&error))?;
    if caller.role.rights().cover(role.rights()) {
        return Ok(role);
    }
    let own = caller.role.as_str();
    Err(Problem::forbidden(&format!("the role `{name}` may more than `{own}`, so `{own}` cannot give it")))
}

/// Refuses what would leave nobody who can manage users, but for whoever has the machine.
fn keep_a_manager(auth: &Auth, leaving: &UserRow) -> Result<(), Problem> {
    let manages = |user: &UserRow| {
        user.is_active && auth.roles.named(&user.role).is_ok_and(|role| role.may(Right::ManageUsers))
    };
    let others = auth.directory.users().into_iter().filter(|user| user.id != leaving.id);
    if auth.has_configured_manager() || !manages(leaving) || others.into_iter().any(|user| manages(&user)) {
        return Ok(());
    }
    Err(Problem::conflict(&format!(
        "`{}` is the last who can manage users; add another one with the role `admin` first",
        leaving.name
    )))
}

/// Adds a user with a password.
#[utoipa::path(post, path = "/api/v1/users", tag = "access", request_body = NewUser,
    responses((status = 201, body = UserBody), (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem)))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<UserBody>), Problem> {
    caller.needs(Right::ManageUsers)?;
    if !is_user_name(&new.name) {
        return Err(Problem::bad_request(
            "`name` is no name: 1 to 128 of a-z, 0-9 and `. _ - @ +`, and none that Stormglass uses itself",
        ));
    }
    let role = grantable(&app.auth, &caller, &new.role)?;
    if app.auth.has_configured(&new.name) {
        let taken = Refused::Taken { what: "token", name: new.name };
        return Err(taken.into());
    }
    // With the first user, this machine is no longer let in as it is: somebody must be able to go on.
    if app.auth.is_open() && !role.may(Right::ManageUsers) {
        return Err(Problem::conflict(
            "the first user must be able to manage users; give the role `admin` and add others after",
        ));
    }
    if let Some(weakness) = weakness(&new.password, &new.name) {
        return Err(Problem::bad_request(&weakness));
    }
    let now_us = now_us();
    let user = UserRow {
        id: String::new(),
        tenant: TENANT.to_owned(),
        name: new.name,
        display: cut(new.display),
        email: cut(new.email),
        role: role.as_str().to_owned(),
        origin: Origin::Local,
        subject: None,
        external_id: None,
        password: Some(hashed(&app.auth, new.password).await?),
        is_active: true,
        created_us: now_us,
        changed_us: now_us,
        handles: Vec::new(),
    };
    let directory = app.auth.directory.clone();
    let user = super::alerts::blocking(move || directory.add_user(user)).await??;
    app.auth
        .tell(AuthEvent::new(AuthAct::UserAdded, &caller.name, client.0).to(&user.name).because(&user.role));
    Ok((StatusCode::CREATED, Json(body(&app, user))))
}

/// Text of a person, with a bound.
pub(super) fn cut(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

/// Changes a user.
#[utoipa::path(patch, path = "/api/v1/users/{name}", tag = "access", params(("name" = String, Path)),
    request_body = UserChange, responses((status = 200, body = UserBody), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Path(name): Path<String>,
    Json(change): Json<UserChange>,
) -> Result<Json<UserBody>, Problem> {
    let auth = &app.auth;
    let user = changeable(auth, &caller, &name)?;
    let role = change.role.as_deref().map(|role| grantable(auth, &caller, role)).transpose()?;
    let loses_right = role.as_ref().is_some_and(|role| !role.may(Right::ManageUsers));
    if loses_right || change.active == Some(false) {
        keep_a_manager(auth, &user)?;
    }
    if change.role.is_some() && user.origin != Origin::Local {
        return Err(Problem::conflict(
            "the role follows the groups of single sign-on; change `oidc.group_roles`",
        ));
    }
    let handles = change.handles.map(handles).transpose()?;
    let mut told = Vec::new();
    let before = user.clone();
    let password = match change.password {
        None => None,
        Some(_) if user.origin != Origin::Local => {
            return Err(Problem::conflict("the user signs in by single sign-on and has no password here"));
        }
        Some(password) => {
            if let Some(weakness) = weakness(&password, &name) {
                return Err(Problem::bad_request(&weakness));
            }
            told.push("password".to_owned());
            Some(hashed(auth, password).await?)
        }
    };
    told.extend(role.as_ref().map(|role| format!("role {}", role.as_str())));
    told.extend(change.active.map(|active| if active { "enabled" } else { "disabled" }.to_owned()));
    let (directory, id) = (auth.directory.clone(), user.id);
    let changed = move || {
        directory.change_user(&id, None, now_us(), |user| {
            if let Some(role) = role {
                user.role = role.as_str().to_owned();
            }
            if let Some(password) = password {
                user.password = Some(password);
            }
            if let Some(handles) = handles {
                user.handles = handles;
            }
            user.is_active = change.active.unwrap_or(user.is_active);
            user.display = change.display.map_or(std::mem::take(&mut user.display), cut);
            user.email = change.email.map_or(std::mem::take(&mut user.email), cut);
        })
    };
    let user = super::alerts::blocking(changed).await??;
    let changes = differences(&before, &user);
    if !changes.is_empty() {
        tell("change", changes.join("; "));
    }
    auth.tell(
        AuthEvent::new(AuthAct::UserChanged, &caller.name, client.0).to(&user.name).because(&told.join(", ")),
    );
    Ok(Json(body(&app, user)))
}

/// The services whose callbacks name people.
const SERVICES: [&str; 2] = ["slack", "pagerduty"];
/// The most handles of a user.
const HANDLES: usize = 8;

/// Handles as somebody wrote them, once each.
fn handles(mut texts: Vec<String>) -> Result<Vec<String>, Problem> {
    let is_handle = |text: &String| {
        let Some((service, id)) = text.split_once(':') else { return false };
        let is_id = (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric());
        SERVICES.contains(&service) && is_id
    };
    texts.sort();
    texts.dedup();
    if texts.len() > HANDLES || !texts.iter().all(is_handle) {
        return Err(Problem::bad_request(
            "`handles` are eight at most, each `slack:ID` or `pagerduty:ID` with the id of a member there",
        ));
    }
    Ok(texts)
}

/// What is not as it was, without secrets.
pub(super) fn differences(before: &UserRow, after: &UserRow) -> Vec<String> {
    let leave = |user: &UserRow| if user.is_active { "active" } else { "disabled" }.to_owned();
    let mut found = Vec::new();
    for (what, old, new) in [
        ("name", before.name.clone(), after.name.clone()),
        ("role", before.role.clone(), after.role.clone()),
        ("leave", leave(before), leave(after)),
        ("display", before.display.clone(), after.display.clone()),
        ("e-mail", before.email.clone(), after.email.clone()),
        ("handles", before.handles.join(" "), after.handles.join(" ")),
    ] {
        if old != new {
            found.push(format!("{what}: `{old}` → `{new}`"));
        }
    }
    if before.password != after.password {
        found.push("password".to_owned());
    }
    found
}

/// The user called `name`, if the caller may change it: nobody changes who may more.
fn changeable(auth: &Auth, caller: &Caller, name: &str) -> Result<UserRow, Problem> {
    caller.needs(Right::ManageUsers)?;
    let user = auth.directory.user_named(name)?;
    // A role that the configuration has lost gives nothing.
    if let Ok(role) = auth.roles.named(&user.role)
        && !caller.role.rights().cover(role.rights())
    {
        return Err(Problem::forbidden(&format!("`{name}` may more than you, so you may not change it")));
    }
    Ok(user)
}

/// Removes a user. Sessions end and tokens are revoked; histories keep the name.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "access", params(("name" = String, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let user = changeable(&app.auth, &caller, &name)?;
    keep_a_manager(&app.auth, &user)?;
    let directory = app.auth.directory.clone();
    super::alerts::blocking(move || directory.remove_user(&user.id, now_us())).await??;
    app.auth.tell(AuthEvent::new(AuthAct::UserRemoved, &caller.name, client.0).to(&name));
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of a user.
#[utoipa::path(delete, path = "/api/v1/users/{name}/sessions", tag = "access", params(("name" = String, Path)),
    responses((status = 200, body = Ended), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn end_sessions(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Path(name): Path<String>,
) -> Result<Json<Ended>, Problem> {
    let user = changeable(&app.auth, &caller, &name)?;
    let directory = app.auth.directory.clone();
    let ended = super::alerts::blocking(move || directory.end_sessions(&user.id)).await??;
    app.auth.tell(AuthEvent::new(AuthAct::SessionsEnded, &caller.name, client.0).to(&name));
    Ok(Json(Ended { ended }))
}

/// Lists roles with their rights.
#[utoipa::path(get, path = "/api/v1/roles", tag = "access", responses((status = 200, body = RoleList)))]
pub(crate) async fn roles(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<RoleList>, Problem> {
    caller.needs(Right::ReadUsers)?;
    let roles = app.auth.roles.iter().map(|role| RoleBody {
        name: role.as_str().into(),
        meaning: role.doc().into(),
        rights: role.rights().names().into_iter().map(Into::into).collect(),
    });
    Ok(Json(RoleList { roles: roles.collect() }))
}
