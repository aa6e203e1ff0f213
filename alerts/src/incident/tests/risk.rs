//! The risk of entities, and its alerts.

use super::*;
use crate::AlertFilter;
use crate::risk::{Asset, Assets, Criticality, Fading, RULE};

const DAY_US: i64 = 24 * HOUR_US;

fn settings(threshold: f64) -> Settings {
    Settings { fading: Fading { half_life_us: 7 * DAY_US, threshold }, ..Settings::default() }
}

fn told(fixture: &Fixture) -> Vec<crate::StoredAlert> {
    let filter = AlertFilter { rule_id: Some(RULE.into()), ..AlertFilter::default() };
    fixture.alerts.list(&filter, None, 100).unwrap().alerts
}

#[test]
fn risk_adds_up_fades_and_is_ranked() {
    let fixture = fixture_with(settings(1e9));
    fixture.take(
        &[
            alert("a", 0, "impact", "ana", 4),
            alert("b", 0, "persistence", "ana", 4),
            alert("c", 0, "impact", "bob", 4),
        ],
        0,
    );
    let risks = |now_us| -> Vec<_> {
        let ranked = fixture.incidents.ranked(None, now_us, 10).unwrap();
        ranked.into_iter().map(|one| (one.entity, one.risk.round() as i64, one.alerts)).collect()
    };
    assert_eq!(risks(0), [("ana".to_owned(), 140, 2), ("bob".to_owned(), 70, 1)]);
    assert_eq!(risks(7 * DAY_US), [("ana".to_owned(), 70, 2), ("bob".to_owned(), 35, 1)]);
    // What means no harm weighs nothing.
    let id = alert("a", 0, "impact", "ana", 4).id;
    fixture.alerts.change(id.as_str(), Change::Close(Verdict::FalsePositive), "dana", "a drill", 1).unwrap();
    fixture.incidents.follow(&fixture.context, 2).unwrap();
    assert_eq!(fixture.incidents.ranked(Some("ANA"), 0, 10).unwrap()[0].alerts, 1);
    assert_eq!(fixture.incidents.ranked(Some("eve"), 0, 10).unwrap().len(), 0);
}

#[test]
fn the_risk_of_an_alert_says_what_it_is_made_of() {
    let fixture = fixture();
    let one = alert("a", 0, "impact", "ana", 4);
    fixture.take(std::slice::from_ref(&one), 0);
    let score = fixture.incidents.alert_risk(one.id.as_str()).unwrap().unwrap();
    assert_eq!(score.score, 70);
    let names: Vec<_> = score.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["severity", "confidence", "rarity"]);
    // An asset that is written over the API counts at once.
    let asset = Asset {
        name: "admins".into(),
        patterns: vec!["ana".into()],
        criticality: Criticality::Critical,
        owner: "dana".into(),
        tags: Vec::new(),
    };
    fixture.incidents.set_asset(&asset).unwrap();
    fixture.incidents.follow(&fixture.context, 1).unwrap();
    assert_eq!(fixture.incidents.alert_risk(one.id.as_str()).unwrap().unwrap().score, 90);
    assert_eq!(fixture.incidents.ranked(None, 0, 10).unwrap()[0].criticality, "critical");
    assert_eq!(fixture.all()[0].assessment.severity_id, 5, "what is critical raises the severity");
    assert_eq!(fixture.incidents.assets().unwrap(), [asset]);
    assert!(fixture.incidents.remove_asset("admins").unwrap());
    assert!(!fixture.incidents.remove_asset("admins").unwrap());
    fixture.incidents.follow(&fixture.context, 2).unwrap();
    assert_eq!(fixture.incidents.alert_risk(one.id.as_str()).unwrap().unwrap().score, 70);
}

#[test]
fn a_crossing_is_one_alert_however_often_it_is_looked_at() {
    let fixture = fixture_with(settings(130.0));
    fixture.take(&[alert("a", 0, "impact", "ana", 4)], 0);
    assert_eq!(told(&fixture).len(), 0);
    fixture.take(&[alert("b", 1, "persistence", "ana", 4), alert("c", 2, "execution", "ana", 4)], 1);
    let [one] = told(&fixture).try_into().unwrap();
    assert_eq!(one.alert.entity(EntityKind::Actor), Some("ana"));
    assert_eq!(one.alert.time_us, HOUR_US, "when the threshold was crossed");
    assert!(one.alert.rule.description.contains("2 alerts"), "{}", one.alert.rule.description);
    // It is part of the incident, and adds nothing to the risk that it tells of.
    let [incident] = fixture.all().try_into().unwrap();
    assert_eq!(incident.alerts, 4);
    assert_eq!(fixture.incidents.ranked(None, 2 * HOUR_US, 10).unwrap()[0].alerts, 3);
    let again = Incidents::open(fixture.state.clone(), settings(130.0)).unwrap();
    again.follow(&fixture.context, 9).unwrap();
    assert_eq!(told(&fixture).len(), 1);
    // Long after, it crosses again.
    fixture.take(&[alert("d", 24 * 60, "impact", "ana", 5), alert("e", 24 * 60, "discovery", "ana", 4)], 10);
    assert_eq!(told(&fixture).len(), 2);
    // The alerts that it rested on meant no harm: it is taken back.
    for event in ["a", "b", "c"] {
        let rule = match event {
            "a" => "impact",
            "b" => "persistence",
            _ => "execution",
        };
        let id = AlertId::new(rule, [event]);
        fixture.alerts.change(id.as_str(), Change::Close(Verdict::Benign), "dana", "a drill", 11).unwrap();
    }
    fixture.incidents.follow(&fixture.context, 12).unwrap();
    let standing =
        told(&fixture).into_iter().filter(|stored| stored.verdict != Some(Verdict::Refuted)).count();
    assert_eq!(standing, 1);
}

#[test]
fn assets_of_a_file_are_known_by_any_of_their_names() {
    let mut fixture = fixture();
    let who = "aws:user:arn:aws:iam::111122223333:user/ana";
    let assets = Assets {
        assets: vec![Asset {
            name: "people".into(),
            patterns: vec!["arn:aws:iam::*:user/ana".into()],
            criticality: Criticality::High,
            owner: String::new(),
            tags: Vec::new(),
        }],
        indicators: Vec::new(),
    };
    fixture.context.assets = Arc::new(assets);
    fixture.take(&[alert("a", 0, "impact", who, 4)], 0);
    assert_eq!(fixture.incidents.ranked(None, 0, 10).unwrap()[0].criticality, "high");
}
