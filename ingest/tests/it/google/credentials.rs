//! Every way to be somebody: a key, a user, the metadata server, a federation, impersonation.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cloudfake::google::Google;
use ingest::google::{Environment, GoogleAccess, PubSubCollector, mend};
use ingest::{Collector, Error, Polled, SecretReference};
use serde_json::{Value, json};

use super::{config, entry};
use crate::aws::moto::python;
use crate::options;

/// No test waits longer than so many polls of a second or less.
const TURNS: usize = 100;

/// A key made for this test; `None`, said aloud, where there is no openssl.
fn key(folder: &Path) -> Option<(String, PathBuf)> {
    let path = folder.join("key.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
        .arg(&path)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no openssl");
        return None;
    }
    let public = folder.join("public.pem");
    let made =
        Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&path).arg("-out").arg(&public).status();
    assert!(made.unwrap().success());
    Some((std::fs::read_to_string(path).unwrap(), public))
}

pub(super) fn write(folder: &Path, name: &str, value: &Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path
}

/// Reads one message as `access` and tells what was asked for on the way.
pub(super) async fn read(
    google: &Google,
    access: GoogleAccess,
    environment: &Environment,
) -> Vec<&'static str> {
    google.identity.lock().asked.clear();
    google.pubsub.lock().publish(entry("one").as_bytes(), &[]);
    let access = GoogleAccess { endpoint: Some(google.url.clone()), ..access };
    let mut collector = PubSubCollector::open(config(access), environment, options(1)).unwrap();
    for _ in 0..TURNS {
        match collector.poll().await.unwrap() {
            Polled::Collected(collected) => {
                collector.ack(&[collected.ticket]).await.unwrap();
                assert_eq!(google.pubsub.lock().left(), 0);
                return google.identity.lock().asked.clone();
            }
            // The last request of a collector that is gone may have taken the message, which then comes back
            // when its deadline is over.
            _ => google.pubsub.lock().advance(Duration::from_secs(11)),
        }
    }
    panic!("the message did not come in {TURNS} turns")
}

/// An error of the first poll.
pub(super) async fn refused(google: &Google, access: GoogleAccess, environment: &Environment) -> Error {
    let access = GoogleAccess { endpoint: Some(google.url.clone()), ..access };
    let mut collector = match PubSubCollector::open(config(access), environment, options(1)) {
        Ok(collector) => collector,
        Err(error) => return error,
    };
    let error = loop {
        match collector.poll().await {
            Err(error) => break error,
            Ok(Polled::Idle) => {}
            Ok(other) => panic!("{other:?}"),
        }
    };
    drop(collector);
    // What is under way is not taken for what the next one asks for.
    let asked = || google.identity.lock().asked.len();
    for _ in 0..TURNS {
        let before = asked();
        tokio::time::sleep(Duration::from_millis(150)).await;
        if asked() == before {
            return error;
        }
    }
    panic!("a collector that is gone still asks")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some((pem, public)) = key(folder) else { return };
    let google = Google::start(false).await;
    let none = Environment::default();
    let named = |path: PathBuf| Environment { credentials_file: Some(path), ..Environment::default() };

    // A key of a service account; what it signs is judged by Google's own library.
    let service = json!({
        "type": "service_account", "client_email": "sg@p-1.iam.gserviceaccount.com", "private_key": pem,
        "private_key_id": "kid-1", "token_uri": format!("{}/token", google.url),
    });
    let path = write(folder, "key.json", &service);
    assert_eq!(read(&google, GoogleAccess::default(), &named(path.clone())).await, ["key"]);
    let access = GoogleAccess { credentials: Some(SecretReference::File(path)), ..GoogleAccess::default() };
    assert_eq!(read(&google, access.clone(), &none).await, ["key"]);
    judge(&google, &public);

    // The same, to become another.
    let access = GoogleAccess { impersonate: Some("reader@p-1.iam.gserviceaccount.com".into()), ..access };
    assert_eq!(read(&google, access.clone(), &none).await, ["key", "impersonated"]);
    let access = GoogleAccess { impersonate: Some("foreign@p-1.iam.gserviceaccount.com".into()), ..access };
    let error = refused(&google, access, &none).await;
    assert!(mend(&error).unwrap().contains("roles/iam.serviceAccountTokenCreator"), "{error}");
    let url = format!(
        "{}/v1/projects/-/serviceAccounts/reader@p-1.iam.gserviceaccount.com:generateAccessToken",
        google.url
    );
    let impersonated = json!({
        "type": "impersonated_service_account", "source_credentials": service, "delegates": [],
        "service_account_impersonation_url": url,
    });
    let path = write(folder, "impersonated.json", &impersonated);
    assert_eq!(read(&google, GoogleAccess::default(), &named(path)).await, ["key", "impersonated"]);

    // A person, as gcloud leaves it.
    let user = json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "refresh",
        "token_uri": format!("{}/token", google.url),
    });
    let gcloud = Some(write(folder, "adc.json", &user));
    let environment = Environment { gcloud_file: gcloud, ..Environment::default() };
    assert_eq!(read(&google, GoogleAccess::default(), &environment).await, ["user"]);

    // The machine.
    let host = google.url.trim_start_matches("http://").to_owned();
    let environment = Environment { metadata_host: Some(host), ..Environment::default() };
    assert_eq!(read(&google, GoogleAccess::default(), &environment).await, ["metadata"]);

    // A federation: the other's token in a file, in JSON at an address, by a program.
    let external_of = |google: &Google, source: Value| {
        json!({
            "type": "external_account", "token_url": format!("{}/v1/token", google.url),
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source,
        })
    };
    let external = |source: Value| external_of(&google, source);
    let token = folder.join("token");
    std::fs::write(&token, "of-another-issuer\n").unwrap();
    let path = write(folder, "file.json", &external(json!({"file": token})));
    assert_eq!(read(&google, GoogleAccess::default(), &named(path)).await, ["exchange"]);
    // The fake's metadata server is an issuer as good as any; its token is the subject here. A fake of its own:
    // what a collector that is gone still asks for must not be taken for what the next one asks.
    let apart = Google::start(false).await;
    apart.identity.lock().subject_token = "metadata-9000".into();
    let issuer = format!("{}/computeMetadata/v1/instance/service-accounts/default/token?scopes=x", apart.url);
    let source = json!({
        "url": issuer, "headers": {"Metadata-Flavor": "Google"},
        "format": {"type": "json", "subject_token_field_name": "access_token"},
    });
    let path = write(folder, "url.json", &external_of(&apart, source));
    let error = refused(&apart, GoogleAccess::default(), &named(path)).await;
    assert!(error.to_string().starts_with("`sts.token` was refused with 400 `invalid_grant`"), "{error}");
    assert!(mend(&error).unwrap().contains("the pool, its provider"));
    let mut through = external(json!({"file": token}));
    through["service_account_impersonation_url"] = url.into();
    let path = write(folder, "through.json", &through);
    assert_eq!(read(&google, GoogleAccess::default(), &named(path)).await, ["exchange", "impersonated"]);

    let program = folder.join("program");
    std::fs::write(
        &program,
        "#!/bin/sh\necho '{\"version\":1,\"success\":true,\"id_token\":\"of-another-issuer\"}'\n",
    )
    .unwrap();
    let path = write(
        folder,
        "program.json",
        &external(json!({"executable": {"command": format!("/bin/sh {}", program.display())}})),
    );
    let error = refused(&google, GoogleAccess::default(), &named(path.clone())).await;
    assert!(error.to_string().contains("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"), "{error}");
    let environment = Environment { allows_executables: true, ..named(path) };
    assert_eq!(read(&google, GoogleAccess::default(), &environment).await, ["exchange"]);
}

/// What was signed, by google-auth: signature, audience, issuer, times.
fn judge(google: &Google, public: &Path) {
    const SCRIPT: &str = r#"
import sys
from google.auth import jwt
public = open(sys.argv[1], "rb").read()
for assertion in sys.stdin.read().split():
    head = jwt.decode_header(assertion)
    assert head["kid"] == "kid-1" and head["alg"] == "RS256", head
    # Its own verifier wants certificates or keys; 'now' of the test is long ago, so times are looked at here.
    from google.auth.crypt import rsa
    signed, _, signature = assertion.rpartition(".")
    import base64
    assert rsa.RSAVerifier.from_string(public).verify(
        signed.encode(), base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    claims = jwt.decode(assertion, verify=False)
    assert claims["aud"] == sys.argv[2] + "/token", claims
    assert claims["iss"] == "sg@p-1.iam.gserviceaccount.com", claims
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform", claims
    assert claims["iat"] == 1700000000 and claims["exp"] - claims["iat"] == 3600, claims
print("good")
"#;
    let Some(python) = python("google.auth.jwt, cryptography") else { return };
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(public)
        .arg(&google.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let assertions = google.identity.lock().assertions.join("\n");
    assert_eq!(assertions.lines().count(), 2);
    child.stdin.take().unwrap().write_all(assertions.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "good\n");
}

#[tokio::test]
async fn what_is_wrong_is_told_without_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let google = Google::start(false).await;
    let cases = [
        (json!("hunter2"), "it has no `type`"),
        (json!({"type": "hunter2"}), "its `type` is none of"),
        (json!({"type": "service_account", "client_email": "a@b"}), "it has no `private_key`"),
        (
            json!({"type": "service_account", "client_email": "a@b", "private_key": "hunter2!"}),
            "`private_key` is no PEM",
        ),
        (
            json!({"type": "service_account", "client_email": "a@b", "private_key": "aHVudGVyMg=="}),
            "`private_key` is no RSA key",
        ),
        (
            json!({"type": "external_account", "credential_source": {"environment_id": "aws1"}}),
            "it has no `regional_cred_verification_url`",
        ),
        (
            json!({"type": "impersonated_service_account", "service_account_impersonation_url": "http://example.com/",
                "source_credentials": {"type": "authorized_user", "client_id": "c", "client_secret": "hunter2",
                "refresh_token": "hunter2"}}),
            "secrets are sent to https:// alone",
        ),
    ];
    for (value, told) in cases {
        let path = write(folder.path(), "credentials.json", &value);
        let environment = Environment { credentials_file: Some(path), ..Environment::default() };
        let error = refused(&google, GoogleAccess::default(), &environment).await.to_string();
        assert!(error.contains(told) && error.contains("credentials.json"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let environment = Environment { metadata_host: Some("127.0.0.1:1".into()), ..Environment::default() };
    let error = refused(&google, GoogleAccess::default(), &environment).await.to_string();
    assert!(error.contains("there is no metadata server"), "{error}");
}
