//! Objects that messages announce: fake-gcs-server tells Google's in-memory Pub/Sub, as Cloud Storage does.

use std::time::Duration;

use cloudfake::google::Google;
use ingest::google::{Environment, GoogleAccess, PubSubCollector, PubSubConfig};
use ingest::{Collector, Polled};
use serde_json::json;

use super::servers::{PubSub, Storage};
use super::{anonymous, config, entry};
use crate::aws::{Records, add, gzip, take_until};
use crate::options;

fn texts<'a>(records: &'a Records, origin: &str) -> Vec<&'a str> {
    let of = records.iter().filter(|((of, _), _)| of == origin);
    of.map(|(_, text)| text.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_are_announced_are_read() {
    let Some(pubsub) = PubSub::start(json!({})).await else { return };
    let Some(storage) = Storage::start(&pubsub).await else { return };
    let environment = Environment {
        pubsub_emulator: Some(pubsub.url.clone()),
        storage_emulator: Some(storage.url.clone()),
        ..Environment::default()
    };
    let access = GoogleAccess { anonymous: true, ..GoogleAccess::default() };
    let settings = PubSubConfig { max_receives: 2, ..config(access) };
    let mut collector = PubSubCollector::open(settings, &environment, options(2)).unwrap();

    // A shard of an hour as a sink writes it, a late one, an odd name, gzip, more than one part.
    let shard = "cloudaudit.googleapis.com/activity/2026/01/02/03:00:00_03:59:59_S0.json";
    let late = "cloudaudit.googleapis.com/activity/2026/01/02/03:00:00_03:59:59_A0:1767322800.json";
    storage.put(shard, format!("{}\n{}\n", entry("s0"), entry("s1"))).await;
    storage.put(late, format!("{}\n", entry("a0"))).await;
    storage.put("odd/a//b c+%2Fé#?.json", entry("odd")).await;
    storage.put("x.json.gz", gzip(&entry("gz"))).await;
    let large: String = (0..100_000).map(|n| entry(&format!("large-{n:06}")) + "\n").collect();
    assert!(large.len() > 9 << 20);
    // Marked as gzip, and more than a part once it is inflated: the bytes are wanted as they are stored.
    storage.put_encoded("encoded.json.gz", &gzip(&large)).await;
    storage.put("large.json", large).await;
    storage.put("empty.json", "").await;
    // Somebody else's message in the same topic.
    pubsub.publish(&[(entry("direct").into_bytes(), json!({}))]).await;
    let records = take_until(&mut collector, |records| records.len() == 200_006).await;
    assert_eq!(texts(&records, &format!("gs://logs/{shard}")), [entry("s0"), entry("s1")]);
    assert_eq!(texts(&records, &format!("gs://logs/{late}")), [entry("a0")]);
    assert_eq!(texts(&records, "gs://logs/odd/a//b c+%2Fé#?.json"), [entry("odd")]);
    assert_eq!(texts(&records, "gs://logs/x.json.gz"), [entry("gz")]);
    assert_eq!(texts(&records, "gs://logs/large.json").len(), 100_000);
    assert_eq!(texts(&records, "gs://logs/encoded.json.gz").len(), 100_000);
    assert!(records.values().all(|text| text.starts_with('{')));

    // Gone before it was read: after some deliveries a dead letter that says so.
    storage.put("gone.json", entry("gone")).await;
    storage.delete("gone.json").await;
    let mut told = Records::new();
    for _ in 0..100 {
        match collector.poll().await.unwrap() {
            Polled::Collected(collected) => {
                add(&mut told, &collected.batch.unwrap());
                collector.ack(&[collected.ticket]).await.unwrap();
            }
            _ => pubsub.advance(61).await,
        }
        if !told.is_empty() {
            break;
        }
    }
    let reason = told.values().next().unwrap();
    assert!(reason.starts_with("missing_object: received 2 times"), "{reason}");
    assert_eq!(pubsub.left().await, 0);
}

/// The fake counts deliveries as a subscription with a dead-letter topic does, and that count is believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_ours_is_a_dead_letter_at_once() {
    let google = Google::start(true).await;
    let attributes = [
        ("eventType", "OBJECT_FINALIZE"),
        ("bucketId", "foreign"),
        ("objectId", "a.json"),
        ("objectGeneration", "1"),
    ];
    google.pubsub.lock().publish(b"{}", &attributes);
    let settings = PubSubConfig {
        buckets: vec!["logs".into()],
        wait: Duration::from_millis(300),
        ..config(anonymous(&google.url))
    };
    let mut collector = PubSubCollector::open(settings, &Environment::default(), options(1)).unwrap();
    let records = take_until(&mut collector, |records| !records.is_empty()).await;
    assert!(records.values().next().unwrap().starts_with("foreign_bucket: `gs://foreign/a.json`"));
    assert_eq!(google.pubsub.lock().left(), 0);
}
