//! Google's discovery documents, as its Python client carries them, judge what we send and what the fake answers.

use std::io::Write as _;
use std::process::{Command, Stdio};

use cloudfake::google::Google;
use cloudfake::{Fault, Proxy};
use ingest::google::{Environment, LoggingConfig, PubSubCollector, SccConfig};
use ingest::{Collector, Polled};
use serde_json::json;

use super::{SUBSCRIPTION, anonymous, config, entry};
use crate::aws::moto::python;
use crate::options;

/// Reads requests that our collectors sent (`METHOD PATH BODY`, one a line), holds each to its method's schema;
/// then drives the fake with Google's client, whose answers are held to theirs.
const SCRIPT: &str = r#"
import json, re, sys, urllib.parse
from google.auth.credentials import AnonymousCredentials
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc

documents = {name: json.loads(get_static_doc(name, version)) for name, version in [("pubsub", "v1"), ("logging", "v2")]}
# The client carries no document of the second version; it lists findings with the words of the first.
documents["securitycenter"] = json.loads(get_static_doc("securitycenter", "v1").replace('"v1/', '"v2/'))

def methods(document):
    stack = [document]
    while stack:
        node = stack.pop()
        yield from node.get("methods", {}).values()
        stack.extend(node.get("resources", {}).values())

def hold(schema, value, schemas, where):
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type")
    if kind == "object":
        assert isinstance(value, dict), (where, value)
        for name, member in value.items():
            inner = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            assert inner, f"{where}: there is no `{name}`"
            hold(inner, member, schemas, f"{where}.{name}")
    elif kind == "array":
        assert isinstance(value, list), (where, value)
        for member in value:
            hold(schema["items"], member, schemas, where + "[]")
    elif kind == "string":
        assert isinstance(value, str), (where, value)
        assert value in schema.get("enum", [value]), (where, value)
    elif kind == "integer":
        assert isinstance(value, int) and not isinstance(value, bool), (where, value)
        if schema.get("format") == "int32":
            assert abs(value) < 2**31, (where, value)
    elif kind == "boolean":
        assert isinstance(value, bool), (where, value)

seen = set()
for line in sys.stdin:
    verb, path, body = line.rstrip("\n").split(" ", 2)
    path, _, query = path.partition("?")
    for document in documents.values():
        found = None
        for method in methods(document):
            pattern = method.get("flatPath", method["path"])
            pattern = "/" + re.sub(r"\\{[^}]*\\}", "[^/:]+", re.escape(pattern))
            if method["httpMethod"] == verb and re.fullmatch(pattern, path):
                found = method
                break
        if found:
            break
    assert found, f"no method has {verb} {path}"
    if body:
        hold(found["request"], json.loads(body), document["schemas"], found["id"])
    for name, value in urllib.parse.parse_qsl(query):
        known = found["parameters"].get(name) or document["parameters"].get(name)
        assert known, f"{found['id']}: there is no parameter `{name}`"
    seen.add(found["id"])

url = sys.argv[1]
def client(name):
    return build_from_document(documents[name], credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
def answered(name, request):
    answer = request.execute(num_retries=0)
    method = next(m for m in methods(documents[name]) if m["id"] == request.methodId)
    hold(method["response"], answer, documents[name]["schemas"], method["id"])
    return answer

subscription = sys.argv[2]
api = client("pubsub").projects().subscriptions()
described = answered("pubsub", api.get(subscription=subscription))
assert described["name"] == subscription, described
pulled = answered("pubsub", api.pull(subscription=subscription, body={"maxMessages": 10}))
ids = [message["ackId"] for message in pulled["receivedMessages"]]
assert ids and all("data" in message["message"] for message in pulled["receivedMessages"]), pulled
answered("pubsub", api.modifyAckDeadline(subscription=subscription, body={"ackIds": ids, "ackDeadlineSeconds": 60}))
answered("pubsub", api.acknowledge(subscription=subscription, body={"ackIds": ids}))
body = {"resourceNames": ["projects/p-1"],
        "filter": 'timestamp>="2000-01-01T00:00:00Z" AND timestamp<"2099-01-01T00:00:00Z"'}
assert len(answered("logging", client("logging").entries().list(body=body))["entries"]) == 1
listed = answered("securitycenter", client("securitycenter").organizations().sources().findings().list(
    parent="organizations/1/sources/-",
    filter='event_time >= "2000-01-01T00:00:00Z" AND event_time < "2099-01-01T00:00:00Z"'))
assert len(listed["listFindingsResults"]) == 1, listed
print(*sorted(seen))
"#;

/// The last word of a path is a method's or a part's; the first line of a request has both.
fn line(seen: &cloudfake::Seen) -> String {
    let mut words = seen.head.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    format!("{method} {path} {}\n", seen.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_answers_are_googles() {
    let Some(python) = python("googleapiclient.discovery") else { return };
    let google = Google::start(true).await;
    let attributes = [("logging.googleapis.com/timestamp", "2026-01-02T03:04:05Z")];
    google.pubsub.lock().publish(entry("a").as_bytes(), &attributes);
    let time = "2023-11-14T21:30:00Z".to_owned();
    let item = json!({"timestamp": time, "insertId": "1", "logName": "projects/p-1/logs/a", "textPayload": "t",
        "severity": "NOTICE", "resource": {"type": "global", "labels": {"project_id": "p-1"}}});
    google.entries.lock().all.push((time.clone(), "projects/p-1".into(), item));
    let finding = json!({"finding": {"name": "n", "eventTime": time, "state": "ACTIVE", "severity": "HIGH"},
        "resource": {"name": "r"}});
    google.findings.lock().all.push((time, "organizations/1".into(), finding));

    let proxy = Proxy::start(&google.url, |_| Fault::Pass).await;
    let none = Environment::default();
    let positions = std::collections::BTreeMap::new();
    let access = anonymous(&proxy.url);
    let logs = LoggingConfig {
        access: access.clone(),
        resources: vec!["projects/p-1".into()],
        ..LoggingConfig::default()
    };
    let scc =
        SccConfig { access: access.clone(), parents: vec!["organizations/1".into()], ..SccConfig::default() };
    let collectors: [Box<dyn Collector>; 3] = [
        Box::new(PubSubCollector::open(config(access), &none, options(1)).unwrap()),
        Box::new(logs.lists(&none, options(1).now_us).unwrap().follow(&positions, options(1))),
        Box::new(scc.lists(&none, options(1).now_us).unwrap().follow(&positions, options(1))),
    ];
    for mut collector in collectors {
        loop {
            if let Polled::Collected(collected) = collector.poll().await.unwrap() {
                collector.ack(&[collected.ticket]).await.unwrap();
                if collected.batch.is_some() {
                    break;
                }
            }
        }
    }
    google.pubsub.lock().publish(entry("b").as_bytes(), &attributes);

    let mut child = Command::new(python)
        .args(["-c", SCRIPT, &google.url, SUBSCRIPTION])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = proxy.seen.lock().iter().map(line).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let methods = "logging.entries.list pubsub.projects.subscriptions.acknowledge \
                   pubsub.projects.subscriptions.modifyAckDeadline pubsub.projects.subscriptions.pull \
                   securitycenter.organizations.sources.findings.list";
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), methods);
}
