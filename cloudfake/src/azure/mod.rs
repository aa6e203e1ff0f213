//! Entra, Azure Resource Manager, Microsoft Graph and the Management Activity API of Microsoft 365, on one
//! port, with a clock of their own.
//!
//! What they have in common is here: applications and what was granted to them, tokens, and the clock.
//! Documented limits are in the files of the services.

mod activity_log;
mod certificate;
mod entra;
mod filter;
mod graph;
mod management;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

pub use management::Blob;

use crate::Fake;

/// The tenant of all of it.
pub const TENANT: &str = "00000000-1111-4222-8333-444444444444";

/// The fake; see [`State`] for what can be set.
#[derive(Debug)]
pub struct Azure {
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    state: Shared,
    _fake: Fake,
}

type Shared = Arc<Mutex<State>>;

/// An application of the tenant.
#[derive(Debug, Clone, Default)]
pub struct Application {
    /// Its client id.
    pub client_id: String,
    /// Its secret.
    pub secret: Option<String>,
    /// Its certificate, PEM.
    pub certificate: Option<String>,
    /// The one token that its workload identity federation trusts.
    pub federated_token: Option<String>,
    /// What was granted: permissions of Graph and of the Management Activity API such as
    /// `AuditLog.Read.All`, and the role `Reader` on a subscription as `Reader/SUBSCRIPTION`, on the tenant
    /// as `Reader/`.
    pub grants: BTreeSet<String>,
}

/// An event of a list.
#[derive(Debug, Clone)]
pub struct Event {
    /// When it happened, in seconds since 1970.
    pub time_s: i64,
    /// From when on it is listed.
    pub visible_s: i64,
    /// Its id.
    pub id: String,
    /// The record.
    pub record: Value,
}

/// All that the services know.
#[derive(Debug)]
pub struct State {
    /// The time, in seconds since 1970.
    pub now_s: i64,
    /// The applications; the first is also the machine's managed identity.
    pub applications: Vec<Application>,
    /// The resources that tokens are given for, without a slash at the end.
    pub audiences: BTreeSet<String>,
    /// How long a token is good.
    pub token_life_s: i64,
    /// How many tokens were given.
    pub tokens_given: usize,
    /// Events of the activity log, by subscription; those of the tenant under the empty name.
    pub activity: BTreeMap<String, Vec<Event>>,
    /// What Graph lists, by `auditLogs/signIns/interactiveUser`, `auditLogs/directoryAudits` and so on.
    pub graph: BTreeMap<String, Vec<Event>>,
    /// How many records a page has at most.
    pub page_size: usize,
    /// The requests of Graph's reporting resources that are allowed in a span: 5 in 10 s.
    pub graph_limit: (usize, Duration),
    /// The requests of what ID Protection lists that are allowed in a span: 1 in a second.
    pub risk_limit: (usize, Duration),
    /// Whether the tenant has a licence for it.
    pub has_risk_licence: bool,
    /// The content types of Microsoft 365 that are subscribed to, and since when.
    pub subscriptions: BTreeMap<String, i64>,
    /// What is in Microsoft 365's feed.
    pub blobs: Vec<Blob>,
    /// Calls of the Management Activity API without `PublisherIdentifier`, which share one quota.
    pub calls_without_publisher: usize,
    /// Tokens by their text.
    tokens: BTreeMap<String, Issued>,
    /// The statements that were used; each is good once.
    statements: BTreeSet<String>,
    /// When Graph was asked for reports.
    graph_asked: VecDeque<Instant>,
    /// When it was asked for risks.
    risk_asked: VecDeque<Instant>,
}

#[derive(Debug, Clone)]
struct Issued {
    audience: String,
    expires_s: i64,
    grants: BTreeSet<String>,
}

impl Azure {
    /// Starts with one application, `app` with the secret `s3cret`, that nothing was granted to.
    pub async fn start(now_s: i64) -> Self {
        let application =
            Application { client_id: "app".into(), secret: Some("s3cret".into()), ..Application::default() };
        let state = Arc::new(Mutex::new(State {
            now_s,
            applications: vec![application],
            audiences: BTreeSet::new(),
            token_life_s: 3_599,
            tokens_given: 0,
            activity: BTreeMap::new(),
            graph: BTreeMap::new(),
            page_size: 200,
            graph_limit: (5, Duration::from_secs(10)),
            risk_limit: (1, Duration::from_secs(1)),
            has_risk_licence: true,
            subscriptions: BTreeMap::new(),
            blobs: Vec::new(),
            calls_without_publisher: 0,
            tokens: BTreeMap::new(),
            statements: BTreeSet::new(),
            graph_asked: VecDeque::new(),
            risk_asked: VecDeque::new(),
        }));
        let routes = Router::new()
            .merge(entra::routes())
            .merge(activity_log::routes())
            .merge(graph::routes())
            .merge(management::routes())
            .with_state(state.clone());
        let fake = Fake::start(routes).await;
        state.lock().audiences.insert(fake.url.clone());
        Self { url: fake.url.clone(), state, _fake: fake }
    }

    /// Its state, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Grants to the first application; see [`Application::grants`].
    pub fn grant(&self, grants: &[&str]) {
        let mut state = self.state();
        if let Some(application) = state.applications.first_mut() {
            application.grants.extend(grants.iter().map(|grant| (*grant).to_owned()));
        }
    }

    /// All tokens end at once.
    pub fn end_tokens(&self) {
        self.state().tokens.clear();
    }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BadToken {
    Missing,
    Expired,
    Audience,
}

impl State {
    fn give_token(&mut self, client_id: &str, audience: &str) -> String {
        self.tokens_given += 1;
        let application = self.applications.iter().find(|application| application.client_id == client_id);
        let issued = Issued {
            audience: audience.to_owned(),
            expires_s: self.now_s + self.token_life_s,
            grants: application.map(|application| application.grants.clone()).unwrap_or_default(),
        };
        let token = format!("token-{}-of-{client_id}", self.tokens_given);
        self.tokens.insert(token.clone(), issued);
        token
    }

    /// What was granted to whoever calls the service at `host`.
    fn caller(&self, headers: &HeaderMap) -> Result<&BTreeSet<String>, BadToken> {
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")).ok_or(BadToken::Missing)?;
        let issued = self.tokens.get(token).ok_or(BadToken::Missing)?;
        if issued.expires_s <= self.now_s {
            return Err(BadToken::Expired);
        }
        if issued.audience != own_address(headers) {
            return Err(BadToken::Audience);
        }
        Ok(&issued.grants)
    }
}

/// The address that the client knows the server by, which may be a proxy's.
fn own_address(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = text("x-forwarded-proto").unwrap_or("http");
    format!("{scheme}://{}", text("host").unwrap_or_default())
}

/// A refusal in the shape of Resource Manager and Graph.
fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    (status, axum::Json(json!({"error": {"code": code, "message": message}}))).into_response()
}

/// A time as the services read it.
fn parse_time(text: &str) -> Option<i64> {
    use chrono::{DateTime, NaiveDateTime};
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    // Without a zone it is UTC.
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let whole =
        |text: &str| formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let time = whole(text).or_else(|| whole(&format!("{text}T00:00")))?;
    Some(time.and_utc().timestamp())
}

/// A time as the services write it.
fn write_time(unix_s: i64) -> String {
    chrono::DateTime::from_timestamp(unix_s, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The next page of `events` that are newest first, after the one that `token` names, and the token of the
/// page after it. The token names an event, not a place: what appears meanwhile moves nothing.
fn page(mut events: Vec<Event>, size: usize, token: Option<&str>) -> (Vec<Value>, Option<String>) {
    let name = |event: &Event| format!("{:020}~{}", event.time_s, event.id);
    events.sort_by_key(|event| std::cmp::Reverse(name(event)));
    if let Some(token) = token {
        events.retain(|event| name(event).as_str() < token);
    }
    let has_more = events.len() > size;
    events.truncate(size);
    let next = events.last().filter(|_| has_more).map(name);
    (events.into_iter().map(|event| event.record).collect(), next)
}
