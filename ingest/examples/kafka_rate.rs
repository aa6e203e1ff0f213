//! How fast a topic is read, beside librdkafka's own loop and kcat, in turn, against a broker on loopback:
//! `cargo run --release -p ingest --example kafka_rate`. Needs the broker of `scripts/need test`; kcat where it
//! is installed. `STORMGLASS_BENCH_EVENTS` (default 600000) sets how many events a topic has.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use benches::Generator;
use cloudfake::kafka::{Kafka, kafka};
use event::SourceId;
use ingest::kafka::{KafkaCollector, KafkaConfig};
use ingest::{Collector, Limits, Polled, ReadOptions};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

const PARTITIONS: i32 = 4;
const ROUNDS: usize = 5;
/// Events that differ; a topic has them again and again.
const DIFFERENT: usize = 50_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let Some(kafka) = kafka() else { return Ok(()) };
    let wanted = std::env::var("STORMGLASS_BENCH_EVENTS").ok().and_then(|count| count.parse().ok());
    let events: usize = wanted.unwrap_or(600_000);
    let mut generator = Generator::new(7);
    let lines: Vec<String> = (0..DIFFERENT).map(|_| generator.cloudtrail()).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    println!(
        "{events} CloudTrail events of {} bytes on average, {PARTITIONS} partitions\n",
        bytes / DIFFERENT
    );
    println!("| codec | Stormglass events/s | bare loop events/s | kcat events/s | ratio to the bare loop |");
    println!("| --- | --- | --- | --- | --- |");
    for codec in ["none", "lz4"] {
        let topic = format!("rate-{codec}");
        kafka.make_topic(&topic, PARTITIONS).await;
        let each = events / PARTITIONS as usize;
        for partition in 0..PARTITIONS {
            let payloads = lines.iter().cycle().take(each).map(|line| Some(line.as_bytes()));
            kafka.send(&topic, partition, codec, payloads);
        }
        let events = each * PARTITIONS as usize;
        let (mut ours, mut bare, mut peer) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(collector(kafka, &topic, events).await?);
            bare.push(tokio::task::block_in_place(|| loop_of_polls(kafka, &topic, events))?);
            peer.extend(tokio::task::block_in_place(|| kcat(kafka, &topic)));
        }
        let rate = |took: Duration| events as f64 / took.as_secs_f64();
        let (ours, bare) = (rate(median(ours)), rate(median(bare)));
        let peer = if peer.is_empty() { "–".into() } else { format!("{:.0}", rate(median(peer))) };
        println!("| {codec} | {ours:.0} | {bare:.0} | {peer} | {:.2} |", ours / bare);
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// From nothing to batches of records that are fit for the log.
async fn collector(kafka: &Kafka, topic: &str, events: usize) -> Outcome<Duration> {
    let config = KafkaConfig {
        brokers: vec![kafka.plain.clone()],
        topics: vec![topic.to_owned()],
        ..KafkaConfig::default()
    };
    let options = ReadOptions {
        source: SourceId::new("rate"),
        log_type: None,
        limits: Limits::default(),
        readers: 1,
        now_us: || 0,
    };
    let started = Instant::now();
    let mut collector = KafkaCollector::open(config, &BTreeMap::new(), options)?;
    let mut records = 0;
    while records < events {
        if let Polled::Collected(collected) = collector.poll().await? {
            records += collected.batch.map_or(0, |batch| batch.len());
            collector.ack(&[collected.ticket]).await?;
        }
    }
    Ok(started.elapsed())
}

/// What librdkafka gives to somebody who does nothing with it.
fn loop_of_polls(kafka: &Kafka, topic: &str, events: usize) -> Outcome<Duration> {
    let started = Instant::now();
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &kafka.plain).set("group.id", "bare").create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut messages, mut bytes) = (0, 0);
    while messages < events {
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            bytes += message?.payload().map_or(0, <[u8]>::len);
            messages += 1;
        }
    }
    assert!(bytes > 0, "messages have payloads");
    Ok(started.elapsed())
}

/// The usual tool, if it is there.
fn kcat(kafka: &Kafka, topic: &str) -> Option<Duration> {
    let started = Instant::now();
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-b", &kafka.plain, "-t", topic, "-o", "beginning", "-e", "-q"]);
    let status = kcat.stdout(Stdio::null()).status().ok()?;
    status.success().then(|| started.elapsed())
}
