//! Deliveries: order, retries, dead letters, channels that fail.

use std::time::Duration;

use alerts::{AlertFilter, AlertStatus, Change, Verdict};

use super::{alert, fixture, now_us, retry, route};
use crate::NotificationKind::{Acknowledged, Assigned, Closed, Raised, Reopened};
use crate::outbox::Outbox;
use crate::worker::Mood;
use crate::{DeliveryFilter, DeliveryState, Outcome, Route};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_alert_and_its_life_are_told_once_and_in_order() {
    let mut at = fixture(&["a", "b"], vec![route("all", &["a", "b"])]);
    let one = alert("r1", "e1");
    at.answers("a", &[Outcome::Delivered { remember: Some("ts-1".into()) }]);
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    let id = one.id.as_str();
    at.alerts.change(id, Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.alerts.change(id, Change::Close(Verdict::Benign), "dana", "a drill", now_us()).unwrap();
    at.alerts.change(id, Change::Reopen, "dana", "", now_us()).unwrap();
    at.settle().await;
    at.settle().await;
    for channel in ["a", "b"] {
        assert_eq!(at.kinds(channel), [Raised, Acknowledged, Closed, Reopened]);
    }
    let remembered: Vec<_> = at.told("a").into_iter().map(|told| told.remembered).collect();
    let kept = Some("ts-1".to_owned());
    assert_eq!(remembered, [None, kept.clone(), kept.clone(), kept]);
    let mut keys: Vec<_> = at.told("a").into_iter().chain(at.told("b")).map(|told| told.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8, "every delivery has a key of its own");
}

#[tokio::test]
async fn to_whom_an_alert_was_given_is_told_as_it_was() {
    let telling = Route { tell: vec![Assigned], ..route("all", &["a"]) };
    let mut at = fixture(&["a"], vec![telling]);
    let one = alert("r1", "e1");
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    for (change, reason) in [
        (Change::Assign("ann".into()), ""),
        (Change::Assign("bob".into()), "he knows keys"),
        (Change::Unassign, ""),
        (Change::Assign("eve".into()), ""),
    ] {
        at.advance(Duration::from_secs(1));
        at.alerts.change(one.id.as_str(), change, "dana", reason, now_us()).unwrap();
    }
    at.settle().await;
    let notes: Vec<_> = at.told("a").into_iter().map(|told| told.note).collect();
    assert_eq!(notes, ["", "ann", "bob: he knows keys", "nobody", "eve"]);
}

#[tokio::test]
async fn what_happened_before_is_not_told_and_what_happens_between_runs_is() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    at.record(&[alert("r1", "e1")]);
    // As `Notifier::open` does at the first time.
    let end = at.alerts.feed_end().unwrap();
    at.state.write(|txn| Outbox::set_position(txn, end)).unwrap();
    at.record(&[alert("r1", "e2")]);
    at.settle().await;
    assert_eq!(at.told("a").len(), 1);
    assert_eq!(at.told("a")[0].subject, alert("r1", "e2").id.as_str());
}

#[tokio::test]
async fn attempts_are_spread_over_three_days_and_then_the_delivery_is_dead() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    at.record(&[alert("r1", "e1")]);
    at.answers("a", &vec![retry(None); 10]);
    let begin = now_us();
    for step in 0..100_000 {
        at.settle().await;
        if at.outbox.queue("a").unwrap().dead > 0 {
            break;
        }
        at.advance(if step < 10 { Duration::from_secs(6) } else { 10 * MINUTE });
    }
    let told: Vec<_> =
        at.told("a").iter().filter(|told| told.kind == Raised).map(|told| told.attempt).collect();
    assert_eq!(told, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let hours = (now_us() - begin) / 3_600_000_000;
    assert!((75..=85).contains(&hours), "{hours}");
    let keys: std::collections::BTreeSet<_> = at.told("a").into_iter().map(|told| told.key).collect();
    assert_eq!(keys.len(), 1, "one key over all attempts");
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let [letter] = at.outbox.list(&dead, 10).unwrap().try_into().unwrap();
    assert_eq!((letter.attempts, letter.last_error.as_str(), letter.next_us), (10, "busy", None));
    // Sent again under its old key, and gone from the list.
    at.outbox.resend(letter.id, now_us()).unwrap();
    at.advance(HOUR);
    at.settle().await;
    assert_eq!(at.told("a").last().unwrap().key, letter.key);
    assert!(at.outbox.list(&dead, 10).unwrap().is_empty());
    assert!(at.outbox.resend(letter.id, now_us()).is_err());
}

#[tokio::test]
async fn a_thread_keeps_its_order_and_others_go_on() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    let (one, two) = (alert("r1", "e1"), alert("r1", "e2"));
    at.answers("a", &[retry(None)]);
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    at.alerts.change(one.id.as_str(), Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.record(std::slice::from_ref(&two));
    at.settle().await;
    let seen = |at: &super::Fixture| {
        at.told("a").iter().map(|told| (told.subject.clone(), told.kind)).collect::<Vec<_>>()
    };
    let (first, second) = (one.id.to_string(), two.id.to_string());
    assert_eq!(seen(&at), [(first.clone(), Raised), (second.clone(), Raised)]);
    at.advance(Duration::from_secs(6));
    at.settle().await;
    assert_eq!(seen(&at)[2..], [(first.clone(), Raised), (first, Acknowledged)]);
}

#[tokio::test]
async fn what_is_refused_is_dead_at_once_and_its_thread_goes_on() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    at.answers("a", &[Outcome::Refused { reason: "too large".into() }]);
    let one = alert("r1", "e1");
    at.record(std::slice::from_ref(&one));
    at.settle().await;
    at.alerts.change(one.id.as_str(), Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Acknowledged]);
    assert_eq!(at.outbox.queue("a").unwrap().dead, 1);
    assert_eq!(at.outbox.resend_all(Some("b"), now_us()).unwrap(), 0);
    assert_eq!(at.outbox.resend_all(None, now_us()).unwrap(), 1);
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Acknowledged, Raised]);
}

#[tokio::test]
async fn who_asks_for_a_pause_gets_it_for_the_whole_channel() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    at.answers("a", &[retry(Some(60))]);
    at.record(&[alert("r1", "e1"), alert("r1", "e2")]);
    at.settle().await;
    assert_eq!(at.told("a").len(), 1);
    at.advance(Duration::from_secs(59));
    at.settle().await;
    assert_eq!(at.told("a").len(), 1);
    at.advance(Duration::from_secs(8));
    at.settle().await;
    assert_eq!(at.told("a").len(), 3);
}

#[tokio::test]
async fn a_channel_that_is_disabled_is_told_of_by_another_and_asked_no_more() {
    let mut at = fixture(&["a", "b"], vec![route("all", &["a"])]);
    at.answers("a", &[Outcome::Disabled { reason: "the token is revoked; make another".into() }]);
    at.record(&[alert("r1", "e1"), alert("r1", "e2")]);
    at.settle().await;
    at.settle().await;
    assert_eq!(at.told("a").len(), 1, "nothing more is sent");
    let [told] = at.told("b").try_into().unwrap();
    assert_eq!(told.title, "Channel Is Failing: a");
    let queue = at.outbox.queue("a").unwrap();
    assert_eq!((queue.waiting, queue.disabled), (2, true));
    assert_eq!(queue.failing.unwrap().1, "the token is revoked; make another");
    // Later it is tried, works again, and the alert is closed.
    at.advance(31 * MINUTE);
    at.settle().await;
    at.settle().await;
    assert_eq!(at.kinds("a"), [Raised, Raised, Raised]);
    assert_eq!(at.told("a")[1].attempt, 1, "it was not the delivery's fault");
    let filter = AlertFilter { rule_id: Some("stormglass-channel-failing".into()), ..AlertFilter::default() };
    let [stored] = at.alerts.list(&filter, None, 10).unwrap().alerts.try_into().unwrap();
    assert_eq!(stored.status, AlertStatus::Closed);
    assert_eq!(at.kinds("b"), [Raised, Closed]);
    assert_eq!(at.outbox.queue("a").unwrap().failing, None);
}

#[tokio::test]
async fn a_channel_that_fails_is_told_of_and_then_takes_all_that_waits() {
    let mut at = fixture(&["a", "b"], vec![route("all", &["a", "b"])]);
    at.answers("a", &vec![retry(None); 25]);
    let many: Vec<_> = (0..20).map(|n| alert("r1", &format!("e{n}"))).collect();
    at.record(&many);
    at.settle().await;
    assert_eq!(at.told("b").len(), 20, "the other is not delayed");
    assert!(at.told("a").len() < 5, "it is asked less often");
    for _ in 0..200 {
        at.advance(Duration::from_secs(61));
        at.settle().await;
    }
    let failing: Vec<_> = at.told("b").into_iter().filter(|told| told.title.starts_with("Channel")).collect();
    assert_eq!(failing.len(), 2, "raised and closed: {failing:?}");
    let queue = at.outbox.queue("a").unwrap();
    assert_eq!((queue.waiting, queue.dead, queue.failing), (0, 0, None));
    let delivered: std::collections::BTreeSet<_> =
        at.told("a").into_iter().map(|told| told.subject).collect();
    assert_eq!(delivered.len(), 20);
}

#[tokio::test]
async fn what_waits_goes_at_once_when_the_channel_takes_another() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    // Two failures each, so that all of them wait for five minutes.
    let many: Vec<_> = (0..30).map(|n| alert("r1", &format!("e{n}"))).collect();
    at.record(&many);
    at.follow();
    at.alerts.change(many[0].id.as_str(), Change::Acknowledge, "dana", "", now_us()).unwrap();
    at.follow();
    let put_off = |at: &super::Fixture| {
        let later_us = now_us() + 300_000_000;
        at.state
            .write(|txn| {
                txn.execute(
                    "UPDATE deliveries SET attempts = 2, next_us = ?1, last_error = 'busy' WHERE kind = 'raised'",
                    [later_us],
                )?;
                Ok::<_, crate::Error>(())
            })
            .unwrap();
    };
    put_off(&at);
    at.settle().await;
    assert!(at.told("a").is_empty());
    at.record(&[alert("r2", "new")]);
    at.settle().await;
    let subjects: Vec<_> = at.told("a").into_iter().map(|told| told.subject).collect();
    assert_eq!(subjects.len(), 32, "no time has passed");
    let oldest: Vec<_> = many.iter().map(|alert| alert.id.to_string()).collect();
    let raised: Vec<_> = at.told("a")[1..].iter().filter(|told| told.kind == Raised).cloned().collect();
    assert_eq!(raised.into_iter().map(|told| told.subject).collect::<Vec<_>>(), oldest, "in their order");
    let first = oldest[0].as_str();
    let kinds: Vec<_> =
        at.told("a").into_iter().filter(|told| told.subject == first).map(|told| told.kind).collect();
    assert_eq!(kinds, [Raised, Acknowledged], "and in the order of their threads");
}

#[tokio::test]
async fn one_that_is_never_taken_is_not_tried_with_each_that_is() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    let bad = alert("r1", "bad");
    at.record(std::slice::from_ref(&bad));
    at.answers("a", &[retry(None)]);
    at.settle().await;
    at.advance(Duration::from_secs(6));
    at.answers("a", &[retry(None)]);
    at.settle().await;
    let record = |at: &super::Fixture| {
        let dead = DeliveryFilter { state: Some(DeliveryState::Waiting), ..DeliveryFilter::default() };
        at.outbox.list(&dead, 10).unwrap().pop().unwrap()
    };
    let planned_us = record(&at).next_us;
    for n in 0..50 {
        at.record(&[alert("r2", &format!("good {n}"))]);
        // The good one, the bad one where it is tried with it.
        let tried = at.told("a").iter().filter(|told| told.subject == bad.id.as_str()).count();
        let answers = [Outcome::Delivered { remember: None }, retry(None)];
        at.channels["a"].answers.lock().clear();
        at.answers("a", if n == 0 { &answers } else { &answers[..1] });
        at.settle().await;
        let now = at.told("a").iter().filter(|told| told.subject == bad.id.as_str()).count();
        assert_eq!(now - tried, usize::from(n == 0), "{n}");
        at.advance(Duration::from_secs(1));
    }
    let kept = record(&at);
    assert_eq!((kept.attempts, kept.next_us), (2, planned_us), "its turn is where it was");
    at.advance(6 * MINUTE);
    at.answers("a", &[retry(None)]);
    at.settle().await;
    let kept = record(&at);
    assert_eq!(kept.attempts, 3, "which counts");
    assert!(kept.next_us.unwrap() - now_us() >= 30 * 60 * 1_000_000);
}

#[tokio::test]
async fn some_that_are_never_taken_delay_no_fresh_one() {
    let mut at = fixture(&["a", "b"], vec![route("all", &["a"])]);
    let bad: Vec<_> = (0..4).map(|n| alert("r1", &format!("bad {n}"))).collect();
    at.channels["a"].spurned.lock().extend(bad.iter().map(|alert| alert.id.to_string()));
    at.record(&bad);
    let busy = alert("r1", "busy");
    at.settle().await;
    // Two attempts of each, so that all wait for five minutes, and so does one that comes after them.
    for _ in 0..100 {
        at.advance(Duration::from_secs(1));
        at.settle().await;
    }
    at.record(std::slice::from_ref(&busy));
    at.follow();
    let later_us = now_us() + 200_000_000;
    at.state
        .write(|txn| {
            let changed = txn.execute(
                "UPDATE deliveries SET attempts = 2, next_us = ?1 WHERE subject = ?2",
                (later_us, busy.id.as_str()),
            )?;
            assert_eq!(changed, 1);
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    let waiting = |at: &super::Fixture| {
        let filter = DeliveryFilter { state: Some(DeliveryState::Waiting), ..DeliveryFilter::default() };
        let rows = at.outbox.list(&filter, 100).unwrap();
        rows.into_iter().map(|row| (row.subject, row.attempts, row.next_us)).collect::<Vec<_>>()
    };
    let mut before = waiting(&at);
    assert_eq!(before.iter().map(|(_, attempts, _)| *attempts).collect::<Vec<_>>(), [2; 5]);
    at.channels["a"].told.lock().clear();
    for n in 0..20 {
        let good = alert("r2", &format!("good {n}"));
        at.record(std::slice::from_ref(&good));
        at.settle().await;
        let told = at.told("a");
        assert!(told.iter().any(|told| told.subject == good.id.as_str()), "{n} is late: {told:?}");
        at.advance(Duration::from_secs(1));
    }
    let tried = |subject: &str| at.told("a").iter().filter(|told| told.subject == subject).count();
    for one in &bad {
        assert_eq!(tried(one.id.as_str()), 1, "with one of those that are taken");
    }
    assert_eq!(tried(busy.id.as_str()), 1, "those that are not taken hold up none that is");
    assert_eq!(at.outbox.queue("a").unwrap().failing, None, "the channel does not fail");
    before.retain(|(subject, ..)| subject != busy.id.as_str());
    assert_eq!(waiting(&at), before, "their turns are where they were");
    assert!(at.told("b").is_empty(), "{:?}", at.told("b"));
}

#[tokio::test]
async fn what_was_called_goes_after_what_has_its_own_turn_and_not_all_at_once() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    let old: Vec<_> = (0..30).map(|n| alert("r1", &format!("old {n}"))).collect();
    at.record(&old);
    at.follow();
    let later_us = now_us() + 300_000_000;
    at.state
        .write(|txn| {
            txn.execute("UPDATE deliveries SET attempts = 2, next_us = ?1", [later_us])?;
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    let due = |at: &super::Fixture| {
        let filter = DeliveryFilter { state: Some(DeliveryState::Waiting), ..DeliveryFilter::default() };
        let rows = at.outbox.list(&filter, 100).unwrap();
        rows.iter().filter(|row| row.next_us.unwrap() <= now_us()).count()
    };
    for _ in 0..3 {
        at.outbox.bring_forward("a", now_us()).unwrap();
        assert_eq!(due(&at), 10);
    }
    at.advance(Duration::from_secs(1));
    let fresh = alert("r2", "fresh");
    at.record(std::slice::from_ref(&fresh));
    at.follow();
    at.workers.get_mut("a").unwrap().step().await.unwrap();
    assert_eq!(at.told("a")[0].subject, fresh.id.as_str());
    assert_eq!(due(&at), 10);
    // The first of them is not taken: nothing more is tried until another is.
    at.answers("a", &[retry(None)]);
    at.settle().await;
    assert_eq!((at.told("a").len(), due(&at)), (2, 0));
    at.record(&[alert("r2", "another")]);
    at.settle().await;
    assert_eq!(at.told("a").len(), 3 + 29, "all but the one that was not taken");
}

/// A channel that is back, and takes no more than so many at once, gets all that waits without another success.
#[tokio::test]
async fn who_asks_for_a_pause_takes_what_was_called_after_it() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    let old: Vec<_> = (0..6).map(|n| alert("r1", &format!("old {n}"))).collect();
    at.record(&old);
    at.follow();
    let later_us = now_us() + 3_600_000_000;
    at.state
        .write(|txn| {
            txn.execute("UPDATE deliveries SET attempts = 2, next_us = ?1", [later_us])?;
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    at.record(&[alert("r2", "fresh")]);
    let taken = || Outcome::Delivered { remember: None };
    at.answers("a", &[taken(), taken(), retry(Some(1))]);
    at.settle().await;
    assert_eq!(at.told("a").len(), 3, "the fresh one, one that was called, and one that is to wait");
    at.advance(Duration::from_secs(2));
    at.settle().await;
    let told: std::collections::BTreeSet<_> = at.told("a").into_iter().map(|told| told.subject).collect();
    assert_eq!((told.len(), at.outbox.queue("a").unwrap().waiting), (7, 1), "one keeps its turn");
}

#[tokio::test]
async fn a_damaged_row_and_a_panic_spoil_one_delivery() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    at.record(&[alert("r1", "e1"), alert("r1", "e2")]);
    at.follow();
    at.state
        .write(|txn| {
            txn.execute("UPDATE deliveries SET notification = '{}' WHERE id = 1", [])?;
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    at.settle().await;
    assert_eq!(at.told("a").len(), 1);
    assert_eq!(at.outbox.queue("a").unwrap().dead, 1);
}

#[tokio::test]
async fn the_outbox_keeps_its_bounds() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    at.answers("a", &[Outcome::Delivered { remember: Some("x".into()) }]);
    at.record(&[alert("r1", "e1")]);
    at.settle().await;
    at.answers("a", &[retry(Some(3600))]);
    at.record(&[alert("r1", "e2"), alert("r1", "e3"), alert("r1", "e4")]);
    at.settle().await;
    let count = |at: &super::Fixture| {
        at.outbox
            .list(&DeliveryFilter::default(), 100)
            .unwrap()
            .iter()
            .map(|row| row.state)
            .collect::<Vec<_>>()
    };
    use DeliveryState::{Dead, Delivered, Waiting};
    assert_eq!(count(&at), [Waiting, Waiting, Waiting, Delivered]);
    assert_eq!(at.outbox.bury_beyond("a", 2, now_us()).unwrap(), 1);
    assert_eq!(count(&at), [Waiting, Waiting, Dead, Delivered]);
    assert_eq!(at.outbox.keep_newest(1).unwrap(), 1);
    assert_eq!(count(&at), [Waiting, Waiting, Dead]);
    at.advance(HOUR);
    at.outbox.forget(now_us() - 1, now_us()).unwrap();
    assert_eq!(count(&at), [Dead, Dead], "what waited too long is dead, and what was dead is gone");
    let threads: u32 = at
        .state
        .read(|db| Ok::<_, crate::Error>(db.query_row("SELECT count(*) FROM threads", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(threads, 0);
}

#[tokio::test]
async fn sql_sees_the_columns_that_are_described() {
    let mut at = fixture(&["a"], vec![route("all", &["a"])]);
    at.record(&[alert("r1", "e1")]);
    at.settle().await;
    at.state
        .read(|db| {
            for table in crate::state_tables() {
                let select = db.prepare(table.sql)?;
                let names: Vec<String> = select.column_names().map(str::to_owned).collect();
                let described: Vec<_> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
                assert_eq!(names, described);
            }
            let [deliveries, _] = crate::state_tables();
            let state: String = db.prepare(deliveries.sql)?.query_row([], |row| row.get("state"))?;
            assert_eq!(state, "delivered");
            Ok::<_, crate::Error>(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_restart_does_not_begin_the_minutes_until_a_failing_channel_is_told_of_anew() {
    let mut at = fixture(&["a", "b"], vec![route("all", &["a"])]);
    at.answers("a", &vec![retry(None); 400]);
    let many: Vec<_> = (0..20).map(|n| alert("r1", &format!("e{n}"))).collect();
    at.record(&many);
    // Four minutes and a half in three lives.
    for _ in 0..3 {
        at.workers.values_mut().for_each(|worker| worker.mood = Mood::default());
        for _ in 0..6 {
            at.settle().await;
            at.advance(Duration::from_secs(15));
        }
    }
    assert!(at.told("b").is_empty(), "not yet: {:?}", at.told("b"));
    for _ in 0..16 {
        at.workers.values_mut().for_each(|worker| worker.mood = Mood::default());
        at.settle().await;
        at.advance(Duration::from_secs(15));
    }
    assert!(at.told("b").iter().any(|told| told.title.starts_with("Channel")), "{:?}", at.told("b"));
}
