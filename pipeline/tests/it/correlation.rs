//! Correlations in the stream: the same alerts whatever the order, the repetitions, the restarts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use alerts::{AlertFilter, AlertStatus, StoredAlert, Verdict};
use event::RawBatch;
use normalize::Normalizer;
use pipeline::{IdentityConfig, Rehearsal};
use rules::{CorrelatorLimits, RuleSet, RuleSource};
use storage::log::LogConfig;

use crate::records::batch_of;
use crate::running::{Running, Settings};

/// Rules of three calls, and correlations of every kind that does not look at the clock, by user.
fn rules() -> Arc<RuleSet> {
    rules_within("20m")
}

/// The same with another time span.
fn rules_within(timespan: &str) -> Arc<RuleSet> {
    let mut text = String::new();
    for (name, level) in [("GetSecretValue", "informational"), ("StopLogging", "high"), ("CreateUser", "low")]
    {
        text += &format!(
            "title: {name} was called\nid: {name}\nname: {name}\nlevel: {level}\n\
             logsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{selection: {{eventName: {name}}}, condition: selection}}\n---\n"
        );
    }
    for (id, body) in [
        ("count", "type: event_count, rules: [GetSecretValue], condition: {gte: 3}"),
        ("spread", "type: value_count, rules: [GetSecretValue], condition: {field: awsRegion, gte: 2}"),
        ("order", "type: temporal_ordered, rules: [GetSecretValue, StopLogging, CreateUser]"),
        (
            "stages",
            "type: temporal_ordered, rules: [GetSecretValue, CreateUser], x-counts: {GetSecretValue: 2}",
        ),
        (
            "any",
            "type: temporal, rules: [StopLogging, CreateUser], condition: StopLogging and not CreateUser",
        ),
        ("absent", "type: x-absence, rules: [StopLogging, CreateUser]"),
    ] {
        text += &format!(
            "title: {id}\nid: {id}\nname: {id}\nlevel: high\n\
             correlation: {{{body}, group-by: [actor], timespan: {timespan}, generate: true}}\n---\n"
        );
    }
    text += "title: above\nid: above\nlevel: critical\n\
             correlation: {type: temporal, rules: [count, order], group-by: [actor], timespan: 2h, generate: true}\n";
    let loaded = rules::load(&[RuleSource { path: "t.yml".into(), text }]);
    let errors: Vec<_> =
        loaded.diagnostics.iter().filter(|found| found.level == event::Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(loaded.rules.correlations().len(), 7);
    Arc::new(loaded.rules)
}

/// A call by `user` in `minute` of the day.
fn call(id: usize, user: usize, minute: usize, name: &str, region: &str) -> String {
    let time = format!("2026-03-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","principalId":"AIDA{user}","arn":"arn:aws:iam::111122223333:user/u{user}","userName":"u{user}","accountId":"111122223333"}},"eventTime":"{time}","eventSource":"x.amazonaws.com","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"{id}","requestID":"r{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// Calls of a day, drawn from a seed: some users, some names, some regions.
fn calls(count: usize, seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    (0..count)
        .map(|id| {
            let name = ["GetSecretValue", "GetSecretValue", "StopLogging", "CreateUser", "DescribeTrails"]
                [random.below(5)];
            let region = ["eu-central-1", "us-east-1"][random.below(2)];
            call(id, random.below(6), random.below(1440), name, region)
        })
        .collect()
}

/// xorshift64*, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn settings() -> Settings {
    let mut settings = Settings::committing();
    settings.rules = rules();
    settings.pipeline.group_bytes = 8 << 10;
    // Nothing is waited for: every source is idle, and the day of the events is long over.
    settings.pipeline.correlation.idle = Duration::ZERO;
    settings.pipeline.correlation.delay = Duration::ZERO;
    settings.now_us = || crate::records::RECEIVED_US + 7 * crate::records::DAY_US;
    settings
}

/// The rule and the events of each alert that stands, by id.
type Board = BTreeMap<String, (String, Vec<String>)>;

fn board(alerts: impl IntoIterator<Item = alerts::Alert>) -> Board {
    let entry = |alert: alerts::Alert| {
        let events = alert.evidence.iter().map(|event| event.event_uid.clone()).collect();
        (alert.id.to_string(), (alert.rule.id, events))
    };
    alerts.into_iter().map(entry).collect()
}

/// What a rehearsal says of the records.
fn expected(records: &[String]) -> Board {
    let mut rehearsal =
        Rehearsal::new(rules(), CorrelatorLimits::default(), IdentityConfig::default(), usize::MAX);
    let batch: RawBatch = batch_of("cli", records, crate::records::RECEIVED_US);
    rehearsal.observe(&Normalizer::new().map(&batch, 0).events);
    board(rehearsal.finish().alerts)
}

fn all(running: &Running) -> Vec<StoredAlert> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = running.alerts.list(&AlertFilter::default(), cursor.as_ref(), 1000).unwrap();
        all.extend(page.alerts);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

/// The alerts that stand: those that late events refuted do not.
fn standing(running: &Running) -> Board {
    let stands = |stored: &StoredAlert| stored.verdict != Some(Verdict::Refuted);
    board(all(running).into_iter().filter(stands).map(|stored| stored.alert))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_grows_with_its_events_also_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let secret = |id, minute| call(id, 1, minute, "GetSecretValue", "us-east-1");
    let running = Running::open(data.path(), &settings()).await;
    running.take(&[batch_of("a", &[secret(0, 600), secret(1, 601)], 5)]).await;
    assert_eq!(all(&running).len(), 0);
    running.take(&[batch_of("b", &[secret(2, 615)], 5)]).await;
    let raised = all(&running);
    assert_eq!(raised.len(), 1);
    assert_eq!((raised[0].version, raised[0].alert.evidence.len()), (1, 3));
    assert!(raised[0].alert.evidence.iter().all(|event| event.raw.contains("GetSecretValue")));
    let joined = raised[0].alert.joined.clone().unwrap();
    assert_eq!((joined.why.as_str(), joined.events), ("3 events", 3));
    assert_eq!(joined.by[0].0, "actor");
    running.close().await;

    let running = Running::open(data.path(), &settings()).await;
    let id = raised[0].alert.id.to_string();
    running.alerts.change(&id, alerts::Change::Acknowledge, "dana", "", 1).unwrap();
    running.take(&[batch_of("a", &[secret(3, 618), secret(2, 615)], 6)]).await;
    let (grown, history) = running.alerts.get(&id).unwrap();
    assert_eq!((grown.version, grown.alert.evidence.len()), (2, 4));
    assert_eq!(grown.status, AlertStatus::Acknowledged, "who works on it keeps it");
    let steps: Vec<_> = history.iter().map(|step| (step.change.as_str(), step.by.as_str())).collect();
    assert_eq!(steps, [("acknowledged", "dana"), ("amended", "stormglass")]);
    // An event from before makes it another episode, which begins earlier: the same alert, in a later version.
    running.take(&[batch_of("a", &[secret(4, 590)], 7)]).await;
    assert_eq!(
        standing(&running),
        expected(&[0, 1, 2, 3, 4].map(|id| secret(id, [600, 601, 615, 618, 590][id])))
    );
    let (old, _) = running.alerts.get(&id).unwrap();
    assert_eq!((old.status, old.verdict), (AlertStatus::Closed, Some(Verdict::Refuted)));
    let new = old.duplicate_of.unwrap();
    assert_eq!(old.reason, Some(format!("it goes on as alert {new}")));
    let (new, history) = running.alerts.get(&new).unwrap();
    assert_eq!((new.status, new.version), (AlertStatus::Acknowledged, 3), "who works on it keeps it");
    let versions = running.alerts.versions(new.alert.id.as_str()).unwrap();
    assert_eq!(versions.iter().map(|version| version.events).collect::<Vec<_>>(), [3, 4]);
    assert!(
        history.last().unwrap().reason.contains(&format!("alert {id} goes on as this one")),
        "{history:?}"
    );
    running.close().await;
}

/// Three episodes of one person, and one of another, are bridged by what comes late: each key has its own heirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn episodes_that_are_bridged_go_on_as_one() {
    let data = tempfile::tempdir().unwrap();
    let secret = |id, user, minute| call(id, user, minute, "GetSecretValue", "us-east-1");
    let running = Running::open(data.path(), &settings()).await;
    let mut sent = Vec::new();
    // Three calls within twenty minutes each, and forty minutes between them.
    for (episode, begin) in [600, 660, 720].into_iter().enumerate() {
        for n in 0..3 {
            sent.push(secret(sent.len(), 1, begin + 5 * n));
            sent.push(secret(sent.len(), 2, begin + 5 * n + usize::from(episode == 2)));
        }
    }
    running.take(&[batch_of("a", &sent, 5)]).await;
    let of = |user: &str| {
        let mut of: Vec<_> = all(&running);
        of.retain(|one| {
            one.alert.rule.id == "count"
                && one.verdict != Some(Verdict::Refuted)
                && one.alert.joined.as_ref().unwrap().by[0].1.contains(user)
        });
        of.sort_by_key(|one| one.alert.joined.as_ref().unwrap().begin_us);
        of
    };
    let (first, second) = (of("u1"), of("u2"));
    assert_eq!((first.len(), second.len()), (3, 3));
    let id = |one: &StoredAlert| one.alert.id.to_string();
    let change = |one: &StoredAlert, change| {
        running.alerts.change(&id(one), change, "dana", "seen", 1).unwrap();
    };
    change(&first[1], alerts::Change::Acknowledge);
    // All of the gaps of the one are filled at once, and before the first as well; of the other only one gap is.
    let mut late: Vec<_> = (595..720).step_by(7).map(|minute| secret(1000 + minute, 1, minute)).collect();
    late.extend((617..660).step_by(7).map(|minute| secret(3000 + minute, 2, minute)));
    running.take(&[batch_of("b", &late, 6)]).await;
    sent.extend(late);
    assert_eq!(standing(&running), expected(&sent));
    let (of_first, of_second) = (of("u1"), of("u2"));
    let [one] = of_first.as_slice() else { panic!("{of_first:?}") };
    assert_eq!(one.status, AlertStatus::Acknowledged, "who works on it keeps it");
    assert_eq!(one.owner, running.alerts.get(&id(&first[1])).unwrap().0.owner);
    for old in first.iter().filter(|old| id(old) != id(one)) {
        let (old, history) = running.alerts.get(&id(old)).unwrap();
        assert_eq!(old.status, AlertStatus::Closed);
        assert_eq!(old.duplicate_of.as_deref(), Some(id(one).as_str()));
        assert!(history.last().unwrap().reason.contains(&id(one)), "{history:?}");
    }
    assert_eq!(of_second.len(), 2, "what is apart stays apart");
    assert!(of_second.iter().all(|one| one.status == AlertStatus::New));
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_and_repetition_gives_the_same_alerts() {
    let records = calls(700, 7);
    let expected = expected(&records);
    let kinds: std::collections::BTreeSet<_> = expected.values().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(kinds.len(), 9, "every rule raises something: {kinds:?}");
    for seed in 1..=3 {
        let mut random = Random(seed);
        let mut sent = records.clone();
        sent.extend(records.iter().step_by(3).cloned());
        random.shuffle(&mut sent);
        let data = tempfile::tempdir().unwrap();
        let mut running = Running::open(data.path(), &settings()).await;
        for (at, part) in sent.chunks(20 + random.below(40)).enumerate() {
            running.take(&[batch_of(["a", "b", "c"][at % 3], part, 5)]).await;
            if random.below(4) == 0 {
                running.close().await;
                running = Running::open(data.path(), &settings()).await;
            }
        }
        let found = standing(&running);
        let differs: Vec<_> = found
            .iter()
            .filter(|(id, alert)| expected.get(*id) != Some(alert))
            .chain(expected.iter().filter(|(id, _)| !found.contains_key(*id)))
            .collect();
        assert!(differs.is_empty(), "seed {seed}: {differs:?}");
        running.close().await;
    }
}

#[test]
fn drops_at_any_moment_lose_and_double_no_alert() {
    let records = calls(2000, 11);
    let expected = expected(&records);
    let data = tempfile::tempdir().unwrap();
    let mut random = Random(3);
    let mut sent = records.clone();
    random.shuffle(&mut sent);
    let mut next = 0;
    while next < sent.len() {
        // So that every life ends in the middle of the work, however fast the machine is.
        let until = (next + 30 + random.below(300)).min(sent.len());
        next = live(data.path(), &sent[..until], next, Duration::from_millis(5 + random.below(60) as u64));
    }
    runtime().block_on(async {
        let running = Running::open(data.path(), &settings()).await;
        running.caught_up().await;
        assert_eq!(standing(&running), expected);
        running.close().await;
    });
}

/// One life of the process: sends from `next` on, each batch until it is acknowledged, and is dropped where
/// it stands, soon after at the latest. Returns what comes next.
fn live(data: &Path, sent: &[String], mut next: usize, for_how_long: Duration) -> usize {
    let runtime = runtime();
    runtime.block_on(async {
        let mut settings = settings();
        settings.log = LogConfig { segment_bytes: 16 << 10, max_bytes: 4 << 20, queue_bytes: 1 << 20 };
        let running = Running::open(data, &settings).await;
        let sending = async {
            while next < sent.len() {
                let until = (next + 17).min(sent.len());
                running.pipeline.accept(&batch_of("cli", &sent[next..until], 5)).await.unwrap();
                next = until;
            }
        };
        // Whether all was sent or time was up: it ends here.
        drop(tokio::time::timeout(for_how_long, sending).await);
        assert_eq!(running.pipeline.health().failure(), None);
    });
    drop(runtime);
    next
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A call for a secret, received when all is long over.
fn secrets(calls: &[(usize, usize, usize)]) -> RawBatch {
    let records: Vec<_> = calls
        .iter()
        .map(|(id, user, minute)| call(*id, *user, *minute, "GetSecretValue", "us-east-1"))
        .collect();
    batch_of("cli", &records, crate::records::RECEIVED_US + crate::records::DAY_US)
}

/// Settings with little room, in which nothing late is waited for.
fn crowded(key_events: usize, rule_events: usize) -> Settings {
    let mut settings = settings();
    settings.pipeline.correlation.lateness = Duration::ZERO;
    settings.pipeline.correlation.limits =
        CorrelatorLimits { group_hits: key_events, correlation_hits: rule_events, hits: 10_000 };
    // Time passes, so that one shortage is told from the next.
    settings.now_us = || {
        static TICKS: AtomicI64 = AtomicI64::new(0);
        crate::records::RECEIVED_US + 7 * crate::records::DAY_US + TICKS.fetch_add(1, Ordering::Relaxed)
    };
    settings
}

/// Alerts of a rule, the oldest first.
fn of_rule(running: &Running, rule: &str) -> Vec<StoredAlert> {
    let filter = AlertFilter { rule_id: Some(rule.into()), ..AlertFilter::default() };
    let mut found = running.alerts.list(&filter, None, 1000).unwrap().alerts;
    found.sort_by_key(|stored| stored.created_us);
    found
}

const NO_ROOM: &str = "stormglass-correlation-full";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_window_reaches_takes_no_room() {
    for batches in [1, 63] {
        let data = tempfile::tempdir().unwrap();
        let running = Running::open(data.path(), &crowded(14, 40)).await;
        // Sixty, so far apart that nothing comes of them, and then three at once.
        let slow = (0..60).map(|id| (id, 1, id * 15));
        let calls: Vec<_> = slow.chain((60..63).map(|id| (id, 1, 1000 + id % 3))).collect();
        for part in calls.chunks(calls.len() / batches) {
            running.take(&[secrets(part)]).await;
        }
        let found = of_rule(&running, "count");
        assert_eq!(found.iter().map(|stored| stored.alert.evidence.len()).collect::<Vec<_>>(), [3]);
        assert_eq!(of_rule(&running, NO_ROOM), []);
        running.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bound_that_is_met_has_one_alert_which_ends_with_it() {
    let data = tempfile::tempdir().unwrap();
    let settings = crowded(10, 24);
    let mut running = Running::open(data.path(), &settings).await;
    // The bounds that `count` has met: how many events are told to be missing, and whether the alert is closed.
    let told = |running: &Running| -> BTreeMap<String, (u64, bool)> {
        let mut told = BTreeMap::new();
        for stored in of_rule(running, NO_ROOM) {
            let joined = stored.alert.joined.unwrap();
            if joined.by[0].1 == "count" {
                let before = told
                    .insert(joined.by[1].1.clone(), (joined.events, stored.status == AlertStatus::Closed));
                assert_eq!(before, None, "two for one bound");
            }
        }
        told
    };
    let is = |bounds: &[(&str, u64, bool)]| -> BTreeMap<String, (u64, bool)> {
        bounds.iter().map(|(bound, events, closed)| ((*bound).to_owned(), (*events, *closed))).collect()
    };
    running.take(&[secrets(&(0..11).map(|id| (id, 1, 600)).collect::<Vec<_>>())]).await;
    assert_eq!(told(&running), is(&[("key_events", 1, false)]));
    // Another key, then the whole correlation.
    running.take(&[secrets(&(20..32).map(|id| (id, 2, 600)).collect::<Vec<_>>())]).await;
    assert_eq!(told(&running), is(&[("key_events", 3, false)]));
    running.close().await;
    running = Running::open(data.path(), &settings).await;
    running.take(&[secrets(&(40..52).map(|id| (id, 3, 601)).collect::<Vec<_>>())]).await;
    assert_eq!(told(&running), is(&[("key_events", 3, false), ("rule_events", 8, false)]));
    let no_room = of_rule(&running, NO_ROOM);
    let of_keys = no_room.iter().find(|stored| stored.alert.joined.as_ref().unwrap().by[1].1 == "key_events");
    let of_keys = of_keys.unwrap();
    assert_eq!((of_keys.version, of_keys.alert.entities.len()), (2, 2));
    assert!(of_keys.alert.entities.iter().all(|entity| !entity.value.is_empty()));
    // A day that nothing reaches any more.
    running.take(&[secrets(&[(60, 4, 1000), (61, 4, 1001), (62, 4, 1002)])]).await;
    assert_eq!(told(&running), is(&[("key_events", 3, true), ("rule_events", 8, true)]));
    assert_eq!(of_rule(&running, "count").len(), 4, "users 1 to 4");
    // The next time is another.
    running.take(&[secrets(&(70..82).map(|id| (id, 5, 1400)).collect::<Vec<_>>())]).await;
    let again = of_rule(&running, NO_ROOM);
    let of_count = again.iter().filter(|stored| stored.alert.joined.as_ref().unwrap().by[0].1 == "count");
    assert_eq!(of_count.count(), 3);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_other_rules_forgets_nothing() {
    let data = tempfile::tempdir().unwrap();
    let with = |rules: Arc<RuleSet>| Settings { rules, ..settings() };
    let running = Running::open(data.path(), &with(rules())).await;
    running.take(&[secrets(&[(0, 1, 600), (1, 1, 601)])]).await;
    running.close().await;
    // Without any, and with what is read besides.
    let running = Running::open(data.path(), &with(Arc::new(RuleSet::default()))).await;
    running.take(&[secrets(&[(10, 2, 602)])]).await;
    running.close().await;
    let running = Running::open(data.path(), &with(rules())).await;
    running.take(&[secrets(&[(2, 1, 603)])]).await;
    let found = of_rule(&running, "count");
    assert_eq!(found.iter().map(|stored| stored.alert.evidence.len()).collect::<Vec<_>>(), [3]);
    assert!(found[0].alert.evidence.iter().all(|event| event.raw.contains("GetSecretValue")));
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_time_span_judges_what_is_remembered() {
    let data = tempfile::tempdir().unwrap();
    let within = |timespan: &str| Settings { rules: rules_within(timespan), ..settings() };
    let running = Running::open(data.path(), &within("20m")).await;
    running.take(&[secrets(&[(0, 1, 600), (1, 1, 615), (2, 2, 600), (3, 2, 615), (4, 2, 625)])]).await;
    assert_eq!(of_rule(&running, "count"), []);
    running.close().await;
    let running = Running::open(data.path(), &within("30m")).await;
    running.take(&[secrets(&[(5, 1, 626)])]).await;
    let found = of_rule(&running, "count");
    // That of user 2 was there before the rule was changed.
    assert_eq!(found.iter().map(|stored| stored.alert.evidence.len()).collect::<Vec<_>>(), [3, 3]);
    running.close().await;
}
