//! `stormglass sources test`: a source, step by step.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use event::RawBatch;
use ingest::{CheckOutcome, CheckStep, Polled};
use normalize::Normalizer;

use crate::app::load_mappings;
use crate::cli::Global;
use crate::client::load_config;
use crate::config::SourceConfig;
use crate::output::{UsageError, print};

/// How long is waited for a record.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the source as for the first time, takes one batch, and looks what its records are. The data folder
/// is not touched, no position is kept, and nothing is acknowledged. Exit status 1 if a step fails.
///
/// # Errors
/// There is no such source in the configuration.
pub(crate) async fn run(global: &Global, name: &str) -> anyhow::Result<ExitCode> {
    let config = load_config(global)?;
    let Some(source) = config.sources.iter().find(|source| source.id.as_str() == name) else {
        let names: Vec<_> = config.sources.iter().map(|source| source.id.as_str()).collect();
        let known = if names.is_empty() { "none is".to_owned() } else { names.join(", ") };
        bail!(UsageError(format!("no source `{name}` is configured; {known} configured")));
    };
    print(&format!("1. configuration: `{name}` is a good `{}` source", source.kind.name))?;
    let mut normalizer = Normalizer::with_mappings(Arc::new(load_mappings(&config.mappings)?));
    let mut is_refused = false;
    if let Some(check) = source.kind.check_access {
        for step in check(source).await {
            is_refused |= step.outcome == CheckOutcome::Failed;
            access(&step)?;
        }
    }
    match poll(source, &config.limits).await {
        Ok(batch) => Ok(match (told(batch.as_ref(), &mut normalizer)?, is_refused) {
            (code, false) => code,
            (_, true) => ExitCode::FAILURE,
        }),
        Err(error) => {
            print(&format!("failed: {error:#}"))?;
            let known = error.downcast_ref::<ingest::Error>();
            if let Some(mend) = known.and_then(|error| (source.kind.explain)(error)) {
                print(&format!("mend: {mend}"))?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What a permission came to.
fn access(step: &CheckStep) -> anyhow::Result<()> {
    let outcome = match step.outcome {
        CheckOutcome::Good => "good",
        CheckOutcome::Failed => "FAILED",
        CheckOutcome::Spare => "not allowed, and not needed to read",
        CheckOutcome::Skipped => "not tried",
    };
    print(&format!("   {}: {outcome}: {}", step.name, step.detail))?;
    if !step.mend.is_empty() {
        print(&format!("      {}", step.mend))?;
    }
    Ok(())
}

/// The first records; `None` where none came in time.
async fn poll(source: &SourceConfig, limits: &ingest::Limits) -> anyhow::Result<Option<RawBatch>> {
    let mut collector = source.open(limits, &std::collections::BTreeMap::new())?;
    print("2. open: done")?;
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
fn told(batch: Option<&RawBatch>, normalizer: &mut Normalizer) -> anyhow::Result<ExitCode> {
    let Some(batch) = batch else {
        print(&format!("3. read: it answers, but no record came within {} s", PATIENCE.as_secs()))?;
        return Ok(ExitCode::SUCCESS);
    };
    print(&format!("3. read: {} records, {} bytes, from `{}`", batch.len(), batch.byte_len(), batch.origin))?;
    let mapped = normalizer.map(batch, 0);
    print(&format!(
        "4. understand: {} would become events, {} dead letters",
        mapped.events.len(),
        mapped.rejects.len()
    ))?;
    if let Some(reject) = mapped.rejects.first() {
        print(&format!("   the first of these: {}: {}", reject.reason.as_str(), reject.detail))?;
    }
    print("nothing was kept or acknowledged")?;
    Ok(if mapped.events.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
