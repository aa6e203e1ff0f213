//! What people do about incidents: states, owners, labels, many at once, lists.

use super::*;
use crate::lifecycle::LABELS;
use crate::{AlertStatus, BULK, BulkOutcome, Error, Expected, Selection, Unchanged};

/// Incidents of one alert each, apart by their people.
fn many(count: i64) -> (Fixture, Vec<String>) {
    let fixture = fixture();
    let alerts: Vec<_> =
        (0..count).map(|n| alert(&format!("e{n}"), n, "impact", &format!("u{n}"), 4)).collect();
    fixture.take(&alerts, 1);
    let mut ids: Vec<_> = Vec::new();
    for alert in &alerts {
        ids.push(fixture.incidents.of_alert(alert.id.as_str()).unwrap().unwrap());
    }
    (fixture, ids)
}

fn label(add: &[&str], remove: &[&str]) -> Step {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Step::Label { add: texts(add), remove: texts(remove) }
}

#[test]
fn whoever_begins_owns_it_and_what_is_so_stays_so() {
    let (fixture, ids) = many(2);
    let step = |step: Step, by: &str| fixture.incidents.step(&ids[0], &step, by, 10).unwrap();
    let begun = step(Step::Start, "dana");
    assert_eq!(
        (begun.status, begun.owner.as_deref(), begun.acknowledged_us),
        (AlertStatus::InProgress, Some("dana"), Some(10))
    );
    // Who takes it later does not put it back, nor make it theirs.
    for again in [Step::Start, Step::Acknowledge, Step::Assign(" dana ".into()), label(&[], &["none"])] {
        assert_eq!(step(again.clone(), "eve"), begun, "{again:?}");
    }
    assert_eq!(step(Step::Unassign, "eve").owner, None);
    let nobodys = fixture.incidents.get(&ids[0]).unwrap();
    assert_eq!(step(Step::Unassign, "eve"), nobodys);
    let taken = step(Step::Acknowledge, "eve");
    assert_eq!((taken.status, taken.owner.as_deref()), (AlertStatus::InProgress, Some("eve")));
    let history = fixture.incidents.history(&ids[0]).unwrap();
    let told: Vec<_> =
        history.iter().map(|step| (step.change.as_str(), step.by.as_str(), step.reason.as_str())).collect();
    assert_eq!(
        told[1..],
        [("started", "dana", ""), ("unassigned", "eve", "it was dana's"), ("acknowledged", "eve", "")]
    );
    step(close(Verdict::Benign, "a drill"), "eve");
    for closed in [Step::Start, Step::Acknowledge] {
        let refused = fixture.incidents.step(&ids[0], &closed, "eve", 11).unwrap_err();
        assert!(refused.to_string().contains("is closed and cannot be"), "{refused}");
    }
    let open = step(Step::Reopen("no drill".into()), "eve");
    assert_eq!(
        (open.status, open.acknowledged_us, open.owner.as_deref()),
        (AlertStatus::New, None, Some("eve"))
    );
    assert_eq!(step(Step::Start, "dana").owner.as_deref(), Some("eve"));
    for senseless in
        [Step::Assign(" ".into()), Step::Assign("a\nb".into()), label(&[], &[]), label(&["a,b"], &[])]
    {
        let refused = fixture.incidents.step(&ids[1], &senseless, "eve", 12).unwrap_err();
        assert!(matches!(refused, Error::IncidentSenseless { .. }), "{refused}");
    }
    assert_eq!(fixture.incidents.get(&ids[1]).unwrap().revision, 1);
}

#[test]
fn work_that_has_begun_is_taken_in_time() {
    let mut settings = quiet();
    settings.levels[3] = ServiceLevel { acknowledge_us: Some(100), close_us: None };
    let fixture = fixture_with(settings);
    fixture.take(&[alert("a", 0, "impact", "ana", 4)], 50);
    let id = fixture.all()[0].id.clone();
    fixture.incidents.step(&id, &Step::Start, "dana", 60).unwrap();
    fixture.incidents.follow(&fixture.context, 1000).unwrap();
    let found = fixture.incidents.get(&id).unwrap();
    assert_eq!((found.acknowledge_overdue, found.status), (false, AlertStatus::InProgress));
    assert_eq!(fixture.changes(&id), ["opened", "started"]);
}

/// Of two that are one, the further one's state counts, and the labels of both.
#[test]
fn what_is_merged_is_as_far_as_the_further_and_has_the_labels_of_both() {
    let (fixture, ids) = many(3);
    let step = |id: &str, step: Step| fixture.incidents.step(id, &step, "dana", 10).unwrap();
    step(&ids[0], Step::Acknowledge);
    step(&ids[0], label(&["vault", "exercise"], &[]));
    step(&ids[1], Step::Start);
    step(&ids[1], label(&["exercise", "keys"], &[]));
    let by = Deciding::new("dana", "one intruder");
    let one = fixture.incidents.merge((&ids[0], &ids[1]), &by, &fixture.context, 11).unwrap();
    assert_eq!((&one.id, one.status), (&ids[0], AlertStatus::InProgress));
    assert_eq!(one.labels, ["exercise", "keys", "vault"]);
    step(&ids[2], close(Verdict::Benign, "ours"));
    let one = fixture.incidents.merge((&ids[2], &ids[0]), &by, &fixture.context, 12).unwrap();
    assert_eq!((one.status, one.verdict), (AlertStatus::InProgress, None));
    // They are there after a restart and a further alert, and can be taken off.
    let again = Incidents::open(fixture.state.clone(), quiet()).unwrap();
    let late = alert("late", 1, "impact", "u0", 3);
    fixture.state.write(|txn| AlertStore::record(txn, &[late], 13)).unwrap();
    again.follow(&fixture.context, 13).unwrap();
    let off = again.step(&ids[1], &label(&[" new "], &["vault"]), "eve", 14).unwrap();
    assert_eq!(off.labels, ["exercise", "keys", "new"]);
    let history = again.history(&ids[0]).unwrap();
    assert_eq!(history.last().unwrap().reason, "added new; removed vault");
}

#[test]
fn labels_are_bounded_and_merging_loses_none() {
    let (fixture, ids) = many(2);
    for (n, id) in ids.iter().enumerate() {
        let add = (0..LABELS).map(|label| format!("l{n}-{label}")).collect();
        let step = Step::Label { add, remove: Vec::new() };
        fixture.incidents.step(id, &step, "dana", 2).unwrap();
        let refused = fixture.incidents.step(id, &label(&["more"], &[]), "dana", 3).unwrap_err();
        assert!(refused.to_string().contains("more than 50 labels"), "{refused}");
    }
    let by = Deciding::new("dana", "one intruder");
    let one = fixture.incidents.merge((&ids[0], &ids[1]), &by, &fixture.context, 4).unwrap();
    assert_eq!(one.labels.len(), 2 * LABELS);
    assert!(fixture.incidents.step(&one.id, &label(&["more"], &["l0-0"]), "dana", 5).is_err());
    let fewer = fixture.incidents.step(&one.id, &label(&[], &["l0-0"]), "dana", 6).unwrap();
    assert_eq!(fewer.labels.len(), 2 * LABELS - 1);
}

#[test]
fn many_are_changed_at_once_and_each_is_told() {
    let (fixture, ids) = many(4);
    let many = |selection: &Selection<IncidentFilter>, step: &Step| {
        fixture.incidents.step_many(selection, step, "dana", 20).unwrap()
    };
    fixture.incidents.step(&ids[1], &close(Verdict::Benign, "ours"), "eve", 10).unwrap();
    fixture.incidents.step(&ids[2], &Step::Comment("mine".into()), "eve", 10).unwrap();
    let known = |id: &str, revision| (id.to_owned(), Expected::Revisions(vec![revision]));
    let first = ids[0].get(..12).unwrap().to_owned();
    let named = vec![
        (first.clone(), Expected::Any),
        (ids[0].clone(), Expected::Any),
        (ids[1].clone(), Expected::Any),
        known(&ids[2], 1),
        known(&ids[3], 1),
        (ids[3].clone(), Expected::Any),
        ("ffffffff".to_owned(), Expected::Any),
    ];
    let outcome = many(&Selection::Ids(named), &Step::Start);
    assert_eq!(outcome.changed, [ids[0].clone(), ids[3].clone()]);
    let [twice, closed, stale, unknown] = <[Unchanged; 4]>::try_from(outcome.unchanged).unwrap();
    assert!(twice.id == ids[0] && twice.why.contains("another of the ids"), "{twice:?}");
    assert!(closed.id == ids[1] && closed.why.contains("is closed"), "{closed:?}");
    let now = fixture.incidents.get(&ids[2]).unwrap();
    assert_eq!((&stale.id, stale.revision, now.status), (&ids[2], Some(now.revision), AlertStatus::New));
    assert!(unknown.id == "ffffffff" && unknown.why.contains("there is no incident"), "{unknown:?}");
    let again = many(&Selection::ids([ids[0].clone()]), &Step::Start);
    assert_eq!((again.changed.len(), again.unchanged[0].why.as_str()), (0, "it is so already"));
    // Closing takes their alerts along.
    let begun = IncidentFilter { statuses: vec![AlertStatus::InProgress], ..IncidentFilter::default() };
    let outcome = many(&Selection::Filter(begun), &close(Verdict::FalsePositive, "a bad rule"));
    assert_eq!((outcome.changed.len(), outcome.unchanged, outcome.more), (2, vec![], false));
    let filter = crate::AlertFilter { status: Some(AlertStatus::Closed), ..Default::default() };
    assert_eq!(fixture.alerts.list(&filter, None, 10).unwrap().alerts.len(), 3);
    // What makes no sense for any is refused as a whole.
    let all = Selection::Filter(IncidentFilter::default());
    for senseless in [close(Verdict::Benign, " "), Step::Assign(String::new()), label(&[], &[])] {
        let refused = fixture.incidents.step_many(&all, &senseless, "dana", 21).unwrap_err();
        assert!(matches!(refused, Error::IncidentSenseless { .. }), "{refused}");
    }
}

#[test]
fn the_same_call_again_takes_the_next_until_none_is_left() {
    let (fixture, ids) = many(BULK as i64 + 5);
    for step in [
        Step::Acknowledge,
        Step::Unassign,
        Step::Start,
        Step::Assign("ben".into()),
        label(&["noise", "tuning"], &[]),
        label(&[], &["noise"]),
        close(Verdict::FalsePositive, "a bad rule"),
        Step::Reopen(String::new()),
    ] {
        let all = Selection::Filter(IncidentFilter { rule_id: Some("impact".into()), ..Default::default() });
        let calls: Vec<BulkOutcome> =
            std::iter::from_fn(|| Some(fixture.incidents.step_many(&all, &step, "ann", 2).unwrap()))
                .take(3)
                .collect();
        let sizes: Vec<_> = calls.iter().map(|call| (call.changed.len(), call.more)).collect();
        assert_eq!(sizes, [(BULK, true), (5, false), (0, false)], "{step:?}");
        assert!(calls.iter().all(|call| call.unchanged.is_empty()));
    }
    let all = Selection::Filter(IncidentFilter::default());
    for (selection, step) in [(&all, Step::Comment("x".into())), (&Selection::ids(ids), Step::Start)] {
        let refused = fixture.incidents.step_many(selection, &step, "ann", 3).unwrap_err();
        assert!(matches!(refused, Error::TooMany { most: BULK, .. }), "{refused}");
    }
}

/// A call does not hold up all others for as long as a thousand great incidents take.
#[test]
fn a_call_closes_no_more_alerts_than_others_can_wait_for() {
    let (fixture, ids) = many(3);
    // As if they were great.
    let counted = |id: &str, alerts: u64| {
        fixture
            .state
            .write(|txn| {
                txn.execute("UPDATE incidents SET alerts = ?2 WHERE id = ?1", (id, alerts))?;
                Ok::<_, Error>(())
            })
            .unwrap();
    };
    counted(&ids[2], CLOSED_AT_ONCE);
    let by_id = Selection::ids([ids[2].clone(), ids[1].clone()]);
    let closing = close(Verdict::Benign, "a drill");
    let outcome = fixture.incidents.step_many(&by_id, &closing, "ann", 2).unwrap();
    assert_eq!(outcome.changed, [ids[2].clone()]);
    assert!(outcome.unchanged[0].id == ids[1] && outcome.unchanged[0].why.contains("another call"));
    fixture.incidents.step(&ids[2], &Step::Reopen(String::new()), "ann", 3).unwrap();
    let all = Selection::Filter(IncidentFilter::default());
    let outcome = fixture.incidents.step_many(&all, &closing, "ann", 4).unwrap();
    assert_eq!((outcome.changed, outcome.more), (vec![ids[2].clone()], true));
    let rest = fixture.incidents.step_many(&all, &closing, "ann", 5).unwrap();
    assert_eq!((rest.changed.len(), rest.more), (2, false));
}

#[test]
fn lists_find_by_what_people_and_alerts_make_of_incidents() {
    let (fixture, ids) = many(4);
    let step = |n: usize, step: Step| fixture.incidents.step(&ids[n], &step, "dana", 10).unwrap();
    step(0, Step::Start);
    step(1, Step::Acknowledge);
    step(1, Step::Unassign);
    step(2, close(Verdict::Benign, "a drill"));
    step(3, label(&["Exercise"], &[]));
    fixture.take(&[alert("z", 4, "persistence", "u3", 2)], 11);
    let found = |filter: IncidentFilter| {
        let mut found: Vec<_> = Vec::new();
        for incident in fixture.incidents.list(&filter, None, 10).unwrap().incidents {
            found.push(ids.iter().position(|id| *id == incident.id).unwrap());
        }
        found.sort();
        found
    };
    let none = IncidentFilter::default;
    let both = vec![AlertStatus::InProgress, AlertStatus::Acknowledged];
    assert_eq!(found(IncidentFilter { statuses: both, ..none() }), [0, 1]);
    assert_eq!(found(IncidentFilter { statuses: vec![AlertStatus::New], ..none() }), [3]);
    assert_eq!(found(IncidentFilter { owner: Some("dana".into()), ..none() }), [0]);
    assert_eq!(found(IncidentFilter { is_unassigned: true, ..none() }), [1, 2, 3]);
    assert_eq!(found(IncidentFilter { label: Some("exercise".into()), ..none() }), [3]);
    assert_eq!(found(IncidentFilter { verdict: Some(Verdict::Benign), ..none() }), [2]);
    assert_eq!(found(IncidentFilter { rule_id: Some("persistence".into()), ..none() }), [3]);
    assert_eq!(found(IncidentFilter { entity: Some("U2".into()), ..none() }), [2]);
    assert_eq!(found(IncidentFilter { until_us: Some(2 * HOUR_US), ..none() }), [0, 1]);
    let hour = IncidentFilter { since_us: Some(HOUR_US), until_us: Some(2 * HOUR_US), ..none() };
    assert_eq!(found(hour), [1]);
    let open = IncidentFilter { min_severity_id: Some(4), is_unassigned: true, ..none() };
    assert_eq!(found(open), [1, 2, 3]);
}
