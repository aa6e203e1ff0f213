//! `stormglass sources test`: a source, step by step.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use event::RawBatch;
use ingest::{CheckOutcome, CheckStep, Polled};
use normalize::Normalizer;
use serde_json::json;

use crate::app::load_mappings;
use crate::cli::Global;
use crate::client::load_config;
use crate::config::SourceConfig;
use crate::output::{UsageError, print};

/// How long is waited for a record.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries each permission that the source needs, whatever the others came to, then opens it as for the first
/// time, takes one batch, and looks what its records are. The data folder is not touched, no position is kept,
/// and nothing is acknowledged. Exit status 1 if a step fails.
///
/// # Errors
/// There is no such source in the configuration.
pub(crate) async fn run(global: &Global, name: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let config = load_config(global)?;
    let Some(source) = config.sources.iter().find(|source| source.id.as_str() == name) else {
        let names: Vec<_> = config.sources.iter().map(|source| source.id.as_str()).collect();
        let known = if names.is_empty() { "none is".to_owned() } else { names.join(", ") };
        bail!(UsageError(format!("no source `{name}` is configured; {known} configured")));
    };
    let mut steps = Steps { as_json, all: Vec::new() };
    steps.good("configuration", format!("`{name}` is a good `{}` source", source.kind.name))?;
    let mut normalizer = Normalizer::with_mappings(Arc::new(load_mappings(&config.mappings)?));
    for step in source.check_access().await {
        steps.add(step)?;
    }
    match poll(source, &config.limits).await {
        Ok(Some(batch)) => told(&batch, &mut normalizer, &mut steps)?,
        Ok(None) => {
            let told = format!("it answers, but no record came within {} s", PATIENCE.as_secs());
            steps.good("read", told)?;
        }
        Err(error) => {
            let mend = (source.kind.explain)(&error).unwrap_or_default();
            steps.failed("read", &format!("{:#}", anyhow::Error::from(error)), mend)?;
        }
    }
    let is_good = steps.all.iter().all(|step| step.outcome != CheckOutcome::Failed);
    if as_json {
        let told: Vec<_> = steps.all.iter().map(body).collect();
        let told = json!({"source": name, "type": source.kind.name, "good": is_good, "steps": told});
        print(&serde_json::to_string_pretty(&told)?)?;
    } else {
        print("nothing was kept or acknowledged")?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The steps so far.
struct Steps {
    /// They are told at the end, all together.
    as_json: bool,
    all: Vec<CheckStep>,
}

impl Steps {
    fn add(&mut self, step: CheckStep) -> anyhow::Result<()> {
        if !self.as_json {
            show(&step)?;
        }
        self.all.push(step);
        Ok(())
    }

    fn good(&mut self, name: &str, detail: String) -> anyhow::Result<()> {
        let (name, grant, mend) = (name.into(), String::new(), String::new());
        self.add(CheckStep { name, grant, outcome: CheckOutcome::Good, detail, mend })
    }

    fn failed(&mut self, name: &str, detail: &str, mend: String) -> anyhow::Result<()> {
        let (name, grant, detail) = (name.into(), String::new(), detail.into());
        self.add(CheckStep { name, grant, outcome: CheckOutcome::Failed, detail, mend })
    }
}

fn show(step: &CheckStep) -> anyhow::Result<()> {
    let outcome = match step.outcome {
        CheckOutcome::Good => "good",
        CheckOutcome::Failed => "FAILED",
        CheckOutcome::Spare => "not allowed, and not needed to read",
        CheckOutcome::Skipped => "not tried",
    };
    let grant = if step.grant.is_empty() { String::new() } else { format!(" ({})", step.grant) };
    print(&format!("{}{grant}: {outcome}: {}", step.name, step.detail))?;
    if !step.mend.is_empty() {
        print(&format!("   mend: {}", step.mend))?;
    }
    Ok(())
}

fn body(step: &CheckStep) -> serde_json::Value {
    let CheckStep { name, grant, outcome, detail, mend } = step;
    json!({"name": name, "grant": grant, "outcome": outcome.as_str(), "detail": detail, "mend": mend})
}

/// The first records; `None` where none came in time.
async fn poll(source: &SourceConfig, limits: &ingest::Limits) -> ingest::Result<Option<RawBatch>> {
    let mut collector = source.open(limits, &std::collections::BTreeMap::new())?;
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        match collector.poll().await? {
            Polled::Collected(collected) => {
                if let Some(batch) = collected.batch.filter(|batch| !batch.is_empty()) {
                    return Ok(Some(batch));
                }
            }
            Polled::Idle => {}
            Polled::End => return Ok(None),
        }
    }
    Ok(None)
}

/// What came, and what would become of it.
fn told(batch: &RawBatch, normalizer: &mut Normalizer, steps: &mut Steps) -> anyhow::Result<()> {
    let read = format!("{} records, {} bytes, from `{}`", batch.len(), batch.byte_len(), batch.origin);
    steps.good("read", read)?;
    let mapped = normalizer.map(batch, 0);
    let mut understood =
        format!("{} would become events, {} dead letters", mapped.events.len(), mapped.rejects.len());
    if let Some(reject) = mapped.rejects.first() {
        understood.push_str(&format!("; the first of these: {}: {}", reject.reason.as_str(), reject.detail));
    }
    match mapped.events.is_empty() {
        false => steps.good("understand", understood),
        true => {
            let mend = "check what the source sends, and `log_type`; a mapping file can describe it";
            steps.failed("understand", &understood, mend.into())
        }
    }
}
