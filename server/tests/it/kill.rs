//! kill -9 at random moments under load: nothing acknowledged is lost, nothing is doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use benches::Random;
use parking_lot::Mutex;

use crate::running::{Server, run, sql};

const RULE: &str = "title: Trail stopped
id: 6f1c9c52-3f0e-4a57-9a38-0d7f7f1a2b3c
status: test
level: high
logsource:
    product: aws
    service: cloudtrail
detection:
    selection:
        eventName: StopLogging
    condition: selection
---
title: Trails stopped together
id: 0b1f7a44-52a5-4f5e-8a43-6a2d9f3c1e07
status: test
level: critical
correlation:
    type: event_count
    rules: [6f1c9c52-3f0e-4a57-9a38-0d7f7f1a2b3c]
    group-by: [requestParameters.name]
    timespan: 1h
    condition: {gte: 4}
    generate: true
";

/// Events that one request carries; every tenth trips the rule, all of them together the correlation.
const TOGETHER: u64 = 40;

/// What the pushers know.
#[derive(Default)]
struct Oracle {
    /// Ids of events that the server has acknowledged.
    acknowledged: Mutex<BTreeSet<String>>,
    /// Ids of events that were sent at all.
    sent: Mutex<BTreeSet<String>>,
}

/// An event of the request that begins with this number.
fn record(id: &str, name: &str, pusher: usize, first: u64) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"dana","accountId":"111122223333"}},"eventTime":"2026-03-{:02}T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"{name}","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","requestParameters":{{"name":"{pusher}-{first}"}},"eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#,
        1 + first / TOGETHER % 3
    )
}

/// Events whose number ends in 0 trip the rule.
fn is_alarming(id: &str) -> bool {
    id.ends_with('0')
}

/// Pushes batches until told to stop; a batch that was not acknowledged is sent again, as a collector
/// would after a restart.
async fn push(pusher: usize, address: Arc<Mutex<String>>, oracle: Arc<Oracle>, stop: Arc<AtomicBool>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let ids: Vec<String> = (0..TOGETHER).map(|n| format!("p{pusher}-{}", number + n)).collect();
        let first = number;
        number += TOGETHER;
        oracle.sent.lock().extend(ids.iter().cloned());
        let mut body: String = ids
            .iter()
            .map(|id| {
                let name = if is_alarming(id) { "StopLogging" } else { "DescribeTrails" };
                record(id, name, pusher, first) + "\n"
            })
            .collect();
        body.push_str("this is no record\n");
        loop {
            let url = format!("{}/api/v1/ingest?source=pusher-{pusher}", address.lock());
            let answer = client.post(url).body(body.clone()).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                oracle.acknowledged.lock().extend(ids);
                break;
            }
            if stop.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled() {
    let kills: u64 =
        std::env::var("STORMGLASS_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(12);
    let seed: u64 = std::env::var("STORMGLASS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("{kills} kills, seed {seed}; STORMGLASS_KILLS and STORMGLASS_SEED change them");
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("trail.yml"), RULE).unwrap();
    let data = folder.path().join("data");
    let rules_path = rules.to_string_lossy().into_owned();
    // Small segments and quick commits, so that kills fall between all the steps.
    let settings = [
        ("STORMGLASS_RULES_SHIPPED", "false"),
        ("STORMGLASS_RULES_PATHS", rules_path.as_str()),
        ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
        ("STORMGLASS_LOG_SEGMENT", "256 KiB"),
        ("STORMGLASS_TABLE_UPKEEP_EVERY", "1 s"),
        ("STORMGLASS_TABLE_DUPLICATE_MEMORY", "1 MiB"),
    ];

    let mut server = Server::start(&data, &settings);
    let address = Arc::new(Mutex::new(server.url.clone()));
    let oracle = Arc::new(Oracle::default());
    let stop = Arc::new(AtomicBool::new(false));
    let pushers: Vec<_> = (0..3)
        .map(|pusher| tokio::spawn(push(pusher, address.clone(), oracle.clone(), stop.clone())))
        .collect();
    let mut random = Random::new(seed);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(20 + random.below(600))).await;
        server.kill();
        server = tokio::task::block_in_place(|| Server::start(&data, &settings));
        *address.lock() = server.url.clone();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    for pusher in pushers {
        pusher.await.unwrap();
    }
    tokio::task::block_in_place(|| {
        server.terminate();
        compare(&data, &oracle);
    });
}

fn compare(data: &Path, oracle: &Oracle) {
    let acknowledged = oracle.acknowledged.lock();
    let sent = oracle.sent.lock();
    assert!(acknowledged.len() > 100, "only {} records were acknowledged", acknowledged.len());
    let rows = count_by(data, "SELECT metadata_uid AS k, count(*) AS n FROM events GROUP BY 1");
    let lost: Vec<_> = acknowledged.iter().filter(|id| !rows.contains_key(*id)).take(5).collect();
    let doubled: Vec<_> = rows.iter().filter(|(_, count)| **count > 1).take(5).collect();
    let invented: Vec<_> = rows.keys().filter(|id| !sent.contains(*id)).take(5).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    assert!(invented.is_empty(), "never sent: {invented:?}");

    let alerts = count_by(
        data,
        "SELECT e.metadata_uid AS k, count(*) AS n FROM alerts a JOIN events e ON a.event_uid = e.event_uid \
         WHERE a.joined IS NULL GROUP BY 1",
    );
    let expected: BTreeMap<String, u64> =
        rows.keys().filter(|id| is_alarming(id)).map(|id| (id.clone(), 1)).collect();
    assert_eq!(alerts, expected, "every alarming event has one alert");
    let joined = joined(data);
    let mut requests: BTreeMap<String, u64> = BTreeMap::new();
    for id in rows.keys().filter(|id| is_alarming(id)) {
        let (pusher, number) = id.trim_start_matches('p').split_once('-').unwrap();
        let first = number.parse::<u64>().unwrap() / TOGETHER * TOGETHER;
        *requests.entry(format!("{pusher}-{first}")).or_default() += 1;
    }
    requests.retain(|_, count| *count >= 4);
    assert!(requests.len() > 5, "{} requests came in whole", requests.len());
    assert_eq!(joined, requests, "every whole request has one alert that joins its four events");
    let total = sql(data, "SELECT count(*) AS n FROM alerts")[0]["n"].as_u64().unwrap();
    assert_eq!(total, (expected.len() + requests.len()) as u64, "no alert without its events");
    run(&["--data", &data.to_string_lossy(), "sources", "--verify"]);
    println!("{} acknowledged, {} rows, {} alerts", acknowledged.len(), rows.len(), total);
}

/// The groups of the correlation's alerts, and how many events each alert joins.
fn joined(data: &Path) -> BTreeMap<String, u64> {
    let data = data.to_string_lossy();
    let statement = "SELECT joined, status, verdict FROM alerts WHERE joined IS NOT NULL";
    let out = run(&["--data", &data, "sql", "--format", "ndjson", "--max-rows", "10000000", statement]);
    let mut found = BTreeMap::new();
    for line in out.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["verdict"], serde_json::Value::Null, "{row}");
        let joined: serde_json::Value = serde_json::from_str(row["joined"].as_str().unwrap()).unwrap();
        let group = joined["by"][0][1].as_str().unwrap_or_else(|| panic!("{joined}")).to_owned();
        let events = joined["events"].as_u64().unwrap();
        assert_eq!(found.insert(group, events), None, "two alerts for one request: {joined}");
    }
    found
}

fn count_by(data: &Path, statement: &str) -> BTreeMap<String, u64> {
    let data = data.to_string_lossy();
    let out = run(&["--data", &data, "sql", "--format", "ndjson", "--max-rows", "10000000", statement]);
    out.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| (row["k"].as_str().unwrap().to_owned(), row["n"].as_u64().unwrap()))
        .collect()
}
