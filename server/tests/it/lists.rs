//! Every list of the API comes in pages, in one way.

use std::collections::BTreeSet;

use alerts::{Alert, AlertId, AlertStore, RuleRef};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use storage::state::State;

use crate::audit::roles;
use crate::described::description;
use crate::running::{Server, root, run};

/// Lists that come whole: each is as long as the configuration or the program makes it.
const WHOLE: [&str; 4] =
    ["/api/v1/alerts/noise", "/api/v1/notifications/channels", "/api/v1/problems", "/api/v1/roles"];

async fn get(server: &Server, path: &str) -> Value {
    let answer =
        Client::new().get(format!("{}{path}", server.url)).bearer_auth("admin").send().await.unwrap();
    let status = answer.status();
    let body = answer.json().await.unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// The entries of a page: its one list of objects.
fn entries(page: &Value) -> Vec<Value> {
    let lists = page.as_object().unwrap().iter().filter(|(name, _)| *name != "findings");
    lists.map(|(_, value)| value).find_map(Value::as_array).unwrap().clone()
}

/// What tells an entry from others.
fn key(entry: &Value) -> String {
    let names = ["id", "seq", "source", "name", "entity"];
    let name = names.iter().find(|name| !entry[**name].is_null()).unwrap();
    format!("{}{}", entry["kind"], entry[*name])
}

/// All pages of a list, with `between` done after each.
async fn pages(server: &Server, path: &str, limit: usize, mut between: impl AsyncFnMut(usize)) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for number in 0.. {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = get(server, &format!("{path}{joint}limit={limit}{cursor}")).await;
        let entries = entries(&page);
        assert!(entries.len() <= limit, "{path}");
        assert!(page["next"].is_null() || entries.len() == limit, "{path}");
        all.extend(entries);
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        between(number).await;
    }
    all
}

async fn post(server: &Server, path: &str, body: Value) {
    let request = Client::new().post(format!("{}{path}", server.url)).bearer_auth("admin");
    let answer = request.json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
}

/// Records that no log type is told of: each becomes a dead letter.
fn unknown(many: usize) -> String {
    (0..many).map(|number| format!("{{\"nothing\": {number}}}\n")).collect()
}

/// A server that has some of everything that is listed.
async fn full(folder: &std::path::Path) -> Server {
    let data = folder.join("data");
    let text = data.to_string_lossy().into_owned();
    let bad = folder.join("bad.json");
    std::fs::write(&bad, unknown(7)).unwrap();
    run(&["--data", &text, "ingest", &bad.to_string_lossy()]);
    run(&["--data", &text, "ingest", "--source", "demo", &root().join("demo/story").to_string_lossy()]);
    let config = roles(
        folder,
        "[server]\nrequests_per_second = 100000\n[egress]\nallow = [\"http://127.0.0.1\"]\n\
         [[channels]]\nname = \"out\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/none\"\n\
         [[channels]]\nname = \"more\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/more\"\n\
         [[notify.routes]]\nname = \"all\"\nchannels = [\"out\", \"more\"]\n",
    );
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    for name in ["ana", "ben"] {
        let user = json!({"name": name, "role": "analyst", "password": "a harbour of 17 lanterns"});
        post(&server, "/api/v1/users", user).await;
    }
    for number in 0..5 {
        post(&server, "/api/v1/tokens", json!({"name": format!("t{number}"), "role": "ingest"})).await;
        post(
            &server,
            "/api/v1/assets",
            json!({"name": format!("a{number}"), "patterns": ["x"], "criticality": "high"}),
        )
        .await;
        let silence = json!({"match": {"rule": [format!("r{number}")]}, "ends": "4h", "reason": "known"});
        post(&server, "/api/v1/silences", silence).await;
    }
    server
}

#[tokio::test]
async fn every_list_has_pages_and_each_entry_is_on_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = full(folder.path()).await;
    let (described, operations) = description(&server).await;
    let mut paged = BTreeSet::new();
    for operation in operations.iter().filter(|one| one.method == Method::GET && !one.path.contains('{')) {
        let schema = &operation.body["responses"]["200"]["content"]["application/json"]["schema"];
        let target = schema["$ref"].as_str().map(|at| described.pointer(at.trim_start_matches('#')).unwrap());
        let fields = target.and_then(|target| target["properties"].as_object());
        let is_list_of_objects =
            |field: &Value| field["type"] == "array" && field["items"]["$ref"].is_string();
        let is_list = fields.is_some_and(|fields| fields.values().any(is_list_of_objects));
        if operation.takes("cursor") {
            assert!(is_list && operation.takes("limit"), "{}", operation.path);
            let next = fields.unwrap().get("next").unwrap();
            assert!(next["type"].to_string().contains("string"), "{}: {next}", operation.path);
            paged.insert(operation.path.clone());
        } else {
            assert_eq!(is_list, WHOLE.contains(&&*operation.path), "{} has no pages", operation.path);
        }
        for other in ["after", "before", "offset", "page"] {
            let is_other = operation.takes(other) && !operation.path.ends_with("/live");
            assert!(!is_other, "{} calls its cursor `{other}`", operation.path);
        }
    }
    assert!(paged.len() >= 13, "{paged:?}");
    let mut several = BTreeSet::new();
    for path in &paged {
        let asked = match path.as_str() {
            "/api/v1/identity/links" => format!("{path}?name=:"),
            _ => path.clone(),
        };
        // The audit log grows by reading it, at its beginning.
        let whole: Vec<_> = pages(&server, &asked, 500, async |_| {}).await.iter().map(key).collect();
        let unique: BTreeSet<_> = whole.iter().collect();
        assert_eq!(unique.len(), whole.len(), "{path} has an entry twice");
        for limit in [1, 3] {
            // A rule a page would be hundreds of requests.
            let limit = if path.ends_with("/rules") { limit * 40 } else { limit };
            let mut found: Vec<_> =
                pages(&server, &asked, limit, async |_| {}).await.iter().map(key).collect();
            if path.ends_with("/audit") {
                let new = found.iter().position(|entry| *entry == whole[0]).unwrap();
                found.drain(..new);
            }
            assert_eq!(found, whole, "{path} by {limit}");
        }
        if whole.len() > 1 {
            several.insert(path.clone());
        }
        for bad in ["x", "%00", "%F0%9F%8C%A9"] {
            let joint = if asked.contains('?') { '&' } else { '?' };
            let url = format!("{}{asked}{joint}cursor={bad}", server.url);
            let answer = Client::new().get(url).bearer_auth("admin").send().await.unwrap();
            assert_eq!(answer.status(), 400, "{path} takes the cursor {bad}");
        }
    }
    // All lists but that of incidents, of which the story is one, had more than a page of one.
    let few: Vec<_> = paged.difference(&several).collect();
    assert!(few.is_empty() || few == ["/api/v1/incidents"], "{few:?}");
    server.terminate();
}

#[tokio::test]
async fn what_comes_and_goes_moves_no_other_entry() {
    let folder = tempfile::tempdir().unwrap();
    let server = full(folder.path()).await;
    let client = Client::new();
    let found = pages(&server, "/api/v1/assets", 1, async |number| {
        // One before where the reader is, and one behind.
        for name in [format!("a0-{number}"), format!("z{number}")] {
            let body = json!({"name": name, "patterns": ["x"], "criticality": "low"});
            post(&server, "/api/v1/assets", body).await;
        }
        if number == 1 {
            let url = format!("{}/api/v1/assets/a1", server.url);
            let gone = client.delete(url).bearer_auth("admin").send().await.unwrap();
            assert_eq!(gone.status(), 204);
        }
        // The list has an end.
        if number > 3 {
            for number in 0..=number {
                let url = format!("{}/api/v1/assets/z{number}", server.url);
                client.delete(url).bearer_auth("admin").send().await.unwrap();
            }
        }
    })
    .await;
    let names: Vec<_> = found.iter().map(|asset| asset["name"].as_str().unwrap()).collect();
    for stays in ["a0", "a2", "a3", "a4"] {
        assert_eq!(names.iter().filter(|name| **name == stays).count(), 1, "{names:?}");
    }
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    server.terminate();
}

/// An alert of high severity about nobody: it is an incident of its own.
fn alert(number: usize) -> Alert {
    Alert {
        id: AlertId::new("r1", [number.to_string().as_str()]),
        rule: RuleRef {
            id: "r1".into(),
            title: "Trail stopped".into(),
            level: "high".into(),
            tags: Vec::new(),
            description: String::new(),
            response: Vec::new(),
        },
        severity_id: 4,
        time_us: 1_000_000,
        provider: "AWS".into(),
        entities: Vec::new(),
        evidence: Vec::new(),
        joined: None,
    }
}

#[test]
fn commands_show_more_than_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, unknown(620)).unwrap();
    run(&["--data", &data, "ingest", &bad.to_string_lossy()]);
    let state = State::open(&folder.path().join("data/state.db")).unwrap();
    let store = AlertStore::open(state.clone()).unwrap();
    let alerts: Vec<_> = (0..620).map(alert).collect();
    state.write(|txn| AlertStore::record(txn, &alerts, 2_000_000)).unwrap();
    drop((store, state));
    for (command, entries) in
        [("deadletters", "dead_letters"), ("alerts", "alerts"), ("incidents", "incidents")]
    {
        for (limit, many, has_more) in [("1000", 620, false), ("510", 510, true), ("20", 20, true)] {
            let out = run(&["--data", &data, command, "list", "--json", "--limit", limit]);
            let list: Value = serde_json::from_str(&out).unwrap();
            let ids: BTreeSet<_> =
                list[entries].as_array().unwrap().iter().map(|entry| entry["id"].to_string()).collect();
            assert_eq!((ids.len(), list["next"].is_string()), (many, has_more), "{command} {limit}");
        }
    }
}
