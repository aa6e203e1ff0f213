//! From an event that is accepted to the webhook that tells of it: the whole binary, one event at a time, and
//! then a steady stream. `cargo bench -p benches --bench notify`.
//!
//! The limit beside it is what a request from here to the receiver costs with nothing between. `stormglass`
//! must lie beside the bench (`make bench` builds it).

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use cloudfake::Fake;
use tokio::sync::mpsc;

/// Events told one after the other, and how many of them warm up.
const ROUNDS: usize = 400;
const WARM_UP: usize = 40;
/// Events of the stream, and how far apart they are.
const STREAM: usize = 1000;
const APART: Duration = Duration::from_millis(10);
/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

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

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let binary = std::env::current_exe()?;
    let binary = binary.parent().and_then(Path::parent).context("the bench lies nowhere")?.join("stormglass");
    if !binary.is_file() {
        println!("no `stormglass` beside the bench: nothing is measured");
        return Ok(());
    }
    let (told, mut tellings) = mpsc::unbounded_channel::<(Instant, Bytes)>();
    let hook = post(move |body: Bytes| {
        let told = told.clone();
        async move { told.send((Instant::now(), body)).is_ok().to_string() }
    });
    let fake = Fake::start(Router::new().route("/hook", hook)).await;
    let folder = tempfile::tempdir()?;
    let (_server, url) = start(&binary, folder.path(), &fake.url).await?;
    let http = reqwest::Client::new();
    let ingest = format!("{url}/api/v1/ingest?source=trail");

    let mut limits = Vec::new();
    let mut spans = Vec::new();
    for round in 0..ROUNDS + WARM_UP {
        let begin = Instant::now();
        http.post(format!("{}/hook", fake.url)).body("{}").send().await?.error_for_status()?;
        let limit = next(&mut tellings).await?.0 - begin;
        http.post(&ingest).body(record(&format!("one-{round}"))).send().await?.error_for_status()?;
        let accepted = Instant::now();
        let span = next(&mut tellings).await?.0.saturating_duration_since(accepted);
        if round >= WARM_UP {
            limits.push(limit);
            spans.push(span);
        }
    }
    print("a request alone", &mut limits);
    print("one at a time: accepted -> webhook", &mut spans);

    // The receiver cannot tell which event a message is about before it knows the alert's id, so what is
    // compared is the n-th accepted with the n-th told: both keep the order.
    let sending = tokio::spawn(async move {
        let mut accepted = Vec::with_capacity(STREAM);
        let mut beat = tokio::time::interval(APART);
        for number in 0..STREAM {
            beat.tick().await;
            http.post(&ingest).body(record(&format!("many-{number}"))).send().await?.error_for_status()?;
            accepted.push(Instant::now());
        }
        Ok::<_, anyhow::Error>(accepted)
    });
    let mut arrived = Vec::with_capacity(STREAM);
    for _ in 0..STREAM {
        arrived.push(next(&mut tellings).await?.0);
    }
    let accepted = sending.await??;
    let pairs = accepted.iter().zip(&arrived);
    let mut spans: Vec<_> = pairs.map(|(from, to)| to.saturating_duration_since(*from)).collect();
    print("100 a second: accepted -> webhook", &mut spans);
    Ok(())
}

async fn next(tellings: &mut mpsc::UnboundedReceiver<(Instant, Bytes)>) -> anyhow::Result<(Instant, Bytes)> {
    let told = tokio::time::timeout(PATIENCE, tellings.recv()).await.context("nothing was told in time")?;
    told.context("the receiver is gone")
}

async fn start(binary: &Path, folder: &Path, hook: &str) -> anyhow::Result<(Server, String)> {
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
    let data = folder.join("data");
    let child = Command::new(binary)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--data".as_ref(), data.as_os_str(), "--config".as_ref(), config.as_os_str()])
        .env("STORMGLASS_LOGGING_FILTER", "warn")
        .stdin(Stdio::null())
        .spawn()?;
    let mut server = Server(child);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = std::fs::read_to_string(data.join("log/LOCK")).unwrap_or_default();
        if let Some(url) = text.split_whitespace().find(|word| word.starts_with("http://")) {
            return Ok((server, url.to_owned()));
        }
        if Instant::now() > deadline || server.0.try_wait()?.is_some() {
            bail!("the server does not start");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Each of another person: each alert is an incident of its own, and told by itself.
fn record(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"{id}","arn":"arn:aws:iam::111122223333:user/{id}","accountId":"111122223333"}},"eventTime":"2026-03-02T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
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
