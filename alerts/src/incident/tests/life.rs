//! The life of incidents: growing, merging, splitting, people, clocks.

use std::collections::BTreeSet;

use super::*;
use crate::{Error, Expected};

#[test]
fn a_lone_alert_is_an_incident_if_it_is_severe() {
    let fixture = fixture();
    fixture.take(&[alert("a", 0, "impact", "ana", 3)], 1);
    assert_eq!(fixture.all().len(), 0);
    fixture.take(&[alert("b", 0, "impact", "bob", 4)], 2);
    fixture.take(&[alert("c", 0, "impact", "cy", 1), alert("d", 0, "impact", "cy", 1)], 3);
    assert_eq!(fixture.all().len(), 1, "noise does not add up");
    fixture.take(&[alert("e", 1, "impact", "ana", 2)], 4);
    assert_eq!(fixture.all().len(), 2);
}

#[test]
fn an_incident_grows_its_severity_rises_and_its_history_says_so() {
    let fixture = fixture();
    fixture.take(&[alert("a", 0, "initial-access", "ana", 4)], 1);
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!((one.assessment.severity_id, one.assessment.confidence), (4, 50));
    fixture.take(&[alert("b", 1, "persistence", "ana", 3), alert("c", 2, "exfiltration", "ana", 3)], 2);
    let [grown] = fixture.all().try_into().unwrap();
    assert_eq!(grown.id, one.id);
    let found = &grown.assessment;
    assert_eq!((found.severity_id, found.confidence, grown.alerts), (5, 100, 3));
    assert_eq!(found.progress, ["initial-access", "persistence", "exfiltration"]);
    assert_eq!(found.title, "Title of initial-access and 2 more alerts: ana");
    assert!(found.severity_why[1].contains("3 tactics follow in order"), "{found:?}");
    assert_eq!(fixture.changes(&one.id), ["opened", "grew", "severity"]);
    let alerts = fixture.incidents.alerts(&one.id).unwrap();
    assert!(alerts[1].why.starts_with("the same actor `ana` as alert"), "{}", alerts[1].why);
    let feed: Vec<_> =
        fixture.incidents.feed(0, 100).unwrap().into_iter().map(|entry| entry.change).collect();
    assert_eq!(feed, ["opened", "grew", "severity"]);
}

/// Two incidents three days apart, and the late alert between them that shows that they are one.
#[test]
fn late_alerts_merge_two_incidents_and_the_older_lives_on() {
    let fixture = fixture();
    fixture.take(&[alert("b", 40, "impact", "ana", 4)], 1);
    let younger = fixture.all()[0].id.clone();
    fixture.incidents.step(&younger, &Step::Acknowledge, "dana", 2).unwrap();
    fixture.incidents.step(&younger, &Step::Comment("it is our vault".into()), "dana", 3).unwrap();
    fixture.take(&[alert("a", 0, "initial-access", "ana", 4)], 4);
    assert_eq!(fixture.all().len(), 2);
    let older = fixture.all().into_iter().find(|incident| incident.id != younger).unwrap().id;
    fixture.take(&[alert("c", 20, "persistence", "ana", 2)], 5);
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!((&one.id, fixture.members(&one.id)), (&older, vec!["a".into(), "c".into(), "b".into()]));
    assert_eq!(fixture.incidents.get(&younger).unwrap().id, older, "the younger leads to it");
    assert_eq!(fixture.incidents.get(younger.get(..12).unwrap()).unwrap().id, older);
    assert_eq!(fixture.incidents.merged(&older).unwrap(), [younger]);
    // Who works on either works on both, and what was said is not lost.
    assert_eq!(
        (one.status, one.owner.as_deref(), one.created_us),
        (IncidentStatus::Acknowledged, Some("dana"), 1)
    );
    assert!(fixture.changes(&older).contains(&"commented".to_owned()));
}

#[test]
fn an_earlier_alert_gives_the_incident_its_id_and_the_old_one_leads_there() {
    let fixture = fixture();
    fixture.take(&[alert("b", 10, "impact", "ana", 4)], 1);
    let before = fixture.all()[0].id.clone();
    fixture.incidents.step(&before, &Step::Acknowledge, "dana", 2).unwrap();
    fixture.take(&[alert("a", 5, "persistence", "ana", 3)], 3);
    let [one] = fixture.all().try_into().unwrap();
    assert_ne!(one.id, before);
    assert_eq!(fixture.incidents.get(&before).unwrap(), one);
    assert_eq!((one.owner.as_deref(), one.created_us), (Some("dana"), 1));
}

/// Every change counts, whoever makes it, and who knows an older one changes nothing.
#[test]
fn a_step_on_what_has_changed_is_refused() {
    let fixture = fixture();
    fixture.take(&[alert("a", 0, "impact", "ana", 4)], 1);
    let read = fixture.all()[0].clone();
    let known = |revision| Expected::Revisions(vec![revision]);
    let step =
        |step: &Step, expected: &Expected| fixture.incidents.step_if(&read.id, step, "dana", expected, 2);
    let comment = Step::Comment("mine".into());
    let after = step(&comment, &known(read.revision)).unwrap();
    assert!(after.revision > read.revision);
    for stale in
        [step(&comment, &known(read.revision)), step(&Step::Acknowledge, &Expected::Revisions(vec![]))]
    {
        assert!(matches!(stale, Err(Error::IncidentStale { revision, .. }) if revision == after.revision));
    }
    assert_eq!(fixture.incidents.get(&read.id).unwrap(), after, "nothing has changed");
    fixture.take(&[alert("b", 1, "persistence", "ana", 3)], 3);
    let grown = fixture.incidents.get(&read.id).unwrap().revision;
    assert!(grown > after.revision);
    assert!(step(&comment, &known(after.revision)).is_err());
    assert!(store::expect(&fixture.incidents.get(&read.id).unwrap(), &known(after.revision)).is_err());
    assert!(step(&comment, &known(grown)).is_ok());
    assert!(step(&comment, &Expected::Any).is_ok());
}

#[test]
fn what_was_split_stays_split_and_what_was_merged_stays_merged() {
    let fixture = fixture();
    let alerts: Vec<_> = (0..4).map(|n| alert(&format!("e{n}"), n, "impact", "ana", 4)).collect();
    fixture.take(&alerts, 1);
    let whole = fixture.all()[0].id.clone();
    let out: BTreeSet<_> = [1, 3].map(|n: usize| alerts[n].id.to_string()).into_iter().collect();
    let context = Context::default();
    let new = fixture.incidents.split(&whole, &out, &Deciding::new("dana", "a drill"), &context, 2).unwrap();
    assert_eq!(fixture.members(&new.id), ["e1", "e3"]);
    assert_eq!(fixture.members(&whole), ["e0", "e2"]);
    assert_eq!(fixture.changes(&new.id), ["opened"]);
    fixture.take(&[alert("e9", 4, "impact", "ana", 4)], 3);
    assert_eq!(fixture.all().len(), 2);
    // Also after a restart, and whoever merges them again means it.
    let again = Incidents::open(fixture.state.clone(), quiet()).unwrap();
    again.follow(&context, 4).unwrap();
    assert_eq!(fixture.members(&whole), ["e0", "e2"]);
    let one = again.merge((&new.id, &whole), &Deciding::new("dana", "no drill"), &context, 5).unwrap();
    assert_eq!((one.id.as_str(), one.alerts), (whole.as_str(), 5));
    let refused =
        again.merge((&new.id, &whole), &Deciding::new("dana", "no drill"), &context, 6).unwrap_err();
    assert!(refused.to_string().contains("one incident already"), "{refused}");
    let stranger = ["nobody".to_owned()].into_iter().collect();
    let refused = again.split(&whole, &stranger, &Deciding::new("dana", "x"), &context, 7).unwrap_err();
    assert!(refused.to_string().contains("has no alert `nobody`"), "{refused}");
}

#[test]
fn strangers_are_merged_by_hand_for_good() {
    let fixture = fixture();
    fixture.take(&[alert("a", 0, "impact", "ana", 4), alert("b", 900, "impact", "bob", 4)], 1);
    let ids: Vec<_> = fixture.all().into_iter().map(|incident| incident.id).collect();
    fixture
        .incidents
        .merge((&ids[0], &ids[1]), &Deciding::new("dana", "one intruder"), &fixture.context, 2)
        .unwrap();
    fixture.take(&[alert("c", 901, "impact", "bob", 2)], 3);
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!(fixture.members(&one.id), ["a", "b", "c"]);
    // And can be parted again.
    let out: BTreeSet<_> = [alert("a", 0, "impact", "ana", 4).id.to_string()].into_iter().collect();
    fixture.incidents.split(&one.id, &out, &Deciding::new("dana", "not one"), &fixture.context, 4).unwrap();
    assert_eq!(fixture.all().len(), 2);
}

#[test]
fn people_take_comment_and_close_and_a_new_alert_opens_again() {
    let fixture = fixture();
    let first = alert("a", 0, "impact", "ana", 4);
    fixture.take(std::slice::from_ref(&first), 1);
    let id = fixture.all()[0].id.clone();
    let step = |step: Step| fixture.incidents.step(&id, &step, "dana", 10);
    assert!(step(Step::Reopen("x".into())).is_err());
    assert!(step(Step::Comment(" ".into())).is_err());
    step(Step::Acknowledge).unwrap();
    step(Step::Assign("eve".into())).unwrap();
    let closed = step(close(Verdict::Benign, "a drill")).unwrap();
    assert_eq!(
        (closed.status, closed.owner.as_deref(), closed.closed_us),
        (IncidentStatus::Closed, Some("eve"), Some(10))
    );
    assert!(step(close(Verdict::Benign, "again")).is_err());
    assert!(step(Step::Acknowledge).is_err());
    // That somebody works on its alerts is nothing new.
    fixture.alerts.change(first.id.as_str(), Change::Comment, "eve", "why was it?", 11).unwrap();
    fixture.incidents.follow(&fixture.context, 12).unwrap();
    assert_eq!(fixture.incidents.get(&id).unwrap().status, IncidentStatus::Closed);
    fixture.take(&[alert("b", 1, "impact", "ana", 3)], 13);
    let open = fixture.incidents.get(&id).unwrap();
    assert_eq!((open.status, open.verdict), (IncidentStatus::New, None));
    assert_eq!(
        fixture.changes(&id),
        ["opened", "acknowledged", "assigned", "closed", "grew", "severity", "reopened"]
    );
}

#[test]
fn what_is_taken_back_takes_its_incident_back() {
    let fixture = fixture();
    let one = alert("a", 0, "impact", "ana", 4);
    fixture.take(std::slice::from_ref(&one), 1);
    let id = fixture.all()[0].id.clone();
    fixture.state.write(|txn| AlertStore::refute(txn, &one.id, "late", 2)).unwrap();
    fixture.incidents.follow(&fixture.context, 3).unwrap();
    let gone = fixture.incidents.get(&id).unwrap();
    assert_eq!((gone.status, gone.verdict.as_deref()), (IncidentStatus::Closed, Some("refuted")));
    // Further events show that it is so after all.
    let mut amended = one;
    amended.evidence[0].operation = "DeleteTrail".into();
    fixture.state.write(|txn| AlertStore::record_or_amend(txn, &amended, 4)).unwrap();
    fixture.incidents.follow(&fixture.context, 5).unwrap();
    let back = fixture.incidents.get(&id).unwrap();
    assert_eq!((back.status, back.verdict, back.alerts), (IncidentStatus::New, None, 1));
}

#[test]
fn clocks_run_by_severity_and_are_told_once() {
    let mut settings = quiet();
    settings.levels[3] = ServiceLevel { acknowledge_us: Some(100), close_us: Some(1000) };
    let fixture = fixture_with(settings);
    fixture.take(&[alert("a", 0, "impact", "ana", 4)], 50);
    let id = fixture.all()[0].id.clone();
    let look = |now_us| {
        fixture.incidents.follow(&fixture.context, now_us).unwrap();
        let found = fixture.incidents.get(&id).unwrap();
        (found.acknowledge_overdue, found.close_overdue)
    };
    assert_eq!(fixture.all()[0].acknowledge_due_us, Some(150));
    assert_eq!(look(150), (false, false));
    assert_eq!(look(151), (true, false));
    assert_eq!(look(152), (true, false));
    fixture.incidents.step(&id, &Step::Acknowledge, "dana", 200).unwrap();
    assert_eq!(look(2000), (true, true));
    assert_eq!(fixture.changes(&id), ["opened", "acknowledge_overdue", "acknowledged", "close_overdue"]);
    let overdue = IncidentFilter { is_overdue: true, ..IncidentFilter::default() };
    assert_eq!(fixture.incidents.list(&overdue, None, 10).unwrap().incidents.len(), 1);
    fixture.incidents.step(&id, &close(Verdict::TruePositive, "mended"), "dana", 2001).unwrap();
    assert_eq!(fixture.incidents.list(&overdue, None, 10).unwrap().incidents.len(), 0);
    // Opened again, its clocks begin anew.
    let open = fixture.incidents.step(&id, &Step::Reopen("it goes on".into()), "dana", 3000).unwrap();
    assert_eq!((open.acknowledge_due_us, open.close_due_us), (Some(3100), Some(4000)));
    assert_eq!(look(3100), (false, false));
}

#[test]
fn lists_turn_their_pages_and_filter() {
    let fixture = fixture();
    let alerts: Vec<_> =
        (0..7).map(|n| alert(&format!("e{n}"), n * 100, "impact", &format!("u{n}"), 4)).collect();
    fixture.take(&alerts, 1);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.incidents.list(&IncidentFilter::default(), after.as_ref(), 3).unwrap();
        seen.extend(page.incidents.into_iter().map(|incident| incident.assessment.last_us));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..7).rev().map(|n| n * 100 * HOUR_US).collect::<Vec<_>>());
    let by = IncidentFilter { entity: Some("U3".into()), ..IncidentFilter::default() };
    assert_eq!(fixture.incidents.list(&by, None, 9).unwrap().incidents.len(), 1);
    for id in ["", "zz", "'; DROP TABLE incidents; --", "ffffffffffff"] {
        assert!(matches!(fixture.incidents.get(id), Err(crate::Error::IncidentUnknown { .. })), "{id}");
    }
}

#[test]
fn an_incident_is_closed_with_its_alerts() {
    let fixture = fixture();
    let all: Vec<_> = (0..3).map(|n| alert(&format!("e{n}"), n, "impact", "ana", 4)).collect();
    fixture.take(&all, 1);
    let [id] = fixture.all().into_iter().map(|one| one.id).collect::<Vec<_>>().try_into().unwrap();
    let stands = |n: usize| fixture.alerts.get(all[n].id.as_str()).unwrap().0;
    fixture.alerts.change(all[0].id.as_str(), Change::Close(Verdict::Benign), "eve", "ours", 2).unwrap();
    fixture.incidents.step(&id, &close(Verdict::TruePositive, "keys revoked"), "dana", 3).unwrap();
    // Whoever was done with one is left alone.
    assert_eq!(stands(0).verdict, Some(Verdict::Benign));
    for n in [1, 2] {
        let (stored, history) = fixture.alerts.get(all[n].id.as_str()).unwrap();
        assert_eq!(
            (stored.status, stored.verdict),
            (crate::AlertStatus::Closed, Some(Verdict::TruePositive))
        );
        let last = history.last().unwrap();
        assert_eq!((last.by.as_str(), last.at_us), ("dana", 3));
        assert_eq!(last.reason, format!("with incident {}: keys revoked", id.get(..12).unwrap()));
    }
    // It is not opened again by what it did itself, and its alerts are not by its being opened.
    fixture.incidents.follow(&fixture.context, 4).unwrap();
    assert_eq!(fixture.incidents.get(&id).unwrap().status, IncidentStatus::Closed);
    fixture.incidents.step(&id, &Step::Reopen("it goes on".into()), "dana", 5).unwrap();
    assert_eq!(stands(1).status, crate::AlertStatus::Closed);
    // Also without them, as a duplicate, or refused as a whole.
    fixture.take(&[alert("e9", 3, "impact", "ana", 4)], 6);
    let open = alert("e9", 3, "impact", "ana", 4).id;
    let status = || fixture.alerts.get(open.as_str()).unwrap().0.status;
    let steps = [
        Step::Close { verdict: Verdict::Benign, reason: "x".into(), keeps_alerts: true },
        close(Verdict::Duplicate, "of another"),
    ];
    for step in steps {
        fixture.incidents.step(&id, &step, "dana", 7).unwrap();
        assert_eq!(status(), crate::AlertStatus::New);
        fixture.incidents.step(&id, &Step::Reopen(String::new()), "dana", 8).unwrap();
    }
    assert!(fixture.incidents.step(&id, &close(Verdict::Benign, " "), "dana", 9).is_err());
    assert_eq!(status(), crate::AlertStatus::New);
    // Lists find them by their incident.
    let of = |incident: &str| {
        let filter = crate::AlertFilter { incident: Some(incident.into()), ..Default::default() };
        fixture.alerts.list(&filter, None, 10).unwrap().alerts.len()
    };
    assert_eq!(
        (of(&id), of(&id.get(..8).unwrap().to_uppercase()), of("0123456789ab"), of("' OR 1")),
        (4, 4, 0, 0)
    );
}

/// Whatever people do at once who know the same revision, one of them does it.
#[test]
fn of_several_who_decide_by_the_same_revision_one_does() {
    let fixture = fixture();
    for round in 0..8_i64 {
        let (ana, bob) = (format!("ana{round}"), format!("bob{round}"));
        let at = round * 1000;
        let of = |name: &str, n: i64| alert(&format!("{name}{n}"), at + n, "impact", name, 4);
        fixture.take(&[of(&ana, 0), of(&ana, 1), of(&bob, 0), of(&bob, 1)], at + 1);
        let home = |name: &str| fixture.incidents.of_alert(of(name, 0).id.as_str()).unwrap().unwrap();
        let (first, other) = (home(&ana), home(&bob));
        assert_ne!(first, other);
        let known = Expected::Revisions(vec![fixture.incidents.get(&first).unwrap().revision]);
        let out = BTreeSet::from([of(&ana, 1).id.to_string()]);
        let by = Deciding { by: "dana", reason: "a drill", expected: &known };
        let (incidents, context) = (&fixture.incidents, &fixture.context);
        let outcomes: Vec<bool> = std::thread::scope(|scope| {
            let mut running = Vec::new();
            for one in 0..6 {
                let (first, other, out, known) = (&first, &other, &out, &known);
                running.push(scope.spawn(move || match one % 3 {
                    0 => incidents.merge((first, other), &by, context, at + 5).map(drop),
                    1 => incidents.split(first, out, &by, context, at + 5).map(drop),
                    _ => incidents.step_if(first, &Step::Acknowledge, "dana", known, at + 5).map(drop),
                }));
            }
            let ended = running.into_iter().map(|one| match one.join().unwrap() {
                Ok(()) => true,
                // Merged by the one who was first, it is at another revision, or is the other.
                Err(Error::IncidentStale { .. } | Error::IncidentRefused { .. }) => false,
                Err(error) => panic!("{error}"),
            });
            ended.collect()
        });
        assert_eq!(outcomes.iter().filter(|done| **done).count(), 1, "round {round}: {outcomes:?}");
    }
}
