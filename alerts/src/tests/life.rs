//! Working on an alert: what changes, what the history says, and what is refused.

use super::{Fixture, alert, fixture};
use crate::{AlertStatus, Change, Edit, Error, Expected, Verdict};

const CLOSE: Change = Change::Close(Verdict::TruePositive);

fn with_one_alert() -> (Fixture, String) {
    let at = fixture();
    let one = alert("r1", "e1", 10);
    at.record(std::slice::from_ref(&one));
    (at, one.id.to_string())
}

fn edit(change: Change, by: &str, reason: &str, at_us: i64) -> Edit {
    Edit { change, by: by.into(), reason: reason.into(), at_us }
}

#[test]
fn a_whole_life() {
    let (at, id) = with_one_alert();
    let stored = at.store.change(&id, Change::Acknowledge, "ann", "", 2000).unwrap();
    assert_eq!(
        (stored.status, stored.created_us, stored.updated_us, stored.acknowledged_us),
        (AlertStatus::Acknowledged, 1000, 2000, Some(2000))
    );
    let stored = at.store.change(&id, Change::Assign(" ben ".into()), "ann", "he knows keys", 2100).unwrap();
    assert_eq!(stored.owner.as_deref(), Some("ben"));
    let stored = at.store.change(&id, Change::Start, "ben", "", 2200).unwrap();
    assert_eq!((stored.status, stored.acknowledged_us), (AlertStatus::InProgress, Some(2000)));
    at.store.change(&id, Change::Comment, "ben", "the key is of 2019", 2300).unwrap();
    let label = Change::Label { add: vec!["keys".into(), "audit".into()], remove: vec!["none".into()] };
    let stored = at.store.change(&id, label, "ben", "", 2400).unwrap();
    assert_eq!(stored.labels, ["audit", "keys"]);

    let stored = at.store.change(&id, CLOSE, "ben", "keys rotated", 3000).unwrap();
    assert_eq!((stored.status, stored.verdict), (AlertStatus::Closed, Some(Verdict::TruePositive)));
    assert_eq!((stored.reason.as_deref(), stored.updated_us), (Some("keys rotated"), 3000));
    assert_eq!(stored.closed_us, Some(3000));

    let stored = at.store.change(&id, Change::Reopen, "ann", "it goes on", 4000).unwrap();
    assert_eq!((stored.status, stored.verdict, stored.reason), (AlertStatus::New, None, None));
    assert_eq!((stored.closed_us, stored.acknowledged_us, stored.revision), (None, Some(2000), 8));

    let (_, history) = at.store.get(&id).unwrap();
    let steps: Vec<String> = history
        .iter()
        .map(|step| {
            let text = |found: &Option<String>| found.clone().unwrap_or("-".into());
            format!(
                "{} {} {} {}: {} > {} {} {}",
                step.at_us,
                step.by,
                step.change,
                text(&step.field),
                text(&step.before),
                text(&step.after),
                text(&step.verdict),
                step.reason
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            "2000 ann acknowledged status: new > acknowledged - ",
            "2100 ann assigned owner: - > ben - he knows keys",
            "2200 ben started status: acknowledged > in_progress - ",
            "2300 ben commented comment: - > - - the key is of 2019",
            "2400 ben labelled labels: - > audit, keys - ",
            "3000 ben closed status: in_progress > closed true_positive keys rotated",
            "4000 ann reopened status: closed > new - it goes on",
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
    assert!(matches!(refused(Change::Comment, " "), Error::ChangeSenseless { .. }));
    assert!(matches!(refused(Change::Comment, &"x".repeat(20_000)), Error::ChangeSenseless { .. }));
    assert!(matches!(refused(Change::Assign(String::new()), ""), Error::ChangeSenseless { .. }));

    at.store.change(&id, CLOSE, "ben", "keys rotated", 2000).unwrap();
    let twice = refused(Change::Close(Verdict::FalsePositive), "no, harmless");
    assert_eq!(twice.to_string(), format!("alert `{id}` is closed and cannot be closed"));
    assert!(matches!(refused(CLOSE, "keys rotated"), Error::ChangeRefused { .. }));
    assert!(matches!(refused(Change::Acknowledge, ""), Error::ChangeRefused { .. }));
    assert!(matches!(refused(Change::Start, ""), Error::ChangeRefused { .. }));
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
fn what_is_so_already_leaves_no_step() {
    let (at, id) = with_one_alert();
    at.store.change(&id, Change::Acknowledge, "ann", "", 2000).unwrap();
    let before = at.store.get(&id).unwrap();
    for change in [Change::Acknowledge, Change::Unassign] {
        let again = at.store.edit(&id, &edit(change, "ben", "", 3000), &Expected::Any).unwrap();
        assert!(!again.is_changed);
        assert_eq!(at.store.get(&id).unwrap(), before);
    }
    // The same words said twice are two comments.
    at.store.change(&id, Change::Comment, "ben", "hm", 3000).unwrap();
    at.store.change(&id, Change::Comment, "ben", "hm", 3000).unwrap();
    assert_eq!(at.store.get(&id).unwrap().1.len(), 3);
}

#[test]
fn a_duplicate_names_an_alert_that_is_none() {
    let at = fixture();
    let alerts: Vec<_> = ["a", "b", "c"].map(|event| alert("r1", event, 10)).into();
    at.record(&alerts);
    let [a, b, c] = [0, 1, 2].map(|n: usize| alerts[n].id.to_string());
    let repeats =
        |id: &str, of: &str| at.store.change(id, Change::Duplicate(of.into()), "ann", "the same key", 2000);
    let said = |result: Result<_, Error>| match result {
        Err(Error::ChangeSenseless { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert!(said(repeats(&a, &a)).contains("does not repeat itself"));
    assert!(said(repeats(&a, "ffff")).contains("there is no alert `ffff`"));
    let without = at.store.change(&a, Change::Close(Verdict::Duplicate), "ann", "why", 2000);
    assert!(said(without).contains("names the alert"));
    let stored = repeats(&a, &b).unwrap();
    assert_eq!((stored.verdict, stored.duplicate_of), (Some(Verdict::Duplicate), Some(b.clone())));
    assert!(said(repeats(&b, &a)).contains(&b), "no circle");
    assert!(said(repeats(&c, &a)).contains(&format!("duplicate of `{b}`; name that one")));
    repeats(&c, &b).unwrap();
    assert_eq!(at.store.get(&c).unwrap().1[0].after.as_deref(), Some(b.as_str()));
    let reopened = at.store.change(&a, Change::Reopen, "ann", "", 3000).unwrap();
    assert_eq!(reopened.duplicate_of, None);
}

#[test]
fn a_stale_revision_is_refused_and_the_last_writer_is_told() {
    let (at, id) = with_one_alert();
    let assign = |owner: &str, by: &str| edit(Change::Assign(owner.into()), by, "", 2000);
    let known = |revision: u64| Expected::Revisions(vec![revision]);
    let first = at.store.edit(&id, &assign("ann", "ann"), &known(1)).unwrap();
    assert_eq!((first.alert.revision, first.overwrote), (2, None));
    let stale = at.store.edit(&id, &assign("ben", "ben"), &known(1)).unwrap_err();
    assert!(matches!(stale, Error::Stale { revision: 2, .. }), "{stale}");
    let told = at.store.edit(&id, &assign("ben", "ben"), &Expected::Any).unwrap();
    let overwrote = told.overwrote.unwrap();
    assert_eq!((overwrote.value.as_str(), overwrote.by.as_str(), overwrote.at_us), ("ann", "ann", 2000));
    // Nobody overwrites oneself, and what was never set.
    assert_eq!(at.store.edit(&id, &assign("eve", "ben"), &Expected::Any).unwrap().overwrote, None);
    let start = at.store.edit(&id, &edit(Change::Start, "ben", "", 1), &Expected::Any).unwrap();
    assert_eq!(start.overwrote, None);
    // What is amended is another, too.
    let revision = at.store.get(&id).unwrap().0.revision;
    let mut late = alert("r1", "e1", 10);
    late.evidence.push(late.evidence[0].clone());
    at.state.write(|txn| crate::AlertStore::record_or_amend(txn, &late, 5000)).unwrap();
    assert!(at.store.edit(&id, &assign("x", "ben"), &known(revision)).is_err());
}

#[test]
fn of_many_who_change_at_once_one_wins_each_revision() {
    let (at, id) = with_one_alert();
    // Each knows the alert as it is now, writes, and on refusal reads again: all get through, none is lost.
    let won: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (store, id) = (at.store.clone(), id.clone());
                scope.spawn(move || {
                    let mut tries = 1;
                    loop {
                        let revision = store.get(&id).unwrap().0.revision;
                        let label = Change::Label { add: vec![format!("l{number}")], remove: vec![] };
                        let edit = edit(label, &format!("analyst {number}"), "", 2000);
                        match store.edit(&id, &edit, &Expected::Revisions(vec![revision])) {
                            Ok(_) => return tries,
                            Err(Error::Stale { .. }) => tries += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(won.len(), 8);
    let (stored, history) = at.store.get(&id).unwrap();
    assert_eq!((stored.labels.len(), history.len(), stored.revision), (8, 8, 9));
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
