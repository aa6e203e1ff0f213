//! CloudTrail's digests: the command that verifies them, and the source that follows them, against moto.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::object_store::{Moto, moto, python};
use crate::running::{Server, command, run, sql};

/// Makes a trail and three hours of digests that end with the last full hour, signed with a key of its own;
/// writes the public key as CloudTrail lists it, and prints the trail's ARN.
const TRAIL: &str = r#"
import base64, boto3, datetime, gzip, hashlib, json, sys, time
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
endpoint, record, keys_file = sys.argv[1:]
def client(name):
    return boto3.client(name, endpoint_url=endpoint, region_name="us-east-1")
s3 = client("s3")
s3.create_bucket(Bucket="trail")
made = client("cloudtrail").create_trail(Name="main", S3BucketName="trail", S3KeyPrefix="ours", EnableLogFileValidation=True)
account = made["TrailARN"].split(":")[4]
private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
public = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
with open(keys_file, "w") as file:
    json.dump({"PublicKeyList": [{"Fingerprint": "ours", "Value": base64.b64encode(public).decode()}]}, file)
def iso(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
last = int(time.time()) // 3600 * 3600
previous = None
for hour in range(3):
    start, end = last - (3 - hour) * 3600, last - (2 - hour) * 3600
    files = []
    for n in range(2):
        body = json.dumps({"Records": [json.loads(record.replace("@", f"{hour}-{n}"))]}).encode()
        key = f"ours/AWSLogs/{account}/CloudTrail/us-east-1/log-{hour}-{n}.json.gz"
        s3.put_object(Bucket="trail", Key=key, Body=gzip.compress(body))
        files.append({"s3Bucket": "trail", "s3Object": key, "hashValue": hashlib.sha256(body).hexdigest(), "hashAlgorithm": "SHA-256"})
    moment = datetime.datetime.fromtimestamp(end, datetime.timezone.utc)
    key = (f"ours/AWSLogs/{account}/CloudTrail-Digest/us-east-1/{moment:%Y/%m/%d}/"
           f"{account}_CloudTrail-Digest_us-east-1_main_us-east-1_{moment:%Y%m%dT%H%M%SZ}.json.gz")
    digest = {"awsAccountId": account, "digestStartTime": iso(start), "digestEndTime": iso(end),
              "digestS3Bucket": "trail", "digestS3Object": key, "digestPublicKeyFingerprint": "ours",
              "digestSignatureAlgorithm": "SHA256withRSA", "logFiles": files,
              "previousDigestS3Bucket": previous and "trail", "previousDigestS3Object": previous and previous[0],
              "previousDigestHashValue": previous and previous[1], "previousDigestHashAlgorithm": previous and "SHA-256",
              "previousDigestSignature": previous and previous[2]}
    body = json.dumps(digest).encode()
    hashed = hashlib.sha256(body).hexdigest()
    signed = "\n".join([iso(end), f"trail/{key}", hashed, previous[2] if previous else "null"])
    signature = private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
    s3.put_object(Bucket="trail", Key=key, Body=gzip.compress(body),
                  Metadata={"signature": signature, "signature-algorithm": "SHA256withRSA"})
    previous = (key, hashed, signature)
print(made["TrailARN"])
"#;

/// Changes one log file and deletes another.
const HARM: &str = r#"
import boto3, gzip, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
account = sys.argv[2].split(":")[4]
folder = f"ours/AWSLogs/{account}/CloudTrail/us-east-1/"
body = gzip.decompress(s3.get_object(Bucket="trail", Key=folder + "log-1-0.json.gz")["Body"].read())
s3.put_object(Bucket="trail", Key=folder + "log-1-0.json.gz", Body=gzip.compress(body.replace(b"dana", b"anna")))
s3.delete_object(Bucket="trail", Key=folder + "log-2-1.json.gz")
"#;

const RECORD: &str = r#"{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","userName":"dana","accountId":"111122223333"},"eventTime":"2026-03-01T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"DescribeTrails","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"@","eventType":"AwsApiCall","recipientAccountId":"111122223333"}"#;

fn environment(moto: &Moto) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", moto.endpoint.clone()),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".into()),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret".into()),
    ]
}

fn script(python: &str, moto: &Moto, script: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(python);
    command.args(["-c", script, &moto.endpoint]).args(arguments).envs(environment(moto));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn made(root: &Path, python: &str, moto: &Moto) -> (String, String) {
    let keys = root.join("keys.json").display().to_string();
    let arn = script(python, moto, TRAIL, &[RECORD, &keys]);
    (arn, keys)
}

fn verify(moto: &Moto, arguments: &[&str]) -> (Output, String) {
    let mut command = command(&[&["trail", "verify"][..], arguments].concat());
    let output = command.envs(environment(moto)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

#[test]
fn a_trail_is_verified_and_what_was_done_to_it_is_told() {
    let Some(python) = python() else { return };
    let moto = moto(&python);
    let root = tempfile::tempdir().unwrap();
    let (arn, keys) = made(root.path(), &python, &moto);
    let asked = [arn.as_str(), "--start", "4h", "--public-keys", &keys];

    // Where it writes, CloudTrail says.
    let (output, said) = verify(&moto, &asked);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("9 valid") && said.contains("all that the digests name is there"), "{said}");
    let json = [&asked[..], &["--bucket", "trail", "--prefix", "ours/", "--json", "--verbose"]].concat();
    let (output, said) = verify(&moto, &json);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (output.status.code(), &told["valid"], &told["counts"]["valid"]),
        (Some(0), &true.into(), &9.into())
    );

    script(&python, &moto, HARM, &[&arn]);
    let (output, said) = verify(&moto, &asked);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line =
        |state: &str, object: &str| said.lines().any(|line| line.starts_with(state) && line.contains(object));
    assert!(line("log_modified", "log-1-0.json.gz") && line("log_missing", "log-2-1.json.gz"), "{said}");
    assert!(said.contains("NOT as CloudTrail wrote it") && said.contains("7 valid"), "{said}");
    let (output, said) = verify(&moto, &[&asked[..], &["--digests-only"]].concat());
    assert_eq!(output.status.code(), Some(0), "the digests themselves are good: {said}");

    // A region without digests proves nothing, and neither does a wrong key.
    let (output, said) = verify(&moto, &[&asked[..], &["--region", "eu-west-1"]].concat());
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("NOT PROVEN"), "{said}");
    std::fs::write(&keys, r#"{"PublicKeyList":[]}"#).unwrap();
    let (output, said) = verify(&moto, &asked);
    assert_eq!((output.status.code(), said.contains("3 key_unknown")), (Some(1), true), "{said}");
    assert_eq!(verify(&moto, &["main", "--start", "4h"]).0.status.code(), Some(2));
}

#[test]
fn digests_are_followed_and_findings_are_alerts() {
    let Some(python) = python() else { return };
    let moto = moto(&python);
    let root = tempfile::tempdir().unwrap();
    let (arn, keys) = made(root.path(), &python, &moto);
    script(&python, &moto, HARM, &[&arn]);
    let config = root.path().join("stormglass.toml");
    let text = format!(
        "[[sources]]\nname = \"digests\"\ntype = \"aws_cloudtrail_digests\"\ntrail = \"{arn}\"\n\
         bucket = \"trail\"\nprefix = \"ours\"\npublic_keys = \"{keys}\"\nevery = \"1 s\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let data = root.path().join("data");
    let aws = environment(&moto);
    let mut settings = vec![("STORMGLASS_CONFIG", config.as_str()), ("STORMGLASS_RULES_SHIPPED", "false")];
    settings.extend(aws.iter().map(|(name, value)| (*name, value.as_str())));

    let mut test = command(&["--config", &config, "sources", "test", "digests"]);
    let tried = test.envs(aws.clone()).output().unwrap();
    let tried = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert!(
        tried.contains("list (s3:ListBucket): good: 3 digests since yesterday in `s3://trail/ours/AWSLogs/"),
        "{tried}"
    );
    assert!(tried.contains("understand: good: 1 would become events, 0 dead letters"), "{tried}");

    for _ in 0..2 {
        let server = Server::start(&data, &settings);
        let listed = || -> Value {
            let list = run(&["--url", &server.url, "sources", "list", "--json"]);
            serde_json::from_str::<Value>(&list).unwrap()["sources"][0].clone()
        };
        until("what is there is read", || listed()["rows"] == 5);
        let alerts = || -> Vec<(String, String)> {
            let list = run(&["--url", &server.url, "alerts", "list", "--json"]);
            let list: Value = serde_json::from_str(&list).unwrap();
            let told = |alert: &Value| {
                let text = |name: &str| alert[name].as_str().unwrap().to_owned();
                (text("rule_id"), text("severity"))
            };
            let mut told: Vec<_> = list["alerts"].as_array().unwrap().iter().map(told).collect();
            told.sort();
            told
        };
        until("what was done is told", || alerts().len() == 2);
        let expected = [("stormglass-source-gap", "high"), ("stormglass-source-tampered", "critical")];
        let alerts = alerts();
        let alerts: Vec<_> =
            alerts.iter().map(|(rule, severity)| (rule.as_str(), severity.as_str())).collect();
        assert_eq!(alerts, expected);
        let account = listed();
        assert_eq!(account["duplicates"], 0, "a restart goes on behind what was read: {account}");
        server.terminate();
    }
    let told = sql(&data, "SELECT entities FROM alerts WHERE rule_id = 'stormglass-source-tampered'");
    assert!(told[0].to_string().contains("log-1-0.json.gz"), "{told:?}");
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "in vain waited for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
