//! Can this source work? Step by step, and for each failure the permission that is missing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::client::Client;
use super::endpoint::region_of_queue;
use super::notification::decode_notification;
use super::s3::S3;
use super::sqs::Sqs;
use super::{Environment, ObjectAddress, S3QueueConfig};
use crate::{Error, Result};

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It works.
    Good,
    /// It does not work.
    Failed,
    /// It could not be tried.
    Skipped,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStep {
    /// What was tried.
    pub name: &'static str,
    /// How it went.
    pub outcome: CheckOutcome,
    /// What was found, or what the service says.
    pub detail: String,
    /// What to do about it; with a missing permission the policy statement that grants it. Empty where
    /// there is nothing to do.
    pub mend: String,
}

/// Tries everything that the collector needs, and changes nothing: a message that is received is given
/// back at once (its receive count grows by one).
pub async fn check_s3_queue(
    config: &S3QueueConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut steps = Vec::new();
    let region = region_of_queue(&config.queue_url);
    let client = config.check().and_then(|()| Client::new(&config.access, region, environment, now_us));
    let client = match client {
        Ok(client) => Arc::new(client),
        Err(error) => {
            steps.push(failed("settings", &error, "correct the setting".into()));
            return steps;
        }
    };
    let source = client.describe_keys().unwrap_or_default();
    if !step(
        &mut steps,
        "credentials",
        client.keys().await,
        |_| source.clone(),
        |error| {
            let role = config.access.role_arn.as_deref();
            match (error, role) {
                (Error::Refused { .. }, Some(role)) => format!(
                    "{}; the role's trust policy must name this identity, and its `sts:ExternalId` must be the \
                 one that is configured",
                    allow(&["sts:AssumeRole"], role)
                ),
                _ => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or attach a role to the \
                  machine or pod"
                    .into(),
            }
        },
    ) {
        return steps;
    }
    step(&mut steps, "identity", client.caller().await, Clone::clone, |_| {
        "the keys are not valid: make new ones, or correct the secret".into()
    });

    let queue = Sqs::new(client.clone(), config.queue_url.clone());
    let arn = queue_arn(&config.queue_url, client.region());
    let describe = |attributes: &std::collections::BTreeMap<String, String>| {
        let get = |name: &str| attributes.get(name).map_or("?", String::as_str);
        let redrive = if attributes.contains_key("RedrivePolicy") {
            "there is a dead-letter queue"
        } else {
            "there is no dead-letter queue: one with `maxReceiveCount` 10 is wise"
        };
        format!("{} messages wait; {redrive}", get("ApproximateNumberOfMessages"))
    };
    step(&mut steps, "queue", queue.attributes().await, describe, |error| {
        queue_mend(error, "sqs:GetQueueAttributes", &arn)
    });
    let received = queue.receive(Duration::ZERO, Duration::ZERO).await;
    let bodies: Vec<bytes::Bytes> = received.iter().flatten().map(|message| message.body.clone()).collect();
    step(
        &mut steps,
        "receive",
        received,
        |messages| format!("{} messages came", messages.len()),
        |error| queue_mend(error, "sqs:ReceiveMessage", &arn),
    );

    let s3 = S3::new(client);
    for bucket in &config.buckets {
        let listed = s3.list(bucket, "", "").await;
        let describe = |(keys, _): &(Vec<String>, bool)| format!("`{bucket}` lists {} keys", keys.len());
        step(&mut steps, "list", listed, describe, |_| {
            format!(
                "only backfill and digest validation need it: {}",
                allow(&["s3:ListBucket"], &format!("arn:aws:s3:::{bucket}"))
            )
        });
    }
    let announced = bodies.iter().flat_map(|body| decode_notification(body).objects).next();
    match announced {
        Some(announced) => {
            let got = s3.probe(&announced.object, announced.region.as_deref()).await;
            let object = announced.object.clone();
            step(&mut steps, "object", got, |()| object.to_string(), |error| object_mend(error, &object));
        }
        None => steps.push(CheckStep {
            name: "object",
            outcome: CheckOutcome::Skipped,
            detail: "no message announces an object now".into(),
            mend: "write an object, or wait for the next delivery, and check again".into(),
        }),
    }
    steps
}

fn step<T>(
    steps: &mut Vec<CheckStep>,
    name: &'static str,
    tried: Result<T>,
    describe: impl FnOnce(&T) -> String,
    mend: impl FnOnce(&Error) -> String,
) -> bool {
    match tried {
        Ok(value) => {
            let detail = describe(&value);
            steps.push(CheckStep { name, outcome: CheckOutcome::Good, detail, mend: String::new() });
            true
        }
        Err(error) => {
            let mend = if error.is_passing() {
                "check the network, the region and the endpoint, then try again".into()
            } else {
                mend(&error)
            };
            steps.push(failed(name, &error, mend));
            false
        }
    }
}

fn failed(name: &'static str, error: &Error, mend: String) -> CheckStep {
    CheckStep { name, outcome: CheckOutcome::Failed, detail: error.to_string(), mend }
}

/// The statement of a policy that grants `actions`.
fn allow(actions: &[&str], resource: &str) -> String {
    let statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
    format!("add to the identity's policy: {statement}")
}

fn queue_mend(error: &Error, action: &str, arn: &str) -> String {
    match error {
        Error::Refused { code, .. } if code.ends_with("NonExistentQueue") || code == "QueueDoesNotExist" => {
            "there is no such queue in this region and account; correct `queue_url`".into()
        }
        Error::Refused { message, .. } if message.to_lowercase().contains("kms") => {
            allow(&["kms:Decrypt"], "the ARN of the queue's key")
        }
        _ => {
            let mut actions = vec![action];
            actions.extend(["sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]);
            allow(&actions, arn)
        }
    }
}

fn object_mend(error: &Error, object: &ObjectAddress) -> String {
    match error {
        Error::Refused { status: 404, .. } => {
            "the object is gone: a life cycle rule is faster than the queue is read".into()
        }
        Error::Refused { message, .. } if message.to_lowercase().contains("kms") => format!(
            "{}; the key's own policy must allow it as well",
            allow(&["kms:Decrypt"], "the ARN of the key that encrypts the bucket")
        ),
        _ => allow(&["s3:GetObject"], &format!("arn:aws:s3:::{}/*", object.bucket)),
    }
}

/// The ARN of a queue by its URL, whose last two parts are account and name.
fn queue_arn(url: &str, region: &str) -> String {
    let mut parts = url.trim_end_matches('/').rsplit('/');
    let name = parts.next().unwrap_or_default();
    format!("arn:aws:sqs:{region}:{}:{name}", parts.next().unwrap_or_default())
}
