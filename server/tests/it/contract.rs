//! The API does what its description says, by Schemathesis, and every answer has what all have.

use std::process::Command;
use std::time::Duration;

use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::Value;

use crate::audit::roles;
use crate::push::python;
use crate::running::{Server, root, run};

#[test]
fn schemathesis_finds_nothing() {
    let Some(python) = python("schemathesis") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    run(&["--data", &data.to_string_lossy(), "ingest", &root().join("demo/story").to_string_lossy()]);
    // Bodies are small, so that the server's bound on them is met.
    let config = roles(
        folder.path(),
        "[server]\nmax_body = \"1 MiB\"\nrequests_per_second = 100000\n[audit]\nfailed_changes = 1000000\n",
    );
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    let url = format!("{}/api/v1/openapi.json", server.url);
    let output = Command::new(&python)
        .args(["-m", "schemathesis.cli", "run", &url, "-H", "Authorization: Bearer admin"])
        .args(["--seed", "7", "--max-examples", "15", "--workers", "2", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--generation-database", "none"])
        // What others push and call back has credentials of its own, and a stream of events has no end to wait for: both
        // are driven below.
        .args([
            "--exclude-path-regex",
            "^/(services|v1|hooks|callbacks|opentelemetry)|/alerts/live$|/ingest$",
        ])
        .args(["--checks", "all"])
        // A text of the right form can still say nothing: a time, a severity, a statement of SQL.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("passed") && !said.contains("Tested: 0"), "{said}");
    server.terminate();
}

/// Signs what Schemathesis sends as each service would, and writes bodies that are no JSON.
const SIGNED: &str = r#"
import hashlib, hmac, struct, time
import requests, schemathesis

class Signed(requests.auth.AuthBase):
    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        path, headers = request.path_url, request.headers
        digest = lambda key, text: hmac.new(key, text, hashlib.sha256).hexdigest()
        if path.startswith("/callbacks/slack/"):
            now = str(int(time.time()))
            headers["x-slack-request-timestamp"] = now
            headers["x-slack-signature"] = "v0=" + digest(b"slack-secret", b"v0:" + now.encode() + b":" + body)
        elif path.startswith("/callbacks/pagerduty/"):
            headers["x-pagerduty-signature"] = "v1=" + digest(b"pager-secret", body)
        elif path.startswith("/hooks/"):
            headers["authorization"] = "Bearer hook-secret"
        elif path.startswith("/services/"):
            headers["authorization"] = "Splunk ingest"
        else:
            headers["authorization"] = "Bearer ingest"
        return request

schemathesis.auth.set_from_requests(Signed())

@schemathesis.hook
def map_path_parameters(context, path_parameters):
    # Names that there are, but for some.
    path = context.operation.path
    known = "app" if "hooks" in path else "soc" if "slack" in path else "pager"
    for name, value in (path_parameters or {}).items():
        if len(str(value)) % 4:
            path_parameters[name] = known
    return path_parameters

def octets(value):
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return bytes(one & 255 for one in value)
    return str(value).encode()

@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return octets(value)

@schemathesis.serializer("application/x-protobuf")
def protobuf(context, value):
    return octets(value)

@schemathesis.serializer("application/grpc")
def grpc(context, value):
    # Every other one in a frame of its length.
    body = octets(value)
    return struct.pack(">BI", 0, len(body)) + body if len(body) % 2 else body
"#;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";

/// What others push and call back, each with its own credentials.
const PUSHED: &str = "[server]
max_body = \"1 MiB\"
requests_per_second = 100000
[[channels]]
name = \"soc\"
kind = \"slack\"
token = \"env:SLACK_SECRET\"
channel = \"C012AB3CD\"
callback_secret = \"env:SLACK_SECRET\"
[[channels]]
name = \"pager\"
kind = \"pagerduty\"
routing_key = \"env:PAGER_SECRET\"
callback_secret = \"env:PAGER_SECRET\"
[[hooks]]
name = \"app\"
scheme = \"bearer\"
secret = \"env:HOOK_SECRET\"
";

#[test]
fn schemathesis_finds_nothing_in_what_is_pushed_and_called_back() {
    let Some(python) = python("schemathesis") else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("signed.py"), SIGNED).unwrap();
    let config = roles(folder.path(), PUSHED);
    let settings = [
        ("STORMGLASS_CONFIG", config.as_str()),
        ("SLACK_SECRET", "slack-secret"),
        ("PAGER_SECRET", "pager-secret"),
        ("HOOK_SECRET", "hook-secret"),
    ];
    let server = Server::start(&folder.path().join("data"), &settings);
    let url = format!("{}/api/v1/openapi.json", server.url);
    let described =
        Command::new("curl").args(["-sfH", "Authorization: Bearer admin", &url]).output().unwrap();
    assert!(described.status.success());
    std::fs::write(folder.path().join("openapi.json"), described.stdout).unwrap();
    let output = Command::new(&python)
        .args(["-m", "schemathesis.cli", "run", "openapi.json", "--url", &server.url])
        .args(["--seed", "7", "--max-examples", "15", "--workers", "2", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--generation-database", "none"])
        .args(["--include-path-regex", "^/(services|v1|hooks|callbacks|opentelemetry)|^/api/v1/ingest$"])
        .args(["--suppress-health-check", "all"])
        // Whatever is sent with the right credentials is an event; what each refuses is others' to say.
        .args(["--checks", CHECKS])
        .current_dir(folder.path())
        .env("PYTHONPATH", folder.path())
        .env("SCHEMATHESIS_HOOKS", "signed")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Tested: 14"), "{said}");
    server.terminate();
}

/// Holds every event of a stream against the schema that the description has for it, and counts them.
const EVENTS: &str = r##"
import json, os
import jsonschema_rs, schemathesis

with open("openapi.json") as file:
    described = json.load(file)
entry = jsonschema_rs.validator_for({
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$ref": "#/components/schemas/LiveEntry",
    "components": described["components"],
})

def events(text):
    event = {}
    for line in text.split("\n"):
        if line == "":
            if "data" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            assert name in ("id", "event", "data", "retry"), line
            event[name] = value.removeprefix(" ")

@schemathesis.check
def events_conform(context, response, case):
    if response.status_code != 200:
        return
    last = -1
    for event in events(response.text):
        data = json.loads(event["data"])
        assert event["event"] in ("alert", "gap"), event
        assert int(event["id"]) > last, event
        last = int(event["id"])
        if event["event"] == "gap":
            assert data == {}, event
            continue
        entry.validate(data)
        assert data["seq"] == last, event
        with open("events", "a") as file:
            file.write("1\n")
"##;

/// Stands before a server and ends each stream of events a moment after its beginning, as Schemathesis waits for
/// the end of every answer.
async fn impatient(server: String) -> String {
    let client = reqwest::Client::new();
    let pass = move |request: axum::extract::Request| {
        let (client, server) = (client.clone(), server.clone());
        async move {
            let path = request.uri().path_and_query().unwrap().to_string();
            let mut headers = request.headers().clone();
            headers.remove("host");
            let answer = client.request(request.method().clone(), format!("{server}{path}")).headers(headers);
            let answer = answer.send().await.unwrap();
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            headers.remove("transfer-encoding");
            let pieces = answer.bytes_stream().take_until(tokio::time::sleep(Duration::from_millis(150)));
            (status, headers, axum::body::Body::from_stream(pieces))
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(pass)).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing_in_the_stream_of_alerts() {
    let Some(python) = python("schemathesis, jsonschema_rs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    run(&["--data", &data.to_string_lossy(), "ingest", &root().join("demo/story").to_string_lossy()]);
    let config = roles(folder.path(), "[server]\nrequests_per_second = 100000\n");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    let (described, _) = crate::described::description(&server).await;
    std::fs::write(folder.path().join("openapi.json"), described.to_string()).unwrap();
    std::fs::write(folder.path().join("events_of_streams.py"), EVENTS).unwrap();
    let url = impatient(server.url.clone()).await;
    let mut command = Command::new(&python);
    command
        .args(["-m", "schemathesis.cli", "run", "openapi.json", "--url", &url])
        .args(["-H", "Authorization: Bearer admin", "--seed", "7", "--max-examples", "15", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--generation-database", "none"])
        .args(["--include-path-regex", "/alerts/live$"])
        .args(["--checks", &format!("{CHECKS},events_conform")])
        .current_dir(folder.path())
        .env("PYTHONPATH", folder.path())
        .env("SCHEMATHESIS_HOOKS", "events_of_streams");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Tested: 1"), "{said}");
    let events = std::fs::read_to_string(folder.path().join("events")).unwrap_or_default().lines().count();
    assert!(events > 5, "only {events} events were looked at\n{said}");
    server.terminate();
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_guarded() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", &roles(folder.path(), ""))]);
    let client = reqwest::Client::new();
    let ask = async |method: &str, path: &str, id: &str, body: &str| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = client.request(method, format!("{}{path}", server.url)).bearer_auth("admin");
        if !id.is_empty() {
            request = request.header("x-request-id", id);
        }
        request.header("content-type", "application/json").body(body.to_owned()).send().await.unwrap()
    };
    for (method, path, body, status, kind) in [
        ("GET", "/api/v1/nothing", "", 404, "not_found"),
        ("DELETE", "/api/v1/alerts", "", 405, "method_not_allowed"),
        ("GET", "/api/v1/alerts?limit=x", "", 400, "bad_request"),
        ("GET", "/api/v1/dead-letters/x", "", 400, "bad_request"),
        ("POST", "/api/v1/sql", "{", 400, "bad_request"),
        ("POST", "/api/v1/sql", "{}", 422, "invalid"),
        ("POST", "/api/v1/sql", "{\"sql\": \"SELEC 1\"}", 400, "sql"),
    ] {
        let answer = ask(method, path, "", body).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{method} {path}");
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.headers()[name], value, "{method} {path}");
        }
        assert!(answer.headers().get("strict-transport-security").is_none(), "said without TLS");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], format!("/api/v1/problems#{kind}"), "{problem}");
        assert_eq!(problem["request_id"], id);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
    }
    let id = async |given: &str| {
        let answer = ask("GET", "/health", given, "").await;
        answer.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("my-request_1.2").await, "my-request_1.2");
    let long = "a".repeat(65);
    for hostile in ["a b", "a\"b", &*long, "\u{7f}é"] {
        let Ok(value) = reqwest::header::HeaderValue::from_bytes(hostile.as_bytes()) else { continue };
        let request = client.get(format!("{}/health", server.url)).bearer_auth("admin");
        let answer = request.header("x-request-id", value).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"].len(), 32, "{hostile}");
    }
    let known: Value = ask("GET", "/api/v1/problems", "", "").await.json().await.unwrap();
    assert!(known["problems"].as_array().unwrap().len() > 10);
    server.terminate();
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    run(&["--data", &data, "ingest", &root().join("demo/story").to_string_lossy()]);
    let server = Server::start(folder.path(), &[]);
    let client = reqwest::Client::new();
    let list: Value =
        reqwest::get(format!("{}/api/v1/alerts", server.url)).await.unwrap().json().await.unwrap();
    let id = list["alerts"][0]["id"].as_str().unwrap();
    let url = format!("{}/api/v1/alerts/{id}", server.url);
    let read =
        async |url: &str, tag: &str| client.get(url).header("if-none-match", tag).send().await.unwrap();
    let first = read(&url, "\"0\"").await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()["cache-control"], "private, no-cache");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = read(&url, &tag).await;
    assert_eq!(
        (again.status(), again.headers()["etag"].to_str().unwrap()),
        (StatusCode::NOT_MODIFIED, &*tag)
    );
    assert!(again.bytes().await.unwrap().is_empty());
    assert_eq!(client.post(format!("{url}/acknowledge")).send().await.unwrap().status(), 200);
    let changed = read(&url, &tag).await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()["etag"].to_str().unwrap(), tag);
    // Pages of rules are all of them, once.
    let all: Value = read(&format!("{}/api/v1/rules", server.url), "").await.json().await.unwrap();
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Value =
            read(&format!("{}/api/v1/rules?limit=50{cursor}", server.url), "").await.json().await.unwrap();
        pages.extend(page["rules"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(pages.len() > 100);
    assert_eq!(&pages, all["rules"].as_array().unwrap());
    for path in ["/api/v1/alerts", "/api/v1/rules"] {
        let url = format!("{}{path}", server.url);
        let tag = read(&url, "\"0\"").await.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(read(&url, &format!("W/{tag}, \"b\"")).await.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    server.terminate();
}
