//! Windows and pages: nothing is lost or changed, whatever fails and whenever the process ends.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use cloudfake::azure::{Azure, Blob, Event};
use cloudfake::{Fault, Proxy, Seen, answer};
use ingest::azure::{
    ActivityLogCollector, ActivityLogConfig, GraphConfig, GraphLog, ManagementActivityConfig,
};
use ingest::{Collector, Environment, ListPurpose, Polled, ReadOptions};
use serde_json::json;

use super::{NOW_S, Numbers, Taken, access, event, times};
use crate::options;

const ONE: &str = "11111111-0000-4000-8000-000000000001";
const TWO: &str = "22222222-0000-4000-8000-000000000002";

/// One in so many requests is spoilt, each time otherwise; those for tokens too.
fn troubles(one_in: usize) -> impl FnMut(&Seen) -> Fault + Send {
    let count = AtomicUsize::new(0);
    move |_| {
        let count = count.fetch_add(1, Ordering::Relaxed);
        if !count.is_multiple_of(one_in) {
            return Fault::Pass;
        }
        match count / one_in % 5 {
            0 => answer("429 Too Many Requests", "retry-after: 0\r\n", "{}"),
            1 => Fault::Cut,
            2 => answer("503 Service Unavailable", "", "<html>"),
            3 => Fault::Twice,
            _ => answer("200 OK", "content-type: application/json\r\n", "{\"value\":["),
        }
    }
}

#[tokio::test]
async fn the_activity_log_is_whole_after_any_end_of_the_process() {
    static CLOCK_S: AtomicI64 = AtomicI64::new(NOW_S);
    let azure = Azure::start(NOW_S).await;
    let proxy = Proxy::start(&azure.url, troubles(3)).await;
    let mut numbers = Numbers(7);
    let mut ids = Vec::new();
    {
        let mut state = azure.state();
        state.page_size = 3;
        state.audiences.insert(proxy.url.clone());
        for subscription in [ONE, TWO, ""] {
            let events = (0..15).map(|n| {
                let id = format!("{subscription}#{n}");
                ids.push(id.clone());
                // Most are late, and some later than what is waited for.
                event(&id, NOW_S + numbers.below(5_000), numbers.below(2_600))
            });
            let events = events.collect();
            state.activity.insert(subscription.into(), events);
        }
    }
    azure.grant(&[&format!("Reader/{ONE}"), &format!("Reader/{TWO}"), "Reader/"]);
    let folder = tempfile::tempdir().unwrap();
    let config = ActivityLogConfig {
        access: access(&folder, &proxy.url),
        endpoint: proxy.url.clone(),
        subscriptions: vec![ONE.into(), TWO.into()],
        tenant_log: true,
        times: times(),
        ..ActivityLogConfig::default()
    };
    let names = [&format!("subscriptions/{ONE}"), &format!("subscriptions/{TWO}"), "tenant"];
    let mut taken = Taken::default();
    let mut turns = 0;
    while CLOCK_S.load(Ordering::Relaxed) < NOW_S + 9_000 {
        turns += 1;
        assert!(turns < 3_000, "it does not come on: {:?}", taken.positions);
        if !taken.is_due(&names, &config.times, CLOCK_S.load(Ordering::Relaxed)) {
            let now_s = CLOCK_S.fetch_add(400, Ordering::Relaxed) + 400;
            azure.state().now_s = now_s;
            continue;
        }
        let options = ReadOptions { now_us: || CLOCK_S.load(Ordering::Relaxed) * 1_000_000, ..options(1) };
        let environment = Environment::default();
        let mut collector =
            ActivityLogCollector::open(&config, &environment, &taken.positions, options).unwrap();
        taken.poll(&mut collector, numbers.below(5) == 0).await;
    }
    assert_eq!(taken.ids(), ids.iter().map(String::as_str).collect());
    assert!(taken.errors.len() > 20, "{:?}", taken.errors);
    for word in ["429", "503", "got no answer", "cannot be understood"] {
        assert!(taken.errors.iter().any(|error| error.contains(word)), "{word}: {:?}", taken.errors);
    }
}

#[tokio::test]
async fn subscriptions_are_found() {
    let azure = Azure::start(NOW_S).await;
    for (id, name) in [(ONE, "a"), (TWO, "b")] {
        azure.state().activity.insert(id.into(), vec![event(name, NOW_S - 2_000, 0)]);
    }
    azure.state().page_size = 1;
    let folder = tempfile::tempdir().unwrap();
    let config = ActivityLogConfig {
        access: access(&folder, &azure.url),
        endpoint: azure.url.clone(),
        times: times(),
        ..ActivityLogConfig::default()
    };
    let environment = Environment::default();
    let open = |config: &ActivityLogConfig| {
        ActivityLogCollector::open(config, &environment, &Default::default(), options(1)).unwrap()
    };
    // Azure does not refuse an identity without a role: it sees nothing.
    let error = open(&config).poll().await.unwrap_err().to_string();
    assert!(error.contains("`Microsoft.Resources/subscriptions/read`") && error.contains("NoSubscription"));
    azure.grant(&[&format!("Reader/{ONE}"), &format!("Reader/{TWO}")]);
    let mut taken = Taken::default();
    let mut collector = open(&config);
    for _ in 0..2 {
        taken.poll(&mut collector, false).await;
    }
    assert_eq!(taken.ids(), ["a", "b"].into());
    // One that is new is found; where that fails, those that are known are read.
    let three = "33333333-0000-4000-8000-000000000003";
    azure.state().activity.insert(three.into(), vec![event("c", NOW_S - 2_000, 0)]);
    azure.grant(&[&format!("Reader/{three}")]);
    let often = ActivityLogConfig { look_every: Duration::ZERO, ..config.clone() };
    let mut collector = open(&often);
    let mut taken = Taken::default();
    taken.poll(&mut collector, false).await;
    azure.state().audiences.clear();
    azure.end_tokens();
    let before = taken.ids().len();
    taken.poll(&mut collector, false).await;
    assert_eq!((before, taken.errors.len()), (1, 1));
    azure.state().audiences.insert(azure.url.clone());
    for _ in 0..2 {
        taken.poll(&mut collector, false).await;
    }
    assert_eq!((taken.ids(), taken.errors.len()), (["a", "b", "c"].into(), 1));
    azure.state().activity.remove(three);
    // A backfill ends, and asks for nothing that is not kept any more.
    let day_us = 86_400 * 1_000_000;
    let span = NOW_S * 1_000_000 - 92 * day_us..NOW_S * 1_000_000 - 89 * day_us;
    for (id, name) in [(ONE, "old"), (TWO, "older")] {
        azure.state().activity.insert(id.into(), vec![event(name, NOW_S - 89 * 86_400 - 60, 0)]);
    }
    let mut past = Taken::default();
    let mut collector =
        ActivityLogCollector::backfill(&config, &environment, &span, &past.positions, options(1)).unwrap();
    // Seven windows of each, half of them before what is kept.
    for _ in 0..14 {
        past.poll(&mut collector, false).await;
    }
    assert_eq!((past.ids(), past.errors.len()), (["old", "older"].into(), 0));
    assert!(matches!(collector.poll().await.unwrap(), Polled::End));
    // Others are not asked for.
    let odd = ActivityLogConfig { subscriptions: vec!["../x".into()], ..config };
    assert!(ActivityLogCollector::open(&odd, &environment, &Default::default(), options(1)).is_err());
}

#[tokio::test]
async fn graph_is_whole_with_tokens_that_end_and_limits() {
    static CLOCK_S: AtomicI64 = AtomicI64::new(NOW_S);
    let azure = Azure::start(NOW_S).await;
    let mut numbers = Numbers(11);
    let mut ids = Vec::new();
    let kinds = ["interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity"];
    let mut keys: Vec<_> = kinds.iter().map(|kind| format!("auditLogs/signIns/{kind}")).collect();
    keys.extend(
        ["auditLogs/directoryAudits", "auditLogs/provisioning", "security/alerts_v2"].map(Into::into),
    );
    keys.extend(["riskDetections", "riskyUsers"].map(|name| format!("identityProtection/{name}")));
    {
        let mut state = azure.state();
        state.page_size = 4;
        // Shorter than what the clock moves on between pages.
        state.token_life_s = 50;
        state.graph_limit = (4, Duration::from_millis(20));
        state.risk_limit = (2, Duration::from_millis(20));
        for key in &keys {
            let events = (0..9).map(|n| {
                let id = format!("{key}#{n}");
                ids.push(id.clone());
                event(&id, NOW_S + numbers.below(4_000), numbers.below(2_600))
            });
            let events = events.collect();
            state.graph.insert(key.clone(), events);
        }
    }
    azure.grant(&["AuditLog.Read.All", "SecurityAlert.Read.All"]);
    azure.grant(&["IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All"]);
    let folder = tempfile::tempdir().unwrap();
    let config = GraphConfig {
        access: access(&folder, &azure.url),
        endpoint: azure.url.clone(),
        logs: GraphLog::ALL.to_vec(),
        times: times(),
        gap: Duration::ZERO,
        ..GraphConfig::default()
    };
    let names = GraphLog::ALL.map(GraphLog::name);
    let environment = Environment::default();
    let open = |taken: &Taken| {
        let options = ReadOptions { now_us: || CLOCK_S.load(Ordering::Relaxed) * 1_000_000, ..options(1) };
        config.lists(&environment, options.now_us).unwrap().follow(&taken.positions, options)
    };
    let mut taken = Taken::default();
    let mut collector = open(&taken);
    let mut turns = 0;
    while CLOCK_S.load(Ordering::Relaxed) < NOW_S + 8_000 {
        turns += 1;
        assert!(turns < 3_000, "it does not come on: {:?}", taken.positions);
        let is_due = taken.is_due(&names, &config.times, CLOCK_S.load(Ordering::Relaxed));
        let step_s = if is_due { 20 } else { 400 };
        let now_s = CLOCK_S.fetch_add(step_s, Ordering::Relaxed) + step_s;
        azure.state().now_s = now_s;
        if !is_due {
            continue;
        }
        let (errors, is_killed) = (taken.errors.len(), numbers.below(5) == 0);
        taken.poll(&mut collector, is_killed).await;
        if is_killed || taken.errors.len() > errors {
            // After an error it would wait as long as Graph says.
            tokio::time::sleep(Duration::from_millis(20)).await;
            collector = open(&taken);
        }
    }
    assert_eq!(taken.ids(), ids.iter().map(String::as_str).collect());
    assert!(taken.errors.iter().all(|error| error.contains("429 `TooManyRequests`")), "{:?}", taken.errors);
    assert!(azure.state().tokens_given > 20);
}

#[tokio::test]
async fn graph_is_asked_for_less_when_it_says_too_much() {
    let azure = Azure::start(NOW_S).await;
    azure.state().graph_limit = (1_000, Duration::from_secs(10));
    azure.grant(&["AuditLog.Read.All"]);
    let throttled = AtomicUsize::new(2);
    let proxy = Proxy::start(&azure.url, move |seen| {
        let is_list = seen.head.starts_with("GET");
        let left = throttled.load(Ordering::Relaxed);
        if is_list && left > 0 {
            throttled.store(left - 1, Ordering::Relaxed);
            return answer(
                "429 Too Many Requests",
                "retry-after: 0\r\n",
                "{\"error\":{\"code\":\"TooManyRequests\"}}",
            );
        }
        Fault::Pass
    })
    .await;
    azure.state().audiences.insert(proxy.url.clone());
    let folder = tempfile::tempdir().unwrap();
    let config = GraphConfig {
        access: access(&folder, &proxy.url),
        endpoint: proxy.url.clone(),
        logs: vec![GraphLog::SignIns],
        times: ingest::azure::AzureTimes { lookback: Duration::from_secs(86_400), ..times() },
        gap: Duration::ZERO,
        ..GraphConfig::default()
    };
    let mut taken = Taken::default();
    let mut collector = config
        .lists(&Environment::default(), options(1).now_us)
        .unwrap()
        .follow(&taken.positions, options(1));
    for _ in 0..5 {
        taken.poll(&mut collector, false).await;
    }
    assert_eq!(taken.errors.len(), 2);
    let seen = proxy.seen.lock();
    let spans: Vec<_> = seen
        .iter()
        .filter_map(|seen| {
            let line = seen.head.lines().next()?.strip_prefix("GET ")?;
            let times: Vec<_> = line
                .split("%20")
                .filter_map(|word| {
                    let word = word.split('&').next()?;
                    chrono::DateTime::parse_from_rfc3339(word).ok()
                })
                .collect();
            Some((times[1] - times[0]).num_minutes())
        })
        .collect();
    // Half an hour of each is the overlap.
    assert_eq!(spans, [360, 195, 112, 195, 360]);
}

/// Detections that come late and in disorder, on pages, with answers spoilt, twice and throttled without a word of how
/// long to wait; and users whose entry changes while it is read.
#[tokio::test]
async fn risks_are_whole_whatever_graph_answers() {
    static CLOCK_S: AtomicI64 = AtomicI64::new(NOW_S);
    let azure = Azure::start(NOW_S).await;
    let proxy = Proxy::start(&azure.url, troubles(4)).await;
    let mut numbers = Numbers(5);
    let time = |time_s: i64| chrono::DateTime::from_timestamp(time_s, 0).unwrap().to_rfc3339();
    let mut ids = Vec::new();
    {
        let mut state = azure.state();
        state.page_size = 3;
        state.risk_limit = (6, Duration::from_millis(20));
        state.audiences.insert(proxy.url.clone());
        let detections = (0..20).map(|n| {
            let (id, detected_s) = (format!("detection#{n}"), NOW_S + numbers.below(4_000));
            ids.push(id.clone());
            // Most risks are found long after the activity.
            let activity = time(detected_s - numbers.below(200_000));
            let record = json!({
                "id": id, "riskEventType": "unlikelyTravel", "riskState": "atRisk", "riskLevel": "medium",
                "detectedDateTime": time(detected_s), "activityDateTime": activity, "userId": "u",
            });
            Event { time_s: detected_s, visible_s: detected_s + numbers.below(2_600), id, record }
        });
        let detections = detections.collect();
        state.graph.insert("identityProtection/riskDetections".into(), detections);
    }
    azure.grant(&["IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All"]);
    let folder = tempfile::tempdir().unwrap();
    let config = GraphConfig {
        access: access(&folder, &proxy.url),
        endpoint: proxy.url.clone(),
        logs: vec![GraphLog::RiskDetections, GraphLog::RiskyUsers],
        times: times(),
        gap: Duration::ZERO,
        ..GraphConfig::default()
    };
    let names = config.logs.iter().map(|log| log.name()).collect::<Vec<_>>();
    let environment = Environment::default();
    let mut taken = Taken::default();
    let mut turns = 0;
    while CLOCK_S.load(Ordering::Relaxed) < NOW_S + 9_000 {
        turns += 1;
        assert!(turns < 3_000, "it does not come on: {:?}", taken.positions);
        let now_s = CLOCK_S.load(Ordering::Relaxed);
        // One entry a user, whose state and time change: each state that has settled is read.
        let step = (now_s - NOW_S) / 2_000;
        let changed_s = NOW_S + step * 2_000;
        let id = format!("user#{step}");
        if step < 4 && !ids.contains(&id) {
            ids.push(id.clone());
            let users = vec![event(&id, changed_s, 0)];
            azure.state().graph.insert("identityProtection/riskyUsers".into(), users);
        }
        if !taken.is_due(&names, &config.times, now_s) {
            let now_s = CLOCK_S.fetch_add(400, Ordering::Relaxed) + 400;
            azure.state().now_s = now_s;
            continue;
        }
        let options = ReadOptions { now_us: || CLOCK_S.load(Ordering::Relaxed) * 1_000_000, ..options(1) };
        let lists = config.lists(&environment, options.now_us).unwrap();
        let mut collector = lists.follow(&taken.positions, options);
        taken.poll(&mut collector, numbers.below(5) == 0).await;
    }
    assert_eq!(taken.ids(), ids.iter().map(String::as_str).collect());
    for word in ["429", "503", "got no answer", "cannot be understood"] {
        assert!(taken.errors.iter().any(|error| error.contains(word)), "{word}: {:?}", taken.errors);
    }
    let seen = proxy.seen.lock();
    let asked = |path: &str, field: &str| {
        let is_one = |head: &str| head.contains(path) && head.contains(field) && head.contains("$top=500");
        seen.iter().any(|seen| is_one(&seen.head.replace("%24", "$")))
    };
    assert!(asked("/v1.0/identityProtection/riskDetections", "detectedDateTime"));
    assert!(asked("/v1.0/identityProtection/riskyUsers", "riskLastUpdatedDateTime"));
}

fn blob(content_type: &str, n: i64, created_s: i64, records: i64) -> Blob {
    Blob {
        content_type: content_type.into(),
        // Their order is not that of time.
        content_id: format!("{:02}-{content_type}-{n}", n * 37 % 100),
        created_s,
        records: (0..records).map(|r| json!({"id": format!("{content_type}#{n}#{r}")})).collect(),
        is_gone: false,
    }
}

#[tokio::test]
async fn contents_of_microsoft_365_are_whole() {
    static CLOCK_S: AtomicI64 = AtomicI64::new(NOW_S);
    let azure = Azure::start(NOW_S).await;
    let proxy = Proxy::start(&azure.url, troubles(5)).await;
    let mut numbers = Numbers(3);
    let types = ["Audit.Exchange", "Audit.General"];
    let mut ids = Vec::new();
    {
        let mut state = azure.state();
        state.page_size = 7;
        state.audiences.insert(proxy.url.clone());
        for content_type in types {
            for n in 0..40 {
                let mut blob =
                    blob(content_type, n, NOW_S + 60 + numbers.below(10_000), 1 + numbers.below(4));
                blob.is_gone = n == 17;
                match blob.is_gone {
                    true => ids.push(blob.content_id.clone()),
                    false => ids.extend(blob.records.iter().map(|r| r["id"].as_str().unwrap().to_owned())),
                }
                state.blobs.push(blob);
            }
        }
    }
    azure.grant(&["ActivityFeed.Read"]);
    let folder = tempfile::tempdir().unwrap();
    let config = ManagementActivityConfig {
        access: access(&folder, &proxy.url),
        endpoint: proxy.url.clone(),
        content_types: types.map(Into::into).to_vec(),
        times: times(),
        ..ManagementActivityConfig::default()
    };
    let environment = Environment::default();
    let open = |taken: &Taken| {
        let options = ReadOptions { now_us: || CLOCK_S.load(Ordering::Relaxed) * 1_000_000, ..options(1) };
        config
            .lists(&environment, ListPurpose::Follow, options.now_us)
            .unwrap()
            .follow(&taken.positions, options)
    };
    let mut taken = Taken::default();
    let mut turns = 0;
    while CLOCK_S.load(Ordering::Relaxed) < NOW_S + 13_000 {
        turns += 1;
        assert!(turns < 3_000, "it does not come on: {:?}", taken.positions);
        if !taken.is_due(&types, &config.times, CLOCK_S.load(Ordering::Relaxed)) {
            let now_s = CLOCK_S.fetch_add(1_500, Ordering::Relaxed) + 1_500;
            azure.state().now_s = now_s;
            continue;
        }
        taken.poll(&mut open(&taken), numbers.below(5) == 0).await;
    }
    assert_eq!(taken.ids(), ids.iter().map(String::as_str).collect());
    assert!(taken.errors.len() > 9, "{:?}", taken.errors);
    assert_eq!(azure.state().calls_without_publisher, 0);
    assert_eq!(azure.state().subscriptions.len(), 2);
}

#[tokio::test]
async fn a_content_is_read_once_and_one_type_stops_no_other() {
    let azure = Azure::start(NOW_S).await;
    let proxy = Proxy::start(&azure.url, |_| Fault::Pass).await;
    {
        let mut state = azure.state();
        state.audiences.insert(proxy.url.clone());
        state.subscriptions.insert("Audit.Exchange".into(), 0);
        state.blobs = (0..60).map(|n| blob("Audit.Exchange", n, NOW_S - 1_000 - n, 2)).collect();
    }
    azure.grant(&["ActivityFeed.Read"]);
    let folder = tempfile::tempdir().unwrap();
    let config = ManagementActivityConfig {
        access: access(&folder, &proxy.url),
        endpoint: proxy.url.clone(),
        content_types: vec!["DLP.All".into(), "Audit.Exchange".into()],
        times: times(),
        ..ManagementActivityConfig::default()
    };
    let environment = Environment::default();
    let mut taken = Taken::default();
    let mut collector = config
        .lists(&environment, ListPurpose::Follow, options(1).now_us)
        .unwrap()
        .follow(&taken.positions, options(1));
    for _ in 0..4 {
        taken.poll(&mut collector, false).await;
    }
    assert_eq!(taken.ids().len(), 120);
    // One listing, 60 contents.
    assert_eq!((proxy.count("content?contentType=Audit.Exchange"), proxy.count("/audit/")), (1, 60));
    assert_eq!(taken.errors.len(), 1);
    assert!(taken.errors[0].contains("401 `AF10001`") && taken.errors[0].contains("ActivityFeed.ReadDlp"));
    // The overlap of another collector of the same positions does not read what is read.
    let again = ManagementActivityConfig {
        access: ingest::azure::AzureAccess { tenant: Some("example.com".into()), ..config.access.clone() },
        ..config
    };
    let error = again.lists(&environment, ListPurpose::Follow, options(1).now_us).unwrap_err();
    assert!(error.to_string().contains("tenant"), "{error}");
}
