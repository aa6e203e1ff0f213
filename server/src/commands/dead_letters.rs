//! `stormglass deadletters`

use std::process::ExitCode;

use super::pages;
use super::query_string::QueryString;
use crate::api::{DeadLetterDetail, DeadLetterList, RetryBody, RetryResult};
use crate::cli::{DeadLetters, Global, WhichDeadLetters};
use crate::client::Client;
use crate::output::{columns, print, say};

/// Lists, shows or retries dead letters.
///
/// # Errors
/// The store or the server cannot be asked, or there is no such letter.
pub(crate) async fn run(global: &Global, command: DeadLetters) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    match command {
        DeadLetters::List { which, retried, limit, json } => {
            list(&client, &which, retried, limit, json).await?
        }
        DeadLetters::Show { id, json } => show(&client, id, json).await?,
        DeadLetters::Retry { which, json } => retry(&client, which, json).await?,
    }
    client.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(
    client: &Client,
    which: &WhichDeadLetters,
    retried: bool,
    limit: usize,
    json: bool,
) -> anyhow::Result<()> {
    let mut query = QueryString::default();
    query.add_some("source", which.source.as_deref());
    query.add_some("reason", which.reason.as_deref());
    if retried {
        query.add("retried", "true");
    }
    let list = pages::first(client, "/api/v1/dead-letters", &query, limit, |list: &mut DeadLetterList| {
        (&mut list.dead_letters, &mut list.next)
    })
    .await?;
    if json {
        return print(&serde_json::to_string(&list)?);
    }
    if list.dead_letters.is_empty() {
        say("there are no dead letters");
        return Ok(());
    }
    let mut rows =
        vec![["ID", "SOURCE", "REASON", "BYTES", "RECORD", "ORIGIN", "DETAIL"].map(String::from).to_vec()];
    for letter in &list.dead_letters {
        rows.push(vec![
            letter.id.to_string(),
            letter.source.clone(),
            letter.reason.clone(),
            letter.bytes.to_string(),
            letter.record_number.to_string(),
            letter.origin.clone(),
            letter.detail.chars().take(100).collect(),
        ]);
    }
    print(&columns(&rows))?;
    if list.next.is_some() {
        say(&format!("there are more; --limit shows more than {limit}"));
    }
    Ok(())
}

async fn show(client: &Client, id: u64, json: bool) -> anyhow::Result<()> {
    let letter: DeadLetterDetail = client.get(&format!("/api/v1/dead-letters/{id}")).await?;
    if json {
        return print(&serde_json::to_string(&letter)?);
    }
    let summary = &letter.summary;
    print(&format!(
        "dead letter {} of `{}`\nreason:   {}: {}\norigin:   {}, record {}\nreceived: {}\nblake3:   {}\n{} bytes{}:\n{}",
        summary.id,
        summary.source,
        summary.reason,
        summary.detail,
        summary.origin,
        summary.record_number,
        summary.received,
        letter.blake3,
        summary.bytes,
        if letter.truncated { ", of which the beginning was kept" } else { "" },
        letter.text
    ))
}

async fn retry(client: &Client, which: WhichDeadLetters, json: bool) -> anyhow::Result<()> {
    let body = RetryBody { source: which.source, reason: which.reason };
    let result: RetryResult = client.post("/api/v1/dead-letters/retry", &body).await?;
    if json {
        return print(&serde_json::to_string(&result)?);
    }
    print(&format!(
        "{} retried, {} of them failed again, {} too large to retry",
        result.retried, result.failed_again, result.skipped
    ))
}
