//! Acknowledging, closing, reopening, and what is refused.

use super::{Fixture, alert, fixture};
use crate::{AlertStatus, Change, Error, Verdict};

const CLOSE: Change = Change::Close(Verdict::TruePositive);

fn with_one_alert() -> (Fixture, String) {
    let at = fixture();
    let one = alert("r1", "e1", 10);
    at.record(std::slice::from_ref(&one));
    (at, one.id.to_string())
}

#[test]
fn a_whole_life() {
    let (at, id) = with_one_alert();
    let stored = at.store.change(&id, Change::Acknowledge, "ann", "", 2000).unwrap();
    assert_eq!(
        (stored.status, stored.created_us, stored.updated_us),
        (AlertStatus::Acknowledged, 1000, 2000)
    );

    let stored = at.store.change(&id, CLOSE, "ben", "keys rotated", 3000).unwrap();
    assert_eq!((stored.status, stored.verdict), (AlertStatus::Closed, Some(Verdict::TruePositive)));
    assert_eq!((stored.reason.as_deref(), stored.updated_us), (Some("keys rotated"), 3000));

    let stored = at.store.change(&id, Change::Reopen, "ann", "it goes on", 4000).unwrap();
    assert_eq!((stored.status, stored.verdict, stored.reason), (AlertStatus::New, None, None));

    let (_, history) = at.store.get(&id).unwrap();
    let steps: Vec<_> = history
        .iter()
        .map(|step| {
            (
                step.at_us,
                step.by.as_str(),
                step.change.as_str(),
                step.verdict.as_deref(),
                step.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            (2000, "ann", "acknowledged", None, ""),
            (3000, "ben", "closed", Some("true_positive"), "keys rotated"),
            (4000, "ann", "reopened", None, "it goes on"),
        ]
    );
}

#[test]
fn what_is_refused_changes_nothing() {
    let (at, id) = with_one_alert();
    let refused = |change, reason: &str| {
        let before = at.store.get(&id).unwrap();
        let error = at.store.change(&id, change, "ann", reason, 9000).unwrap_err();
        assert_eq!(at.store.get(&id).unwrap(), before);
        assert_eq!(error.fate(), event::Fate::Reject);
        error
    };
    assert!(matches!(refused(CLOSE, ""), Error::ReasonMissing { .. }));
    assert!(matches!(refused(CLOSE, " \n\t"), Error::ReasonMissing { .. }));
    assert!(matches!(refused(Change::Reopen, "why not"), Error::ChangeRefused { .. }));

    at.store.change(&id, CLOSE, "ben", "keys rotated", 2000).unwrap();
    let twice = refused(Change::Close(Verdict::FalsePositive), "no, harmless");
    assert_eq!(twice.to_string(), format!("alert `{id}` is closed and cannot be closed"));
    assert!(matches!(refused(CLOSE, "keys rotated"), Error::ChangeRefused { .. }));
    assert!(matches!(refused(Change::Acknowledge, ""), Error::ChangeRefused { .. }));
}

#[test]
fn an_id_that_nobody_has() {
    let at = fixture();
    for id in ["", "0123", "' OR 1=1 --", "\0"] {
        assert!(matches!(at.store.get(id), Err(Error::AlertUnknown { .. })));
        let changed = at.store.change(id, CLOSE, "ann", "because", 1);
        assert!(matches!(changed, Err(Error::AlertUnknown { .. })));
    }
}

#[test]
fn acknowledging_twice_is_harmless() {
    let (at, id) = with_one_alert();
    at.store.change(&id, Change::Acknowledge, "ann", "", 2000).unwrap();
    let again = at.store.change(&id, Change::Acknowledge, "ben", "", 3000).unwrap();
    assert_eq!(again.status, AlertStatus::Acknowledged);
}

#[test]
fn of_two_who_close_at_once_one_does() {
    let (at, id) = with_one_alert();
    let closed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (store, id) = (at.store.clone(), id.clone());
                scope.spawn(move || {
                    store.change(&id, CLOSE, &format!("analyst {number}"), "mine", 2000).is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(closed, 1);
    assert_eq!(at.store.get(&id).unwrap().1.len(), 1);
}
