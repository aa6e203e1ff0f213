//! Signatures and roles, checked by moto.

use std::time::Duration;

use ingest::aws::{AwsAccess, Environment, S3QueueCollector, S3QueueConfig};
use ingest::{Collector, Error};
use serde_json::json;

use super::moto::{Moto, element, python};
use super::{take_until, trail};
use crate::options;

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

    let mut collector = open(&queue, &user, role("tenant-7"));
    let records = take_until(&mut collector, |records| records.len() == 2).await;
    let origins: Vec<_> = records.keys().map(|(origin, _)| origin.as_str()).collect();
    assert_eq!(origins, ["s3://signed/a b", "s3://signed/c+d%20/é//e"]);
    while collector.counts().deleted < 2 {
        collector.poll().await.unwrap();
    }
}
