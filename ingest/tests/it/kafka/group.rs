//! A group that shares partitions out.

use super::*;

fn member(kafka: &Kafka, topic: &str) -> KafkaConfig {
    KafkaConfig { group: Some(format!("{topic}-group")), ..config(kafka, topic) }
}

#[tokio::test]
async fn members_that_come_and_go_lose_nothing() {
    let Some(kafka) = kafka() else { return };
    const PARTITIONS: usize = 4;
    kafka.make_topic("shared", PARTITIONS as i32).await;
    let mut sent = 0;
    let mut spread = |count: usize| {
        let all = events(sent..sent + count);
        for (partition, events) in all.chunks(count / PARTITIONS).enumerate() {
            send(kafka, "shared", partition as i32, events);
        }
        sent += count;
        sent
    };
    let mut count = spread(400);
    let mut first = Reader::open(member(kafka, "shared"), &BTreeMap::new());
    first.until("some", |reader| reader.records.len() >= 60).await;
    // A second one comes while the first has batches in flight, and takes partitions over.
    let mut second = Reader::open(member(kafka, "shared"), &BTreeMap::new());
    let started = Instant::now();
    while second.records.is_empty() || first.records.len() + second.records.len() < count {
        if first.records.len() + second.records.len() + 100 > count && second.records.is_empty() {
            count = spread(80);
        }
        // Polls that are given up lose nothing.
        let soon = Duration::from_millis(100);
        let one = tokio::time::timeout(soon, first.turn()).await.unwrap_or_default();
        let two = tokio::time::timeout(soon, second.turn()).await.unwrap_or_default();
        for error in [one, two].into_iter().flatten() {
            assert!(matches!(error.fate(), Fate::Retry { .. }), "{error}");
        }
        assert!(started.elapsed() < PATIENCE, "{} and {}", first.records.len(), second.records.len());
    }
    // The first goes with a batch that it has taken and not acknowledged.
    let count = spread(400);
    let Reader { collector, records: first, .. } = first;
    let mut collector = collector;
    let in_flight = tokio::time::timeout(Duration::from_secs(5), collector.poll()).await;
    drop(in_flight);
    drop(collector);
    let both = |second: &Reader| -> BTreeSet<String> {
        let first = first.values().filter_map(|record| record.clone().ok());
        first.chain(second.texts()).collect()
    };
    second.until("the rest", |second| both(second).len() == count).await;
    assert_eq!(both(&second), events(0..count).into_iter().collect());
    let doubles = first.keys().filter(|place| second.records.contains_key(place)).count();
    println!("of {count} records {doubles} were read by both members, {} by one twice", second.again);
    assert!(doubles < 400, "what was durable was committed before its partition went away");
    assert!(second.positions.is_empty(), "the group keeps the offsets");

    // All is committed: the next one finds nothing.
    let Reader { collector, .. } = second;
    drop(collector);
    let mut third = Reader::open(member(kafka, "shared"), &BTreeMap::new());
    send(kafka, "shared", 3, &["{\"eventID\":\"last\"}".to_owned()]);
    third.until("the last", |third| third.texts().contains("{\"eventID\":\"last\"}")).await;
    assert_eq!(third.records.len(), 1, "{:?}", third.records);
}

#[tokio::test]
async fn a_group_is_told_what_is_gone() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("group-short", 1).await;
    send(kafka, "group-short", 0, &events(0..50));
    let mut reader = Reader::open(member(kafka, "group-short"), &BTreeMap::new());
    reader.until_count(50).await;
    drop(reader);
    send(kafka, "group-short", 0, &events(50..100));
    kafka.delete_before("group-short", 0, 80).await;
    let mut reader = Reader::open(member(kafka, "group-short"), &BTreeMap::new());
    reader.until_count(1 + 20).await;
    let rejects = reader.rejects();
    assert!(rejects[0].starts_with("lost_messages: offsets 50 to 79 of group-short/0"), "{rejects:?}");
}

#[tokio::test]
async fn while_nobody_takes_batches_the_member_stays() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("full", 2).await;
    send(kafka, "full", 0, &events(0..300));
    let mut reader = Reader::open(member(kafka, "full"), &BTreeMap::new());
    reader.until("some", |reader| !reader.records.is_empty()).await;
    // Longer than it takes to pause; meanwhile there is more than may be gathered.
    send(kafka, "full", 1, &events(300..600));
    tokio::time::sleep(Duration::from_secs(5)).await;
    send(kafka, "full", 0, &events(600..700));
    reader.until_count(700).await;
    assert_eq!(reader.texts(), events(0..700).into_iter().collect());
    assert_eq!(reader.again, 0);
}
