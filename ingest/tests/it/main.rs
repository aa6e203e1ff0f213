//! Inputs as they are outside: real logs, folders, object stores.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "these are tests")]

mod aws;
mod azure;
mod batches;
mod corpus;
mod google;
mod kafka;
mod objects;
mod saas;

use std::path::PathBuf;

use event::{RawBatch, SourceId};
use ingest::{Batches, CheckOutcome, CheckStep, FailedInput, Input, Limits, ReadOptions};

fn options(readers: usize) -> ReadOptions {
    ReadOptions {
        source: SourceId::new("test"),
        log_type: None,
        limits: Limits::default(),
        readers,
        now_us: || 1_700_000_000_000_000,
    }
}

/// The names of the steps that have this outcome.
fn steps(steps: &[CheckStep], outcome: CheckOutcome) -> Vec<&str> {
    steps.iter().filter(|step| step.outcome == outcome).map(|step| step.name.as_str()).collect()
}

/// What is to be done about a step.
fn mend<'a>(steps: &'a [CheckStep], name: &str) -> &'a str {
    &steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("{steps:?}")).mend
}

async fn read_all(inputs: Vec<Input>, options: ReadOptions) -> (Vec<RawBatch>, Vec<FailedInput>) {
    let mut batches = Batches::read(inputs, options);
    let (mut read, mut failed) = (Vec::new(), Vec::new());
    while let Some(batch) = batches.next().await {
        match batch {
            Ok(batch) => read.push(batch),
            Err(error) => failed.push(error),
        }
    }
    let progress = batches.progress();
    assert_eq!(progress.inputs_done, progress.inputs);
    (read, failed)
}

/// The folder with real logs, if this machine has it.
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("STORMGLASS_CORPUS")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus").into(), PathBuf::from);
    let exists = folder.is_dir();
    if !exists {
        println!("skipped: no corpus at {}", folder.display());
    }
    exists.then_some(folder)
}
