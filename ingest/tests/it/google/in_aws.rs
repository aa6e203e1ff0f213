//! Workload identity federation with AWS: what Google is shown is judged by Google's own signer.

use std::process::Command;

use cloudfake::google::Google;
use cloudfake::{Proxy, answer};
use ingest::google::{Environment, GoogleAccess};
use serde_json::{Value, json};

use super::credentials::{read, refused, write};
use crate::aws::moto::python;

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";

/// The subject token as google-auth makes it, with the header that binds it signed, as Google recommends.
const PEER: &str = r#"
import datetime, json, sys, urllib.parse
from google.auth import _helpers, aws
_helpers.utcnow = lambda: datetime.datetime(2023, 11, 14, 22, 13, 20)
key, secret, session, region, audience = sys.argv[1:]
url = "https://sts.{}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15".format(region)
signed = aws.RequestSigner(region).get_request_options(
    aws.AwsSecurityCredentials(key, secret, session or None), url, "POST",
    additional_headers={"x-goog-cloud-target-resource": audience})
print(json.dumps({"url": url, "headers": signed["headers"]}))
"#;

fn federation(google: &Google, source: Value) -> Value {
    json!({
        "type": "external_account", "token_url": format!("{}/v1/token", google.url), "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request", "credential_source": source,
    })
}

/// What `gcloud iam workload-identity-pools create-cred-config --aws` writes.
fn source() -> Value {
    json!({
        "environment_id": "aws1",
        "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
        "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
        "regional_cred_verification_url":
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    })
}

/// The request in a subject token: its address and its headers by name.
fn request(token: &str) -> (String, Value) {
    let decoded =
        url::form_urlencoded::parse(token.replace('+', "%2B").as_bytes()).next().unwrap().0.into_owned();
    let call: Value = serde_json::from_str(&decoded).unwrap();
    assert_eq!(call["method"], "POST");
    let headers = call["headers"].as_array().unwrap().iter();
    let headers = headers.map(|header| {
        let text = |name: &str| header[name].as_str().unwrap().to_owned();
        (text("key").to_lowercase(), Value::from(text("value")))
    });
    (call["url"].as_str().unwrap().to_owned(), headers.collect::<serde_json::Map<_, _>>().into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_somebody_in_aws_is_somebody_in_google() {
    let Some(python) = python("google.auth.aws") else { return };
    let google = Google::start(false).await;
    google.identity.lock().takes_any_subject = true;
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "aws.json", &federation(&google, source()));
    let keys = |session: &str| {
        ingest::Environment::default()
            .with("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .with("AWS_SECRET_ACCESS_KEY", "not-a-secret/+")
            .with("AWS_SESSION_TOKEN", session)
            .with("AWS_REGION", "eu-west-1")
    };
    // The machine's own metadata service gives keys and region.
    let metadata = Proxy::start("http://127.0.0.1:1", |seen| {
        let head = seen.head.to_lowercase();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let body = match path.as_str() {
            "/latest/api/token" if head.starts_with("put ") => "seen".to_owned(),
            _ if !head.contains("x-aws-ec2-metadata-token: seen") => {
                return answer("401 Unauthorized", "", "");
            }
            "/latest/meta-data/placement/region" => "us-gov-east-1\n".into(),
            "/latest/meta-data/iam/security-credentials/" => "reader\n".into(),
            "/latest/meta-data/iam/security-credentials/reader" => {
                json!({"AccessKeyId": "ASIAINSTANCE", "SecretAccessKey": "not-a-secret", "Token": "session",
                    "Expiration": "2099-01-01T00:00:00Z"})
                .to_string()
            }
            _ => return answer("404 Not Found", "", ""),
        };
        answer("200 OK", "", &body)
    })
    .await;
    let machine = ingest::Environment::default().with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url);
    for (aws, key, secret, session, region) in [
        (keys(""), "AKIAEXAMPLE", "not-a-secret/+", "", "eu-west-1"),
        (keys("session/+="), "AKIAEXAMPLE", "not-a-secret/+", "session/+=", "eu-west-1"),
        (machine, "ASIAINSTANCE", "not-a-secret", "session", "us-gov-east-1"),
    ] {
        let environment = Environment { credentials_file: Some(path.clone()), aws, ..Environment::default() };
        assert_eq!(read(&google, GoogleAccess::default(), &environment).await, ["exchange"]);
        let (url, headers) = request(&google.identity.lock().last_subject);
        let peer = Command::new(&python).args(["-c", PEER, key, secret, session, region, AUDIENCE]).output();
        let peer = peer.unwrap();
        assert!(peer.status.success(), "{}", String::from_utf8_lossy(&peer.stderr));
        let theirs: Value = serde_json::from_slice(&peer.stdout).unwrap();
        assert_eq!(url, theirs["url"]);
        let lower = theirs["headers"].as_object().unwrap().iter();
        let lower: serde_json::Map<_, _> =
            lower.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        assert_eq!(headers, Value::from(lower));
        assert!(!url.contains(secret) && !headers.to_string().contains("not-a-secret"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_in_aws_is_told() {
    let google = Google::start(false).await;
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, value: Value| {
        let mut source = source();
        source[name] = value;
        write(folder.path(), "aws.json", &federation(&google, source))
    };
    // Nothing listens there.
    let nowhere =
        ingest::Environment::default().with("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    let keys =
        nowhere.clone().with("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").with("AWS_SECRET_ACCESS_KEY", "hunter2");
    let regional = "regional_cred_verification_url";
    for (name, value, aws, told) in [
        ("environment_id", json!("aws2"), nowhere.clone(), "is not `aws1`"),
        (regional, Value::Null, nowhere.clone(), "it has no `regional_cred_verification_url`"),
        ("url", Value::Null, nowhere.clone(), "set AWS_REGION"),
        ("url", Value::Null, nowhere.with("AWS_REGION", "eu-west-1"), "no keys in the environment"),
        (regional, json!("http://sts.example.com"), keys.with("AWS_REGION", "eu-west-1"), "no https address"),
    ] {
        let credentials_file = Some(with(name, value));
        let environment = Environment { credentials_file, aws, ..Environment::default() };
        let error = refused(&google, GoogleAccess::default(), &environment).await.to_string();
        assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
    }
}
