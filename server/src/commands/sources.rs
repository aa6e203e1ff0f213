//! `stormglass sources`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;

use crate::api::{BackfillBody, BackfillRequest, CollectorBody, SourceBody, SourceList, source_id};
use crate::cli::{Global, Sources, SourcesCommand, SourcesList};
use crate::client::Client;
use crate::output::{UsageError, columns, print, say};

/// Lists, tests, pauses, resumes, adds or reads the past of sources.
///
/// # Errors
/// The store or the server cannot be asked, or there is no such source.
pub(crate) async fn run(global: &Global, command: Sources) -> anyhow::Result<ExitCode> {
    match command.command {
        None => list(global, command.list).await,
        Some(SourcesCommand::List(wanted)) => list(global, wanted).await,
        Some(SourcesCommand::Test { name, json }) => super::sources_test::run(global, &name, json).await,
        Some(SourcesCommand::Add { name, settings }) => super::sources_add::run(global, &name, &settings),
        Some(SourcesCommand::Pause { name }) => change(global, &name, "pause").await,
        Some(SourcesCommand::Resume { name }) => change(global, &name, "resume").await,
        Some(SourcesCommand::Backfill { name, since, until }) => {
            backfill(global, &name, BackfillRequest { since, until }).await
        }
    }
}

async fn change(global: &Global, name: &str, change: &str) -> anyhow::Result<ExitCode> {
    let name = source_id(name).map_err(UsageError)?;
    let client = Client::open(global).await?;
    let path = format!("/api/v1/sources/{name}/{change}");
    client.post::<CollectorBody>(&path, &serde_json::json!({})).await?;
    client.close().await?;
    if !global.quiet {
        say(&format!("`{name}` is {change}d"));
    }
    Ok(ExitCode::SUCCESS)
}

/// How often progress is asked for.
const TICK: Duration = Duration::from_millis(500);

/// Starts to read the past and waits for its end, telling how far it has come.
async fn backfill(global: &Global, name: &str, wanted: BackfillRequest) -> anyhow::Result<ExitCode> {
    let name = source_id(name).map_err(UsageError)?;
    let client = Client::open(global).await?;
    let path = format!("/api/v1/sources/{name}/backfill");
    let mut run: BackfillBody = client.post(&path, &wanted).await?;
    let mut told = String::new();
    while run.state != "done" {
        let line = format!(
            "{}: {} objects, {:.1} MB, {} records{}",
            run.state,
            run.objects,
            run.object_bytes as f64 / 1e6,
            run.records,
            run.last_error.as_ref().map(|error| format!("; {error}")).unwrap_or_default()
        );
        if line != told && !global.quiet {
            say(&line);
        }
        told = line;
        tokio::time::sleep(TICK).await;
        let list: SourceList = client.get("/api/v1/sources").await?;
        let runs = list.sources.into_iter().filter(|source| source.source == name.as_str());
        let same = runs
            .flat_map(|source| source.backfills)
            .find(|other| other.since == run.since && other.until == run.until);
        let Some(same) = same else {
            bail!(
                "the server has been started anew; the same command with `--since {} --until {}` goes on where it was left",
                run.since,
                run.until
            );
        };
        run = same;
    }
    client.settle().await?;
    client.close().await?;
    print(&format!(
        "{} objects from {} to {}: {} records, {:.1} MB",
        run.objects,
        run.since,
        run.until,
        run.records,
        run.object_bytes as f64 / 1e6
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the account of every source. Exit status 1 if one does not add up.
async fn list(global: &Global, command: SourcesList) -> anyhow::Result<ExitCode> {
    let client = Client::open(global).await?;
    let path = if command.verify { "/api/v1/sources?verify=true" } else { "/api/v1/sources" };
    let list: SourceList = client.get(path).await?;
    client.close().await?;
    if command.json {
        print(&serde_json::to_string(&list)?)?;
    } else {
        print(&columns(&table(&list, command.verify)))?;
        let health = health(&list);
        if health.len() > 1 {
            print("")?;
            print(&columns(&health))?;
        }
        if list.pending > 0 {
            say(&format!("{} records in the log are not accounted for yet", list.pending));
        }
    }
    let wrong: Vec<_> = list
        .sources
        .iter()
        .filter(|source| {
            source.unaccounted != 0
                || source.rows_counted.is_some_and(|counted| counted != source.rows - source.expired)
                || source.dead_letters_counted.is_some_and(|counted| counted != source.dead_letters)
        })
        .collect();
    for source in &wrong {
        say(&format!("the account of `{}` does not add up", source.source));
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How sources are doing that are pulled.
fn health(list: &SourceList) -> Vec<Vec<String>> {
    let head = ["SOURCE", "TYPE", "STATE", "SINCE", "LAG", "WAITING", "RETRIES", "FINDINGS", "LAST ERROR"];
    let mut rows = vec![head.map(Into::into).to_vec()];
    for source in &list.sources {
        let Some(collector) = &source.collector else { continue };
        let why = if collector.why.is_empty() { &collector.last_error } else { &Some(collector.why.clone()) };
        rows.push(vec![
            source.source.clone(),
            collector.kind.clone(),
            collector.state.clone(),
            collector.since.clone(),
            collector.lag_seconds.map_or_else(|| "-".into(), span),
            waiting(collector),
            collector.retries.to_string(),
            collector.findings.to_string(),
            why.clone().unwrap_or_else(|| "-".into()),
        ]);
    }
    rows
}

/// A span of seconds in the unit that suits it.
fn span(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What waits at the source, and how far reading is behind.
fn waiting(collector: &CollectorBody) -> String {
    match (collector.waiting, collector.waiting_seconds) {
        (None, _) => "-".into(),
        (Some(records), Some(seconds)) if records > 0 => format!("{records}, {}", span(seconds)),
        (Some(records), _) => records.to_string(),
    }
}

/// How late a source is itself, and whether correlations wait for it.
fn event_lag(source: &SourceBody) -> String {
    match source.event_lag_seconds {
        None => "-".into(),
        Some(lag) if source.idle => format!("{lag} s, idle"),
        Some(lag) => format!("{lag} s"),
    }
}

fn table(list: &SourceList, verify: bool) -> Vec<Vec<String>> {
    let mut head: Vec<String> = [
        "SOURCE",
        "RECEIVED",
        "ROWS",
        "DEAD LETTERS",
        "DUPLICATES",
        "DROPPED",
        "UNACCOUNTED",
        "LAST EVENT",
        "EVENT LAG",
    ]
    .map(Into::into)
    .to_vec();
    if verify {
        head.extend(["ROWS COUNTED".into(), "DEAD LETTERS COUNTED".into()]);
    }
    let mut rows = vec![head];
    for source in &list.sources {
        let mut row = vec![
            source.source.clone(),
            source.received.to_string(),
            source.rows.to_string(),
            source.dead_letters.to_string(),
            source.duplicates.to_string(),
            source.dropped.to_string(),
            source.unaccounted.to_string(),
            source.last_event.clone().unwrap_or_else(|| "-".into()),
            event_lag(source),
        ];
        if verify {
            let counted = |count: Option<u64>| count.map_or_else(|| "-".into(), |count| count.to_string());
            row.extend([counted(source.rows_counted), counted(source.dead_letters_counted)]);
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_unit_that_suits() {
        let told: Vec<_> = [0, 119, 120, 7_200, 172_800, 18_294_256].map(span).into();
        assert_eq!(told, ["0 s", "119 s", "2 min", "2 h", "2 d", "211 d"]);
    }
}
