//! A real S3, SQS, SNS, EventBridge, STS and IAM on loopback: moto, and what tests ask of it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ingest::aws::Environment;
use serde_json::{Value, json};

pub(crate) struct Moto {
    child: Child,
    pub(crate) url: String,
    http: reqwest::Client,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A Python that has `modules`, if this machine has one; else the test is skipped, and says so.
pub(crate) fn python(modules: &str) -> Option<String> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let python = std::env::var("STORMGLASS_PYTHON").unwrap_or_else(|_| venv.to_string_lossy().into_owned());
    let ready = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{modules} is missing; scripts/need installs it");
    println!("skipped: no {modules} at {python}; `scripts/need test` installs it");
    None
}

impl Moto {
    pub(crate) fn start(python: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { child, url: format!("http://127.0.0.1:{port}"), http: reqwest::Client::new() };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "moto does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    /// What a collector needs to come here.
    pub(crate) fn environment(&self) -> Environment {
        environment(&self.url)
    }

    async fn send(&self, service: &str, request: reqwest::RequestBuilder) -> String {
        self.respond(service, request).await.text().await.unwrap()
    }

    async fn respond(&self, service: &str, request: reqwest::RequestBuilder) -> reqwest::Response {
        // moto takes the service from the signature's scope; the signature itself is not looked at.
        let scope = format!("test/20260101/us-east-1/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let response = request.header("authorization", signature).send().await.unwrap();
        assert!(response.status().is_success(), "{service}: {}", response.text().await.unwrap());
        response
    }

    /// The entity tag of an object, without quotes.
    pub(crate) async fn e_tag(&self, bucket: &str, key: &str) -> String {
        let response = self.respond("s3", self.http.get(format!("{}/{bucket}/{key}", self.url))).await;
        response.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned()
    }

    pub(crate) async fn sqs(&self, action: &str, body: Value) -> Value {
        let request = self.http.post(&self.url).header("content-type", "application/x-amz-json-1.0");
        let request = request.header("x-amz-target", format!("AmazonSQS.{action}")).body(body.to_string());
        serde_json::from_str(&self.send("sqs", request).await).unwrap_or_default()
    }

    /// A call of a service that takes forms and answers XML.
    pub(crate) async fn query(&self, service: &str, form: &[(&str, &str)]) -> String {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(&self.url).header("content-type", "application/x-www-form-urlencoded");
        self.send(service, request.body(body)).await
    }

    pub(crate) async fn events(&self, action: &str, body: Value) {
        let request = self.http.post(&self.url).header("content-type", "application/x-amz-json-1.1");
        let request = request.header("x-amz-target", format!("AWSEvents.{action}")).body(body.to_string());
        self.send("events", request).await;
    }

    /// A new queue: its URL.
    pub(crate) async fn queue(&self, name: &str) -> String {
        let answer = self.sqs("CreateQueue", json!({"QueueName": name})).await;
        answer["QueueUrl"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn bucket(&self, name: &str) {
        self.send("s3", self.http.put(format!("{}/{name}", self.url))).await;
    }

    /// Sets what a bucket tells, as the XML of `PutBucketNotificationConfiguration`.
    pub(crate) async fn notify(&self, bucket: &str, targets: &str) {
        let request = self.http.put(format!("{}/{bucket}?notification", self.url));
        let body = format!("<NotificationConfiguration>{targets}</NotificationConfiguration>");
        self.send("s3", request.body(body)).await;
    }

    /// Writes an object. `key` is encoded as it is to be sent.
    pub(crate) async fn put(&self, bucket: &str, key: &str, body: impl Into<reqwest::Body>) {
        self.put_with(bucket, key, body, &[]).await;
    }

    pub(crate) async fn put_with(
        &self,
        bucket: &str,
        key: &str,
        body: impl Into<reqwest::Body>,
        headers: &[(&str, &str)],
    ) {
        let mut request = self.http.put(format!("{}/{bucket}/{key}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send("s3", request).await;
    }

    /// Announces an object as S3 would.
    pub(crate) async fn announce(&self, queue: &str, bucket: &str, key: &str, e_tag: &str) {
        let body = json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "awsRegion": "us-east-1",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": e_tag}},
        }]});
        self.message(queue, &body.to_string()).await;
    }

    pub(crate) async fn message(&self, queue: &str, body: &str) {
        self.sqs("SendMessage", json!({"QueueUrl": queue, "MessageBody": body})).await;
    }

    /// Messages in a queue: those that wait, and those in work.
    pub(crate) async fn messages(&self, queue: &str) -> u64 {
        let body = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
        let answer = self.sqs("GetQueueAttributes", body).await;
        let number = |name: &str| -> u64 { answer["Attributes"][name].as_str().unwrap().parse().unwrap() };
        number("ApproximateNumberOfMessages") + number("ApproximateNumberOfMessagesNotVisible")
    }

    /// From now on signatures and permissions are checked.
    pub(crate) async fn check_signatures(&self) {
        let request = self.http.post(format!("{}/moto-api/reset-auth", self.url));
        let answer = request.header("content-type", "text/plain").body("0").send().await.unwrap();
        assert!(answer.status().is_success());
    }
}

/// An environment with keys, in which all services are at `url`.
pub(crate) fn environment(url: &str) -> Environment {
    Environment::default()
        .with("AWS_ENDPOINT_URL", url)
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "not-a-secret")
}

/// The text of the first element `name`.
pub(crate) fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    rest.split_once("</").unwrap().0.to_owned()
}
