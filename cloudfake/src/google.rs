//! Google Cloud: tokens, Pub/Sub, Cloud Logging, Security Command Center, each as its reference says.
//!
//! One server for all of them, as `endpoint` of a source expects it. Google's discovery documents are held
//! against what goes in and out (`ingest/tests/it/google/discovery.rs`).

mod findings;
mod identity;
mod logging;
mod pubsub;

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub use identity::Identity;
pub use logging::Entries;
pub use pubsub::PubSub;

use crate::Fake;

/// All of it, and a server.
#[derive(Debug)]
pub struct Google {
    /// The server's address.
    pub url: String,
    /// Who gives out tokens.
    pub identity: Arc<Mutex<Identity>>,
    /// One subscription: any name is that.
    pub pubsub: Arc<Mutex<PubSub>>,
    /// Cloud Logging's entries.
    pub entries: Arc<Mutex<Entries>>,
    /// Security Command Center's results: `{"finding": …, "resource": …}`.
    pub findings: Arc<Mutex<Entries>>,
    server: Fake,
}

impl Google {
    /// Starts it. Without `is_open`, only tokens that it gave out are taken.
    pub async fn start(is_open: bool) -> Self {
        let identity = Arc::new(Mutex::new(Identity::new()));
        let pubsub = Arc::new(Mutex::new(PubSub::default()));
        let (entries, findings) = (Arc::new(Mutex::new(Entries::default())), Arc::default());
        let guarded = identity.clone();
        let services = pubsub::routes(pubsub.clone())
            .merge(logging::routes(entries.clone()))
            .merge(findings::routes(Arc::clone(&findings)))
            .layer(from_fn(move |request: Request, next: Next| {
                let identity = guarded.clone();
                async move {
                    if is_open || identity.lock().takes(request.headers()) {
                        return next.run(request).await;
                    }
                    refuse(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "the token is not valid")
                }
            }));
        let server = Fake::start(services.merge(identity::routes(identity.clone()))).await;
        Self { url: server.url.clone(), identity, pubsub, entries, findings, server }
    }

    /// Ends it at once.
    pub fn stop(self) {
        drop(self.server);
    }
}

/// A refusal in Google's shape (google/rpc/status.proto over HTTP).
fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    refuse_with(status, code, message, json!([]))
}

/// The same with details.
fn refuse_with(status: StatusCode, code: &str, message: &str, details: Value) -> Response {
    let error = json!({"code": status.as_u16(), "message": message, "status": code, "details": details});
    (status, Json(json!({ "error": error }))).into_response()
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}
