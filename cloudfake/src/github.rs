//! GitHub's audit log and the tokens of an app's installation, by its REST API.
//!
//! As documented: a search by `created`, 30 events a page and at most 100, newest first unless asked
//! otherwise, a cursor in the `Link` header, and refusals for limits as 403 as well as 429
//! (<https://docs.github.com/en/enterprise-cloud@latest/rest/orgs/orgs>).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Response, header};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::json;

use crate::Fake;
use crate::assertion::{self, Signer};
use crate::reply::{self, credentials, millis, own_address, parameters};

/// An event of the log.
#[derive(Debug, Clone)]
pub struct GithubEvent {
    /// Its `@timestamp`, in milliseconds since 1970.
    pub at_ms: i64,
    /// When it is listed, in milliseconds since 1970.
    pub listed_ms: i64,
    /// Its `_document_id`.
    pub id: String,
    /// Whether it is a Git event.
    pub is_git: bool,
    /// The whole of it as JSON.
    pub json: String,
}

/// An organisation `example` and an enterprise `example`, which have the same log.
#[derive(Debug)]
pub struct Github {
    /// The log, in any order.
    pub events: Vec<GithubEvent>,
    /// Tokens that may read it, and for how many requests each is good.
    pub tokens: Vec<(String, usize)>,
    /// Tokens that are known and may not.
    pub weak_tokens: Vec<String>,
    /// The app that is installed under number 7.
    pub app: Option<Signer>,
    /// GitHub's clock, in seconds since 1970.
    pub now_s: i64,
    /// Requests that are allowed an hour, and that are left.
    pub limit: (u32, u32),
    /// After how many seconds the count begins anew.
    pub reset_after_s: u64,
    /// How many of the next answers break off within their gzip.
    pub torn: u32,
    /// For how many requests a token of the installation is good.
    pub uses: usize,
    given_out: usize,
}

type Shared = Arc<Mutex<Github>>;

impl Github {
    /// A log without events that `token` may read.
    pub fn new(token: &str, now_s: i64) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            events: Vec::new(),
            tokens: vec![(token.to_owned(), usize::MAX)],
            weak_tokens: Vec::new(),
            app: None,
            now_s,
            limit: (1_750, 1_750),
            reset_after_s: 1,
            torn: 0,
            uses: usize::MAX,
            given_out: 0,
        }))
    }

    /// Serves it.
    pub async fn serve(state: &Arc<Mutex<Self>>) -> Fake {
        let routes = Router::new()
            .route("/orgs/{name}/audit-log", get(audit_log))
            .route("/enterprises/{name}/audit-log", get(audit_log))
            // The links of pages name the organisation by its number.
            .route("/organizations/{name}/audit-log", get(audit_log))
            .route("/app/installations/{id}/access_tokens", post(installation_token));
        Fake::start(routes.with_state(state.clone())).await
    }
}

fn refused(asked: &HeaderMap, headers: &[(&str, String)], status: u16, message: &str) -> Response<Body> {
    let link = "https://docs.github.com/rest";
    let body = json!({"message": message, "documentation_url": link, "status": status.to_string()});
    reply::json(asked, status, headers, &body.to_string(), false)
}

async fn audit_log(
    State(state): State<Shared>,
    Path(name): Path<String>,
    asked: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let mut github = state.lock();
    if !asked.contains_key(header::USER_AGENT) {
        return refused(&asked, &[], 403, "Request forbidden by administrative rules.");
    }
    let (limit, left) = github.limit;
    let mut headers = vec![
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", left.saturating_sub(1).to_string()),
        ("x-ratelimit-reset", (reply::real_now_s() + github.reset_after_s).to_string()),
        ("x-ratelimit-resource", "audit_log".to_owned()),
    ];
    if left == 0 {
        github.limit.1 = limit;
        return refused(&asked, &headers, 403, "API rate limit exceeded for user ID 1.");
    }
    github.limit.1 = left - 1;
    // Either word is taken:
    // <https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api>.
    let given = credentials(&asked, "Bearer ").or_else(|| credentials(&asked, "token "));
    let given = given.unwrap_or_default().to_owned();
    if github.weak_tokens.contains(&given) {
        // What a caller may not see is not there.
        return refused(&asked, &headers, 404, "Not Found");
    }
    match github.tokens.iter_mut().find(|(token, uses)| *token == given && *uses > 0) {
        None => return refused(&asked, &headers, 401, "Bad credentials"),
        Some((_, uses)) => *uses -= 1,
    }
    if !matches!(name.as_str(), "example" | "4711") {
        return refused(&asked, &headers, 404, "Not Found");
    }
    let query = query.unwrap_or_default();
    let given = parameters(&query);
    let get = |name: &str, default: &'static str| given.get(name).map_or(default, String::as_str).to_owned();
    let Some((from_ms, to_ms)) = created(&get("phrase", "")) else {
        return refused(&asked, &headers, 422, "Validation Failed");
    };
    let per_page: usize = get("per_page", "30").parse().unwrap_or(30);
    let per_page = per_page.clamp(1, 100);
    let include = get("include", "web");
    let is_ascending = get("order", "desc") == "asc";
    let now_ms = github.now_s * 1_000;
    let mut found: Vec<GithubEvent> = github
        .events
        .iter()
        .filter(|event| event.listed_ms <= now_ms && (from_ms..=to_ms).contains(&event.at_ms))
        .filter(|event| include == "all" || (include == "git") == event.is_git)
        .cloned()
        .collect();
    found.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
    if !is_ascending {
        found.reverse();
    }
    let after = get("after", "");
    let start = match after.is_empty() {
        true => 0,
        false => match cursor_of(&after) {
            None => return refused(&asked, &headers, 400, "Invalid cursor"),
            // What was listed before the cursor meanwhile moves no page: a cursor is an event's place.
            Some(place) => found.partition_point(|event| match is_ascending {
                true => (event.at_ms, event.id.as_str()) <= (place.0, place.1.as_str()),
                false => (event.at_ms, event.id.as_str()) >= (place.0, place.1.as_str()),
            }),
        },
    };
    let page: Vec<&GithubEvent> = found.iter().skip(start).take(per_page).collect();
    if let Some(last) = page.last().filter(|_| start + page.len() < found.len()) {
        let cursor = STANDARD.encode(format!("{}|{}", last.at_ms, last.id));
        let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "after");
        let mut link = url::form_urlencoded::Serializer::new(String::new());
        let link = link.extend_pairs(kept).append_pair("after", &cursor).append_pair("before", "").finish();
        let own = own_address(&asked);
        headers.push(("link", format!("<{own}/organizations/4711/audit-log?{link}>; rel=\"next\", <{own}/organizations/4711/audit-log?after=&before=>; rel=\"first\"")));
    }
    let texts: Vec<&str> = page.iter().map(|event| event.json.as_str()).collect();
    let body = format!("[{}]", texts.join(","));
    let is_torn = github.torn > 0;
    github.torn = github.torn.saturating_sub(1);
    reply::json(&asked, 200, &headers, &body, is_torn)
}

/// The span of `created:FROM..TO` or `created:>=FROM`, in milliseconds since 1970, both inclusive.
fn created(phrase: &str) -> Option<(i64, i64)> {
    let Some(span) = phrase.split(' ').find_map(|word| word.strip_prefix("created:")) else {
        return Some((i64::MIN, i64::MAX));
    };
    if let Some(from) = span.strip_prefix(">=") {
        return Some((millis(from)?, i64::MAX));
    }
    let (from, to) = span.split_once("..")?;
    Some((millis(from)?, millis(to)? + 999))
}

fn cursor_of(text: &str) -> Option<(i64, String)> {
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (at_ms, id) = text.split_once('|')?;
    Some((at_ms.parse().ok()?, id.to_owned()))
}

async fn installation_token(
    State(state): State<Shared>,
    Path(id): Path<String>,
    asked: HeaderMap,
) -> Response<Body> {
    let mut github = state.lock();
    let Some(signer) = github.app.clone() else {
        return refused(&asked, &[], 404, "Not Found");
    };
    let claims = match signer.claims(credentials(&asked, "Bearer ").unwrap_or_default()) {
        Ok((_, claims)) => claims,
        Err(_) => return refused(&asked, &[], 401, "A JSON web token could not be decoded"),
    };
    let (issued_s, expires_s) = (assertion::time(&claims, "iat"), assertion::time(&claims, "exp"));
    if issued_s > github.now_s {
        return refused(&asked, &[], 401, "'Issued at' claim ('iat') must be an Integer in the past");
    }
    if !(github.now_s..=github.now_s + 600).contains(&expires_s) {
        return refused(&asked, &[], 401, "'Expiration time' claim ('exp') is too far in the future");
    }
    if id != "7" {
        return refused(&asked, &[], 404, "Not Found");
    }
    github.given_out += 1;
    let token = format!("ghs_{}", github.given_out);
    let uses = github.uses;
    github.tokens.push((token.clone(), uses));
    let expires = chrono::DateTime::from_timestamp(github.now_s + 3_600, 0).unwrap_or_default();
    let body = json!({
        "token": token,
        "expires_at": expires.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "permissions": {"organization_administration": "read"},
        "repository_selection": "all",
    });
    reply::json(&asked, 201, &[], &body.to_string(), false)
}
