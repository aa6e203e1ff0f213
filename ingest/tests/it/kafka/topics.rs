//! Topics and partitions that appear, or are not there.

use super::*;

#[tokio::test]
async fn new_partitions_and_topics_are_read_from_their_beginning() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("grow-a", 1).await;
    send(kafka, "grow-a", 0, &events(0..10));
    let pattern = KafkaConfig { start: KafkaStart::Latest, ..config(kafka, "^grow-.*") };
    let mut reader = Reader::open(pattern.clone(), &BTreeMap::new());
    reader.until("it has begun", |reader| reader.positions.contains_key("grow-a/0")).await;
    kafka.grow_topic("grow-a", 3).await;
    send(kafka, "grow-a", 2, &events(10..15));
    kafka.make_topic("grow-b", 1).await;
    send(kafka, "grow-b", 0, &events(15..20));
    send(kafka, "grow-a", 0, &events(20..25));
    reader.until_count(15).await;
    assert_eq!(reader.texts(), events(10..25).into_iter().collect());
    // One that appears while nobody looks is no first reading either.
    let positions = reader.positions.clone();
    drop(reader);
    kafka.make_topic("grow-c", 1).await;
    send(kafka, "grow-c", 0, &events(25..30));
    let mut reader = Reader::open(pattern, &positions);
    reader.until_count(5).await;
    assert_eq!(reader.texts(), events(25..30).into_iter().collect());
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_told_and_waited_for() {
    let Some(kafka) = kafka() else { return };
    let mut reader = Reader::open(config(kafka, "later"), &BTreeMap::new());
    let refusal = reader.refusal().await;
    assert!(refusal.contains("topic `later`") && refusal.contains("mend `topics`"), "{refusal}");
    kafka.make_topic("later", 1).await;
    send(kafka, "later", 0, &events(0..3));
    reader.until_count(3).await;
}

#[tokio::test]
async fn a_missing_topic_does_not_hold_up_another() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("present", 1).await;
    send(kafka, "present", 0, &events(0..3));
    let two = KafkaConfig { topics: vec!["absent".into(), "present".into()], ..config(kafka, "") };
    let mut reader = Reader::open(two, &BTreeMap::new());
    while reader.records.len() < 3 {
        assert!(reader.turn().await.is_none());
    }
}
