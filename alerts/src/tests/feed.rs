//! The feed of what happens to alerts.

use super::{alert, fixture};
use crate::{AlertStore, Change, Error, Verdict};

#[test]
fn every_way_of_changing_an_alert_is_in_the_feed_once() {
    let fixture = fixture();
    let (first, second) = (alert("r1", "a", 1), alert("r1", "b", 2));
    fixture.record(&[first.clone(), second.clone()]);
    fixture.record(std::slice::from_ref(&first));
    let id = first.id.as_str();
    fixture.store.change(id, Change::Acknowledge, "dana", "", 2000).unwrap();
    fixture.store.change(id, Change::Close(Verdict::Benign), "dana", "a drill", 3000).unwrap();
    fixture.state.write(|txn| AlertStore::refute(txn, &second.id, "late", 4000)).unwrap();

    let feed = fixture.store.feed(0, 100).unwrap();
    let seen: Vec<_> = feed.iter().map(|entry| (entry.change.as_str(), entry.by.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("raised", "stormglass"),
            ("raised", "stormglass"),
            ("acknowledged", "dana"),
            ("closed", "dana"),
            ("refuted", "stormglass")
        ]
    );
    assert_eq!(feed[3].reason, "a drill");
    assert_eq!(fixture.store.feed(feed[1].seq, 1).unwrap(), feed[2..3]);
    assert_eq!(fixture.store.feed_end().unwrap(), feed[4].seq);
}

#[test]
fn what_is_undone_is_not_in_the_feed() {
    let fixture = fixture();
    let undone: Result<(), crate::Error> = fixture.state.write(|txn| {
        AlertStore::record(txn, &[alert("r1", "a", 1)], 1000)?;
        Err(crate::Error::CursorUnknown)
    });
    assert!(undone.is_err());
    assert!(fixture.store.feed(0, 100).unwrap().is_empty());
}

#[test]
fn a_number_is_never_given_twice() {
    let fixture = fixture();
    fixture.record(&[alert("r1", "a", 1)]);
    let end = fixture.store.feed_end().unwrap();
    let forget = "DELETE FROM alert_feed";
    assert_eq!(fixture.state.write(|txn| Ok::<_, Error>(txn.execute(forget, [])?)).unwrap(), 1);
    assert_eq!(fixture.store.feed_end().unwrap(), end);
    fixture.record(&[alert("r1", "b", 2)]);
    assert_eq!(fixture.store.feed(0, 100).unwrap()[0].seq, end + 1);
}
