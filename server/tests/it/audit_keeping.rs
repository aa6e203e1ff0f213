//! What becomes of the audit log: kept, archived, dropped, anchored elsewhere, and on a disk that is full.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloudfake::{Fault, Proxy};
use reqwest::Client;
use serde_json::{Value, json};
use storage::audit::{AuditLog, Fact};
use storage::state::State;

use crate::audit::roles;
use crate::object_store::{moto, python};
use crate::running::{Server, command, outcome, run};

const DAY_US: i64 = 86_400_000_000;

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// A folder whose audit log has `days` entries, one a day until yesterday, each signed.
fn aged(data: &Path, days: i64) {
    std::fs::create_dir_all(data).unwrap();
    let state = State::open(&data.join("state.db")).unwrap();
    let begin_us = now_us() - days * DAY_US;
    let log = AuditLog::open(state, data, begin_us).unwrap();
    for day in 0..days {
        let at_us = begin_us + day * DAY_US;
        log.append(&[(at_us, Fact::new("alerts.close", "ana").with("day", day))]).unwrap();
        log.checkpoint(at_us).unwrap();
    }
}

fn verify(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = outcome(&[&["audit", "verify", "--json"], arguments].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

async fn get(url: &str) -> String {
    Client::new().get(url).bearer_auth("admin").send().await.unwrap().text().await.unwrap()
}

async fn metric(server: &Server, name: &str) -> Option<i64> {
    let text = get(&format!("{}/metrics", server.url)).await;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("stormglass_{name} ")))?.to_owned();
    line.parse().ok()
}

async fn health(server: &Server) -> Value {
    serde_json::from_str(&get(&format!("{}/health", server.url)).await).unwrap()
}

/// A change, which leaves entries.
async fn reload(server: &Server) -> (u16, Value) {
    let request = Client::new().post(format!("{}/api/v1/rules/reload", server.url)).bearer_auth("admin");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within two minutes: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn old_entries_go_into_the_archive_and_all_is_still_proved() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    aged(&data, 60);
    let (archive, anchor) = (folder.path().join("archive"), folder.path().join("anchor.ndjson"));
    let config = roles(
        folder.path(),
        &format!(
            "[audit]\nkeep = \"30 d\"\narchive = \"{}\"\nanchor = \"{}\"\ncheckpoint_every = \"1 s\"\n",
            archive.display(),
            anchor.display()
        ),
    );
    // Wherever it is killed, an entry is in the log or in the archive.
    for _ in 0..3 {
        Server::start(&data, &[("STORMGLASS_CONFIG", &config)]).kill();
        let here = data.to_string_lossy();
        let (code, report) = verify(&["--data", &here]);
        assert_eq!(code, Some(0), "{report}");
    }
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    until("entries are dropped", async || metric(&server, "audit_dropped_entries").await == Some(32)).await;
    assert_eq!(reload(&server).await.0, 200);
    assert_eq!(health(&server).await["audit"], Value::Null);
    // Until the first checkpoint of this process, the newest is a day old.
    until("it is signed", async || metric(&server, "audit_checkpoint_age_seconds").await.unwrap() < 60).await;
    until("it is anchored", async || metric(&server, "audit_anchor_age_seconds").await.unwrap() < 60).await;
    assert_eq!(metric(&server, "audit_healthy").await, Some(1));
    let trimmed = get(&format!("{}/api/v1/audit?action=audit.trim", server.url)).await;
    let trimmed: Value = serde_json::from_str(&trimmed).unwrap();
    let through: Vec<_> =
        trimmed["entries"].as_array().unwrap().iter().map(|e| &e["detail"]["through"]).collect();
    assert_eq!(through.first(), Some(&&json!(32)), "{trimmed}");
    let export = folder.path().join("export.ndjson");
    std::fs::write(&export, get(&format!("{}/api/v1/audit/export", server.url)).await).unwrap();
    server.terminate();

    let key = data.join("audit.pub").to_string_lossy().into_owned();
    let (here, anchor) = (data.to_string_lossy().into_owned(), anchor.to_string_lossy().into_owned());
    let (code, report) = verify(&["--data", &here, "--key", &key, "--anchor", &anchor]);
    assert_eq!((code, &report["dropped"]), (Some(0), &json!(32)), "{report}");
    assert!(report["anchors"].as_u64().unwrap() >= 2, "{report}");
    // The archives, one after the other, and the rest are the whole log.
    let mut files: Vec<_> = std::fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut whole = Vec::new();
    for file in &files {
        let text = std::fs::read(file).unwrap();
        let (code, report) = verify(&["--file", &file.to_string_lossy(), "--key", &key]);
        assert_eq!(code, Some(0), "{report}");
        whole.extend_from_slice(&text);
    }
    whole.extend_from_slice(&std::fs::read(&export).unwrap());
    let all = folder.path().join("all.ndjson");
    std::fs::write(&all, whole).unwrap();
    let (code, report) = verify(&["--file", &all.to_string_lossy(), "--key", &key]);
    assert_eq!((code, &report["dropped"]), (Some(0), &json!(0)), "{report}");
    // What was said of the archive is so.
    let told = run(&["--data", &here, "audit", "list", "--action", "audit.trim", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let place = told["entries"][0]["detail"]["archive"].as_str().unwrap();
    assert!(Path::new(place).exists(), "{place}");
}

#[tokio::test]
async fn what_was_forged_stays_as_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    aged(&data, 60);
    let db = storage::state::rusqlite::Connection::open(data.join("state.db")).unwrap();
    let forge = "DROP TRIGGER audit_is_not_changed; \
                 UPDATE audit SET entry = replace(entry, 'ana', 'eve') WHERE seq = 7";
    db.execute_batch(forge).unwrap();
    drop(db);
    let config = roles(folder.path(), "[audit]\nkeep = \"30 d\"\ndrop_unarchived = true\n");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    until("it is told", async || health(&server).await["audit"].as_str().is_some()).await;
    let told = health(&server).await;
    assert!(told["audit"].as_str().unwrap().contains("entry 7 is missing, or not what it was"), "{told}");
    assert_eq!(metric(&server, "audit_dropped_entries").await, Some(0));
    assert_eq!(metric(&server, "audit_healthy").await, Some(0));
    assert_eq!(reload(&server).await.0, 200, "the rest goes on");
    server.terminate();
}

/// An S3 server that first hangs, then refuses, then takes checkpoints: entries are written all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anchor_that_does_not_answer_holds_up_nothing() {
    let Some(python) = python() else { return };
    let store = moto(&python);
    let hangs = Arc::new(AtomicBool::new(true));
    let hanging = hangs.clone();
    let proxy = Proxy::start(&store.endpoint, move |_| match hanging.load(Ordering::Relaxed) {
        true => Fault::Delay(Duration::from_secs(20)),
        false => Fault::Pass,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let aws = [
        ("AWS_ENDPOINT", &*proxy.url),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
    ];
    let config =
        roles(folder.path(), "[audit]\nanchor = \"s3://proofs/audit\"\ncheckpoint_every = \"1 s\"\n");
    let settings = [&aws[..], &[("STORMGLASS_CONFIG", &config)]].concat();
    let server = Server::start(&data, &settings);
    until("the anchor is asked", async || proxy.count("PUT") > 0).await;
    // While it hangs, what waits for a group is written.
    let query = json!({"sql": "SELECT 7 AS lucky"});
    let asked = Client::new().post(format!("{}/api/v1/sql", server.url)).bearer_auth("admin").json(&query);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    let begun = Instant::now();
    until("the query is told", async || {
        get(&format!("{}/api/v1/audit?action=sql.query", server.url)).await.contains("lucky")
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for the anchor");
    hangs.store(false, Ordering::Relaxed);
    // There is no such bucket yet.
    until("it is told", async || health(&server).await["audit"].as_str().is_some()).await;
    let told = health(&server).await["audit"].as_str().unwrap().to_owned();
    assert!(told.contains("`audit.anchor` takes no checkpoint") && !told.contains("not-a-secret"), "{told}");
    let make = "import boto3,sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')\
                .create_bucket(Bucket='proofs')";
    let made = Command::new(&python).args(["-c", make, &store.endpoint]).envs(aws).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    until("it is mended", async || health(&server).await["audit"] == Value::Null).await;
    assert_eq!(reload(&server).await.0, 200);
    server.terminate();
    let key = data.join("audit.pub").to_string_lossy().into_owned();
    let here = data.to_string_lossy().into_owned();
    let mut verify = command(&[
        "audit",
        "verify",
        "--json",
        "--data",
        &here,
        "--key",
        &key,
        "--anchor",
        "s3://proofs/audit",
    ]);
    let report = verify.envs(aws).output().unwrap();
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.status.success(), "{text}{}", String::from_utf8_lossy(&report.stderr));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(report["anchors"].as_u64().unwrap() >= 2, "{report}");
    assert_eq!(report["signed"], report["entries"]);
}

/// On a small disk of its own, in a mount namespace; where the machine allows none, this says so.
#[tokio::test]
async fn on_a_full_disk_changes_are_refused_and_reads_go_on() {
    let allowed = Command::new("unshare").args(["-Urm", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        println!("skipped: no mount namespaces for users here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let config = roles(folder.path(), "");
    let serve =
        "mount -t tmpfs -o size=64M tmpfs \"$1\" && exec \"$2\" serve --listen 127.0.0.1:0 --data \"$1\"";
    let arguments = ["-Urm", "sh", "-c", serve, "sh", &data.to_string_lossy(), crate::running::BINARY];
    let mut child = Command::new("unshare")
        .args(arguments)
        .env_remove("STORMGLASS_PYTHON")
        .env("STORMGLASS_CONFIG", &config)
        .env("STORMGLASS_LOGGING_FILTER", "warn")
        .spawn()
        .unwrap();
    // As the server sees it.
    let inside =
        Path::new("/proc").join(child.id().to_string()).join("root").join(data.strip_prefix("/").unwrap());
    let mut url = None;
    until("it serves", async || {
        assert_eq!(child.try_wait().unwrap(), None, "the server ended at once");
        let lock = std::fs::read_to_string(inside.join("log/LOCK")).unwrap_or_default();
        url = lock.split_whitespace().find(|word| word.starts_with("http")).map(str::to_owned);
        url.is_some()
    })
    .await;
    let url = url.unwrap();
    let post = async || {
        let request = Client::new().post(format!("{url}/api/v1/rules/reload")).bearer_auth("admin");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(post().await.0, 200);
    let filler = inside.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let block = vec![7_u8; 4096];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    // What is free in the files themselves lasts for some entries.
    let mut refused = None;
    until("a change is refused", async || {
        let (status, problem) = post().await;
        refused = (status != 200).then_some((status, problem));
        refused.is_some()
    })
    .await;
    let (status, problem) = refused.unwrap();
    assert_eq!((status, &problem["type"]), (503, &json!("/api/v1/problems#audit_unavailable")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("full"), "{problem}");
    for path in ["alerts", "audit", "sources"] {
        let answer =
            Client::new().get(format!("{url}/api/v1/{path}")).bearer_auth("admin").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    let told: Value = serde_json::from_str(&get(&format!("{url}/health")).await).unwrap();
    assert!(told["audit"].as_str().unwrap().contains("full"), "{told}");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(post().await.0, 200, "with room again, it goes on");
    let export = folder.path().join("export.ndjson");
    std::fs::write(&export, get(&format!("{url}/api/v1/audit/export")).await).unwrap();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert_eq!(verify(&["--file", &export.to_string_lossy()]).0, Some(0));
}

/// What was changed stands in the entry, before and after, and no secret.
#[tokio::test]
async fn entries_say_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &roles(folder.path(), ""))]);
    let client = Client::new();
    let ask = async |method: &str, path: &str, body: Value| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = client.request(method, format!("{}/api/v1/{path}", server.url)).bearer_auth("admin");
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json::<Value>().await.unwrap_or_default()
    };
    let story = crate::running::root().join("demo/story");
    for file in std::fs::read_dir(story).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let request = client.post(format!("{}/api/v1/ingest", server.url)).bearer_auth("ingest").body(text);
        assert!(request.send().await.unwrap().status().is_success());
    }
    get(&format!("{}/api/v1/sources?verify=true", server.url)).await;
    let alerts: Value = serde_json::from_str(&get(&format!("{}/api/v1/alerts", server.url)).await).unwrap();
    let id = alerts["alerts"][0]["id"].as_str().unwrap().to_owned();
    ask("POST", &format!("alerts/{id}/assign"), json!({"owner": "bob"})).await;
    ask("POST", &format!("alerts/{id}/close"), json!({"verdict": "benign", "reason": "a drill"})).await;
    ask("POST", &format!("alerts/{id}/comments"), json!({"text": "said in confidence"})).await;
    let incidents: Value =
        serde_json::from_str(&get(&format!("{}/api/v1/incidents", server.url)).await).unwrap();
    let incident = incidents["incidents"][0]["id"].as_str().unwrap().to_owned();
    ask(
        "POST",
        &format!("incidents/{incident}/close"),
        json!({"verdict": "true_positive", "reason": "contained"}),
    )
    .await;
    let silence = json!({"match": {"rule": ["trail_stopped"]}, "ends": "1h", "reason": "a move"});
    let silence = ask("POST", "silences", silence).await["id"].as_str().unwrap().to_owned();
    ask("POST", &format!("silences/{silence}/end"), json!({"reason": "moved"})).await;
    let secret = "seven tall lighthouses";
    ask("POST", "users", json!({"name": "dora", "role": "read_only", "password": secret})).await;
    ask(
        "PATCH",
        "users/dora",
        json!({"role": "analyst", "handles": ["slack:U7"], "password": format!("{secret} more")}),
    )
    .await;
    server.terminate();
    let text = run(&["--data", &data.to_string_lossy(), "audit", "export"]);
    let done = |action: &str| -> Value {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].clone());
        let mut of: Vec<_> = lines.filter(|e| e["action"] == action && e["outcome"] == "done").collect();
        of.pop().unwrap_or_else(|| panic!("no {action}"))["detail"].clone()
    };
    assert_eq!(done("alerts.assign")["after"], "bob");
    let closed = done("alerts.close");
    for (name, value) in
        [("before", "new"), ("after", "closed"), ("verdict", "benign"), ("reason", "a drill")]
    {
        assert_eq!(closed[name], value, "{closed}");
    }
    assert_eq!(done("incidents.close"), json!({"verdict": "true_positive", "reason": "contained"}));
    let made = done("silences.create");
    assert!(made["after"].as_str().unwrap().contains("rule=trail_stopped"), "{made}");
    assert_eq!((&made["silence"], &done("silences.end")["reason"]), (&json!(silence), &json!("moved")));
    let change = done("users.update")["change"].as_str().unwrap().to_owned();
    assert_eq!(change, "role: `read_only` → `analyst`; handles: `` → `slack:U7`; password");
    assert!(!text.contains(secret) && !text.contains("said in confidence"));
}
