//! Changing many alerts at once.

use super::{Fixture, alert, fixture};
use crate::{
    AlertFilter, AlertStatus, BULK, BulkOutcome, Change, Edit, Error, Expected, Selection, Unchanged, Verdict,
};

fn many(count: usize) -> (Fixture, Vec<String>) {
    let at = fixture();
    let alerts: Vec<_> = (0..count).map(|n| alert("r1", &format!("e{n}"), n as i64)).collect();
    at.record(&alerts);
    (at, alerts.into_iter().map(|alert| alert.id.to_string()).collect())
}

fn edit(change: Change, reason: &str) -> Edit {
    Edit { change, by: "ann".into(), reason: reason.into(), at_us: 2000 }
}

const CLOSE: Change = Change::Close(Verdict::FalsePositive);

#[test]
fn ids_that_cannot_be_changed_hold_up_no_other() {
    let (at, ids) = many(3);
    at.store.change(&ids[1], CLOSE, "ben", "noise", 1500).unwrap();
    let wanted = [ids[0].clone(), ids[1].clone(), "ffff".into(), ids[2].clone(), ids[0].clone()];
    let outcome = at.store.edit_many(&Selection::ids(wanted), &edit(CLOSE, "a bad rule")).unwrap();
    assert_eq!(outcome.changed, [ids[0].clone(), ids[2].clone()]);
    assert!(!outcome.more);
    let [closed, unknown] = outcome.unchanged.try_into().unwrap();
    assert_eq!((&closed.id, unknown.id.as_str()), (&ids[1], "ffff"));
    assert!(closed.why.contains("is closed and cannot be closed"), "{closed:?}");
    assert!(unknown.why.contains("there is no alert"), "{unknown:?}");
    assert_eq!(at.store.get(&ids[1]).unwrap().0.reason.as_deref(), Some("noise"));

    let again = at.store.edit_many(&Selection::ids(ids.clone()), &edit(Change::Reopen, "")).unwrap();
    assert_eq!(again.changed.len(), 3);
    let once = at.store.edit_many(&Selection::ids(ids), &edit(Change::Unassign, "")).unwrap();
    assert!(once.changed.is_empty() && once.unchanged.iter().all(|one| one.why == "it is so already"));
}

#[test]
fn ids_that_are_not_as_they_are_known_stay_as_they_are() {
    let (at, ids) = many(4);
    at.store.change(&ids[1], Change::Acknowledge, "ben", "", 1500).unwrap();
    let known = |id: &String, revision| (id.clone(), Expected::Revisions(vec![revision]));
    // One as it was read, one that somebody has changed since, one whatever it is, one that is not there.
    let named =
        [known(&ids[0], 1), known(&ids[1], 1), (ids[2].clone(), Expected::Any), known(&"ff".into(), 1)];
    let outcome = at.store.edit_many(&Selection::Ids(named.into()), &edit(CLOSE, "a bad rule")).unwrap();
    assert_eq!(outcome.changed, [ids[0].clone(), ids[2].clone()]);
    let [stale, unknown] = <[Unchanged; 2]>::try_from(outcome.unchanged).unwrap();
    assert_eq!((&stale.id, stale.revision), (&ids[1], Some(2)));
    assert!(stale.why.contains("changed meanwhile"), "{stale:?}");
    assert_eq!((unknown.id.as_str(), unknown.revision), ("ff", None));
    assert_eq!(at.store.get(&ids[1]).unwrap().0.status, AlertStatus::Acknowledged);
    // What the answer names is enough to do it again.
    let again = Selection::Ids(vec![known(&ids[1], 2)]);
    assert_eq!(at.store.edit_many(&again, &edit(CLOSE, "a bad rule")).unwrap().changed, [ids[1].clone()]);
}

#[test]
fn the_same_call_again_takes_the_next_until_none_is_left() {
    let (at, _) = many(BULK + 5);
    let label = |add: &[&str], remove: &[&str]| {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Change::Label { add: texts(add), remove: texts(remove) }
    };
    for (change, reason) in [
        (Change::Acknowledge, ""),
        (Change::Start, ""),
        (Change::Assign("ann".into()), ""),
        (label(&["noise", "tuning"], &[]), ""),
        (label(&[], &["noise"]), ""),
        (Change::Unassign, ""),
        (CLOSE, "a bad rule"),
        (Change::Reopen, ""),
    ] {
        let all = Selection::Filter(AlertFilter { rule_id: Some("r1".into()), ..AlertFilter::default() });
        let calls: Vec<BulkOutcome> =
            std::iter::from_fn(|| Some(at.store.edit_many(&all, &edit(change.clone(), reason)).unwrap()))
                .take(3)
                .collect();
        let sizes: Vec<_> = calls.iter().map(|call| (call.changed.len(), call.more)).collect();
        assert_eq!(sizes, [(BULK, true), (5, false), (0, false)], "{change:?}");
        assert!(calls.iter().all(|call| call.unchanged.is_empty()));
    }
    let none = AlertFilter { rule_id: Some("r2".into()), ..AlertFilter::default() };
    let none = at.store.edit_many(&Selection::Filter(none), &edit(CLOSE, "x")).unwrap();
    assert_eq!(none, BulkOutcome::default());
}

#[test]
fn too_many_and_senseless_are_refused_as_a_whole() {
    let (at, ids) = many(BULK + 1);
    let refused =
        |selection: &Selection<AlertFilter>, edit: &Edit| at.store.edit_many(selection, edit).unwrap_err();
    let all = Selection::Filter(AlertFilter::default());
    assert!(matches!(refused(&Selection::ids(ids), &edit(CLOSE, "x")), Error::TooMany { what: "ids", .. }));
    assert!(matches!(refused(&all, &edit(Change::Comment, "x")), Error::TooMany { .. }));
    assert!(matches!(refused(&all, &edit(CLOSE, " ")), Error::ReasonMissing { .. }));
    assert!(matches!(refused(&all, &edit(Change::Assign("".into()), "")), Error::ChangeSenseless { .. }));
    let untouched = AlertFilter { status: Some(AlertStatus::New), ..AlertFilter::default() };
    let one_page = at.store.list(&untouched, None, BULK).unwrap();
    assert!(one_page.next.is_some() && one_page.alerts.iter().all(|stored| stored.revision == 1));
}
