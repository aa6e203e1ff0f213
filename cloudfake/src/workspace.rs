//! Google Workspace's Reports API, and Google's token endpoint for service accounts that read in the name of
//! an administrator.
//!
//! As documented: newest first, at most 1,000 activities a page, no `items` where there are none, activities
//! that are listed long after they happened
//! (<https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list>).

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::json;

use crate::Fake;
use crate::assertion::{self, Signer};
use crate::reply::{self, credentials, millis, own_address, parameters};

const SCOPE: &str = "https://www.googleapis.com/auth/admin.reports.audit.readonly";

/// An activity.
#[derive(Debug, Clone)]
pub struct Activity {
    /// The application, such as `login`.
    pub application: String,
    /// When it happened, in milliseconds since 1970.
    pub at_ms: i64,
    /// When it is listed, in milliseconds since 1970.
    pub listed_ms: i64,
    /// The whole of it as JSON.
    pub json: String,
}

/// A domain.
#[derive(Debug)]
pub struct Workspace {
    /// Activities of all applications, in any order.
    pub activities: Vec<Activity>,
    /// The service account, the administrator that it may read for, and the scopes that it was granted.
    pub account: Option<(Signer, String, Vec<String>)>,
    /// Google's clock, in seconds since 1970.
    pub now_s: i64,
    /// For how many requests an access token is good.
    pub uses: usize,
    /// Applications that the domain has no licence for.
    pub unlicensed: Vec<String>,
    /// How many of the next requests are too many.
    pub too_many: u32,
    /// How many of the next answers break off within their gzip.
    pub torn: u32,
    tokens: Vec<(String, usize)>,
}

type Shared = Arc<Mutex<Workspace>>;

impl Workspace {
    /// A domain without activities.
    pub fn new(now_s: i64) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            activities: Vec::new(),
            account: None,
            now_s,
            uses: usize::MAX,
            unlicensed: Vec::new(),
            too_many: 0,
            torn: 0,
            tokens: Vec::new(),
        }))
    }

    /// Serves it.
    pub async fn serve(state: &Arc<Mutex<Self>>) -> Fake {
        let list = "/admin/reports/v1/activity/users/{user}/applications/{application}";
        let routes = Router::new().route(list, get(activities)).route("/token", post(token));
        Fake::start(routes.with_state(state.clone())).await
    }
}

fn refused(asked: &HeaderMap, code: u16, status: &str, reason: &str, message: &str) -> Response<Body> {
    let mut error = json!({
        "code": code, "message": message,
        "errors": [{"message": message, "domain": "global", "reason": reason}],
    });
    if let Some(members) = error.as_object_mut().filter(|_| !status.is_empty()) {
        members.insert("status".into(), status.into());
    }
    reply::json(asked, code, &[], &json!({"error": error}).to_string(), false)
}

async fn activities(
    State(state): State<Shared>,
    Path((user, application)): Path<(String, String)>,
    asked: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let mut workspace = state.lock();
    let given = credentials(&asked, "Bearer ").unwrap_or_default();
    match workspace.tokens.iter_mut().find(|(token, uses)| token == given && *uses > 0) {
        None => {
            let words = "Request had invalid authentication credentials.";
            return refused(&asked, 401, "UNAUTHENTICATED", "authError", words);
        }
        Some((_, uses)) => *uses -= 1,
    }
    if workspace.too_many > 0 {
        workspace.too_many -= 1;
        return refused(&asked, 403, "", "userRateLimitExceeded", "User Rate Limit Exceeded");
    }
    if workspace.unlicensed.contains(&application) {
        let words = "Access denied. You are not authorized to read activity records.";
        return refused(&asked, 401, "", "authError", words);
    }
    let given = parameters(&query.unwrap_or_default());
    let bad = |words: &str| refused(&asked, 400, "INVALID_ARGUMENT", "invalid", words);
    let time = |name: &str, default: i64| given.get(name).map_or(Some(default), |text| millis(text));
    let now_ms = workspace.now_s * 1_000;
    let (Some(from_ms), Some(to_ms)) =
        (time("startTime", now_ms - 180 * 86_400_000), time("endTime", now_ms))
    else {
        return bad("Invalid value for: startTime");
    };
    let size: usize = given.get("maxResults").map_or(Some(1_000), |text| text.parse().ok()).unwrap_or(0);
    if user != "all" || from_ms >= to_ms || from_ms >= now_ms || !(1..=1_000).contains(&size) {
        return bad("Invalid value");
    }
    let mut found: Vec<&Activity> = workspace
        .activities
        .iter()
        .filter(|activity| activity.application == application && activity.listed_ms <= now_ms)
        .filter(|activity| (from_ms..=to_ms).contains(&activity.at_ms))
        .collect();
    found.sort_by_key(|activity| std::cmp::Reverse(activity.at_ms));
    // A token belongs to its question.
    let question = format!("{application}:{from_ms}:{to_ms}:");
    let start: usize = match given.get("pageToken") {
        None => 0,
        Some(token) => match token.strip_prefix(&question).and_then(|start| start.parse().ok()) {
            Some(start) => start,
            None => return bad("Invalid page token"),
        },
    };
    let page: Vec<&str> =
        found.iter().skip(start).take(size).map(|activity| activity.json.as_str()).collect();
    let mut members = vec![r#""kind":"admin#reports#activities","etag":"\"e\"""#.to_owned()];
    if !page.is_empty() {
        members.push(format!(r#""items":[{}]"#, page.join(",")));
    }
    if start + page.len() < found.len() {
        members.push(format!(r#""nextPageToken":"{question}{}""#, start + page.len()));
    }
    let body = format!("{{{}}}", members.join(","));
    let is_torn = workspace.torn > 0;
    workspace.torn = workspace.torn.saturating_sub(1);
    reply::json(&asked, 200, &[], &body, is_torn)
}

async fn token(State(state): State<Shared>, asked: HeaderMap, body: Bytes) -> Response<Body> {
    let mut workspace = state.lock();
    let form = parameters(&String::from_utf8_lossy(&body));
    let given = |name: &str| form.get(name).map_or("", String::as_str);
    let no = |status: u16, code: &str, words: &str| {
        let body = json!({"error": code, "error_description": words});
        reply::json(&asked, status, &[], &body.to_string(), false)
    };
    if given("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return no(400, "unsupported_grant_type", "Invalid grant_type");
    }
    let Some((signer, subject, scopes)) = workspace.account.clone() else {
        return no(400, "invalid_grant", "Invalid grant: account not found");
    };
    let claims = match signer.claims(given("assertion")) {
        Ok((_, claims)) => claims,
        Err(_) => return no(400, "invalid_grant", "Invalid JWT Signature."),
    };
    let (issued_s, expires_s) = (assertion::time(&claims, "iat"), assertion::time(&claims, "exp"));
    let is_fresh = expires_s >= workspace.now_s && expires_s - issued_s <= 3_600;
    let audience = assertion::text(&claims, "aud");
    // Google's own clients always name the endpoint that all know.
    let is_ours = audience == "https://oauth2.googleapis.com/token"
        || audience == format!("{}/token", own_address(&asked));
    if !is_fresh || !is_ours {
        return no(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)");
    }
    let wanted = assertion::text(&claims, "scope");
    if assertion::text(&claims, "sub") != subject || wanted != SCOPE || !scopes.iter().any(|s| s == wanted) {
        let words = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.";
        return no(401, "unauthorized_client", words);
    }
    let secret = format!("ya29.{}", workspace.tokens.len());
    let uses = workspace.uses;
    workspace.tokens.push((secret.clone(), uses));
    let body = json!({"access_token": secret, "expires_in": 3599, "token_type": "Bearer"});
    reply::json(&asked, 200, &[], &body.to_string(), false)
}
