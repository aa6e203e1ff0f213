//! Alerts that go on as another.

use super::{Fixture, alert, fixture};
use crate::{Alert, AlertId, AlertStatus, AlertStore, Change, Verdict};

/// The alert for these events.
fn over(events: &[&str]) -> Alert {
    let mut all: Vec<_> = events.iter().map(|event| alert("r1", event, 200)).collect();
    let rest: Vec<_> = all.drain(1..).flat_map(|other| other.evidence).collect();
    let mut first = all.remove(0);
    first.evidence.extend(rest);
    first
}

impl Fixture {
    fn tell(&self, alert: &Alert, now_us: i64) {
        self.state.write(|txn| AlertStore::record_or_amend(txn, alert, now_us)).unwrap();
    }

    fn go_on(&self, old: &[&Alert], new: &Alert, now_us: i64) {
        let old: Vec<AlertId> = old.iter().map(|alert| alert.id.clone()).collect();
        self.state.write(|txn| AlertStore::go_on(txn, &old, &new.id, now_us)).unwrap();
    }

    fn change(&self, alert: &Alert, change: Change, by: &str) {
        self.store.change(alert.id.as_str(), change, by, "seen", 50).unwrap();
    }
}

#[test]
fn three_that_are_bridged_are_one_that_stands_where_somebody_works() {
    let at = fixture();
    let olds = [over(&["b", "c"]), over(&["e", "f"]), over(&["h", "i"])];
    for old in &olds {
        at.tell(old, 10);
    }
    let label = |label: &str| Change::Label { add: vec![label.into()], remove: Vec::new() };
    at.change(&olds[0], Change::Close(Verdict::Benign), "ana");
    at.change(&olds[0], label("first"), "ana");
    at.change(&olds[1], label("second"), "dana");
    at.change(&olds[2], Change::Start, "dana");
    at.change(&olds[2], Change::Assign("dana".into()), "dana");
    let new = over(&["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    at.tell(&new, 60);
    at.go_on(&[&olds[0], &olds[1], &olds[2]], &new, 60);
    let (stored, history) = at.store.get(new.id.as_str()).unwrap();
    assert_eq!((stored.status, stored.owner.as_deref()), (AlertStatus::InProgress, Some("dana")));
    assert_eq!((stored.labels.join(" ").as_str(), stored.version), ("first second", 2));
    let told = &history.last().unwrap().reason;
    for old in &olds {
        assert!(told.contains(old.id.as_str()), "{told}");
        let (old, history) = at.store.get(old.id.as_str()).unwrap();
        assert_eq!(old.status, AlertStatus::Closed);
        assert!(history.last().unwrap().reason.contains(new.id.as_str()), "{history:?}");
    }
    // Whoever has closed one keeps the verdict; of the others late events have it.
    let stands = |n: usize| at.store.get(olds[n].id.as_str()).unwrap().0;
    assert_eq!((stands(0).verdict, stands(0).duplicate_of), (Some(Verdict::Benign), None));
    for n in [1, 2] {
        assert_eq!(stands(n).verdict, Some(Verdict::Refuted));
        assert_eq!(stands(n).duplicate_of.as_deref(), Some(new.id.as_str()));
    }
    // Once more, as after a kill, and with what late events refuted before: nothing more is taken over.
    at.change(&new, Change::Close(Verdict::TruePositive), "dana");
    at.go_on(&[&olds[1]], &new, 70);
    let (again, _) = at.store.get(new.id.as_str()).unwrap();
    assert_eq!((again.verdict, again.version), (Some(Verdict::TruePositive), 2));
}

#[test]
fn what_nobody_has_judged_is_not_closed_by_its_neighbour() {
    let at = fixture();
    let (closed, open) = (over(&["b"]), over(&["e"]));
    at.tell(&closed, 10);
    at.tell(&open, 10);
    at.change(&closed, Change::Close(Verdict::FalsePositive), "ana");
    let new = over(&["a", "b", "e"]);
    at.tell(&new, 60);
    at.go_on(&[&closed, &open], &new, 60);
    assert_eq!(at.store.get(new.id.as_str()).unwrap().0.status, AlertStatus::New);
    // Alone it is closed as it was: it is the same.
    let lone = over(&["k"]);
    at.tell(&lone, 10);
    at.change(&lone, Change::Close(Verdict::FalsePositive), "ana");
    let earlier = over(&["j", "k"]);
    at.tell(&earlier, 60);
    at.go_on(&[&lone], &earlier, 60);
    let (stored, _) = at.store.get(earlier.id.as_str()).unwrap();
    assert_eq!((stored.status, stored.verdict), (AlertStatus::Closed, Some(Verdict::FalsePositive)));
}

#[test]
fn a_silence_hides_nothing_that_people_have_seen() {
    let at = fixture();
    let seen = over(&["b"]);
    at.tell(&seen, 10);
    at.store.add_silence(&super::silences::spec(&[("rule", "r1")]), "ana", 20).unwrap();
    let new = over(&["a", "b"]);
    at.tell(&new, 60);
    assert!(at.store.get(new.id.as_str()).unwrap().0.suppressed_by.is_some());
    at.go_on(&[&seen], &new, 60);
    let (stored, history) = at.store.get(new.id.as_str()).unwrap();
    assert_eq!(stored.suppressed_by, None);
    assert!(history.iter().any(|step| step.change == "released"), "{history:?}");
    // One that it hid, and one that was seen: what becomes of both is seen.
    let (hidden, open) = (over(&["o"]), over(&["r"]));
    at.tell(&hidden, 61);
    assert!(at.store.get(hidden.id.as_str()).unwrap().0.suppressed_by.is_some());
    at.tell(&open, 62);
    at.state
        .write(|txn| {
            txn.execute("UPDATE alerts SET suppressed_by = NULL WHERE id = ?1", [open.id.as_str()])?;
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    let both = over(&["n", "o", "r"]);
    at.tell(&both, 63);
    at.go_on(&[&hidden, &open], &both, 63);
    assert_eq!(at.store.get(both.id.as_str()).unwrap().0.suppressed_by, None);
    // What it hid stays hidden.
    let hidden = over(&["k"]);
    at.tell(&hidden, 70);
    let earlier = over(&["j", "k"]);
    at.tell(&earlier, 80);
    at.go_on(&[&hidden], &earlier, 80);
    assert!(at.store.get(earlier.id.as_str()).unwrap().0.suppressed_by.is_some());
}

#[test]
fn an_alert_says_which_events_it_rests_on() {
    let at = fixture();
    let one = over(&["a", "b", "b"]);
    at.tell(&one, 10);
    let events = |id: &AlertId| at.state.write(|txn| AlertStore::events(txn, id)).unwrap();
    assert_eq!(events(&one.id).unwrap().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(events(&AlertId::new("r1", ["x"])), None);
}
