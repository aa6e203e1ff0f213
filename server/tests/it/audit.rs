//! The audit log: that nothing is left out, and that nothing can be taken out.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use storage::state::rusqlite::Connection;

use crate::running::{Server, outcome, run};

/// A configuration with a token for each role, whose text is the role, and `more`.
pub(crate) fn roles(folder: &Path, more: &str) -> String {
    let path = folder.join("stormglass.toml");
    let tokens = ["admin", "analyst", "ingest"].map(|role| {
        let hash: String = Sha256::digest(role).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[auth.tokens]]\nname = \"the-{role}\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\n")
    });
    std::fs::write(&path, more.to_owned() + &tokens.concat()).unwrap();
    path.to_string_lossy().into_owned()
}

async fn entries(server: &Server, query: &str) -> Vec<Value> {
    let url = format!("{}/api/v1/audit?limit=500&{query}", server.url);
    let answer = Client::new().get(url).bearer_auth("admin").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json::<Value>().await.unwrap()["entries"].as_array().unwrap().clone()
}

fn exported(data: &Path) -> Vec<Value> {
    let text = run(&["--data", &data.to_string_lossy(), "audit", "export"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every route that changes something, as the server itself describes them.
#[tokio::test]
async fn no_route_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", &roles(folder.path(), ""))]);
    let client = Client::new();
    let url = format!("{}/api/v1/openapi.json", server.url);
    let described: Value = client.get(url).bearer_auth("admin").send().await.unwrap().json().await.unwrap();
    let mut changing = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for method in ["post", "put", "patch", "delete"] {
            if item.get(method).is_some() {
                let filled = path.split('/').map(|part| if part.starts_with('{') { "7" } else { part });
                changing.insert((method.to_uppercase(), filled.collect::<Vec<_>>().join("/")));
            }
        }
    }
    assert!(changing.len() >= 15, "{changing:?}");
    for (method, path) in &changing {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = client.request(method.clone(), format!("{}{path}", server.url)).bearer_auth("admin");
        let status = request.json(&json!({})).send().await.unwrap().status();
        assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let told: Vec<Value> = entries(&server, "").await;
        let missing: Vec<_> = changing
            .iter()
            .filter(|(method, path)| {
                let object = format!("{method} {path}");
                let of_it: Vec<_> = told.iter().filter(|entry| entry["object"] == object).collect();
                let ended = of_it.iter().any(|entry| entry["outcome"] != "intended");
                // What is announced has an answer, and the answer names it.
                let answered = of_it
                    .iter()
                    .filter(|entry| entry["outcome"] == "intended")
                    .all(|intent| of_it.iter().any(|entry| entry["of"] == intent["seq"]));
                !(ended && answered)
            })
            .collect();
        if missing.is_empty() {
            let announced = told.iter().filter(|entry| entry["outcome"] == "intended").count();
            assert!(announced >= 8, "{announced} changes were announced");
            break;
        }
        assert!(Instant::now() < deadline, "no entry of {missing:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.terminate();
}

#[tokio::test]
async fn queries_refusals_and_starts_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = roles(folder.path(), "");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    let client = Client::new();
    let sql = async |token: &str, statement: &str| {
        let request = client.post(format!("{}/api/v1/sql", server.url)).bearer_auth(token);
        let answer = request.json(&json!({ "sql": statement })).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(sql("analyst", "SELECT 1 AS a UNION ALL SELECT 2").await.0, 200);
    assert_eq!(sql("analyst", "SELECT nothing FROM events").await.0, 400);
    assert_eq!(sql("analyst", "DROP TABLE events").await.0, 403);
    // The log is not for everybody, by no way.
    let (status, text) = sql("analyst", "SELECT * FROM audit_log").await;
    assert_eq!(status, 400, "{text}");
    assert!(!sql("analyst", "SHOW TABLES").await.1.contains("audit_log"));
    assert!(sql("admin", "SHOW TABLES").await.1.contains("audit_log"));
    for path in ["audit", "audit/export", "audit/checkpoint"] {
        let url = format!("{}/api/v1/{path}", server.url);
        assert_eq!(client.get(&url).bearer_auth("analyst").send().await.unwrap().status(), 403, "{path}");
    }
    for _ in 0..300 {
        let url = format!("{}/api/v1/alerts", server.url);
        assert_eq!(client.get(&url).bearer_auth("guess").send().await.unwrap().status(), 401);
    }
    let count = "SELECT count(*) AS n FROM audit_log WHERE action = 'server.start' AND actor = 'stormglass'";
    assert_eq!(sql("admin", count).await.1, r#"[{"n":1}]"#);
    server.terminate();
    // The configuration has changed since; the next start says so.
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + "\n[query]\nmax_rows = 77\n")
        .unwrap();
    Server::start(&data, &[("STORMGLASS_CONFIG", &config)]).terminate();
    let lines = exported(&data);
    let told: Vec<&Value> = lines.iter().filter_map(|line| line.get("entry")).collect();
    let of =
        |action: &str| told.iter().filter(|entry| entry["action"] == action).copied().collect::<Vec<_>>();
    let queries = of("sql.query");
    let first = queries.iter().find(|entry| entry["detail"]["rows"] == 2).unwrap();
    assert_eq!(first["actor"], "the-analyst");
    assert_eq!(first["detail"]["sql"], "SELECT 1 AS a UNION ALL SELECT 2");
    assert!(first["detail"]["bytes"].as_u64().unwrap() > 10 && first["detail"]["duration_ms"].is_u64());
    let outcomes: BTreeSet<_> = queries.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, BTreeSet::from(["done", "failed", "refused"]));
    let refused = of("request.refused");
    let counted: u64 = refused.iter().map(|entry| entry["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(counted, 300);
    assert!(refused.len() <= 2 && refused[0]["address"] == "127.0.0.1" && refused[0]["status"] == 401);
    assert!(of("audit.read").iter().any(|entry| entry["outcome"] == "refused"));
    let starts: Vec<_> =
        of("server.start").iter().map(|entry| entry["detail"]["configuration_changed"].clone()).collect();
    assert_eq!(starts, ["no", "yes"]);
    assert_eq!(of("server.stop").len(), 2);
    let ocsf = run(&["--data", &data.to_string_lossy(), "audit", "export", "--format", "ocsf"]);
    for line in ocsf.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["type_uid"].as_i64().unwrap(), 600_300 + event["activity_id"].as_i64().unwrap());
    }
}

fn verify(arguments: &[&str]) -> (i32, Value) {
    let output = outcome(&[&["audit", "verify", "--json"], arguments].concat());
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[tokio::test]
async fn what_is_changed_in_the_log_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let anchor = folder.path().join("anchor.ndjson").to_string_lossy().into_owned();
    let settings = [
        ("STORMGLASS_CONFIG", &*roles(folder.path(), "")),
        ("STORMGLASS_AUDIT_ANCHOR", &anchor),
        ("STORMGLASS_AUDIT_CHECKPOINT_EVERY", "1 s"),
    ];
    let server = Server::start(&data, &settings);
    for _ in 0..5 {
        let request = Client::new().post(format!("{}/api/v1/rules/reload", server.url)).bearer_auth("admin");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let here = data.to_string_lossy().into_owned();
    let key = std::fs::read_to_string(data.join("audit.pub")).unwrap().trim().to_owned();
    // While the server uses it.
    let (code, report) = verify(&["--data", &here, "--key", &key]);
    assert_eq!((code, &report["sound"]), (0, &json!(true)), "{report}");
    let request = Client::new().get(format!("{}/api/v1/audit/export", server.url)).bearer_auth("admin");
    let export = folder.path().join("export.ndjson");
    std::fs::write(&export, request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    server.terminate();
    let export = export.to_string_lossy().into_owned();
    assert_eq!(verify(&["--file", &export, "--key", &key]).0, 0);
    let (code, report) = verify(&["--data", &here, "--key", &key, "--anchor", &anchor]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["signed"], report["entries"], "a stop signs everything");
    assert!(report["anchors"].as_u64().unwrap() >= 1);
    let other = "00".repeat(32);
    assert_eq!(verify(&["--data", &here, "--key", &other]).1["kind"], "bad checkpoint");

    let entries = report["entries"].as_i64().unwrap();
    let forge = |sql: &str| {
        let db = Connection::open(data.join("state.db")).unwrap();
        db.execute_batch(
            "DROP TRIGGER IF EXISTS audit_is_not_changed; DROP TRIGGER IF EXISTS audit_is_not_deleted",
        )
        .unwrap();
        db.execute_batch(sql).unwrap();
    };
    forge(&format!(
        "DELETE FROM audit WHERE seq = {entries}; DELETE FROM audit_checkpoints WHERE seq = {entries}"
    ));
    let (code, found) = verify(&["--data", &here, "--key", &key]);
    assert_eq!((code, &found["kind"]), (1, &json!("cut off")), "what lies beside the key shows it: {found}");
    let (code, found) = verify(&["--data", &here, "--key", &key, "--anchor", &anchor]);
    assert_eq!((code, &found["kind"], &found["to"]), (1, &json!("cut off"), &json!(entries)), "{found}");
    assert!(found["from"].as_i64().unwrap() <= entries, "{found}");
    forge("UPDATE audit SET entry = replace(entry, 'the-admin', 'the-other') WHERE seq = 4");
    let (code, found) = verify(&["--data", &here, "--key", &key]);
    assert_eq!(
        (code, &found["kind"], &found["from"], &found["to"]),
        (1, &json!("edited"), &json!(4), &json!(4))
    );
    forge("DELETE FROM audit WHERE seq = 3");
    let (_, found) = verify(&["--data", &here, "--key", &key]);
    assert_eq!((&found["kind"], &found["from"]), (&json!("missing"), &json!(3)));
}

/// Somebody stops the server, rewrites the log, makes all hashes fit and removes the checkpoints.
#[tokio::test]
async fn a_forged_log_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings =
        [("STORMGLASS_CONFIG", &*roles(folder.path(), "")), ("STORMGLASS_AUDIT_CHECKPOINT_EVERY", "1 s")];
    let server = Server::start(&data, &settings);
    let request = Client::new().post(format!("{}/api/v1/rules/reload", server.url)).bearer_auth("admin");
    assert_eq!(request.send().await.unwrap().status(), 200);
    server.terminate();
    let here = data.to_string_lossy().into_owned();
    let key = data.join("audit.pub").to_string_lossy().into_owned();
    assert_eq!(verify(&["--data", &here, "--key", &key]).0, 0);
    {
        let db = Connection::open(data.join("state.db")).unwrap();
        db.execute_batch("DROP TRIGGER audit_is_not_changed; DELETE FROM audit_checkpoints").unwrap();
        let mut select = db.prepare("SELECT seq, entry FROM audit ORDER BY seq").unwrap();
        let rows: Vec<(i64, String)> = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut hash = vec![0; 32];
        for (seq, entry) in rows {
            let entry = entry.replace("the-admin", "the-other");
            hash = Sha256::digest([b"stormglass-audit-v1\0", &hash[..], entry.as_bytes()].concat()).to_vec();
            db.execute("UPDATE audit SET entry = ?2, hash = ?3 WHERE seq = ?1", (seq, entry, &hash)).unwrap();
        }
    }
    let (code, found) = verify(&["--data", &here, "--key", &key]);
    assert_eq!(code, 1, "{found}");
    // A copy of the log without what lies beside it is not believed either.
    let lines = exported(&data);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let export = folder.path().join("export.ndjson").to_string_lossy().into_owned();
    std::fs::write(&export, text).unwrap();
    let (code, found) = verify(&["--file", &export, "--key", &key]);
    assert_eq!((code, &found["kind"]), (1, &json!("unsigned")), "{found}");
    // The next start goes on, unsigned, and says so.
    let server = Server::start(&data, &settings);
    let health = || async {
        let request = Client::new().get(format!("{}/health", server.url)).bearer_auth("admin");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let told = health().await;
    assert!(told["audit"].as_str().unwrap().contains("not signed"), "{told}");
    // The export above, which is a process as well, has said so, too.
    assert_eq!(entries(&server, "action=audit.unsigned").await.len(), 2);
    server.terminate();
    let (code, found) = verify(&["--data", &here, "--key", &key]);
    assert_eq!(code, 1, "{found}");
    let signed: i64 = Connection::open(data.join("state.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM audit_checkpoints", [], |row| row.get(0))
        .unwrap();
    assert_eq!(signed, 0, "the forged log was signed");
}

/// What was answered stands in the log, wherever the process is killed; what was begun is never silent.
#[tokio::test]
async fn kills_lose_no_entry_of_an_answered_change() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = roles(folder.path(), "");
    let answered = Arc::new(Mutex::new(Vec::new()));
    for round in 0..4_u64 {
        let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for _ in 0..3 {
            let (url, stop, answered) = (server.url.clone(), stop.clone(), answered.clone());
            workers.push(tokio::spawn(async move {
                let client = Client::new();
                while !stop.load(Ordering::Relaxed) {
                    let request = client.post(format!("{url}/api/v1/rules/reload")).bearer_auth("admin");
                    let Ok(answer) = request.send().await else { continue };
                    assert_eq!(answer.status(), 200);
                    answered.lock().push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
                }
            }));
        }
        let wanted = answered.lock().len() + 10 + round as usize * 3;
        while answered.lock().len() < wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.await.unwrap();
        }
    }
    let here = data.to_string_lossy().into_owned();
    let key = data.join("audit.pub").to_string_lossy().into_owned();
    let lines = exported(&data);
    assert_eq!(verify(&["--data", &here, "--key", &key]).0, 0);
    let told: Vec<&Value> = lines.iter().filter_map(|line| line.get("entry")).collect();
    let done: BTreeSet<_> = told
        .iter()
        .filter(|entry| entry["outcome"] == "done")
        .map(|entry| entry["request"].as_str().unwrap_or(""))
        .collect();
    for id in answered.lock().iter() {
        assert!(done.contains(id.as_str()), "{id} was answered and is not in the log");
    }
    // Each announcement has an answer, if only that nobody knows.
    let answers: BTreeSet<_> = told.iter().filter_map(|entry| entry["of"].as_u64()).collect();
    for intent in told.iter().filter(|entry| entry["outcome"] == "intended") {
        assert!(answers.contains(&intent["seq"].as_u64().unwrap()), "{intent}");
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &roles(folder.path(), ""))]);
    let reload = async || {
        let request = Client::new().post(format!("{}/api/v1/rules/reload", server.url)).bearer_auth("admin");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(reload().await.0, 200);
    {
        // Somebody else holds the database.
        let db = Connection::open(data.join("state.db")).unwrap();
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (status, problem) = reload().await;
        assert_eq!((status, &problem["type"]), (503, &json!("/api/v1/problems#audit_unavailable")));
        let health: Value = Client::new()
            .get(format!("{}/health", server.url))
            .bearer_auth("admin")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert!(health["audit"].as_str().unwrap().contains("locked"), "{health}");
        db.execute_batch("ROLLBACK").unwrap();
    }
    assert_eq!(reload().await.0, 200);
    server.terminate();
}

#[tokio::test]
async fn whoever_may_not_does_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &roles(folder.path(), ""))]);
    let client = Client::new();
    let mut statuses = BTreeSet::new();
    for _ in 0..150 {
        let request = client.post(format!("{}/api/v1/rules/reload", server.url)).bearer_auth("ingest");
        statuses.insert(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, BTreeSet::from([403]));
    // Others go on.
    let request = client.post(format!("{}/api/v1/rules/reload", server.url)).bearer_auth("admin");
    assert_eq!(request.send().await.unwrap().status(), 200);
    server.terminate();
    let lines = exported(&data);
    let by: Vec<_> = lines.iter().filter(|line| line["entry"]["actor"] == "the-ingest").collect();
    assert!(by.len() <= 4, "{} entries", by.len());
    let refused: u64 = lines
        .iter()
        .map(|line| &line["entry"])
        .filter(|entry| entry["action"] == "rules.reload" && entry["outcome"] == "refused")
        .map(|entry| entry["count"].as_u64().unwrap_or(1))
        .sum();
    assert_eq!(refused, 150, "folded, and counted");
}

/// The chain and its signatures as `docs/audit.md` has them, by Python's own libraries.
const READER: &str = r#"
import hashlib, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[2]))
head, seq, signed, chain = bytes(32), 0, 0, None
for line in open(sys.argv[1], encoding="utf-8"):
    record = json.loads(line)
    if "checkpoint" in record:
        c = record["checkpoint"]
        assert (c["chain"], c["seq"], c["hash"], c["after"]) == (chain, seq, head.hex(), signed), c
        message = f"stormglass-audit-checkpoint-v2\n{chain}\n{seq}\n{head.hex()}\n{c['at_us']}\n{signed}\n"
        key.verify(bytes.fromhex(c["signature"]), message.encode())
        signed = seq
        continue
    entry = record["entry"]
    canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    head, seq = hashlib.sha256(b"stormglass-audit-v1\0" + head + canonical.encode()).digest(), seq + 1
    assert record["seq"] == entry["seq"] == seq and record["hash"] == head.hex(), line
    chain = chain or entry["detail"]["chain"]
print(seq, signed)
"#;

#[test]
fn python_agrees_on_the_chain() {
    let Some(python) = crate::push::python("cryptography") else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_string_lossy().into_owned();
    run(&["--data", &here, "ingest", &crate::running::root().join("demo/story").to_string_lossy()]);
    run(&["--data", &here, "sql", "SELECT 'ü \" \\ \u{1} \u{202e} \u{1f600}' AS odd"]);
    assert!(!outcome(&["--data", &here, "sql", "SELECT nothing FROM events"]).status.success());
    let export = folder.path().join("export.ndjson");
    std::fs::write(&export, run(&["--data", &here, "audit", "export"])).unwrap();
    let key = std::fs::read_to_string(folder.path().join("audit.pub")).unwrap();
    let output = std::process::Command::new(python)
        .args(["-c", READER, &export.to_string_lossy(), key.trim()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (entries, signed) = said.split_once(' ').unwrap();
    assert_eq!(entries, signed, "a command signs what it did");
    // The files, three commands and what they asked; the one that failed as well.
    let told = std::fs::read_to_string(&export).unwrap();
    assert!(told.contains("\"outcome\":\"failed\"") && told.contains("SELECT nothing FROM events"), "{told}");
}
