//! Rules by what they cost.

use super::{alert, fixture};
use crate::silence::{Matcher, SilenceSpec};
use crate::{AlertStore, Change, Verdict};

#[test]
fn rules_come_by_attention_for_least_truth() {
    let at = fixture();
    let spec = SilenceSpec {
        matchers: vec![Matcher::read("rule", &["hidden".into()]).unwrap()],
        starts_us: 0,
        ends_us: 10_000,
        schedule: None,
        owner: "ann".into(),
        reason: "known".into(),
        is_of_all: false,
    };
    at.store.add_silence(&spec, "ann", 0).unwrap();
    let mut ids = std::collections::HashMap::new();
    for (rule, count) in [("good", 6), ("bad", 4), ("quiet", 1), ("hidden", 9)] {
        let alerts: Vec<_> = (0..count).map(|n| alert(rule, &format!("e{n}"), 5)).collect();
        at.record(&alerts);
        ids.insert(rule, alerts.into_iter().map(|alert| alert.id).collect::<Vec<_>>());
    }
    at.record_at(&[alert("old", "e", 5)], 10);
    let change = |rule: &str, n: usize, change: Change, now_us: i64| {
        at.store.change(ids[rule][n].as_str(), change, "ann", "why", now_us).unwrap();
    };
    let close = Change::Close;
    change("good", 0, Change::Acknowledge, 1010);
    change("good", 1, Change::Start, 1020);
    change("good", 2, close(Verdict::TruePositive), 1040);
    change("good", 3, close(Verdict::TruePositive), 1100);
    change("good", 0, close(Verdict::Benign), 1300);
    change("bad", 0, close(Verdict::FalsePositive), 1002);
    change("bad", 1, Change::Duplicate(ids["bad"][0].to_string()), 1004);
    at.state.write(|txn| AlertStore::refute(txn, &ids["bad"][2], "late", 9000)).unwrap();

    let noise = at.store.noise(1000).unwrap();
    let order: Vec<_> = noise.iter().map(|rule| rule.rule_id.as_str()).collect();
    assert_eq!(order, ["bad", "good", "quiet", "hidden"], "the old one is not asked for");
    let [bad, good, quiet, hidden] = noise.try_into().unwrap();
    assert_eq!((bad.alerts, bad.open, bad.false_positive, bad.duplicate, bad.refuted), (4, 1, 1, 1, 1));
    assert_eq!((bad.acknowledge_us, bad.close_us), (Some(3), Some(3)), "without what Stormglass closed");
    assert_eq!((good.alerts, good.open, good.true_positive, good.benign), (6, 3, 2, 1));
    // 10, 20, 40, 100 and 40, 100, 300.
    assert_eq!((good.acknowledge_us, good.close_us), (Some(30), Some(100)));
    assert_eq!((quiet.open, quiet.acknowledge_us, quiet.close_us), (1, None, None));
    assert_eq!((hidden.alerts, hidden.suppressed, hidden.open, hidden.shown()), (9, 9, 0, 0));
    assert_eq!(hidden.title, "Title of hidden");
}
