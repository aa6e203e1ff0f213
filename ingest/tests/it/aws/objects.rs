//! Prefixes of S3 as a source, against moto: pages, growth, odd keys, and whose keys are used.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use event::SourceId;
use ingest::aws::{AwsAccess, Environment};
use ingest::{Collector, Limits, Objects, ObjectsConfig, Polled};
use serde_json::json;

use super::moto::{Moto, element, python};
use super::{Records, add, gzip, trail};

fn config(addresses: &[&str], access: AwsAccess, environment: Environment) -> ObjectsConfig {
    ObjectsConfig {
        source: SourceId::new("objects"),
        log_type: None,
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        aws: Some((access, environment)),
        google: ingest::google::Environment::default(),
        every: Duration::from_millis(50),
        overlap: Duration::from_secs(3600),
        torn_after: Duration::from_secs(3600),
        existing: true,
        max_objects: 10_000,
        limits: Limits::default(),
        now_us: || chrono::Utc::now().timestamp_micros(),
    }
}

/// Takes until there are so many records; the positions.
async fn take(
    config: &ObjectsConfig,
    positions: &BTreeMap<String, String>,
    records: &mut Records,
    count: usize,
) -> BTreeMap<String, String> {
    let mut positions = positions.clone();
    let mut collector = Objects::open(config.clone(), &positions).unwrap();
    let started = std::time::Instant::now();
    while records.len() < count {
        assert!(started.elapsed() < Duration::from_secs(60), "{} of {count}: {records:?}", records.len());
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => {
                if let Some(batch) = &collected.batch {
                    add(records, batch);
                }
                for change in collected.position {
                    match change.value {
                        Some(value) => positions.insert(change.key, value),
                        None => positions.remove(&change.key),
                    };
                }
            }
            Ok(_) => {}
            Err(error) => panic!("{error} ({:?})", std::error::Error::source(&error)),
        }
    }
    positions
}

fn origins(records: &Records) -> BTreeSet<&str> {
    records.keys().map(|(origin, _)| origin.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_followed() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    moto.bucket("followed").await;
    let server = &moto;
    // More than a page of S3 has; most are empty, which takes less time.
    for part in (0..1_050).collect::<Vec<_>>().chunks(50) {
        let puts = part.iter().map(|n| async move {
            let body = if n % 150 == 7 { "{\"eventID\":\"x\"}\n" } else { "" };
            server.put("followed", &format!("in/{n:04}.json"), body).await;
        });
        futures::future::join_all(puts).await;
    }
    for key in ["in/AWSLogs/a%2520b.json", "in/x%20y%2Bz.json", "in/caf%C3%A9.json"] {
        moto.put("followed", key, trail("odd", 1)).await;
    }
    moto.put("followed", "in/trail.json.gz", gzip(&trail("gz", 3))).await;
    moto.put("followed", "out/other.json", "{\"eventID\":\"not asked for\"}\n").await;

    let config = config(&["s3://followed/in/"], AwsAccess::default(), moto.environment());
    let (mut records, none) = (Records::new(), BTreeMap::new());
    let positions = take(&config, &none, &mut records, 13).await;
    let read = origins(&records);
    assert_eq!(read.len(), 11);
    for odd in ["AWSLogs/a%20b.json", "x y+z.json", "café.json"] {
        assert!(read.contains(format!("s3://followed/in/{odd}").as_str()), "{odd}");
    }

    // It grows, another is replaced, a third is new; the rest is not read again.
    moto.put("followed", "in/0007.json", "{\"eventID\":\"x\"}\n{\"eventID\":\"grown\"}\n").await;
    moto.put("followed", "in/0157.json", "{\"eventID\":\"replaced\"}\n").await;
    moto.put("followed", "in/new.json", "{\"eventID\":\"new\"}\n").await;
    let mut more = Records::new();
    take(&config, &positions, &mut more, 3).await;
    let told: BTreeSet<_> = more.values().map(String::as_str).collect();
    let expected = ["grown", "new", "replaced"].map(|id| format!("{{\"eventID\":\"{id}\"}}"));
    assert_eq!(told, expected.iter().map(String::as_str).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_with_empty_parts_are_read() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    moto.bucket("empty-part").await;
    let keys = ["in/a.json", "in//b.json", "in/c//d.json", "in/z.json"];
    for key in keys {
        moto.put("empty-part", key, format!("{{\"eventID\":\"{key}\"}}\n")).await;
    }
    let config = config(&["s3://empty-part/in/"], AwsAccess::default(), moto.environment());
    let mut records = Records::new();
    take(&config, &BTreeMap::new(), &mut records, keys.len()).await;
    let addresses = keys.map(|key| format!("s3://empty-part/{key}"));
    assert_eq!(origins(&records), addresses.iter().map(String::as_str).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_from_a_profile_and_a_role() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    moto.bucket("profile").await;
    moto.put("profile", "in/a.json", "{\"eventID\":\"a\"}\n").await;
    let version = ("Version", "2010-05-08");
    moto.query("iam", &[("Action", "CreateUser"), version, ("UserName", "reader")]).await;
    let made = moto.query("iam", &[("Action", "CreateAccessKey"), version, ("UserName", "reader")]).await;
    let (id, secret) = (element(&made, "AccessKeyId"), element(&made, "SecretAccessKey"));
    let statement = |action: &str, resource: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
            .to_string()
    };
    let may_assume = statement("sts:AssumeRole", "*");
    let put = [
        ("Action", "PutUserPolicy"),
        version,
        ("UserName", "reader"),
        ("PolicyName", "p"),
        ("PolicyDocument", may_assume.as_str()),
    ];
    moto.query("iam", &put).await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/reader"}, "Action": "sts:AssumeRole",
    }]});
    let trust = trust.to_string();
    let role = [
        ("Action", "CreateRole"),
        version,
        ("RoleName", "objects"),
        ("AssumeRolePolicyDocument", trust.as_str()),
    ];
    moto.query("iam", &role).await;
    let may_read = statement("s3:*", "*");
    let put = [
        ("Action", "PutRolePolicy"),
        version,
        ("RoleName", "objects"),
        ("PolicyName", "p"),
        ("PolicyDocument", may_read.as_str()),
    ];
    moto.query("iam", &put).await;
    moto.check_signatures().await;

    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("credentials");
    let text = format!("[reader]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    std::fs::write(&file, text).unwrap();
    let environment = Environment::default()
        .with("AWS_ENDPOINT_URL", &moto.url)
        .with("AWS_REGION", "us-east-1")
        .with("AWS_SHARED_CREDENTIALS_FILE", &file.display().to_string())
        .with("AWS_CONFIG_FILE", "/nonexistent");
    let profile = AwsAccess { profile: Some("reader".into()), ..AwsAccess::default() };
    let role =
        AwsAccess { role_arn: Some("arn:aws:iam::123456789012:role/objects".into()), ..profile.clone() };
    let with = |access: AwsAccess| config(&["s3://profile/in/"], access, environment.clone());
    let mut records = Records::new();
    take(&with(role), &BTreeMap::new(), &mut records, 1).await;
    assert_eq!(origins(&records), ["s3://profile/in/a.json"].into());
    // The user itself may not read, and is told so.
    let mut refused = Objects::open(with(profile), &BTreeMap::new()).unwrap();
    let error = refused.poll().await.unwrap_err();
    let said = format!("{error} {:?}", std::error::Error::source(&error));
    assert!(said.contains("AccessDenied") && !said.contains(&secret), "{said}");
}
