//! What a silence hides has no part in incidents and risk, until it is released.

use super::*;
use crate::risk::Fading;
use crate::silence::{Matcher, SilenceSpec};

/// One in which risk is told of soon, and a silence covers what is done quietly.
fn silenced() -> Fixture {
    let fixture = fixture_with(settings());
    silence(&fixture, "operation", "Quiet");
    fixture
}

fn settings() -> Settings {
    Settings { fading: Fading { half_life_us: 48 * HOUR_US, threshold: 150.0 }, ..Settings::default() }
}

pub(super) fn silence(fixture: &Fixture, field: &str, value: &str) {
    let spec = SilenceSpec {
        matchers: vec![Matcher::read(field, &[value.to_owned()]).unwrap()],
        starts_us: 0,
        ends_us: 2000 * HOUR_US,
        schedule: None,
        owner: "ann".into(),
        reason: "a drill".into(),
        is_of_all: false,
    };
    fixture.alerts.add_silence(&spec, "ann", 1).unwrap();
}

pub(super) fn hushed(mut alert: Alert) -> Alert {
    alert.evidence[0].operation = "Quiet".into();
    alert
}

fn release(fixture: &Fixture, alert: &Alert, now_us: i64) {
    fixture.alerts.change(alert.id.as_str(), Change::Release, "dana", "over", now_us).unwrap();
    fixture.incidents.follow(&fixture.context, now_us).unwrap();
}

fn risks(fixture: &Fixture) -> Vec<(String, String, i64, u64)> {
    let ranked = fixture.incidents.ranked(None, 0, 500).unwrap();
    let mut risks: Vec<_> = ranked
        .into_iter()
        .map(|one| (one.kind, one.entity, (one.risk * 1000.0).round() as i64, one.alerts))
        .collect();
    risks.sort();
    risks
}

#[test]
fn what_is_hidden_opens_nothing_until_it_is_released() {
    let fixture = silenced();
    let hidden = hushed(alert("a", 0, "impact", "ana", 5));
    fixture.take(std::slice::from_ref(&hidden), 1);
    assert_eq!((fixture.all().len(), risks(&fixture).len()), (0, 0));
    let score = |alert: &Alert| fixture.incidents.alert_risk(alert.id.as_str()).unwrap().unwrap().score;
    assert_eq!(score(&hidden), 90, "it has a risk of its own");
    // Another one is as rare as if it had not been.
    let seen = alert("b", 1, "impact", "ana", 4);
    fixture.take(std::slice::from_ref(&seen), 2);
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!((fixture.members(&one.id), one.assessment.severity_id), (vec!["b".to_owned()], 4));
    assert_eq!((score(&seen), one.assessment.risk), (70, 70));
    fixture.incidents.step(&one.id, &close(Verdict::Benign, "ours"), "dana", 3).unwrap();
    // Nor does what is hidden open a closed one again.
    fixture.take(&[hushed(alert("c", 2, "impact", "ana", 5))], 4);
    assert_eq!(fixture.incidents.get(&one.id).unwrap().status, IncidentStatus::Closed);
    release(&fixture, &hidden, 5);
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!(fixture.members(&one.id), ["a", "b"]);
    assert_eq!((one.status, one.assessment.severity_id), (IncidentStatus::New, 5));
    assert_eq!(score(&seen), 65, "the rule had fired before");
    assert_eq!(risks(&fixture)[0].3, 1, "what is closed as harmless does not count");
}

#[test]
fn an_alert_about_risk_that_is_hidden_is_part_of_nothing() {
    let fixture = fixture_with(settings());
    silence(&fixture, "rule", crate::risk::RULE);
    let rules = ["impact", "persistence", "execution"];
    let all: Vec<_> =
        rules.iter().zip(0..).map(|(rule, n)| alert(&format!("e{n}"), n, rule, "ana", 4)).collect();
    fixture.take(&all, 1);
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!(one.alerts, 3);
    let hidden = crate::AlertFilter { is_suppressed: Some(true), ..Default::default() };
    let [told] = fixture.alerts.list(&hidden, None, 9).unwrap().alerts.try_into().unwrap();
    assert_eq!(told.alert.rule.id, crate::risk::RULE);
    let again = Incidents::open(fixture.state.clone(), settings()).unwrap();
    again.follow(&fixture.context, 2).unwrap();
    assert_eq!(fixture.incidents.get(&one.id).unwrap().alerts, 3);
    release(&fixture, &told.alert, 3);
    assert_eq!(fixture.incidents.get(&one.id).unwrap().alerts, 4);
    let again = Incidents::open(fixture.state.clone(), settings()).unwrap();
    again.follow(&fixture.context, 4).unwrap();
    assert_eq!(fixture.incidents.get(&one.id).unwrap().alerts, 4);
}

/// A database in which silences did not hold for incidents yet.
#[test]
fn one_that_comes_to_be_hidden_leaves() {
    let fixture = fixture();
    let (a, b) = (alert("a", 0, "impact", "ana", 4), alert("b", 1, "persistence", "ana", 4));
    fixture.take(&[a.clone(), b], 1);
    let hide = |alert: &Alert| {
        let hide = |txn: &storage::state::Txn<'_>| {
            txn.execute("UPDATE alerts SET suppressed_by = 's' WHERE id = ?1", [alert.id.as_str()])?;
            Ok::<_, crate::Error>(())
        };
        fixture.state.write(hide).unwrap();
    };
    hide(&a);
    let again = Incidents::open(fixture.state.clone(), quiet()).unwrap();
    again.follow(&fixture.context, 2).unwrap();
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!(fixture.members(&one.id), ["b"]);
    assert_eq!(fixture.incidents.ranked(None, 0, 9).unwrap()[0].alerts, 1);
}

#[derive(Debug, Clone)]
enum Deed {
    /// Some alerts come, hidden or not as they are.
    Alerts(Vec<usize>),
    Release(usize),
    Restart,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Whatever is hidden or released, in whatever order, with restarts: the incidents and the risk are those of the
    /// alerts in sight alone.
    #[test]
    fn only_what_is_in_sight_counts(
        alerts in proptest::collection::vec((0_i64..120, 0_usize..4, 0_usize..3, 2_u8..=5, any::<bool>()), 1..16),
        deeds in proptest::collection::vec(prop_oneof![
            4 => proptest::collection::vec(any::<prop::sample::Index>(), 1..5).prop_map(Ok),
            3 => any::<prop::sample::Index>().prop_map(|index| Err(Some(index))),
            1 => Just(Err(None)),
        ], 1..14),
    ) {
        let rules = ["initial-access", "persistence", "exfiltration", "impact"];
        let plain: Vec<_> = alerts
            .iter()
            .enumerate()
            .map(|(n, (hour, rule, who, severity, _))| {
                alert(&format!("e{n}"), *hour, rules[*rule], &format!("u{who}"), *severity)
            })
            .collect();
        let of = |n: usize| if alerts[n].4 { hushed(plain[n].clone()) } else { plain[n].clone() };
        let count = plain.len();
        let deeds = deeds.into_iter().map(|deed| match deed {
            Ok(some) => Deed::Alerts(some.iter().map(|index| index.index(count)).collect()),
            Err(Some(index)) => Deed::Release(index.index(count)),
            Err(None) => Deed::Restart,
        });
        let mut parts = silenced();
        let now_us = 1000 * HOUR_US;
        for deed in deeds {
            match deed {
                Deed::Alerts(places) => {
                    let some: Vec<_> = places.iter().map(|n| of(*n)).collect();
                    parts.take(&some, now_us);
                }
                Deed::Release(n) => {
                    // One that is not there or not hidden is refused.
                    drop(parts.alerts.change(plain[n].id.as_str(), Change::Release, "dana", "", now_us));
                    parts.incidents.follow(&parts.context, now_us).unwrap();
                }
                Deed::Restart => parts.incidents = Incidents::open(parts.state.clone(), settings()).unwrap(),
            }
        }
        parts.incidents.follow(&parts.context, now_us).unwrap();
        let in_sight = crate::AlertFilter { is_suppressed: Some(false), ..Default::default() };
        let in_sight: Vec<_> = parts
            .alerts
            .list(&in_sight, None, 500)
            .unwrap()
            .alerts
            .into_iter()
            .map(|stored| stored.alert)
            .filter(|alert| alert.rule.id != crate::risk::RULE)
            .collect();
        let whole = fixture_with(settings());
        whole.take(&in_sight, now_us);
        prop_assert_eq!(board(&whole), board(&parts));
        prop_assert_eq!(risks(&whole), risks(&parts));
        for alert in &in_sight {
            let of = |fixture: &Fixture| fixture.incidents.alert_risk(alert.id.as_str()).unwrap();
            prop_assert_eq!(of(&whole), of(&parts));
        }
    }
}
