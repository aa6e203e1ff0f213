//! What grows is trimmed, and nobody who is behind misses anything.

use super::*;
use crate::{Kept, TRIMMED_AT_ONCE};

const KEPT: Kept = Kept { feed_us: 1000, feed_entries: 1_000_000, matches_us: 1000 };

fn seqs(fixture: &Fixture) -> Vec<u64> {
    fixture.store.feed(0, 10_000).unwrap().into_iter().map(|entry| entry.seq).collect()
}

#[test]
fn old_entries_go_once_all_have_read_them() {
    let fixture = fixture();
    for n in 0..10 {
        fixture.record_at(&[alert("r1", &format!("e{n}"), n)], n * 100);
    }
    // Somebody has read three only.
    assert_eq!(fixture.store.trim_feed(&KEPT, 3, 10_000).unwrap(), 3);
    assert_eq!(seqs(&fixture), (4..=10).collect::<Vec<_>>());
    // Of what is read, what is young stays.
    assert_eq!(fixture.store.trim_feed(&KEPT, 10, 1500).unwrap(), 2);
    assert_eq!(seqs(&fixture), (6..=10).collect::<Vec<_>>());
    // Too many are too many, however young.
    let few = Kept { feed_entries: 2, ..KEPT };
    assert_eq!(fixture.store.trim_feed(&few, 7, 1500).unwrap(), 2);
    assert_eq!(fixture.store.trim_feed(&few, 10, 1500).unwrap(), 1);
    assert_eq!(seqs(&fixture), [9, 10]);
    assert_eq!(fixture.store.trim_feed(&KEPT, 10, 100_000).unwrap(), 2);
    assert_eq!((seqs(&fixture), fixture.store.feed_end().unwrap()), (vec![], 10));
}

#[test]
fn little_goes_at_once() {
    let fixture = fixture();
    let all: Vec<_> = (0..TRIMMED_AT_ONCE as i64 + 10).map(|n| alert("r1", &format!("e{n}"), n)).collect();
    fixture.record_at(&all, 1);
    let trim = || fixture.store.trim_feed(&KEPT, u64::MAX, 10_000).unwrap();
    assert_eq!((trim(), trim(), trim()), (TRIMMED_AT_ONCE, 10, 0));
}

#[test]
fn matches_of_groups_that_are_over_go() {
    let fixture = fixture();
    let matches: Vec<_> = (0..5)
        .map(|n| alert("r1", &format!("e{n}"), n).grouped(&["actor".to_owned()], 1_000_000_000))
        .collect();
    let record = |now_us| {
        fixture.state.write(|txn| AlertStore::record_matches(txn, &matches, now_us)).unwrap();
    };
    record(100);
    let count = || {
        let read = |db: &storage::state::rusqlite::Connection| {
            Ok::<_, crate::Error>(db.query_row("SELECT count(*) FROM alert_matches", [], |row| row.get(0))?)
        };
        fixture.state.read(read).unwrap()
    };
    assert_eq!(count(), 5_u64);
    assert_eq!(fixture.store.trim_matches(&KEPT, 1100).unwrap(), 0);
    assert_eq!(fixture.store.trim_matches(&KEPT, 1101).unwrap(), 5);
    assert_eq!((count(), fixture.store.trim_matches(&KEPT, 1101).unwrap()), (0, 0));
}

#[test]
fn matches_whose_alert_is_gone_go_and_the_young_stay() {
    let fixture = fixture();
    let of = |rule: &str| alert(rule, "e", 0).grouped(&["actor".to_owned()], 1_000_000_000);
    for (rule, now_us) in [("r1", 100), ("r2", 5000), ("r3", 200)] {
        let matches = [of(rule)];
        fixture.state.write(|txn| AlertStore::record_matches(txn, &matches, now_us)).unwrap();
    }
    let trim = || fixture.store.trim_matches(&KEPT, 2000).unwrap();
    assert_eq!((trim(), trim(), trim()), (1, 1, 0));
}

/// A clock that was ahead holds up what came after it until there is too much.
#[test]
fn what_is_behind_an_entry_of_tomorrow_waits_for_it() {
    let fixture = fixture();
    for (n, at_us) in [(0, 100), (1, 90_000), (2, 200)] {
        fixture.record_at(&[alert("r1", &format!("e{n}"), n)], at_us);
    }
    assert_eq!(fixture.store.trim_feed(&KEPT, 3, 10_000).unwrap(), 1);
    assert_eq!(fixture.store.trim_feed(&KEPT, 3, 10_000).unwrap(), 0);
    assert_eq!(fixture.store.trim_feed(&Kept { feed_entries: 1, ..KEPT }, 3, 10_000).unwrap(), 2);
    assert_eq!(fixture.store.trim_feed(&KEPT, 3, 10_000).unwrap(), 0);
}
