//! The collector: what the runner sees of the reading thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::KafkaConfig;
use super::assignment::{Handed, Mark};
use super::context::Shared;
use super::reading::Reading;
use crate::{Backlog, Collected, Collector, Error, Polled, PositionChange, ReadOptions, Result};

/// How long a poll waits for messages.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a collector has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KafkaCounts {
    /// Messages read.
    pub messages: u64,
    /// Those among them that were empty: tombstones of compacted topics.
    pub empty_messages: u64,
    /// Records in them.
    pub records: u64,
    /// Stretches of offsets that were gone before they were read.
    pub lost_stretches: u64,
    /// Messages in the partitions that are ours and not read yet, a few seconds ago.
    pub lag_messages: u64,
    /// When the last message was stored that was read of the partition that is the furthest behind, in
    /// milliseconds since 1970.
    pub lag_since_ms: Option<i64>,
    /// The two before are known.
    pub has_lag: bool,
}

/// Reads topics of Kafka.
#[derive(Debug)]
pub struct KafkaCollector {
    cluster: String,
    is_group: bool,
    shared: Arc<Shared>,
    receiver: mpsc::Receiver<Handed>,
    next_ticket: u64,
    /// What tickets stand for, where a group keeps the offsets.
    tickets: BTreeMap<u64, Vec<Mark>>,
}

impl KafkaCollector {
    /// A collector on the runtime that this is called on; it goes on at the saved `positions`. Nothing is
    /// called yet, and secrets are read by the collector's own thread.
    ///
    /// # Errors
    /// [`Error::BadSetting`]; [`Error::ReaderFailed`] where the system has no thread left.
    pub fn open(
        config: KafkaConfig,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        config.check()?;
        let cluster = config.cluster().to_owned();
        let is_group = config.group.is_some();
        let shared = Arc::new(Shared::default());
        // One batch waits while the next is gathered.
        let (sender, receiver) = mpsc::channel(1);
        let reading = Reading::new(config, positions, options, shared.clone(), sender, Handle::current())?;
        let started = std::thread::Builder::new().name("kafka".into()).spawn(move || reading.run());
        started.map_err(|_| Error::ReaderFailed { origin: cluster.clone() })?;
        Ok(Self { cluster, is_group, shared, receiver, next_ticket: 0, tickets: BTreeMap::new() })
    }

    /// What was done so far.
    pub fn counts(&self) -> KafkaCounts {
        *self.shared.counts.lock()
    }

    fn collected(&mut self, handed: Handed) -> Polled {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let Handed { batch, marks, findings } = handed;
        let mut position = Vec::new();
        if self.is_group {
            self.tickets.insert(ticket, marks);
        } else {
            position.extend(marks.into_iter().map(|mark| PositionChange {
                key: format!("{}/{}", mark.topic, mark.partition),
                value: Some(mark.next.to_string()),
            }));
        }
        Polled::Collected(Collected { batch, position, findings, ticket })
    }
}

#[async_trait]
impl Collector for KafkaCollector {
    async fn poll(&mut self) -> Result<Polled> {
        let until = Instant::now() + PATIENCE;
        loop {
            let shared = self.shared.clone();
            tokio::select! {
                biased;
                handed = self.receiver.recv() => return match handed {
                    Some(handed) => Ok(self.collected(handed)),
                    None => Err(Error::ReaderFailed { origin: self.cluster.clone() }),
                },
                () = shared.troubled.notified() => {
                    // It may have passed meanwhile.
                    if let Some(error) = shared.trouble.lock().take() {
                        return Err(error);
                    }
                }
                () = tokio::time::sleep_until(until) => return Ok(Polled::Idle),
            }
        }
    }

    fn is_failing(&self) -> bool {
        self.shared.is_failing.load(Ordering::Relaxed)
    }

    fn backlog(&self) -> Option<Backlog> {
        let counts = self.counts();
        let since_us = counts.lag_since_ms.map(|ms| ms.saturating_mul(1_000));
        counts.has_lag.then_some(Backlog { records: counts.lag_messages, since_us })
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        let marks = tickets.iter().filter_map(|ticket| self.tickets.remove(ticket)).flatten();
        self.shared.acknowledged.lock().extend(marks);
        match self.shared.commit_failure.lock().take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Drop for KafkaCollector {
    fn drop(&mut self) {
        // The thread commits what is acknowledged, leaves the group and ends.
        self.shared.is_stop.store(true, Ordering::Relaxed);
    }
}
