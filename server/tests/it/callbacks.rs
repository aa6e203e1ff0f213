//! What is done with an alert in Slack and PagerDuty is done here, if it is signed.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::running::Server;

const CONFIG: &str = r#"
[egress]
allow = ["http://127.0.0.1"]

[[channels]]
name = "soc"
kind = "slack"
token = "env:SLACK_TOKEN"
channel = "C012AB3CD"
callback_secret = "env:SLACK_SECRET"
users = ["U1=ann"]

[[channels]]
name = "pager"
kind = "pagerduty"
routing_key = "env:PAGER_KEY"
callback_secret = "env:PAGER_SECRET"

[[channels]]
name = "quiet"
kind = "slack"
token = "env:SLACK_TOKEN"
channel = "C012AB3CD"
"#;

const SLACK: &str = "8f742231b10e8888abcd99";
const PAGER: &str = "pager-secret";

pub(crate) fn hex(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

struct Site {
    server: Server,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("stormglass.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let settings = [
            ("STORMGLASS_CONFIG", config.to_str().unwrap()),
            ("SLACK_TOKEN", "xoxb-token"),
            ("SLACK_SECRET", SLACK),
            ("PAGER_KEY", "key"),
            ("PAGER_SECRET", PAGER),
        ];
        let server = Server::start(&folder.path().join("data"), &settings);
        Self { server, client: Client::new(), _folder: folder }
    }

    /// The id of a new alert.
    async fn alert(&self, number: usize) -> String {
        let event = format!(
            r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"dana","arn":"arn:aws:iam::111122223333:user/dana","accountId":"111122223333"}},"eventTime":"2026-03-02T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","requestParameters":{{"name":"trail-{number}"}},"requestID":"r-{number}","eventID":"e-{number}","eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}}"#
        );
        let answer =
            self.client.post(format!("{}/api/v1/ingest", self.server.url)).body(event).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        self.client.get(format!("{}/api/v1/sources?verify=true", self.server.url)).send().await.unwrap();
        let list = self.get("/api/v1/alerts?status=new").await;
        list["alerts"][0]["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.server.url)).send().await.unwrap().json().await.unwrap()
    }

    async fn slack_at(&self, payload: &Value, stamp: u64, secret: &str) -> u16 {
        let text = url_encoded(&payload.to_string());
        let body = format!("payload={text}");
        let signature = format!("v0={}", hex(secret, &format!("v0:{stamp}:{body}")));
        let request = self
            .client
            .post(format!("{}/callbacks/slack/soc", self.server.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", stamp.to_string())
            .header("x-slack-signature", signature)
            .body(body);
        request.send().await.unwrap().status().as_u16()
    }

    async fn slack(&self, payload: &Value) -> u16 {
        self.slack_at(payload, now_s(), SLACK).await
    }

    async fn pager(&self, payload: &Value, secret: &str) -> u16 {
        let body = payload.to_string();
        let signature = format!("v1={},v1={}", "0".repeat(64), hex(secret, &body));
        let request = self
            .client
            .post(format!("{}/callbacks/pagerduty/pager", self.server.url))
            .header("x-pagerduty-signature", signature)
            .body(body);
        request.send().await.unwrap().status().as_u16()
    }
}

fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

fn click(user: &str, action: Value) -> Value {
    json!({"type": "block_actions", "user": {"id": user, "username": "whoever"}, "actions": [action]})
}

fn page(event_type: &str, id: &str, at: &str) -> Value {
    json!({"event": {"id": "01", "event_type": event_type, "occurred_at": at,
        "agent": {"id": "PABC", "type": "user_reference", "summary": "Bob"}, "data": {"incident_key": id}}})
}

#[tokio::test]
async fn clicks_in_slack_change_alerts_in_the_name_of_who_clicked() {
    let site = Site::start();
    let id = site.alert(1).await;
    let acknowledge = json!({"action_id": "acknowledge", "value": id});
    let path = format!("/api/v1/alerts/{id}");
    // Another secret, an old call, a user who is not listed, another channel: nothing.
    let wanted = click("U1", acknowledge.clone());
    assert_eq!(site.slack_at(&wanted, now_s(), "guess").await, 401);
    assert_eq!(site.slack_at(&wanted, now_s() - 400, SLACK).await, 401);
    assert_eq!(site.slack(&click("U2", acknowledge.clone())).await, 403);
    for name in ["quiet", "pager", "nobody"] {
        let answer =
            site.client.post(format!("{}/callbacks/slack/{name}", site.server.url)).body("x").send().await;
        assert_eq!(answer.unwrap().status(), 404, "{name}");
    }
    let unsigned =
        site.client.post(format!("{}/callbacks/slack/soc", site.server.url)).body("payload={}").send().await;
    assert_eq!(unsigned.unwrap().status(), 401);
    assert_eq!(site.get(&path).await["status"], "new");
    assert_eq!(site.slack(&wanted).await, 200);
    assert_eq!(site.get(&path).await["status"], "acknowledged");
    let close =
        click("U1", json!({"action_id": "close", "selected_option": {"value": format!("{id}:benign")}}));
    assert_eq!(site.slack(&close).await, 200);
    let detail = site.get(&path).await;
    assert_eq!((&detail["status"], &detail["verdict"]), (&json!("closed"), &json!("benign")));
    let history = detail["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "{history:#?}");
    assert!(history.iter().all(|change| change["by"] == "ann"), "{history:#?}");
    // Clicked twice: told that it cannot be.
    assert_eq!(site.slack(&close).await, 409);
    // What is no click is taken and does nothing; what is no JSON is refused.
    assert_eq!(site.slack(&json!({"type": "view_submission"})).await, 200);
    assert_eq!(
        site.slack(&click("U1", json!({"action_id": "acknowledge", "value": "' OR 1=1 --"}))).await,
        404
    );
}

#[tokio::test]
async fn what_is_done_in_pagerduty_is_done_here_once() {
    let site = Site::start();
    let id = site.alert(1).await;
    let path = format!("/api/v1/alerts/{id}");
    let soon = "2999-01-01T00:00:00Z";
    let acknowledged = page("incident.acknowledged", &id, soon);
    assert_eq!(site.pager(&acknowledged, "guess").await, 401);
    assert_eq!(site.get(&path).await["status"], "new");
    assert_eq!(site.pager(&acknowledged, PAGER).await, 200);
    let detail = site.get(&path).await;
    assert_eq!(detail["status"], "acknowledged");
    assert_eq!(detail["history"][0]["by"], "pagerduty:Bob");
    // Sent long ago, and now again: what came after it stands.
    assert_eq!(site.pager(&page("incident.resolved", &id, "2026-03-02T10:00:00Z"), PAGER).await, 200);
    assert_eq!(site.get(&path).await["status"], "acknowledged");
    assert_eq!(site.pager(&page("incident.resolved", &id, soon), PAGER).await, 200);
    assert_eq!(site.get(&path).await["status"], "closed");
    // Again, and about what is not ours: nothing to be sent again for.
    assert_eq!(site.pager(&page("incident.resolved", &id, soon), PAGER).await, 200);
    assert_eq!(site.pager(&page("incident.resolved", "another", soon), PAGER).await, 200);
    assert_eq!(site.pager(&json!({}), PAGER).await, 200);
}

#[tokio::test]
async fn whoever_clicks_is_told_why_it_was_refused() {
    let site = Site::start();
    let id = site.alert(1).await;
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel::<String>();
    let hook = axum::routing::post(async move |body: String| said.send(body).is_ok().to_string());
    let slack = cloudfake::Fake::start(axum::Router::new().route("/actions", hook)).await;
    let mut refused = click("U2", json!({"action_id": "acknowledge", "value": id}));
    refused["response_url"] = json!(format!("{}/actions", slack.url));
    assert_eq!(site.slack(&refused).await, 200, "Slack wants to hear that it was heard");
    let body: Value = serde_json::from_str(&heard.recv().await.unwrap()).unwrap();
    assert_eq!((&body["response_type"], &body["replace_original"]), (&json!("ephemeral"), &json!(false)));
    assert!(body["text"].as_str().unwrap().contains("`users`"), "{body}");
    assert_eq!(site.get(&format!("/api/v1/alerts/{id}")).await["status"], "new");
}

#[tokio::test]
async fn clicks_change_incidents() {
    let site = Site::start();
    site.alert(1).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let id = loop {
        let list = site.get("/api/v1/incidents").await;
        if let Some(id) = list["incidents"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(std::time::Instant::now() < deadline, "there is no incident: {list}");
    };
    let path = format!("/api/v1/incidents/{id}");
    let acknowledge = click("U1", json!({"action_id": "acknowledge_incident", "value": id}));
    assert_eq!(site.slack(&acknowledge).await, 200);
    assert_eq!(site.get(&path).await["status"], "acknowledged");
    assert_eq!(site.get(&path).await["owner"], "ann");
    let option = json!({"value": format!("{id}:true_positive")});
    let close = click("U1", json!({"action_id": "close_incident", "selected_option": option}));
    assert_eq!(site.slack(&close).await, 200);
    assert_eq!(site.get(&path).await["status"], "closed");
    assert_eq!(site.slack(&close).await, 409);
}

/// Where there are users, a click is a user's, by the handle and the right of that one.
#[tokio::test]
async fn clicks_are_those_of_users() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        crate::audit::roles(folder.path(), &CONFIG.replace("[\"U1=ann\"]", "[\"U1=ann\", \"U9=gone\"]"));
    let settings = [
        ("STORMGLASS_CONFIG", &*config),
        ("SLACK_TOKEN", "xoxb-token"),
        ("SLACK_SECRET", SLACK),
        ("PAGER_KEY", "key"),
        ("PAGER_SECRET", PAGER),
    ];
    let data = folder.path().join("data");
    let server = Server::start(&data, &settings);
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", "Bearer admin".parse().unwrap());
    let client = Client::builder().default_headers(headers).build().unwrap();
    let site = Site { server, client, _folder: tempfile::tempdir().unwrap() };
    let users = format!("{}/api/v1/users", site.server.url);
    for (name, role) in [("ann", "analyst"), ("dora", "read_only"), ("bob", "responder"), ("kim", "analyst")]
    {
        let body = json!({"name": name, "role": role, "password": "seven tall lighthouses"});
        assert_eq!(site.client.post(&users).json(&body).send().await.unwrap().status(), 201, "{name}");
    }
    let change = async |name: &str, body: Value| {
        let answer = site.client.patch(format!("{users}/{name}")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    };
    change("dora", json!({"handles": ["slack:U2"]})).await;
    change("kim", json!({"handles": ["slack:U3"], "active": false})).await;
    change("bob", json!({"handles": ["slack:U4", "pagerduty:PABC"]})).await;
    let id = site.alert(1).await;
    let path = format!("/api/v1/alerts/{id}");
    let acknowledge = |user: &str| click(user, json!({"action_id": "acknowledge", "value": id}));
    // One who may not, one who is disabled, nobody, and a name in the channel's list that is no user's.
    for user in ["U2", "U3", "U5", "U9"] {
        assert_eq!(site.slack(&acknowledge(user)).await, 403, "{user}");
    }
    assert_eq!(site.get(&path).await["status"], "new");
    assert_eq!(site.slack(&acknowledge("U4")).await, 200);
    assert_eq!(site.get(&path).await["history"][0]["by"], "bob");
    // The list of the channel names users, too.
    let close = json!({"action_id": "close", "selected_option": {"value": format!("{id}:benign")}});
    assert_eq!(site.slack(&click("U1", close)).await, 200);
    assert_eq!(site.get(&path).await["history"][1]["by"], "ann");
    // Without the right any more: the next answer of PagerDuty's is refused.
    let second = site.alert(2).await;
    change("bob", json!({"role": "read_only"})).await;
    assert_eq!(site.pager(&page("incident.acknowledged", &second, "2999-01-01T00:00:00Z"), PAGER).await, 403);
    change("bob", json!({"role": "responder"})).await;
    assert_eq!(site.pager(&page("incident.acknowledged", &second, "2999-01-01T00:00:00Z"), PAGER).await, 200);

    site.server.terminate();
    let text = crate::running::run(&["--data", &data.to_string_lossy(), "audit", "export"]);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].clone());
    let told: Vec<Value> = lines.filter(|entry| entry["action"] == "callbacks.slack.create").collect();
    let of =
        |outcome: &str| -> Vec<&Value> { told.iter().filter(|entry| entry["outcome"] == outcome).collect() };
    let actors: Vec<_> = of("done").iter().map(|entry| entry["actor"].as_str().unwrap()).collect();
    assert_eq!(actors, ["bob", "ann"], "{told:#?}");
    assert_eq!(
        (of("intended").len(), of("done")[0]["of"].is_u64()),
        (2, true),
        "announced before it was done"
    );
    assert_eq!(of("done")[1]["detail"]["verdict"], "benign");
    let refused: Vec<_> = of("refused").iter().map(|entry| entry["actor"].as_str().unwrap()).collect();
    assert_eq!(refused, ["slack:U2", "slack:U3", "slack:U5", "slack:U9"]);
    let why = of("refused")[0]["detail"]["problem"].as_str().unwrap();
    assert!(why.contains("`alerts.triage`") && why.contains("`dora`"), "{why}");
}
