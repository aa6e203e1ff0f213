//! `LookupEvents` against a stub, as moto has none: pages, a restart between them, a token that ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use event::LogType;
use ingest::aws::LookupEventsConfig;
use ingest::{Collected, Collector, Lists, Polled};
use serde_json::{Value, json};

use super::moto::environment;
use super::{Records, add};
use crate::options;
use cloudfake::{Proxy, answer};

fn open(url: &str, positions: &BTreeMap<String, String>) -> Lists {
    let config = LookupEventsConfig::default();
    config.lists(&environment(url), options(1).now_us).unwrap().follow(positions, options(1))
}

async fn next(collector: &mut Lists) -> Option<Collected> {
    match collector.poll().await.unwrap() {
        Polled::Collected(collected) => Some(collected),
        _ => None,
    }
}

fn save(positions: &mut BTreeMap<String, String>, collected: &Collected) {
    for change in &collected.position {
        positions.insert(change.key.clone(), change.value.clone().unwrap());
    }
}

#[tokio::test]
async fn pages_of_a_window_are_read_and_gone_on_with() {
    let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
    let log = asked.clone();
    let proxy = Proxy::start("http://127.0.0.1:1", move |seen| {
        assert!(seen.head.contains("CloudTrail_20131101.LookupEvents"), "{}", seen.head);
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        log.lock().unwrap().push(body.clone());
        let event = |n: u32| {
            let event = json!({"eventID": n.to_string(), "eventName": "GetObject"});
            json!({"EventId": n.to_string(), "CloudTrailEvent": event.to_string()})
        };
        let header = "content-type: application/x-amz-json-1.1\r\n";
        let count = log.lock().unwrap().len();
        let (events, token) = match body.get("NextToken").and_then(Value::as_str) {
            None => (vec![event(1), event(2)], Some("one")),
            Some("one") if count == 3 => {
                let gone = json!({"__type": "InvalidNextTokenException", "message": "gone"});
                return answer("400 Bad Request", header, &gone.to_string());
            }
            Some("one") => (Vec::new(), Some("two")),
            Some(_) => (vec![event(3), json!({"EventId": "4"})], None),
        };
        let mut page = json!({"Events": events});
        if let Some(token) = token {
            page["NextToken"] = token.into();
        }
        answer("200 OK", header, &page.to_string())
    })
    .await;

    let mut positions = BTreeMap::new();
    let mut records = Records::new();
    let mut collector = open(&proxy.url, &positions);
    let first = next(&mut collector).await.unwrap();
    add(&mut records, first.batch.as_ref().unwrap());
    assert_eq!(first.batch.as_ref().unwrap().log_type, Some(LogType::AwsCloudtrail));
    save(&mut positions, &first);
    // The next page is read, and the process ends before that is durable.
    let second = next(&mut collector).await.unwrap();
    assert!(second.batch.is_none());
    let mut collector = open(&proxy.url, &positions);
    // The token has ended: the window begins anew.
    assert!(next(&mut collector).await.is_none());
    let mut turns = 0;
    loop {
        let collected = next(&mut collector).await.unwrap();
        if let Some(batch) = &collected.batch {
            add(&mut records, batch);
        }
        save(&mut positions, &collected);
        turns += 1;
        if positions["lookup_events"].contains("\"window\":null") {
            break;
        }
    }
    assert_eq!(turns, 3);
    let texts: Vec<_> = records.values().map(String::as_str).collect();
    assert_eq!(texts.len(), 4);
    assert_eq!(texts[0], "{\"eventID\":\"1\",\"eventName\":\"GetObject\"}");
    assert_eq!(texts[3], "{\"EventId\":\"4\"}");

    let asked = asked.lock().unwrap();
    let tokens: Vec<_> = asked.iter().map(|body| body["NextToken"].as_str().unwrap_or("")).collect();
    assert_eq!(tokens, ["", "one", "one", "", "one", "two"]);
    for body in asked.iter() {
        assert_eq!((&body["StartTime"], &body["EndTime"]), (&asked[0]["StartTime"], &asked[0]["EndTime"]));
    }
    // One hour, less what has not settled, and the overlap before it.
    let now = 1_700_000_000;
    assert_eq!(asked[0]["StartTime"], now - 900 - 3_600 - 1_800);
    assert_eq!(asked[0]["EndTime"], now - 900);
}
