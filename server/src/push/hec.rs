//! Splunk's HTTP Event Collector: paths, codes and bodies as Splunk's clients expect them ("HTTP Event
//! Collector REST API endpoints", "Troubleshoot HTTP Event Collector: possible error codes").
//!
//! Tokens are those of `[[auth.tokens]]` that may push; without any, callers on loopback need none. An ack id
//! is the log's offset behind the request: the answer comes after durability, so every id that was ever given
//! out is true, after a restart as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use event::Fate;
use ingest::Limits;
use ingest::push::hec::{BadBody, RawMetadata};
use ingest::push::{Reception, Records, hec};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::count;
use crate::app::App;
use crate::auth::{Caller, Right};

/// Where the collector lies; the gate takes Splunk's authorization there.
pub(crate) const PREFIX: &str = "/services/collector";

/// Ack ids that one request may ask for; Splunk's clients ask for hundreds.
const MAX_ACKS: usize = 100_000;

/// What HEC answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reply {
    /// The code in words.
    text: &'static str,
    /// Splunk's code; 0 is success.
    code: u8,
    /// The first event that is wrong, from 0.
    #[serde(rename = "invalid-event-number", skip_serializing_if = "Option::is_none")]
    invalid_event: Option<usize>,
    /// Where the sender asked for acknowledgement by naming a channel.
    #[serde(rename = "ackId", skip_serializing_if = "Option::is_none")]
    ack_id: Option<u64>,
}

impl Reply {
    fn new(text: &'static str, code: u8) -> Self {
        Self { text, code, invalid_event: None, ack_id: None }
    }

    fn with(self, status: StatusCode) -> Response {
        (status, Json(self)).into_response()
    }
}

/// The answer to a request that the gate refused.
pub(crate) fn refused(status: StatusCode, has_credentials: bool) -> Response {
    match status {
        StatusCode::TOO_MANY_REQUESTS => busy(1),
        _ if has_credentials => Reply::new("Invalid token", 4).with(StatusCode::FORBIDDEN),
        _ => Reply::new("Token is required", 2).with(StatusCode::UNAUTHORIZED),
    }
}

/// To be sent again after so many seconds.
pub(crate) fn busy(seconds: u64) -> Response {
    let mut response = Reply::new("Server is busy", 9).with(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
    response
}

fn bad(problem: BadBody) -> Response {
    let (text, code, number) = match problem {
        BadBody::Empty => ("No data", 5, None),
        BadBody::Format(number) => ("Invalid data format", 6, Some(number)),
        BadBody::NoEvent(number) => ("Event field is required", 12, Some(number)),
        BadBody::BlankEvent(number) => ("Event field cannot be blank", 13, Some(number)),
        BadBody::Fields(number) => ("Error in handling indexed fields", 15, Some(number)),
        BadBody::TooLarge(number) => {
            let reply = Reply { invalid_event: Some(number), ..Reply::new("Event is too large", 6) };
            return reply.with(StatusCode::PAYLOAD_TOO_LARGE);
        }
    };
    Reply { invalid_event: number, ..Reply::new(text, code) }.with(StatusCode::BAD_REQUEST)
}

/// What the query says.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
pub(crate) struct HecParameters {
    /// The channel, where the header `X-Splunk-Request-Channel` does not name it; asks for an ack id.
    channel: Option<String>,
    /// Of a raw body: the machine that its lines are from.
    host: Option<String>,
    /// Of a raw body: the file or stream that they are from.
    source: Option<String>,
    /// Of a raw body: their format.
    sourcetype: Option<String>,
    /// Of a raw body: the index that the sender wants.
    index: Option<String>,
}

/// What every path that takes something is called with.
#[derive(Debug, FromRequest)]
#[from_request(state(Arc<App>))]
pub(crate) struct Pushed {
    #[from_request(via(State))]
    app: Arc<App>,
    #[from_request(via(Extension))]
    caller: Caller,
    #[from_request(via(Query))]
    parameters: HecParameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
}

impl Pushed {
    /// Whether the sender named a channel.
    fn has_channel(&self) -> bool {
        self.headers.contains_key("x-splunk-request-channel") || self.parameters.channel.is_some()
    }

    /// The refusal of a caller who may not push.
    fn refusal(&self) -> Option<Response> {
        self.caller.needs(Right::Push).err()?;
        count(&self.app.push.tally.unauthorized);
        Some(Reply::new("Invalid token", 4).with(StatusCode::FORBIDDEN))
    }
}

/// Takes events: JSON objects one after another, each with `event` and what is said about it. All of a request
/// are taken, or none.
#[utoipa::path(post, path = "/services/collector/event", tag = "push", params(HecParameters),
    request_body(content = serde_json::Value, content_type = "application/json", example = json!({
        "event": {"message": "dana signed in"}, "time": 1_772_445_600, "host": "shop-1", "sourcetype": "app"})),
    responses((status = 200, body = Reply)))]
pub(crate) async fn event(pushed: Pushed) -> Response {
    take(pushed, hec::events).await
}

/// The same under the path that older clients use.
#[utoipa::path(post, path = "/services/collector", tag = "push", params(HecParameters),
    request_body(content = serde_json::Value, content_type = "application/json", example = json!({"event": "x"})),
    responses((status = 200, body = Reply)))]
pub(crate) async fn event_old(pushed: Pushed) -> Response {
    take(pushed, hec::events).await
}

/// Takes lines, one event each; a body of JSON is split into its records.
#[utoipa::path(post, path = "/services/collector/raw", tag = "push", params(HecParameters),
    request_body(content = String, content_type = "text/plain"),
    responses((status = 200, body = Reply)))]
pub(crate) async fn raw(pushed: Pushed) -> Response {
    let HecParameters { host, source, sourcetype, index, .. } = pushed.parameters.clone();
    let said = RawMetadata { host, source, sourcetype, index };
    let read = move |body: &[u8], reception: &mut Reception, limits: &Limits| {
        hec::raw(body, &said, reception, limits)
    };
    take(pushed, read).await
}

async fn take(
    pushed: Pushed,
    read: impl FnOnce(&[u8], &mut Reception, &Limits) -> Result<Records, BadBody> + Send + 'static,
) -> Response {
    if let Some(refusal) = pushed.refusal() {
        return refusal;
    }
    let has_channel = pushed.has_channel();
    let Pushed { app, caller, headers, body, .. } = pushed;
    let tally = &app.push.tally;
    let _turn = app.push.turn().await;
    let body = match super::body::decoded(&headers, body, app.config.max_body).await {
        Ok(body) => body,
        Err(problem) => {
            count(&tally.bad_bodies);
            return Reply::new("Invalid data format", 6).with(problem.status());
        }
    };
    let (mut reception, limits) = (app.push.reception(), app.config.limits.clone());
    let read = tokio::task::spawn_blocking(move || read(&body, &mut reception, &limits)).await;
    let records = match read {
        Ok(Ok(records)) => records,
        Ok(Err(problem)) => {
            count(&tally.bad_bodies);
            return bad(problem);
        }
        Err(_) => return Reply::new("Internal server error", 8).with(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let source = super::source_of("hec", &caller);
    match super::accept(&app, records.into_batches(), &source, None, "hec").await {
        Ok(next_offset) => {
            let ack_id = has_channel.then_some(next_offset);
            Reply { ack_id, ..Reply::new("Success", 0) }.with(StatusCode::OK)
        }
        Err(error) => match error.fate() {
            Fate::Retry { after } => {
                count(&tally.full);
                busy(after.as_secs())
            }
            _ => {
                tracing::error!(%error, "events of HEC cannot be taken");
                Reply::new("Internal server error", 8).with(StatusCode::SERVICE_UNAVAILABLE)
            }
        },
    }
}

/// Which ack ids are asked for.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AckQuestion {
    acks: Vec<u64>,
}

/// Says of each ack id whether its events are durable.
#[utoipa::path(post, path = "/services/collector/ack", tag = "push", params(HecParameters),
    request_body = AckQuestion, responses((status = 200, body = AckAnswer)))]
pub(crate) async fn ack(pushed: Pushed) -> Response {
    if let Some(refusal) = pushed.refusal() {
        return refusal;
    }
    if !pushed.has_channel() {
        return Reply::new("Data channel is missing", 10).with(StatusCode::BAD_REQUEST);
    }
    let Pushed { app, body, .. } = pushed;
    let question = body.ok().and_then(|body| serde_json::from_slice::<AckQuestion>(&body).ok());
    let question = question.filter(|question| question.acks.len() <= MAX_ACKS);
    let Some(question) = question else {
        return Reply::new("Invalid data format", 6).with(StatusCode::BAD_REQUEST);
    };
    let head = app.log.head();
    let acks = question.acks.iter().map(|id| (id.to_string(), *id <= head)).collect();
    Json(AckAnswer { acks }).into_response()
}

/// Whether the events of ack ids are durable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AckAnswer {
    /// By ack id.
    acks: BTreeMap<String, bool>,
}

/// Whether events are taken. Asks for no token, as load balancers have none.
#[utoipa::path(get, path = "/services/collector/health", tag = "push",
    responses((status = 200, body = Reply), (status = 503, body = Reply)))]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Response {
    let is_full = app.log.stats().bytes >= app.config.log_max;
    if app.pipeline.health().failure().is_some() || is_full {
        return Reply::new("HEC is unhealthy, queues are full", 18).with(StatusCode::SERVICE_UNAVAILABLE);
    }
    Reply::new("HEC is healthy", 17).with(StatusCode::OK)
}
