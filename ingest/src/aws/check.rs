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
use crate::check::Checks;
use crate::{CheckStep, Error, Result};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 4 << 20;

/// Tries everything that the collector needs, and changes nothing: a message that is received is given
/// back at once (its receive count grows by one).
pub async fn check_s3_queue(
    config: &S3QueueConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut checks = Checks::default();
    let region = region_of_queue(&config.queue_url);
    let client = config.check().and_then(|()| Client::new(&config.access, region, environment, now_us));
    let Some(client) = signed_in(&mut checks, client, &config.access).await else { return checks.done() };

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
    checks.tried(("queue", "sqs:GetQueueAttributes"), queue.attributes().await, describe, |error| {
        queue_mend(error, "sqs:GetQueueAttributes", &arn)
    });
    let received = queue.receive(Duration::ZERO, Duration::ZERO).await;
    let bodies: Vec<bytes::Bytes> = received.iter().flatten().map(|message| message.body.clone()).collect();
    checks.tried(
        ("receive", "sqs:ReceiveMessage"),
        received,
        |messages| format!("{} messages came", messages.len()),
        |error| queue_mend(error, "sqs:ReceiveMessage", &arn),
    );

    let s3 = S3::new(client);
    for bucket in &config.buckets {
        let listed = s3.list(bucket, "", "").await;
        let describe = |(keys, _): &(Vec<String>, bool)| format!("`{bucket}` lists {} keys", keys.len());
        checks.tried(("list", "s3:ListBucket"), listed, describe, |_| {
            format!(
                "only backfill and digest validation need it: {}",
                allow(&["s3:ListBucket"], &format!("arn:aws:s3:::{bucket}"))
            )
        });
        checks.last_is_spare();
    }
    let announced = bodies.iter().flat_map(|body| decode_notification(body).objects).next();
    match announced {
        Some(announced) => {
            let got = s3.probe(&announced.object, announced.region.as_deref()).await;
            let object = announced.object.clone();
            let step = ("object", "s3:GetObject");
            checks.tried(step, got, |()| object.to_string(), |error| object_mend(error, &object));
        }
        None => checks.skipped(
            ("object", "s3:GetObject"),
            "no message announces an object now",
            "write an object, or wait for the next delivery, and check again",
        ),
    }
    checks.done()
}

/// Tries everything that following digests needs, for one chain.
pub async fn check_digests(
    config: &FollowDigestsConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut checks = Checks::default();
    let Some(trail) = config.chains.first() else { return checks.done() };
    let access = AwsAccess { region: Some(trail.region.clone()), ..config.access.clone() };
    let client = Client::new(&access, None, environment, now_us);
    let Some(client) = signed_in(&mut checks, client, &access).await else { return checks.done() };
    let now_s = now_us() / 1_000_000;
    if config.public_keys.is_none() {
        let body = json!({"StartTime": now_s - 86_400, "EndTime": now_s});
        let keys = client.action(Service::CloudTrail, "ListPublicKeys", &body, TIMEOUT, MAX_BYTES).await;
        let count =
            |answer: &Value| answer.get("PublicKeyList").and_then(Value::as_array).map_or(0, Vec::len);
        checks.tried(
            ("keys", "cloudtrail:ListPublicKeys"),
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
    checks.tried(
        ("list", "s3:ListBucket"),
        listed,
        |(keys, _)| format!("{} digests since yesterday in `s3://{}/{folder}`", keys.len(), trail.bucket),
        |_| allow(&["s3:ListBucket"], &format!("arn:aws:s3:::{}", trail.bucket)),
    );
    let Some(key) = newest else {
        checks.skipped(
            ("object", "s3:GetObject"),
            "there is no digest since yesterday",
            "switch on log file validation of the trail; check its name, account, region and prefix",
        );
        return checks.done();
    };
    let object = ObjectAddress { bucket: trail.bucket.clone(), key };
    let got = s3.probe(&object, None).await;
    let step = ("object", "s3:GetObject");
    checks.tried(step, got, |()| object.to_string(), |error| object_mend(error, &object));
    checks.done()
}

/// Tries everything that `LookupEvents` needs.
pub async fn check_lookup_events(
    config: &LookupEventsConfig,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Vec<CheckStep> {
    let mut checks = Checks::default();
    let client = Client::new(&config.access, None, environment, now_us);
    let Some(client) = signed_in(&mut checks, client, &config.access).await else { return checks.done() };
    let body = json!({"MaxResults": 1});
    let answer = client.action(Service::CloudTrail, "LookupEvents", &body, TIMEOUT, MAX_BYTES).await;
    let describe = |_: &Value| format!("`{}` answers", client.region());
    let step = ("lookup", "cloudtrail:LookupEvents");
    checks.tried(step, answer, describe, |_| allow(&["cloudtrail:LookupEvents"], "*"));
    checks.done()
}

/// The client, if there are keys for it; else what is wrong.
async fn signed_in(checks: &mut Checks, client: Result<Client>, access: &AwsAccess) -> Option<Arc<Client>> {
    let client = Arc::new(checks.opened(client)?);
    let source = client.describe_keys().unwrap_or_default();
    let (grant, role) = match access.role_arn.as_deref() {
        Some(role) => ("sts:AssumeRole", Some(role)),
        None => ("", None),
    };
    let mend = |error: &Error| {
        match (error, role) {
        (Error::Refused { .. }, Some(role)) => format!(
            "{}; the role's trust policy must name this identity, and its `sts:ExternalId` must be the one that \
             is configured",
            allow(&["sts:AssumeRole"], role)
        ),
        _ => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or attach a role to the machine or pod"
            .into(),
    }
    };
    checks.tried(("credentials", grant), client.keys().await, |_| source, mend)?;
    checks.tried(("identity", ""), client.caller().await, Clone::clone, |_| {
        "the keys are not valid: make new ones, or correct the secret".into()
    });
    Some(client)
}

/// The statement of a policy that grants `actions`.
pub(crate) fn allow(actions: &[&str], resource: &str) -> String {
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
