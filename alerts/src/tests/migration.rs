//! A database of an earlier version.

use storage::state::State;

use crate::schema::MIGRATIONS;
use crate::{AlertStatus, AlertStore, Change, Verdict};

/// What the first three steps made, with alerts in every state that there was.
const OLD: &str = "
INSERT INTO alerts (id, rule_id, title, level, tags, description, severity_id, severity, status, verdict, reason,
    time_us, created_us, updated_us, provider, entities, evidence) VALUES
    ('a', 'r1', 't', 'high', '[]', '', 4, 'high', 'new', NULL, NULL, 1, 10, 10, 'AWS', '[]', '[]'),
    ('b', 'r1', 't', 'high', '[]', '', 4, 'high', 'acknowledged', NULL, NULL, 2, 10, 20, 'AWS', '[]', '[]'),
    ('c', 'r1', 't', 'high', '[]', '', 4, 'high', 'closed', 'benign', 'why', 3, 10, 40, 'AWS', '[]', '[]'),
    ('d', 'r1', 't', 'high', '[]', '', 4, 'high', 'closed', 'refuted', 'late', 4, 10, 50, 'AWS', '[]', '[]');
INSERT INTO alert_changes (alert_id, at_us, by, change, verdict, reason) VALUES
    ('b', 20, 'ann', 'acknowledged', NULL, ''),
    ('c', 20, 'ann', 'closed', 'benign', 'x'),
    ('c', 30, 'ann', 'reopened', NULL, ''),
    ('c', 40, 'ben', 'closed', 'benign', 'why'),
    ('d', 50, 'stormglass', 'refuted', 'refuted', 'late');
";

#[test]
fn alerts_of_an_earlier_version_keep_their_lives() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    state.migrate("alerts", &MIGRATIONS[..3]).unwrap();
    state.write(|txn| txn.execute_batch(OLD).map_err(storage::Error::from)).unwrap();
    let store = AlertStore::open(state).unwrap();
    let times = |id: &str| {
        let stored = store.get(id).unwrap().0;
        (stored.status, stored.acknowledged_us, stored.closed_us, stored.revision)
    };
    assert_eq!(times("a"), (AlertStatus::New, None, None, 1));
    assert_eq!(times("b"), (AlertStatus::Acknowledged, Some(20), None, 1));
    assert_eq!(times("c"), (AlertStatus::Closed, Some(20), Some(40), 1));
    assert_eq!(times("d"), (AlertStatus::Closed, None, Some(50), 1), "nobody took it up");
    assert_eq!(store.get("c").unwrap().1.last().unwrap().field.as_deref(), Some("status"));
    assert_eq!(store.feed(0, 100).unwrap().len(), 9);
    store.change("a", Change::Close(Verdict::Benign), "ann", "why", 60).unwrap();
    assert_eq!(times("a"), (AlertStatus::Closed, Some(60), Some(60), 2));
    assert_eq!(store.noise(0).unwrap()[0].close_us, Some(40), "of 30 and 50");
}
