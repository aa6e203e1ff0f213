//! Messages into batches, and batches into the log.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use event::Fate;
use ingest::push::syslog::{Origin, parse};
use ingest::push::{Reception, Records, rfc3339};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::SyslogConfig;
use crate::app::{App, now_us};
use crate::push::count;

/// How many messages wait at most; with the largest messages (64 KiB) 256 MiB, usually 1.
const QUEUED: usize = 4096;
/// How long a message waits at most for others to share its fsync.
const GATHER: Duration = Duration::from_millis(200);
/// How long the log's refusal is waited out before the next try.
const PAUSE: Duration = Duration::from_millis(500);

/// A message as it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) is_cut: bool,
    pub(super) peer: SocketAddr,
    pub(super) at_us: i64,
}

/// The way into a batcher.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    queue: mpsc::Sender<Received>,
    app: Arc<App>,
}

impl Sender {
    /// Hands over a message; waits while the queue is full. `false`: nobody takes it any more.
    pub(super) async fn send(&self, received: Received) -> bool {
        self.note(&received);
        self.queue.send(received).await.is_ok()
    }

    /// Hands over a message, or drops it where the queue is full.
    pub(super) fn send_or_drop(&self, received: Received) {
        self.note(&received);
        if self.queue.try_send(received).is_err() {
            count(&self.app.push.tally.syslog_dropped);
        }
    }

    /// Counts a message that was over its sender's rate.
    pub(super) fn limited(&self) {
        count(&self.app.push.tally.syslog_limited);
    }

    /// Counts a connection that was refused.
    pub(super) fn refused(&self) {
        count(&self.app.push.tally.syslog_refused);
    }

    fn note(&self, received: &Received) {
        count(&self.app.push.tally.syslog_messages);
        if received.is_cut {
            count(&self.app.push.tally.syslog_cut);
        }
    }
}

/// A queue, and the task that empties it into the log until every sender is gone.
pub(super) fn queue(app: Arc<App>, config: &SyslogConfig) -> (Sender, impl Future<Output = ()> + use<>) {
    let (queue, messages) = mpsc::channel(QUEUED);
    let reception = app.push.reception();
    let batcher = Batcher { app: app.clone(), config: config.clone(), messages, reception };
    (Sender { queue, app }, batcher.run())
}

struct Batcher {
    app: Arc<App>,
    config: SyslogConfig,
    messages: mpsc::Receiver<Received>,
    reception: Reception,
}

impl Batcher {
    async fn run(mut self) {
        while let Some(first) = self.messages.recv().await {
            let limits = &self.app.config.limits;
            let (bytes, most) = (limits.batch_bytes, limits.batch_records);
            let mut records = Records::new(limits);
            self.add(&mut records, first);
            let end = Instant::now() + GATHER;
            while records.open_bytes() < bytes && records.len() < most as u64 {
                match timeout_at(end, self.messages.recv()).await {
                    Ok(Some(message)) => self.add(&mut records, message),
                    Ok(None) | Err(_) => break,
                }
            }
            if !self.write(records).await {
                return;
            }
        }
    }

    fn add(&mut self, records: &mut Records, message: Received) {
        // Old senders write Latin-1 or worse: what is no UTF-8 is marked and the rest kept.
        let line = String::from_utf8_lossy(&message.bytes);
        let (id, received) = (self.reception.next_id(), rfc3339(message.at_us));
        let peer = message.peer.to_string();
        let transport = self.config.transport.as_str();
        let origin = Origin { id: &id, received: &received, peer: &peer, transport, is_cut: message.is_cut };
        records.push(&parse(&line, message.at_us).record(&line, &origin));
    }

    /// Makes records durable, however long the log is full. `false`: it will never take them.
    async fn write(&self, records: Records) -> bool {
        let origin = format!("syslog:{}:{}", self.config.transport.as_str(), self.config.listen);
        for batch in records.into_batches() {
            let batch = batch.finish(self.config.source.clone(), None, origin.clone(), now_us());
            loop {
                match self.app.pipeline.accept(&batch).await {
                    Ok(_) => break,
                    Err(error) if matches!(error.fate(), Fate::Retry { .. }) => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => {
                        tracing::error!(source = %self.config.source, %error, "syslog cannot be taken any more");
                        return false;
                    }
                }
            }
        }
        true
    }
}
