//! Alerts reach a receiver whatever happens on the way: faults of the receiver, kills of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alerts::{Alert, AlertId, AlertStore, Change, RuleRef, Verdict};
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use cloudfake::{Fake, Fault, Proxy, answer};
use egress::{Client, EgressPolicy, Request};
use futures::future::BoxFuture;
use notify::{
    Channel, Delivery, Links, Manner, NotificationKind, Notifier, NotifierParts, Outcome, Route, Routing,
    Setup, Target, Wanted,
};
use parking_lot::Mutex;
use storage::state::State;

use crate::running::{Server, command, run};

/// What a receiver took, in its order: key and body.
type Taken = Arc<Mutex<Vec<(String, String)>>>;

async fn receiver() -> (Fake, Taken) {
    let taken = Taken::default();
    let log = taken.clone();
    let routes = Router::new().route(
        "/hook",
        post(async move |headers: HeaderMap, body: Bytes| {
            let key = headers.get("webhook-id").map(|key| key.to_str().unwrap().to_owned());
            log.lock().push((key.unwrap_or_default(), String::from_utf8_lossy(&body).into_owned()));
            "taken"
        }),
    );
    (Fake::start(routes).await, taken)
}

/// Posts `SUBJECT KIND`.
#[derive(Debug)]
struct Posting {
    client: Client,
    url: String,
}

impl Channel for Posting {
    fn kind(&self) -> &'static str {
        "posting"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    fn send<'a, 'b, 'c>(&'a self, delivery: Delivery<'b>) -> BoxFuture<'c, Outcome>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            let told = delivery.notification;
            let body = format!("{} {}", told.subject_id, told.kind.as_str());
            let mut request =
                Request::post_json(self.url.parse().unwrap(), body).with_header("webhook-id", delivery.key);
            request.timeout = Duration::from_millis(500);
            match self.client.send(request).await {
                Ok(answer) if answer.is_success() && answer.whole => Outcome::Delivered { remember: None },
                Ok(answer) => Outcome::Retry {
                    after: answer
                        .header("retry-after")
                        .and_then(|text| text.parse().ok())
                        .map(Duration::from_secs),
                    reason: format!("status {}", answer.status),
                },
                Err(error) => Outcome::Retry { after: None, reason: error.to_string() },
            }
        })
    }
}

/// Time that runs faster, so that retries come soon.
fn fast_now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64 * 500
}

fn alert(event: &str) -> Alert {
    Alert {
        id: AlertId::new("r1", [event]),
        rule: RuleRef {
            id: "r1".into(),
            title: "Trail stopped".into(),
            level: "high".into(),
            tags: Vec::new(),
            description: String::new(),
            response: Vec::new(),
        },
        severity_id: 4,
        time_us: 5,
        provider: "AWS".into(),
        entities: Vec::new(),
        evidence: Vec::new(),
        joined: None,
    }
}

fn client() -> Client {
    let allow = vec!["http://127.0.0.1".parse().unwrap()];
    Client::new(EgressPolicy { allow, ..EgressPolicy::default() }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_the_receiver_loses_a_notification_or_its_order() {
    const ALERTS: usize = 60;
    let (fake, taken) = receiver().await;
    let number = AtomicU64::new(0);
    let faulty = move |_: &cloudfake::Seen| match number.fetch_add(1, Ordering::SeqCst) {
        150.. => Fault::Pass,
        number => match number % 7 {
            1 => answer("429 Too Many Requests", "retry-after: 1\r\n", ""),
            2 => answer("500 Internal Server Error", "", "<html>"),
            3 => Fault::Cut,
            4 => Fault::Delay(Duration::from_millis(20)),
            5 => Fault::Twice,
            // Longer than the patience of the channel: taken, and given up.
            6 if number % 3 == 0 => Fault::Delay(Duration::from_millis(700)),
            _ => Fault::Pass,
        },
    };
    let proxy = Proxy::start(&fake.url, faulty).await;
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let store = AlertStore::open(state.clone()).unwrap();
    let posting = |url: &str| -> Arc<dyn Channel> {
        Arc::new(Posting { client: client(), url: format!("{url}/hook") })
    };
    // Nobody listens there.
    let dead = posting("http://127.0.0.1:1");
    let all = Route {
        path: "all".into(),
        wanted: Wanted::default(),
        targets: vec![Target::from("hook"), Target::from("dead")],
        tell: vec![NotificationKind::Closed],
        escalate: Vec::new(),
        digest: None,
        fold: None,
        tells_all: false,
        goes_on: false,
        routes: Vec::new(),
    };
    let notifier = Notifier::open(NotifierParts {
        state: state.clone(),
        alerts: store.clone(),
        incidents: None,
        setup: Setup {
            channels: BTreeMap::from([("hook".to_owned(), posting(&proxy.url)), ("dead".to_owned(), dead)]),
            routing: Routing { routes: vec![all], rotas: Vec::new() },
            links: Links::default(),
            keep: Duration::from_secs(400 * 86_400),
            keep_rows: 1_000_000,
        },
        now_us: fast_now_us,
    })
    .unwrap();
    notifier.start().unwrap();
    let ids: Vec<_> = (0..ALERTS).map(|n| alert(&n.to_string())).collect();
    for alert in &ids {
        state.write(|txn| AlertStore::record(txn, std::slice::from_ref(alert), fast_now_us())).unwrap();
        let close = Change::Close(Verdict::Benign);
        store.change(alert.id.as_str(), close, "dana", "a drill", fast_now_us()).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let queue = notifier.outbox().queue("hook").unwrap();
        let told: BTreeSet<_> = taken.lock().iter().map(|(_, body)| body.clone()).collect();
        if queue.waiting == 0 && told.len() >= 2 * ALERTS {
            assert_eq!(queue.dead, 0);
            break;
        }
        assert!(Instant::now() < deadline, "{} were told, {queue:?}", told.len());
        // The workers sleep by the slow clock.
        notifier.wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(notifier.outbox().queue("dead").unwrap().waiting > 0, "the dead channel delayed nobody");
    notifier.stop(Duration::from_secs(5)).await;
    let taken = taken.lock();
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, body) in taken.iter() {
        keys.entry(body).or_default().insert(key);
    }
    assert!(keys.values().all(|keys| keys.len() == 1), "one key a notification, however often it came");
    for alert in &ids {
        let first = |kind: &str| taken.iter().position(|(_, body)| *body == format!("{} {kind}", alert.id));
        assert!(first("raised").unwrap() < first("closed").unwrap(), "{}", alert.id);
    }
    println!("{} requests for {} notifications", proxy.seen.lock().len(), keys.len());
}

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

fn record(id: &str, who: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"{who}","arn":"arn:aws:iam::111122223333:user/{who}","accountId":"111122223333"}},"eventTime":"2026-03-02T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// A configuration that tells everything to a webhook, and raises nothing about the risk of anybody, with a rule of
/// a level; `None`, loudly, where the program has no webhooks.
fn configuration(folder: &Path, url: &str, level: &str) -> Option<String> {
    let rules = folder.join("rules");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join("trail.yml"), RULE.replace("level: high", &format!("level: {level}"))).unwrap();
    let path = folder.join("stormglass.toml");
    let text = format!(
        "[rules]\nshipped = false\npaths = [{:?}]\n\n[egress]\nallow = [\"http://127.0.0.1\"]\n\n\
         [[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}/hook\"\n\n\
         [[notify.routes]]\nname = \"all\"\nchannels = [\"hook\"]\nfold = 0\n",
        rules.to_string_lossy()
    );
    std::fs::write(&path, text).unwrap();
    let path = path.to_string_lossy().into_owned();
    let checked = command(&["--config", &path, "config", "check"]).output().unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    if told.contains("`channels`: there is no such setting") {
        println!("skipped: this program has no channel of the kind `webhook`");
        return None;
    }
    assert!(checked.status.success(), "{told}");
    Some(path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_tells_every_alert_under_one_key() {
    const KILLS: usize = 8;
    let (fake, taken) = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    // Below the severity of which one alone is an incident, and each of another person.
    let Some(config) = configuration(folder.path(), &fake.url, "medium") else { return };
    let data = folder.path().join("data");
    let settings = [("STORMGLASS_CONFIG", config.as_str()), ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms")];
    let http = reqwest::Client::new();
    let mut next = 0;
    for round in 0..=KILLS {
        let server = Server::start(&data, &settings);
        let enough = taken.lock().len() + round + 3;
        let deadline = Instant::now() + Duration::from_secs(60);
        while taken.lock().len() < enough {
            assert!(Instant::now() < deadline, "nothing is told");
            let body: String =
                (next..next + 5).map(|n| record(&format!("e{n}"), &format!("u{n}")) + "\n").collect();
            let url = format!("{}/api/v1/ingest?source=trail", server.url);
            if http.post(url).body(body).send().await.unwrap().status().is_success() {
                next += 5;
            }
        }
        if round < KILLS {
            server.kill();
            continue;
        }
        let list = |path: &str| {
            let (http, url) = (http.clone(), format!("{}{path}", server.url));
            async move {
                let text = http.get(url).send().await.unwrap().text().await.unwrap();
                serde_json::from_str::<serde_json::Value>(&text).unwrap()
            }
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let count =
                run(&["--url", &server.url, "sql", "--format", "json", "SELECT count(*) AS n FROM alerts"]);
            let count: serde_json::Value = serde_json::from_str(&count).unwrap();
            let told: BTreeSet<_> = taken.lock().iter().map(|(key, _)| key.clone()).collect();
            let waiting = list("/api/v1/notifications?state=waiting").await;
            let is_idle = waiting["deliveries"].as_array().unwrap().is_empty();
            if is_idle && count[0]["n"] == next && told.len() == next {
                break;
            }
            assert!(Instant::now() < deadline, "{} of {next} are told; {count}", told.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let alerts = run(&["--url", &server.url, "sql", "--format", "json", "SELECT id FROM alerts"]);
        let alerts: Vec<serde_json::Value> = serde_json::from_str(&alerts).unwrap();
        let taken = taken.lock();
        let mut seen = BTreeSet::new();
        for alert in &alerts {
            let id = alert["id"].as_str().unwrap();
            let keys: BTreeSet<_> =
                taken.iter().filter(|(_, body)| body.contains(id)).map(|(key, _)| key).collect();
            assert_eq!(keys.len(), 1, "{id} came under {keys:?}");
            seen.extend(keys);
        }
        assert_eq!(seen.len(), next, "a key belongs to one alert");
        println!("{} alerts, {} requests, {KILLS} kills", next, taken.len());
    }
}

/// The alerts of one person are one incident, whose id changes while they come: all of it is told in one thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_tells_an_incident_once_and_in_one_thread() {
    const KILLS: usize = 5;
    let (fake, taken) = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(config) = configuration(folder.path(), &fake.url, "high") else { return };
    let data = folder.path().join("data");
    let settings = [("STORMGLASS_CONFIG", config.as_str()), ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms")];
    let http = reqwest::Client::new();
    let mut next = 0;
    for round in 0..=KILLS {
        let server = Server::start(&data, &settings);
        let enough = taken.lock().len() + round + 1;
        let deadline = Instant::now() + Duration::from_secs(60);
        // As many as are told of, so that incidents need not look at ever more at once.
        let mut ahead = (0, next);
        while taken.lock().len() < enough {
            assert!(Instant::now() < deadline, "nothing is told");
            let told = taken.lock().len();
            if told > ahead.0 {
                ahead = (told, next);
            }
            if next >= ahead.1 + 20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            let body: String = (next..next + 2).map(|n| record(&format!("e{n}"), "dana") + "\n").collect();
            let url = format!("{}/api/v1/ingest?source=trail", server.url);
            if http.post(url).body(body).send().await.unwrap().status().is_success() {
                next += 2;
            }
        }
        if round < KILLS {
            server.kill();
            continue;
        }
        let messages = || -> Vec<(String, serde_json::Value)> {
            let taken = taken.lock();
            taken.iter().map(|(key, body)| (key.clone(), serde_json::from_str(body).unwrap())).collect()
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !messages().iter().any(|(_, body)| body["data"]["count"] == next) {
            assert!(Instant::now() < deadline, "{next} alerts are not told of: {:?}", messages().last());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let threads = |kind: &str| -> BTreeSet<String> {
            let messages = messages();
            let of_kind =
                messages.iter().filter(|(_, body)| body["type"].as_str().unwrap().starts_with(kind));
            of_kind.map(|(_, body)| body["data"]["thread"].to_string()).collect()
        };
        assert!(threads("alert.").is_empty(), "alerts wait for incidents: {:?}", messages());
        assert_eq!(threads("incident.").len(), 1, "{:?}", messages());
        let keys = |kind: &str| -> BTreeSet<String> {
            messages().into_iter().filter(|(_, body)| body["type"] == kind).map(|(key, _)| key).collect()
        };
        assert_eq!(keys("incident.raised").len(), 1, "it is opened once");
        assert!(keys("incident.merged").is_empty());
        let ids: BTreeSet<_> = messages()
            .iter()
            .filter(|(_, body)| body["type"].as_str().unwrap().starts_with("incident."))
            .map(|(_, body)| body["data"]["id"].to_string())
            .collect();
        println!("{next} alerts, {} messages, {} ids, {KILLS} kills", messages().len(), ids.len());
    }
}
