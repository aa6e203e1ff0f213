//! Google's token services: OAuth, Security Token Service, IAM Credentials, the metadata server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{bearer, refuse};

/// Who has which token.
#[derive(Debug)]
pub struct Identity {
    good: BTreeSet<String>,
    next: u64,
    /// The assertions that came (RFC 7523), for a test to verify.
    pub assertions: Vec<String>,
    /// What the metadata server, the token services and IAM were asked, in order.
    pub asked: Vec<&'static str>,
    /// The other issuer's token that the exchange takes.
    pub subject_token: String,
    /// Whether it takes any: one that is different each time.
    pub takes_any_subject: bool,
    /// The one that came last.
    pub last_subject: String,
    /// When tokens of IAM end, RFC 3339.
    pub expire_time: String,
}

type Shared = Arc<Mutex<Identity>>;

impl Identity {
    pub(super) fn new() -> Self {
        Self {
            good: BTreeSet::new(),
            next: 0,
            assertions: Vec::new(),
            asked: Vec::new(),
            subject_token: "of-another-issuer".into(),
            takes_any_subject: false,
            last_subject: String::new(),
            expire_time: "2099-01-01T00:00:00Z".into(),
        }
    }

    /// Ends every token before its time.
    pub fn revoke(&mut self) {
        self.good.clear();
    }

    pub(super) fn takes(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| self.good.contains(token))
    }

    fn issue(&mut self, what: &'static str) -> String {
        self.asked.push(what);
        self.next += 1;
        let token = format!("{what}-{}", self.next);
        self.good.insert(token.clone());
        token
    }
}

pub(super) fn routes(state: Shared) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/v1/token", post(exchange))
        .route("/v1/projects/-/serviceAccounts/{call}", post(impersonate))
        .route("/computeMetadata/v1/instance/service-accounts/default/token", get(metadata))
        .with_state(state)
}

fn issued(token: &str) -> Response {
    Json(json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})).into_response()
}

fn refused(code: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": code, "error_description": "refused"}))).into_response()
}

/// RFC 6749 section 6 and RFC 7523 section 2.1.
async fn token(State(state): State<Shared>, Form(form): Form<BTreeMap<String, String>>) -> Response {
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut state = state.lock();
    match get("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" if get("assertion").split('.').count() == 3 => {
            state.assertions.push(get("assertion").to_owned());
            issued(&state.issue("key"))
        }
        "refresh_token" if get("refresh_token") == "refresh" && !get("client_secret").is_empty() => {
            issued(&state.issue("user"))
        }
        "refresh_token" => refused("invalid_grant"),
        _ => refused("unsupported_grant_type"),
    }
}

/// RFC 8693, as Google's Security Token Service takes it.
async fn exchange(State(state): State<Shared>, Form(form): Form<BTreeMap<String, String>>) -> Response {
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut state = state.lock();
    if get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange"
        || !get("audience").starts_with("//iam.googleapis.com/")
        || get("subject_token_type").is_empty()
    {
        return refused("invalid_request");
    }
    get("subject_token").clone_into(&mut state.last_subject);
    if !state.takes_any_subject && get("subject_token") != state.subject_token {
        return refused("invalid_grant");
    }
    issued(&state.issue("exchange"))
}

async fn impersonate(
    State(state): State<Shared>,
    Path(call): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut state = state.lock();
    if !call.ends_with(":generateAccessToken") {
        return refuse(StatusCode::NOT_FOUND, "NOT_FOUND", "no such method");
    }
    if !state.takes(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "the token is not valid");
    }
    if call.starts_with("foreign@") {
        let message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource";
        return refuse(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message);
    }
    if body.get("scope").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return refuse(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "scope is needed");
    }
    let token = state.issue("impersonated");
    Json(json!({"accessToken": token, "expireTime": state.expire_time})).into_response()
}

async fn metadata(
    State(state): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if headers.get("metadata-flavor").is_none_or(|value| value != "Google") {
        return (StatusCode::FORBIDDEN, "Missing Metadata-Flavor:Google header.").into_response();
    }
    if query.get("scopes").is_none_or(String::is_empty) {
        return (StatusCode::BAD_REQUEST, "no scopes").into_response();
    }
    issued(&state.lock().issue("metadata"))
}
