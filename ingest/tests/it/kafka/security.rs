//! Every way to sign in, and what is said where it fails.

use std::path::PathBuf;

use axum::Json;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloudfake::Fake;
use cloudfake::kafka::{CONNECTION_STRING, PASSWORD};
use ingest::azure::AzureAccess;
use ingest::kafka::{EventHubsConfig, KafkaSasl, KafkaSecurity, KafkaTls, OidcClient};
use ingest::{Environment, SecretReference};
use serde_json::json;

use super::*;

/// A secret in a file.
fn secret(folder: &tempfile::TempDir, text: &str) -> SecretReference {
    let path = folder.path().join(text.len().to_string());
    std::fs::write(&path, text).unwrap();
    SecretReference::File(path)
}

fn tls(kafka: &Kafka) -> KafkaTls {
    KafkaTls { ca: Some(kafka.folder.join("ca.pem")), ..KafkaTls::default() }
}

fn signed_in(kafka: &Kafka, topic: &str, sasl: KafkaSasl) -> KafkaConfig {
    KafkaConfig {
        brokers: vec![kafka.sasl.clone()],
        security: KafkaSecurity { tls: Some(tls(kafka)), sasl: Some(sasl) },
        ..config(kafka, topic)
    }
}

async fn reads(config: KafkaConfig) {
    Reader::open(config, &BTreeMap::new()).until_count(3).await;
}

#[tokio::test]
async fn passwords_tokens_and_certificates_sign_in() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("secured", 1).await;
    send(kafka, "secured", 0, &events(0..3));
    let folder = tempfile::tempdir().unwrap();
    let password = secret(&folder, PASSWORD);
    let plain = KafkaSasl::Plain { user: "alice".into(), password: password.clone() };
    reads(signed_in(kafka, "secured", plain)).await;
    for is_sha512 in [false, true] {
        let scram = KafkaSasl::Scram { is_sha512, user: "bob".into(), password: password.clone() };
        reads(signed_in(kafka, "secured", scram)).await;
    }
    let mutual = KafkaTls {
        certificate: Some(kafka.folder.join("client.pem")),
        key: Some(kafka.folder.join("client.key")),
        key_password: Some(password),
        ..tls(kafka)
    };
    let security = KafkaSecurity { tls: Some(mutual), sasl: None };
    reads(KafkaConfig { brokers: vec![kafka.mutual.clone()], security, ..config(kafka, "secured") }).await;
}

#[tokio::test]
async fn a_token_of_an_openid_provider_signs_in() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("tokens", 1).await;
    send(kafka, "tokens", 0, &events(0..3));
    let folder = tempfile::tempdir().unwrap();
    let client_secret = secret(&folder, "s3cret");
    // Tokens that are not signed, as the broker of tests takes them.
    let token = post(|form: String| async move {
        let granted =
            ["grant_type=client_credentials", "client_id=stormglass", "client_secret=s3cret", "scope=kafka"];
        assert!(granted.iter().all(|part| form.contains(part)), "{form}");
        let now_s = chrono::Utc::now().timestamp();
        let claims = json!({"sub": "stormglass", "iat": now_s - 5, "exp": now_s + 300}).to_string();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.", part("{\"alg\":\"none\"}"), part(&claims));
        Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 300}))
    });
    let provider = Fake::start(axum::Router::new().route("/token", token)).await;
    let oidc = |token_url: String| OidcClient {
        token_url,
        client_id: "stormglass".into(),
        client_secret: client_secret.clone(),
        scope: "kafka".into(),
    };
    reads(signed_in(kafka, "tokens", KafkaSasl::Oauth(oidc(format!("{}/token", provider.url))))).await;
    let nowhere = KafkaSasl::Oauth(oidc(format!("{}/nowhere", provider.url)));
    let refusal = Reader::open(signed_in(kafka, "tokens", nowhere), &BTreeMap::new()).refusal().await;
    assert!(refusal.contains("`token_url` was refused with 404"), "{refusal}");
}

#[tokio::test]
async fn event_hubs_are_read_by_connection_string() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("insights-activity-logs", 1).await;
    send(kafka, "insights-activity-logs", 0, &["{\"records\":[{\"a\":1},{\"a\":2},{\"a\":3}]}".into()]);
    let folder = tempfile::tempdir().unwrap();
    let config = |connection_string: &str| EventHubsConfig {
        namespace: "logs".into(),
        hubs: vec!["insights-activity-logs".into()],
        group: None,
        start: KafkaStart::Earliest,
        connection_string: Some(secret(&folder, connection_string)),
        access: AzureAccess::default(),
        environment: Environment::default(),
        endpoint: Some(kafka.sasl.clone()),
        ca: Some(kafka.folder.join("ca.pem")),
    };
    reads(config(CONNECTION_STRING).kafka().unwrap()).await;
    let wrong = config("Endpoint=sb://127.0.0.1/;SharedAccessKey=d3Jvbmc=").kafka().unwrap();
    let refusal = Reader::open(wrong, &BTreeMap::new()).refusal().await;
    assert!(refusal.contains("Authentication failed"), "{refusal}");
    assert!(!refusal.contains("d3Jvbmc"), "{refusal}");
}

#[tokio::test]
async fn what_fails_is_told_with_the_mend_and_without_the_secret() {
    let Some(kafka) = kafka() else { return };
    let folder = tempfile::tempdir().unwrap();
    let wrong = "wr0ng-secret";
    let plain = KafkaSasl::Plain { user: "alice".into(), password: secret(&folder, wrong) };
    let cases: Vec<(KafkaConfig, &[&str])> = vec![
        (
            signed_in(kafka, "secured", plain.clone()),
            &["Invalid username or password", "check the user, the secret and the mechanism of `sasl`"],
        ),
        (
            KafkaConfig {
                security: KafkaSecurity { tls: Some(KafkaTls::default()), sasl: Some(plain.clone()) },
                ..signed_in(kafka, "secured", plain.clone())
            },
            &["certificate", "name the authority of the brokers' certificates in `ca`"],
        ),
        (
            KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..config(kafka, "secured") },
            &["127.0.0.1:1", "Connection refused", "check `brokers`"],
        ),
        (
            KafkaConfig { brokers: vec![kafka.sasl.clone()], ..config(kafka, "secured") },
            &["check `brokers` and the network, and whether the listener speaks TLS"],
        ),
        (
            KafkaConfig {
                security: KafkaSecurity { tls: Some(tls(kafka)), sasl: None },
                ..config(kafka, "secured")
            },
            // Whether librdkafka sees a listener without TLS or only a broken handshake is a matter of which answer
            // it reads first.
            &["SSL", "whether the listener speaks TLS (`tls`)"],
        ),
        (
            signed_in(
                kafka,
                "secured",
                KafkaSasl::Plain {
                    user: "alice".into(),
                    password: SecretReference::File(PathBuf::from("/nowhere/secret")),
                },
            ),
            &["no credentials: `file:/nowhere/secret`"],
        ),
        (
            KafkaConfig {
                brokers: vec![kafka.mutual.clone()],
                security: KafkaSecurity {
                    tls: Some(KafkaTls {
                        certificate: Some(kafka.folder.join("client.pem")),
                        key: Some(kafka.folder.join("client.key")),
                        key_password: Some(secret(&folder, wrong)),
                        ..tls(kafka)
                    }),
                    sasl: None,
                },
                ..config(kafka, "secured")
            },
            &["check the files and secrets of `tls` and `sasl`"],
        ),
    ];
    for (config, told) in cases {
        let refusal = Reader::open(config, &BTreeMap::new()).refusal().await;
        println!("{refusal}");
        assert!(told.iter().all(|part| refusal.contains(part)), "{refusal}\n{told:?}");
        assert!(!refusal.contains(wrong), "{refusal}");
    }
}
