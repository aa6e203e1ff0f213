//! What others push: HEC, OTLP and webhooks, by real clients where there are some.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::Random;
use parking_lot::Mutex;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::running::{Server, root, run, sql};

/// A configuration file with one token that may push (`secret`), one that may not (`reader`), and `more`.
fn configuration(folder: &Path, more: &str) -> String {
    let hash =
        |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let token = |name: &str, role: &str, text: &str| {
        format!("[[auth.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{}\"\n", hash(text))
    };
    let path = folder.join("stormglass.toml");
    let text = token("shop", "ingest", "secret") + &token("eve", "analyst", "reader") + more;
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn trail(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventTime":"2026-03-02T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","eventID":"{id}","userIdentity":{{"type":"Root"}},"sourceIPAddress":"192.0.2.7","recipientAccountId":"111122223333"}}"#
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A Python that has these modules; `None`, loudly, where there is none.
pub(crate) fn python(modules: &str) -> Option<String> {
    let venv = root().join("target/venv/bin/python");
    let python = std::env::var("STORMGLASS_PYTHON").unwrap_or_else(|_| venv.to_string_lossy().into_owned());
    let ready = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{modules} are missing; scripts/need installs them");
    println!("skipped: no {modules} at {python}; `scripts/need test` installs them");
    None
}

fn run_python(python: &str, script: &str, arguments: &[&str]) {
    let output = Command::new(python).args(["-c", script]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}\n{said}", String::from_utf8_lossy(&output.stdout));
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn hec_speaks_as_its_clients_expect() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), "");
    let data = folder.path().join("data");
    let server =
        Server::start(&data, &[("STORMGLASS_CONFIG", &config), ("STORMGLASS_SERVER_MAX_BODY", "64 KiB")]);
    let client = Client::new();
    let url = |path: &str| format!("{}/services/collector{path}", server.url);
    let post = |path: &str, body: &str| {
        client.post(url(path)).header("authorization", "Splunk secret").body(body.to_owned())
    };
    let known = format!(
        r#"{{"time":1772445600.5,"host":"web-1","sourcetype":"aws:cloudtrail","event":{}}}"#,
        trail("e-1")
    );
    let plain = r#"{"time":1772445600.5,"host":"web-1","event":"dana signed in"}"#;
    let (status, body) = answer(post("/event", &format!("{known}{plain}\n{plain}"))).await;
    assert_eq!((status, body), (200, json!({"text": "Success", "code": 0})));
    // Sent again after a lost answer, and compressed.
    let again = client.post(url("")).basic_auth("x", Some("secret")).header("content-encoding", "gzip");
    let again = again.body(gzip(format!("{known}{plain}\n{plain}").as_bytes()));
    assert_eq!(answer(again).await.0, 200);
    let raw =
        post("/raw/1.0?host=web-2&sourcetype=app", "one\ntwo\n").header("x-splunk-request-channel", "c");
    let (status, body) = answer(raw).await;
    assert_eq!(status, 200);
    let ack = body["ackId"].as_u64().unwrap();
    let (_, acks) = answer(post("/ack?channel=c", &json!({"acks": [ack, ack + 1000]}).to_string())).await;
    assert_eq!(acks, json!({"acks": {ack.to_string(): true, (ack + 1000).to_string(): false}}));
    let large = format!(r#"{{"event":"{}"}}"#, "x".repeat(70_000));
    for (request, status, code) in [
        (post("/ack", r#"{"acks":[1]}"#), 400, 10),
        (post("/event", ""), 400, 5),
        (post("/event", "nonsense"), 400, 6),
        (post("/event", r#"{"event":"a"}{"x":1}"#), 400, 12),
        (post("/event", r#"{"event":""}"#), 400, 13),
        (post("/event", r#"{"event":"a","fields":{"b":{}}}"#), 400, 15),
        (post("/event", &large), 413, 6),
        (post("/event", "x").header("content-encoding", "br"), 415, 6),
        (post("/event", "x").header("content-encoding", "gzip"), 400, 6),
        (client.post(url("/event")).body(plain), 401, 2),
        (client.post(url("/event")).header("authorization", "Splunk wrong").body(plain), 403, 4),
        (client.post(url("/event")).header("authorization", "Splunk reader").body(plain), 403, 4),
        (client.get(url("/health")), 200, 17),
    ] {
        let (found, body) = answer(request).await;
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{body}");
    }
    let (_, body) = answer(post("/event", r#"{"event":"a"}{"x":1}"#)).await;
    assert_eq!(body["invalid-event-number"], 1);
    // A token in another scheme opens nothing else.
    let other = client.get(format!("{}/api/v1/sources", server.url)).header("authorization", "Splunk reader");
    assert_eq!(other.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let metrics = client.get(format!("{}/metrics", server.url)).bearer_auth("reader");
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stormglass_requests_unauthorized_total 4\n"), "{metrics}");
    server.terminate();
    let rows = sql(
        &data,
        "SELECT log_type, source, coalesce(message, '') AS message, count(*) AS n FROM events GROUP BY 1, 2, 3 ORDER BY 1, 3",
    );
    assert_eq!(
        Value::from(rows),
        json!([
            {"log_type": "aws_cloudtrail", "source": "hec.shop", "message": "", "n": 1},
            {"log_type": "hec", "source": "hec.shop", "message": "dana signed in", "n": 2},
            {"log_type": "hec", "source": "hec.shop", "message": "one", "n": 1},
            {"log_type": "hec", "source": "hec.shop", "message": "two", "n": 1},
        ])
    );
}

const SPLUNK_HANDLER: &str = r#"
import logging, sys, urllib.parse
from splunk_handler import SplunkHandler
where = urllib.parse.urlparse(sys.argv[1])
handler = SplunkHandler(host=where.hostname, port=where.port, token="secret", index="main", protocol="http",
    hostname="web-1", source="app", sourcetype="app:log", flush_interval=0.2, queue_size=0, retry_count=3)
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.addHandler(handler)
for number in range(500):
    log.info("order %d", number)
handler.shutdown()
"#;

#[test]
fn splunk_handler_delivers() {
    let Some(python) = python("splunk_handler") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), "");
    let data = folder.path().join("data");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    run_python(&python, SPLUNK_HANDLER, &[&server.url]);
    server.terminate();
    let rows = sql(
        &data,
        "SELECT count(*) AS n, count(DISTINCT message) AS d, min(src_endpoint_name) AS host, min(metadata_log_name) AS kind FROM events WHERE source = 'hec.shop'",
    );
    assert_eq!(rows[0], json!({"n": 500, "d": 500, "host": "web-1", "kind": "app:log"}));
}

/// kill -9 at random moments, some between the log's fsync and the answer; the client sends again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hec_loses_and_doubles_nothing_when_killed() {
    let kills: u64 = std::env::var("STORMGLASS_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings = [("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"), ("STORMGLASS_LOG_SEGMENT", "256 KiB")];
    let mut server = Server::start(&data, &settings);
    let address = Arc::new(Mutex::new(server.url.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let again = Arc::new(AtomicU64::new(0));
    let pusher = {
        let (address, stop, acknowledged, again) =
            (address.clone(), stop.clone(), acknowledged.clone(), again.clone());
        tokio::spawn(async move {
            let client = Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
            while !stop.load(Ordering::Relaxed) {
                let number = acknowledged.load(Ordering::Relaxed);
                let body: String = (0..20)
                    .map(|n| format!(r#"{{"time":1772445600.25,"event":"order {}"}}"#, number + n))
                    .collect();
                loop {
                    let url = format!("{}/services/collector/event", address.lock());
                    let answer = client.post(url).body(body.clone()).send().await;
                    if answer.is_ok_and(|answer| answer.status().is_success()) {
                        acknowledged.fetch_add(20, Ordering::Relaxed);
                        break;
                    }
                    again.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        })
    };
    let mut random = Random::new(7);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(20 + random.below(400))).await;
        server.kill();
        server = tokio::task::block_in_place(|| Server::start(&data, &settings));
        *address.lock() = server.url.clone();
    }
    // On a busy machine little comes through between the kills.
    let patience = Instant::now() + Duration::from_secs(60);
    while acknowledged.load(Ordering::Relaxed) <= 100 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    pusher.await.unwrap();
    tokio::task::block_in_place(|| {
        server.terminate();
        let acknowledged = acknowledged.load(Ordering::Relaxed);
        let rows = sql(&data, "SELECT count(*) AS n, count(DISTINCT message) AS d FROM events");
        assert!(acknowledged > 100, "only {acknowledged} events were acknowledged");
        assert_eq!(rows[0], json!({"n": acknowledged, "d": acknowledged}));
        let sources = run(&["--data", &data.to_string_lossy(), "sources", "--verify"]);
        println!(
            "{acknowledged} acknowledged, {} requests sent again\n{sources}",
            again.load(Ordering::Relaxed)
        );
    });
}

#[tokio::test]
async fn a_full_log_sends_everybody_away_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let hook = "[[hooks]]\nname = \"kube\"\nscheme = \"bearer\"\nsecret = \"env:HOOK_SECRET\"\n";
    let config = folder.path().join("stormglass.toml");
    std::fs::write(&config, hook).unwrap();
    let settings = [
        ("STORMGLASS_TABLE_COMMIT_AFTER", "1 h"),
        ("STORMGLASS_LOG_SEGMENT", "256 KiB"),
        ("STORMGLASS_LOG_MAX", "1 MiB"),
        ("STORMGLASS_CONFIG", &config.to_string_lossy()),
        ("HOOK_SECRET", "s3cret"),
    ];
    let server = Server::start(&folder.path().join("data"), &settings);
    let client = Client::new();
    let mut random = Random::new(3);
    let mut sent = 0;
    // Noise, which does not compress.
    let noise: String = (0..4000).map(|_| format!("{:016x}", random.below(u64::MAX))).collect();
    let full = loop {
        let body = json!({"event": format!("{sent}{noise}")}).to_string();
        let answer =
            client.post(format!("{}/services/collector/event", server.url)).body(body).send().await.unwrap();
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            break answer;
        }
        assert_eq!(answer.status(), StatusCode::OK);
        sent += 1;
        assert!(sent < 1000, "the log never filled up");
    };
    assert!(full.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(full.json::<Value>().await.unwrap()["code"], 9);
    let otlp = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": noise}}]}]}]});
    let otlp = client.post(format!("{}/v1/logs", server.url)).json(&otlp).send().await.unwrap();
    assert_eq!(otlp.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(otlp.headers().contains_key("retry-after"));
    let hook = client.post(format!("{}/hooks/kube", server.url)).bearer_auth("s3cret");
    let hook = hook.body(json!({"a": noise}).to_string());
    let hook = hook.send().await.unwrap();
    assert_eq!(hook.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(hook.headers().contains_key("retry-after"));
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stormglass_push_refused_full_total 3\n"), "{metrics}");
}

const EXPORTERS: &str = r#"
import logging, sys
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
import opentelemetry.exporter.otlp.proto.http._log_exporter as http
import opentelemetry.exporter.otlp.proto.grpc._log_exporter as grpc
import grpc as wire
url, trail = sys.argv[1], sys.argv[2]
authority = url.split("//")[1]
exporters = [
    ("http", http.OTLPLogExporter(endpoint=url + "/v1/logs", headers={"authorization": "Bearer secret"}, compression=http.Compression.Gzip)),
    ("grpc", grpc.OTLPLogExporter(endpoint=authority, insecure=True, headers=(("authorization", "Bearer secret"),), compression=wire.Compression.Gzip)),
    ("plain", grpc.OTLPLogExporter(endpoint=authority, insecure=True, headers=(("authorization", "Bearer secret"),))),
    ("refused", grpc.OTLPLogExporter(endpoint=authority, insecure=True, headers=(("authorization", "Bearer wrong"),), timeout=2)),
]
for name, exporter in exporters:
    provider = LoggerProvider(resource=Resource.create({"service.name": "shop-" + name, "host.name": "web-1"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, export_timeout_millis=5000))
    log = logging.getLogger(name)
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(LoggingHandler(logger_provider=provider))
    for number in range(50):
        log.error("order %d", number, extra={"number": number, "tags": ["a", "b"]})
    log.info(trail.replace("e-0", "e-" + name))
    provider.force_flush()
    provider.shutdown()
"#;

#[test]
fn opentelemetry_delivers_over_http_and_grpc() {
    let modules = "opentelemetry.exporter.otlp.proto.http, opentelemetry.exporter.otlp.proto.grpc";
    let Some(python) = python(modules) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), "");
    let data = folder.path().join("data");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    run_python(&python, EXPORTERS, &[&server.url, &trail("e-0")]);
    server.terminate();
    let rows = sql(
        &data,
        "SELECT metadata_product_name AS name, severity, src_endpoint_name AS host, count(DISTINCT message) AS n FROM events WHERE log_type = 'otlp' GROUP BY 1, 2, 3 ORDER BY 1",
    );
    let row = |name: &str| json!({"name": name, "severity": "High", "host": "web-1", "n": 50});
    assert_eq!(Value::from(rows), json!([row("shop-grpc"), row("shop-http"), row("shop-plain")]));
    let trails =
        sql(&data, "SELECT metadata_uid AS id FROM events WHERE log_type = 'aws_cloudtrail' ORDER BY 1");
    assert_eq!(Value::from(trails), json!([{"id": "e-grpc"}, {"id": "e-http"}, {"id": "e-plain"}]));
}

#[tokio::test]
async fn otlp_tells_what_it_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("STORMGLASS_INGEST_RECORD", "1 KiB"), ("STORMGLASS_SERVER_MAX_BODY", "8 KiB")];
    let server = Server::start(folder.path(), &settings);
    let client = Client::new();
    let logs = |bodies: &[&str]| {
        let records: Vec<_> = bodies.iter().map(|body| json!({"body": {"stringValue": body}})).collect();
        json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string()
    };
    let post = |body: String| {
        client.post(format!("{}/v1/logs", server.url)).header("content-type", "application/json").body(body)
    };
    assert_eq!(answer(post(logs(&["a", "b"]))).await, (200, json!({})));
    let (status, body) = answer(post(logs(&["a", &"x".repeat(2000)]))).await;
    assert_eq!((status, &body["partialSuccess"]["rejectedLogRecords"]), (200, &json!("1")), "{body}");
    for (request, status) in [
        (post("{".into()), 400),
        (post(logs(&["x".repeat(9000).as_str()])), 413),
        (post("{}".into()).header("content-encoding", "gzip"), 400),
        (client.post(format!("{}/v1/logs", server.url)).body("x"), 415),
    ] {
        assert_eq!(answer(request).await.0, status);
    }
    // A request that is no gRPC, and a gRPC message that is none.
    let export = format!("{}/opentelemetry.proto.collector.logs.v1.LogsService/Export", server.url);
    assert_eq!(answer(client.post(&export).body("x")).await.0, 415);
    let broken =
        client.post(&export).header("content-type", "application/grpc").body("x").send().await.unwrap();
    assert_eq!(broken.headers()["grpc-status"], "3");
    let sources: Value = answer(client.get(format!("{}/api/v1/sources?verify=true", server.url))).await.1;
    assert_eq!(sources["sources"][0]["source"], "otlp");
    assert_eq!(sources["sources"][0]["rows_counted"], 3, "{sources}");
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stormglass_push_rejected_records_total 1\n"), "{metrics}");
}

const HOOKS: &str = r#"
[[hooks]]
name = "github"
scheme = "github"
secret = ["env:HOOK_OLD", "env:HOOK_SECRET"]
source = "gh"
[[hooks]]
name = "okta"
scheme = "okta"
secret = "env:HOOK_SECRET"
[[hooks]]
name = "kube"
scheme = "bearer"
secret = "file:@/kube-secret"
[[hooks]]
name = "standard"
scheme = "standard"
secret = "file:@/standard-secret"
"#;

/// HMAC-SHA256 by another implementation, where there is one.
fn openssl_hmac(key: &str, text: &str) -> Option<String> {
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", key])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().rsplit(' ').next().map(str::to_owned)
}

#[tokio::test]
async fn hooks_open_for_those_who_know_their_secret() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_string_lossy().into_owned();
    std::fs::write(folder.path().join("kube-secret"), "k8s-secret\n").unwrap();
    std::fs::write(folder.path().join("standard-secret"), "whsec_c2VjcmV0IG9mIGEgd2ViaG9vaw==").unwrap();
    let config = configuration(folder.path(), &HOOKS.replace('@', &here));
    let data = folder.path().join("data");
    let settings = [
        ("STORMGLASS_CONFIG", config.as_str()),
        ("HOOK_SECRET", "s3cret"),
        ("HOOK_OLD", "0ld"),
        ("STORMGLASS_SERVER_MAX_BODY", "64 KiB"),
    ];
    let server = Server::start(&data, &settings);
    let client = Client::new();
    let post =
        |hook: &str, body: &str| client.post(format!("{}/hooks/{hook}", server.url)).body(body.to_owned());
    let Some(signature) = openssl_hmac("s3cret", &trail("e-1")) else {
        return println!("skipped: no openssl");
    };
    let signed = format!("sha256={signature}");
    let (status, body) = answer(post("github", &trail("e-1")).header("x-hub-signature-256", &signed)).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(1)), "{body}");

    let events = json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": [
        serde_json::from_str::<Value>(&trail("e-2")).unwrap(), serde_json::from_str::<Value>(&trail("e-3")).unwrap(),
    ]});
    // `kind` stands first, as Kubernetes writes it; this map sorts its keys.
    let events = format!(r#"{{"kind":"EventList",{}"#, events.to_string().trim_start_matches('{'));
    let (status, body) = answer(post("kube", &events).bearer_auth("k8s-secret")).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(2)), "{body}");

    let okta = format!(
        r#"{{"eventType":"com.okta.event_hook","data":{{"events":[{},{}]}}}}"#,
        trail("e-4"),
        trail("e-5")
    );
    let (status, body) = answer(post("okta", &okta).header("authorization", "s3cret")).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(2)), "{body}");
    let challenge = |secret: &str| {
        let get = client.get(format!("{}/hooks/okta", server.url)).header("authorization", secret);
        answer(get.header("x-okta-verification-challenge", "c-1"))
    };
    assert_eq!(challenge("s3cret").await, (200, json!({"verification": "c-1"})));
    assert_eq!(challenge("wrong").await.0, 401);

    let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let standard = |stamp: u64| {
        let digits = openssl_hmac("secret of a webhook", &format!("m-1.{stamp}.{}", trail("e-6"))).unwrap();
        let signature: Vec<u8> =
            (0..32).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap()).collect();
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature);
        post("standard", &trail("e-6"))
            .header("webhook-id", "m-1")
            .header("webhook-timestamp", stamp.to_string())
            .header("webhook-signature", format!("v1,{encoded}"))
    };
    assert_eq!(answer(standard(stamp)).await.0, 200);
    assert_eq!(answer(standard(stamp - 3600)).await.0, 401, "an old request that is played again");

    for (request, status) in [
        (post("github", &trail("e-7")).header("x-hub-signature-256", &signed), 401),
        (post("github", &trail("e-1")), 401),
        // The API's own tokens open no hook, and a hook's secret no API.
        (post("kube", &events).bearer_auth("secret"), 401),
        (client.get(format!("{}/api/v1/sources", server.url)).bearer_auth("k8s-secret"), 401),
        (post("nobody", "{}"), 404),
        (post("kube", &"x".repeat(70_000)).bearer_auth("k8s-secret"), 413),
        (client.get(format!("{}/hooks/kube", server.url)).bearer_auth("k8s-secret"), 404),
    ] {
        let (found, body) = answer(request).await;
        assert_eq!(found, status, "{body}");
        assert!(!body.to_string().contains("s3cret") && !body.to_string().contains("k8s-secret"), "{body}");
    }
    let metrics = client.get(format!("{}/metrics", server.url)).bearer_auth("reader").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("stormglass_push_bad_signatures_total 5\n"), "{metrics}");
    server.terminate();
    let rows = sql(&data, "SELECT source, count(*) AS n FROM events GROUP BY 1 ORDER BY 1");
    let counted: BTreeMap<_, _> =
        rows.iter().map(|row| (row["source"].as_str().unwrap(), row["n"].as_u64().unwrap())).collect();
    assert_eq!(counted, BTreeMap::from([("gh", 1), ("kube", 2), ("okta", 2), ("standard", 1)]));
    let shown = run(&["--config", &config, "config", "show"]);
    assert!(shown.contains("env:HOOK_SECRET") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_server_does_not_start_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let config: PathBuf = folder.path().join("stormglass.toml");
    std::fs::write(&config, "[[hooks]]\nname = \"a\"\nscheme = \"github\"\nsecret = \"env:NOT_THERE\"\n")
        .unwrap();
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let config = config.to_string_lossy().into_owned();
    let refused =
        crate::running::outcome(&["--config", &config, "--data", &data, "serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("secret of the hook `a`") && said.contains("env:NOT_THERE"), "{said}");
    // Reading the folder needs no hook.
    run(&["--config", &config, "--data", &data, "sources"]);
}

/// What one token pushes by HEC or OpenTelemetry no other writes under its name.
#[tokio::test]
async fn a_token_pushes_under_no_name_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let config = crate::audit::roles(
        folder.path(),
        "[[sources]]\nname = \"hec.the-analyst\"\ntype = \"files\"\npaths = [\"/nowhere/*.log\"]\n",
    );
    let server = Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", &config)]);
    let client = reqwest::Client::new();
    let push = async |token: &str, source: &str| {
        let request = client.post(format!("{}/api/v1/ingest?source={source}", server.url)).bearer_auth(token);
        request.body("{\"a\":1}").send().await.unwrap().status().as_u16()
    };
    for source in ["hec", "otlp", "hec.other", "otlp.the-admin", "hec.the-analyst", "stormglass"] {
        assert_eq!(push("ingest", source).await, 403, "{source}");
        assert_eq!(push("admin", source).await, 200, "{source}");
    }
    for source in ["hec.the-ingest", "otlp.the-ingest", "hecate", "hec-1", "http"] {
        assert_eq!(push("ingest", source).await, 200, "{source}");
    }
    // What HEC itself says of the source is a field of the event, and never its account.
    let event = r#"{"event":"x","source":"hec.other","host":"h","index":"i","sourcetype":"otlp.other"}"#;
    for path in ["event", "raw?source=hec.other&sourcetype=hec.other&host=hec.other"] {
        let request = client.post(format!("{}/services/collector/{path}", server.url));
        let request = request.header("authorization", "Splunk ingest").body(event);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let rows = client.post(format!("{}/api/v1/sql", server.url)).bearer_auth("admin").json(&serde_json::json!({
        "sql": "SELECT source, count(*) AS n FROM events WHERE source IN ('hec.other', 'hec.the-ingest') GROUP BY 1"
    }));
    client
        .get(format!("{}/api/v1/sources?verify=true", server.url))
        .bearer_auth("admin")
        .send()
        .await
        .unwrap();
    let rows: serde_json::Value = rows.send().await.unwrap().json().await.unwrap();
    let text = rows.to_string();
    assert!(text.contains("hec.the-ingest"), "{text}");
    server.terminate();
}
