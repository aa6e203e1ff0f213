//! Filters, and pages that lose and double nothing while alerts arrive.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Fixture, alert, fixture};
use crate::{Alert, AlertFilter, AlertStatus, Change, Cursor, Entity, EntityKind, Verdict};

/// Five alerts, e1 to e5, that differ in everything a filter asks for.
fn five() -> Fixture {
    let at = fixture();
    let mut alerts: Vec<Alert> =
        (1..=5).map(|n| alert(if n < 4 { "r1" } else { "r2" }, &format!("e{n}"), n * 100)).collect();
    for (n, alert) in alerts.iter_mut().enumerate() {
        alert.severity_id = n as u8 + 1;
        alert.provider = if n % 2 == 0 { "AWS" } else { "Azure" }.into();
    }
    alerts[2].entities.push(Entity { kind: EntityKind::Resource, value: "Trail-%_1".into(), name: None });
    at.record(&alerts);
    at.store.change(alerts[0].id.as_str(), Change::Acknowledge, "ann", "", 1).unwrap();
    let close = Change::Close(Verdict::Benign);
    at.store.change(alerts[1].id.as_str(), close, "ann", "a drill", 1).unwrap();
    let third = alerts[2].id.as_str();
    at.store.change(third, Change::Assign("ben".into()), "ann", "", 1).unwrap();
    let keys = Change::Label { add: vec!["keys".into()], remove: vec![] };
    at.store.change(third, keys, "ann", "", 1).unwrap();
    at
}

/// The events of the alerts that `filter` lets through, in the list's order.
fn check(filter: AlertFilter, expected: &str) {
    let page = five().store.list(&filter, None, 100).unwrap();
    let found: Vec<_> = page.alerts.iter().map(|stored| stored.alert.evidence[0].event_uid.clone()).collect();
    assert_eq!(found.join(" "), expected, "{filter:?}");
    assert_eq!(page.next, None);
}

#[test]
fn each_filter() {
    let all = AlertFilter::default;
    check(all(), "e5 e4 e3 e2 e1");
    check(AlertFilter { status: Some(AlertStatus::New), ..all() }, "e5 e4 e3");
    check(AlertFilter { status: Some(AlertStatus::Acknowledged), ..all() }, "e1");
    check(AlertFilter { status: Some(AlertStatus::Closed), ..all() }, "e2");
    check(AlertFilter { min_severity_id: Some(4), ..all() }, "e5 e4");
    check(AlertFilter { min_severity_id: Some(6), ..all() }, "");
    check(AlertFilter { rule_id: Some("r1".into()), ..all() }, "e3 e2 e1");
    check(AlertFilter { rule_id: Some("R1".into()), ..all() }, "");
    check(AlertFilter { provider: Some("azure".into()), ..all() }, "e4 e2");
    check(AlertFilter { entity: Some("DANA".into()), ..all() }, "e5 e4 e3 e2 e1");
    check(AlertFilter { entity: Some("trail-%_1".into()), ..all() }, "e3");
    check(AlertFilter { entity: Some("trail-%".into()), ..all() }, "");
    check(AlertFilter { entity: Some("' OR 1=1 --".into()), ..all() }, "");
    check(AlertFilter { since_us: Some(300), ..all() }, "e5 e4 e3");
    check(AlertFilter { until_us: Some(300), ..all() }, "e2 e1");
    check(AlertFilter { verdict: Some(Verdict::Benign), ..all() }, "e2");
    check(AlertFilter { owner: Some("ben".into()), ..all() }, "e3");
    check(AlertFilter { is_unassigned: true, ..all() }, "e5 e4 e2 e1");
    check(AlertFilter { label: Some("Keys".into()), ..all() }, "e3");
    check(AlertFilter { label: Some("attack.t1562.008".into()), ..all() }, "e5 e4 e3 e2 e1");
}

#[test]
fn all_filters_together() {
    let filter = AlertFilter {
        status: Some(AlertStatus::New),
        min_severity_id: Some(2),
        rule_id: Some("r1".into()),
        provider: Some("AWS".into()),
        entity: Some("192.0.2.7".into()),
        since_us: Some(300),
        until_us: Some(301),
        verdict: None,
        owner: Some("ben".into()),
        is_unassigned: false,
        label: Some("KEYS".into()),
        is_suppressed: Some(false),
        suppressed_by: None,
        incident: None,
    };
    check(filter.clone(), "e3");
    check(AlertFilter { until_us: Some(300), ..filter }, "");
}

#[test]
fn the_last_page_says_so() {
    let at = five();
    let all = AlertFilter::default();
    let first = at.store.list(&all, None, 3).unwrap();
    assert_eq!(first.alerts.len(), 3);
    let cursor = Cursor::decode(&first.next.unwrap().encode()).unwrap();
    let second = at.store.list(&all, Some(&cursor), 2).unwrap();
    assert_eq!((second.alerts.len(), second.next), (2, None));
    // A page of nothing would be asked for again for ever.
    assert_eq!(at.store.list(&all, None, 0).unwrap().alerts.len(), 1);
    assert_eq!(at.store.list(&all, None, usize::MAX).unwrap().alerts.len(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whoever turns the pages sees each alert that was there from the beginning once, and none twice.
    #[test]
    fn pages_lose_and_double_nothing_while_alerts_arrive(
        // Few times, so that many alerts share one.
        times in proptest::collection::vec(0_i64..4, 1..30),
        later in proptest::collection::vec(-1_i64..6, 0..30),
        limit in 1_usize..7,
        status in proptest::option::of(Just(AlertStatus::New)),
    ) {
        let at = fixture();
        let old: Vec<_> = times.iter().enumerate().map(|(n, time)| alert("r1", &format!("old{n}"), *time)).collect();
        at.record(&old);
        let mut arriving = later.iter().enumerate().map(|(n, time)| alert("r1", &format!("late{n}"), *time));
        let filter = AlertFilter { status, ..AlertFilter::default() };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = at.store.list(&filter, after.as_ref(), limit).unwrap();
            prop_assert!(page.alerts.len() <= limit);
            seen.extend(page.alerts.into_iter().map(|stored| (stored.alert.time_us, stored.alert.id)));
            let Some(next) = page.next else { break };
            after = Some(next);
            let new: Vec<_> = arriving.by_ref().take(2).collect();
            at.record(&new);
        }
        prop_assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
        let seen: BTreeSet<_> = seen.into_iter().map(|(_, id)| id).collect();
        prop_assert!(old.iter().all(|alert| seen.contains(&alert.id)), "none lost");
    }
}
