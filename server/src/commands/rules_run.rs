//! `stormglass rules run`: rules over files, without a store.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use event::{Col, LogType, RawBatch, SourceId};
use ingest::Limits;
use normalize::Normalizer;
use rules::{CompiledRule, RuleSet, Scratch};
use serde::Serialize;
use tokio::task::JoinHandle;

use super::reading::{Label, Reading, read};
use crate::api::format_us;
use crate::cli::Global;
use crate::client::{load_config, usage};
use crate::output::{UsageError, say};
use crate::{app, rule_files};

/// A line of the output.
#[derive(Debug, Serialize)]
struct Found<'a> {
    rule_id: &'a str,
    title: &'a str,
    level: &'a str,
    tags: &'a [String],
    time: String,
    provider: &'a str,
    operation: &'a str,
    actor: Option<&'a str>,
    src_ip: Option<&'a str>,
    event_uid: &'a str,
    /// The cloud's own id of the event.
    uid: Option<&'a str>,
    file: &'a str,
    /// The record's number in the file, from 0.
    record: u64,
}

/// Prints a line of JSON for each match. Exit status 1 if an input could not be read.
///
/// # Errors
/// No rule loads, a path does not exist, or standard output is closed.
pub(crate) async fn run(
    global: &Global,
    rules: &[PathBuf],
    paths: &[String],
    log_type: Option<LogType>,
    level: Option<String>,
) -> anyhow::Result<ExitCode> {
    let least = level.map(|name| least_severity(&name)).transpose()?.unwrap_or(0);
    let rules = std::sync::Arc::new(load(global, rules)?);
    let limits = load_config(global).map(|config| config.limits).unwrap_or_else(|_| Limits::default());
    let inputs = ingest::expand(paths).await?;
    let mut readings = read(inputs, Label { source: SourceId::new("rules-run"), log_type }, limits);
    let mut rejected: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut failed, mut events) = (0, 0);
    // Batches are worked on on all cores and printed in their order.
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let mut working: std::collections::VecDeque<JoinHandle<anyhow::Result<Worked>>> = Default::default();
    let mut out = std::io::stdout();
    let mut print = async |handle: JoinHandle<anyhow::Result<Worked>>| -> anyhow::Result<()> {
        let worked = handle.await??;
        out.write_all(&worked.lines)?;
        events += worked.events;
        for reason in worked.rejects {
            *rejected.entry(reason).or_default() += 1;
        }
        Ok(())
    };
    while let Some(reading) = readings.recv().await {
        match reading {
            Reading::Batch { batch, .. } => {
                let rules = rules.clone();
                working.push_back(tokio::task::spawn_blocking(move || work(&batch, &rules, least)));
            }
            Reading::Failed(error) => {
                failed += 1;
                say(&format!("stormglass: {:#}", anyhow::Error::from(error)));
            }
        }
        if working.len() > workers
            && let Some(handle) = working.pop_front()
        {
            print(handle).await?;
        }
    }
    for handle in working {
        print(handle).await?;
    }
    if !global.quiet {
        let rejects: Vec<_> = rejected.iter().map(|(reason, count)| format!(", {count} {reason}")).collect();
        say(&format!("{events} events against {} rules{}", rules.len(), rejects.concat()));
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn least_severity(name: &str) -> anyhow::Result<u8> {
    let names = ["informational", "low", "medium", "high", "critical"];
    let place = names.iter().position(|level| *level == name);
    let place = place
        .ok_or_else(|| UsageError(format!("unknown level `{name}`; choose one of {}", names.join(", "))))?;
    Ok(place as u8 + 1)
}

fn load(global: &Global, paths: &[PathBuf]) -> anyhow::Result<RuleSet> {
    let (rules, findings) = if paths.is_empty() {
        app::load_rules(&load_config(global)?)?
    } else {
        let loaded = rules::load(&rule_files::read(paths)?);
        (loaded.rules, loaded.diagnostics)
    };
    let errors: Vec<_> =
        findings.into_iter().filter(|finding| finding.level == event::Level::Error).collect();
    if rules.is_empty() {
        return Err(if errors.is_empty() {
            UsageError("there are no rules".into()).into()
        } else {
            usage(errors)
        });
    }
    if !global.quiet {
        for finding in &errors {
            say(&finding.to_string());
        }
    }
    Ok(rules)
}

/// What a batch gave.
struct Worked {
    lines: Vec<u8>,
    events: u64,
    rejects: Vec<&'static str>,
}

fn work(batch: &RawBatch, rules: &RuleSet, least: u8) -> anyhow::Result<Worked> {
    let normalized = Normalizer::new().map(batch, 0);
    let matches = rules.matches(&normalized.events, &mut Scratch::default());
    let mut lines = Vec::new();
    for found in matches {
        let Some(rule) = rules.rules().get(found.rule as usize) else { continue };
        if rule.level().severity_id() < least {
            continue;
        }
        write_line(rule, batch, &normalized.events, found.row as usize, &mut lines)?;
    }
    Ok(Worked {
        lines,
        events: normalized.events.len() as u64,
        rejects: normalized.rejects.iter().map(|reject| reject.reason.as_str()).collect(),
    })
}

fn write_line(
    rule: &CompiledRule,
    batch: &RawBatch,
    events: &event::EventBatch,
    row: usize,
    lines: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let text = |col| events.str_at(col, row);
    // Offsets count from the batch's first record here.
    let index = events
        .int_at(Col::LogOffset, row)
        .and_then(|offset| usize::try_from(offset).ok())
        .unwrap_or_default();
    let found = Found {
        rule_id: rule.id(),
        title: rule.title(),
        level: rule.level().as_str(),
        tags: rule.tags(),
        time: events.int_at(Col::Time, row).map(format_us).unwrap_or_default(),
        provider: text(Col::CloudProvider).unwrap_or_default(),
        operation: text(Col::ApiOperation).unwrap_or_default(),
        actor: text(Col::ActorUserName).or_else(|| text(Col::UserName)),
        src_ip: text(Col::SrcEndpointIp),
        event_uid: text(Col::EventUid).unwrap_or_default(),
        uid: text(Col::MetadataUid),
        file: &batch.origin,
        record: batch.get(index).map(|record| record.number).unwrap_or_default(),
    };
    serde_json::to_writer(&mut *lines, &found)?;
    lines.push(b'\n');
    Ok(())
}
