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
fn an_identity_is_found_without_its_kind() {
    let fixture = fixture();
    let id = "00000000-aaaa-4bbb-accc-000000000077";
    let alerts = [
        alert("a", 0, "impact", &format!("entra:user:{id}"), 4),
        alert("b", 0, "impact", "entra:user:two", 4),
        alert("c", 0, "impact", "okta:user:two", 4),
    ];
    fixture.take(&alerts, 0);
    let called = |name: &str| fixture.incidents.identity_called(name).unwrap();
    assert_eq!(called(id), Some(format!("entra:user:{id}")));
    assert_eq!(called(&id.to_uppercase()), Some(format!("entra:user:{id}")));
    assert_eq!(called("two"), None, "neither's");
    assert_eq!(called("0077"), None);
    assert_eq!(called(""), None);
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
    let fixture = fixture_with(settings(190.0));
    fixture.take(&[alert("a", 0, "impact", "ana", 4), alert("b", 1, "persistence", "ana", 4)], 0);
    let before = fixture.all();
    assert_eq!(told(&fixture).len(), 0);
    fixture.take(&[alert("c", 2, "execution", "ana", 4), alert("d", 3, "impact", "ana", 3)], 1);
    let [one] = told(&fixture).try_into().unwrap();
    assert_eq!(one.alert.entity(EntityKind::Actor), Some("ana"));
    assert_eq!(one.alert.time_us, 2 * HOUR_US, "when the threshold was crossed");
    assert!(one.alert.rule.description.contains("3 alerts"), "{}", one.alert.rule.description);
    // It is part of the incident, and makes neither its id nor its severity or risk; nor has it part in the risk
    // that it tells of.
    let [incident] = fixture.all().try_into().unwrap();
    assert_eq!((incident.alerts, &incident.id), (5, &before[0].id));
    assert!(incident.assessment.title.contains("4 more alerts"), "{}", incident.assessment.title);
    let quiet = fixture_with(settings(1e9));
    quiet.take(&[alert("a", 0, "impact", "ana", 4), alert("b", 1, "persistence", "ana", 4)], 0);
    quiet.take(&[alert("c", 2, "execution", "ana", 4), alert("d", 3, "impact", "ana", 3)], 1);
    let silent = &quiet.all()[0].assessment;
    assert_eq!(
        (silent.risk, silent.severity_id),
        (incident.assessment.risk, incident.assessment.severity_id)
    );
    assert_eq!(fixture.incidents.ranked(None, 2 * HOUR_US, 10).unwrap()[0].alerts, 4);
    let member = fixture.incidents.alerts(&incident.id).unwrap();
    let why = member.iter().find(|member| member.stored.alert.id == one.alert.id).unwrap().why.clone();
    assert!(why.contains("the risk of `ana` crossed the threshold"), "{why}");
    let again = Incidents::open(fixture.state.clone(), settings(190.0)).unwrap();
    again.follow(&fixture.context, 9).unwrap();
    assert_eq!((told(&fixture).len(), fixture.all()[0].alerts), (1, 5));
    // Long after, it crosses again.
    let late: Vec<_> = ["impact", "discovery", "persistence"]
        .iter()
        .enumerate()
        .map(|(n, rule)| alert(&format!("late{n}"), 24 * 60, rule, "ana", 5))
        .collect();
    fixture.take(&late, 10);
    assert_eq!(told(&fixture).len(), 2);
    // The alerts that it rested on meant no harm: it is taken back.
    for (event, rule) in [("a", "impact"), ("b", "persistence"), ("c", "execution")] {
        let id = AlertId::new(rule, [event]);
        fixture.alerts.change(id.as_str(), Change::Close(Verdict::Benign), "dana", "a drill", 11).unwrap();
    }
    fixture.incidents.follow(&fixture.context, 12).unwrap();
    let standing =
        told(&fixture).into_iter().filter(|stored| stored.verdict != Some(Verdict::Refuted)).count();
    assert_eq!(standing, 1);
    assert_eq!(fixture.incidents.get(&incident.id).unwrap().alerts, 4);
}

#[test]
fn an_alert_about_risk_opens_nothing_and_opens_nothing_again() {
    let fixture = fixture_with(settings(100.0));
    // Days apart, and none severe: no incident.
    let slow: Vec<_> = ["impact", "persistence", "execution"]
        .iter()
        .zip(0..)
        .map(|(rule, n)| alert(&format!("e{n}"), 48 * n, rule, "ana", 3))
        .collect();
    fixture.take(&slow, 1);
    assert_eq!((told(&fixture).len(), fixture.all().len()), (1, 0));
    // An incident that was closed stays so when its risk is told of late.
    let fixture = fixture_with(settings(180.0));
    fixture.take(&[alert("a", 0, "impact", "bob", 4), alert("b", 1, "persistence", "bob", 4)], 1);
    let id = fixture.all()[0].id.clone();
    let mut closed = alert("c", 2, "execution", "bob", 4);
    closed.severity_id = 3;
    fixture.state.write(|txn| AlertStore::record(txn, std::slice::from_ref(&closed), 2)).unwrap();
    fixture.alerts.change(closed.id.as_str(), Change::Close(Verdict::TruePositive), "dana", "x", 3).unwrap();
    fixture.incidents.step(&id, &close(Verdict::TruePositive, "done"), "dana", 3).unwrap();
    fixture.incidents.follow(&fixture.context, 4).unwrap();
    let incident = fixture.incidents.get(&id).unwrap();
    assert_eq!((told(&fixture).len(), incident.alerts), (1, 4));
    assert_eq!(incident.status, IncidentStatus::Closed);
    // It goes with what it rests on, whoever is taken out.
    let of_risk = told(&fixture)[0].alert.id.to_string();
    let out = [of_risk].into_iter().collect();
    let refused =
        fixture.incidents.split(&id, &out, &Deciding::new("dana", "x"), &fixture.context, 5).unwrap_err();
    assert!(refused.to_string().contains("name that one"), "{refused}");
}

#[test]
fn several_names_of_one_identity_are_told_once() {
    let mut fixture = fixture_with(settings(190.0));
    let names = ["key", "session", "person"].map(|name| (name.to_owned(), "person".to_owned()));
    fixture.context.names = Arc::new(HashMap::from(names));
    let all: Vec<_> = (0..9)
        .map(|n| {
            let (rule, who) =
                (["impact", "persistence", "execution"][n % 3], ["key", "session", "person"][n / 3]);
            alert(&format!("e{n}"), n as i64, rule, who, 4)
        })
        .collect();
    fixture.take(&all, 1);
    assert_eq!(told(&fixture).len(), 1);
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
