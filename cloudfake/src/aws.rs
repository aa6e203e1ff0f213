//! CloudTrail, as far as moto does not have it: `ListPublicKeys`
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListPublicKeys.html>).
//!
//! AWS JSON 1.1: the action is in `x-amz-target`, times are seconds since 1970, blobs base64. Keys are those
//! whose validity meets the span that is asked for; pages are as short as a test wants them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::Fake;

/// A public key as CloudTrail lists it.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// The DER of a PKCS #1 `RSAPublicKey`, in base64.
    pub value: String,
    /// By which digests name it.
    pub fingerprint: String,
    /// From when on it signs, in seconds since 1970.
    pub valid_from: i64,
    /// Until when.
    pub valid_until: i64,
}

/// What the fake holds, and what it was asked.
#[derive(Debug, Default)]
pub struct CloudTrailState {
    /// Its keys.
    pub keys: Vec<PublicKey>,
    /// Keys on a page; 0: all.
    pub page: usize,
    /// Bodies of the calls that came.
    pub asked: Vec<Value>,
}

/// CloudTrail on loopback.
#[derive(Debug)]
pub struct CloudTrail {
    /// The server.
    pub fake: Fake,
    /// What it holds.
    pub state: Arc<Mutex<CloudTrailState>>,
}

impl CloudTrail {
    /// Starts one with these keys.
    pub async fn start(keys: Vec<PublicKey>) -> Self {
        let state = Arc::new(Mutex::new(CloudTrailState { keys, ..CloudTrailState::default() }));
        let routes = Router::new().route("/", post(answer)).with_state(state.clone());
        Self { fake: Fake::start(routes).await, state }
    }
}

const PREFIX: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.";

async fn answer(
    State(state): State<Arc<Mutex<CloudTrailState>>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=") {
        return refuse("MissingAuthenticationTokenException", "the request is not signed");
    }
    let Ok(body) = serde_json::from_str::<Value>(&body) else {
        return refuse("SerializationException", "the body is no JSON");
    };
    match header("x-amz-target").strip_prefix(PREFIX) {
        Some("ListPublicKeys") => list_public_keys(&mut state.lock(), body),
        _ => refuse("UnknownOperationException", "this fake has no such action"),
    }
}

fn list_public_keys(state: &mut CloudTrailState, body: Value) -> Response {
    state.asked.push(body.clone());
    let time = |name: &str| body.get(name).and_then(Value::as_f64);
    let (from, to) = (time("StartTime").unwrap_or(f64::MAX), time("EndTime").unwrap_or(f64::MAX));
    if from > to {
        return refuse("InvalidTimeRangeException", "the start is after the end");
    }
    let from_token = match body.get("NextToken").and_then(Value::as_str) {
        None => Some(0),
        Some(token) => token.strip_prefix("page-").and_then(|place| place.parse().ok()),
    };
    let Some(start) = from_token else { return refuse("InvalidTokenException", "the token is not ours") };
    let meets = |key: &&PublicKey| key.valid_from as f64 <= to && key.valid_until as f64 >= from;
    let found: Vec<_> = state.keys.iter().filter(meets).collect();
    let page = if state.page == 0 { found.len().max(1) } else { state.page };
    let listed = found.iter().skip(start).take(page).map(|key| {
        json!({
            "Value": key.value,
            "ValidityStartTime": key.valid_from as f64,
            "ValidityEndTime": key.valid_until as f64,
            "Fingerprint": key.fingerprint,
        })
    });
    let mut answer = json!({"PublicKeyList": listed.collect::<Vec<_>>()});
    if start + page < found.len()
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("NextToken".into(), format!("page-{}", start + page).into());
    }
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], answer.to_string()).into_response()
}

fn refuse(code: &str, message: &str) -> Response {
    let body = json!({"__type": code, "message": message}).to_string();
    let content_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    (StatusCode::BAD_REQUEST, content_type, body).into_response()
}
