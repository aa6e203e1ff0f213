//! kill -9 between alert, outbox and delivery: every alert is delivered, each under one key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alerts::{AlertFilter, AlertStore};
use async_trait::async_trait;
use egress::{Client, EgressPolicy, Request};
use parking_lot::Mutex;
use storage::state::State;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{alert, route};
use crate::{
    Channel, Delivery, Links, Manner, Notification, Notifier, NotifierParts, Outcome, Routing, Setup,
};

/// Tells the test binary that it is the child: the folder, the receiver, and whether to raise alerts.
const FOLDER: &str = "STORMGLASS_TEST_NOTIFY_DIR";
const RECEIVER: &str = "STORMGLASS_TEST_NOTIFY_URL";
const RAISES: &str = "STORMGLASS_TEST_NOTIFY_RAISES";

/// The child's time runs so much faster, so that retries come soon.
const FASTER: i64 = 200;

/// Posts a notification as JSON.
#[derive(Debug)]
struct Posting {
    client: Client,
    url: url::Url,
}

#[async_trait]
impl Channel for Posting {
    fn kind(&self) -> &'static str {
        "posting"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        let body = serde_json::to_vec(delivery.notification).unwrap();
        let mut request = Request::post_json(self.url.clone(), body).with_header("webhook-id", delivery.key);
        request.timeout = Duration::from_secs(5);
        match self.client.send(request).await {
            Ok(answer) if answer.is_success() => Outcome::Delivered { remember: None },
            Ok(answer) => Outcome::Retry { after: None, reason: format!("status {}", answer.status) },
            Err(error) => Outcome::Retry { after: None, reason: error.to_string() },
        }
    }
}

fn fast_now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64 * FASTER
}

fn open(folder: &Path, url: &str) -> (State, Notifier) {
    let state = State::open(&folder.join("state.db")).unwrap();
    let alerts = AlertStore::open(state.clone()).unwrap();
    let allow = vec!["http://127.0.0.1".parse().unwrap()];
    let client = Client::new(EgressPolicy { allow, ..EgressPolicy::default() }).unwrap();
    let channel: Arc<dyn Channel> = Arc::new(Posting { client, url: url.parse().unwrap() });
    let notifier = Notifier::open(NotifierParts {
        state: state.clone(),
        alerts,
        incidents: None,
        setup: Setup {
            channels: BTreeMap::from([("hook".to_owned(), channel)]),
            routing: Routing { routes: vec![route("all", &["hook"])], rotas: Vec::new() },
            links: Links::default(),
            keep: Duration::from_secs(400 * 86_400),
            keep_rows: 1_000_000,
        },
        now_us: fast_now_us,
    })
    .unwrap();
    (state, notifier)
}

/// Raises alerts and delivers until it is killed; or, without raising, until nothing waits. Does nothing unless
/// a parent asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (state, notifier) = open(Path::new(&folder), &std::env::var(RECEIVER).unwrap());
    notifier.start().unwrap();
    if std::env::var_os(RAISES).is_some() {
        for number in 0_u64.. {
            let event = format!("{}-{number}", std::process::id());
            state.write(|txn| AlertStore::record(txn, &[alert("r1", &event)], fast_now_us())).unwrap();
            notifier.wake();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let alerts = AlertStore::open(state.clone()).unwrap();
    loop {
        let end = alerts.feed_end().unwrap();
        let queue = notifier.outbox().queue("hook").unwrap();
        assert_eq!(queue.dead, 0);
        if notifier.outbox().position().unwrap() == Some(end) && queue.waiting == 0 {
            break;
        }
        // What is put off sleeps by the slow clock.
        notifier.wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    notifier.stop(Duration::from_secs(10)).await;
}

/// What a receiver saw: the keys under which each alert came.
#[derive(Debug, Default)]
struct Receiver {
    keys: Mutex<BTreeMap<String, BTreeSet<String>>>,
    requests: AtomicUsize,
    /// Some requests are refused or cut off while this is set.
    is_moody: AtomicBool,
}

impl Receiver {
    async fn start(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = receiver.clone();
                tokio::spawn(async move { receiver.serve(stream).await });
            }
        });
        url
    }

    async fn serve(&self, mut stream: tokio::net::TcpStream) {
        let mut bytes = Vec::new();
        let (head, mut body) = loop {
            if !stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                return;
            }
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let body = bytes.split_off(end + 4);
                break (String::from_utf8(bytes).unwrap(), body);
            }
        };
        let header = |name: &str| {
            head.lines()
                .find_map(|line| line.to_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
        };
        let length: usize = header("content-length:").unwrap().parse().unwrap();
        while body.len() < length {
            if !stream.read_buf(&mut body).await.is_ok_and(|read| read > 0) {
                return;
            }
        }
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let is_moody = self.is_moody.load(Ordering::SeqCst);
        let answer = match number % 10 {
            3 if is_moody => "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            // It is taken, and nobody learns of it.
            4 if is_moody => "",
            _ => "HTTP/1.1 204 Done\r\nconnection: close\r\n\r\n",
        };
        if !answer.starts_with("HTTP/1.1 503") {
            let told: Notification = serde_json::from_slice(&body).unwrap();
            let key = header("webhook-id:").unwrap();
            self.keys.lock().entry(told.subject_id).or_default().insert(key);
        }
        drop(stream.write_all(answer.as_bytes()).await);
    }
}

fn spawn(folder: &Path, url: &str, raises: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "tests::kill::child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(RECEIVER, url)
        .stdout(Stdio::null());
    if raises {
        command.env(RAISES, "yes");
    }
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_alert_and_changes_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Arc::new(Receiver::default());
    receiver.is_moody.store(true, Ordering::SeqCst);
    let url = receiver.start().await;
    // The place in the feed is taken before the first alert.
    drop(open(dir.path(), &url));
    for round in 1..=8 {
        let mut child = spawn(dir.path(), &url, true);
        let enough = receiver.requests.load(Ordering::SeqCst) + round * 7;
        while receiver.requests.load(Ordering::SeqCst) < enough {
            assert!(child.try_wait().unwrap().is_none(), "the child ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    receiver.is_moody.store(false, Ordering::SeqCst);
    let mut child = spawn(dir.path(), &url, false);
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(status.success());

    let alerts = AlertStore::open(State::open(&dir.path().join("state.db")).unwrap()).unwrap();
    let mut raised = BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = alerts.list(&AlertFilter::default(), cursor.as_ref(), 1000).unwrap();
        // That the channel failed for a while may have been told as well.
        raised.extend(page.alerts.into_iter().map(|stored| stored.alert.id.to_string()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let keys = receiver.keys.lock();
    let delivered: BTreeSet<_> = keys.keys().cloned().collect();
    let requests = receiver.requests.load(Ordering::SeqCst);
    println!("{} alerts, {requests} requests, 8 kills", raised.len());
    assert!(raised.len() > 100, "{}", raised.len());
    let lost: Vec<_> = raised.difference(&delivered).collect();
    assert!(lost.is_empty(), "{} alerts were not delivered", lost.len());
    let doubled = keys.values().filter(|keys| keys.len() > 1).count();
    assert_eq!(doubled, 0, "alerts that came under two keys");
    let distinct: BTreeSet<_> = keys.values().flatten().collect();
    assert_eq!(distinct.len(), keys.len(), "a key belongs to one alert");
}
