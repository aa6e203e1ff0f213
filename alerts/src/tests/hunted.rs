//! What a hunt finds beside what was raised before.

use super::{alert, fixture};
use crate::{Alert, AlertStatus, AlertStore, Change, Evidence, Joined, Verdict};

/// What a correlation found of `key`: an event at each of these times.
fn found(key: &str, times: std::ops::Range<i64>) -> Alert {
    let first = format!("{key} {}", times.start);
    let mut alert = alert("sweep", &first, times.end - 1);
    let event = |time_us| Evidence {
        event_uid: format!("{key} {time_us}"),
        time_us,
        operation: String::new(),
        raw: String::new(),
    };
    alert.joined = Some(Joined {
        by: vec![("actor".into(), key.into())],
        why: String::new(),
        begin_us: times.start,
        events: times.clone().count() as u64,
    });
    alert.evidence = times.map(event).collect();
    alert
}

#[test]
fn an_episode_is_raised_once_whatever_it_begins_with() {
    let at = fixture();
    let hunt = |found: &[Alert]| at.state.write(|txn| AlertStore::record_hunted(txn, found, 2000)).unwrap();
    let raised = found("ann", 10..15);
    at.record(std::slice::from_ref(&raised));
    let now = || {
        let stored = at.store.get(raised.id.as_str()).unwrap().0;
        (stored.version, stored.alert.joined.unwrap().events, at.store.count().unwrap())
    };
    // A late event before the first, which makes another id.
    let longer = found("ann", 8..15);
    assert_ne!(longer.id, raised.id);
    assert_eq!((hunt(std::slice::from_ref(&longer)), now()), (0, (2, 7, 1)));
    assert_eq!((hunt(&[longer]), now()), (0, (2, 7, 1)), "the same again");
    // A hunt that looks at a part of it takes nothing away.
    assert_eq!((hunt(&[found("ann", 11..15), found("ann", 8..10)]), now()), (0, (2, 7, 1)));
    // The events that found no room, and who acted has got another name.
    let mut whole = found("ann", 8..40);
    whole.joined.as_mut().unwrap().by[0].1 = "ann@example.com".into();
    assert_eq!((hunt(&[whole]), now()), (0, (3, 32, 1)));
    // Another time, another key and another rule are others.
    let mut other = found("ann", 20..25);
    other.rule.id = "other".into();
    other.id = crate::AlertId::new("other", ["x"]);
    assert_eq!(hunt(&[found("ann", 50..55), found("bob", 8..15), other]), 3);
    // A single event's alert is what it was.
    let single = Alert { joined: None, ..alert("single", "e", 9) };
    assert_eq!((hunt(std::slice::from_ref(&single)), hunt(&[single])), (1, 0));
}

#[test]
fn who_has_closed_it_keeps_it_closed_and_what_was_refuted_does_not_stand() {
    let at = fixture();
    let hunt = |found: &[Alert]| at.state.write(|txn| AlertStore::record_hunted(txn, found, 2000)).unwrap();
    let (closed, refuted) = (found("ann", 10..15), found("bob", 10..15));
    at.record(&[closed.clone(), refuted.clone()]);
    at.store
        .change(closed.id.as_str(), Change::Close(Verdict::FalsePositive), "dana", "a test", 1500)
        .unwrap();
    at.state.write(|txn| AlertStore::refute(txn, &refuted.id, "late events", 1500)).unwrap();
    assert_eq!(hunt(&[found("ann", 8..15), found("bob", 8..15)]), 1);
    let stored = at.store.get(closed.id.as_str()).unwrap().0;
    assert_eq!((stored.status, stored.version), (AlertStatus::Closed, 2));
    assert_eq!(at.store.get(found("bob", 8..15).id.as_str()).unwrap().0.status, AlertStatus::New);
}
