//! Receivers of notifications: each speaks its service's documented protocol and holds its limits.

mod chat;
mod page;
mod ticket;

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use parking_lot::Mutex;
use serde_json::Value;

use crate::Fake;

pub use chat::{discord, slack, slack_hook, teams};
pub use page::{jsm, pagerduty};
pub use ticket::{jira, jira_data_center, servicenow};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Received {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Lines of headers, each with its end.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer without headers of its own.
    pub fn new(status: u16, body: impl ToString) -> Self {
        Self { status, headers: String::new(), body: body.to_string() }
    }
}

/// What answers requests.
pub type Service = Box<dyn FnMut(&Received) -> Reply + Send>;

struct Inner {
    service: Service,
    seen: Vec<Received>,
    next: VecDeque<Reply>,
}

/// A service on loopback that remembers what came; dropping it ends it.
pub struct Receiver {
    fake: Fake,
    inner: Arc<Mutex<Inner>>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.fake.url)
    }
}

impl Receiver {
    /// Starts `service`.
    pub async fn start(service: Service) -> Self {
        let inner = Arc::new(Mutex::new(Inner { service, seen: Vec::new(), next: VecDeque::new() }));
        let routes = Router::new().fallback(take).with_state(inner.clone());
        Self { fake: Fake::start(routes).await, inner }
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.fake.url.clone()
    }

    /// What came.
    pub fn seen(&self) -> Vec<Received> {
        self.inner.lock().seen.clone()
    }

    /// The next request gets this answer, and is not told to the service.
    pub fn answer(&self, status: u16, headers: &str, body: &str) {
        self.inner.lock().next.push_back(Reply { status, headers: headers.into(), body: body.into() });
    }

    /// Forgets the answers that were not given.
    pub fn quiet(&self) {
        self.inner.lock().next.clear();
    }
}

async fn take(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let received = Received { method: method.to_string(), path, headers, body };
    let mut inner = inner.lock();
    inner.seen.push(received.clone());
    let reply = match inner.next.pop_front() {
        Some(reply) => reply,
        None => (inner.service)(&received),
    };
    let mut response = Response::builder().status(reply.status);
    for line in reply.headers.lines() {
        if let Some((name, value)) = line.split_once(": ") {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(reply.body)).unwrap_or_default()
}

/// How long a text is, as most services count.
fn units(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.encode_utf16().count())
}
