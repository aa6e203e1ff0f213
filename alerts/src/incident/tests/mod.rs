//! Incidents and risk over a real state database.

mod export;
mod life;
mod many;
mod risk;
mod silences;
mod splits;
mod work;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use storage::state::State;
use tempfile::TempDir;

use super::*;
use crate::{Alert, AlertId, AlertStore, Change, Entity, EntityKind, Evidence, RuleRef, Verdict};

const HOUR_US: i64 = 3_600_000_000;

struct Fixture {
    _folder: TempDir,
    state: State,
    alerts: AlertStore,
    incidents: Incidents,
    context: Context,
}

/// One in which no risk is told of.
fn fixture() -> Fixture {
    fixture_with(quiet())
}

fn quiet() -> Settings {
    let fading = crate::risk::Fading { threshold: 1e9, ..Default::default() };
    Settings { fading, ..Settings::default() }
}

fn fixture_with(settings: Settings) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let alerts = AlertStore::open(state.clone()).unwrap();
    let incidents = Incidents::open(state.clone(), settings).unwrap();
    Fixture { _folder: folder, state, alerts, incidents, context: Context::default() }
}

impl Fixture {
    fn take(&self, alerts: &[Alert], now_us: i64) {
        self.state.write(|txn| AlertStore::record(txn, alerts, now_us)).unwrap();
        self.incidents.follow(&self.context, now_us).unwrap();
    }

    fn all(&self) -> Vec<Incident> {
        let mut all = self.incidents.list(&IncidentFilter::default(), None, 500).unwrap().incidents;
        all.retain(|incident| incident.verdict.as_deref() != Some("refuted"));
        all
    }

    fn members(&self, id: &str) -> Vec<String> {
        let alerts = self.incidents.alerts(id).unwrap();
        // An alert about risk rests on no event of its own.
        let name = |alert: &Alert| match alert.evidence.first() {
            Some(event) => event.event_uid.clone(),
            None => alert.id.to_string(),
        };
        alerts.iter().map(|alert| name(&alert.stored.alert)).collect()
    }

    fn changes(&self, id: &str) -> Vec<String> {
        self.incidents.history(id).unwrap().into_iter().map(|step| step.change).collect()
    }
}

fn close(verdict: Verdict, reason: &str) -> super::Step {
    super::Step::Close { verdict, reason: reason.into(), keeps_alerts: false }
}

/// An alert of `rule` with one event at an hour, about `who`, of a severity.
fn alert(event: &str, hour: i64, rule: &str, who: &str, severity_id: u8) -> Alert {
    let tag = format!("attack.{rule}");
    Alert {
        id: AlertId::new(rule, [event]),
        rule: RuleRef {
            id: rule.into(),
            title: format!("Title of {rule}"),
            level: crate::alert::severity_name(severity_id).into(),
            tags: vec![tag],
            description: "d".into(),
            response: Vec::new(),
        },
        severity_id,
        time_us: hour * HOUR_US,
        provider: "AWS".into(),
        entities: vec![
            Entity { kind: EntityKind::Actor, value: who.into(), name: None },
            Entity { kind: EntityKind::Account, value: "111122223333".into(), name: None },
        ],
        evidence: vec![Evidence {
            event_uid: event.into(),
            time_us: hour * HOUR_US,
            operation: "StopLogging".into(),
            raw: format!("{{\"eventID\":\"{event}\"}}"),
        }],
        joined: None,
    }
}

#[derive(Debug, Clone)]
enum Deed {
    /// Alerts come, in one transaction.
    Alerts(Vec<usize>),
    /// The process is killed and starts again.
    Restart,
}

/// The incidents by id, with members, title, severity: all that does not depend on when it was found.
fn board(fixture: &Fixture) -> BTreeMap<String, (Vec<String>, Assessment)> {
    let board = fixture
        .all()
        .into_iter()
        .map(|incident| (incident.id.clone(), (fixture.members(&incident.id), incident.assessment)));
    board.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Any order, any batches, any repetition, any restarts: the same incidents with the same ids.
    #[test]
    fn the_incidents_are_a_function_of_the_alerts(
        alerts in proptest::collection::vec((0_i64..120, 0_usize..4, 0_usize..4, 1_u8..=5), 1..20),
        order in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..5, any::<bool>()), 1..12),
    ) {
        let rules = ["initial-access", "persistence", "exfiltration", "impact"];
        let all: Vec<_> = alerts
            .iter()
            .enumerate()
            .map(|(n, (hour, rule, who, severity))| alert(&format!("e{n}"), *hour, rules[*rule], &format!("u{who}"), *severity))
            .collect();
        let whole = fixture_with(Settings::default());
        whole.take(&all, 1);

        let mut deeds = Vec::new();
        for (index, count, restart) in order {
            let first = index.index(all.len());
            deeds.push(Deed::Alerts((first..(first + count).min(all.len())).collect()));
            if restart {
                deeds.push(Deed::Restart);
            }
        }
        deeds.push(Deed::Alerts((0..all.len()).rev().collect()));
        let mut parts = fixture_with(Settings::default());
        for (now, deed) in deeds.into_iter().enumerate() {
            match deed {
                Deed::Alerts(places) => {
                    let some: Vec<_> = places.iter().map(|at| all[*at].clone()).collect();
                    parts.take(&some, now as i64);
                }
                Deed::Restart => parts.incidents = Incidents::open(parts.state.clone(), Settings::default()).unwrap(),
            }
        }
        prop_assert_eq!(board(&whole), board(&parts));
        // What was merged leads to what lives.
        let dead: Vec<(String, String)> = parts.state.read(|db| {
            let mut select = db.prepare("SELECT id, merged_into FROM incidents WHERE merged_into IS NOT NULL").unwrap();
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            Ok::<_, storage::Error>(rows.map(Result::unwrap).collect())
        }).unwrap();
        for (id, heir) in dead {
            prop_assert_eq!(parts.incidents.get(&id).unwrap().id, heir.clone());
            prop_assert!(board(&parts).contains_key(&heir));
        }
    }
}

#[test]
fn an_identity_found_later_joins_what_was_apart() {
    let mut fixture = fixture();
    fixture.take(&[alert("a", 0, "impact", "ana@example.com", 4), alert("b", 1, "impact", "0aaa", 4)], 1);
    assert_eq!(fixture.all().len(), 2);
    let names: HashMap<_, _> = [("0aaa".to_owned(), "ana@example.com".to_owned())].into_iter().collect();
    fixture.context.names = Arc::new(names);
    assert!(fixture.incidents.follow(&fixture.context, 2).unwrap());
    let [one] = fixture.all().try_into().unwrap();
    assert_eq!(fixture.members(&one.id), ["a", "b"]);
    // The link was wrong.
    fixture.context.names = Context::default().names;
    fixture.incidents.follow(&fixture.context, 3).unwrap();
    assert_eq!(fixture.all().len(), 2);
    assert!(!fixture.incidents.follow(&fixture.context, 4).unwrap(), "nothing has changed");
}

#[test]
fn the_tables_of_sql_have_their_columns() {
    let fixture = fixture();
    fixture.take(&[alert("a", 0, "impact", "ana", 4)], 1);
    for table in state_tables() {
        fixture
            .state
            .read(|db| {
                let mut select = db.prepare(table.sql).map_err(storage::Error::from)?;
                let names: Vec<String> = select.column_names().map(str::to_owned).collect();
                let wanted: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
                assert_eq!(names, wanted, "{}", table.name);
                assert!(select.exists([]).unwrap(), "{}", table.name);
                Ok::<_, storage::Error>(())
            })
            .unwrap();
    }
}

/// Names that are slow to say what they know of all.
#[derive(Debug)]
struct SlowAtFirst;

impl Names for SlowAtFirst {
    fn identity(&self, _: &str) -> Option<String> {
        None
    }

    fn changed_since(&self, place: Option<u64>) -> (Renamed, u64) {
        if place.is_none() {
            std::thread::sleep(SLOWNESS);
        }
        (Renamed::Names(HashSet::new()), 0)
    }
}

const SLOWNESS: Duration = Duration::from_millis(200);

/// Whoever rests by what a look took must not rest after a start by what that read.
#[test]
fn what_a_start_reads_is_no_work_of_the_first_look() {
    let mut fixture = fixture();
    fixture.context.names = Arc::new(SlowAtFirst);
    assert_eq!(fixture.incidents.worked(), Duration::ZERO);
    let began = Instant::now();
    fixture.take(&[alert("a", 0, "impact", "ana", 4)], 1);
    let took = began.elapsed();
    let worked = fixture.incidents.worked();
    assert!(worked > Duration::ZERO && took - worked >= SLOWNESS, "{worked:?} of {took:?}");
}
