//! From an event that is accepted to the webhook that tells of it: the whole binary, one event at a time, then
//! a steady stream, then beside a load of other events. `cargo bench -p benches --bench notify`.
//!
//! The limit beside it is what a request from here to the receiver costs with nothing between. `stormglass`
//! must lie beside the bench (`make bench` builds it), or `STORMGLASS_BINARY` name it.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use benches::{Generator, Server, binary};
use cloudfake::Fake;
use tokio::sync::{Semaphore, mpsc};

/// Events told one after the other, and how many of them warm up.
const ROUNDS: usize = 400;
const WARM_UP: usize = 40;
/// Events of the stream, and how far apart they are.
const STREAM: usize = 1000;
const APART: Duration = Duration::from_millis(10);
/// Other events a second beside which some are told of, and what those are called.
const LOADS: [(usize, &str); 3] = [(10_000, "ten"), (25_000, "half"), (50_000, "fifty")];
/// How long a load lasts, how far apart its requests and the events that are told of are.
const LOAD_SECONDS: usize = 10;
const LOAD_APART: Duration = Duration::from_millis(20);
const TOLD_APART: Duration = Duration::from_millis(50);
/// Requests of a load that may wait for their answer.
const IN_FLIGHT: usize = 8;
/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

const RULE: &str = "title: Trail stopped
id: 6f1c9c52-3f0e-4a57-9a38-0d7f7f1a2b3c
status: test
level: high
logsource:
    product: aws
    service: cloudtrail
detection:
    selection:
        eventName: StopLogging
    condition: selection
";

fn main() -> anyhow::Result<()> {
    // `cargo test` runs benches, too, to see that they work; this one works only on a whole binary.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let Some(binary) = binary() else {
        println!("no `stormglass` beside the bench: nothing is measured");
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&binary))
}

async fn run(binary: &Path) -> anyhow::Result<()> {
    let (told, mut tellings) = mpsc::unbounded_channel::<(Instant, Bytes)>();
    let hook = post(move |body: Bytes| {
        let told = told.clone();
        async move { told.send((Instant::now(), body)).is_ok().to_string() }
    });
    let fake = Fake::start(Router::new().route("/hook", hook)).await;
    let folder = tempfile::tempdir()?;
    let server = start(binary, folder.path(), &fake.url)?;
    let http = reqwest::Client::new();
    let ingest = format!("{}/api/v1/ingest", server.url());

    let mut limits = Vec::new();
    let mut spans = Vec::new();
    for round in 0..ROUNDS + WARM_UP {
        let begin = Instant::now();
        http.post(format!("{}/hook", fake.url)).body("{}").send().await?.error_for_status()?;
        let limit = next(&mut tellings).await?.0 - begin;
        let (id, sent) = (format!("one-{round}-"), Instant::now());
        alarm(&http, &ingest, &id).await?;
        let span = loop {
            let (arrived, body) = next(&mut tellings).await?;
            if tells_of(&body, &id) {
                break arrived - sent;
            }
        };
        if round >= WARM_UP {
            limits.push(limit);
            spans.push(span);
        }
    }
    print("a request alone", &mut limits);
    print("one at a time: sent -> webhook", &mut spans);

    let sending = tokio::spawn(alarms(http.clone(), ingest.clone(), "many", STREAM, APART));
    print("100 a second: sent -> webhook", &mut spans_of(sending, "many", STREAM, &mut tellings).await?);

    for (rate, name) in LOADS {
        let bodies = load(rate);
        let events = rate * LOAD_SECONDS;
        let load = tokio::spawn(send(http.clone(), ingest.clone(), bodies));
        let count = LOAD_SECONDS * 1000 / TOLD_APART.as_millis() as usize;
        let sending = tokio::spawn(alarms(http.clone(), ingest.clone(), name, count, TOLD_APART));
        let mut spans = spans_of(sending, name, count, &mut tellings).await?;
        let took = load.await??;
        let real = events as f64 / took.as_secs_f64();
        print(&format!("beside {rate} other events a second ({real:.0} were taken)"), &mut spans);
    }
    Ok(())
}

/// Sends an event that is told of.
async fn alarm(http: &reqwest::Client, ingest: &str, id: &str) -> anyhow::Result<()> {
    let request = http.post(ingest).query(&[("source", "trail")]).body(record(id));
    request.send().await?.error_for_status()?;
    Ok(())
}

/// Sends so many of them, whether or not the last was answered; returns when each was sent.
async fn alarms(
    http: reqwest::Client,
    ingest: String,
    name: &'static str,
    count: usize,
    apart: Duration,
) -> anyhow::Result<Vec<(String, Instant)>> {
    let mut sent = Vec::with_capacity(count);
    let mut answers = Vec::with_capacity(count);
    let mut beat = tokio::time::interval(apart);
    for number in 0..count {
        beat.tick().await;
        let id = format!("{name}-{number}-");
        sent.push((id.clone(), Instant::now()));
        let (http, ingest) = (http.clone(), ingest.clone());
        answers.push(tokio::spawn(async move { alarm(&http, &ingest, &id).await }));
    }
    for answer in answers {
        answer.await??;
    }
    Ok(sent)
}

/// How long each took until it was told.
async fn spans_of(
    alarms: tokio::task::JoinHandle<anyhow::Result<Vec<(String, Instant)>>>,
    name: &str,
    count: usize,
    tellings: &mut mpsc::UnboundedReceiver<(Instant, Bytes)>,
) -> anyhow::Result<Vec<Duration>> {
    let mut arrived: HashMap<usize, Instant> = HashMap::with_capacity(count);
    while arrived.len() < count {
        let (at, body) = next(tellings).await?;
        if let Some(number) = number_in(&body, name) {
            arrived.entry(number).or_insert(at);
        }
    }
    let sent = alarms.await??;
    let spans =
        sent.iter().enumerate().filter_map(|(number, (_, sent))| Some(*arrived.get(&number)? - *sent));
    Ok(spans.collect())
}

/// Whether a message is about the event of this id.
fn tells_of(body: &[u8], id: &str) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| body.contains(id))
}

/// The number of the event that a message is about, if it is one of this name.
fn number_in(body: &[u8], name: &str) -> Option<usize> {
    let (_, rest) = std::str::from_utf8(body).ok()?.split_once(&format!("{name}-"))?;
    rest.split_once('-')?.0.parse().ok()
}

/// Bodies of other events, none of them told of, for [`LOAD_SECONDS`].
fn load(rate: usize) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(rate as u64);
    let requests = LOAD_SECONDS * 1000 / LOAD_APART.as_millis() as usize;
    let each = rate * LOAD_SECONDS / requests;
    let mut body = |_| {
        let mut lines = Vec::with_capacity(each);
        while lines.len() < each {
            let line = generator.cloudtrail();
            if !line.contains("StopLogging") {
                lines.push(line);
            }
        }
        lines.join("\n").into_bytes()
    };
    (0..requests).map(&mut body).collect()
}

/// Sends a load, at its pace as far as it is taken; returns how long that took.
async fn send(http: reqwest::Client, ingest: String, bodies: Vec<Vec<u8>>) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let free = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut sent = Vec::with_capacity(bodies.len());
    let mut beat = tokio::time::interval(LOAD_APART);
    for body in bodies {
        beat.tick().await;
        let permit = free.clone().acquire_owned().await?;
        let request = http.post(&ingest).query(&[("source", "load")]).body(body);
        sent.push(tokio::spawn(async move {
            let answer = request.send().await?.error_for_status();
            drop(permit);
            answer.map(drop)
        }));
    }
    for sent in sent {
        sent.await??;
    }
    Ok(begin.elapsed())
}

async fn next(tellings: &mut mpsc::UnboundedReceiver<(Instant, Bytes)>) -> anyhow::Result<(Instant, Bytes)> {
    let told = tokio::time::timeout(PATIENCE, tellings.recv()).await.context("nothing was told in time")?;
    told.context("the receiver is gone")
}

fn start(binary: &Path, folder: &Path, hook: &str) -> anyhow::Result<Server> {
    let rules = folder.join("rules");
    std::fs::create_dir(&rules)?;
    std::fs::write(rules.join("trail.yml"), RULE)?;
    let config = folder.join("stormglass.toml");
    let text = format!(
        "[rules]\nshipped = false\npaths = [{:?}]\n\n[egress]\nallow = [\"http://127.0.0.1\"]\n\n\
         [[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{hook}/hook\"\n\n\
         [[notify.routes]]\nname = \"all\"\nchannels = [\"hook\"]\nfold = 0\n",
        rules.to_string_lossy()
    );
    std::fs::write(&config, text)?;
    Server::start(binary, &folder.join("data"), &["--config", &config.to_string_lossy()])
}

/// Each by another person from another address: what belongs together is told together.
fn record(id: &str) -> String {
    let hash = id.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let [_, b, c, d] = hash.to_be_bytes();
    let address = format!("198.{}.{c}.{d}", 18 + b % 2);
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"{id}","arn":"arn:aws:iam::111122223333:user/{id}","accountId":"111122223333"}},"eventTime":"2026-03-02T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"{address}","userAgent":"aws-cli/2","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// Percentiles, and how many lie in each span that is twice the one before.
fn print(what: &str, spans: &mut [Duration]) {
    spans.sort_unstable();
    let at = |part: usize| spans.get((spans.len() * part / 1000).min(spans.len().saturating_sub(1)));
    let ms = |span: Option<&Duration>| span.map_or(0.0, |span| span.as_secs_f64() * 1000.0);
    println!(
        "\n{what}: n {}, p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        spans.len(),
        ms(at(500)),
        ms(at(900)),
        ms(at(990)),
        ms(spans.last())
    );
    let mut from = Duration::ZERO;
    let mut to = Duration::from_micros(250);
    while spans.last().is_some_and(|last| *last >= from) {
        let count = spans.iter().filter(|span| (from..to).contains(*span)).count();
        if count > 0 {
            println!("  {:>9.2} ms .. {:>9.2} ms  {count:>6}", ms(Some(&from)), ms(Some(&to)));
        }
        from = to;
        to *= 2;
    }
}
