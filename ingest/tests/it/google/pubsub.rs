//! Pub/Sub: Google's own in-memory server for leases and redelivery, the fake for what that one does not do.

use std::time::Duration;

use cloudfake::google::Google;
use cloudfake::{Fault, Proxy, answer};
use event::Fate;
use ingest::google::{Environment, PubSubCollector, PubSubConfig};
use ingest::{Collected, Collector, Polled};
use serde_json::json;

use super::servers::PubSub;
use super::{anonymous, config, entry, open};
use crate::aws::{Records, add, gzip, take_until};
use crate::options;

/// The next batch; errors that pass are passed by.
async fn next(collector: &mut PubSubCollector) -> Collected {
    for _ in 0..1_000 {
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => return collected,
            Ok(_) => {}
            Err(error) => assert!(matches!(error.fate(), Fate::Retry { .. }), "{error}"),
        }
    }
    panic!("nothing came: {:?}", collector.counts())
}

/// Polls until `done`; what comes is acknowledged.
async fn until(collector: &mut PubSubCollector, mut done: impl FnMut() -> bool) -> Records {
    let mut records = Records::new();
    for _ in 0..2_000 {
        if done() {
            return records;
        }
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => {
                add(&mut records, &collected.batch.unwrap());
                collector.ack(&[collected.ticket]).await.ok();
            }
            Ok(_) => {}
            Err(error) => assert!(matches!(error.fate(), Fate::Retry { .. }), "{error}"),
        }
    }
    panic!("it is not done: {:?}", collector.counts())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn googles_own_server() {
    let Some(server) = PubSub::start(json!({})).await else { return };
    shapes_and_poison(&server).await;
    crash_before_the_acknowledgement(&server).await;
}

/// Entries, lines, gzip, one message in ten that is no record: all are records or dead letters, all acknowledged.
async fn shapes_and_poison(server: &PubSub) {
    let mut messages: Vec<_> = (0..90).map(|n| (entry(&format!("a{n}")).into_bytes(), json!({}))).collect();
    messages.extend((0..10).map(|n| (format!("poison {n} \u{fffd}").into_bytes(), json!({"n": "1"}))));
    let lines = (0..5).map(|n| entry(&format!("gz{n}"))).collect::<Vec<_>>().join("\n");
    messages.push((gzip(&lines), json!({})));
    messages.push((format!("{}\n{}\n", entry("l0"), entry("l1")).into_bytes(), json!({})));
    // Of a message with attributes alone there is nothing to read, and somebody should know.
    messages.push((Vec::new(), json!({"only": "attributes"})));
    server.publish(&messages).await;
    let mut collector = open(&server.url);
    let records = take_until(&mut collector, |records| records.len() == 108).await;
    let rejects: Vec<_> = records.values().filter(|text| !text.starts_with('{')).collect();
    assert_eq!(rejects.len(), 11, "{rejects:?}");
    assert!(rejects.iter().any(|text| text.starts_with("empty: the message has no data")), "{rejects:?}");
    assert!(records.keys().all(|(origin, _)| origin.starts_with("pubsub://p-1/logs/m")));
    let texts: std::collections::BTreeSet<_> =
        records.values().filter(|text| text.starts_with('{')).collect();
    assert_eq!(texts.len(), 97);
    // What is read on a thread of its own is done a little after its records.
    for _ in 0..20 {
        if collector.counts().deleted == 103 {
            break;
        }
        collector.poll().await.unwrap();
    }
    let counts = collector.counts();
    assert_eq!((counts.received, counts.deleted), (103, 103));
    assert_eq!(server.left().await, 0);
}

/// A collector that ends between durable and acknowledged: the same records come again, under the same names.
async fn crash_before_the_acknowledgement(server: &PubSub) {
    let messages: Vec<_> = (0..20).map(|n| (entry(&format!("c{n}")).into_bytes(), json!({}))).collect();
    server.publish(&messages).await;
    let mut first = Records::new();
    let mut collector = open(&server.url);
    while first.len() < 20 {
        add(&mut first, &next(&mut collector).await.batch.unwrap());
    }
    drop(collector);
    // They are ours for a minute, not for the subscription's ten seconds.
    server.advance(50).await;
    let mut collector = open(&server.url);
    for _ in 0..3 {
        assert!(matches!(collector.poll().await.unwrap(), Polled::Idle));
    }
    server.advance(20).await;
    let again = take_until(&mut collector, |records| records.len() == 20).await;
    assert_eq!(again, first);
    assert_eq!(server.left().await, 0);
}

/// Single records of many messages share a batch, and a call stays within Google's limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_are_few_batches_and_few_calls() {
    let google = Google::start(true).await;
    let ids: Vec<u64> = {
        let mut pubsub = google.pubsub.lock();
        (0..5_000).map(|n| pubsub.publish(entry(&n.to_string()).as_bytes(), &[])).collect()
    };
    let mut collector = open(&google.url);
    let mut records = Records::new();
    let mut batches = 0;
    while google.pubsub.lock().left() > 0 {
        let collected = next(&mut collector).await;
        add(&mut records, collected.batch.as_ref().unwrap());
        batches += 1;
        collector.ack(&[collected.ticket]).await.unwrap();
    }
    assert_eq!(records.len(), 5_000);
    assert!(batches <= 10, "{batches} batches");
    let name = |id: &u64| ("pubsub://p-1/logs".to_owned(), *id);
    assert_eq!(records[&name(&ids[17])], entry("17"));
    let pubsub = google.pubsub.lock();
    assert_eq!((pubsub.acked, pubsub.delivered), (5_000, 5_000));
    assert!((1..=512 << 10).contains(&pubsub.largest_ack), "{}", pubsub.largest_ack);
}

/// A message that comes ten times is one record, and the newest of its ids ends it.
#[tokio::test]
async fn ten_deliveries_are_one_record() {
    let google = Google::start(true).await;
    google.pubsub.lock().has_dead_letter_topic = true;
    google.pubsub.lock().publish(entry("once").as_bytes(), &[("logging.googleapis.com/timestamp", "t")]);
    let mut collector = open(&google.url);
    let (mut records, mut tickets) = (Records::new(), Vec::new());
    for _ in 0..10 {
        let collected = next(&mut collector).await;
        add(&mut records, &collected.batch.unwrap());
        tickets.push(collected.ticket);
        google.pubsub.lock().advance(Duration::from_secs(601));
    }
    collector.ack(&tickets).await.unwrap();
    assert_eq!(records.len(), 1);
    let pubsub = google.pubsub.lock();
    assert_eq!((pubsub.delivered, pubsub.left()), (10, 0));
}

/// While a message is in work its deadline moves: at half of it, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_is_extended_while_there_is_work() {
    let google = Google::start(true).await;
    google.pubsub.lock().publish(entry("slow").as_bytes(), &[]);
    let settings = PubSubConfig { ack_deadline: Duration::from_secs(10), ..config(anonymous(&google.url)) };
    let mut collector = PubSubCollector::open(settings, &Environment::default(), options(1)).unwrap();
    let collected = next(&mut collector).await;
    let receipt = google.pubsub.lock().extended;
    assert_eq!(receipt, 1);
    google.pubsub.lock().advance(Duration::from_secs(6));
    let started = std::time::Instant::now();
    while google.pubsub.lock().extended == receipt {
        assert!(started.elapsed() < Duration::from_secs(60), "it was never extended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Twelve seconds after the delivery it is still ours.
    google.pubsub.lock().advance(Duration::from_secs(6));
    assert_eq!(google.pubsub.lock().outstanding(), 1);
    collector.ack(&[collected.ticket]).await.unwrap();
    let pubsub = google.pubsub.lock();
    assert_eq!((pubsub.left(), pubsub.delivered), (0, 1));
}

/// Exactly-once delivery: each id has an outcome. What passes is tried again, what has ended comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_says_which_acknowledgements_failed() {
    let google = Google::start(true).await;
    {
        let mut pubsub = google.pubsub.lock();
        pubsub.exactly_once = true;
        for n in 0..50 {
            pubsub.publish(entry(&n.to_string()).as_bytes(), &[]);
        }
    }
    let mut collector = open(&google.url);
    let late = next(&mut collector).await;
    let count = late.batch.as_ref().unwrap().len();
    assert_eq!(count, 50);
    google.pubsub.lock().advance(Duration::from_secs(601));
    google.pubsub.lock().publish(entry("fresh").as_bytes(), &[]);
    // All fifty ids have ended: no error, and nothing is lost.
    collector.ack(&[late.ticket]).await.unwrap();
    {
        let mut pubsub = google.pubsub.lock();
        assert_eq!((pubsub.acked, pubsub.left()), (0, 51));
        pubsub.transient_failures = 7;
    }
    let state = google.pubsub.clone();
    let records = until(&mut collector, || state.lock().left() == 0).await;
    assert_eq!(records.len(), 51);
    let pubsub = google.pubsub.lock();
    assert_eq!((pubsub.acked, pubsub.transient_failures), (51, 0));
}

/// One id that Google does not know must not keep the others from being acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_none_is_found_among_others() {
    let google = Google::start(true).await;
    let ids: Vec<u64> = {
        let mut pubsub = google.pubsub.lock();
        (0..40).map(|n| pubsub.publish(entry(&n.to_string()).as_bytes(), &[])).collect()
    };
    let foreign = format!("\"ack-{}-", ids[13]);
    let proxy = Proxy::start(&google.url, move |seen| {
        if seen.head.contains(":acknowledge") && seen.body.contains(&foreign) {
            return Fault::Body(seen.body.replace(&foreign, "\"nonsense-"));
        }
        Fault::Pass
    })
    .await;
    let mut collector = open(&proxy.url);
    let state = google.pubsub.clone();
    let records = until(&mut collector, || state.lock().left() == 1).await;
    assert_eq!(records.len(), 40);
    assert_eq!(google.pubsub.lock().acked, 39);
}

/// Every third answer is a fault: in the end each message was read and acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_lose_nothing() {
    let google = Google::start(true).await;
    {
        let mut pubsub = google.pubsub.lock();
        for n in 0..300 {
            pubsub.publish(entry(&n.to_string()).as_bytes(), &[]);
        }
    }
    let state = google.pubsub.clone();
    let mut count = 0;
    let proxy = Proxy::start(&google.url, move |seen| {
        count += 1;
        // What a pull delivered and nobody saw comes back when its deadline is over.
        if seen.head.contains(":pull") {
            state.lock().advance(Duration::from_secs(2));
        }
        match count % 12 {
            0 => answer("429 Too Many Requests", "", "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\"}}"),
            3 => answer("503 Service Unavailable", "retry-after: 0\r\n", ""),
            6 => Fault::Cut,
            9 => Fault::Twice,
            _ => Fault::Pass,
        }
    })
    .await;
    let mut collector = open(&proxy.url);
    let state = google.pubsub.clone();
    let records = until(&mut collector, || state.lock().left() == 0).await;
    assert_eq!(records.len(), 300);
}

/// A token that ends before its time is replaced without an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_replaced() {
    let google = Google::start(false).await;
    let host = google.url.trim_start_matches("http://").to_owned();
    let environment = Environment { metadata_host: Some(host), ..Environment::default() };
    let mut access = anonymous(&google.url);
    access.anonymous = false;
    let mut collector = PubSubCollector::open(config(access), &environment, options(1)).unwrap();
    for n in 0..3 {
        google.pubsub.lock().publish(entry(&n.to_string()).as_bytes(), &[]);
        let collected = loop {
            match collector.poll().await.unwrap() {
                Polled::Collected(collected) => break collected,
                _ => continue,
            }
        };
        google.identity.lock().revoke();
        collector.ack(&[collected.ticket]).await.unwrap();
        assert_eq!(google.pubsub.lock().left(), 0);
    }
    assert!(google.identity.lock().asked.len() >= 3);
}
