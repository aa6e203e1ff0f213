//! `stormglass ingest`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::RawBatch;
use futures::StreamExt;
use futures::stream::FuturesOrdered;

use super::progress::Progress;
use super::query_string::QueryString;
use super::reading::{Label, Reading, read};
use crate::api::{Accepted, SessionBody, SourceBody, SourceList, source_id};
use crate::auth::Right;
use crate::cli::{Global, Ingest};
use crate::client::{Busy, Client};
use crate::output::{UsageError, print, say};

/// Batches that are on their way to the disk or the server at once.
const IN_FLIGHT: usize = 4;

/// Reads the paths into the folder or the server. Exit status 1 if an input could not be read; bad
/// records are dead letters and no failure.
///
/// # Errors
/// A path does not exist, or the folder or server refuses.
pub(crate) async fn run(global: &Global, command: Ingest) -> anyhow::Result<ExitCode> {
    let source = source_id(&command.source).map_err(UsageError)?;
    let inputs = ingest::expand(&command.paths).await?;
    let total_bytes = inputs.iter().map(ingest::Input::byte_len).sum::<Option<u64>>();
    let client = Arc::new(Client::open_or_make(global).await?);
    let limits = client.limits();
    let counts = may_read_accounts(&client).await?;
    let before = if counts { Some(account(&client, &command.source).await?) } else { None };
    let started = Instant::now();
    let mut progress = Progress::new(total_bytes, global.quiet);
    let mut readings = read(inputs, Label { source, log_type: command.log_type }, limits);
    let mut in_flight = FuturesOrdered::new();
    let mut failed = 0;
    let (mut records, mut raw_bytes) = (0, 0);
    while let Some(reading) = readings.recv().await {
        match reading {
            Reading::Batch { batch, bytes } => {
                progress.add(bytes, batch.len() as u64);
                records += batch.len() as u64;
                raw_bytes += batch.byte_len() as u64;
                let client = client.clone();
                in_flight.push_back(tokio::spawn(async move { send(&client, &batch).await }));
                if in_flight.len() >= IN_FLIGHT
                    && let Some(sent) = in_flight.next().await
                {
                    sent??;
                }
            }
            Reading::Failed(error) => {
                failed += 1;
                progress.line(&format!("stormglass: {:#}", anyhow::Error::from(error)));
            }
        }
    }
    while let Some(sent) = in_flight.next().await {
        sent??;
    }
    progress.finish();
    match before {
        Some(before) => {
            client.settle().await?;
            let took = started.elapsed();
            let after = account(&client, &command.source).await?;
            report(&command, &before, &after, raw_bytes, took)?;
        }
        None => report_accepted(&command, records, raw_bytes, started.elapsed())?,
    }
    match Arc::into_inner(client) {
        Some(client) => client.close().await?,
        None => say("the folder is closed by the system"),
    }
    if failed > 0 {
        say(&format!("{failed} inputs could not be read to their end"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Hands a batch over and waits until it is durable; a busy server is asked again.
async fn send(client: &Client, batch: &RawBatch) -> anyhow::Result<()> {
    if let Client::Local { app, .. } = client {
        app.pipeline.accept(batch).await?;
        return Ok(());
    }
    let mut query = QueryString::default();
    query.add("source", batch.source.as_str());
    query.add("origin", &batch.origin);
    query.add_some("type", batch.log_type.map(event::LogType::as_str));
    let path = query.after("/api/v1/ingest");
    let mut body = Vec::with_capacity(batch.byte_len() + batch.len());
    for record in batch.records() {
        body.extend_from_slice(record.bytes);
        body.push(b'\n');
    }
    let body = bytes::Bytes::from(body);
    loop {
        match client.push::<Accepted>(&path, body.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => match error.downcast_ref::<Busy>() {
                Some(busy) => tokio::time::sleep(Duration::from_secs(busy.retry_after)).await,
                None => return Err(error),
            },
        }
    }
}

/// Whether the caller may read what becomes of records: who only pushes may not, and does not ask.
async fn may_read_accounts(client: &Client) -> anyhow::Result<bool> {
    let caller: SessionBody = client.get("/api/v1/session").await?;
    Ok(caller.rights.iter().any(|right| right == Right::Read.as_str()))
}

/// The source's account; all zeros for a new one.
async fn account(client: &Client, source: &str) -> anyhow::Result<SourceBody> {
    let list: SourceList = client.get("/api/v1/sources").await?;
    Ok(list.sources.into_iter().find(|body| body.source == source).unwrap_or_default())
}

/// What is known where accounts may not be read: that the server has it all on its disk.
fn report_accepted(command: &Ingest, records: u64, raw_bytes: u64, took: Duration) -> anyhow::Result<()> {
    let seconds = took.as_secs_f64().max(0.001);
    if command.json {
        return print(&serde_json::to_string(&serde_json::json!({
            "records": records,
            "bytes": raw_bytes,
            "seconds": seconds,
        }))?);
    }
    print(&format!(
        "{records} records ({:.1} MB) in {seconds:.2} s are accepted; {:.0} records/s, {:.1} MB/s",
        raw_bytes as f64 / 1e6,
        records as f64 / seconds,
        raw_bytes as f64 / 1e6 / seconds,
    ))?;
    say("what became of them is told to tokens with the right `read`");
    Ok(())
}

fn report(
    command: &Ingest,
    before: &SourceBody,
    after: &SourceBody,
    raw_bytes: u64,
    took: Duration,
) -> anyhow::Result<()> {
    let records = after.received - before.received;
    let rows = after.rows - before.rows;
    let dead_letters = after.dead_letters - before.dead_letters;
    let duplicates = after.duplicates - before.duplicates;
    let dropped = after.dropped - before.dropped;
    let seconds = took.as_secs_f64().max(0.001);
    if command.json {
        return print(&serde_json::to_string(&serde_json::json!({
            "records": records,
            "rows": rows,
            "dead_letters": dead_letters,
            "duplicates": duplicates,
            "dropped": dropped,
            "bytes": raw_bytes,
            "seconds": seconds,
        }))?);
    }
    print(&format!(
        "{records} records ({:.1} MB) in {seconds:.2} s: {rows} events, {duplicates} duplicates, {dead_letters} dead letters; {:.0} records/s, {:.1} MB/s",
        raw_bytes as f64 / 1e6,
        records as f64 / seconds,
        raw_bytes as f64 / 1e6 / seconds,
    ))?;
    if dropped > 0 {
        say(&format!("{dropped} events are older than the retention and were dropped"));
    }
    if dead_letters > 0 {
        say("`stormglass deadletters list` shows what could not be read, and why");
    }
    Ok(())
}
