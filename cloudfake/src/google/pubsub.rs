//! A subscription of Pub/Sub over REST, with a clock of its own.
//!
//! What Google's own in-memory server does not do is here: exactly-once delivery with an outcome for each
//! acknowledgement id, ids that are none, limits of requests
//! (<https://cloud.google.com/pubsub/docs/exactly-once-delivery>, <https://cloud.google.com/pubsub/quotas>).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::{refuse, refuse_with};

/// The largest request to acknowledge.
const MAX_REQUEST: usize = 512 << 10;
/// The largest answer to a pull.
const MAX_ANSWER: usize = 10 << 20;
/// How long a pull waits; Google waits much longer.
const WAIT: Duration = Duration::from_millis(200);

/// One subscription.
#[derive(Debug)]
pub struct PubSub {
    /// Whether an acknowledgement has an outcome for each id.
    pub exactly_once: bool,
    /// Whether there is a dead-letter topic, so that deliveries are counted in the open.
    pub has_dead_letter_topic: bool,
    /// The subscription's own deadline.
    pub ack_deadline: Duration,
    /// Since the beginning.
    now: Duration,
    messages: BTreeMap<u64, Stored>,
    next: u64,
    /// Ids that were acknowledged with success.
    pub acked: u64,
    /// Ids whose deadline was changed.
    pub extended: u64,
    /// The largest request to acknowledge that was taken.
    pub largest_ack: usize,
    /// Deliveries so far.
    pub delivered: u64,
    /// The next so many acknowledged ids fail in passing (exactly-once alone).
    pub transient_failures: u32,
}

#[derive(Debug)]
struct Stored {
    message: Value,
    bytes: usize,
    deliveries: u64,
    /// Until when it is somebody's; the newest id counts.
    until: Option<Duration>,
    ack_id: String,
}

type Shared = Arc<Mutex<PubSub>>;

impl Default for PubSub {
    fn default() -> Self {
        Self {
            exactly_once: false,
            has_dead_letter_topic: false,
            ack_deadline: Duration::from_secs(10),
            now: Duration::ZERO,
            messages: BTreeMap::new(),
            next: 7_000_000_000,
            acked: 0,
            extended: 0,
            largest_ack: 0,
            delivered: 0,
            transient_failures: 0,
        }
    }
}

impl PubSub {
    /// Publishes a message and gives its id.
    pub fn publish(&mut self, data: &[u8], attributes: &[(&str, &str)]) -> u64 {
        self.next += 1;
        let attributes: Map<String, Value> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let mut message = json!({
            "messageId": self.next.to_string(),
            "publishTime": "2026-01-02T03:04:05.678Z",
            "data": STANDARD.encode(data),
        });
        if let (false, Some(members)) = (attributes.is_empty(), message.as_object_mut()) {
            members.insert("attributes".into(), attributes.into());
        }
        let stored = Stored { message, bytes: data.len(), deliveries: 0, until: None, ack_id: String::new() };
        self.messages.insert(self.next, stored);
        self.next
    }

    /// Lets time pass.
    pub fn advance(&mut self, span: Duration) {
        self.now += span;
    }

    /// Messages that nobody has acknowledged.
    pub fn left(&self) -> usize {
        self.messages.len()
    }

    /// Messages that are somebody's now.
    pub fn outstanding(&self) -> usize {
        self.messages.values().filter(|stored| stored.until.is_some_and(|until| until > self.now)).count()
    }

    fn pull(&mut self, max: usize) -> Vec<Value> {
        let (mut received, mut bytes) = (Vec::new(), 0);
        for (number, stored) in &mut self.messages {
            if stored.until.is_some_and(|until| until > self.now) {
                continue;
            }
            bytes += stored.bytes;
            if received.len() >= max || (bytes > MAX_ANSWER && !received.is_empty()) {
                break;
            }
            stored.deliveries += 1;
            self.delivered += 1;
            // About as long as Google's.
            stored.ack_id = format!("ack-{number}-{}-{}", stored.deliveries, "x".repeat(170));
            stored.until = Some(self.now + self.ack_deadline);
            let mut item = json!({"ackId": stored.ack_id, "message": stored.message});
            if let (true, Some(members)) = (self.has_dead_letter_topic, item.as_object_mut()) {
                members.insert("deliveryAttempt".into(), stored.deliveries.into());
            }
            received.push(item);
        }
        received
    }

    /// What an id stands for: the message, and whether it is still whoever has it.
    fn find(&self, ack_id: &str) -> Option<(u64, bool)> {
        let number = ack_id.strip_prefix("ack-")?.split('-').next()?.parse().ok()?;
        let stored = self.messages.get(&number);
        let is_held = stored.is_some_and(|stored| {
            stored.ack_id == ack_id && stored.until.is_some_and(|until| until > self.now)
        });
        Some((number, is_held))
    }

    /// Acknowledges, or with `deadline` extends; `Err`: an id is none.
    fn each(
        &mut self,
        ids: &[&str],
        deadline: Option<Duration>,
    ) -> Result<BTreeMap<String, &'static str>, ()> {
        if ids.iter().any(|id| self.find(id).is_none()) {
            return Err(());
        }
        let mut failures = BTreeMap::new();
        for id in ids {
            let Some((number, is_held)) = self.find(id) else { continue };
            if self.exactly_once && self.transient_failures > 0 && deadline.is_none() {
                self.transient_failures -= 1;
                failures.insert((*id).to_owned(), "TRANSIENT_FAILURE_UNORDERED_ACK_ID");
                continue;
            }
            let is_newest = self.messages.get(&number).is_some_and(|stored| stored.ack_id == *id);
            // Without exactly-once delivery a late acknowledgement may still count.
            if !is_held && (self.exactly_once || !is_newest) {
                failures.insert((*id).to_owned(), "PERMANENT_FAILURE_INVALID_ACK_ID");
                continue;
            }
            match deadline {
                None => {
                    self.messages.remove(&number);
                    self.acked += 1;
                }
                Some(span) => {
                    self.extended += 1;
                    if let Some(stored) = self.messages.get_mut(&number) {
                        stored.until = (!span.is_zero()).then(|| self.now + span);
                    }
                }
            }
        }
        Ok(failures)
    }
}

pub(super) fn routes(state: Shared) -> Router {
    Router::new()
        .route("/v1/projects/{project}/subscriptions/{call}", post(call))
        .route("/v1/projects/{project}/subscriptions/{call}", get(describe))
        .layer(DefaultBodyLimit::max(16 << 20))
        .with_state(state)
}

async fn describe(State(state): State<Shared>, Path((project, name)): Path<(String, String)>) -> Response {
    let state = state.lock();
    Json(json!({
        "name": format!("projects/{project}/subscriptions/{name}"),
        "topic": format!("projects/{project}/topics/logs"),
        "ackDeadlineSeconds": state.ack_deadline.as_secs(),
        "enableExactlyOnceDelivery": state.exactly_once,
        "state": "ACTIVE",
    }))
    .into_response()
}

async fn call(
    State(state): State<Shared>,
    Path((_, call)): Path<(String, String)>,
    bytes: Bytes,
) -> Response {
    let bad = |message: &str| refuse(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message);
    let Ok(body) = serde_json::from_slice::<Value>(&bytes) else { return bad("no JSON") };
    let Some((_, verb)) = call.split_once(':') else { return bad("no method") };
    if verb == "pull" {
        let max = body.get("maxMessages").and_then(Value::as_u64).unwrap_or(0);
        if max == 0 {
            return bad("maxMessages must be positive");
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX).min(1_000);
        let mut received = state.lock().pull(max);
        if received.is_empty() {
            tokio::time::sleep(WAIT).await;
            received = state.lock().pull(max);
        }
        let answer = if received.is_empty() { json!({}) } else { json!({"receivedMessages": received}) };
        return Json(answer).into_response();
    }
    let ids: Vec<&str> = body
        .get("ackIds")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if bytes.len() > MAX_REQUEST {
        return bad("Request payload size exceeds the limit: 524288 bytes.");
    }
    let seconds = body.get("ackDeadlineSeconds").and_then(Value::as_u64);
    let mut state = state.lock();
    let deadline = match (verb, seconds) {
        ("acknowledge", None) => None,
        ("modifyAckDeadline", Some(seconds)) if seconds <= 600 => Some(Duration::from_secs(seconds)),
        _ => return bad("no such method, or ackDeadlineSeconds is not from 0 to 600"),
    };
    if ids.is_empty() {
        return bad("No ack ids specified.");
    }
    match state.each(&ids, deadline) {
        Err(()) => bad("You have passed an invalid ack ID to the service."),
        Ok(failures) if state.exactly_once && !failures.is_empty() => {
            let details = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "EXACTLY_ONCE_ACKID_FAILURE",
                "domain": "pubsub.googleapis.com",
                "metadata": failures,
            }]);
            let message = "Some acknowledgement ids in the request were invalid.";
            refuse_with(StatusCode::BAD_REQUEST, "FAILED_PRECONDITION", message, details)
        }
        Ok(_) => {
            if verb == "acknowledge" {
                state.largest_ack = state.largest_ack.max(bytes.len());
            }
            Json(json!({})).into_response()
        }
    }
}
