//! The store of alerts over a real state database.

mod bulk;
mod feed;
mod groups;
mod heirs;
mod hunted;
mod life;
mod list;
mod migration;
mod noise;
mod record;
mod silences;
mod sql;
mod trim;
mod versions;

use storage::state::State;
use tempfile::TempDir;

use crate::{Alert, AlertId, AlertStore, Entity, EntityKind, Evidence, Joined, RuleRef};

/// A database in a folder of its own.
struct Fixture {
    _folder: TempDir,
    state: State,
    store: AlertStore,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let store = AlertStore::open(state.clone()).unwrap();
    Fixture { _folder: folder, state, store }
}

impl Fixture {
    /// Records alerts at the time 1000; how many are new.
    fn record(&self, alerts: &[Alert]) -> usize {
        self.record_at(alerts, 1000)
    }

    fn record_at(&self, alerts: &[Alert], now_us: i64) -> usize {
        self.state.write(|txn| AlertStore::record(txn, alerts, now_us)).unwrap()
    }
}

/// The alert of rule `rule` for one event, which happened at `time_us`.
fn alert(rule: &str, event: &str, time_us: i64) -> Alert {
    Alert {
        id: AlertId::new(rule, [event]),
        rule: RuleRef {
            id: rule.into(),
            title: format!("Title of {rule}"),
            level: "high".into(),
            tags: vec!["attack.t1562.008".into()],
            description: "Somebody stopped a trail.".into(),
            response: vec!["Ask the actor.".into()],
        },
        severity_id: 4,
        time_us,
        provider: "AWS".into(),
        entities: vec![
            Entity { kind: EntityKind::Actor, value: "dana".into(), name: None },
            Entity { kind: EntityKind::Account, value: "111122223333".into(), name: None },
            Entity { kind: EntityKind::Address, value: "192.0.2.7".into(), name: None },
        ],
        evidence: vec![Evidence {
            event_uid: event.into(),
            time_us,
            operation: "StopLogging".into(),
            raw: format!("{{\"eventID\":\"{event}\",\"odd\":\"'); DROP TABLE alerts; --\\u0000\u{202e}\"}}"),
        }],
        joined: Some(Joined {
            by: vec![("actor".into(), "dana".into())],
            why: "1 event".into(),
            begin_us: time_us,
            events: 1,
        }),
    }
}
