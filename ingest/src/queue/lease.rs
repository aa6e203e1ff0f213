//! Messages in work stay ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::broker::{Broker, fitting};

/// Tries before the lease's second half is over.
const TRIES: u32 = 4;

/// A task that extends the lease of every message in work at half of it. It ends when this is dropped; a
/// message leaves it when it is released.
#[derive(Debug)]
pub(super) struct Leases {
    held: Arc<Mutex<BTreeMap<u64, String>>>,
    task: JoinHandle<()>,
}

impl Leases {
    pub(super) fn start<B: Broker>(broker: Arc<B>, lease: Duration) -> Self {
        let held = Arc::new(Mutex::new(BTreeMap::new()));
        let task = tokio::spawn(run(broker, lease, held.clone()));
        Self { held, task }
    }

    pub(super) fn hold(&self, message: u64, receipt: String) {
        lock(&self.held).insert(message, receipt);
    }

    pub(super) fn release(&self, message: u64) {
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

async fn run<B: Broker>(broker: Arc<B>, lease: Duration, held: Arc<Mutex<BTreeMap<u64, String>>>) {
    let half = lease / 2;
    loop {
        tokio::time::sleep(half).await;
        let mut wanted: Vec<(u64, String)> =
            lock(&held).iter().map(|(message, receipt)| (*message, receipt.clone())).collect();
        for tried in 1..=TRIES {
            wanted = extend(&*broker, wanted, &held).await;
            if wanted.is_empty() || tried == TRIES {
                break;
            }
            tokio::time::sleep(half / (2 * TRIES)).await;
        }
    }
}

/// Extends what is wanted; what is left failed in a way that may pass.
async fn extend<B: Broker>(
    broker: &B,
    mut wanted: Vec<(u64, String)>,
    held: &Mutex<BTreeMap<u64, String>>,
) -> Vec<(u64, String)> {
    let mut left = Vec::new();
    while !wanted.is_empty() {
        let count = fitting(wanted.iter().map(|(_, receipt)| receipt.as_str()), B::BATCH);
        let batch: Vec<(u64, String)> = wanted.drain(..count).collect();
        let receipts: Vec<&str> = batch.iter().map(|(_, receipt)| receipt.as_str()).collect();
        match broker.extend(&receipts).await {
            Ok(failed) => {
                for entry in failed {
                    let Some((message, receipt)) = batch.get(entry.index) else { continue };
                    if entry.is_final {
                        // Deleted meanwhile, or held as long as one may: it comes back or is done.
                        lock(held).remove(message);
                    } else {
                        left.push((*message, receipt.clone()));
                    }
                }
            }
            Err(_) => left.extend(batch),
        }
    }
    left
}
