//! Splits: what keeps the id and what is done about it, what others see of it, and undoing it.

use std::collections::BTreeSet;

use super::*;

fn by(reason: &str) -> Deciding<'_> {
    Deciding::new("dana", reason)
}

/// So many alerts of one person, an hour apart, and their incident.
fn whole(fixture: &Fixture, severities: &[u8]) -> (Vec<Alert>, String) {
    let rules = ["impact", "persistence", "execution"];
    let of = |(n, severity): (usize, &u8)| alert(&format!("e{n}"), n as i64, rules[n % 3], "ana", *severity);
    let alerts: Vec<_> = severities.iter().enumerate().map(of).collect();
    fixture.take(&alerts, 1);
    (alerts, fixture.all()[0].id.clone())
}

fn ids(alerts: &[Alert], places: &[usize]) -> BTreeSet<String> {
    places.iter().map(|at| alerts[*at].id.to_string()).collect()
}

fn told(fixture: &Fixture, id: &str) -> Vec<(String, String, String)> {
    let history = fixture.incidents.history(id).unwrap();
    history.into_iter().map(|step| (step.change, step.by, step.reason)).collect()
}

#[test]
fn the_rest_keeps_its_id_also_without_its_earliest_alert() {
    let fixture = fixture();
    let (alerts, id) = whole(&fixture, &[4, 4, 4, 4]);
    fixture.incidents.step(&id, &Step::Acknowledge, "eve", 2).unwrap();
    let before = fixture.incidents.get(&id).unwrap();
    let split = |of: &str, places: &[usize], now_us| {
        fixture.incidents.split(of, &ids(&alerts, places), &by("a drill"), &fixture.context, now_us).unwrap()
    };
    let new = split(&id, &[0], 3);
    assert_ne!(new.id, id);
    assert_eq!(
        (fixture.members(&new.id), fixture.members(&id)),
        (vec!["e0".into()], vec!["e1".into(), "e2".into(), "e3".into()])
    );
    let rest = fixture.incidents.get(&id).unwrap();
    let stands =
        |one: &Incident| (one.status, one.owner.clone(), one.acknowledged_us, one.acknowledge_due_us);
    assert_eq!(stands(&rest), stands(&before));
    // What was taken out is in the same hands, so nobody is told of it anew.
    assert_eq!((stands(&new), new.created_us), (stands(&before), 3));
    assert_eq!(
        told(&fixture, &new.id),
        [("split".into(), "dana".into(), format!("taken out of {id}: a drill"))]
    );
    let of_rest = told(&fixture, &id);
    let short: String = alerts[0].id.as_str().chars().take(12).collect();
    assert!(
        of_rest.contains(&("split".into(), "dana".into(), format!("a drill; taken out: {short}"))),
        "{of_rest:?}"
    );
    assert!(
        of_rest.contains(&("shrank".into(), "stormglass".into(), format!("1 alert left, to {}", new.id))),
        "{of_rest:?}"
    );
    // And again, also after a restart; what has been split off can be split.
    let again = split(&id, &[1, 3], 4);
    assert_eq!(
        (fixture.members(&id), fixture.members(&again.id)),
        (vec!["e2".to_owned()], vec!["e1".into(), "e3".into()])
    );
    let third = split(&again.id, &[1], 5);
    assert_eq!(
        (fixture.members(&again.id), fixture.members(&third.id)),
        (vec!["e3".to_owned()], vec!["e1".to_owned()])
    );
    let restarted = Incidents::open(fixture.state.clone(), quiet()).unwrap();
    assert!(restarted.follow(&fixture.context, 6).is_ok());
    assert_eq!(fixture.all().len(), 4);
    assert_eq!(fixture.members(&id), ["e2"]);
}

#[test]
fn what_nobody_has_in_hand_and_what_was_closed_is_opened() {
    let fixture = fixture();
    let (alerts, id) = whole(&fixture, &[4, 4, 4]);
    let split = |places: &[usize], now_us| {
        fixture.incidents.split(&id, &ids(&alerts, places), &by("a drill"), &fixture.context, now_us).unwrap()
    };
    let new = split(&[0], 2);
    assert_eq!(told(&fixture, &new.id)[0].0, "opened");
    assert_eq!((new.status, new.owner), (IncidentStatus::New, None));
    let close = Step::Close { verdict: Verdict::Benign, reason: "ours".into(), keeps_alerts: true };
    fixture.incidents.step(&id, &close, "eve", 3).unwrap();
    let new = split(&[1], 4);
    assert_eq!((new.status, new.verdict, new.closed_us), (IncidentStatus::New, None, None));
    assert_eq!(fixture.incidents.get(&id).unwrap().status, IncidentStatus::Closed);
}

#[test]
fn merging_back_is_as_if_nothing_had_been_split() {
    for out in [&[0][..], &[1, 3], &[2], &[0, 1, 2]] {
        let fixture = fixture();
        let (alerts, id) = whole(&fixture, &[4, 4, 4, 4]);
        fixture.incidents.step(&id, &Step::Acknowledge, "eve", 2).unwrap();
        let why = || -> Vec<_> {
            fixture.incidents.alerts(&id).unwrap().into_iter().map(|member| member.why).collect()
        };
        let (before, reasons) = (board(&fixture), why());
        let new = fixture.incidents.split(&id, &ids(&alerts, out), &by("x"), &fixture.context, 3).unwrap();
        assert_ne!(board(&fixture), before);
        let one = fixture.incidents.merge((&new.id, &id), &by("no drill"), &fixture.context, 4).unwrap();
        assert_eq!(
            (one.id.as_str(), one.status, one.owner.as_deref()),
            (id.as_str(), IncidentStatus::Acknowledged, Some("eve"))
        );
        assert_eq!((board(&fixture), why()), (before, reasons), "{out:?}");
        let merged: Vec<_> = fixture
            .incidents
            .history(&id)
            .unwrap()
            .into_iter()
            .filter(|step| step.change == "merged")
            .map(|step| (step.incident_id, step.by, step.reason))
            .collect();
        let expected = [
            (new.id.clone(), "dana".to_owned(), format!("it is part of {id}: no drill")),
            (id.clone(), "dana".to_owned(), format!("with {}: no drill", new.id)),
        ];
        assert_eq!(merged, expected);
        assert_eq!(fixture.incidents.get(&new.id).unwrap().id, id);
    }
}

/// Two that were taken out one after the other and belong together.
#[test]
fn what_was_taken_out_twice_is_merged_and_leaves_the_rest_alone() {
    let fixture = fixture();
    let (alerts, id) = whole(&fixture, &[4, 4, 4]);
    let split = |places: &[usize], now_us| {
        fixture.incidents.split(&id, &ids(&alerts, places), &by("x"), &fixture.context, now_us).unwrap().id
    };
    let (first, second) = (split(&[0], 2), split(&[2], 3));
    let one = fixture.incidents.merge((&first, &second), &by("x"), &fixture.context, 4).unwrap();
    assert_eq!(
        (fixture.members(&id), fixture.members(&one.id)),
        (vec!["e1".to_owned()], vec!["e0".into(), "e2".into()])
    );
    assert_eq!((one.id, fixture.incidents.get(&first).unwrap().id), (second.clone(), second.clone()));
    let all = fixture.incidents.merge((&second, &id), &by("x"), &fixture.context, 5).unwrap();
    assert_eq!((all.id.as_str(), all.alerts), (id.as_str(), 3));
}

/// Too little is left of one side, or of both.
#[test]
fn a_side_that_is_no_incident_is_in_none() {
    for (severities, out, of_out, of_rest) in
        [([4, 2], 1, false, true), ([4, 2], 0, true, false), ([2, 2], 0, false, false)]
    {
        let fixture = fixture();
        let (alerts, id) = whole(&fixture, &severities);
        fixture.incidents.step(&id, &Step::Acknowledge, "eve", 2).unwrap();
        let found =
            fixture.incidents.split(&id, &ids(&alerts, &[out]), &by("x"), &fixture.context, 3).unwrap();
        let home = |at: usize| fixture.incidents.of_alert(alerts[at].id.as_str()).unwrap();
        assert_eq!((home(out).is_some(), home(1 - out).is_some()), (of_out, of_rest), "{severities:?}");
        let one = fixture.incidents.get(&id).unwrap();
        if of_out {
            // All that is left of it goes on there.
            assert_eq!((Some(one.id.clone()), one.owner.as_deref()), (home(out), Some("eve")));
            assert_eq!((one.id, one.status), (found.id, IncidentStatus::Acknowledged));
        } else {
            assert_eq!((&one.id, &found.id), (&id, &id));
            assert_eq!(one.verdict.is_some(), !of_rest);
        }
    }
}

/// An alert about risk goes with what it rests on; one that is hidden is on no side, and joins the nearer one.
#[test]
fn alerts_about_risk_and_hidden_ones_go_where_they_belong() {
    let fading = crate::risk::Fading { half_life_us: 7 * 24 * HOUR_US, threshold: 190.0 };
    let fixture = fixture_with(Settings { fading, ..Settings::default() });
    super::silences::silence(&fixture, "operation", "Quiet");
    let (alerts, id) = whole(&fixture, &[4, 4, 4]);
    let hidden = super::silences::hushed(alert("h", 3, "discovery", "ana", 5));
    fixture.take(std::slice::from_ref(&hidden), 2);
    assert_eq!(fixture.incidents.get(&id).unwrap().alerts, 4, "one about risk");
    let new = fixture.incidents.split(&id, &ids(&alerts, &[0, 2]), &by("x"), &fixture.context, 3).unwrap();
    assert_eq!((new.alerts, fixture.incidents.get(&id).unwrap().alerts), (3, 1));
    assert!(
        fixture
            .incidents
            .alerts(&new.id)
            .unwrap()
            .iter()
            .any(|member| member.stored.alert.rule.id == crate::risk::RULE)
    );
    fixture.alerts.change(hidden.id.as_str(), Change::Release, "dana", "over", 4).unwrap();
    fixture.incidents.follow(&fixture.context, 4).unwrap();
    assert_eq!(fixture.incidents.of_alert(hidden.id.as_str()).unwrap(), Some(new.id.clone()));
    let one = fixture.incidents.merge((&id, &new.id), &by("x"), &fixture.context, 5).unwrap();
    assert_eq!((one.id, one.alerts), (id, 5));
}

/// What was decided before ids were kept holds as it did.
#[test]
fn a_split_of_an_earlier_version_is_read() {
    let fixture = fixture();
    let (alerts, id) = whole(&fixture, &[4, 4, 4]);
    let old = serde_json::json!({
        "by": "dana", "reason": "x", "at_us": 2, "kind": "split",
        "out": ids(&alerts, &[0]), "rest": ids(&alerts, &[1, 2]),
    });
    let decision: Decision = serde_json::from_value(old.clone()).unwrap();
    assert_eq!(serde_json::to_value(&decision).unwrap(), old);
    fixture.incidents.decide(|_, _| Ok((String::new(), decision, BTreeSet::new()))).unwrap();
    fixture.incidents.follow(&fixture.context, 3).unwrap();
    assert_eq!((fixture.members(&id), fixture.all().len()), (vec!["e0".to_owned()], 2));
}

#[derive(Debug, Clone)]
enum Deed {
    Alerts(Vec<prop::sample::Index>),
    /// Of the incident of an alert, those at these places are taken out.
    Split(prop::sample::Index, Vec<bool>),
    /// The incidents of two alerts are one.
    Merge(prop::sample::Index, prop::sample::Index),
    Acknowledge(prop::sample::Index),
    Close(prop::sample::Index),
    Restart,
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let one = any::<prop::sample::Index>;
    prop_oneof![
        4 => proptest::collection::vec(one(), 1..6).prop_map(Deed::Alerts),
        4 => (one(), proptest::collection::vec(any::<bool>(), 20)).prop_map(|(n, out)| Deed::Split(n, out)),
        3 => (one(), one()).prop_map(|(a, b)| Deed::Merge(a, b)),
        1 => one().prop_map(Deed::Acknowledge),
        1 => one().prop_map(Deed::Close),
        1 => Just(Deed::Restart),
    ]
}

/// Takes alerts out of an incident, and looks at what becomes of both.
fn split_and_look(fixture: &Fixture, id: &str, out: &BTreeSet<String>, rest: &BTreeSet<String>, now_us: i64) {
    let incidents = &fixture.incidents;
    let before = incidents.get(id).unwrap();
    incidents.split(id, out, &by("so"), &fixture.context, now_us).unwrap();
    let home = |alert: &String| incidents.of_alert(alert).unwrap();
    let stands = |one: &Incident| (one.status, one.owner.clone(), one.acknowledged_us, one.verdict.clone());
    let homes: BTreeSet<_> = rest.iter().map(home).collect();
    assert_eq!(homes.len(), 1, "the rest is one");
    if let Some(of_rest) = homes.into_iter().flatten().next() {
        let lives = incidents.get(id).unwrap();
        assert_eq!(lives.id, of_rest, "its id leads to the rest");
        let members: BTreeSet<String> = incidents
            .alerts(&of_rest)
            .unwrap()
            .iter()
            .map(|member| member.stored.alert.id.to_string())
            .collect();
        if members == *rest {
            assert_eq!(
                (lives.id.as_str(), stands(&lives), lives.created_us),
                (id, stands(&before), before.created_us)
            );
        }
    }
    let first = out.iter().next().unwrap();
    if let Some(of_out) = home(first) {
        assert!(out.iter().all(|alert| home(alert).as_ref() == Some(&of_out)), "what was taken out is one");
        assert!(rest.iter().all(|alert| home(alert).as_ref() != Some(&of_out)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Whatever is split and merged, in whatever order alerts come, with restarts: incidents and ids are those of all
    /// alerts and decisions at once, and the rest of a split is what it was.
    #[test]
    fn ids_are_a_function_of_alerts_and_decisions(
        alerts in proptest::collection::vec((0_i64..60, 0_usize..4, 0_usize..3, 2_u8..=5), 2..14),
        deeds in proptest::collection::vec(any_deed(), 1..16),
    ) {
        let rules = ["initial-access", "persistence", "exfiltration", "impact"];
        let all: Vec<_> = alerts
            .iter()
            .enumerate()
            .map(|(n, (hour, rule, who, severity))| alert(&format!("e{n}"), *hour, rules[*rule], &format!("u{who}"), *severity))
            .collect();
        let settings = || Settings { alone: 3, ..quiet() };
        let mut fixture = fixture_with(settings());
        for (deed, now_us) in deeds.into_iter().zip(1_i64..) {
            let home = |index: prop::sample::Index| fixture.incidents.of_alert(index.get(&all).id.as_str()).unwrap();
            match deed {
                Deed::Alerts(some) => {
                    let some: Vec<_> = some.iter().map(|index| index.get(&all).clone()).collect();
                    fixture.take(&some, now_us);
                }
                Deed::Split(index, out) => {
                    let Some(id) = home(index) else { continue };
                    let members = fixture.incidents.alerts(&id).unwrap();
                    let members = members.iter().map(|member| member.stored.alert.id.to_string());
                    let (out, rest): (Vec<_>, Vec<_>) = members.zip(out).partition(|(_, is_out)| *is_out);
                    let set = |some: Vec<(String, bool)>| some.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>();
                    let (out, rest) = (set(out), set(rest));
                    if !out.is_empty() && !rest.is_empty() {
                        split_and_look(&fixture, &id, &out, &rest, now_us);
                    }
                }
                Deed::Merge(a, b) => {
                    let (Some(a), Some(b)) = (home(a), home(b)) else { continue };
                    if a != b {
                        let one = fixture.incidents.merge((&a, &b), &by("so"), &fixture.context, now_us).unwrap();
                        prop_assert_eq!(&fixture.incidents.get(&a).unwrap().id, &one.id);
                        prop_assert_eq!(&fixture.incidents.get(&b).unwrap().id, &one.id);
                    }
                }
                Deed::Acknowledge(index) | Deed::Close(index) => {
                    let Some(id) = home(index) else { continue };
                    let step = match deed {
                        Deed::Acknowledge(_) => Step::Acknowledge,
                        _ => Step::Close { verdict: Verdict::TruePositive, reason: "x".into(), keeps_alerts: true },
                    };
                    // What is closed is refused.
                    drop(fixture.incidents.step(&id, &step, "eve", now_us));
                }
                Deed::Restart => fixture.incidents = Incidents::open(fixture.state.clone(), settings()).unwrap(),
            }
        }
        fixture.take(&all, 1000);
        let at_once = fixture_with(settings());
        let decided: Vec<String> = fixture.state.read(|db| {
            let mut select = db.prepare("SELECT decision FROM incident_decisions ORDER BY id").unwrap();
            let rows = select.query_map([], |row| row.get(0)).unwrap();
            Ok::<_, storage::Error>(rows.map(Result::unwrap).collect())
        }).unwrap();
        at_once.state.write(|txn| {
            for decision in &decided {
                txn.execute("INSERT INTO incident_decisions (decision) VALUES (?1)", [decision])?;
            }
            Ok::<_, crate::Error>(())
        }).unwrap();
        at_once.take(&all, 1);
        // One that was closed and lost its alerts stays closed.
        let lives = |fixture: &Fixture| {
            let mut board = board(fixture);
            board.retain(|_, (members, _)| !members.is_empty());
            board
        };
        prop_assert_eq!(lives(&at_once), lives(&fixture));
    }
}

#[test]
fn what_was_decided_of_an_alert_holds_for_the_one_that_it_goes_on_as() {
    let fixture = fixture();
    let (a, b) = (alert("a", 5, "impact", "ana", 4), alert("b", 6, "impact", "bob", 4));
    fixture.take(&[a.clone(), b.clone()], 1);
    let of = |alert: &Alert| fixture.incidents.of_alert(alert.id.as_str()).unwrap();
    let (one, other) = (of(&a).unwrap(), of(&b).unwrap());
    let by = Deciding::new("dana", "one crew");
    fixture.incidents.merge((&one, &other), &by, &fixture.context, 2).unwrap();
    assert_eq!(of(&a), of(&b));
    // An event that came late begins the first earlier.
    let earlier = alert("earlier", 4, "impact", "ana", 4);
    let go_on = |txn: &storage::state::Txn<'_>| {
        AlertStore::record_or_amend(txn, &earlier, 3)?;
        AlertStore::go_on(txn, std::slice::from_ref(&a.id), &earlier.id, 3)
    };
    fixture.state.write(go_on).unwrap();
    fixture.incidents.follow(&fixture.context, 3).unwrap();
    assert_eq!(of(&a), None);
    assert!(of(&b).is_some() && of(&b) == of(&earlier), "{:?} and {:?}", of(&b), of(&earlier));
    let again = Incidents::open(fixture.state.clone(), Settings::default()).unwrap();
    assert!(again.follow(&fixture.context, 4).is_ok());
    assert_eq!(of(&b), of(&earlier));
}

#[test]
fn an_incident_too_old_to_be_joined_is_not_decided_about() {
    let fixture = fixture_with(Settings { alerts: 2, ..Settings::default() });
    let old = [alert("a", 0, "impact", "ana", 4), alert("b", 1, "impact", "ana", 4)];
    let new =
        [1000, 1100, 1200].map(|hour| alert(&format!("{hour}"), hour, "impact", &format!("u{hour}"), 4));
    fixture.take(&old, 1);
    fixture.take(&new, 2);
    fixture.incidents.follow(&fixture.context, 3).unwrap();
    let of = |alert: &Alert| fixture.incidents.of_alert(alert.id.as_str()).unwrap().unwrap();
    let (one, history) = (of(&old[0]), fixture.changes(&of(&old[0])));
    let by = Deciding::new("dana", "two things");
    let out = [old[0].id.to_string()].into();
    let split = fixture.incidents.split(&one, &out, &by, &fixture.context, 4).unwrap_err();
    let merge = fixture.incidents.merge((&of(&new[2]), &one), &by, &fixture.context, 4).unwrap_err();
    for refused in [split, merge] {
        assert!(refused.to_string().contains("`incidents.remember`"), "{refused}");
    }
    assert_eq!(fixture.changes(&one), history);
}
