//! Inputs of a command as batches, read on a thread of their own.

use event::{LogType, RawBatch, SourceId};
use ingest::{Input, Limits, RecordReader};
use tokio::sync::mpsc;

use crate::app::now_us;

/// What comes out of the inputs, in order.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Records.
    Batch {
        /// The records.
        batch: RawBatch,
        /// The bytes of input that were read for it.
        bytes: u64,
    },
    /// An input that could not be read, or not to its end. The others go on.
    Failed(ingest::Error),
}

/// What the batches are given besides their records.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// The source that is charged.
    pub(crate) source: SourceId,
    /// The log type, if fixed.
    pub(crate) log_type: Option<LogType>,
}

/// Batches that are ready and not yet taken.
const AHEAD: usize = 4;

/// Reads `inputs` one after another. Dropping the receiver ends it.
pub(crate) fn read(inputs: Vec<Input>, label: Label, limits: Limits) -> mpsc::Receiver<Reading> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        for input in inputs {
            if let Err(error) = read_one(&input, &label, &limits, &runtime, &sender)
                && sender.blocking_send(Reading::Failed(error)).is_err()
            {
                return;
            }
            if sender.is_closed() {
                return;
            }
        }
    });
    receiver
}

fn read_one(
    input: &Input,
    label: &Label,
    limits: &Limits,
    runtime: &tokio::runtime::Handle,
    sender: &mpsc::Sender<Reading>,
) -> ingest::Result<()> {
    let mut reader = RecordReader::new(input.open(runtime)?, limits.clone());
    if input.is_live() {
        reader = reader.live();
    }
    let mut bytes_before = 0;
    while let Some(records) = reader.next_batch()? {
        let batch = records.finish(label.source.clone(), label.log_type, input.origin(), now_us());
        let bytes = reader.bytes_read() - bytes_before;
        bytes_before = reader.bytes_read();
        if sender.blocking_send(Reading::Batch { batch, bytes }).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
