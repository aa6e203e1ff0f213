//! Topics of a real Apache Kafka: what is read, in which words, and where it goes on.

mod checks;
mod group;
mod producer;
mod security;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cloudfake::kafka::{Kafka, kafka};
use event::{Fate, SourceId};
use ingest::kafka::{KafkaCollector, KafkaConfig, KafkaStart};
use ingest::{Collector, Limits, Polled, ReadOptions};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Numbers of records of one message.
const NUMBERS: u64 = 1_000_000;

fn config(kafka: &Kafka, topic: &str) -> KafkaConfig {
    KafkaConfig {
        brokers: vec![kafka.plain.clone()],
        topics: vec![topic.into()],
        refresh: Duration::from_millis(300),
        ..KafkaConfig::default()
    }
}

/// Batches of 50 records.
fn options() -> ReadOptions {
    ReadOptions {
        source: SourceId::new("kafka"),
        log_type: None,
        limits: Limits { batch_records: 50, ..Limits::default() },
        readers: 1,
        now_us: || chrono::Utc::now().timestamp_micros(),
    }
}

/// What a collector gives, as the runner would see it.
struct Reader {
    collector: KafkaCollector,
    positions: BTreeMap<String, String>,
    /// By origin and number: the text, or the reason why it is none.
    records: BTreeMap<(String, u64), Result<String, String>>,
    /// Records that came again.
    again: usize,
}

impl Reader {
    fn open(config: KafkaConfig, positions: &BTreeMap<String, String>) -> Self {
        let collector = KafkaCollector::open(config, positions, options()).unwrap();
        Self { collector, positions: positions.clone(), records: BTreeMap::new(), again: 0 }
    }

    /// One poll; what comes is saved and acknowledged. The error, if there is one.
    async fn turn(&mut self) -> Option<ingest::Error> {
        match self.collector.poll().await {
            Ok(Polled::Collected(collected)) => {
                for record in collected.batch.iter().flat_map(|batch| {
                    batch.records().map(|record| (batch.origin.clone(), record.number, record))
                }) {
                    let (origin, number, record) = record;
                    let text = match record.reject {
                        Some(reason) => Err(reason.to_owned()),
                        None => Ok(String::from_utf8_lossy(record.bytes).into_owned()),
                    };
                    if let Some(before) = self.records.insert((origin, number), text.clone()) {
                        assert_eq!(before, text, "the same place, other words");
                        self.again += 1;
                    }
                }
                for change in collected.position {
                    self.positions.insert(change.key, change.value.unwrap());
                }
                self.collector.ack(&[collected.ticket]).await.err()
            }
            Ok(Polled::Idle) => None,
            Ok(Polled::End) => panic!("a topic has no end"),
            Err(error) => Some(error),
        }
    }

    /// Reads until `done`; errors that pass are passed by.
    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            if let Some(error) = self.turn().await {
                assert!(matches!(error.fate(), Fate::Retry { .. }), "{error}");
            }
            assert!(
                started.elapsed() < PATIENCE,
                "in vain waited for: {what}; {:?}",
                self.collector.counts()
            );
        }
    }

    async fn until_count(&mut self, count: usize) {
        self.until(&format!("{count} records"), |reader| reader.records.len() >= count).await;
        assert_eq!(self.records.len(), count);
    }

    /// The first error.
    async fn refusal(&mut self) -> String {
        let started = Instant::now();
        loop {
            if let Some(error) = self.turn().await {
                return error.to_string();
            }
            assert!(started.elapsed() < PATIENCE, "there was no error");
        }
    }

    fn texts(&self) -> BTreeSet<String> {
        self.records.values().filter_map(|record| record.clone().ok()).collect()
    }

    fn rejects(&self) -> Vec<String> {
        self.records.values().filter_map(|record| record.clone().err()).collect()
    }
}

/// Small events with numbers.
fn events(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{{\"eventID\":\"{number:05}\"}}")).collect()
}

fn send(kafka: &Kafka, topic: &str, partition: i32, events: &[String]) {
    kafka.send(topic, partition, "lz4", events.iter().map(|event| Some(event.as_bytes())));
}

#[tokio::test]
async fn every_codec_is_read() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("codecs", 1).await;
    let all = events(0..250);
    for (codec, events) in ["none", "gzip", "snappy", "lz4", "zstd"].iter().zip(all.chunks(50)) {
        kafka.send("codecs", 0, codec, events.iter().map(|event| Some(event.as_bytes())));
    }
    let mut reader = Reader::open(config(kafka, "codecs"), &BTreeMap::new());
    reader.until_count(250).await;
    let origin = format!("kafka://{}/codecs/0", kafka.plain);
    let expected: BTreeMap<_, _> = (0..)
        .zip(&all)
        .map(|(offset, event)| ((origin.clone(), offset * NUMBERS), Ok(event.clone())))
        .collect();
    assert_eq!(reader.records, expected);
    assert_eq!(reader.positions, [("codecs/0".to_owned(), "250".to_owned())].into());
    assert_eq!(reader.collector.counts().messages, 250);
}

#[tokio::test]
async fn it_goes_on_exactly_where_the_saved_position_is() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("resume", 2).await;
    let all = events(0..400);
    send(kafka, "resume", 0, &all[..200]);
    send(kafka, "resume", 1, &all[200..]);
    let mut before = Reader::open(config(kafka, "resume"), &BTreeMap::new());
    before.until("some", |reader| reader.records.len() >= 150).await;
    // Killed after a batch was taken and before its position was saved.
    let saved = before.positions.clone();
    let saved_records = before.records.len();
    before.turn().await;
    let (first, first_texts) = (before.records.clone(), before.texts());
    drop(before);
    let mut after = Reader::open(config(kafka, "resume"), &saved);
    after.until_count(400 - saved_records).await;
    assert!(first.len() > saved_records, "a batch was in flight");
    for (place, text) in &first {
        if let Some(again) = after.records.get(place) {
            assert_eq!(again, text, "the same place, other words");
        }
    }
    let both: BTreeSet<_> = first_texts.union(&after.texts()).cloned().collect();
    assert_eq!(both, all.into_iter().collect());
}

#[tokio::test]
async fn payloads_of_any_kind_stop_nothing() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("poison", 1).await;
    let mut random = 7u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as u8
    };
    let mut payloads: Vec<Option<Vec<u8>>> = Vec::new();
    let mut good = BTreeSet::new();
    for number in 0..300 {
        let event = format!("{{\"eventID\":\"p-{number}\"}}");
        payloads.push(match number % 20 {
            3 => Some((0..40).map(|_| next()).collect()),
            7 => Some(event.as_bytes()[..9].to_vec()),
            11 => None,
            13 => Some(Vec::new()),
            _ => {
                good.insert(event.clone());
                Some(event.into_bytes())
            }
        });
    }
    kafka.send("poison", 0, "none", payloads.iter().map(|payload| payload.as_deref()));
    let mut reader = Reader::open(config(kafka, "poison"), &BTreeMap::new());
    let end = Some("300".to_owned());
    reader.until("all messages", |reader| reader.positions.get("poison/0").cloned() == end).await;
    let counts = reader.collector.counts();
    assert_eq!((counts.messages, counts.empty_messages), (300, 30));
    let missing: Vec<_> = good.difference(&reader.texts()).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Each message that is not empty left something.
    let offsets: BTreeSet<u64> = reader.records.keys().map(|(_, number)| number / NUMBERS).collect();
    assert_eq!(offsets.len(), 270);
    let torn: Vec<_> =
        reader.rejects().into_iter().filter(|reason| reason.starts_with("torn_input")).collect();
    assert!(torn.len() >= 15, "{torn:?}");
    assert!(torn.iter().any(|reason| reason.ends_with("offset 7 of poison/0")), "{torn:?}");
}

#[tokio::test]
async fn what_is_gone_before_it_was_read_is_told() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("short", 2).await;
    send(kafka, "short", 0, &events(0..100));
    send(kafka, "short", 1, &events(100..200));
    kafka.delete_before("short", 0, 60).await;
    let positions = [("short/0".to_owned(), "10".to_owned()), ("short/1".to_owned(), "5".to_owned())].into();
    let mut reader = Reader::open(config(kafka, "short"), &positions);
    reader.until_count(1 + 40 + 95).await;
    let rejects = reader.rejects();
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].starts_with("lost_messages: offsets 10 to 59 of short/0 were deleted"), "{rejects:?}");
    assert_eq!(reader.again, 0);
    assert_eq!(reader.positions["short/0"], "100");
    assert_eq!(reader.collector.counts().lost_stretches, 1);
    // A position beyond the end: the topic was made anew.
    let positions =
        [("short/0".to_owned(), "5000".to_owned()), ("short/1".to_owned(), "100".to_owned())].into();
    let mut reader = Reader::open(config(kafka, "short"), &positions);
    reader.until_count(1 + 40).await;
    assert!(reader.rejects()[0].contains("ends at offset 100"), "{:?}", reader.rejects());
}

#[tokio::test]
async fn a_broker_may_go_and_come_back() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("away", 1).await;
    send(kafka, "away", 0, &events(0..20));
    let proxy = Proxy::start(kafka).await;
    let through = KafkaConfig { brokers: vec![kafka.proxy.clone()], ..config(kafka, "away") };
    let mut reader = Reader::open(through, &BTreeMap::new());
    reader.until_count(20).await;
    drop(proxy);
    let refusal = reader.refusal().await;
    assert!(refusal.contains(&kafka.proxy) && refusal.contains("check `brokers`"), "{refusal}");
    send(kafka, "away", 0, &events(20..40));
    assert_eq!(reader.records.len(), 20);
    let _proxy = Proxy::start(kafka).await;
    reader.until_count(40).await;
    assert_eq!(reader.again, 0);
}

/// Passes connections on to the broker, as long as it is held.
struct Proxy {
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    async fn start(kafka: &'static Kafka) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(kafka.proxy.parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let task = tokio::spawn(async move {
            // Ends with its connections.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut broker = tokio::net::TcpStream::connect(&kafka.behind_proxy).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut broker).await
                });
            }
        });
        Self { task }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn an_idle_topic_is_no_trouble_and_now_is_kept() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("idle", 1).await;
    send(kafka, "idle", 0, &events(0..30));
    let latest = KafkaConfig { start: KafkaStart::Latest, ..config(kafka, "idle") };
    let mut reader = Reader::open(latest.clone(), &BTreeMap::new());
    reader.until("it knows when it began", |reader| reader.positions.contains_key("idle/0")).await;
    assert_eq!(reader.positions["idle/0"], "30");
    assert!(reader.turn().await.is_none());
    assert!(reader.records.is_empty());
    // What comes while nobody reads is not passed over.
    let positions = reader.positions.clone();
    drop(reader);
    send(kafka, "idle", 0, &events(30..33));
    let mut reader = Reader::open(latest, &positions);
    reader.until_count(3).await;
    assert_eq!(reader.texts(), events(30..33).into_iter().collect());
}

#[tokio::test]
async fn reading_begins_at_a_time() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("times", 1).await;
    send(kafka, "times", 0, &events(0..10));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let now_ms = chrono::Utc::now().timestamp_millis();
    tokio::time::sleep(Duration::from_millis(20)).await;
    send(kafka, "times", 0, &events(10..15));
    let from = KafkaConfig { start: KafkaStart::Time(now_ms), ..config(kafka, "times") };
    let mut reader = Reader::open(from, &BTreeMap::new());
    reader.until_count(5).await;
    assert_eq!(reader.texts(), events(10..15).into_iter().collect());
}
