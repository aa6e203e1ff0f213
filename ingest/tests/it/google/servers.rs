//! Real servers: Google's in-memory Pub/Sub behind its REST paths, and fake-gcs-server.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::SUBSCRIPTION;

/// A program that `scripts/need test` builds; else the test is skipped, and says so.
fn program(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/go/bin").join(name);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{name} is missing; scripts/need builds it");
    println!("skipped: no {}; `scripts/need test` builds it", path.display());
    None
}

/// Google's in-memory Pub/Sub.
pub(super) struct PubSub {
    child: Child,
    pub(super) url: String,
    /// Where it speaks gRPC.
    pub(super) grpc: String,
    http: reqwest::Client,
}

impl Drop for PubSub {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl PubSub {
    /// Starts it with a topic and a subscription.
    pub(super) async fn start(settings: Value) -> Option<Self> {
        let mut child = Command::new(program("pubsub")?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (url, grpc) = line.trim().split_once(' ').unwrap();
        let (url, grpc) = (url.to_owned(), grpc.to_owned());
        let server = Self { child, url, grpc, http: reqwest::Client::new() };
        server.put("projects/p-1/topics/logs", &json!({})).await;
        let mut subscription = json!({"topic": "projects/p-1/topics/logs", "ackDeadlineSeconds": 10});
        subscription.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        server.put(SUBSCRIPTION, &subscription).await;
        Some(server)
    }

    pub(super) async fn put(&self, name: &str, body: &Value) {
        let request = self.http.put(format!("{}/v1/{name}", self.url)).json(body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}/{path}", self.url)).json(body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Publishes messages: data and attributes.
    pub(super) async fn publish(&self, messages: &[(Vec<u8>, Value)]) {
        let message = |(data, attributes): &(Vec<u8>, Value)| json!({"data": STANDARD.encode(data), "attributes": attributes});
        let messages: Vec<Value> = messages.iter().map(message).collect();
        self.post("v1/projects/p-1/topics/logs:publish", &json!({ "messages": messages })).await;
    }

    /// Lets time pass.
    pub(super) async fn advance(&self, seconds: u32) {
        self.post(&format!("_clock?seconds={seconds}"), &json!({})).await;
    }

    /// How many messages nobody has acknowledged, when all that is somebody's has come back.
    pub(super) async fn left(&self) -> usize {
        self.advance(599).await;
        let body = json!({"maxMessages": 1000, "returnImmediately": true});
        let answer = self.post(&format!("v1/{SUBSCRIPTION}:pull"), &body).await;
        answer["receivedMessages"].as_array().map_or(0, Vec::len)
    }
}

/// Cloud Storage.
pub(super) struct Storage {
    child: Child,
    pub(super) url: String,
    http: reqwest::Client,
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Storage {
    /// Starts it with a bucket `logs`; what is written is told to the topic of `pubsub`.
    pub(super) async fn start(pubsub: &PubSub) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let child = Command::new(program("fake-gcs-server")?)
            .args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-data", "/nowhere"])
            .args(["-port", &port.to_string(), "-external-url", &url, "-public-host", &url])
            .args(["-event.pubsub-project-id", "p-1", "-event.pubsub-topic", "logs"])
            .args(["-event.list", "finalize,delete"])
            .env("PUBSUB_EMULATOR_HOST", &pubsub.grpc)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, url, http: reqwest::Client::new() };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "fake-gcs-server does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let made = server.http.post(format!("{}/storage/v1/b?project=p-1", server.url));
        let made = made.json(&json!({"name": "logs"})).send().await.unwrap();
        assert!(made.status().is_success());
        Some(server)
    }

    /// Writes an object; gives its generation.
    pub(super) async fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) -> String {
        let url = format!("{}/upload/storage/v1/b/logs/o", self.url);
        let url = url::Url::parse_with_params(&url, [("uploadType", "media"), ("name", name)]).unwrap();
        let response = self.http.post(url).body(bytes.into()).send().await.unwrap();
        assert!(response.status().is_success(), "{name}");
        let object: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        object["generation"].as_str().unwrap().to_owned()
    }

    /// Writes an object that is marked as gzip, as `gcloud storage cp --gzip-local-all` does.
    pub(super) async fn put_encoded(&self, name: &str, gzip: &[u8]) {
        let url = format!("{}/upload/storage/v1/b/logs/o?uploadType=multipart", self.url);
        let metadata = json!({"name": name, "contentEncoding": "gzip", "contentType": "application/json"});
        let part = "--b\r\nContent-Type: application/json\r\n\r\n";
        let head = format!("{part}{metadata}\r\n{part}");
        let body = [head.as_bytes(), gzip, b"\r\n--b--\r\n"].concat();
        let request = self.http.post(url).header("content-type", "multipart/related; boundary=b");
        let response = request.body(body).send().await.unwrap();
        assert!(response.status().is_success(), "{name}: {}", response.text().await.unwrap());
    }

    /// Removes an object.
    pub(super) async fn delete(&self, name: &str) {
        let response = self.http.delete(format!("{}/storage/v1/b/logs/o/{name}", self.url)).send().await;
        assert!(response.unwrap().status().is_success(), "{name}");
    }
}
