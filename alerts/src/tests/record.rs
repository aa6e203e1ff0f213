//! Recording is idempotent, and what was recorded comes back whole.

use storage::position;

use super::{alert, fixture};
use crate::{AlertStatus, AlertStore, Change, Error, Verdict};

#[test]
fn an_alert_comes_back_with_its_evidence() {
    let at = fixture();
    let written = alert("r1", "e1", 77);
    assert_eq!(at.record(std::slice::from_ref(&written)), 1);
    let (stored, history) = at.store.get(written.id.as_str()).unwrap();
    assert_eq!(stored.alert, written);
    assert_eq!(stored.alert.evidence[0].raw, written.evidence[0].raw);
    assert_eq!((stored.status, stored.verdict, stored.reason), (AlertStatus::New, None, None));
    assert_eq!((stored.created_us, stored.updated_us), (1000, 1000));
    assert!(history.is_empty());
}

#[test]
fn recording_again_changes_nothing() {
    let at = fixture();
    let (one, two) = (alert("r1", "e1", 10), alert("r1", "e2", 20));
    assert_eq!(at.record(&[one.clone(), one.clone(), two.clone()]), 2);
    at.store.change(one.id.as_str(), Change::Close(Verdict::Benign), "eve", "a drill", 2000).unwrap();
    let before = at.store.get(one.id.as_str()).unwrap();

    // A replay, or a later version of the rule that has another title.
    let mut renamed = one.clone();
    renamed.rule.title = "Another title".into();
    assert_eq!(at.record_at(&[two, renamed, one.clone()], 3000), 0);
    assert_eq!(at.store.get(one.id.as_str()).unwrap(), before);
    assert_eq!(at.store.count().unwrap(), 2);
}

#[test]
fn rules_and_events_have_alerts_of_their_own() {
    let at = fixture();
    assert_eq!(at.record(&[alert("r1", "e1", 10), alert("r2", "e1", 10), alert("r1", "e2", 10)]), 3);
    assert_eq!(at.store.count().unwrap(), 3);
}

#[test]
fn alerts_and_the_position_are_written_together_or_not_at_all() {
    let at = fixture();
    let failed: Result<(), Error> = at.state.write(|txn| {
        AlertStore::record(txn, &[alert("r1", "e1", 10)], 1000)?;
        position::set(txn, "raise", 5)?;
        Err(Error::CursorUnknown)
    });
    assert!(failed.is_err());
    assert_eq!(at.store.count().unwrap(), 0);
    assert_eq!(at.state.read(|db| position::get(db, "raise")).unwrap(), 0);
}

#[test]
fn alerts_survive_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let written = alert("r1", "e1", 10);
    for round in 0..3 {
        let state = storage::state::State::open(&path).unwrap();
        let store = AlertStore::open(state.clone()).unwrap();
        let alerts = [written.clone()];
        let new = state.write(|txn| AlertStore::record(txn, &alerts, 1000 + round)).unwrap();
        assert_eq!(new, usize::from(round == 0));
        assert_eq!(store.get(written.id.as_str()).unwrap().0.created_us, 1000);
    }
}

#[test]
fn a_full_disk_passes_and_damage_does_not() {
    use event::Fate;
    use storage::state::rusqlite::{Error as Sqlite, ffi};

    let code = |code| Error::from(Sqlite::SqliteFailure(ffi::Error::new(code), None));
    assert!(matches!(code(ffi::SQLITE_FULL).fate(), Fate::Retry { .. }));
    assert!(matches!(code(ffi::SQLITE_BUSY).fate(), Fate::Retry { .. }));
    assert_eq!(code(ffi::SQLITE_CORRUPT).fate(), Fate::Stop);
    assert_eq!(Error::CursorUnknown.fate(), Fate::Reject);
}
