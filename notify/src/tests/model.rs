//! Whatever channels answer and whenever the server stops: each notification that is not refused is delivered
//! once, and those of an alert come in their order.

use std::collections::BTreeMap;
use std::time::Duration;

use alerts::{AlertStatus, Change, Verdict};
use proptest::prelude::*;

use super::{Fixture, alert, fixture, now_us, retry, route};
use crate::worker::Mood;
use crate::{NotificationKind, Outcome, Route};

#[derive(Debug, Clone)]
enum Step {
    Raise(u8),
    Acknowledge(u8),
    Close(u8),
    Reopen(u8),
    Advance(u32),
    Answer(bool, Outcome),
    Settle,
    /// What is in memory is lost.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        3 => Just(retry(None)),
        1 => (1_u64..100).prop_map(|seconds| retry(Some(seconds))),
        1 => Just(Outcome::Refused { reason: "no".into() }),
        1 => Just(Outcome::Disabled { reason: "gone".into() }),
        2 => Just(Outcome::Delivered { remember: Some("ts".into()) }),
    ];
    let step = prop_oneof![
        4 => (0_u8..6).prop_map(Step::Raise),
        2 => (0_u8..6).prop_map(Step::Acknowledge),
        2 => (0_u8..6).prop_map(Step::Close),
        1 => (0_u8..6).prop_map(Step::Reopen),
        2 => (1_u32..4000).prop_map(Step::Advance),
        4 => (any::<bool>(), outcome).prop_map(|(first, outcome)| Step::Answer(first, outcome)),
        5 => Just(Step::Settle),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

async fn run(at: &mut Fixture, steps: &[Step]) {
    let id = |n: u8| alert("r1", &n.to_string()).id.to_string();
    // A change that the alert's state does not allow changes nothing.
    let change =
        |at: &Fixture, n: u8, change| drop(at.alerts.change(&id(n), change, "dana", "why", now_us()));
    for step in steps {
        match step {
            Step::Raise(n) => at.record(&[alert("r1", &n.to_string())]),
            Step::Acknowledge(n) => change(at, *n, Change::Acknowledge),
            Step::Close(n) => change(at, *n, Change::Close(Verdict::Benign)),
            Step::Reopen(n) => change(at, *n, Change::Reopen),
            Step::Advance(seconds) => at.advance(Duration::from_secs(u64::from(*seconds))),
            Step::Answer(first, outcome) => {
                at.answers(if *first { "a" } else { "b" }, std::slice::from_ref(outcome));
            }
            Step::Settle => at.settle().await,
            Step::Restart => {
                at.outbox.probe_all().unwrap();
                for worker in at.workers.values_mut() {
                    worker.mood = Mood::default();
                }
            }
        }
    }
    for channel in at.channels.values() {
        channel.answers.lock().clear();
    }
    for _ in 0..4 {
        at.settle().await;
        at.advance(Duration::from_secs(25 * 3600));
    }
    at.settle().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn each_notification_is_delivered_once_and_in_order(steps in steps()) {
        let all = Route { tell: vec![
            NotificationKind::Acknowledged, NotificationKind::Closed, NotificationKind::Reopened,
        ], ..route("all", &["a", "b"]) };
        let mut at = fixture(&["a", "b"], vec![all]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(&mut at, &steps));
        let mut history: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in at.alerts.feed(0, 10_000).unwrap() {
            history.entry(entry.alert_id).or_default().push(entry.change);
        }
        for channel in ["a", "b"] {
            let queue = at.outbox.queue(channel).unwrap();
            prop_assert_eq!((queue.waiting, &queue.failing), (0, &None));
            let taken = at.channels[channel].taken.lock().clone();
            let refused = at.channels[channel].refused.lock().clone();
            for (subject, changes) in &history {
                let about = |list: &[super::Told]| list.iter().filter(|told| told.subject == *subject).cloned().collect::<Vec<_>>();
                let (taken, refused) = (about(&taken), about(&refused));
                let failing = taken.iter().chain(&refused).any(|told| told.title.starts_with("Channel"));
                let keys: std::collections::BTreeSet<_> = taken.iter().chain(&refused).map(|told| &told.key).collect();
                prop_assert_eq!(keys.len(), taken.len() + refused.len(), "each once");
                // That a channel fails is not told by itself.
                if failing || taken.is_empty() && refused.is_empty() {
                    let stored = at.alerts.get(subject).unwrap().0;
                    prop_assert!(stored.alert.rule.id == crate::trouble::RULE, "{} is not told", subject);
                    prop_assert_eq!(stored.status, AlertStatus::Closed);
                    continue;
                }
                // What was refused is missing, and nothing else is.
                let mut all: Vec<_> = taken.iter().chain(&refused).map(|told| told.kind.as_str().to_owned()).collect();
                let mut expected = changes.clone();
                all.sort();
                expected.sort();
                prop_assert_eq!(&all, &expected, "{} by {}", subject, channel);
                let mut rest = changes.iter();
                for told in &taken {
                    prop_assert!(rest.any(|change| change == told.kind.as_str()), "the order of {:?}", taken);
                }
            }
        }
    }
}
