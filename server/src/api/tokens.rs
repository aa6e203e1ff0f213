//! Tokens that are made while the server runs.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use storage::accounts::{SecretHash, TokenRow};
use utoipa::{IntoParams, ToSchema};

use super::json::Json;
use super::page::{page, size};
use super::users::grantable;
use super::{Problem, format_us, source_id};
use crate::app::{App, now_us};
use crate::auth::{AuthAct, AuthEvent, Caller, Client, Means, Refused, Right, Rights, is_user_name};

/// A token lives so long, in days, where nothing else is asked for.
const USUAL_DAYS: u16 = 90;
/// And never longer.
const MOST_DAYS: u16 = 365;
const DAY_US: i64 = 86_400 * 1_000_000;

/// A token; its text is known to whoever made it, and to nobody else.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TokenBody {
    /// What it is called in histories.
    pub(crate) name: String,
    /// The user whose rights bound it and with whom it ends; none of a service's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) owner: Option<String>,
    /// Who made it.
    pub(crate) made_by: String,
    /// The name of its role.
    pub(crate) role: String,
    /// The only rights of the role that it has; all where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) rights: Option<Vec<String>>,
    /// `live`, `expired` or `revoked`.
    pub(crate) state: String,
    pub(crate) created: String,
    pub(crate) expires: String,
    /// Give or take five minutes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_used: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) revoked: Option<String>,
    /// The tenant.
    pub(crate) tenant: String,
}

/// A page of tokens, oldest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TokenList {
    pub(crate) tokens: Vec<TokenBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// Which tokens.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenParameters {
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A token to make.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// 1 to 64 of a-z, 0-9, `.`, `_`, `-`; given once for ever.
    pub(crate) name: String,
    /// The name of a role that may no more than the caller; the caller's own where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) role: Option<String>,
    /// Only these rights of the role.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) rights: Option<Vec<String>>,
    /// How long it lives: 1 to 365, 90 where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) days: Option<u16>,
    /// The user whose token it is. Without one it is the caller's own where a user is signed in, else a
    /// service's; `users.manage` makes tokens of others and of services.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) owner: Option<String>,
    /// Whether it is a service's, though a user who is signed in makes it.
    #[serde(default)]
    pub(crate) service: bool,
}

/// A new token with its text, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MadeToken {
    /// What goes behind `Authorization: Bearer`.
    pub(crate) token: String,
    #[serde(flatten)]
    pub(crate) body: TokenBody,
}

fn body(app: &App, row: TokenRow, now_us: i64) -> TokenBody {
    let state = match (row.revoked_us, row.expires_us <= now_us) {
        (Some(_), _) => "revoked",
        (None, true) => "expired",
        (None, false) => "live",
    };
    let owner = row.owner_id.map(|id| app.auth.directory.user(&id).map_or(id, |user| user.name));
    TokenBody {
        name: row.name,
        owner,
        made_by: row.made_by,
        role: row.role,
        rights: row.rights.map(|rights| rights.split(',').map(Into::into).collect()),
        state: state.into(),
        created: format_us(row.created_us),
        expires: format_us(row.expires_us),
        last_used: row.used_us.map(format_us),
        revoked: row.revoked_us.map(format_us),
        tenant: row.tenant,
    }
}

/// The user that the caller is, by cookie or by a token of its own.
fn own_id(caller: &Caller) -> Option<&str> {
    match &caller.means {
        Means::Session { user_id, .. } => Some(user_id),
        Means::Token { owner_id } => owner_id.as_deref(),
        Means::Place | Means::ConfiguredToken => None,
    }
}

/// Lists tokens: all for those who may read users, else one's own.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "access", params(TokenParameters),
    responses((status = 200, body = TokenList), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<TokenParameters>,
) -> Result<Json<TokenList>, Problem> {
    let sees_all = caller.role.may(Right::ReadUsers);
    if !sees_all {
        caller.needs(Right::OwnTokens)?;
    }
    let now_us = now_us();
    let tokens = app.auth.directory.tokens().into_iter().filter(|token| {
        token.tenant == caller.tenant
            && (sees_all || (token.owner_id.is_some() && token.owner_id.as_deref() == own_id(&caller)))
    });
    let key = |token: &TokenRow| (token.created_us, token.id.clone());
    let found = page(tokens.collect(), key, wanted.cursor.as_deref(), size(wanted.limit))?;
    let tokens = found.entries.into_iter().map(|token| body(&app, token, now_us)).collect();
    Ok(Json(TokenList { tokens, next: found.next }))
}

/// Makes a token. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "access", request_body = NewToken,
    responses((status = 201, body = MadeToken), (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem)))]
pub(crate) async fn make(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let auth = &app.auth;
    let owner = match (&new.owner, &caller.means) {
        (Some(_), _) if new.service => {
            return Err(Problem::bad_request(
                "a token of a service has no `owner`; leave out one of the two",
            ));
        }
        (Some(name), Means::Session { .. }) if *name == caller.name => auth.directory.user_named(name).ok(),
        (Some(name), _) => {
            caller.needs(Right::ManageUsers)?;
            Some(auth.directory.user_named(name)?)
        }
        (None, Means::Session { user_id, .. }) if !new.service => auth.directory.user(user_id),
        (None, _) => {
            // A token does not make another one of its owner's, which would outlive it.
            caller.needs(Right::ManageUsers)?;
            None
        }
    };
    if owner.as_ref().is_some_and(|owner| owner.name == caller.name) {
        caller.needs(Right::OwnTokens)?;
    }
    let is_less = new.rights.is_some() || new.role.as_deref().is_some_and(|role| role != "admin");
    if auth.is_open() && is_less {
        return Err(Problem::conflict(
            "with the first token this machine is no longer let in as it is; make one with the role `admin` and all its rights first",
        ));
    }
    source_id(&new.name).map_err(|error| Problem::bad_request(&error))?;
    if !is_user_name(&new.name) || auth.has_configured(&new.name) {
        return Err(Refused::Taken { what: "token", name: new.name }.into());
    }
    let wanted = new.role.clone().or_else(|| owner.as_ref().map(|owner| owner.role.clone()));
    let role = grantable(auth, &caller, wanted.as_deref().unwrap_or(caller.role.as_str()))?;
    let rights = new.rights.as_deref().map(|names| rights(names, role.rights())).transpose()?;
    let days = new.days.unwrap_or(USUAL_DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::bad_request(&format!("`days` is {days}; a token lives 1 to {MOST_DAYS} days")));
    }
    let now_us = now_us();
    let row = TokenRow {
        id: String::new(),
        tenant: caller.tenant.clone(),
        name: new.name,
        owner_id: owner.map(|owner| owner.id),
        made_by: caller.name.clone(),
        role: role.as_str().to_owned(),
        rights: rights.map(|rights| rights.names().join(",")),
        hash: SecretHash([0; 32]),
        created_us: now_us,
        expires_us: now_us.saturating_add(i64::from(days) * DAY_US),
        used_us: None,
        revoked_us: None,
    };
    let directory = auth.directory.clone();
    let (row, token) = super::alerts::blocking(move || directory.add_token(row)).await??;
    auth.tell(AuthEvent::new(AuthAct::TokenMade, &caller.name, client.0).to(&row.name).because(&row.role));
    Ok((StatusCode::CREATED, Json(MadeToken { token, body: body(&app, row, now_us) })))
}

fn rights(names: &[String], of_role: Rights) -> Result<Rights, Problem> {
    let rights = names.iter().map(|name| name.parse::<Right>()).collect::<Result<Rights, _>>();
    let rights = rights.map_err(|error| Problem::bad_request(&error))?;
    if names.is_empty() || !of_role.cover(rights) {
        return Err(Problem::bad_request(&format!(
            "`rights` must be some of those of the role: {}",
            of_role.names().join(", ")
        )));
    }
    Ok(rights)
}

/// Revokes a token: the next request with it is refused.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "access", params(("name" = String, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let may_all = caller.role.may(Right::ManageUsers);
    if !may_all {
        caller.needs(Right::OwnTokens)?;
    }
    let tokens = app.auth.directory.tokens().into_iter().filter(|token| token.tenant == caller.tenant);
    let is_own = |token: &TokenRow| token.owner_id.is_some() && token.owner_id.as_deref() == own_id(&caller);
    // Those of others are, to whoever may not revoke them, not there.
    let token = tokens.into_iter().find(|token| token.name == name && (may_all || is_own(token)));
    let token = token.ok_or(Refused::Unknown { what: "token", name })?;
    let (directory, row) = (app.auth.directory.clone(), token.clone());
    super::alerts::blocking(move || directory.revoke(&row, now_us())).await??;
    app.auth.tell(AuthEvent::new(AuthAct::TokenRevoked, &caller.name, client.0).to(&token.name));
    Ok(StatusCode::NO_CONTENT)
}
