//! Who is told, and who next.

use std::time::Duration;

use alerts::{AlertStore, Change, Verdict};

use super::{alert, fixture, now_us, route};
use crate::NotificationKind::{Acknowledged, Amended, Closed, Escalated, Raised, Reopened};
use crate::{Escalation, Route, Target, Wanted};

const MINUTE: Duration = Duration::from_secs(60);

fn step(minutes: u32, channel: &str) -> Escalation {
    Escalation { after: MINUTE * minutes, targets: vec![Target::from(channel)] }
}

fn escalating() -> Route {
    Route { escalate: vec![step(15, "b"), step(30, "c")], ..route("all", &["a"]) }
}

#[tokio::test]
async fn two_routes_tell_a_channel_once() {
    let one = Route { goes_on: true, ..route("one", &["a", "b"]) };
    let mut at = fixture(&["a", "b"], vec![one, route("two", &["b"])]);
    at.record(&[alert("r1", "e1")]);
    at.settle().await;
    assert_eq!((at.kinds("a"), at.kinds("b")), (vec![Raised], vec![Raised]));
}

#[tokio::test]
async fn what_no_route_takes_is_not_told() {
    let critical = Wanted { severity_id: Some(5), ..Wanted::default() };
    let mut at = fixture(&["a"], vec![Route { wanted: critical, ..route("critical", &["a"]) }]);
    at.record(&[alert("r1", "e1")]);
    at.settle().await;
    assert!(at.told("a").is_empty());
}

#[tokio::test]
async fn nobody_acknowledges_and_the_next_in_line_is_told() {
    let mut at = fixture(&["a", "b", "c"], vec![escalating()]);
    let one = alert("r1", "e1");
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    at.advance(MINUTE * 14);
    at.settle().await;
    assert!(at.told("b").is_empty());
    at.advance(MINUTE);
    at.settle().await;
    assert_eq!((at.kinds("b"), at.kinds("c")), (vec![Escalated], vec![]));
    at.advance(MINUTE * 15);
    at.settle().await;
    assert_eq!((at.kinds("b"), at.kinds("c")), (vec![Escalated], vec![Escalated]));
    at.advance(MINUTE * 600);
    at.settle().await;
    // Whoever was told learns what comes of it.
    at.alerts.change(one.id.as_str(), Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Acknowledged]);
    assert_eq!(
        (at.kinds("b"), at.kinds("c")),
        (vec![Escalated, Acknowledged], vec![Escalated, Acknowledged])
    );
}

#[tokio::test]
async fn an_acknowledgement_ends_the_escalation_and_a_reopening_begins_it_anew() {
    let mut at = fixture(&["a", "b", "c"], vec![escalating()]);
    let one = alert("r1", "e1");
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    let change = |at: &super::Fixture, change| {
        at.alerts.change(one.id.as_str(), change, "dana", "seen", now_us()).unwrap();
    };
    change(&at, Change::Acknowledge);
    at.settle().await;
    at.advance(MINUTE * 60);
    at.settle().await;
    assert!(at.told("b").is_empty());
    change(&at, Change::Close(Verdict::Benign));
    change(&at, Change::Reopen);
    at.settle().await;
    at.advance(MINUTE * 15);
    at.settle().await;
    assert_eq!(at.kinds("b"), [Escalated]);
    assert_eq!(at.kinds("a"), [Raised, Acknowledged, Closed, Reopened]);
}

#[tokio::test]
async fn amendments_are_told_where_they_are_wanted() {
    let wanted = Route { tell: vec![Amended], goes_on: true, ..route("wanted", &["a"]) };
    let mut at = fixture(&["a", "b"], vec![wanted, route("other", &["b"])]);
    let mut one = alert("r1", "e1");
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    one.evidence.push(one.evidence[0].clone());
    at.state.write(|txn| AlertStore::record_or_amend(txn, &one, now_us())).unwrap();
    at.state.write(|txn| AlertStore::refute(txn, &one.id, "late", now_us())).unwrap();
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Amended]);
    assert_eq!(at.kinds("b"), [Raised, Closed]);
}
