//! Okta's System Log API and the token endpoint of its service apps.
//!
//! As documented: polling requests go by when an event was stored and always have a next page, bounded ones go
//! by `published` and end; every answer says how many requests are left
//! (<https://developer.okta.com/docs/reference/api/system-log/>, <https://developer.okta.com/docs/reference/rate-limits/>).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::json;

use crate::Fake;
use crate::assertion::{self, Signer};
use crate::reply::{self, credentials, millis, own_address, parameters};

/// An event of the log.
#[derive(Debug, Clone)]
pub struct OktaEvent {
    /// When it happened, in milliseconds since 1970.
    pub published_ms: i64,
    /// When it was stored; it is not seen before.
    pub stored_ms: i64,
    /// The whole of it as JSON.
    pub json: String,
}

/// An organisation.
#[derive(Debug)]
pub struct Okta {
    /// The log in the order in which it was stored.
    pub events: Vec<OktaEvent>,
    /// The API token that is good.
    pub api_token: String,
    /// The service app, and the scopes that it was granted.
    pub app: Option<(Signer, Vec<String>)>,
    /// The organisation's clock, in seconds since 1970.
    pub now_s: i64,
    /// For how many requests an access token is good.
    pub uses: usize,
    /// Requests that are allowed until the count begins anew, and that are left.
    pub limit: (u32, u32),
    /// After how many seconds the count begins anew.
    pub reset_after_s: u64,
    /// How many of the next answers break off within their gzip.
    pub torn: u32,
    tokens: Vec<(String, usize)>,
    assertions: BTreeSet<String>,
}

type Shared = Arc<Mutex<Okta>>;

impl Okta {
    /// An organisation without events.
    pub fn new(api_token: &str, now_s: i64) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            events: Vec::new(),
            api_token: api_token.to_owned(),
            app: None,
            now_s,
            uses: usize::MAX,
            limit: (u32::MAX, u32::MAX),
            reset_after_s: 1,
            torn: 0,
            tokens: Vec::new(),
            assertions: BTreeSet::new(),
        }))
    }

    /// Serves it.
    pub async fn serve(state: &Arc<Mutex<Self>>) -> Fake {
        let routes = Router::new().route("/api/v1/logs", get(logs)).route("/oauth2/v1/token", post(token));
        Fake::start(routes.with_state(state.clone())).await
    }

    /// Whether the caller may read the log: else a status, a code and words.
    fn refusal(&mut self, asked: &HeaderMap) -> Option<(u16, &'static str, &'static str)> {
        let invalid = Some((401, "E0000011", "Invalid token provided"));
        // Okta's own SDK leaves the blank out.
        if let Some(token) = credentials(asked, "SSWS") {
            return if token.trim_start() == self.api_token { None } else { invalid };
        }
        let Some(given) = credentials(asked, "Bearer ") else { return invalid };
        let Some((_, uses)) = self.tokens.iter_mut().find(|(token, _)| token == given) else {
            return invalid;
        };
        match uses.checked_sub(1) {
            Some(left) => {
                *uses = left;
                None
            }
            None => invalid,
        }
    }
}

fn error(asked: &HeaderMap, headers: &[(&str, String)], told: (u16, &str, &str)) -> Response<Body> {
    let (status, code, summary) = told;
    let body = json!({
        "errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oae1", "errorCauses": []
    });
    reply::json(asked, status, headers, &body.to_string(), false)
}

async fn logs(State(state): State<Shared>, asked: HeaderMap, RawQuery(query): RawQuery) -> Response<Body> {
    let mut okta = state.lock();
    let (limit, left) = okta.limit;
    let mut headers = vec![
        ("x-rate-limit-limit", limit.to_string()),
        ("x-rate-limit-remaining", left.saturating_sub(1).to_string()),
        ("x-rate-limit-reset", (reply::real_now_s() + okta.reset_after_s).to_string()),
    ];
    if left == 0 {
        // The next count begins when the client has waited.
        okta.limit.1 = limit;
        return error(
            &asked,
            &headers,
            (429, "E0000047", "API call exceeded rate limit due to too many requests."),
        );
    }
    okta.limit.1 = left - 1;
    if let Some(told) = okta.refusal(&asked) {
        return error(&asked, &headers, told);
    }
    let query = query.unwrap_or_default();
    let given = parameters(&query);
    let number = |name: &str, default: usize| given.get(name).map_or(Some(default), |text| text.parse().ok());
    let time = |name: &str| given.get(name).map(|text| millis(text));
    let (since, until) = (time("since"), time("until"));
    let order = given.get("sortOrder").map_or("ASCENDING", String::as_str);
    let (Some(limit), Some(after)) =
        (number("limit", 100).filter(|limit| *limit <= 1_000), number("after", 0))
    else {
        return error(&asked, &headers, (400, "E0000001", "Api validation failed"));
    };
    if since == Some(None) || until == Some(None) || !matches!(order, "ASCENDING" | "DESCENDING") {
        return error(&asked, &headers, (400, "E0000001", "Api validation failed"));
    }
    let until_ms = until.flatten();
    let now_ms = okta.now_s * 1_000;
    let since_ms = since.flatten().unwrap_or(until_ms.unwrap_or(now_ms) - 7 * 86_400_000);
    let is_polling = until.is_none() && order == "ASCENDING";
    let stored = okta.events.iter().filter(|event| event.stored_ms <= now_ms);
    let mut found: Vec<&OktaEvent> = match until_ms {
        None => stored.filter(|event| event.stored_ms >= since_ms).collect(),
        Some(until_ms) => stored.filter(|event| (since_ms..until_ms).contains(&event.published_ms)).collect(),
    };
    if !is_polling {
        found.sort_by_key(|event| event.published_ms);
        if order == "DESCENDING" {
            found.reverse();
        }
    }
    let page: Vec<&str> = found.iter().skip(after).take(limit).map(|event| event.json.as_str()).collect();
    let next = after + page.len();
    // Each link in a header of its own.
    let own = own_address(&asked);
    headers.push(("link", format!("<{own}/api/v1/logs?{query}>; rel=\"self\"")));
    if is_polling || next < found.len() {
        let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "after");
        let mut link = url::form_urlencoded::Serializer::new(String::new());
        let link = link.extend_pairs(kept).append_pair("after", &next.to_string()).finish();
        headers.push(("link", format!("<{own}/api/v1/logs?{link}>; rel=\"next\"")));
    }
    let body = format!("[{}]", page.join(","));
    let is_torn = okta.torn > 0;
    okta.torn = okta.torn.saturating_sub(1);
    reply::json(&asked, 200, &headers, &body, is_torn)
}

async fn token(State(state): State<Shared>, asked: HeaderMap, body: Bytes) -> Response<Body> {
    let mut okta = state.lock();
    let form = parameters(&String::from_utf8_lossy(&body));
    let given = |name: &str| form.get(name).map_or("", String::as_str);
    let refused = |status: u16, code: &str, words: &str| {
        let body = json!({"error": code, "error_description": words});
        reply::json(&asked, status, &[], &body.to_string(), false)
    };
    let Some((signer, scopes)) = okta.app.clone() else {
        return refused(401, "invalid_client", "Invalid value for 'client_id' parameter.");
    };
    if given("grant_type") != "client_credentials"
        || given("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    {
        return refused(400, "unsupported_grant_type", "The grant type is not supported.");
    }
    let claims = match signer.claims(given("client_assertion")) {
        Ok((_, claims)) => claims,
        Err(words) => return refused(401, "invalid_client", words),
    };
    let expires_s = assertion::time(&claims, "exp");
    let id = assertion::text(&claims, "jti").to_owned();
    let audience = format!("{}/oauth2/v1/token", own_address(&asked));
    if assertion::text(&claims, "sub") != signer.id || assertion::text(&claims, "aud") != audience {
        return refused(401, "invalid_client", "The audience or subject claim is invalid.");
    }
    if !(okta.now_s..=okta.now_s + 3_600).contains(&expires_s) {
        return refused(401, "invalid_client", "The client_assertion token is expired or lives too long.");
    }
    if !okta.assertions.insert(id) {
        return refused(401, "invalid_client", "The client_assertion was used already.");
    }
    if !scopes.iter().any(|scope| scope == given("scope")) {
        return refused(400, "invalid_scope", "The requested scope is not granted to this client.");
    }
    let secret = format!("access-{}", okta.tokens.len());
    let uses = okta.uses;
    okta.tokens.push((secret.clone(), uses));
    let body =
        json!({"token_type": "Bearer", "expires_in": 3600, "access_token": secret, "scope": given("scope")});
    reply::json(&asked, 200, &[], &body.to_string(), false)
}
