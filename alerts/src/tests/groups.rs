//! Groups of matches: the same alerts in any order, and a bad rule that stays usable.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Fixture, alert, fixture};
use crate::silence::{Matcher, SilenceSpec};
use crate::{
    Alert, AlertFilter, AlertStatus, AlertStore, Change, Edit, Entity, EntityKind, GROUP_EVIDENCE, Selection,
    Verdict,
};

const WINDOW_US: i64 = 60_000_000;

/// A match of rule r1 by `actor` from `address` at `time_us`, as the alert of its group.
fn found(event: &str, time_us: i64, actor: &str, address: &str) -> Alert {
    let mut one = alert("r1", event, time_us);
    one.entities = vec![
        Entity { kind: EntityKind::Actor, value: actor.into(), name: None },
        Entity { kind: EntityKind::Address, value: address.into(), name: None },
    ];
    one.grouped(&["actor".to_owned()], WINDOW_US)
}

fn record(at: &Fixture, matches: &[Alert]) -> usize {
    at.state.write(|txn| AlertStore::record_matches(txn, matches, 1000)).unwrap()
}

fn all(at: &Fixture) -> Vec<Alert> {
    let mut alerts: Vec<_> = at
        .store
        .list(&AlertFilter::default(), None, 1000)
        .unwrap()
        .alerts
        .into_iter()
        .map(|s| s.alert)
        .collect();
    alerts.sort_by(|a, b| a.id.cmp(&b.id));
    alerts
}

#[test]
fn later_matches_are_counted_to_the_first() {
    let at = fixture();
    let matches: Vec<_> =
        (0..100).map(|n| found(&format!("e{n:03}"), n * 100_000, "dana", &format!("192.0.2.{n}"))).collect();
    assert_eq!(record(&at, &matches[50..51]), 1);
    assert_eq!(record(&at, &matches[60..]), 0);
    assert_eq!(record(&at, &matches), 0);
    let [alert] = all(&at).try_into().unwrap();
    let joined = alert.joined.as_ref().unwrap();
    assert_eq!((joined.events, joined.begin_us, alert.time_us), (100, 0, 9_900_000));
    assert_eq!(joined.by, [("actor".to_owned(), "dana".to_owned())]);
    let uids: Vec<_> = alert.evidence.iter().map(|event| event.event_uid.as_str()).collect();
    let named = |range: std::ops::Range<usize>| range.map(|n| format!("e{n:03}"));
    assert_eq!(uids, named(0..10).chain(named(90..100)).collect::<Vec<_>>());
    assert_eq!(uids.len(), 2 * GROUP_EVIDENCE);
    assert_eq!(alert.entities.len(), 1 + 20, "of each kind the first twenty");
    let (stored, history) = at.store.get(alert.id.as_str()).unwrap();
    assert_eq!(stored.version, 3);
    let told: Vec<_> = history.iter().map(|step| step.reason.as_str()).collect();
    assert_eq!(told, ["it rests on 41 events", "it rests on 100 events"]);
    // Another actor, another minute, another length of windows: other alerts.
    let (actor, minute) = (found("x", 0, "eve", "192.0.2.1"), found("x", WINDOW_US, "dana", "192.0.2.1"));
    assert_eq!(record(&at, &[actor, minute, found("y", -1, "dana", "192.0.2.1")]), 3);
    let longer = super::alert("r1", "x", 0).grouped(&["actor".into()], 2 * WINDOW_US);
    assert_eq!(record(&at, &[longer]), 1);
}

#[test]
fn values_cannot_pass_for_others() {
    let id = |actor: &str, address: &str| {
        let one = found("e", 0, actor, address);
        one.grouped(&["actor".to_owned(), "address".to_owned()], WINDOW_US).id
    };
    let ids = [id("a", "b"), id("b", "a"), id("a\",\"b", ""), id("", "a\",\"b"), id("ab", ""), id("", "")];
    for (place, one) in ids.iter().enumerate() {
        assert!(!ids[..place].contains(one), "{place}");
    }
}

#[test]
fn any_field_of_the_record_groups() {
    let by = ["fields.p.bucket".to_owned(), "actor".to_owned()];
    let grouped = |event: &str, raw: &str| {
        let mut one = alert("r1", event, 500);
        one.evidence[0].raw = raw.to_owned();
        one.grouped(&by, WINDOW_US)
    };
    let logs = grouped("a", r#"{"p":{"bucket":"logs"},"n":1}"#);
    assert_eq!(logs.id, grouped("b", r#"{"p":{"bucket":"logs"},"n":2}"#).id);
    let others = [r#"{"p":{"bucket":"other"}}"#, "{}", "no JSON"].map(|raw| grouped("c", raw).id);
    assert!(!others.contains(&logs.id) && others[0] != others[1]);
    assert_eq!(others[1], others[2], "what is not filled is one value");
    let joined = logs.joined.unwrap();
    assert_eq!(joined.by, [(by[0].clone(), "logs".to_owned()), (by[1].clone(), "dana".to_owned())]);
    let long = grouped("d", &format!(r#"{{"p":{{"bucket":"{}"}}}}"#, "x".repeat(9000)));
    assert_eq!(long.joined.unwrap().by[0].1.len(), 512);
}

#[test]
fn a_match_that_no_silence_covers_releases_the_group() {
    let at = fixture();
    let spec = SilenceSpec {
        matchers: vec![Matcher::read("address", &["192.0.2.1".into()]).unwrap()],
        starts_us: 0,
        ends_us: WINDOW_US,
        schedule: None,
        owner: "ann".into(),
        reason: "a scanner".into(),
        is_of_all: false,
    };
    at.store.add_silence(&spec, "ann", 0).unwrap();
    let covered = |n: i64| found(&format!("e{n}"), n, "dana", "192.0.2.1");
    record(&at, &[covered(1), covered(2)]);
    record(&at, &[covered(3)]);
    let id = covered(1).id;
    assert!(at.store.get(id.as_str()).unwrap().0.suppressed_by.is_some());
    record(&at, &[found("e4", 4, "dana", "198.51.100.9")]);
    let (stored, history) = at.store.get(id.as_str()).unwrap();
    assert_eq!((stored.suppressed_by, history.last().unwrap().change.as_str()), (None, "released"));
    // The other way round it is told from the beginning.
    let other = fixture();
    other.store.add_silence(&spec, "ann", 0).unwrap();
    record(&other, &[covered(1), found("e4", 4, "dana", "198.51.100.9")]);
    assert!(other.store.get(id.as_str()).unwrap().0.suppressed_by.is_none());
}

#[test]
fn what_a_person_did_stays() {
    let at = fixture();
    record(&at, &[found("e1", 1, "dana", "192.0.2.1")]);
    let id = found("e1", 1, "dana", "192.0.2.1").id;
    at.store.change(id.as_str(), Change::Close(Verdict::Benign), "ann", "a drill", 5).unwrap();
    record(&at, &[found("e2", 2, "dana", "192.0.2.1")]);
    let stored = at.store.get(id.as_str()).unwrap().0;
    assert_eq!((stored.status, stored.alert.joined.unwrap().events), (AlertStatus::Closed, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any order, any batches, twice, late: the same alerts, and each match is counted once.
    #[test]
    fn order_and_repetition_do_not_matter(
        seen in proptest::collection::vec((0_i64..180, 0_u8..3, 0_u8..40), 1..60),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        batch in 1_usize..9,
    ) {
        let matches: Vec<_> = seen
            .iter()
            .enumerate()
            .map(|(n, (second, actor, address))| {
                found(&format!("e{n}"), second * 1_000_000, &format!("actor{actor}"), &format!("192.0.2.{address}"))
            })
            .collect();
        let straight = fixture();
        record(&straight, &matches);
        let expected = all(&straight);
        let total: u64 = expected.iter().map(|alert| alert.joined.as_ref().unwrap().events).sum();
        prop_assert_eq!(total, matches.len() as u64);

        let mixed: Vec<Alert> =
            order.iter().map(|index| index.get(&matches).clone()).chain(matches.iter().rev().cloned()).collect();
        let at = fixture();
        let mut new = 0;
        for part in mixed.chunks(batch) {
            new += record(&at, part);
        }
        prop_assert_eq!(new, expected.len());
        prop_assert_eq!(all(&at), expected);
    }
}

/// Times are asserted with much room: they must catch what grows with the square, not a busy machine.
#[test]
fn ten_thousand_alerts_of_a_bad_rule_stay_usable() {
    let at = fixture();
    let alerts: Vec<_> = (0..10_000).map(|n| alert("r1", &format!("e{n}"), n)).collect();
    let measure = |what: &str, work: &mut dyn FnMut()| {
        let started = Instant::now();
        work();
        let took = started.elapsed();
        println!("{what}: {} ms", took.as_millis());
        assert!(took < Duration::from_secs(30), "{what} took {took:?}");
    };
    measure("record 10,000 alerts", &mut || {
        for part in alerts.chunks(500) {
            assert_eq!(at.record(part), 500);
        }
    });
    let rule = AlertFilter { rule_id: Some("r1".into()), ..AlertFilter::default() };
    measure("list a page of 50", &mut || {
        assert_eq!(at.store.list(&rule, None, 50).unwrap().alerts.len(), 50);
    });
    measure("count", &mut || assert_eq!(at.store.count().unwrap(), 10_000));
    measure("close all in bulk", &mut || {
        let change = Change::Close(Verdict::FalsePositive);
        let edit = Edit { change, by: "ann".into(), reason: "a bad rule".into(), at_us: 2000 };
        let mut closed = 0;
        loop {
            let outcome = at.store.edit_many(&Selection::Filter(rule.clone()), &edit).unwrap();
            closed += outcome.changed.len();
            if !outcome.more {
                break;
            }
        }
        assert_eq!(closed, 10_000);
    });

    // The same matches in one group.
    let grouped = fixture();
    let matches: Vec<_> = (0..10_000).map(|n| found(&format!("e{n}"), n, "dana", "192.0.2.1")).collect();
    measure("record 10,000 matches of a group", &mut || {
        for part in matches.chunks(100) {
            record(&grouped, part);
        }
    });
    let [alert] = all(&grouped).try_into().unwrap();
    assert_eq!(alert.joined.as_ref().unwrap().events, 10_000);
    assert_eq!(alert.evidence.len(), 2 * GROUP_EVIDENCE);
    let history = grouped.store.get(alert.id.as_str()).unwrap().1;
    assert!(history.len() <= 14, "a line for each doubling, not for each match: {}", history.len());
}
