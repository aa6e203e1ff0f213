//! Cloud Logging and Security Command Center: pages, a restart between them, tokens that ended, refusals.

use std::collections::BTreeMap;

use cloudfake::google::Google;
use cloudfake::{Fault, Proxy, answer};
use event::{Fate, LogType};
use ingest::google::{Environment, LoggingConfig, SccConfig, mend};
use ingest::{Collected, Collector, Lists, Polled};
use serde_json::{Value, json};

use super::anonymous;
use crate::aws::{Records, add};
use crate::options;

/// The tests' now, 2023-11-14T22:13:20Z, and what lies so many seconds before it.
fn before(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(1_700_000_000 - seconds, 0).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn logging(url: &str, resources: &[&str], positions: &BTreeMap<String, String>) -> Lists {
    let config = LoggingConfig {
        access: anonymous(url),
        resources: resources.iter().map(|name| (*name).to_owned()).collect(),
        ..LoggingConfig::default()
    };
    config.lists(&Environment::default(), options(1).now_us).unwrap().follow(positions, options(1))
}

fn save(positions: &mut BTreeMap<String, String>, collected: &Collected) {
    for change in &collected.position {
        positions.insert(change.key.clone(), change.value.clone().unwrap());
    }
}

fn is_done(positions: &BTreeMap<String, String>, name: &str) -> bool {
    positions.get(name).is_some_and(|text| text.contains("\"window\":null"))
}

fn log(google: &Google, parent: &str, seconds: &[i64]) {
    let mut entries = google.entries.lock();
    for second in seconds {
        let time = before(*second);
        let entry =
            json!({"timestamp": time, "insertId": second.to_string(), "logName": format!("{parent}/logs/a")});
        entries.all.push((time, parent.to_owned(), entry));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_read_page_by_page_and_gone_on_with() {
    let google = Google::start(true).await;
    google.entries.lock().page = 2;
    log(&google, "projects/p-1", &[3_000, 2_000, 1_500, 1_000, 500]);
    // Not settled yet, and of somebody else.
    log(&google, "projects/p-1", &[60]);
    log(&google, "projects/p-2", &[900]);

    let mut positions = BTreeMap::new();
    let mut records = Records::new();
    let mut collector = logging(&google.url, &["projects/p-1"], &positions);
    let Polled::Collected(first) = collector.poll().await.unwrap() else { panic!("a page is there") };
    add(&mut records, first.batch.as_ref().unwrap());
    save(&mut positions, &first);
    // The second page is read, and the process ends before it is durable; meanwhile a day passes.
    assert!(matches!(collector.poll().await.unwrap(), Polled::Collected(_)));
    google.entries.lock().end_tokens();
    let mut collector = logging(&google.url, &["projects/p-1"], &positions);
    assert!(matches!(collector.poll().await.unwrap(), Polled::Idle), "the token has ended");
    while !is_done(&positions, "projects/p-1") {
        if let Polled::Collected(collected) = collector.poll().await.unwrap() {
            if let Some(batch) = &collected.batch {
                assert!(batch.origin.starts_with("logging://projects/p-1/"), "{}", batch.origin);
                add(&mut records, batch);
            }
            save(&mut positions, &collected);
        }
    }
    let ids: Vec<Value> = records.values().map(|text| serde_json::from_str(text).unwrap()).collect();
    let ids: Vec<&str> = ids.iter().map(|entry| entry["insertId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["3000", "2000", "1500", "1000", "500"]);
    let asked = &google.entries.lock().asked;
    let filter = asked[0]["filter"].as_str().unwrap();
    let expected = format!(
        "timestamp>=\"{}\" AND timestamp<\"{}\" AND (logName:\"cloudaudit.googleapis.com\")",
        before(120 + 3_600 + 900),
        before(120)
    );
    assert_eq!(filter, expected);
    assert!(asked.iter().all(|body| body["filter"] == filter && body["orderBy"] == "timestamp asc"));
}

/// A project that may not be read, and one that is throttled, do not keep the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_stops_nothing_else() {
    let google = Google::start(true).await;
    log(&google, "organizations/1", &[1_000]);
    let mut throttles = 0;
    let proxy = Proxy::start(&google.url, move |seen| {
        if seen.body.contains("organizations/1") && throttles == 0 {
            throttles += 1;
            let body =
                json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded"}});
            return answer("429 Too Many Requests", "retry-after: 0\r\n", &body.to_string());
        }
        Fault::Pass
    })
    .await;
    let mut positions = BTreeMap::new();
    let mut collector = logging(&proxy.url, &["projects/forbidden", "organizations/1"], &positions);
    let mut told = Vec::new();
    for _ in 0..20 {
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => save(&mut positions, &collected),
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error.fate(), Fate::Retry { .. }), "{error}");
                told.push((error.is_throttle(), mend(&error)));
            }
        }
        if is_done(&positions, "organizations/1") {
            break;
        }
    }
    assert!(is_done(&positions, "organizations/1"));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].1.as_ref().unwrap().contains("roles/logging.viewer"), "{told:?}");
    assert!(told[1].0, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_are_read_by_the_time_of_their_last_event() {
    let google = Google::start(true).await;
    google.findings.lock().page = 3;
    for n in 1..=8_i64 {
        let time = before(n * 10_000);
        let name = format!("organizations/1/sources/2/locations/global/findings/{n}");
        let result = json!({
            "finding": {"name": name, "category": "PUBLIC_BUCKET_ACL", "eventTime": time, "state": "ACTIVE"},
            "resource": {"name": "//storage.googleapis.com/b"},
        });
        google.findings.lock().all.push((time, "organizations/1".into(), result));
    }
    let config = SccConfig {
        access: anonymous(&google.url),
        parents: vec!["organizations/1".into()],
        ..SccConfig::default()
    };
    let span_us = (1_700_000_000 - 75_000) * 1_000_000..(1_700_000_000 - 15_000) * 1_000_000;
    let positions = BTreeMap::new();
    let mut collector = config.lists(&Environment::default(), options(1).now_us).unwrap().over(
        &span_us,
        &positions,
        options(1),
    );
    let mut records = Records::new();
    loop {
        match collector.poll().await.unwrap() {
            Polled::Collected(collected) => {
                if let Some(batch) = collected.batch {
                    assert_eq!(batch.log_type, Some(LogType::GcpScc));
                    add(&mut records, &batch);
                }
            }
            Polled::Idle => {}
            Polled::End => break,
        }
    }
    let names: std::collections::BTreeSet<String> = records
        .values()
        .map(|text| {
            serde_json::from_str::<Value>(text).unwrap()["finding"]["name"].as_str().unwrap().to_owned()
        })
        .collect();
    // From 75,000 s ago to 15,000 s ago.
    assert_eq!(names.len(), 6, "{names:?}");
    let asked = &google.findings.lock().asked;
    assert_eq!((&asked[0]["pageSize"], &asked[0]["orderBy"]), (&json!("1000"), &json!("event_time")));
    assert!(asked[1]["pageToken"].is_string());
}
