//! Chains of digests: our verdict against a model, and against AWS's own tool.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ingest::aws::{
    ChainWalk, DigestReport, DigestState, PublicKeys, StoredDigest, Trail, TrailDigests, TrailDigestsConfig,
    verify_chain,
};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::moto::{Moto, python};
use super::{gzip, signing_keys, trail};
use cloudfake::aws::{CloudTrail, PublicKey};

/// 2026-11-01T00:00:00Z.
pub(super) const START: i64 = 1_793_491_200;
pub(super) const HOUR: i64 = 3_600;

/// What was done to a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    None,
    Deleted,
    /// Its content is that of another place.
    Moved,
    SignatureChanged,
    SignedByAnother,
    UnknownKey,
    ContentChanged,
    NoJson,
    /// It does not name the one before it.
    Gap,
}

/// What was done to a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogHarm {
    None,
    Modified,
    Deleted,
    Trailing,
}

pub(super) struct Signer {
    trail: RsaKeyPair,
    foreign: RsaKeyPair,
}

impl Signer {
    pub(super) fn new() -> Self {
        let key = |text| RsaKeyPair::from_pkcs8(&STANDARD.decode(text).unwrap()).unwrap();
        Self { trail: key(signing_keys::TRAIL), foreign: key(signing_keys::FOREIGN) }
    }

    pub(super) fn public(&self) -> Vec<u8> {
        self.trail.public().as_ref().to_vec()
    }

    fn keys(&self) -> PublicKeys {
        let mut keys = PublicKeys::new();
        keys.add("known", self.public());
        keys
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(text: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, text).as_ref())
}

pub(super) fn time(unix_s: i64) -> String {
    chrono::DateTime::from_timestamp(unix_s, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn a_trail(bucket: &str) -> Trail {
    Trail {
        bucket: bucket.into(),
        account: "111122223333".into(),
        region: "us-east-1".into(),
        name: "main".into(),
        home_region: "us-east-1".into(),
        ..Trail::default()
    }
}

/// What lies in a bucket.
pub(super) struct Bucket {
    pub(super) trail: Trail,
    pub(super) digests: BTreeMap<String, StoredDigest>,
    pub(super) logs: BTreeMap<String, Vec<u8>>,
}

pub(super) fn log_key(hour: usize, n: usize) -> String {
    format!("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/log-{hour}-{n}.json.gz")
}

/// A chain of one digest an hour, harmed as `hours` says.
pub(super) fn build(bucket: &str, hours: &[(Harm, Vec<LogHarm>)], signer: &Signer) -> Bucket {
    let trail_of = a_trail(bucket);
    let (mut digests, mut logs) = (BTreeMap::new(), BTreeMap::new());
    let mut previous: Option<(String, String, String)> = None;
    for (hour, (harm, log_harms)) in hours.iter().enumerate() {
        let (start, end) = (START + hour as i64 * HOUR, START + (hour as i64 + 1) * HOUR);
        let mut named = Vec::new();
        for (n, log_harm) in log_harms.iter().enumerate() {
            let key = log_key(hour, n);
            let text = trail(&key, 2);
            named.push(json!({
                "s3Bucket": bucket, "s3Object": key, "hashValue": sha256(text.as_bytes()),
                "hashAlgorithm": "SHA-256", "newestEventTime": time(start), "oldestEventTime": time(start),
            }));
            match log_harm {
                LogHarm::None => drop(logs.insert(key, gzip(&text))),
                LogHarm::Modified => drop(logs.insert(key, gzip(&text.replace("eventID", "eventId")))),
                LogHarm::Trailing => drop(logs.insert(key, [gzip(&text), b"x".to_vec()].concat())),
                LogHarm::Deleted => {}
            }
        }
        let key = trail_of.digest_key(end);
        let before = previous.filter(|_| *harm != Harm::Gap);
        let written_to = if *harm == Harm::Moved { trail_of.digest_key(end + 60) } else { key.clone() };
        let content = json!({
            "awsAccountId": "111122223333",
            "digestStartTime": time(start),
            "digestEndTime": time(end),
            "digestS3Bucket": bucket,
            "digestS3Object": written_to,
            "digestPublicKeyFingerprint": if *harm == Harm::UnknownKey { "unknown" } else { "known" },
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": Value::Null,
            "oldestEventTime": Value::Null,
            "previousDigestS3Bucket": before.as_ref().map(|_| bucket),
            "previousDigestS3Object": before.as_ref().map(|(key, _, _)| key),
            "previousDigestHashValue": before.as_ref().map(|(_, hash, _)| hash),
            "previousDigestHashAlgorithm": before.as_ref().map(|_| "SHA-256"),
            "previousDigestSignature": before.as_ref().map(|(_, _, signature)| signature),
            "logFiles": named,
        });
        let mut text = content.to_string();
        let previous_signature = before.as_ref().map_or("null", |(_, _, signature)| signature);
        let hash = sha256(text.as_bytes());
        let signed = format!("{}\n{bucket}/{written_to}\n{hash}\n{previous_signature}", time(end));
        let pair = if *harm == Harm::SignedByAnother { &signer.foreign } else { &signer.trail };
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        previous = Some((key.clone(), hash, hex(&signature)));
        match harm {
            Harm::SignatureChanged => signature[7] ^= 1,
            Harm::ContentChanged => text = text.replace("SHA-256", "SHA-255").replace("null", "0"),
            Harm::NoJson => text = text.replace('{', "["),
            _ => {}
        }
        if *harm != Harm::Deleted {
            let stored = StoredDigest {
                bytes: gzip(&text),
                signature: Some(hex(&signature)),
                algorithm: Some("SHA256withRSA".into()),
            };
            digests.insert(key, stored);
        }
    }
    Bucket { trail: trail_of, digests, logs }
}

/// A digest that names log files which the regular one of `hour` forgot: it is delivered later, under the same
/// name with `_backfill`, and stands alone.
pub(super) fn add_backfill(bucket: &mut Bucket, hour: usize, logs: &[(usize, LogHarm)], signer: &Signer) {
    let end = START + (hour as i64 + 1) * HOUR;
    let key = bucket.trail.digest_key(end).replace(".json.gz", "_backfill.json.gz");
    let name = bucket.trail.bucket.clone();
    let mut named = Vec::new();
    for (n, harm) in logs {
        let log = log_key(hour, *n);
        let text = trail(&log, 2);
        named.push(json!({
            "s3Bucket": name, "s3Object": log, "hashValue": sha256(text.as_bytes()),
            "hashAlgorithm": "SHA-256", "newestEventTime": time(end - 60), "oldestEventTime": time(end - 60),
        }));
        match harm {
            LogHarm::Deleted => {}
            LogHarm::Modified => {
                bucket.logs.insert(log, gzip(&text.replace("eventID", "eventId")));
            }
            LogHarm::None | LogHarm::Trailing => {
                bucket.logs.insert(log, gzip(&text));
            }
        }
    }
    let text = json!({
        "awsAccountId": "111122223333", "digestStartTime": time(end - HOUR), "digestEndTime": time(end),
        "digestS3Bucket": name, "digestS3Object": key, "digestPublicKeyFingerprint": "known",
        "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": Value::Null,
        "oldestEventTime": Value::Null, "previousDigestS3Bucket": Value::Null,
        "previousDigestS3Object": Value::Null, "previousDigestHashValue": Value::Null,
        "previousDigestHashAlgorithm": Value::Null, "previousDigestSignature": Value::Null,
        "logFiles": named,
    })
    .to_string();
    let signed = format!("{}\n{name}/{key}\n{}\nnull", time(end), sha256(text.as_bytes()));
    let mut signature = vec![0; signer.trail.public().modulus_len()];
    signer.trail.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    let stored = StoredDigest {
        bytes: gzip(&text),
        signature: Some(hex(&signature)),
        algorithm: Some("SHA256withRSA".into()),
    };
    bucket.digests.insert(key, stored);
}

fn verify(bucket: &Bucket, hours: usize, signer: &Signer) -> DigestReport {
    let keys = bucket.digests.keys().cloned();
    let walk = ChainWalk::new(&bucket.trail.bucket, keys, signer.keys(), START, START + hours as i64 * HOUR);
    verify_chain(
        walk,
        |object| bucket.digests.get(&object.key).cloned(),
        |object| bucket.logs.get(&object.key).cloned(),
    )
}

/// States by object.
fn states(report: &DigestReport) -> Vec<(String, DigestState)> {
    let of_objects = report.findings.iter().filter(|found| found.state != DigestState::ChainGap);
    let mut states: Vec<_> =
        of_objects.filter_map(|found| Some((found.object.as_ref()?.key.clone(), found.state))).collect();
    states.sort_unstable();
    states
}

/// What must be found, told from what was done alone.
fn expected(hours: &[(Harm, Vec<LogHarm>)], trail: &Trail) -> (Vec<(String, DigestState)>, usize, i64) {
    let (mut states, mut gaps, mut uncovered) = (Vec::new(), 0, 0);
    for (hour, (harm, logs)) in hours.iter().enumerate() {
        let key = trail.digest_key(START + (hour as i64 + 1) * HOUR);
        let state = match harm {
            Harm::None | Harm::Gap => Some(DigestState::Valid),
            // Only a good digest that comes after it tells that it was there.
            Harm::Deleted => {
                let told = hours.get(hour + 1).is_some_and(|(next, _)| *next == Harm::None);
                told.then_some(DigestState::DigestMissing)
            }
            Harm::Moved => Some(DigestState::DigestMoved),
            Harm::SignatureChanged | Harm::SignedByAnother | Harm::ContentChanged => {
                Some(DigestState::SignatureBad)
            }
            Harm::UnknownKey => Some(DigestState::KeyUnknown),
            Harm::NoJson => Some(DigestState::DigestUnreadable),
        };
        states.extend(state.map(|state| (key, state)));
        if state != Some(DigestState::Valid) {
            uncovered += HOUR;
            continue;
        }
        let has_older = hours[..hour].iter().any(|(older, _)| *older != Harm::Deleted);
        gaps += usize::from(*harm == Harm::Gap && has_older);
        for (n, log) in logs.iter().enumerate() {
            let state = match log {
                LogHarm::None => DigestState::Valid,
                LogHarm::Modified | LogHarm::Trailing => DigestState::LogModified,
                LogHarm::Deleted => DigestState::LogMissing,
            };
            states.push((log_key(hour, n), state));
        }
    }
    states.sort_unstable();
    (states, gaps, uncovered)
}

fn any_hour() -> impl Strategy<Value = (Harm, Vec<LogHarm>)> {
    let harm = prop_oneof![
        6 => Just(Harm::None), 1 => Just(Harm::Deleted), 1 => Just(Harm::Moved),
        1 => Just(Harm::SignatureChanged), 1 => Just(Harm::SignedByAnother), 1 => Just(Harm::UnknownKey),
        1 => Just(Harm::ContentChanged), 1 => Just(Harm::NoJson), 1 => Just(Harm::Gap),
    ];
    let log = prop_oneof![
        5 => Just(LogHarm::None), 1 => Just(LogHarm::Modified), 1 => Just(LogHarm::Deleted),
        1 => Just(LogHarm::Trailing),
    ];
    (harm, prop::collection::vec(log, 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_harm_is_found(hours in prop::collection::vec(any_hour(), 1..8)) {
        let signer = Signer::new();
        let bucket = build("digests", &hours, &signer);
        let report = verify(&bucket, hours.len(), &signer);
        let (expected, gaps, uncovered) = expected(&hours, &bucket.trail);
        prop_assert_eq!(states(&report), expected);
        let of = |state| report.findings.iter().filter(move |found| found.state == state);
        prop_assert_eq!(of(DigestState::ChainGap).count(), gaps);
        let holes: i64 = of(DigestState::NotCovered).filter_map(|found| found.span).map(|(a, b)| b - a).sum();
        prop_assert_eq!(holes, uncovered);
        // Completeness: all that valid digests name and that is there.
        let there = report.logs.iter().filter(|log| bucket.logs.contains_key(&log.object.key)).count();
        prop_assert_eq!(report.not_ingested(|_| false).len(), there);
        prop_assert!(report.not_ingested(|_| true).is_empty());
    }
}

#[test]
fn a_good_chain_is_valid_and_ends() {
    let signer = Signer::new();
    let hours = vec![(Harm::None, vec![LogHarm::None; 2]); 3];
    let bucket = build("digests", &hours, &signer);
    assert!(verify(&bucket, 3, &signer).is_valid());
    // The hour that has no digest yet is told, and is no fault.
    let report = verify(&bucket, 4, &signer);
    assert!(report.is_valid());
    assert_eq!(report.findings.last().unwrap().span, Some((START + 3 * HOUR, START + 4 * HOUR)));
    let nothing = verify_chain(ChainWalk::new("b", Vec::new(), PublicKeys::new(), 0, 10), |_| None, |_| None);
    assert_eq!(nothing.findings.len(), 1);
}

/// The states that AWS's tool gives, from what it prints.
fn states_of_cli(printed: &str, bucket: &str) -> (Vec<(String, DigestState)>, usize) {
    let (mut states, mut gaps) = (Vec::new(), 0);
    for line in printed.lines() {
        if line.starts_with("No log files were delivered by CloudTrail between") {
            gaps += 1;
        }
        let mut parts = line.split('\t');
        let (Some(what), Some(address), Some(verdict)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let key = address.strip_prefix(&format!("s3://{bucket}/")).unwrap().to_owned();
        let state = match (what, verdict) {
            (_, "valid") => DigestState::Valid,
            ("Log file", "INVALID: not found") => DigestState::LogMissing,
            ("Log file", _) => DigestState::LogModified,
            (_, "INVALID: not found") => DigestState::DigestMissing,
            (_, verdict) if verdict.contains("has been moved") => DigestState::DigestMoved,
            (_, verdict) if verdict.contains("public key not found") => DigestState::KeyUnknown,
            (_, verdict) if verdict.contains("signature verification failed") => DigestState::SignatureBad,
            (_, verdict) if verdict.contains("invalid format") => DigestState::DigestUnreadable,
            other => panic!("unknown verdict {other:?}"),
        };
        states.push((key, state));
    }
    states.sort_unstable();
    (states, gaps)
}

/// CloudTrail with the signer's key, a page for each of it and another.
pub(super) async fn key_server(signer: &Signer) -> CloudTrail {
    let key = |value: &[u8], fingerprint: &str| PublicKey {
        value: STANDARD.encode(value),
        fingerprint: fingerprint.into(),
        valid_from: START - 1000,
        valid_until: START + 100 * HOUR,
    };
    let keys = vec![key(signer.foreign.public().as_ref(), "other"), key(&signer.public(), "known")];
    let cloudtrail = CloudTrail::start(keys).await;
    cloudtrail.state.lock().page = 1;
    cloudtrail
}

/// Puts digests and log files where they belong.
pub(super) async fn put(moto: &Moto, bucket: &Bucket) {
    let name = &bucket.trail.bucket;
    for (key, digest) in &bucket.digests {
        let metadata = [
            ("x-amz-meta-signature", digest.signature.as_deref().unwrap()),
            ("x-amz-meta-signature-algorithm", digest.algorithm.as_deref().unwrap()),
        ];
        moto.put_with(name, key, digest.bytes.clone(), &metadata).await;
    }
    for (key, log) in &bucket.logs {
        moto.put(name, key, log.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_verdict_is_that_of_awss_own_tool() {
    let Some(python) = python("moto.server, awscli") else { return };
    let moto = Moto::start(&python);
    let signer = Signer::new();
    let cloudtrail = key_server(&signer).await;
    // AWS's tool reads the first page alone.
    cloudtrail.state.lock().page = 0;
    let environment = moto.environment().with("AWS_ENDPOINT_URL_CLOUDTRAIL", &cloudtrail.fake.url);
    let good = || (Harm::None, vec![LogHarm::None; 2]);
    let with = |harm| vec![good(), good(), (harm, vec![LogHarm::None]), good()];
    let logs =
        vec![good(), (Harm::None, vec![LogHarm::Modified, LogHarm::Deleted, LogHarm::Trailing]), good()];
    let many = vec![
        good(),
        (Harm::Deleted, Vec::new()),
        (Harm::SignatureChanged, vec![LogHarm::None]),
        (Harm::Gap, vec![LogHarm::Modified]),
        (Harm::Moved, Vec::new()),
        (Harm::UnknownKey, Vec::new()),
        good(),
    ];
    let chains = [
        vec![good(), good(), good()],
        logs,
        with(Harm::Deleted),
        with(Harm::SignedByAnother),
        with(Harm::NoJson),
        with(Harm::Gap),
        many,
    ];
    for (n, hours) in chains.iter().enumerate() {
        let name = format!("digests-{n}");
        let bucket = build(&name, hours, &signer);
        moto.bucket(&name).await;
        put(&moto, &bucket).await;
        let end = START + hours.len() as i64 * HOUR;
        let output = Command::new(&python)
            .args([
                "-m",
                "awscli",
                "cloudtrail",
                "validate-logs",
                "--verbose",
                "--region",
                "us-east-1",
                "--trail-arn",
                "arn:aws:cloudtrail:us-east-1:111122223333:trail/main",
                "--start-time",
                &time(START),
                "--end-time",
                &time(end),
                "--s3-bucket",
                &name,
            ])
            .env("AWS_ENDPOINT_URL", &moto.url)
            .env("AWS_ENDPOINT_URL_CLOUDTRAIL", &cloudtrail.fake.url)
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .output()
            .unwrap();
        let printed =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let cli = states_of_cli(&printed, &name);

        let config = TrailDigestsConfig { trail: bucket.trail.clone(), ..TrailDigestsConfig::default() };
        let digests = TrailDigests::open(config, &environment, || START * 1_000_000).unwrap();
        let report = digests.verify(START, end).await.unwrap();
        let gaps = report.findings.iter().filter(|found| found.state == DigestState::ChainGap).count();
        assert_eq!((states(&report), gaps), cli, "{printed}");
        assert_eq!(
            output.status.success(),
            states(&report).iter().all(|(_, state)| *state == DigestState::Valid)
        );
        assert_eq!(report, verify(&bucket, hours.len(), &signer));
    }
}

/// The fake speaks as the service's model says: AWS's own client reads it, page by page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awss_own_client_reads_the_fake() {
    let Some(python) = python("boto3") else { return };
    let signer = Signer::new();
    let cloudtrail = key_server(&signer).await;
    let script = "
import boto3, botocore, json, sys
client = boto3.client('cloudtrail', endpoint_url=sys.argv[1], region_name='us-east-1',
                      aws_access_key_id='AKIDEXAMPLE', aws_secret_access_key='not-a-secret')
pages = client.get_paginator('list_public_keys').paginate(StartTime=1793491200, EndTime=1793494800)
keys = [key for page in pages for key in page['PublicKeyList']]
codes = []
for wrong in ({'StartTime': 2, 'EndTime': 1}, {'NextToken': 'x'}):
    try:
        client.list_public_keys(**wrong)
    except botocore.exceptions.ClientError as error:
        codes.append(type(error).__name__)
later = client.list_public_keys(StartTime=1893491200, EndTime=1893494800)['PublicKeyList']
print(json.dumps([[k['Fingerprint'] for k in keys], [len(k['Value']) for k in keys],
                  keys[0]['ValidityStartTime'].timestamp(), codes, len(later)]))
";
    let url = cloudtrail.fake.url.clone();
    let run = move || Command::new(python).args(["-c", script, &url]).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let printed: Value = serde_json::from_str(&printed)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let length = signer.public().len();
    let expected = json!([
        ["other", "known"],
        [length, length],
        (START - 1000) as f64,
        ["InvalidTimeRangeException", "InvalidTokenException"],
        0
    ]);
    assert_eq!(printed, expected);
    assert_eq!(cloudtrail.state.lock().asked.len(), 5);
}
