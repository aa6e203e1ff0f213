//! Pub/Sub, pulled: the main way of Google Cloud's logs.
//!
//! Unary pulls over REST (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>),
//! several at once; each waits at Google until there is something. What comes is made ours at once for
//! [`PubSubConfig::ack_deadline`], whatever the subscription's own deadline is, and acknowledged when it is
//! durable.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{Client, Service};
use super::gcs::{self, GcsObject};
use super::{Environment, GoogleAccess, message};
use crate::queue::{Broker, FailedEntry, Meaning, Message, Part, Queue, QueueCounts, QueueOptions};
use crate::web::{Answer, Call};
use crate::{Collector, Error, Polled, ReadOptions, Result};

/// As permissions name it: pulling, acknowledging and extending are one.
pub(super) const CONSUME: &str = "pubsub.subscriptions.consume";
/// As permissions name it; reading does not need it.
pub(super) const DESCRIBE: &str = "pubsub.subscriptions.get";
/// Google answers an empty pull by itself after some 90 s at most.
const PULL_TIMEOUT: Duration = Duration::from_secs(120);
const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer has 10 MB at most (cloud.google.com/pubsub/quotas); base64 and JSON make more of it.
const MAX_BYTES: usize = 32 << 20;
/// Of how many messages is kept how often they came.
const COUNTED: usize = 10_000;

/// How a subscription is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubSubConfig {
    /// Its name, `projects/PROJECT/subscriptions/NAME`.
    pub subscription: String,
    /// Who reads, and where.
    pub access: GoogleAccess,
    /// Buckets that may be read when messages announce objects; empty: all that the identity may read.
    /// Whoever may publish to the topic chooses what is read.
    pub buckets: Vec<String>,
    /// How long a message is ours before that is extended or it comes back: 10 s to 600 s.
    pub ack_deadline: Duration,
    /// How many pulls wait at once.
    pub pulls: usize,
    /// How often a message may be received before what cannot be read of it becomes a dead letter.
    pub max_receives: u32,
    /// Messages in work at most.
    pub messages_in_work: usize,
    /// How long a poll waits for messages.
    pub wait: Duration,
}

impl Default for PubSubConfig {
    fn default() -> Self {
        Self {
            subscription: String::new(),
            access: GoogleAccess::default(),
            buckets: Vec::new(),
            ack_deadline: Duration::from_secs(60),
            pulls: 4,
            max_receives: 5,
            messages_in_work: 10_000,
            wait: Duration::from_secs(10),
        }
    }
}

impl PubSubConfig {
    /// # Errors
    /// [`Error::BadSetting`] for the first setting that cannot be.
    pub fn check(&self) -> Result<()> {
        let bad = |field, problem: &str| Err(Error::BadSetting { field, problem: problem.into() });
        let parts: Vec<&str> = self.subscription.split('/').collect();
        let is_name = |text: &str| {
            !text.is_empty()
                && text.chars().all(|char| char.is_ascii_alphanumeric() || "-._~+%:".contains(char))
        };
        match parts.as_slice() {
            ["projects", project, "subscriptions", name] if is_name(project) && is_name(name) => {}
            _ => return bad("subscription", "write it as `projects/PROJECT/subscriptions/NAME`"),
        }
        if !(10..=600).contains(&self.ack_deadline.as_secs()) {
            return bad("ack_deadline", "from 10 s to 600 s");
        }
        if self.pulls == 0 || self.messages_in_work < PubSub::RECEIVED {
            return bad("pulls", "at least 1, and 1000 messages in work");
        }
        if self.max_receives == 0 {
            return bad("max_receives", "at least 1");
        }
        Ok(())
    }
}

/// Reads what the messages of a subscription hold and announce.
#[derive(Debug)]
pub struct PubSubCollector(Queue<PubSub>);

impl PubSubCollector {
    /// A collector on the runtime that this is called on. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub fn open(config: PubSubConfig, environment: &Environment, options: ReadOptions) -> Result<Self> {
        config.check()?;
        let client = Client::new(&config.access, environment, options.now_us)?;
        let queue = QueueOptions {
            lease: config.ack_deadline,
            wait: config.wait,
            receivers: config.pulls,
            max_receives: config.max_receives,
            // Generations that were replaced are gone for good.
            max_receives_missing: config.max_receives.min(3),
            messages_in_work: config.messages_in_work,
            bytes_in_work: 64 << 20,
            recent_objects: 10_000,
        };
        let broker = PubSub { client, config, deliveries: Mutex::new(Deliveries::default()) };
        Ok(Self(Queue::open(broker, queue, options)))
    }

    /// What was done so far.
    pub fn counts(&self) -> QueueCounts {
        self.0.counts()
    }
}

#[async_trait]
impl Collector for PubSubCollector {
    async fn poll(&mut self) -> Result<Polled> {
        self.0.poll().await
    }

    fn is_failing(&self) -> bool {
        self.0.is_failing()
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        self.0.ack(tickets).await
    }
}

/// How often messages came to this process: Google tells it only of subscriptions with a dead-letter topic.
#[derive(Debug, Default)]
struct Deliveries {
    counts: HashMap<String, u32>,
    order: VecDeque<String>,
}

impl Deliveries {
    fn count(&mut self, id: &str) -> u32 {
        if let Some(count) = self.counts.get_mut(id) {
            *count = count.saturating_add(1);
            return *count;
        }
        self.counts.insert(id.to_owned(), 1);
        self.order.push_back(id.to_owned());
        if self.order.len() > COUNTED
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        1
    }
}

/// Pub/Sub and Cloud Storage as the engine sees them.
#[derive(Debug)]
struct PubSub {
    client: Client,
    config: PubSubConfig,
    deliveries: Mutex<Deliveries>,
}

impl PubSub {
    async fn call(&self, verb: &str, body: &Value, timeout: Duration) -> Result<Answer> {
        let url = self.client.url(Service::PubSub, &format!("v1/{}:{verb}", self.config.subscription))?;
        let call = Call { timeout, max_bytes: MAX_BYTES, ..Call::post_json(CONSUME, url, body) };
        self.client.send(call).await
    }

    /// A call over many receipts. Subscriptions with exactly-once delivery say of each receipt what became of
    /// it; the others refuse a whole call for one receipt that they do not know, which is then looked for by
    /// halves.
    async fn each(&self, verb: &str, receipts: &[&str], deadline_s: Option<u64>) -> Result<Vec<FailedEntry>> {
        let mut failed = Vec::new();
        let whole = 0..receipts.len();
        let mut spans = vec![whole];
        while let Some(span) = spans.pop() {
            let some = receipts.get(span.clone()).unwrap_or_default();
            let mut body = json!({"ackIds": some});
            if let (Some(seconds), Some(members)) = (deadline_s, body.as_object_mut()) {
                members.insert("ackDeadlineSeconds".into(), seconds.into());
            }
            let answer = self.call(verb, &body, TIMEOUT).await?;
            if (200..300).contains(&answer.status) {
                continue;
            }
            if let Some(told) = receipt_failures(&answer, some) {
                failed.extend(told.into_iter().map(|it| FailedEntry { index: it.index + span.start, ..it }));
                continue;
            }
            match (answer.status, answer.accepted(CONSUME)) {
                (400, Err(_)) if some.len() > 1 => {
                    let middle = span.start + some.len() / 2;
                    spans.extend([span.start..middle, middle..span.end]);
                }
                (400, Err(Error::Refused { code, .. })) if code == "INVALID_ARGUMENT" => {
                    failed.push(FailedEntry { index: span.start, code, is_final: true });
                }
                (_, refused) => drop(refused?),
            }
        }
        Ok(failed)
    }
}

/// What a subscription with exactly-once delivery says of receipts, in `google.rpc.ErrorInfo`
/// (<https://cloud.google.com/pubsub/docs/exactly-once-delivery>); `None`: nothing. Of receipts that are not
/// named nobody knows; they are tried again without those that are.
fn receipt_failures(answer: &Answer, receipts: &[&str]) -> Option<Vec<FailedEntry>> {
    let value: Value = serde_json::from_slice(&answer.body).ok()?;
    let details = value.pointer("/error/details")?.as_array()?;
    let mut told: HashMap<&str, &str> = HashMap::new();
    for detail in details {
        let metadata = detail.get("metadata").and_then(Value::as_object);
        for (receipt, code) in metadata.into_iter().flatten() {
            let Some(code) = code.as_str() else { continue };
            if code.starts_with("PERMANENT_FAILURE_") || code.starts_with("TRANSIENT_FAILURE_") {
                told.insert(receipt, code);
            }
        }
    }
    if told.is_empty() {
        return None;
    }
    let entry = |(index, receipt): (usize, &&str)| {
        let code = told.get(receipt).copied().unwrap_or("UNKNOWN");
        FailedEntry { index, code: code.to_owned(), is_final: code.starts_with("PERMANENT_FAILURE_") }
    };
    Some(receipts.iter().enumerate().map(entry).collect())
}

#[async_trait]
impl Broker for PubSub {
    type Object = GcsObject;

    const DELETE: &'static str = CONSUME;
    const RECEIVED: usize = 1_000;
    const BATCH: usize = 1_000;

    async fn receive(&self) -> Result<Vec<Message>> {
        let answer = match self.call("pull", &json!({"maxMessages": Self::RECEIVED}), PULL_TIMEOUT).await {
            Err(error) if is_timeout(&error) => return Ok(Vec::new()),
            answer => answer?,
        };
        if answer.status == 504 {
            return Ok(Vec::new());
        }
        let value = answer.accepted(CONSUME)?.json(CONSUME)?;
        let received = value.get("receivedMessages").and_then(Value::as_array);
        let mut messages = Vec::new();
        for value in received.map(Vec::as_slice).unwrap_or_default() {
            let mut message = message_of(value)?;
            let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
            message.receives = message.receives.max(deliveries.count(&message.id));
            messages.push(message);
        }
        if messages.is_empty() {
            return Ok(messages);
        }
        let receipts: Vec<&str> = messages.iter().map(|message| message.receipt.as_str()).collect();
        // Where this fails, the subscription's own deadline counts until the next extension.
        let ended = self.extend(&receipts).await.unwrap_or_default();
        let ended: Vec<usize> =
            ended.iter().filter(|entry| entry.is_final).map(|entry| entry.index).collect();
        let mut index = 0;
        messages.retain(|_| {
            index += 1;
            !ended.contains(&(index - 1))
        });
        Ok(messages)
    }

    async fn delete(&self, receipts: &[&str]) -> Result<Vec<FailedEntry>> {
        self.each("acknowledge", receipts, None).await
    }

    async fn extend(&self, receipts: &[&str]) -> Result<Vec<FailedEntry>> {
        self.each("modifyAckDeadline", receipts, Some(self.config.ack_deadline.as_secs())).await
    }

    fn read(&self, message: &Message) -> Meaning<GcsObject> {
        message::read(message, &self.config.buckets)
    }

    fn origin(&self, id: &str) -> String {
        format!("{}/{id}", self.place())
    }

    fn numbered(&self, id: &str) -> Option<(String, u64)> {
        let number = id.parse().ok().filter(|number: &u64| number.to_string() == id)?;
        Some((self.place(), number))
    }

    async fn part(&self, object: &GcsObject, at: u64, version: Option<String>) -> Result<Part> {
        gcs::part(&self.client, object, at, version).await
    }

    fn is_missing(&self, error: &Error) -> bool {
        gcs::is_missing(error)
    }
}

impl PubSub {
    /// `pubsub://project/subscription`.
    fn place(&self) -> String {
        let name = self.config.subscription.strip_prefix("projects/").unwrap_or(&self.config.subscription);
        format!("pubsub://{}", name.replacen("/subscriptions/", "/", 1))
    }
}

pub(super) fn is_timeout(error: &Error) -> bool {
    let Error::Unreachable { source, .. } = error else { return false };
    source.downcast_ref::<reqwest::Error>().is_some_and(|error| error.is_timeout() && !error.is_connect())
}

pub(super) fn message_of(value: &Value) -> Result<Message> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let needed = |pointer: &str| {
        text(pointer).map(str::to_owned).ok_or_else(|| Error::BadAnswer {
            call: CONSUME.into(),
            problem: format!("a message has no `{pointer}`"),
        })
    };
    let attributes = value.pointer("/message/attributes").and_then(Value::as_object);
    let attributes: BTreeMap<String, String> = attributes
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let data = text("/message/data").unwrap_or_default();
    let (body, problem) = match STANDARD.decode(data) {
        Ok(bytes) => (bytes.into(), None),
        Err(error) => {
            (data.to_owned().into(), Some(format!("bad_base64: the message's data is none: {error}")))
        }
    };
    let attempt = value.get("deliveryAttempt").and_then(Value::as_u64).unwrap_or(1);
    Ok(Message {
        id: needed("/message/messageId")?,
        receipt: needed("/ackId")?,
        body,
        attributes,
        problem,
        receives: u32::try_from(attempt).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn settings_are_checked() {
        let named = |subscription: &str| PubSubConfig {
            subscription: subscription.into(),
            ..PubSubConfig::default()
        };
        assert!(named("projects/p-1/subscriptions/logs").check().is_ok());
        assert!(named("projects/example.com:p/subscriptions/logs").check().is_ok());
        for bad in
            ["logs", "projects/p/topics/t", "projects/p/subscriptions/a/b", "projects/p/subscriptions/a?b"]
        {
            let error = named(bad).check().unwrap_err().to_string();
            assert!(error.starts_with("`subscription`: write it as"), "{error}");
        }
        let short =
            PubSubConfig { ack_deadline: Duration::from_secs(9), ..named("projects/p-1/subscriptions/logs") };
        assert_eq!(short.check().unwrap_err().to_string(), "`ack_deadline`: from 10 s to 600 s");
    }

    #[test]
    fn exactly_once_tells_of_each_receipt() {
        let body = json!({"error": {"code": 400, "status": "FAILED_PRECONDITION", "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "EXACTLY_ONCE_ACKID_FAILURE",
            "metadata": {"a": "PERMANENT_FAILURE_INVALID_ACK_ID", "b": "TRANSIENT_FAILURE_OTHER"},
        }]}});
        let answer = Answer { status: 400, headers: HeaderMap::new(), body: body.to_string().into() };
        let told = receipt_failures(&answer, &["x", "a", "b"]).unwrap();
        let told: Vec<_> = told.iter().map(|it| (it.index, it.code.as_str(), it.is_final)).collect();
        let expected = [
            (0, "UNKNOWN", false),
            (1, "PERMANENT_FAILURE_INVALID_ACK_ID", true),
            (2, "TRANSIENT_FAILURE_OTHER", false),
        ];
        assert_eq!(told, expected);
        let body = r#"{"error":{"details":[{"metadata":{"service":"pubsub.googleapis.com"}}]}}"#;
        let answer = Answer { status: 400, headers: HeaderMap::new(), body: body.into() };
        assert_eq!(receipt_failures(&answer, &["x"]), None);
    }

    #[test]
    fn a_damaged_message_is_told_not_lost() {
        let value = json!({"ackId": "r", "message": {"messageId": "7", "data": "%%%"}, "deliveryAttempt": 4});
        let message = message_of(&value).unwrap();
        assert_eq!((&*message.body, message.receives), (&b"%%%"[..], 4));
        assert!(message.problem.unwrap().starts_with("bad_base64"));
        assert!(message_of(&json!({"ackId": "r"})).is_err());
    }

    #[test]
    fn deliveries_are_counted_within_bounds() {
        let mut deliveries = Deliveries::default();
        assert_eq!((deliveries.count("a"), deliveries.count("a")), (1, 2));
        for n in 0..COUNTED {
            deliveries.count(&n.to_string());
        }
        assert_eq!((deliveries.counts.len(), deliveries.count("a")), (COUNTED, 1));
    }
}
