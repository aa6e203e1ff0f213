//! A bucket of S3 and a queue of SQS that tells of its objects, in memory and without delay: for rates and
//! sizes that moto does not reach. moto stays the judge of everything else.
//!
//! Of S3 it has `GetObject` with ranges and `If-Match`
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>), of SQS, in AWS JSON 1.0, receiving,
//! deleting and extending with their visibility timeout and receive count
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html>). Nothing is signed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// The path of the queue below the fake's address, as in `http://127.0.0.1:PORT/111122223333/logs`.
pub const QUEUE_PATH: &str = "/111122223333/logs";
/// A long poll is cut to this; tests do not wait.
const MAX_WAIT: Duration = Duration::from_millis(200);

/// The bucket and the queue. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct ObjectQueue {
    state: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    /// By bucket and key.
    objects: BTreeMap<(String, String), Bytes>,
    messages: Vec<Message>,
    sent: u64,
    receipts: u64,
    /// How often a message was received at most.
    most_receives: u32,
}

#[derive(Debug)]
struct Message {
    id: String,
    body: String,
    receives: u32,
    receipt: String,
    /// Nobody gets it before.
    hidden_until: Instant,
}

impl ObjectQueue {
    /// Puts an object, or another version of it, and tells nobody.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.state.lock().objects.insert((bucket.into(), key.into()), bytes.into());
    }

    /// Sends a message.
    pub fn send(&self, body: String) {
        let mut state = self.state.lock();
        state.sent += 1;
        let id = format!("m-{}", state.sent);
        let message = Message { id, body, receives: 0, receipt: String::new(), hidden_until: Instant::now() };
        state.messages.push(message);
    }

    /// Sends one message of S3 that tells of these objects, be they there or not.
    pub fn announce(&self, bucket: &str, keys: &[String]) {
        let record = |key: &String| {
            let object = self.state.lock().objects.get(&(bucket.to_owned(), key.clone())).cloned();
            json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "awsRegion": "us-east-1",
                "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": object.map(|bytes| tag(&bytes))}}})
        };
        self.send(json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string());
    }

    /// Messages that are not deleted.
    pub fn messages(&self) -> usize {
        self.state.lock().messages.len()
    }

    /// How often one message was received, of that which came most often.
    pub fn most_receives(&self) -> u32 {
        self.state.lock().most_receives
    }

    /// The routes of both services.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/", post(call))
            .route("/{bucket}/{*key}", get(object))
            .layer(DefaultBodyLimit::disable())
            .with_state(self.state.clone())
    }
}

/// The entity tag of an object: that of its length, as versions here differ in it.
fn tag(bytes: &Bytes) -> String {
    format!("{:032x}", bytes.len())
}

async fn object(
    State(state): State<Arc<Mutex<Content>>>,
    Path((bucket, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(bytes) = state.lock().objects.get(&(bucket, key)).cloned() else {
        return (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response();
    };
    let tag = format!("\"{}\"", tag(&bytes));
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_MATCH).is_some_and(|wanted| wanted != tag) {
        let refusal = "<Error><Code>PreconditionFailed</Code></Error>";
        return (StatusCode::PRECONDITION_FAILED, refusal).into_response();
    }
    let Some(range) = text(header::RANGE) else {
        return ([(header::ETAG, tag)], bytes).into_response();
    };
    let range = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let range = range.and_then(|(start, end)| Some((start.parse().ok()?, end.parse::<usize>().ok()?)));
    match range {
        Some((start, end)) if start < bytes.len() && start <= end => {
            let end = end.min(bytes.len() - 1);
            let told = format!("bytes {start}-{end}/{}", bytes.len());
            let headers = [(header::ETAG, tag), (header::CONTENT_RANGE, told)];
            (StatusCode::PARTIAL_CONTENT, headers, bytes.slice(start..=end)).into_response()
        }
        _ => (StatusCode::RANGE_NOT_SATISFIABLE, "<Error><Code>InvalidRange</Code></Error>").into_response(),
    }
}

async fn call(State(state): State<Arc<Mutex<Content>>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let seconds = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64);
    let entries = body.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let receipt = |entry: &Value| entry.get("ReceiptHandle").and_then(Value::as_str).map(str::to_owned);
    let answer = match target {
        "AmazonSQS.ReceiveMessage" => {
            let wait = Duration::from_secs(seconds(&body, "WaitTimeSeconds").unwrap_or(0)).min(MAX_WAIT);
            let visibility = Duration::from_secs(seconds(&body, "VisibilityTimeout").unwrap_or(30));
            let most = seconds(&body, "MaxNumberOfMessages").unwrap_or(1).min(10);
            let mut messages = receive(&mut state.lock(), visibility, most);
            if messages.is_empty() {
                tokio::time::sleep(wait).await;
                messages = receive(&mut state.lock(), visibility, most);
            }
            json!({ "Messages": messages })
        }
        "AmazonSQS.DeleteMessageBatch" => {
            let receipts: Vec<_> = entries.iter().filter_map(receipt).collect();
            state.lock().messages.retain(|message| !receipts.contains(&message.receipt));
            json!({"Successful": ids(entries), "Failed": []})
        }
        "AmazonSQS.ChangeMessageVisibilityBatch" => {
            let mut state = state.lock();
            for entry in entries {
                let (receipt, span) = (receipt(entry), seconds(entry, "VisibilityTimeout").unwrap_or(0));
                let held = state.messages.iter_mut().find(|held| Some(&held.receipt) == receipt.as_ref());
                if let Some(held) = held {
                    held.hidden_until = Instant::now() + Duration::from_secs(span);
                }
            }
            json!({"Successful": ids(entries), "Failed": []})
        }
        _ => {
            let refusal = json!({"__type": "UnknownOperationException", "message": target});
            return (StatusCode::BAD_REQUEST, Json(refusal)).into_response();
        }
    };
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.to_string()).into_response()
}

fn ids(entries: &[Value]) -> Vec<Value> {
    entries.iter().map(|entry| json!({"Id": entry.get("Id")})).collect()
}

fn receive(state: &mut Content, visibility: Duration, most: u64) -> Vec<Value> {
    let now = Instant::now();
    let mut received = Vec::new();
    for message in &mut state.messages {
        if received.len() as u64 >= most {
            break;
        }
        if message.hidden_until > now {
            continue;
        }
        state.receipts += 1;
        message.receives += 1;
        state.most_receives = state.most_receives.max(message.receives);
        message.receipt = format!("r-{}", state.receipts);
        message.hidden_until = now + visibility;
        received.push(json!({
            "MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body,
            "Attributes": {"ApproximateReceiveCount": message.receives.to_string()},
        }));
    }
    received
}
