//! Routes and channels are exchanged while people are told: nothing is lost, and nothing comes twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alerts::{AlertFilter, AlertStatus, AlertStore, Change};
use async_trait::async_trait;
use parking_lot::Mutex;
use storage::state::State;
use tokio::sync::Semaphore;

use super::{Fixture, alert, fixture, now_us, route};
use crate::NotificationKind::{Digest, Escalated, Flood, Raised};
use crate::{
    Channel, Delivery, DeliveryFilter, DeliveryState, Error, Escalation, Fold, Links, Manner, Notifier,
    NotifierParts, Outcome, Route, Routing, Setup, Target, Wanted,
};

const MINUTE: Duration = Duration::from_secs(60);

fn rename(at: &mut Fixture, routes: Vec<Route>) {
    at.follower.routing = Routing { routes, rotas: Vec::new() };
}

fn record(at: &Fixture, rule: &str, events: std::ops::Range<u32>) {
    at.record(&events.map(|n| alert(rule, &format!("e{n}"))).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_route_gathered_goes_where_its_alerts_would_go_now() {
    let digest = |path: &str, channel: &str| Route { digest: Some(10 * MINUTE), ..route(path, &[channel]) };
    let mut at = fixture(&["a", "b", "c"], vec![digest("old", "a")]);
    record(&at, "r1", 0..5);
    record(&at, "r2", 5..8);
    at.settle().await;
    at.advance(5 * MINUTE);
    let of = |rule: &str| Wanted { rules: vec![rule.into()], ..Wanted::default() };
    let first = Route { wanted: of("r1"), goes_on: true, ..route("first", &["b"]) };
    let same = Route { wanted: of("r1"), ..route("same", &["b"]) };
    rename(&mut at, vec![first, same, Route { wanted: of("r2"), ..route("second", &["c"]) }]);
    at.settle().await;
    assert!(at.told("b").is_empty(), "its window goes on");
    at.advance(5 * MINUTE);
    at.settle().await;
    assert_eq!(at.kinds("a"), []);
    for (channel, count) in [("b", 5), ("c", 3)] {
        let [told] = at.told(channel).try_into().unwrap();
        assert_eq!((told.kind, told.count), (Digest, count), "{channel}");
    }
    at.advance(60 * MINUTE);
    at.settle().await;
    assert_eq!(at.told("b").len() + at.told("c").len(), 2, "once");
}

#[tokio::test]
async fn a_flood_is_counted_on_and_told_by_another_route() {
    let folding = |path: &str, channel: &str| Route {
        fold: Some(Fold { burst: 1, window: MINUTE }),
        ..route(path, &[channel])
    };
    let mut at = fixture(&["a", "b"], vec![folding("old", "a")]);
    record(&at, "r1", 0..10);
    record(&at, "r2", 10..12);
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Raised]);
    // The same route with other channels keeps its window.
    rename(&mut at, vec![folding("old", "b")]);
    record(&at, "r1", 12..20);
    at.settle().await;
    assert_eq!(at.kinds("b"), []);
    rename(&mut at, vec![folding("new", "b")]);
    at.advance(MINUTE);
    at.settle().await;
    let told = at.told("b");
    let kinds: std::collections::BTreeMap<_, _> =
        told.iter().map(|told| (told.kind.as_str(), told.count)).collect();
    // One more of the second rule is told as what it is.
    assert_eq!(kinds, BTreeMap::from([(Flood.as_str(), 18), (Raised.as_str(), 1)]), "{told:?}");
    at.advance(60 * MINUTE);
    at.settle().await;
    assert_eq!((at.told("a").len(), at.told("b").len()), (2, 2));
}

#[tokio::test]
async fn what_waits_for_an_acknowledgement_goes_on_with_the_same_step() {
    let step = |minutes: u32, channel: &str| Escalation {
        after: MINUTE * minutes,
        targets: vec![Target::from(channel)],
    };
    let escalating = |path: &str| Route {
        escalate: vec![step(15, "b"), step(30, "c"), step(45, "d")],
        ..route(path, &["a"])
    };
    let mut at = fixture(&["a", "b", "c", "d"], vec![escalating("old")]);
    let (one, two) = (alert("r1", "e1"), alert("r1", "e2"));
    at.record(&[one, two.clone()]);
    at.settle().await;
    at.advance(MINUTE * 15);
    at.settle().await;
    assert_eq!(at.kinds("b"), [Escalated, Escalated]);
    rename(&mut at, vec![escalating("new")]);
    at.alerts.change(two.id.as_str(), Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.advance(MINUTE * 14);
    at.settle().await;
    assert!(at.told("c").is_empty(), "not before its time");
    at.advance(MINUTE);
    at.settle().await;
    at.advance(MINUTE * 15);
    at.settle().await;
    let told = |channel: &str| at.kinds(channel).iter().filter(|kind| **kind == Escalated).count();
    assert_eq!((told("b"), told("c"), told("d")), (2, 1, 1));
}

/// Two routes wait for one alert: when one of them goes, the other has told all of its steps already, and tells none
/// of them again.
#[tokio::test]
async fn a_route_that_has_escalated_does_not_begin_again_for_one_that_is_gone() {
    let step = |minutes: u32| Escalation { after: MINUTE * minutes, targets: vec![Target::from("b")] };
    let stays = || Route { escalate: vec![step(15), step(30)], ..route("stays", &["a"]) };
    let goes = Route { escalate: vec![step(10), step(60)], goes_on: true, ..route("goes", &["a"]) };
    let mut at = fixture(&["a", "b"], vec![goes, stays()]);
    record(&at, "r1", 0..1);
    at.settle().await;
    for _ in 0..35 {
        at.advance(MINUTE);
        at.settle().await;
    }
    assert_eq!(at.kinds("b"), [Escalated, Escalated, Escalated], "after 10, 15 and 30 minutes");
    rename(&mut at, vec![stays()]);
    for _ in 0..90 {
        at.advance(MINUTE);
        at.settle().await;
    }
    assert_eq!(at.kinds("b").len(), 3);
}

#[tokio::test]
async fn a_channel_that_comes_back_while_the_writer_is_waited_for_is_not_gone() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    record(&at, "r1", 0..3);
    at.follow();
    let looks = std::cell::Cell::new(0);
    let is_there = |_: &str| {
        looks.set(looks.get() + 1);
        looks.get() > 1
    };
    assert_eq!(at.outbox.bury_gone(&is_there, now_us()).unwrap(), 0);
    assert_eq!(looks.get(), 2);
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Raised, Raised]);
    record(&at, "r2", 0..1);
    at.follow();
    assert_eq!(at.outbox.bury_gone(&|_| false, now_us()).unwrap(), 1);
}

/// Waits for a permit, and says that nothing will be taken until it is mended.
#[derive(Debug)]
struct Revoked(Semaphore, std::sync::atomic::AtomicUsize);

#[async_trait]
impl Channel for Revoked {
    fn kind(&self) -> &'static str {
        "revoked"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    async fn send(&self, _: Delivery<'_>) -> Outcome {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.acquire().await.unwrap().forget();
        Outcome::Disabled { reason: "the token is revoked".into() }
    }
}

/// The old channel is disabled by what it was still sending when it was exchanged: the new one is tried at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_exchanged_is_tried_whatever_becomes_of_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let (old, new) = (Arc::new(Revoked(Semaphore::new(0), Default::default())), gate());
    let mut first = setup(&[("a", new.clone())]);
    first.channels.insert("a".to_owned(), old.clone());
    let notifier = Notifier::open(NotifierParts {
        state: state.clone(),
        alerts: AlertStore::open(state.clone()).unwrap(),
        incidents: None,
        setup: first,
        now_us: || 1_000_000_000_000_000,
    })
    .unwrap();
    notifier.start().unwrap();
    state.write(|txn| AlertStore::record(txn, &[alert("r1", "e1")], 1)).unwrap();
    until("the old one sends", || old.1.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    notifier.exchange(setup(&[("a", new.clone())])).unwrap();
    new.permits.add_permits(100);
    old.0.add_permits(1);
    until("the new one has taken it", || {
        let filter = DeliveryFilter { state: Some(DeliveryState::Delivered), ..Default::default() };
        notifier.outbox().list(&filter, 10).unwrap().iter().any(|row| row.channel == "a")
    })
    .await;
    until("it fails no more", || notifier.outbox().queue("a").unwrap().failing.is_none()).await;
    notifier.stop(Duration::from_secs(5)).await;
}

/// Lets as many deliveries through as there are permits, and notes each attempt.
#[derive(Debug)]
struct Gate {
    permits: Semaphore,
    keys: Mutex<Vec<String>>,
}

#[async_trait]
impl Channel for Gate {
    fn kind(&self) -> &'static str {
        "gate"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        self.keys.lock().push(delivery.key.to_owned());
        self.permits.acquire().await.unwrap().forget();
        Outcome::Delivered { remember: None }
    }
}

fn gate() -> Arc<Gate> {
    Arc::new(Gate { permits: Semaphore::new(0), keys: Mutex::default() })
}

fn setup(channels: &[(&str, Arc<Gate>)]) -> Setup {
    let names: Vec<_> = channels.iter().map(|(name, _)| *name).collect();
    let channels = channels.iter().map(|(name, gate)| ((*name).to_owned(), gate.clone() as Arc<dyn Channel>));
    Setup {
        channels: channels.collect(),
        routing: Routing { routes: vec![route("all", &names)], rotas: Vec::new() },
        links: Links::default(),
        keep: Duration::from_secs(400 * 86_400),
        keep_rows: 1_000_000,
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_channel_that_is_gone_is_dead_and_what_is_being_sent_is_sent_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let alerts = AlertStore::open(state.clone()).unwrap();
    let (first, second, other) = (gate(), gate(), gate());
    let notifier = Notifier::open(NotifierParts {
        state: state.clone(),
        alerts: alerts.clone(),
        incidents: None,
        setup: setup(&[("a", first.clone()), ("b", other.clone())]),
        now_us: || 1_000_000_000_000_000,
    })
    .unwrap();
    notifier.start().unwrap();
    let raise = |event: &str| {
        state.write(|txn| AlertStore::record(txn, &[alert("r1", event)], 1)).unwrap();
    };
    let listed = |channel: &str, wanted: DeliveryState| {
        let filter =
            DeliveryFilter { state: Some(wanted), channel: Some(channel.into()), ..Default::default() };
        notifier.outbox().list(&filter, 100).unwrap()
    };
    for event in ["e1", "e2", "e3"] {
        raise(event);
    }
    until("one is being sent", || first.keys.lock().len() == 1).await;
    until("the others wait", || listed("a", DeliveryState::Waiting).len() == 3).await;
    notifier.exchange(setup(&[("b", other.clone())])).unwrap();
    until("what waits is dead", || listed("a", DeliveryState::Dead).len() == 3).await;
    assert!(
        listed("a", DeliveryState::Dead)
            .iter()
            .all(|row| row.last_error.contains("not in the configuration"))
    );
    let dead = listed("a", DeliveryState::Dead).pop().unwrap().id;
    assert!(matches!(notifier.resend(dead), Err(Error::ChannelUnknown { .. })));
    assert!(matches!(notifier.resend_all(Some("a")), Err(Error::ChannelUnknown { .. })));
    // It comes back while the first is still being sent: the worker is the same, and sends nothing besides.
    notifier.exchange(setup(&[("a", second.clone()), ("b", other.clone())])).unwrap();
    second.permits.add_permits(100);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(second.keys.lock().len(), 0);
    first.permits.add_permits(100);
    until("the first has arrived", || listed("a", DeliveryState::Delivered).len() == 1).await;
    assert_eq!(notifier.resend_all(None).unwrap(), 2);
    raise("e4");
    until("the others have arrived", || listed("a", DeliveryState::Delivered).len() == 4).await;
    other.permits.add_permits(100);
    until("nobody else was delayed for good", || listed("b", DeliveryState::Delivered).len() == 4).await;
    let mut keys = [first.keys.lock().clone(), second.keys.lock().clone()].concat();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), first.keys.lock().len(), second.keys.lock().len()), (4, 1, 3));
    notifier.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn nobody_hears_of_a_channel_that_failed_and_is_gone() {
    let mut at = fixture(&["a", "b"], vec![route("all", &["a"])]);
    at.answers("a", &[Outcome::Disabled { reason: "revoked".into() }]);
    record(&at, "r1", 0..1);
    at.settle().await;
    let filter = AlertFilter { rule_id: Some("stormglass-channel-failing".into()), ..AlertFilter::default() };
    let status = |at: &Fixture| at.alerts.list(&filter, None, 10).unwrap().alerts[0].status;
    assert_eq!(status(&at), AlertStatus::New);
    let notifier = Notifier::open(NotifierParts {
        state: at.state.clone(),
        alerts: at.alerts.clone(),
        incidents: None,
        setup: setup(&[("b", gate())]),
        now_us,
    })
    .unwrap();
    notifier.start().unwrap();
    until("it is closed", || status(&at) == AlertStatus::Closed).await;
    until("what waited is dead", || at.outbox.queue("a").unwrap().dead == 1).await;
    notifier.stop(Duration::from_secs(5)).await;
}
