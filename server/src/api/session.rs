//! Signing in and out, and who one is.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storage::accounts::UserRow;
use utoipa::{IntoParams, ToSchema};

use super::json::Json;
use super::{Problem, ProblemKind, format_us};
use crate::app::{App, now_us};
use crate::audit::act_as;
use crate::auth::{
    AuthAct, AuthEvent, Caller, Client, FLOW_TIME_S, Means, OidcError, Return, SESSION_COOKIE, SignInError,
    csrf_token, hashed, weakness,
};

/// The cookie of a browser that is at the provider.
const FLOW_COOKIE: &str = "stormglass_sign_in";

/// The longest name of a user, in characters.
const MOST_NAME: usize = 128;

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The user.
    user: String,
    /// Its password.
    password: String,
}

/// An old password and a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The password of today.
    old: String,
    /// The one that takes its place: at least 12 characters, and not what everybody tries first.
    new: String,
}

/// Who the caller is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SessionBody {
    /// The user's or token's name.
    pub(crate) name: String,
    /// `session`, `token`, or `place`: on the server's machine while nobody is known.
    pub(crate) means: String,
    /// The name of the role.
    pub(crate) role: String,
    /// What the caller may do.
    pub(crate) rights: Vec<String>,
    /// The tenant.
    pub(crate) tenant: String,
    /// What a change by cookie must carry as `X-CSRF-Token`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) csrf_token: Option<String>,
    /// When the session ends at the latest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ends: Option<String>,
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        let text = error.to_string();
        match error {
            SignInError::Wrong => Self::unauthorized(&text),
            SignInError::Wait { seconds } => Self::too_many(&text, seconds),
            SignInError::Shut(_) => Self::forbidden(&text),
            SignInError::Refused(refused) => refused.into(),
            SignInError::Oidc(error) => match error {
                OidcError::NoRole => Self::forbidden(&text),
                OidcError::Provider(_) => {
                    tracing::warn!(error = text, "single sign-on");
                    let detail = "the provider of single sign-on cannot be used; the server's log says why";
                    Self::new(ProblemKind::Provider, detail)
                }
                _ => Self::unauthorized(&text),
            },
            SignInError::Worker(_) => Self::internal(&text, event::Fate::Stop),
        }
    }
}

/// Signs in with a password. The answer sets the cookie of a new session; one that the browser had ends.
#[utoipa::path(post, path = "/api/v1/session", tag = "access", request_body = SignIn,
    responses((status = 200, body = SessionBody), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Json(body): Json<SignIn>,
) -> Result<Response, Problem> {
    let auth = &app.auth;
    let address = from(client)?;
    if !auth.site.is_own_origin(&headers) {
        return Err(Problem::forbidden("a page of another site may not sign anybody in"));
    }
    if !auth.site.is_secure() && !address.is_loopback() {
        return Err(Problem::forbidden(
            "a password must not go over plain HTTP; put TLS in front and set `server.public_url` to https://…",
        ));
    }
    // No name is longer, and what is longer is not worth being counted in full.
    let name: String = body.user.trim().to_lowercase().chars().take(MOST_NAME).collect();
    let user = auth.check_password(&name, body.password, address).await?;
    begin(&app, &user, address, "password", &headers).await
}

/// An address, which a request has that comes over the network.
fn from(client: Client) -> Result<IpAddr, Problem> {
    client.0.ok_or_else(|| Problem::bad_request("signing in needs a running server; use --url"))
}

async fn begin(
    app: &App,
    user: &UserRow,
    address: IpAddr,
    how: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let auth = &app.auth;
    let secret = auth.begin_session(user, address, how).await?;
    if let Some(old) = auth.site.cookie(headers, SESSION_COOKIE) {
        let directory = auth.directory.clone();
        let hash = storage::accounts::SecretHash(crate::auth::Token::hash_of(&old));
        super::alerts::blocking(move || directory.end_session(hash)).await??;
    }
    let role = auth.roles.named(&user.role).map_err(|error| Problem::forbidden(&error))?;
    act_as(&user.name, role.as_str());
    let body = SessionBody {
        name: user.name.clone(),
        means: "session".into(),
        role: role.as_str().into(),
        rights: role.rights().names().into_iter().map(Into::into).collect(),
        tenant: user.tenant.clone(),
        csrf_token: Some(csrf_token(&secret)),
        ends: Some(format_us(now_us().saturating_add(micros(auth.directory.ends().absolute)))),
    };
    let mut response = Json(body).into_response();
    set_cookie(&mut response, app, SESSION_COOKIE, &secret, None);
    Ok(response)
}

fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn set_cookie(response: &mut Response, app: &App, name: &str, value: &str, seconds: Option<u64>) {
    if let Some(cookie) = app.auth.site.set_cookie(name, value, seconds) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Says who the caller is and what it may do.
#[utoipa::path(get, path = "/api/v1/session", tag = "access",
    responses((status = 200, body = SessionBody), (status = 401, body = Problem)))]
pub(crate) async fn show(Extension(caller): Extension<Caller>) -> Json<SessionBody> {
    let (means, csrf_token) = match caller.means {
        Means::Place => ("place", None),
        Means::ConfiguredToken | Means::Token { .. } => ("token", None),
        Means::Session { csrf_token, .. } => ("session", Some(csrf_token)),
    };
    Json(SessionBody {
        name: caller.name,
        means: means.into(),
        role: caller.role.as_str().into(),
        rights: caller.role.rights().names().into_iter().map(Into::into).collect(),
        tenant: caller.tenant,
        csrf_token,
        ends: None,
    })
}

/// Signs out: the session ends at the server, and its cookie is worth nothing any more.
#[utoipa::path(delete, path = "/api/v1/session", tag = "access",
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
) -> Result<Response, Problem> {
    let Means::Session { hash, .. } = caller.means else {
        return Err(Problem::bad_request(
            "there is no session to end; a token ends with `DELETE /api/v1/tokens/…`",
        ));
    };
    let directory = app.auth.directory.clone();
    super::alerts::blocking(move || directory.end_session(hash)).await??;
    app.auth.tell(AuthEvent::new(AuthAct::SignedOut, &caller.name, client.0));
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, &app, SESSION_COOKIE, "", Some(0));
    Ok(response)
}

/// Changes the caller's own password. All sessions end, and a new one begins here.
#[utoipa::path(post, path = "/api/v1/session/password", tag = "access", request_body = PasswordChange,
    responses((status = 200, body = SessionBody), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Json(body): Json<PasswordChange>,
) -> Result<Response, Problem> {
    let Means::Session { user_id, .. } = &caller.means else {
        return Err(Problem::bad_request("only a user who is signed in has a password to change"));
    };
    let address = from(client)?;
    if let Some(weakness) = weakness(&body.new, &caller.name) {
        return Err(Problem::bad_request(&weakness));
    }
    app.auth.check_password(&caller.name, body.old, address).await?;
    let kept = hashed(&app.auth, body.new).await?;
    let (directory, id) = (app.auth.directory.clone(), user_id.clone());
    let changed = move || directory.change_user(&id, None, now_us(), |user| user.password = Some(kept));
    let user = super::alerts::blocking(changed).await??;
    app.auth.tell(
        AuthEvent::new(AuthAct::UserChanged, &caller.name, client.0).to(&user.name).because("password"),
    );
    begin(&app, &user, address, "new password", &headers).await
}

/// Sends a browser to the provider of single sign-on.
#[utoipa::path(get, path = "/api/v1/session/oidc", tag = "access",
    responses((status = 303, description = "to the provider"), (status = 404, body = Problem), (status = 502, body = Problem)))]
pub(crate) async fn oidc_begin(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let oidc = app.auth.oidc.as_ref();
    let oidc = oidc.ok_or_else(|| Problem::not_found("there is no single sign-on; set `oidc.issuer`"))?;
    let departure = oidc.begin(now_us() / 1_000_000).await.map_err(SignInError::from)?;
    let mut response = see_other(&departure.url)?;
    set_cookie(&mut response, &app, FLOW_COOKIE, &departure.browser, Some(FLOW_TIME_S.unsigned_abs()));
    Ok(response)
}

fn see_other(url: &str) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(url)
        .map_err(|_| Problem::internal(&"an address is none", event::Fate::Stop))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// What the provider sends a browser back with.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct CallbackParameters {
    /// Redeems the tokens, once.
    code: Option<String>,
    /// Which sign-in it is.
    state: Option<String>,
    /// Who answers.
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Takes a browser back from the provider, begins a session, and sends it on.
#[utoipa::path(get, path = "/api/v1/session/oidc/callback", tag = "access", params(CallbackParameters),
    responses((status = 303, description = "signed in"), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 502, body = Problem)))]
pub(crate) async fn oidc_callback(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Query(sent): Query<CallbackParameters>,
) -> Result<Response, Problem> {
    let address = from(client)?;
    let browser = app.auth.site.cookie(&headers, FLOW_COOKIE);
    let back = Return { code: sent.code, state: sent.state, iss: sent.iss, error: sent.error };
    let user = app.auth.finish_oidc(&back, browser.as_deref(), address).await?;
    let begun = begin(&app, &user, address, "single sign-on", &headers).await?;
    let mut response = see_other(&app.auth.site.url(&app.config.access.landing))?;
    for cookie in begun.headers().get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    set_cookie(&mut response, &app, FLOW_COOKIE, "", Some(0));
    Ok(response)
}
