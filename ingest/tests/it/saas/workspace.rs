//! Google Workspace's activities.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloudfake::{Activity, Fake, Fault, Proxy, Signer, Workspace, answer};
use event::{Fate, LogType};
use ingest::google_workspace::WorkspaceConfig;
use ingest::{Collector, ListPurpose, Lists, Polled, ReadOptions, SecretReference};
use parking_lot::Mutex;
use serde_json::json;

use super::{Came, NOW_S, key, secret, take, take_with_kills};
use crate::options;

pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/admin.reports.audit.readonly";

pub(super) fn activity(application: &str, number: i64, at_s: i64, listed_s: i64) -> Activity {
    let time = chrono::DateTime::from_timestamp(at_s, 0).unwrap().to_rfc3339();
    let json = json!({
        "kind": "admin#reports#activity",
        "id": {
            "time": time, "uniqueQualifier": format!("{application}-{number:05}"),
            "applicationName": application, "customerId": "C03az79cb",
        },
        "actor": {"email": "dana@example.com", "profileId": "1"},
        "events": [{"type": "login", "name": "login_success"}],
    });
    Activity {
        application: application.into(),
        at_ms: at_s * 1_000,
        listed_ms: listed_s * 1_000,
        json: json.to_string(),
    }
}

struct World {
    _folder: tempfile::TempDir,
    workspace: Arc<Mutex<Workspace>>,
    fake: Fake,
    key: SecretReference,
    key_text: String,
}

impl World {
    /// `None` without OpenSSL's tool.
    async fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (private, public_key) = key(folder.path(), false)?;
        let workspace = Workspace::new(NOW_S);
        let fake = Workspace::serve(&workspace).await;
        let account = "reader@example.iam.gserviceaccount.com";
        let signer = Signer { id: account.into(), public_key };
        workspace.lock().account = Some((signer, "admin@example.com".into(), vec![SCOPE.into()]));
        let key_text = json!({
            "type": "service_account", "client_email": account, "private_key": private,
            "private_key_id": "k1", "token_uri": "TOKEN_URI",
        })
        .to_string();
        let key = secret(folder.path(), "key.json", &key_text);
        Some(Self { _folder: folder, workspace, fake, key, key_text })
    }

    fn config(&self, url: &str, applications: &[&str]) -> WorkspaceConfig {
        let text = self.key_text.replace("TOKEN_URI", &format!("{url}/token"));
        let SecretReference::File(path) = &self.key else { panic!("{:?}", self.key) };
        std::fs::write(path, text).unwrap();
        WorkspaceConfig {
            key: self.key.clone(),
            subject: "admin@example.com".into(),
            applications: applications.iter().map(|name| (*name).to_owned()).collect(),
            url: url.to_owned(),
            lookback: Duration::from_secs(3_600),
            every: Duration::from_secs(300),
            overlap: Duration::from_secs(600),
            again_after: None,
        }
    }

    fn busy(&self, application: &str, count: i64) {
        let activities = (0..count).map(|n| activity(application, n, NOW_S - 3_600 + (n * 7) % 3_500, 0));
        self.workspace.lock().activities.extend(activities);
    }
}

const ID: &str = "/id/uniqueQualifier";

#[tokio::test]
async fn each_application_is_read_and_a_kill_after_each_batch_loses_nothing() {
    let Some(world) = World::new().await else { return };
    world.busy("login", 2_300);
    world.busy("admin", 40);
    let config = world.config(&world.fake.url, &["login", "drive", "admin"]);
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let Polled::Collected(first) = open(&BTreeMap::new()).unwrap().poll().await.unwrap() else {
        panic!("idle")
    };
    let batch = first.batch.unwrap();
    assert_eq!((batch.len(), batch.log_type), (1_000, Some(LogType::GoogleWorkspace)));
    let read = format!("\"watermark\":{NOW_S},\"window\":null");
    let done = |came: &Came| came.positions.values().filter(|text| text.contains(&read)).count() == 3;
    let came = take_with_kills(open, ID, done).await;
    assert_eq!(came.records.len(), 2_340);
    assert!(came.errors.is_empty(), "{:?}", came.errors);
}

#[tokio::test]
async fn an_application_without_licence_does_not_stop_the_others() {
    let Some(world) = World::new().await else { return };
    world.busy("login", 5);
    world.busy("admin", 5);
    world.workspace.lock().unlicensed.push("chat".into());
    let config = world.config(&world.fake.url, &["chat", "login", "admin"]);
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let came = take(open, ID, |came| came.records.len() == 10).await;
    let told = "`admin.reports.audit.readonly` was refused with 401 `401`: Access denied. You are not authorized to read activity records.";
    assert_eq!(came.errors.len(), 1);
    assert!(came.errors[0] == told || came.errors[0] == told.replace(" `401`", ""), "{:?}", came.errors);
}

#[tokio::test]
async fn limits_torn_answers_and_ended_tokens_cost_nothing() {
    let Some(world) = World::new().await else { return };
    world.busy("login", 3_500);
    world.workspace.lock().too_many = 1;
    world.workspace.lock().torn = 1;
    // A token is good for two requests, and nobody says so.
    world.workspace.lock().uses = 2;
    let proxy = Proxy::start(&world.fake.url, {
        let mut lists = 0;
        move |seen| {
            if !seen.head.contains("/activity/") {
                return Fault::Pass;
            }
            lists += 1;
            match lists {
                4 => Fault::Cut,
                6 => answer("429 Too Many Requests", "retry-after: 2\r\n", "{}"),
                8 => {
                    answer("400 Bad Request", "", r#"{"error":{"code":400,"message":"Invalid page token"}}"#)
                }
                _ => Fault::Pass,
            }
        }
    })
    .await;
    let config = world.config(&proxy.url, &["login"]);
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let error = open(&BTreeMap::new()).unwrap().poll().await.unwrap_err();
    assert!(error.is_throttle(), "{error}");
    assert_eq!(error.fate(), Fate::Retry { after: Duration::from_secs(60) });
    let came = take_with_kills(open, ID, |came| came.records.len() == 3_500).await;
    assert!(came.errors.len() >= 2, "{:?}", came.errors);
    // One collector that is not opened anew: its token ends in the middle of a window.
    let config = world.config(&world.fake.url, &["login"]);
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let came = take(open, ID, |came| came.records.len() == 3_500).await;
    assert!(came.errors.is_empty(), "{:?}", came.errors);
}

#[tokio::test]
async fn who_may_not_read_is_told_what_is_missing() {
    let Some(world) = World::new().await else { return };
    world.workspace.lock().account.as_mut().unwrap().2.clear();
    let config = world.config(&world.fake.url, &["login"]);
    let mut collector = follow(&config, &BTreeMap::new(), options(1)).unwrap();
    let told = collector.poll().await.unwrap_err().to_string();
    assert!(
        told.starts_with("`the token for admin.reports.audit.readonly` was refused with 401 `unauthorized_client`: Client is unauthorized"),
        "{told}"
    );
    let SecretReference::File(path) = &world.key else { panic!() };
    std::fs::write(path, "{\"client_email\": \"s3cret\"").unwrap();
    let mut collector = follow(&config, &BTreeMap::new(), options(1)).unwrap();
    let told = collector.poll().await.unwrap_err().to_string();
    assert!(told.contains("it is no key of a service account") && !told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn the_past_is_read_once_between_its_ends() {
    let Some(world) = World::new().await else { return };
    let day = 86_400;
    let activities = (0..240).map(|n| activity("login", n, NOW_S - 10 * day + n * 3_600, 0)).collect();
    world.workspace.lock().activities = activities;
    let span = (NOW_S - 8 * day) * 1_000_000..(NOW_S - 5 * day) * 1_000_000;
    let config = world.config(&world.fake.url, &["login", "admin"]);
    let open = |positions: &BTreeMap<String, String>| {
        config
            .lists(ListPurpose::Past, options(1).now_us)
            .map(|lists| lists.over(&span, positions, options(1)))
    };
    let came = take_with_kills(open, ID, |_| false).await;
    let ids = came.ids();
    assert_eq!((ids.len(), ids[0], ids[72]), (73, "login-00048", "login-00120"));
}

fn follow(
    config: &WorkspaceConfig,
    positions: &BTreeMap<String, String>,
    options: ReadOptions,
) -> ingest::Result<Lists> {
    Ok(config.lists(ListPurpose::Follow, options.now_us)?.follow(positions, options))
}
