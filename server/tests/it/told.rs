//! Who was told of an alert or incident, as a person asks for it: on the alert, on the incident, in lists, before it
//! happens.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use cloudfake::Fake;
use serde_json::Value;

use crate::running::{Server, outcome, run};

const RULE: &str = "title: Trail stopped
id: 6f1c9c52-3f0e-4a57-9a38-0d7f7f1a2b3c
status: test
level: high
logsource:
    product: aws
    service: cloudtrail
detection:
    selection:
        eventName: StopLogging
    condition: selection
";

/// A trail is stopped by somebody.
fn stopped(id: &str, who: &str) -> String {
    let time = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"{who}","arn":"arn:aws:iam::111122223333:user/{who}","accountId":"111122223333"}},"eventTime":"{time}","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// Tells a receiver that takes all, and one at an address where nobody listens; what Terry does goes nowhere.
fn configuration(folder: &Path, url: &str) -> String {
    let rules = folder.join("rules");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join("trail.yml"), RULE).unwrap();
    let text = format!(
        "[rules]\nshipped = false\npaths = [{:?}]\n\n[egress]\nallow = [\"http://127.0.0.1\"]\n\n\
         [[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}/hook?token=hunter2\"\n\n\
         [[channels]]\nname = \"gone\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/hook\"\n\n\
         [[notify.routes]]\nname = \"people\"\nentities = [\"*ann\", \"*ben\"]\nchannels = [\"hook\", \"gone\"]\n",
        rules.to_string_lossy()
    );
    let path = folder.join("stormglass.toml");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

struct Asking(String);

impl Asking {
    fn text(&self, arguments: &[&str]) -> String {
        run(&[&["--url", &self.0], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--json"]].concat())).unwrap()
    }

    async fn push(&self, id: &str, who: &str) {
        let url = format!("{}/api/v1/ingest?source=trail", self.0);
        let answer = reqwest::Client::new().post(url).body(stopped(id, who)).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// The alert about somebody, once it is there and says how far it was told as is wanted.
    async fn alert(&self, who: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let list = self.json(&["alerts", "list", "--suppressed", "all"]);
            let mut alerts = list["alerts"].as_array().unwrap().iter();
            if let Some(found) = alerts.find(|alert| alert["entities"].to_string().contains(who)) {
                let id = found["id"].as_str().unwrap();
                let shown = self.json(&["alerts", "show", &id[..8]]);
                if wanted(&shown["told"]) {
                    return shown;
                }
                assert!(Instant::now() < deadline, "{shown:#}");
            }
            assert!(Instant::now() < deadline, "there is no alert about {who}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_and_its_incident_say_who_was_told_and_why_nobody() {
    let fake = Fake::start(Router::new().route("/hook", post(async || "taken"))).await;
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), &fake.url);
    let server = Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", config.as_str())]);
    let ask = Asking(server.url.clone());

    ask.push("e1", "ann").await;
    let both = |told: &Value| {
        let states: Vec<_> = told["deliveries"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
        states.len() == 2 && states.iter().any(|state| **state == "delivered") && told["state"] == "retrying"
    };
    let alert = ask.alert("ann", both).await;
    let (id, incident) = (alert["id"].as_str().unwrap(), alert["incident"]["id"].as_str().unwrap());
    for one in alert["told"]["deliveries"].as_array().unwrap() {
        assert_eq!(
            (&one["as"], &one["subject"], &one["kind"]),
            (&"incident".into(), &incident.into(), &"raised".into())
        );
        let is_gone = one["channel"] == "gone";
        assert_eq!(one["state"], if is_gone { "waiting" } else { "delivered" });
        assert_eq!(one["last_error"].as_str().unwrap().is_empty(), !is_gone);
        assert_eq!(one["route"], "people");
    }
    assert!(!alert["told"].to_string().contains("hunter2"));
    let text = ask.text(&["alerts", "show", &id[..12]]);
    assert!(
        text.contains("told: retrying") && text.contains(&format!("it is told with incident {incident}")),
        "{text}"
    );
    assert!(
        text.contains("raised to hook by `people` as incident") && text.contains(": delivered"),
        "{text}"
    );
    let shown = ask.json(&["incidents", "show", &incident[..8]]);
    assert_eq!(
        (&shown["told"]["state"], &shown["told"]["deliveries"][0]["as"]),
        (&"retrying".into(), &"itself".into())
    );
    assert!(ask.text(&["incidents", "show", incident]).contains("raised to hook by `people`: delivered"));
    // Lists find it by the alert and by the incident, and by their first digits.
    for about in [id, &id[..7], incident, &incident[..7]] {
        let list = ask.json(&["notify", "list", "--alert", about]);
        assert_eq!(list["deliveries"].as_array().unwrap().len(), 2, "{about}: {list}");
        let preview = ask.json(&["notify", "preview", about]);
        assert_eq!(
            (&preview["about"], &preview["subject"]),
            (&"incident".into(), &incident.into()),
            "{preview}"
        );
        assert_eq!(preview["taken"][0]["channels"].to_string(), r#"["hook","gone"]"#);
    }
    let preview = ask.text(&["notify", "preview", id]);
    assert!(preview.starts_with(&format!("it is told with incident {incident}:")), "{preview}");
    assert!(preview.contains("people: matches: something it is about is one of `entities`"), "{preview}");
    let unknown = outcome(&["--url", &server.url, "notify", "list", "--alert", "0123456789ab"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no alert or incident"));

    // Hidden, and told of by no route.
    let from = (chrono::Utc::now() - chrono::Duration::hours(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let reason = "the backup runs";
    ask.text(&["silences", "add", "actor=*ben", "--from", &from, "--until", "8h", "--reason", reason]);
    ask.push("e2", "ben").await;
    let alert = ask.alert("ben", |told| told["state"] == "silenced").await;
    let reason = &alert["told"]["reasons"][0];
    assert_eq!((&reason["kind"], &reason["of"]), (&"silenced".into(), &alert["suppressed_by"]), "{reason}");
    assert!(
        reason["until"].is_string() && reason["text"].as_str().unwrap().contains("the backup runs"),
        "{reason}"
    );
    let preview = ask.text(&["notify", "preview", alert["id"].as_str().unwrap()]);
    assert!(preview.contains("hides it until") && preview.contains("nobody would be told"), "{preview}");
    ask.push("e3", "terry").await;
    let alert = ask.alert("terry", |told| told["state"] == "unrouted").await;
    let text = alert["told"]["reasons"].to_string();
    assert!(text.contains("no route takes it: `people`: nothing it is about is one of `entities`"), "{text}");
    let untold = ask.text(&["sql", "--format", "json", "SELECT why, route FROM untold ORDER BY why"]);
    let untold: Value = serde_json::from_str(&untold).unwrap();
    let with_others = serde_json::json!({"why": "incident", "route": "people"});
    assert_eq!(untold, serde_json::json!([with_others, {"why": "unrouted", "route": ""}]));
    let joined = ask.text(&[
        "sql",
        "--format",
        "json",
        "SELECT DISTINCT a.actor, d.channel FROM alerts a JOIN incident_alerts i ON i.alert_id = a.id \
         JOIN deliveries d ON d.subject = i.incident_id ORDER BY 2",
    ]);
    assert_eq!(serde_json::from_str::<Value>(&joined).unwrap().as_array().unwrap().len(), 2, "{joined}");
    server.terminate();
}
