//! Signatures and roles, checked by moto.

use std::time::Duration;

use ingest::aws::{AwsAccess, Environment, S3QueueCollector, S3QueueConfig, check_s3_queue};
use ingest::{CheckOutcome, CheckStep};
use ingest::{Collector, Error};
use serde_json::json;

use super::moto::{Moto, element, python};
use super::{take_until, trail};
use crate::options;
use cloudfake::{Fault, Proxy, Seen, answer};

fn open(queue: &str, environment: &Environment, access: AwsAccess) -> S3QueueCollector {
    let config = S3QueueConfig {
        queue_url: queue.to_owned(),
        access,
        wait: Duration::from_secs(1),
        ..S3QueueConfig::default()
    };
    S3QueueCollector::open(config, environment, options(1)).unwrap()
}

async fn iam(moto: &Moto, form: &[(&str, &str)]) -> String {
    let form: Vec<_> = form.iter().copied().chain([("Version", "2010-05-08")]).collect();
    moto.query("iam", &form).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_signed_and_roles_assumed() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    let queue = moto.queue("signed").await;
    moto.bucket("signed").await;
    for key in ["a%20b", "c%2Bd%2520/é//e"] {
        moto.put("signed", key, trail("s", 1)).await;
    }
    moto.announce(&queue, "signed", "a+b", "").await;
    moto.announce(&queue, "signed", "c%2Bd%2520/%C3%A9//e", "").await;

    let may = |actions: &[&str]| {
        let statement = json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}]);
        json!({"Version": "2012-10-17", "Statement": statement}).to_string()
    };
    iam(&moto, &[("Action", "CreateUser"), ("UserName", "collector")]).await;
    let keys = iam(&moto, &[("Action", "CreateAccessKey"), ("UserName", "collector")]).await;
    let assume = may(&["sts:AssumeRole"]);
    let policy = [
        ("Action", "PutUserPolicy"),
        ("UserName", "collector"),
        ("PolicyName", "p"),
        ("PolicyDocument", &assume),
    ];
    iam(&moto, &policy).await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::123456789012:user/collector"},
        "Condition": {"StringEquals": {"sts:ExternalId": "tenant-7"}},
    }]})
    .to_string();
    iam(&moto, &[("Action", "CreateRole"), ("RoleName", "reader"), ("AssumeRolePolicyDocument", &trust)])
        .await;
    let read = may(&["sqs:*", "s3:GetObject"]);
    iam(
        &moto,
        &[
            ("Action", "PutRolePolicy"),
            ("RoleName", "reader"),
            ("PolicyName", "p"),
            ("PolicyDocument", &read),
        ],
    )
    .await;
    moto.check_signatures().await;

    let (id, secret) = (element(&keys, "AccessKeyId"), element(&keys, "SecretAccessKey"));
    let user = moto.environment().with("AWS_ACCESS_KEY_ID", &id).with("AWS_SECRET_ACCESS_KEY", &secret);
    let role = |external_id: &str| AwsAccess {
        role_arn: Some("arn:aws:iam::123456789012:role/reader".into()),
        external_id: Some(external_id.into()),
        ..AwsAccess::default()
    };
    let code = |error: Error| match error {
        Error::Refused { code, .. } => code,
        other => panic!("{other}"),
    };

    let wrong = user.clone().with("AWS_SECRET_ACCESS_KEY", "not-the-secret");
    let error = open(&queue, &wrong, AwsAccess::default()).poll().await.unwrap_err();
    assert!(!format!("{error:?}").contains("not-the-secret"));
    assert_eq!(code(error), "SignatureDoesNotMatch");
    let unknown = user.clone().with("AWS_ACCESS_KEY_ID", "AKIDUNKNOWN");
    let error = open(&queue, &unknown, AwsAccess::default()).poll().await.unwrap_err();
    assert!(["InvalidClientTokenId", "InvalidAccessKeyId"].contains(&code(error).as_str()));
    // The user may only assume the role, and that with the external id.
    let error = open(&queue, &user, AwsAccess::default()).poll().await.unwrap_err();
    assert!(code(error).starts_with("AccessDenied"));
    let error = open(&queue, &user, role("tenant-8")).poll().await.unwrap_err();
    assert_eq!(code(error), "AccessDenied");

    let check = async |access: AwsAccess, environment: &Environment| {
        let buckets = vec!["signed".to_owned()];
        let config = S3QueueConfig { queue_url: queue.clone(), access, buckets, ..S3QueueConfig::default() };
        check_s3_queue(&config, environment, options(1).now_us).await
    };
    let outcomes = |steps: &[CheckStep]| -> Vec<_> {
        steps.iter().map(|step| (step.name.clone(), step.outcome)).collect()
    };
    let named = |wanted: &[(&str, CheckOutcome)]| -> Vec<_> {
        wanted.iter().map(|(name, outcome)| ((*name).to_owned(), *outcome)).collect()
    };
    let (good, bad) = (CheckOutcome::Good, CheckOutcome::Failed);
    let steps = check(role("tenant-8"), &user).await;
    assert_eq!(outcomes(&steps), named(&[("credentials", bad)]), "{steps:?}");
    assert!(steps[0].mend.contains("sts:AssumeRole") && steps[0].mend.contains("ExternalId"), "{steps:?}");
    let steps = check(AwsAccess::default(), &user).await;
    let skipped = CheckOutcome::Skipped;
    assert_eq!(
        outcomes(&steps),
        named(&[
            ("credentials", good),
            ("identity", good),
            ("queue", bad),
            ("receive", bad),
            ("list", CheckOutcome::Spare),
            ("object", skipped)
        ]),
        "{steps:?}"
    );
    assert_eq!(
        steps[3].mend,
        "add to the identity's policy: {\"Action\":[\"sqs:ReceiveMessage\",\"sqs:DeleteMessage\",\
         \"sqs:ChangeMessageVisibility\"],\"Effect\":\"Allow\",\"Resource\":\
         \"arn:aws:sqs:us-east-1:123456789012:signed\"}"
    );
    let steps = check(AwsAccess::default(), &wrong).await;
    assert_eq!(outcomes(&steps)[1], ("identity".to_owned(), bad));
    // The role may do all but list.
    let steps = check(role("tenant-7"), &user).await;
    let states: Vec<_> = steps.iter().map(|step| step.outcome).collect();
    assert_eq!(states, [good, good, good, good, CheckOutcome::Spare, good], "{steps:?}");
    assert!(steps[1].detail.contains("assumed-role/reader/stormglass"), "{steps:?}");
    assert!(steps[4].mend.contains("s3:ListBucket"), "{steps:?}");
    assert!(!format!("{steps:?}").contains(&secret));

    let mut collector = open(&queue, &user, role("tenant-7"));
    let records = take_until(&mut collector, |records| records.len() == 2).await;
    let origins: Vec<_> = records.keys().map(|(origin, _)| origin.as_str()).collect();
    assert_eq!(origins, ["s3://signed/a b", "s3://signed/c+d%20/é//e"]);
    while collector.counts().deleted < 2 {
        collector.poll().await.unwrap();
    }
}

/// What the services say that hand out keys, and SQS, which has nothing.
fn keys_of_services(seen: &Seen) -> Fault {
    let head = seen.head.to_lowercase();
    let json = |key: &str| {
        json!({"AccessKeyId": key, "SecretAccessKey": "not-a-secret", "Token": "session",
               "Expiration": "2099-01-01T00:00:00Z"})
        .to_string()
    };
    let (status, body) = match head.split(' ').nth(1).unwrap() {
        "/latest/api/token" if head.contains("x-aws-ec2-metadata-token-ttl-seconds: 21600") => {
            ("200 OK", "metadata-token".into())
        }
        "/latest/meta-data/iam/security-credentials/" if head.contains("token: metadata-token") => {
            ("200 OK", "reader\n".into())
        }
        "/latest/meta-data/iam/security-credentials/reader" if head.contains("token: metadata-token") => {
            ("200 OK", json("ASIAINSTANCE"))
        }
        "/container" if head.contains("authorization: agent-token") => ("200 OK", json("ASIACONTAINER")),
        "/" if seen.body.contains("Action=AssumeRoleWithWebIdentity") => {
            assert!(!head.contains("authorization"), "{head}");
            assert!(seen.body.contains("WebIdentityToken=pod-token"), "{}", seen.body);
            let keys = "<AccessKeyId>ASIAPOD</AccessKeyId><SecretAccessKey>x</SecretAccessKey>\
                 <SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>";
            ("200 OK", keys.into())
        }
        "/" if head.contains("amazonsqs.receivemessage") => ("200 OK", "{}".into()),
        _ => ("404 Not Found", String::new()),
    };
    answer(status, "", &body)
}

#[tokio::test]
async fn keys_come_from_machines_containers_and_pods() {
    let stub = Proxy::start("http://127.0.0.1:1", keys_of_services).await;
    let folder = tempfile::tempdir().unwrap();
    let token = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let none = Environment::default()
        .with("AWS_ENDPOINT_URL", &stub.url)
        .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &stub.url);
    let container = none
        .clone()
        .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", stub.url))
        .with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token("agent", "agent-token\n"));
    let pod = container
        .clone()
        .with("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod")
        .with("AWS_WEB_IDENTITY_TOKEN_FILE", &token("pod", "pod-token\n"));
    let queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/logs";
    for (environment, key) in [(none, "ASIAINSTANCE"), (container, "ASIACONTAINER"), (pod, "ASIAPOD")] {
        let mut collector = open(queue, &environment, AwsAccess::default());
        collector.poll().await.unwrap();
        collector.poll().await.unwrap();
        let seen = stub.seen.lock();
        let signed = seen.iter().filter(|seen| seen.head.contains(&format!("Credential={key}/")));
        let signed: Vec<_> =
            signed.filter(|seen| seen.head.contains("x-amz-security-token: session")).collect();
        // The keys are asked for once, and used until they end.
        assert!(signed.len() >= 2, "{key}: {seen:?}");
    }
    assert_eq!(stub.count("PUT /latest/api/token"), 1);
    assert_eq!(stub.count("GET /container"), 1);
    // Nothing nearby hands keys to a host elsewhere.
    let elsewhere = Environment::default()
        .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/keys")
        .with("AWS_ENDPOINT_URL", &stub.url);
    let error = open(queue, &elsewhere, AwsAccess::default()).poll().await.unwrap_err();
    assert!(error.to_string().contains("neither https nor this machine"), "{error}");
}
