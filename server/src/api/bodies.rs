//! How much of the bodies of requests is in memory at once.
//!
//! A body is read before the handler sees it, of a hook even before anybody knows who sends it. Each is
//! bounded by `server.max_body`; without a bound on all together, a flood of large ones would take as much
//! memory as there are connections. Bytes count as they come in, so that whoever claims much and sends
//! nothing keeps nobody out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;

use super::Problem;
use crate::push::{Push, PushTally, count, hec};

/// When a sender is asked to come again, in seconds.
const RETRY_S: u64 = 1;

/// The bytes of all bodies that are received or worked on.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    most: usize,
    held: Arc<AtomicUsize>,
    tally: Arc<PushTally>,
}

impl BodyBudget {
    /// One of `most` bytes.
    pub(crate) fn new(most: usize, push: &Push) -> Self {
        Self { most, held: push.body_bytes.clone(), tally: push.tally.clone() }
    }
}

/// What one request holds of it, until it is answered.
#[derive(Debug)]
struct Held {
    budget: Arc<BodyBudget>,
    bytes: AtomicUsize,
    is_refused: AtomicBool,
}

impl Held {
    /// Takes a piece; refuses it where there is no room for it.
    fn take(&self, piece: Bytes) -> Result<Bytes, axum::Error> {
        let bytes = piece.len();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.budget.held.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.budget.most {
            return Ok(piece);
        }
        self.is_refused.store(true, Ordering::Relaxed);
        Err(axum::Error::new("the bodies of all requests take `server.body_memory`"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Lets a request through as long as there is room for its body; the sender of another is told to come again.
pub(crate) async fn bound(State(budget): State<Arc<BodyBudget>>, request: Request, next: Next) -> Response {
    let is_splunk = request.uri().path().starts_with(hec::PREFIX);
    let held = Arc::new(Held { budget, bytes: AtomicUsize::new(0), is_refused: AtomicBool::new(false) });
    let holder = held.clone();
    let counted = request.map(|body| {
        let pieces = body.into_data_stream().map(move |piece| holder.take(piece?));
        Body::from_stream(pieces)
    });
    let answer = next.run(counted).await;
    if !held.is_refused.load(Ordering::Relaxed) {
        return answer;
    }
    count(&held.budget.tally.no_memory);
    match is_splunk {
        true => hec::busy(RETRY_S),
        false => {
            Problem::too_many("the bodies of all requests take `server.body_memory`", RETRY_S).into_response()
        }
    }
}
