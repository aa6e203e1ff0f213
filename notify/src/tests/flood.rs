//! Floods and digests: many become one message, and none is forgotten.

use std::time::{Duration, Instant};

use super::{Fixture, alert, fixture, now_us, route};
use crate::NotificationKind::{Acknowledged, Digest, Flood, Raised};
use crate::{Fold, Route};

const MINUTE: Duration = Duration::from_secs(60);

fn folding(burst: u32) -> Route {
    Route { fold: Some(Fold { burst, window: MINUTE }), ..route("all", &["a"]) }
}

fn record_many(at: &Fixture, rule: &str, from: usize, count: usize) {
    let many: Vec<_> = (from..from + count).map(|n| alert(rule, &format!("e{n}"))).collect();
    for some in many.chunks(1000) {
        at.record(some);
    }
}

#[tokio::test]
async fn ten_thousand_alerts_of_a_rule_are_two_messages() {
    let mut at = fixture(&["a"], vec![folding(1)]);
    let begin = Instant::now();
    for part in 0..10 {
        record_many(&at, "r1", part * 1000, 1000);
        at.settle().await;
        at.advance(Duration::from_secs(5));
    }
    record_many(&at, "r2", 0, 1);
    at.settle().await;
    println!("10,000 alerts followed in {:?}", begin.elapsed());
    let seen: Vec<_> = at.told("a").iter().map(|told| (told.kind, told.title.clone())).collect();
    assert_eq!(seen, [(Raised, "Title of r1".into()), (Raised, "Title of r2".into())]);
    at.advance(MINUTE);
    at.settle().await;
    let last = at.told("a").pop().unwrap();
    assert_eq!((last.kind, last.count, last.title.as_str()), (Flood, 10_000, "10000 alerts: Title of r1"));
    assert_eq!(last.subject, at.told("a")[0].subject, "it is told where the first was");
    // It was the end: nothing more comes, and the next alert is told by itself again.
    at.advance(10 * MINUTE);
    at.settle().await;
    assert_eq!(at.told("a").len(), 3);
    record_many(&at, "r1", 10_000, 1);
    at.settle().await;
    assert_eq!(at.told("a").pop().unwrap().kind, Raised);
}

#[tokio::test]
async fn a_flood_that_goes_on_is_told_at_growing_intervals() {
    let mut at = fixture(&["a"], vec![folding(2)]);
    for step in 0..360 {
        record_many(&at, "r1", step * 20, 20);
        at.settle().await;
        at.advance(Duration::from_secs(10));
    }
    let kinds = at.kinds("a");
    assert_eq!(kinds[..2], [Raised, Raised]);
    assert!(kinds[2..].iter().all(|kind| *kind == Flood));
    assert!((4..=7).contains(&kinds[2..].len()), "{kinds:?}");
    at.advance(Duration::from_secs(7200));
    at.settle().await;
    // The first count has the two that were told by themselves as well.
    let told: u64 = at.told("a").iter().filter(|told| told.kind == Flood).map(|told| told.count).sum();
    assert_eq!(told, 7200, "every alert is in a message or in a count");
}

#[tokio::test]
async fn one_more_is_told_as_what_it_is() {
    let mut at = fixture(&["a"], vec![folding(1)]);
    record_many(&at, "r1", 0, 2);
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised]);
    at.advance(MINUTE);
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Raised]);
    let held = alert("r1", "e1").id;
    assert_eq!(at.told("a")[1].subject, held.as_str());
    at.alerts.change(held.as_str(), alerts::Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.settle().await;
    assert_eq!(at.kinds("a")[2..], [Acknowledged]);
}

#[tokio::test]
async fn a_digest_gathers_what_a_route_takes() {
    let digest = Route { digest: Some(60 * MINUTE), ..route("low", &["a"]) };
    let mut at = fixture(&["a"], vec![digest]);
    record_many(&at, "r1", 0, 3);
    at.settle().await;
    at.advance(30 * MINUTE);
    record_many(&at, "r2", 0, 5);
    at.settle().await;
    assert!(at.told("a").is_empty());
    at.advance(30 * MINUTE);
    at.settle().await;
    let [told] = at.told("a").try_into().unwrap();
    assert_eq!((told.kind, told.count, told.title.as_str()), (Digest, 8, "8 alerts of 2 rules in 60 min"));
    at.advance(120 * MINUTE);
    at.settle().await;
    assert_eq!(at.told("a").len(), 1);
}
