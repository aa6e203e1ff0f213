//! What amended alerts rested on before.

use super::{alert, fixture};
use crate::{Alert, AlertStore, Evidence, VERSION_EVENTS, VERSIONS};

/// The alert with this many events.
fn resting_on(events: usize) -> Alert {
    let mut alert = alert("r1", "e", 0);
    alert.evidence = (0..events)
        .map(|n| Evidence {
            event_uid: format!("e{n}"),
            time_us: n as i64,
            operation: "StopLogging".into(),
            raw: "{}".into(),
        })
        .collect();
    alert.time_us = events as i64;
    alert.joined.as_mut().unwrap().events = events as u64;
    alert
}

#[test]
fn earlier_versions_are_kept_with_their_events() {
    let at = fixture();
    let amend = |events, now_us| {
        at.state.write(|txn| AlertStore::record_or_amend(txn, &resting_on(events), now_us)).unwrap()
    };
    assert!(amend(1, 100));
    assert!(!amend(3, 200));
    assert!(!amend(3, 300), "the same again");
    assert!(!amend(2, 400));
    let id = resting_on(1).id;
    let versions = at.store.versions(id.as_str()).unwrap();
    let seen: Vec<_> = versions
        .iter()
        .map(|v| (v.version, v.replaced_us, v.events, v.time_us, v.event_uids.join(" "), v.why.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 200, 1, 1, "e0".into(), "it rests on 3 events"),
            (2, 400, 3, 3, "e0 e1 e2".into(), "it rests on 2 events"),
        ]
    );
    let (stored, history) = at.store.get(id.as_str()).unwrap();
    assert_eq!((stored.version, stored.revision, history.len()), (3, 3, 2));
    assert_eq!(history[1].field.as_deref(), Some("evidence"));
}

#[test]
fn versions_and_their_events_are_bounded() {
    let at = fixture();
    let last = VERSIONS * 3;
    for round in 0..=last {
        let alert = resting_on(VERSION_EVENTS + 50 + round);
        at.state.write(|txn| AlertStore::record_or_amend(txn, &alert, round as i64)).unwrap();
    }
    let versions = at.store.versions(resting_on(1).id.as_str()).unwrap();
    let numbers: Vec<_> = versions.iter().map(|version| version.version as usize).collect();
    let newest = last - VERSIONS + 2..=last;
    assert_eq!(numbers, [1].into_iter().chain(newest).collect::<Vec<_>>());
    assert_eq!(numbers.len(), VERSIONS);
    let first = &versions[0];
    assert_eq!((first.events, first.event_uids.len()), (250, VERSION_EVENTS));
    assert_eq!((first.event_uids[99].as_str(), first.event_uids[100].as_str()), ("e99", "e150"));
}
