//! Messages in work stay ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::sqs::{BATCH, Queue};

/// Tries before the lease's second half is over.
const TRIES: u32 = 4;

/// A task that extends the visibility timeout of every message in work at half of it. It ends when this
/// is dropped; a message leaves it when it is released.
#[derive(Debug)]
pub(crate) struct Leases {
    held: Arc<Mutex<BTreeMap<u64, String>>>,
    task: JoinHandle<()>,
}

impl Leases {
    pub(crate) fn start(queue: Queue, visibility: Duration) -> Self {
        let held = Arc::new(Mutex::new(BTreeMap::new()));
        let task = tokio::spawn(run(queue, visibility, held.clone()));
        Self { held, task }
    }

    pub(crate) fn hold(&self, message: u64, receipt: String) {
        lock(&self.held).insert(message, receipt);
    }

    pub(crate) fn release(&self, message: u64) {
        lock(&self.held).remove(&message);
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(held: &Mutex<BTreeMap<u64, String>>) -> MutexGuard<'_, BTreeMap<u64, String>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(queue: Queue, visibility: Duration, held: Arc<Mutex<BTreeMap<u64, String>>>) {
    let half = visibility / 2;
    loop {
        tokio::time::sleep(half).await;
        let mut wanted: Vec<(u64, String)> =
            lock(&held).iter().map(|(message, receipt)| (*message, receipt.clone())).collect();
        for tried in 1..=TRIES {
            wanted = extend(&queue, visibility, wanted, &held).await;
            if wanted.is_empty() || tried == TRIES {
                break;
            }
            tokio::time::sleep(half / (2 * TRIES)).await;
        }
    }
}

/// Extends what is wanted; what is left failed in a way that may pass.
async fn extend(
    queue: &Queue,
    visibility: Duration,
    wanted: Vec<(u64, String)>,
    held: &Mutex<BTreeMap<u64, String>>,
) -> Vec<(u64, String)> {
    let mut left = Vec::new();
    for batch in wanted.chunks(BATCH) {
        let receipts: Vec<&str> = batch.iter().map(|(_, receipt)| receipt.as_str()).collect();
        match queue.extend(&receipts, visibility).await {
            Ok(failed) => {
                for entry in failed {
                    let Some((message, receipt)) = batch.get(entry.index) else { continue };
                    if entry.is_final {
                        // Deleted meanwhile, or held for twelve hours: it comes back or is done.
                        lock(held).remove(message);
                    } else {
                        left.push((*message, receipt.clone()));
                    }
                }
            }
            Err(_) => left.extend_from_slice(batch),
        }
    }
    left
}
