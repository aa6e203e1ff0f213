//! A topic that is written to.

use ingest::kafka::{KafkaProducer, Produced};

use super::*;

fn open(config: &KafkaConfig) -> KafkaProducer {
    KafkaProducer::open(config, || chrono::Utc::now().timestamp_micros()).unwrap()
}

#[tokio::test]
async fn what_is_written_is_there() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("told", 3).await;
    let config = config(kafka, "told");
    let producer = open(&config);
    let text = r#"{"type":"alert.raised","data":{"title":"é\u0000"}}"#;
    for key in ["a", "b", "a"] {
        let sent = producer.send(key, text.as_bytes(), &[("webhook-id", "k-1")]).await;
        assert_eq!(sent.unwrap(), Produced::Taken);
    }
    let mut reader = Reader::open(config.clone(), &BTreeMap::new());
    reader.until_count(3).await;
    assert_eq!(reader.texts(), BTreeSet::from([text.to_owned()]));
    // The same key, the same partition.
    let partitions: BTreeSet<_> = reader.records.keys().map(|(origin, _)| origin.clone()).collect();
    assert!(partitions.len() <= 2, "{partitions:?}");
    let huge = vec![b'x'; 2 << 20];
    assert_eq!(producer.send("a", &huge, &[]).await.unwrap(), Produced::TooLarge);
    assert_eq!(producer.send("a", b"{}", &[]).await.unwrap(), Produced::Taken);
}

#[tokio::test]
async fn refusals_name_their_mend() {
    let Some(kafka) = kafka() else { return };
    let missing = open(&config(kafka, "not-there")).send("a", b"{}", &[]).await.unwrap_err();
    assert!(missing.to_string().contains("make the topic"), "{missing}");
    let pattern = KafkaProducer::open(&config(kafka, "^a.*"), || 0).unwrap_err();
    assert!(pattern.to_string().contains("no pattern"), "{pattern}");
}
