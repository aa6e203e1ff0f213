//! Can this source work? Step by step, and for each failure the permission that is missing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::endpoint::{Service, region_of_queue};
use super::notification::decode_notification;
use super::s3::S3;
use super::sqs::Sqs;
use super::{AwsAccess, Environment, FollowDigestsConfig, LookupEventsConfig, ObjectAddress, S3QueueConfig};
use crate::{CheckOutcome, CheckStep, Error, Result};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 4 << 20;

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
    let Some(client) = signed_in(&mut steps, client, &config.access).await else { return steps };

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
        let can_list = step(&mut steps, "list", listed, describe, |_| {
            format!(
                "only backfill and digest validation need it: {}",
                allow(&["s3:ListBucket"], &format!("arn:aws:s3:::{bucket}"))
            )
        });
        if let (false, Some(step)) = (can_list, steps.last_mut()) {
            step.outcome = CheckOutcome::Spare;
        }
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

/// Tries everything that following digests needs, for one chain.
pub async fn check_digests(
    config: &FollowDigestsConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut steps = Vec::new();
    let Some(trail) = config.chains.first() else { return steps };
    let access = AwsAccess { region: Some(trail.region.clone()), ..config.access.clone() };
    let client = Client::new(&access, None, environment, now_us);
    let Some(client) = signed_in(&mut steps, client, &access).await else { return steps };
    let now_s = now_us() / 1_000_000;
    if config.public_keys.is_none() {
        let body = json!({"StartTime": now_s - 86_400, "EndTime": now_s});
        let keys = client.action(Service::CloudTrail, "ListPublicKeys", &body, TIMEOUT, MAX_BYTES).await;
        let count =
            |answer: &Value| answer.get("PublicKeyList").and_then(Value::as_array).map_or(0, Vec::len);
        step(
            &mut steps,
            "keys",
            keys,
            |answer| format!("{} public keys of `{}`", count(answer), trail.region),
            |_| allow(&["cloudtrail:ListPublicKeys"], "*"),
        );
    }
    let s3 = S3::new(client);
    let folder = trail.folder();
    // What is a day old is enough to see that the names are right.
    let listed = s3.list(&trail.bucket, &folder, &trail.digest_key(now_s - 86_400)).await;
    let newest = listed.as_ref().ok().and_then(|(keys, _)| keys.last().cloned());
    step(
        &mut steps,
        "list",
        listed,
        |(keys, _)| format!("{} digests since yesterday in `s3://{}/{folder}`", keys.len(), trail.bucket),
        |_| allow(&["s3:ListBucket"], &format!("arn:aws:s3:::{}", trail.bucket)),
    );
    let Some(key) = newest else {
        steps.push(CheckStep {
            name: "object",
            outcome: CheckOutcome::Skipped,
            detail: "there is no digest since yesterday".into(),
            mend: "switch on log file validation of the trail; check its name, account, region and prefix"
                .into(),
        });
        return steps;
    };
    let object = ObjectAddress { bucket: trail.bucket.clone(), key };
    let got = s3.probe(&object, None).await;
    step(&mut steps, "object", got, |()| object.to_string(), |error| object_mend(error, &object));
    steps
}

/// Tries everything that `LookupEvents` needs.
pub async fn check_lookup_events(
    config: &LookupEventsConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut steps = Vec::new();
    let client = Client::new(&config.access, None, environment, now_us);
    let Some(client) = signed_in(&mut steps, client, &config.access).await else { return steps };
    let body = json!({"MaxResults": 1});
    let answer = client.action(Service::CloudTrail, "LookupEvents", &body, TIMEOUT, MAX_BYTES).await;
    let describe = |_: &Value| format!("`{}` answers", client.region());
    step(&mut steps, "lookup", answer, describe, |_| allow(&["cloudtrail:LookupEvents"], "*"));
    steps
}

/// The client, if there are keys for it; else what is wrong.
async fn signed_in(
    steps: &mut Vec<CheckStep>,
    client: Result<Client>,
    access: &AwsAccess,
) -> Option<Arc<Client>> {
    let client = match client {
        Ok(client) => Arc::new(client),
        Err(error) => {
            steps.push(failed("settings", &error, "correct the setting".into()));
            return None;
        }
    };
    let source = client.describe_keys().unwrap_or_default();
    if !step(
        steps,
        "credentials",
        client.keys().await,
        |_| source.clone(),
        |error| {
            let role = access.role_arn.as_deref();
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
        return None;
    }
    step(steps, "identity", client.caller().await, Clone::clone, |_| {
        "the keys are not valid: make new ones, or correct the secret".into()
    });

    Some(client)
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
