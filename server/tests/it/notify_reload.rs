//! Channels and routes are exchanged while alerts flow and the server is killed: nothing is lost, nothing doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path as Part;
use axum::http::HeaderMap;
use axum::routing::post;
use cloudfake::Fake;
use parking_lot::Mutex;
use reqwest::Client;
use serde_json::Value;

use crate::running::{Server, outcome};

/// What came: the channel's path, the key, the body.
type Taken = Arc<Mutex<Vec<(String, String, Value)>>>;

async fn receiver() -> (Fake, Taken) {
    let taken = Taken::default();
    let log = taken.clone();
    let routes = Router::new().route(
        "/{channel}",
        post(async move |Part(channel): Part<String>, headers: HeaderMap, body: Bytes| {
            let key = headers["webhook-id"].to_str().unwrap().to_owned();
            log.lock().push((channel, key, serde_json::from_slice(&body).unwrap()));
            "taken"
        }),
    );
    (Fake::start(routes).await, taken)
}

const RULE: &str = "title: Trail stopped
id: 6f1c9c52-3f0e-4a57-9a38-0d7f7f1a2b3c
status: test
level: medium
logsource:
    product: aws
    service: cloudtrail
detection:
    selection:
        eventName: StopLogging
    condition: selection
";

/// A folder with a rule, and a configuration that can be another.
struct Site {
    folder: tempfile::TempDir,
    url: String,
    http: Client,
}

impl Site {
    fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/trail.yml"), RULE).unwrap();
        Self { folder, url: url.to_owned(), http: Client::new() }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("stormglass.toml")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn rules(&self) -> String {
        format!(
            "[rules]\nshipped = false\nreload_every = \"1 s\"\npaths = [{:?}]\n[egress]\nallow = [\"http://127.0.0.1\"]\n",
            self.folder.path().join("rules").to_string_lossy()
        )
    }

    /// Channels of these names, and a route of that name to them all.
    fn write(&self, channels: &[&str], route: &str) {
        let mut text = self.rules();
        for name in channels {
            text += &format!(
                "[[channels]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}/{name}\"\n",
                self.url
            );
        }
        text += &format!("[[notify.routes]]\nname = \"{route}\"\nchannels = {channels:?}\nfold = 0\n");
        self.put(&text);
    }

    /// As an editor does it: in one piece.
    fn put(&self, text: &str) {
        let part = self.folder.path().join("part");
        std::fs::write(&part, text).unwrap();
        std::fs::rename(&part, self.config()).unwrap();
    }

    fn start(&self) -> Server {
        let config = self.config().to_string_lossy().into_owned();
        let settings = [("STORMGLASS_CONFIG", config.as_str()), ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms")];
        Server::start(&self.data(), &settings)
    }

    async fn ingest(&self, server: &Server, events: std::ops::Range<usize>) {
        let body: String = events.map(|n| record(n) + "\n").collect();
        let url = format!("{}/api/v1/ingest?source=trail", server.url);
        assert_eq!(self.http.post(url).body(body).send().await.unwrap().status(), 200);
    }

    async fn get(&self, server: &Server, path: &str) -> Value {
        self.http.get(format!("{}{path}", server.url)).send().await.unwrap().json().await.unwrap()
    }

    async fn reload(&self, server: &Server) -> Value {
        let url = format!("{}/api/v1/notifications/reload", server.url);
        let answer = self.http.post(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    async fn sql(&self, server: &Server, sql: &str) -> Vec<Value> {
        let url = format!("{}/api/v1/sql", server.url);
        let body = serde_json::json!({ "sql": sql });
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

fn record(n: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"u{n}","arn":"arn:aws:iam::111122223333:user/u{n}","accountId":"111122223333"}},"eventTime":"2026-03-02T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"e{n}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_are_exchanged_while_alerts_flow_and_the_server_is_killed() {
    const ROUNDS: usize = 6;
    const AT_ONCE: usize = 10;
    let (fake, taken) = receiver().await;
    let site = Site::new(&fake.url);
    let mut next = 0;
    let sets: [&[&str]; 3] = [&["a"], &["b"], &["b", "c"]];
    site.write(sets[0], "first");
    for round in 0..ROUNDS {
        let server = site.start();
        site.ingest(&server, next..next + AT_ONCE).await;
        next += AT_ONCE;
        site.write(sets[(round + 1) % 3], &format!("route-{round}"));
        site.ingest(&server, next..next + AT_ONCE).await;
        next += AT_ONCE;
        match round % 3 {
            0 => assert_eq!(site.reload(&server).await["changed"], true),
            1 => server.hangup(),
            // The file alone is looked at; the kill comes before, between or after.
            _ => {}
        }
        site.ingest(&server, next..next + AT_ONCE).await;
        next += AT_ONCE;
        server.kill();
    }
    let server = site.start();
    site.ingest(&server, next..next + AT_ONCE).await;
    next += AT_ONCE;
    // All channels are back, and what was dead with its channel is sent again.
    site.write(&["a", "b", "c"], "last");
    site.reload(&server).await;
    until("all alerts are raised and told", async || {
        let alerts = site.sql(&server, "SELECT count(*) AS n FROM alerts").await;
        let waiting = site.get(&server, "/api/v1/notifications?state=waiting").await;
        let told = site.sql(&server, "SELECT count(DISTINCT subject) AS n FROM deliveries").await;
        alerts[0]["n"] == next && told[0]["n"] == next && waiting["deliveries"].as_array().unwrap().is_empty()
    })
    .await;
    let dead = site.sql(&server, "SELECT channel, last_error FROM deliveries WHERE state = 'dead'").await;
    for one in &dead {
        assert!(one["last_error"].as_str().unwrap().contains("not in the configuration"), "{one}");
    }
    let url = format!("{}/api/v1/notifications/resend", server.url);
    let resent: Value =
        site.http.post(url).json(&serde_json::json!({})).send().await.unwrap().json().await.unwrap();
    assert_eq!(resent["resent"], dead.len());
    until("what was dead is told", async || {
        let left = site.sql(&server, "SELECT count(*) AS n FROM deliveries WHERE state <> 'delivered'").await;
        left[0]["n"] == 0
    })
    .await;
    // Each alert went by the channels of one set, once each, and each delivery has one key.
    let rows = site.sql(&server, "SELECT subject, channel, key FROM deliveries WHERE kind = 'raised'").await;
    let mut channels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in &rows {
        let (subject, channel) = (row["subject"].as_str().unwrap(), row["channel"].as_str().unwrap());
        assert!(channels.entry(subject).or_default().insert(channel), "{subject} is told twice by {channel}");
    }
    assert_eq!(channels.len(), next);
    let known: BTreeSet<BTreeSet<&str>> = sets
        .iter()
        .chain([&["a", "b", "c"] as &[_]].iter())
        .map(|set| set.iter().copied().collect())
        .collect();
    assert!(channels.values().all(|set| known.contains(set)), "{channels:?}");
    let keys: BTreeSet<(&str, &str)> =
        rows.iter().map(|row| (row["channel"].as_str().unwrap(), row["key"].as_str().unwrap())).collect();
    let taken = taken.lock();
    let came: BTreeSet<(&str, &str)> =
        taken.iter().map(|(channel, key, _)| (channel.as_str(), key.as_str())).collect();
    assert_eq!(came, keys, "every delivery came, under its key, and nothing else did");
    println!("{next} alerts, {} deliveries, {} requests, {} were dead", rows.len(), taken.len(), dead.len());
    server.terminate();
}

fn notify(site: &Site, server: &Server, command: &str) -> (Option<i32>, String) {
    let output = outcome(&["--url", &server.url, "notify", command]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(site.config().exists());
    (output.status.code(), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_configuration_changes_nothing_and_an_alert_says_so() {
    let (fake, taken) = receiver().await;
    let site = Site::new(&fake.url);
    site.write(&["a"], "first");
    let server = site.start();
    let broken = async || {
        let list = site.get(&server, "/api/v1/alerts?rule=stormglass-configuration-broken").await;
        let list = list["alerts"].as_array().unwrap().clone();
        let open = list.iter().filter(|alert| alert["status"] != "closed").count();
        (open, list.len(), list.first().map(|one| one["id"].as_str().unwrap().to_owned()))
    };
    assert_eq!(broken().await.0, 0);
    let good = std::fs::read_to_string(site.config()).unwrap();
    site.put(&good.replace("channels = [\"a\"]", "channels = [\"b\"]"));
    let (code, told) = notify(&site, &server, "reload");
    assert_eq!(code, Some(1), "{told}");
    let path = site.config().to_string_lossy().into_owned();
    for part in [path.as_str(), "notify.routes.channels", "there is no channel `b`", "did you mean `a`?"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (open, count, id) = broken().await;
    assert_eq!((open, count), (1, 1));
    let alert = site.get(&server, &format!("/api/v1/alerts/{}", id.unwrap())).await;
    let described = alert["description"].as_str().unwrap();
    for part in [path.as_str(), "notify.routes.channels", "did you mean `a`?"] {
        assert!(alert.to_string().contains(part), "{part}: {described}");
    }
    // The old routes go on, and tell of it.
    site.ingest(&server, 0..3).await;
    until("what was good last is in use", async || {
        let told: BTreeSet<String> =
            taken.lock().iter().map(|(channel, key, _)| format!("{channel} {key}")).collect();
        told.len() == 4 && told.iter().all(|one| one.starts_with("a "))
    })
    .await;
    // The same again is the same alert; a file that is gone is another.
    assert_eq!(site.reload(&server).await["findings"].as_array().unwrap().len(), 1);
    assert_eq!(broken().await.1, 1);
    std::fs::remove_file(site.config()).unwrap();
    let gone = site.reload(&server).await;
    assert!(gone["findings"][0].as_str().unwrap().contains("cannot be read"), "{gone}");
    assert_eq!((broken().await.0, broken().await.1), (1, 2));
    assert_eq!(site.get(&server, "/api/v1/notifications/channels").await["channels"][0]["name"], "a");
    // Mended, by the file alone; what waits for the next start is named.
    let more = "[query]\nconcurrent = 3\n";
    site.put(&(good.replace("name = \"a\"", "name = \"z\"").replace("[\"a\"]", "[\"z\"]") + more));
    until("the file is looked at", async || {
        site.get(&server, "/api/v1/notifications/channels").await["channels"][0]["name"] == "z"
    })
    .await;
    until("the alert is closed", async || broken().await.0 == 0).await;
    let again = site.reload(&server).await;
    assert_eq!((&again["changed"], &again["channels"]), (&false.into(), &1.into()));
    assert_eq!(again["waiting"], serde_json::json!(["query.concurrent"]));
    let (code, told) = notify(&site, &server, "reload");
    assert_eq!(code, Some(0), "{told}");
    server.terminate();
}

/// The secret that Slack's callbacks are signed with is another after a reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_read_again() {
    let site = Site::new("http://127.0.0.1:9");
    let secret = site.folder.path().join("secret");
    std::fs::write(&secret, "old-secret").unwrap();
    let channel = |name: &str| {
        format!(
            "[[channels]]\nname = \"{name}\"\nkind = \"slack\"\ntoken = \"file:{0}\"\nchannel = \"C012AB3CD\"\n\
             callback_secret = \"file:{0}\"\n",
            secret.display()
        )
    };
    site.put(&(site.rules() + &channel("soc")));
    let server = site.start();
    let click = async |name: &str, secret: &str| {
        let (now, body) = (crate::callbacks::now_s(), "payload=%7B%7D");
        let signature = format!("v0={}", crate::callbacks::hex(secret, &format!("v0:{now}:{body}")));
        let request = site
            .http
            .post(format!("{}/callbacks/slack/{name}", server.url))
            .header("x-slack-request-timestamp", now.to_string())
            .header("x-slack-signature", signature)
            .body(body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((click("soc", "old-secret").await, click("soc", "new-secret").await), (200, 401));
    std::fs::write(&secret, "new-secret").unwrap();
    server.hangup();
    until("the new secret is known", async || click("soc", "new-secret").await == 200).await;
    assert_eq!(click("soc", "old-secret").await, 401);
    // A secret that is gone is a broken configuration: the last one stays.
    std::fs::remove_file(&secret).unwrap();
    let broken = site.reload(&server).await;
    assert!(
        broken["findings"][0].as_str().unwrap().contains("callback secret of the channel `soc`"),
        "{broken}"
    );
    assert_eq!(click("soc", "new-secret").await, 200);
    std::fs::write(&secret, "new-secret").unwrap();
    site.put(&(site.rules() + &channel("desk")));
    assert_eq!(site.reload(&server).await["channels"], 1);
    assert_eq!((click("soc", "new-secret").await, click("desk", "new-secret").await), (404, 200));
    server.terminate();
}
