//! What is pulled and pushed, up to batches and up to the durable log, each beside its limit in the same
//! rounds. `cargo bench -p benches --bench collectors`.
//!
//! The limit is what the same bytes cost if nothing but the unavoidable is done with them: of compressed
//! objects inflating alone, of bodies copying them once and looking for their ends of lines, of HTTP a handler
//! that reads the body and answers, on the same runtime, from the same client. Where `stormglass` lies beside
//! the bench (`make bench` builds it), HTTP is measured against the whole binary, which meanwhile also lays
//! what came in columns and matches rules; then the log is full at times, and the client sends again.
//!
//! `STORMGLASS_BENCH_EVENTS` (default 60000) sets the size, `STORMGLASS_BINARY` names another binary.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use benches::{Generator, Server, binary};
use cloudfake::{Fake, ObjectQueue, QUEUE_PATH};
use event::{RawBatch, RawBatchBuilder, SourceId};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ingest::aws::{AwsAccess, Environment, S3QueueCollector, S3QueueConfig};
use ingest::push::otlp::Encoding;
use ingest::push::{Reception, hec, otlp};
use ingest::{Collected, Collector, Limits, Objects, ObjectsConfig, Polled, ReadOptions, RecordReader};
use storage::log::{Log, LogConfig};

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: usize = 60_000;
/// To see that it works.
const FEW_EVENTS: usize = 1300;
const ROUNDS: usize = 5;
/// CloudTrail's objects of a busy account.
const EVENTS_AN_OBJECT: usize = 2000;
/// Forwarders send about a MiB at once.
const EVENTS_A_BODY: usize = 600;
/// Appends that wait for the disk at once, and requests in flight.
const TOGETHER: usize = 8;

/// The same events in every shape.
struct Corpus {
    events: usize,
    /// Of the events alone, without what is around them.
    bytes: usize,
    /// Gzipped `{"Records":[…]}`.
    objects: Vec<Bytes>,
    ndjson: Vec<Bytes>,
    hec: Vec<Bytes>,
    otlp: Vec<Bytes>,
}

impl Corpus {
    fn new(events: usize) -> anyhow::Result<Self> {
        let mut generator = Generator::new(3);
        let lines: Vec<String> = (0..events).map(|_| generator.cloudtrail()).collect();
        let mut objects = Vec::new();
        for lines in lines.chunks(EVENTS_AN_OBJECT) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
            write!(encoder, "{{\"Records\":[{}]}}", lines.join(","))?;
            objects.push(encoder.finish()?.into());
        }
        let bodies = |body: fn(&[String]) -> Vec<u8>| -> Vec<Bytes> {
            lines.chunks(EVENTS_A_BODY).map(|lines| body(lines).into()).collect()
        };
        Ok(Self {
            events,
            bytes: lines.iter().map(String::len).sum(),
            objects,
            ndjson: bodies(|lines| (lines.join("\n") + "\n").into_bytes()),
            hec: bodies(|lines| {
                let event = |line: &String| {
                    format!(
                        "{{\"time\":1772323200.125,\"host\":\"web-1\",\"sourcetype\":\"aws:cloudtrail\",\"event\":{line}}}"
                    )
                };
                lines.iter().map(event).collect::<String>().into_bytes()
            }),
            otlp: bodies(otlp_request),
        })
    }

    /// Prints what was measured.
    fn tell(&self, name: &str, measured: &Measured, limit: Option<(&str, &Measured)>) {
        let rate = |spent: Duration| self.events as f64 / spent.as_secs_f64();
        let megabytes = |spent: Duration| self.bytes as f64 / 1e6 / spent.as_secs_f64();
        let spent = measured.median();
        let beside = limit.map_or_else(String::new, |(limit, of)| {
            let share = of.median().as_secs_f64() / spent.as_secs_f64() * 100.0;
            format!("{limit}: {:.0} MB/s | {share:.0} %", megabytes(of.median()))
        });
        let core = measured.core_us / (self.events * measured.rounds.len()) as f64;
        let all: Duration = measured.rounds.iter().sum();
        let cores = measured.core_us / 1e6 / all.as_secs_f64();
        println!(
            "| {name} | {:.0} | {:.0} | {core:.2} | {cores:.1} | {} |",
            rate(spent),
            megabytes(spent),
            if beside.is_empty() { "| " } else { &beside }
        );
    }
}

/// `ExportLogsServiceRequest` with a log record for each line, its body the line
/// (<https://github.com/open-telemetry/opentelemetry-proto>, `logs.proto`).
fn otlp_request(lines: &[String]) -> Vec<u8> {
    let mut scope = Vec::new();
    for line in lines {
        let (mut body, mut record) = (Vec::new(), vec![0x09]);
        field(&mut body, 1, line.as_bytes());
        record.extend(1_772_323_200_125_000_000_u64.to_le_bytes());
        record.extend([0x10, 9]);
        field(&mut record, 3, b"INFO");
        field(&mut record, 5, &body);
        field(&mut scope, 2, &record);
    }
    let (mut resource, mut request) = (Vec::new(), Vec::new());
    field(&mut resource, 2, &scope);
    field(&mut request, 1, &resource);
    request
}

/// A field of protobuf that has a length.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

/// The rounds of one thing.
#[derive(Default)]
struct Measured {
    rounds: Vec<Duration>,
    /// Time of all cores in all rounds, in microseconds; the fake's and the client's own included.
    core_us: f64,
}

impl Measured {
    fn median(&self) -> Duration {
        let mut rounds = self.rounds.clone();
        rounds.sort();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }

    async fn round(&mut self, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        let (start, core) = (Instant::now(), core_us("self")?);
        work.await?;
        self.rounds.push(start.elapsed());
        self.core_us += core_us("self")? - core;
        Ok(())
    }
}

/// The processor time of a process, in microseconds, in steps of ten milliseconds (`proc(5)`).
fn core_us(process: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, rest) = text.rsplit_once(')').context("no name in stat")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok()).context("no time in stat");
    Ok((ticks()? + ticks()?) as f64 * 10_000.0)
}

/// Where batches go.
struct Sink {
    log: Option<Log>,
    waiting: FuturesUnordered<tokio::task::JoinHandle<storage::Result<u64>>>,
    records: usize,
}

impl Sink {
    /// A log in `folder`, or nowhere.
    fn new(folder: Option<&Path>) -> anyhow::Result<Self> {
        let log = folder.map(|folder| Log::open(folder, LogConfig::default())).transpose()?;
        Ok(Self { log, waiting: FuturesUnordered::new(), records: 0 })
    }

    /// Hands a batch over; some may wait for the disk.
    async fn take(&mut self, batch: RawBatch) -> anyhow::Result<()> {
        self.records += batch.len();
        let Some(log) = self.log.clone() else {
            black_box(&batch);
            return Ok(());
        };
        self.waiting.push(tokio::spawn(async move { Ok(log.append(&batch).await?.end) }));
        while self.waiting.len() >= TOGETHER {
            self.settle().await?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> anyhow::Result<()> {
        if let Some(done) = self.waiting.next().await {
            done??;
        }
        Ok(())
    }

    async fn finish(mut self, events: usize) -> anyhow::Result<()> {
        while !self.waiting.is_empty() {
            self.settle().await?;
        }
        anyhow::ensure!(self.records == events, "{} of {events} records came", self.records);
        Ok(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    // `cargo test` runs benches, too, to see that they work.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let wanted = std::env::var("STORMGLASS_BENCH_EVENTS").ok().and_then(|count| count.parse().ok());
    let corpus = Corpus::new(wanted.unwrap_or(if quick { FEW_EVENTS } else { EVENTS }))?;
    let rounds = if quick { 1 } else { ROUNDS };
    println!(
        "{} CloudTrail events of {} bytes on average; {} objects, {} bodies; {rounds} rounds, medians\n",
        corpus.events,
        corpus.bytes / corpus.events,
        corpus.objects.len(),
        corpus.ndjson.len()
    );
    println!("| | events/s | MB/s | µs of core an event | cores busy | its limit | of it |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    objects(&corpus, rounds).await?;
    bodies(&corpus, rounds).await?;
    // What `cargo test` runs needs no binary beside it.
    match binary().filter(|_| !quick || std::env::var_os("STORMGLASS_BINARY").is_some()) {
        Some(binary) => over_http(&corpus, rounds, &binary).await,
        None => {
            println!("\nno `stormglass` beside the bench: HTTP is left out");
            Ok(())
        }
    }
}

/// Objects: of a folder, and of a bucket that a queue tells of.
async fn objects(corpus: &Corpus, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let bucket = ObjectQueue::default();
    let mut keys = Vec::new();
    for (number, object) in corpus.objects.iter().enumerate() {
        let key = format!("{number:05}.json.gz");
        std::fs::write(folder.path().join(&key), object)?;
        bucket.put("trail", &key, object.clone());
        keys.push(key);
    }
    let fake = Fake::start(bucket.routes()).await;
    let url = format!("file://{}", folder.path().display());
    let mut inflating = Measured::default();
    let mut all: BTreeMap<(u8, bool), Measured> = BTreeMap::new();
    for _ in 0..rounds {
        inflating.round(async { inflate(&corpus.objects) }).await?;
        for to_log in [false, true] {
            let log = tempfile::tempdir()?;
            let sink = || Sink::new(to_log.then_some(log.path()));
            let from_folder = all.entry((0, to_log)).or_default();
            let mut collector = Objects::open(objects_config(&url), &BTreeMap::new())?;
            from_folder.round(drain(&mut collector, sink()?, corpus.events)).await?;
            let log = tempfile::tempdir()?;
            let sink = Sink::new(to_log.then_some(log.path()))?;
            let from_queue = all.entry((1, to_log)).or_default();
            bucket.announce("trail", &keys);
            let mut collector = queue(&fake.url)?;
            let work = async {
                drain(&mut collector, sink, corpus.events).await?;
                deleted(&mut collector, &bucket).await
            };
            from_queue.round(work).await?;
        }
    }
    let limit = Some(("inflating on one core", &inflating));
    for ((from, to_log), measured) in &all {
        let from = if *from == 0 { "`objects`, a folder of gzip" } else { "`aws_s3_queue`, gzip over HTTP" };
        let to = if *to_log { "the log" } else { "batches" };
        corpus.tell(&format!("{from} → {to}"), measured, limit);
    }
    Ok(())
}

fn inflate(objects: &[Bytes]) -> anyhow::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    for object in objects {
        let mut decoder = MultiGzDecoder::new(object.as_ref());
        while decoder.read(&mut buffer)? > 0 {
            black_box(&buffer);
        }
    }
    Ok(())
}

fn objects_config(url: &str) -> ObjectsConfig {
    ObjectsConfig {
        source: SourceId::new("bench"),
        log_type: None,
        addresses: vec![url.to_owned()],
        aws: None,
        google: ingest::google::Environment::default(),
        every: Duration::from_secs(1),
        overlap: Duration::from_secs(3600),
        torn_after: Duration::from_secs(60),
        existing: true,
        max_objects: 100_000,
        limits: Limits::default(),
        now_us: || 1,
    }
}

fn queue(url: &str) -> anyhow::Result<S3QueueCollector> {
    let config = S3QueueConfig {
        queue_url: format!("{url}{QUEUE_PATH}"),
        access: AwsAccess {
            region: Some("us-east-1".into()),
            endpoint_url: Some(url.to_owned()),
            ..AwsAccess::default()
        },
        ..S3QueueConfig::default()
    };
    let environment = Environment::default()
        .with("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "example");
    let options = ReadOptions {
        source: SourceId::new("bench"),
        log_type: None,
        limits: Limits::default(),
        readers: 2,
        now_us: || 1,
    };
    Ok(S3QueueCollector::open(config, &environment, options)?)
}

/// Takes `events` from a collector as the runner does, and acknowledges them.
async fn drain(collector: &mut dyn Collector, mut sink: Sink, events: usize) -> anyhow::Result<()> {
    let mut tickets = Vec::new();
    while sink.records < events {
        if let Polled::Collected(Collected { batch, ticket, .. }) = collector.poll().await? {
            tickets.push(ticket);
            if let Some(batch) = batch {
                sink.take(batch).await?;
            }
        }
    }
    sink.finish(events).await?;
    Ok(collector.ack(&tickets).await?)
}

/// Polls until the queue is empty: the end of the last object is told after its last batch. An empty queue is
/// waited for, which must not be measured.
async fn deleted(collector: &mut dyn Collector, bucket: &ObjectQueue) -> anyhow::Result<()> {
    let emptied = async {
        while bucket.messages() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let polled = async {
        loop {
            match collector.poll().await {
                Ok(Polled::Idle) => {}
                Ok(_) => bail!("more came than there is"),
                Err(error) => return Err(error.into()),
            }
        }
    };
    tokio::select! {
        polled = polled => polled,
        () = emptied => Ok(()),
        () = tokio::time::sleep(Duration::from_secs(30)) => bail!("the message is not deleted"),
    }
}

/// A way in which bodies become batches.
type Reader = fn(Bytes) -> anyhow::Result<Vec<RawBatchBuilder>>;

fn read_ndjson(body: Bytes) -> anyhow::Result<Vec<RawBatchBuilder>> {
    let mut reader = RecordReader::new(Box::new(Cursor::new(body)), Limits::default());
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

fn read_hec(body: Bytes) -> anyhow::Result<Vec<RawBatchBuilder>> {
    let mut reception = Reception::new(1_772_323_200_000_000, "bench".into());
    Ok(hec::events(&body, &mut reception, &Limits::default())?.into_batches())
}

fn read_otlp(body: Bytes) -> anyhow::Result<Vec<RawBatchBuilder>> {
    let mut reception = Reception::new(1_772_323_200_000_000, "bench".into());
    let logs = otlp::logs(&body, Encoding::Protobuf, &mut reception, &Limits::default())?;
    anyhow::ensure!(logs.rejected == 0, "{}", logs.reason);
    Ok(logs.records.into_batches())
}

/// What is pushed, without HTTP.
async fn bodies(corpus: &Corpus, rounds: usize) -> anyhow::Result<()> {
    let shapes: [(&str, &[Bytes], Reader); 3] = [
        ("NDJSON", &corpus.ndjson, read_ndjson),
        ("HEC", &corpus.hec, read_hec),
        ("OTLP, protobuf", &corpus.otlp, read_otlp),
    ];
    for (name, bodies, reader) in shapes {
        let (mut scanning, mut to_batches, mut to_log) =
            (Measured::default(), Measured::default(), Measured::default());
        for _ in 0..rounds {
            scanning.round(async { scan(bodies) }).await?;
            to_batches.round(read(bodies, reader, Sink::new(None)?, corpus.events)).await?;
            let folder = tempfile::tempdir()?;
            to_log.round(read(bodies, reader, Sink::new(Some(folder.path()))?, corpus.events)).await?;
        }
        let limit = Some(("copy and ends of lines", &scanning));
        corpus.tell(&format!("{name}, bodies in memory → batches"), &to_batches, limit);
        corpus.tell(&format!("{name}, bodies in memory → the log"), &to_log, limit);
    }
    Ok(())
}

fn scan(bodies: &[Bytes]) -> anyhow::Result<()> {
    for body in bodies {
        let copied = body.to_vec();
        black_box(memchr::memchr_iter(b'\n', &copied).count());
    }
    Ok(())
}

async fn read(bodies: &[Bytes], reader: Reader, mut sink: Sink, events: usize) -> anyhow::Result<()> {
    for body in bodies {
        for batch in reader(body.clone())? {
            sink.take(batch.finish(SourceId::new("bench"), None, "memory".into(), 1)).await?;
        }
    }
    sink.finish(events).await
}

/// What is pushed over HTTP, to the whole binary and to a handler that only reads.
async fn over_http(corpus: &Corpus, rounds: usize, binary: &Path) -> anyhow::Result<()> {
    let reads = |body: Bytes| async move { body.len().to_string() };
    let limitless = DefaultBodyLimit::disable();
    let fake = Fake::start(Router::new().route("/{*path}", post(reads)).layer(limitless)).await;
    let client = reqwest::Client::new();
    let shapes: [(&str, &str, &str, &[Bytes]); 3] = [
        ("NDJSON", "api/v1/ingest?source=bench", "application/x-ndjson", &corpus.ndjson),
        ("HEC", "services/collector/event", "application/json", &corpus.hec),
        ("OTLP, protobuf", "v1/logs", "application/x-protobuf", &corpus.otlp),
    ];
    for (name, path, content_type, bodies) in shapes {
        let (mut reading, mut whole) = (Measured::default(), Measured::default());
        for _ in 0..rounds {
            let url = format!("{}/{path}", fake.url);
            reading.round(push(&client, &url, content_type, bodies)).await?;
            let data = tempfile::tempdir()?;
            let server = Server::start(binary, data.path(), &[])?;
            let url = format!("{}/{path}", server.url());
            let before = core_us(&server.id().to_string())?;
            whole.round(push(&client, &url, content_type, bodies)).await?;
            whole.core_us += core_us(&server.id().to_string())? - before;
        }
        let limit = Some(("a handler that only reads", &reading));
        corpus.tell(&format!("{name} over HTTP → durable, the whole binary"), &whole, limit);
    }
    Ok(())
}

/// Sends every body, some at once; one that the server has no room for is sent again.
async fn push(
    client: &reqwest::Client,
    url: &str,
    content_type: &str,
    bodies: &[Bytes],
) -> anyhow::Result<()> {
    let send = |body: Bytes| async move {
        loop {
            let request = client.post(url).header("content-type", content_type).body(body.clone());
            let answer = request.send().await?;
            match answer.status().as_u16() {
                200 => {
                    answer.bytes().await?;
                    return anyhow::Ok(());
                }
                429 | 503 => tokio::time::sleep(Duration::from_millis(100)).await,
                status => bail!("{url} answered {status}: {}", answer.text().await?),
            }
        }
    };
    let mut answers = futures::stream::iter(bodies.iter().cloned().map(send)).buffer_unordered(TOGETHER);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}
