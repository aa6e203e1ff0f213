//! What is written a change at a time is what is written from scratch.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::super::decision::{Decision, DecisionKind};
use super::*;
use crate::risk::{Asset, Criticality, Fading};

/// Something that changes what belongs together or what it weighs.
#[derive(Debug, Clone)]
enum Step {
    /// Alerts come, or late events amend them.
    Alerts(Vec<(usize, i64, usize, usize, u8)>),
    /// Late events take one back.
    Refute(usize),
    Close(usize, Verdict),
    Reopen(usize),
    /// One that a silence hides is released.
    Release(usize),
    /// What is known of names: to whom each of three belongs.
    Names([usize; 3]),
    Split(usize, usize),
    Merge(usize, usize),
    Asset(usize),
    Confidence(u8),
}

const ALERTS: usize = 20;

fn any_step() -> impl Strategy<Value = Step> {
    let alert = || (0..ALERTS, 0_i64..100, 0_usize..4, 0_usize..4, 2_u8..=5);
    let verdict = prop::sample::select(vec![Verdict::FalsePositive, Verdict::TruePositive, Verdict::Benign]);
    prop_oneof![
        6 => proptest::collection::vec(alert(), 1..5).prop_map(Step::Alerts),
        1 => (0..ALERTS).prop_map(Step::Refute),
        2 => (0..ALERTS, verdict).prop_map(|(n, verdict)| Step::Close(n, verdict)),
        1 => (0..ALERTS).prop_map(Step::Reopen),
        2 => (0..ALERTS).prop_map(Step::Release),
        1 => [0_usize..4, 0..4, 0..4].prop_map(Step::Names),
        1 => (0..ALERTS, 0..ALERTS).prop_map(|(a, b)| Step::Split(a, b)),
        1 => (0..ALERTS, 0..ALERTS).prop_map(|(a, b)| Step::Merge(a, b)),
        1 => (0_usize..4).prop_map(Step::Asset),
        1 => (0_u8..=100).prop_map(Step::Confidence),
    ]
}

/// Names that come to mean something else while they are known.
#[derive(Debug, Default)]
struct Changing(Mutex<(HashMap<String, String>, Vec<String>)>);

impl Names for Changing {
    fn identity(&self, name: &str) -> Option<String> {
        self.0.lock().0.get(name).cloned()
    }

    fn changed_since(&self, place: Option<u64>) -> (Renamed, u64) {
        let known = self.0.lock();
        let end = known.1.len() as u64;
        match place {
            Some(place) => (Renamed::Names(known.1.iter().skip(place as usize).cloned().collect()), end),
            None => (Renamed::Any, end),
        }
    }
}

impl Changing {
    fn set(&self, names: HashMap<String, String>) {
        let mut known = self.0.lock();
        let all: BTreeSet<String> = known.0.keys().chain(names.keys()).cloned().collect();
        let (old, log) = &mut *known;
        log.extend(all.into_iter().filter(|name| old.get(name) != names.get(name)));
        *old = names;
    }
}

/// Each has the same id whenever it comes, and other events, another time and other people in its versions.
fn version(n: usize, hour: i64, rule: usize, who: usize, severity_id: u8) -> Alert {
    let rules = ["initial-access", "persistence", "exfiltration", "impact"];
    let mut alert = alert(&format!("e{n}-{hour}"), hour, rules[rule], &format!("u{who}"), severity_id);
    alert.id = AlertId::new("any", [n.to_string().as_str()]);
    alert.entities.push(Entity { kind: EntityKind::Address, value: "192.0.2.1".into(), name: None });
    let made = Entity { kind: EntityKind::User, value: format!("u{}", (who + 1) % 4), name: None };
    alert.entities.extend((hour % 3 == 0).then_some(made));
    // A silence covers some; one that is hidden and grows by what it does not cover is released by itself.
    if hour % 4 == 1 { super::silences::hushed(alert) } else { alert }
}

fn id(n: usize) -> String {
    AlertId::new("any", [n.to_string().as_str()]).to_string()
}

fn apply(fixture: &mut Fixture, known: &Changing, step: Step, now_us: i64) {
    let change = |n: usize, change: Change| {
        // One that is not there, or is so already, is refused.
        drop(fixture.alerts.change(&id(n), change, "dana", "a drill", now_us));
    };
    let decide = |kind| {
        let decision = Decision { by: "dana".into(), reason: "so".into(), at_us: now_us, kind };
        fixture.incidents.decide(|_, _| Ok((String::new(), decision, BTreeSet::new()))).unwrap();
    };
    match step {
        Step::Alerts(all) => {
            let write = |txn: &storage::state::Txn<'_>| {
                for (n, hour, rule, who, severity_id) in all {
                    AlertStore::record_or_amend(txn, &version(n, hour, rule, who, severity_id), now_us)?;
                }
                Ok::<_, crate::Error>(())
            };
            fixture.state.write(write).unwrap();
        }
        Step::Refute(n) => {
            let id = AlertId::new("any", [n.to_string().as_str()]);
            if fixture.alerts.get(id.as_str()).is_ok() {
                fixture.state.write(|txn| AlertStore::refute(txn, &id, "late", now_us)).unwrap();
            }
        }
        Step::Close(n, verdict) => change(n, Change::Close(verdict)),
        Step::Reopen(n) => change(n, Change::Reopen),
        Step::Release(n) => change(n, Change::Release),
        Step::Names(owners) => {
            let names = owners.iter().enumerate().filter(|(n, owner)| n != *owner);
            let names = names.map(|(n, owner)| (format!("u{n}"), format!("u{owner}")));
            known.set(names.collect());
        }
        Step::Split(a, b) if a != b => {
            let of = |n: usize| fixture.incidents.of_alert(&id(n)).unwrap();
            if let Some(incident) = of(a)
                && of(b).as_ref() == Some(&incident)
            {
                let by = Deciding::new("dana", "so");
                fixture.incidents.split(&incident, &[id(a)].into(), &by, &fixture.context, now_us).unwrap();
                return;
            }
            decide(DecisionKind::Split { out: [id(a)].into(), rest: [id(b)].into(), ids: None });
        }
        Step::Merge(a, b) if a != b => decide(DecisionKind::Merge { a: id(a), b: id(b) }),
        Step::Split(..) | Step::Merge(..) => {}
        Step::Asset(who) => {
            let asset = Asset {
                name: "people".into(),
                patterns: vec![format!("u{who}")],
                criticality: Criticality::ALL[who],
                owner: String::new(),
                tags: Vec::new(),
            };
            fixture.incidents.set_asset(&asset).unwrap();
        }
        Step::Confidence(confidence) => {
            let confidences = [("impact".to_owned(), confidence)].into();
            fixture.context.confidences = Arc::new(confidences);
        }
    }
}

/// All that is written of what belongs together and what it weighs.
fn written(fixture: &Fixture) -> Vec<String> {
    const QUERIES: [&str; 5] = [
        "SELECT incident_id || ' ' || alert_id || ' ' || time_us || ' ' || why FROM incident_alerts ORDER BY 1",
        "SELECT id || ' ' || status || ' ' || coalesce(verdict, '') || ' ' || alerts || ' ' || assessment FROM incidents \
         WHERE merged_into IS NULL ORDER BY 1",
        "SELECT 'risk ' || alert_id || ' ' || score || ' ' || parts FROM alert_risk ORDER BY 1",
        "SELECT kind || ' ' || entity || ' ' || alerts || ' ' || first_us || ' ' || last_us || ' ' || criticality || ' ' \
            || round(risk, 6) FROM entity_risk ORDER BY 1",
        "SELECT alert_id || ' ' || kind || ' ' || entity || ' ' || coalesce(verdict, '') FROM entity_risk_alerts \
         JOIN alerts ON id = alert_id ORDER BY 1",
    ];
    let read = |query: &str| {
        fixture.state.read(|db| {
            let mut select = db.prepare(query).unwrap();
            let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
            Ok::<_, storage::Error>(rows.map(Result::unwrap).collect::<Vec<_>>())
        })
    };
    QUERIES.iter().flat_map(|query| read(query).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whoever looks at everything anew finds nothing to write.
    #[test]
    fn a_change_at_a_time_is_written_as_from_scratch(
        steps in proptest::collection::vec(any_step(), 1..12),
        most in 2_usize..10,
    ) {
        let settings = Settings {
            fading: Fading { half_life_us: 48 * HOUR_US, threshold: 150.0 },
            joining: Joining { alerts: most, ..Joining::default() },
            ..Settings::default()
        };
        let mut fixture = fixture_with(settings.clone());
        let known = Arc::new(Changing::default());
        fixture.context.names = known.clone();
        super::silences::silence(&fixture, "operation", "Quiet");
        // What has been is long over: the risk is what is left of it then.
        let now_us = 1000 * HOUR_US;
        for step in steps {
            apply(&mut fixture, &known, step.clone(), now_us);
            fixture.incidents.follow(&fixture.context, now_us).unwrap();
            let once = written(&fixture);
            let again = Incidents::open(fixture.state.clone(), settings.clone()).unwrap();
            again.follow(&fixture.context, now_us).unwrap();
            prop_assert_eq!(&once, &written(&fixture), "after {:?}", step);
        }
    }
}
