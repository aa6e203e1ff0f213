//! GitHub's audit log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cloudfake::{Fake, Fault, Github, GithubEvent, Proxy, Signer, answer};
use event::{Fate, LogType};
use ingest::github::{GithubAccess, GithubConfig, GithubOwner};
use ingest::{Collector, ListPurpose, Lists, Polled, ReadOptions};
use parking_lot::Mutex;

use super::{Came, NOW_S, at, key, secret, take, take_with_kills};
use crate::options;

pub(super) fn event(number: i64, at_s: i64, listed_s: i64) -> GithubEvent {
    let is_git = number % 3 == 0;
    let action = if is_git { "git.clone" } else { "repo.create" };
    let id = format!("d-{number:05}");
    let at_ms = at_s * 1_000;
    GithubEvent {
        at_ms,
        listed_ms: listed_s * 1_000,
        json: format!(
            r#"{{"@timestamp":{at_ms},"_document_id":"{id}","action":"{action}","org":"example"}}"#
        ),
        id,
        is_git,
    }
}

fn busy(github: &Arc<Mutex<Github>>, count: i64) {
    let start = NOW_S - 3_600;
    github.lock().events = (0..count).map(|n| event(n, start + (n * 13) % 3_500, NOW_S)).collect();
}

struct World {
    folder: tempfile::TempDir,
    github: Arc<Mutex<Github>>,
    fake: Fake,
}

impl World {
    async fn new() -> Self {
        let github = Github::new("ghp_s3cret", NOW_S);
        let fake = Github::serve(&github).await;
        Self { folder: tempfile::tempdir().unwrap(), github, fake }
    }

    fn config(&self, url: &str) -> GithubConfig {
        GithubConfig {
            url: url.to_owned(),
            owner: GithubOwner::Organization("example".into()),
            access: GithubAccess::Token(secret(self.folder.path(), "token", "ghp_s3cret")),
            include: "all".into(),
            lookback: Duration::from_secs(3_600),
            every: Duration::from_secs(60),
            settle: Duration::ZERO,
            overlap: Duration::from_secs(600),
            again_after: None,
        }
    }

    fn open(&self, url: &str) -> impl Fn(&BTreeMap<String, String>) -> ingest::Result<Lists> {
        let config = self.config(url);
        move |positions| follow(&config, positions, options(1))
    }
}

fn has(count: usize) -> impl Fn(&Came) -> bool {
    move |came| came.records.len() == count
}

#[tokio::test]
async fn web_and_git_events_come_page_by_page() {
    let world = World::new().await;
    busy(&world.github, 450);
    let mut collector = world.open(&world.fake.url)(&BTreeMap::new()).unwrap();
    let Polled::Collected(collected) = collector.poll().await.unwrap() else { panic!("it is idle") };
    let batch = collected.batch.unwrap();
    assert_eq!((batch.len(), batch.log_type), (100, Some(LogType::GithubAudit)));
    assert!(batch.origin.starts_with("github://127.0.0.1/orgs/example/audit-log/"), "{}", batch.origin);
    let came = take_with_kills(world.open(&world.fake.url), "/_document_id", has(450)).await;
    assert!(came.errors.is_empty() && came.records.values().all(|(_, times)| *times <= 2), "{came:?}");
    // An enterprise, and Git events alone.
    let config = GithubConfig {
        owner: GithubOwner::Enterprise("example".into()),
        include: "git".into(),
        ..world.config(&world.fake.url)
    };
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    take(open, "/_document_id", has(150)).await;
}

static LATE_US: AtomicI64 = AtomicI64::new(NOW_S * 1_000_000);

#[tokio::test]
async fn late_events_are_found_by_the_overlap_and_the_second_reading() {
    let world = World::new().await;
    let again_after = Some(Duration::from_secs(10_800));
    let config = GithubConfig { again_after, ..world.config(&world.fake.url) };
    // At once, five minutes late, two hours late.
    world.github.lock().events = vec![
        event(1, NOW_S - 100, NOW_S - 100),
        event(2, NOW_S - 90, NOW_S + 210),
        event(3, NOW_S - 80, NOW_S + 7_200),
    ];
    let mut came = Came::default();
    for (after, ids) in [(0, 1), (300, 2), (900, 2), (7_300, 2), (14_000, 3)] {
        world.github.lock().now_s = NOW_S + after;
        LATE_US.store((NOW_S + after) * 1_000_000, Ordering::Relaxed);
        let options = at(|| LATE_US.load(Ordering::Relaxed));
        let mut collector = follow(&config, &came.positions, options).unwrap();
        // Each list has one page at most.
        for _ in 0..2 {
            came.turn(&mut collector, "/_document_id", false).await;
        }
        assert_eq!(came.records.len(), ids, "after {after} s: {came:?}");
    }
    assert_eq!(came.positions.keys().collect::<Vec<_>>(), ["audit_log", "audit_log/again"]);
}

#[tokio::test]
async fn both_kinds_of_limits_are_kept() {
    let world = World::new().await;
    busy(&world.github, 50);
    world.github.lock().limit = (1_750, 0);
    world.github.lock().reset_after_s = 30;
    let proxy = Proxy::start(&world.fake.url, {
        let mut count = 0;
        move |_| {
            count += 1;
            let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#;
            match count {
                2 => answer("403 Forbidden", "retry-after: 9\r\n", secondary),
                3 => answer("403 Forbidden", "", secondary),
                4 => answer("429 Too Many Requests", "retry-after: 3\r\n", "{}"),
                5 => answer("403 Forbidden", "", r#"{"message":"Must have admin rights."}"#),
                _ => Fault::Pass,
            }
        }
    })
    .await;
    let open = world.open(&proxy.url);
    for (least_s, most_s, is_throttle) in
        [(28, 30, true), (9, 9, true), (60, 60, true), (3, 3, true), (60, 60, false)]
    {
        let error = open(&BTreeMap::new()).unwrap().poll().await.unwrap_err();
        let Fate::Retry { after } = error.fate() else { panic!("{error}") };
        assert!((least_s..=most_s).contains(&after.as_secs()), "{after:?}: {error}");
        assert_eq!(error.is_throttle(), is_throttle, "{error}");
    }
    take(open, "/_document_id", has(50)).await;
}

#[tokio::test]
async fn torn_answers_and_ended_cursors_are_read_again() {
    let world = World::new().await;
    busy(&world.github, 350);
    world.github.lock().torn = 1;
    let proxy = Proxy::start(&world.fake.url, {
        let mut count = 0;
        move |_| {
            count += 1;
            match count {
                3 => Fault::Cut,
                5 => answer("422 Unprocessable Entity", "", r#"{"message":"Invalid cursor"}"#),
                7 => Fault::Twice,
                _ => Fault::Pass,
            }
        }
    })
    .await;
    let came = take_with_kills(world.open(&proxy.url), "/_document_id", has(350)).await;
    assert_eq!(came.errors, ["`read:audit_log` got no answer"; 2]);
}

#[tokio::test]
async fn who_may_not_read_is_told_what_is_missing() {
    let world = World::new().await;
    let refused = async || world.open(&world.fake.url)(&BTreeMap::new()).unwrap().poll().await.unwrap_err();
    world.github.lock().tokens.clear();
    assert_eq!(refused().await.to_string(), "`read:audit_log` was refused with 401: Bad credentials");
    world.github.lock().weak_tokens.push("ghp_s3cret".into());
    assert_eq!(refused().await.to_string(), "`read:audit_log` was refused with 404: Not Found");
}

#[tokio::test]
async fn an_app_signs_in_and_its_tokens_are_renewed() {
    let world = World::new().await;
    // As GitHub gives it: PKCS#1.
    let Some((private, public_key)) = key(world.folder.path(), true) else { return };
    assert!(private.contains("RSA PRIVATE KEY"));
    world.github.lock().app = Some(Signer { id: "12345".into(), public_key });
    world.github.lock().uses = 2;
    busy(&world.github, 500);
    let proxy = Proxy::start(&world.fake.url, |_| Fault::Pass).await;
    let app = |installation_id| GithubAccess::App {
        app_id: "12345".into(),
        installation_id,
        key: secret(world.folder.path(), "key", &private),
    };
    let with = |installation_id| GithubConfig { access: app(installation_id), ..world.config(&proxy.url) };
    let nowhere = follow(&with(8), &BTreeMap::new(), options(1)).unwrap().poll().await.unwrap_err();
    assert_eq!(nowhere.to_string(), "`the app's installation token` was refused with 404: Not Found");
    let config = with(7);
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let came = take(open, "/_document_id", has(500)).await;
    assert!(came.errors.is_empty(), "{:?}", came.errors);
    // One was refused; then each of three was good for two pages.
    assert_eq!(proxy.count("/access_tokens"), 4);
}

#[tokio::test]
async fn the_past_is_read_once_between_its_ends() {
    let world = World::new().await;
    let day = 86_400;
    world.github.lock().events = (0..240).map(|n| event(n, NOW_S - 10 * day + n * 3_600, 0)).collect();
    let span = (NOW_S - 8 * day) * 1_000_000..(NOW_S - 5 * day) * 1_000_000;
    let config = world.config(&world.fake.url);
    let open = |positions: &BTreeMap<String, String>| {
        config
            .lists(ListPurpose::Past, options(1).now_us)
            .map(|lists| lists.over(&span, positions, options(1)))
    };
    let came = take_with_kills(open, "/_document_id", |_| false).await;
    let ids = came.ids();
    assert_eq!((ids.len(), ids[0], ids[72]), (73, "d-00048", "d-00120"));
}

fn follow(
    config: &GithubConfig,
    positions: &BTreeMap<String, String>,
    options: ReadOptions,
) -> ingest::Result<Lists> {
    Ok(config.lists(ListPurpose::Follow, options.now_us)?.follow(positions, options))
}
