//! Live alerts, by a client in Python that knows only what the standard says.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::push::python;
use crate::running::{Server, root};

/// Prints each event as a line of JSON; goes on after the id in its last argument.
const CLIENT: &str = r#"
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/api/v1/alerts/live", headers={"Accept": "text/event-stream"})
if sys.argv[2]:
    request.add_header("Last-Event-ID", sys.argv[2])
answer = urllib.request.urlopen(request, timeout=120)
assert answer.headers["Content-Type"] == "text/event-stream", answer.headers
event = {"data": []}
try:
    for line in answer:
        line = line.decode().rstrip("\n")
        if line == "":
            if event["data"]:
                print(json.dumps({"id": event.get("id"), "event": event.get("event"), "data": json.loads("\n".join(event["data"]))}), flush=True)
            event = {"data": []}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "data":
                event["data"].append(value)
            else:
                event[name] = value
            if name == "retry":
                print(json.dumps({"retry": int(value)}), flush=True)
except (ConnectionError, OSError, __import__("http.client").client.IncompleteRead):
    pass
"#;

struct Reader {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Reader {
    fn start(python: &str, server: &Server, last: &str) -> Self {
        let mut child = Command::new(python)
            .args(["-c", CLIENT, &server.url, last])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut reader = Self { child, lines };
        assert_eq!(reader.next().unwrap()["retry"], 1000);
        reader
    }

    fn next(&mut self) -> Option<Value> {
        self.lines.next().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn ingest(server: &Server) {
    for entry in std::fs::read_dir(root().join("demo/story")).unwrap() {
        let body = std::fs::read(entry.unwrap().path()).unwrap();
        let url = format!("{}/api/v1/ingest", server.url);
        assert_eq!(reqwest::Client::new().post(url).body(body).send().await.unwrap().status(), 200);
    }
    // Waits until alerts are raised.
    reqwest::get(format!("{}/api/v1/sources?verify=true", server.url)).await.unwrap();
}

async fn alerts(server: &Server) -> Vec<Value> {
    let url = format!("{}/api/v1/alerts?limit=500", server.url);
    let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    answer["alerts"].as_array().unwrap().clone()
}

async fn change(server: &Server, id: &str, step: &str) {
    let url = format!("{}/api/v1/alerts/{id}/{step}", server.url);
    assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 200);
}

fn start(data: &Path) -> Server {
    Server::start(data, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_misses_nothing_over_a_kill() {
    let Some(python) = python("ssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut reader = Reader::start(&python, &server, "");
    // One that reads nothing holds up nobody.
    let mut slow = reqwest::get(format!("{}/api/v1/alerts/live?after=0", server.url)).await.unwrap();
    ingest(&server).await;
    let raised = alerts(&server).await;
    assert!(!raised.is_empty());
    let mut seen: Vec<u64> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    while ids.len() < raised.len() {
        let event = reader.next().unwrap();
        assert_eq!(event["event"], "alert");
        assert_eq!(event["id"], event["data"]["seq"].to_string());
        seen.push(event["data"]["seq"].as_u64().unwrap());
        ids.insert(event["data"]["id"].as_str().unwrap().to_owned());
        assert!(event["data"]["alert"]["title"].is_string(), "{event}");
    }
    let id = raised[0]["id"].as_str().unwrap().to_owned();
    change(&server, &id, "acknowledge").await;
    // Everything up to the change, whatever raising has added besides.
    loop {
        let event = reader.next().unwrap();
        seen.push(event["data"]["seq"].as_u64().unwrap());
        if event["data"]["change"] == "acknowledged" {
            assert_eq!(
                (&event["data"]["id"], &event["data"]["alert"]["status"]),
                (&id.clone().into(), &"acknowledged".into())
            );
            break;
        }
    }
    assert!(slow.chunk().await.unwrap().is_some());
    server.kill();
    while reader.next().is_some() {}
    let server = start(folder.path());
    let close = serde_json::json!({"verdict": "benign", "reason": "a drill"});
    let url = format!("{}/api/v1/alerts/{id}/close", server.url);
    assert_eq!(reqwest::Client::new().post(url).json(&close).send().await.unwrap().status(), 200);
    let last = seen.last().unwrap().to_string();
    let mut reader = Reader::start(&python, &server, &last);
    loop {
        let event = reader.next().unwrap();
        let seq = event["data"]["seq"].as_u64().unwrap();
        assert_eq!(seq, seen.last().unwrap() + 1, "an entry was missed or doubled");
        seen.push(seq);
        if event["data"]["change"] == "closed" {
            assert_eq!(event["data"]["reason"], "a drill");
            break;
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
    // A stop ends the streams, and does not wait for them.
    let started = std::time::Instant::now();
    server.terminate();
    assert!(started.elapsed() < Duration::from_secs(12));
    while reader.next().is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_watches() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    ingest(&server).await;
    let mut watch =
        crate::running::command(&["--url", &server.url, "alerts", "watch", "--after", "0", "--json"]);
    let mut child = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["seq"], &first["change"]), (&1.into(), &"raised".into()));
    child.kill().unwrap();
    child.wait().unwrap();
    for (query, status) in [("after=x", 400), ("nothing=1", 400)] {
        let answer = reqwest::get(format!("{}/api/v1/alerts/live?{query}", server.url)).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query}");
    }
    // An id from another store.
    let client = reqwest::Client::new();
    let request = client.get(format!("{}/api/v1/alerts/live", server.url)).header("last-event-id", "999999");
    let mut answer = request.send().await.unwrap();
    let mut text = String::new();
    while !text.contains("event: gap") {
        text.push_str(&String::from_utf8_lossy(&answer.chunk().await.unwrap().unwrap()));
    }
    server.terminate();
}

/// A stream ends with the token, the user, or the right; not a minute later.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_right_to_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = crate::audit::roles(folder.path(), "");
    let server = Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", &config)]);
    let client = reqwest::Client::new();
    let ask = async |method: &str, path: &str, body: Value| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = client.request(method, format!("{}/api/v1/{path}", server.url)).bearer_auth("admin");
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json::<Value>().await.unwrap_or_default()
    };
    let user = serde_json::json!({"name": "dora", "role": "analyst", "password": "seven tall lighthouses"});
    ask("POST", "users", user).await;
    for (name, owner) in [("pump", None), ("of-dora", Some("dora")), ("also-doras", Some("dora"))] {
        let mut body = serde_json::json!({"name": name, "role": "analyst"});
        if let Some(owner) = owner {
            body["owner"] = owner.into();
        }
        let token = ask("POST", "tokens", body).await["token"].as_str().unwrap().to_owned();
        let request = client.get(format!("{}/api/v1/alerts/live", server.url)).bearer_auth(token);
        let mut stream = request.send().await.unwrap();
        assert_eq!(stream.status(), 200);
        assert!(stream.chunk().await.unwrap().is_some(), "it begins with a comment");
        let begun = std::time::Instant::now();
        match name {
            "pump" => ask("DELETE", "tokens/pump", Value::Null).await,
            // The role may push, and read nothing.
            "of-dora" => {
                let ended = ask("PATCH", "users/dora", serde_json::json!({"role": "ingest"})).await;
                while stream.chunk().await.unwrap().is_some() {}
                ask("PATCH", "users/dora", serde_json::json!({"role": "analyst"})).await;
                ended
            }
            _ => ask("PATCH", "users/dora", serde_json::json!({"active": false})).await,
        };
        while stream.chunk().await.unwrap().is_some() {}
        assert!(begun.elapsed() < Duration::from_secs(45), "{name}: it went on for its whole minute");
    }
    server.terminate();
}
