//! Can a subscription be read, and what its messages announce? Step by step, and for each refusal the role
//! that is missing.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Service};
use super::gcs::GcsObject;
use super::pubsub::{self, CONSUME, DESCRIBE, message_of};
use super::{Environment, PubSubConfig, gcs, mend, message, objects_mend};
use crate::check::Checks;
use crate::web::{Answer, Call};
use crate::{CheckStep, Error, Result};

const TIMEOUT: Duration = Duration::from_secs(15);

/// Tries everything that the collector needs, and changes nothing: a message that is pulled is given back at
/// once (its delivery is counted).
pub async fn check_pubsub(
    config: &PubSubConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut checks = Checks::default();
    let client = config.check().and_then(|()| Client::new(&config.access, environment, now_us));
    let Some(client) = checks.opened(client) else { return checks.done() };
    let mend_of = |error: &Error| mend(error).unwrap_or_else(|| "mend what Google says".into());
    let token = client.tokens().get().await;
    if checks.tried(("credentials", ""), token, |_| "there is a token".into(), mend_of).is_none() {
        return checks.done();
    }
    let described = describe(&client, config).await;
    let told = |answer: &Value| {
        let deadline = answer.get("ackDeadlineSeconds").and_then(Value::as_u64).unwrap_or(0);
        let dead = match answer.get("deadLetterPolicy") {
            Some(_) => "there is a dead-letter topic",
            None => "there is no dead-letter topic",
        };
        format!("its own deadline is {deadline} s; {dead}")
    };
    checks.tried(("subscription", DESCRIBE), described, told, mend_of);
    checks.last_is_spare();
    let pulled = pull(&client, config).await;
    let told = |messages: &Vec<Value>| match messages.len() {
        0 => "it may be pulled; no message waits".to_owned(),
        count => format!("{count} message came, and was given back"),
    };
    let pulled = checks.tried(("pull", CONSUME), pulled, told, mend_of).unwrap_or_default();
    let mut object = pulled.iter().filter_map(|value| message_of(value).ok()).find_map(|message| {
        let announced = message::read(&message, &config.buckets).objects;
        announced.into_iter().next().map(|announced| announced.object)
    });
    for bucket in &config.buckets {
        let first = gcs::first(&client, bucket).await;
        let step = format!("list gs://{bucket}");
        let told = |first: &Option<GcsObject>| match first {
            Some(first) => format!("`{}` is there", first.name),
            None => "it is empty".to_owned(),
        };
        let first = checks.tried((&step, gcs::LIST), first, told, |_| {
            format!("reading what is announced does not need it: {}", objects_mend(bucket))
        });
        checks.last_is_spare();
        object = object.or(first.flatten());
    }
    let step = ("object", gcs::GET);
    match object {
        Some(object) => {
            let got = gcs::probe(&client, &object).await;
            let told = |_: &()| format!("gs://{}/{}", object.bucket, object.name);
            checks.tried(step, got, told, |error| match error {
                Error::Refused { status: 404, .. } => {
                    "the object is gone: a life cycle rule is faster than the subscription is read".into()
                }
                _ => objects_mend(&object.bucket),
            });
        }
        None => checks.skipped(
            step,
            "no message announces an object now",
            "where messages announce objects, write one and check again",
        ),
    }
    checks.done()
}

async fn describe(client: &Client, config: &PubSubConfig) -> Result<Value> {
    let url = client.url(Service::PubSub, &format!("v1/{}", config.subscription))?;
    let call = Call { timeout: TIMEOUT, ..Call::get(DESCRIBE, url) };
    client.send(call).await?.accepted(DESCRIBE)?.json(DESCRIBE)
}

/// Pulls one message and gives it back.
async fn pull(client: &Client, config: &PubSubConfig) -> Result<Vec<Value>> {
    let wanted = json!({"maxMessages": 1, "returnImmediately": true});
    let answer = match call(client, config, "pull", &wanted).await {
        Err(error) if pubsub::is_timeout(&error) => return Ok(Vec::new()),
        answer => answer?.accepted(CONSUME)?.json(CONSUME)?,
    };
    let messages = answer.get("receivedMessages").and_then(Value::as_array).cloned().unwrap_or_default();
    let receipts: Vec<_> = messages.iter().filter_map(|message| message.get("ackId")).collect();
    if !receipts.is_empty() {
        let back = json!({"ackIds": receipts, "ackDeadlineSeconds": 0});
        call(client, config, "modifyAckDeadline", &back).await?.accepted(CONSUME)?;
    }
    Ok(messages)
}

async fn call(client: &Client, config: &PubSubConfig, verb: &str, body: &Value) -> Result<Answer> {
    let url = client.url(Service::PubSub, &format!("v1/{}:{verb}", config.subscription))?;
    client.send(Call { timeout: TIMEOUT, ..Call::post_json(CONSUME, url, body) }).await
}
