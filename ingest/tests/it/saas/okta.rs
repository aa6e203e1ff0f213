//! Okta's System Log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cloudfake::{Fake, Fault, Okta, OktaEvent, Proxy, Signer, answer};
use event::{Fate, LogType};
use ingest::okta::{OktaAccess, OktaConfig};
use ingest::{Collector, ListPurpose, Lists, Polled, ReadOptions};
use parking_lot::Mutex;

use super::{Came, NOW_S, at, key, secret, take, take_with_kills};
use crate::options;

pub(super) fn event(number: i64, published_s: i64, stored_s: i64) -> OktaEvent {
    let published = chrono::DateTime::from_timestamp(published_s, 0).unwrap().to_rfc3339();
    OktaEvent {
        published_ms: published_s * 1_000,
        stored_ms: stored_s * 1_000,
        json: format!(
            r#"{{"uuid":"e-{number:05}","published":"{published}","eventType":"user.session.start","version":"0"}}"#
        ),
    }
}

/// So many events of the last half hour, stored in another order than they happened.
fn busy(okta: &Arc<Mutex<Okta>>, count: i64) {
    let start = NOW_S - 1_800;
    okta.lock().events = (0..count).map(|n| event(n, start + (n * 7) % 900, start + n / 4)).collect();
}

struct World {
    folder: tempfile::TempDir,
    okta: Arc<Mutex<Okta>>,
    fake: Fake,
}

impl World {
    async fn new() -> Self {
        let okta = Okta::new("s3cret", NOW_S);
        let fake = Okta::serve(&okta).await;
        Self { folder: tempfile::tempdir().unwrap(), okta, fake }
    }

    fn config(&self, url: &str) -> OktaConfig {
        OktaConfig {
            url: url.to_owned(),
            access: OktaAccess::Token(secret(self.folder.path(), "token", "s3cret\n")),
            filter: String::new(),
            lookback: Duration::from_secs(3_600),
            every: Duration::from_secs(1),
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
async fn all_events_come_in_the_order_in_which_they_were_stored() {
    let world = World::new().await;
    busy(&world.okta, 2_500);
    let open = world.open(&world.fake.url);
    let mut collector = open(&BTreeMap::new()).unwrap();
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 2_500 {
        let Polled::Collected(collected) = collector.poll().await.unwrap() else { panic!("it is idle") };
        let batch = collected.batch.unwrap();
        assert_eq!(batch.log_type, Some(LogType::OktaSystem));
        assert!(batch.origin.starts_with("okta://127.0.0.1/logs/"), "{}", batch.origin);
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [1_000, 1_000, 500]);
}

#[tokio::test]
async fn a_kill_after_each_batch_loses_nothing() {
    let world = World::new().await;
    busy(&world.okta, 4_321);
    let came = take_with_kills(world.open(&world.fake.url), "/uuid", has(4_321)).await;
    assert!(came.records.values().all(|(_, times)| *times <= 2));
    assert!(came.errors.is_empty(), "{:?}", came.errors);
}

static LATE_US: AtomicI64 = AtomicI64::new(NOW_S * 1_000_000);

#[tokio::test]
async fn an_event_that_is_stored_hours_late_comes_and_nothing_comes_twice() {
    let world = World::new().await;
    busy(&world.okta, 10);
    let config = world.config(&world.fake.url);
    let mut came = Came::default();
    let options = || at(|| LATE_US.load(Ordering::Relaxed));
    let mut collector = follow(&config, &came.positions, options()).unwrap();
    came.turn(&mut collector, "/uuid", false).await;
    assert_eq!(came.records.len(), 10);
    // It happened six hours ago, long before everything that was read.
    {
        let mut okta = world.okta.lock();
        okta.now_s = NOW_S + 120;
        okta.events.push(event(99_999, NOW_S - 6 * 3_600, NOW_S + 100));
    }
    LATE_US.store((NOW_S + 120) * 1_000_000, Ordering::Relaxed);
    let mut collector = follow(&config, &came.positions, options()).unwrap();
    came.turn(&mut collector, "/uuid", false).await;
    assert_eq!(came.ids().last(), Some(&"e-99999"));
    assert!(came.records.values().all(|(_, times)| *times == 1), "{came:?}");
    // An empty page moves the position, so that a lost cursor costs little.
    let before = came.positions.clone();
    LATE_US.store((NOW_S + 7_200) * 1_000_000, Ordering::Relaxed);
    let mut collector = follow(&config, &came.positions, options()).unwrap();
    came.turn(&mut collector, "/uuid", false).await;
    assert_ne!(before, came.positions);
    assert!(came.positions["logs"].contains(&format!("\"watermark\":{}", NOW_S + 7_200)), "{came:?}");
}

#[tokio::test]
async fn a_cursor_that_is_lost_is_replaced_by_the_time() {
    let world = World::new().await;
    busy(&world.okta, 1_500);
    let proxy = Proxy::start(&world.fake.url, {
        let mut refused = 0;
        move |seen| {
            let has_cursor = seen.head.contains("after=");
            refused += u32::from(has_cursor);
            match has_cursor && refused == 1 {
                true => answer("400 Bad Request", "", r#"{"errorCode":"E0000001"}"#),
                false => Fault::Pass,
            }
        }
    })
    .await;
    let came = take(world.open(&proxy.url), "/uuid", has(1_500)).await;
    assert_eq!(came.records.values().filter(|(_, times)| *times == 2).count(), 1_000);
}

#[tokio::test]
async fn limits_slow_it_down_and_stop_it_for_as_long_as_they_say() {
    let world = World::new().await;
    busy(&world.okta, 1_500);
    world.okta.lock().limit = (10, 0);
    world.okta.lock().reset_after_s = 7;
    let open = world.open(&world.fake.url);
    let error = open(&BTreeMap::new()).unwrap().poll().await.unwrap_err();
    assert!(error.is_throttle(), "{error}");
    let Fate::Retry { after } = error.fate() else { panic!("{error}") };
    assert!((6..=7).contains(&after.as_secs()), "{after:?}");
    // Two are left, for two seconds: the second page waits for its share of them.
    world.okta.lock().limit = (10, 2);
    world.okta.lock().reset_after_s = 2;
    let started = std::time::Instant::now();
    let came = take(open, "/uuid", has(1_500)).await;
    assert!(came.errors.is_empty() && started.elapsed() >= Duration::from_millis(900), "{came:?}");
}

#[tokio::test]
async fn torn_answers_are_read_again() {
    let world = World::new().await;
    busy(&world.okta, 1_200);
    world.okta.lock().torn = 1;
    let proxy = Proxy::start(&world.fake.url, {
        let mut count = 0;
        move |_| {
            count += 1;
            if count == 3 { Fault::Cut } else { Fault::Pass }
        }
    })
    .await;
    let came = take_with_kills(world.open(&proxy.url), "/uuid", has(1_200)).await;
    assert_eq!(came.errors, ["`okta.logs.read` got no answer"; 2]);
}

#[tokio::test]
async fn who_may_not_read_is_told_what_is_missing() {
    let world = World::new().await;
    world.okta.lock().api_token = "another".into();
    let error = world.open(&world.fake.url)(&BTreeMap::new()).unwrap().poll().await.unwrap_err();
    let told = "`okta.logs.read` was refused with 401 `E0000011`: Invalid token provided";
    assert_eq!(error.to_string(), told);
    assert_eq!(error.fate(), Fate::Retry { after: Duration::from_secs(60) });
}

#[tokio::test]
async fn an_app_signs_in_and_its_tokens_are_renewed() {
    let world = World::new().await;
    let Some((private, public_key)) = key(world.folder.path(), false) else { return };
    let app = Signer { id: "0oa1".into(), public_key };
    world.okta.lock().app = Some((app, vec!["okta.users.read".into()]));
    // A token is good for two requests, and nobody says so.
    world.okta.lock().uses = 2;
    busy(&world.okta, 4_500);
    let proxy = Proxy::start(&world.fake.url, |_| Fault::Pass).await;
    let config = OktaConfig {
        access: OktaAccess::App {
            client_id: "0oa1".into(),
            key: secret(world.folder.path(), "key", &private),
            key_id: "k1".into(),
        },
        ..world.config(&proxy.url)
    };
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let error = open(&BTreeMap::new()).unwrap().poll().await.unwrap_err();
    let told = "`the token for okta.logs.read` was refused with 400 `invalid_scope`: The requested scope is not granted to this client.";
    assert_eq!(error.to_string(), told);
    world.okta.lock().app.as_mut().unwrap().1.push("okta.logs.read".into());
    let came = take(open, "/uuid", has(4_500)).await;
    assert!(came.errors.is_empty(), "{:?}", came.errors);
    assert_eq!(proxy.count("/oauth2/v1/token"), 4);
    assert_eq!(proxy.count("/api/v1/logs"), 7);
}

#[tokio::test]
async fn the_past_is_read_once_between_its_ends() {
    let world = World::new().await;
    let day = 86_400;
    // One each hour for ten days.
    world.okta.lock().events =
        (0..240).map(|n| event(n, NOW_S - 10 * day + n * 3_600, NOW_S - 10 * day + n * 3_600)).collect();
    let span = (NOW_S - 8 * day) * 1_000_000..(NOW_S - 5 * day) * 1_000_000;
    let config = world.config(&world.fake.url);
    let open = |positions: &BTreeMap<String, String>| {
        config
            .lists(ListPurpose::Past, options(1).now_us)
            .map(|lists| lists.over(&span, positions, options(1)))
    };
    let came = take_with_kills(open, "/uuid", |_| false).await;
    let ids = came.ids();
    assert_eq!((ids.len(), ids[0], ids[72]), (73, "e-00048", "e-00120"));
}

fn follow(
    config: &OktaConfig,
    positions: &BTreeMap<String, String>,
    options: ReadOptions,
) -> ingest::Result<Lists> {
    Ok(config.lists(ListPurpose::Follow, options.now_us)?.follow(positions, options))
}
