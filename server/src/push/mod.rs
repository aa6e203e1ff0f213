//! What others push: Splunk's HTTP Event Collector ([`hec`]), OpenTelemetry's logs ([`otlp`]), signed
//! webhooks ([`hook`]) and syslog ([`syslog`]).
//!
//! All keep the same promise: success is said after the records are durable in the log, and while it is full
//! the sender is told to come again later. Syslog has nothing to say success with; its streams are simply not
//! read while the log is full. Parsing is `ingest::push`'s.

pub(crate) mod hec;
pub(crate) mod hook;
pub(crate) mod otlp;
pub(crate) mod syslog;

mod body;
mod grpc;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use event::{LogType, RawBatchBuilder, SourceId};
use ingest::push::Reception;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::app::{App, now_us};
use crate::auth::Caller;
use crate::config::Config;

pub(crate) use body::{BadBody, records};
pub(crate) use hook::{GOOGLE_KEYS, Hook, HookConfig, IdentityRules, Keys, Scheme};
pub(crate) use ingest::SecretReference;
pub(crate) use syslog::{SyslogConfig, Transport};
pub(crate) use tally::{PushTally, count};

/// What the receivers of a server share.
#[derive(Debug)]
pub(crate) struct Push {
    /// What happened, for `/metrics`.
    pub(crate) tally: Arc<PushTally>,
    /// Bytes of bodies of requests in memory.
    pub(crate) body_bytes: Arc<AtomicUsize>,
    hooks: Vec<Hook>,
    /// Tells the receptions of this process from those of every other.
    process: u64,
    receptions: AtomicU64,
    /// Bodies that may be inflated, read and made durable at once.
    turns: Semaphore,
}

/// Bodies that are worked on at once, for each core: enough to have some wait for the disk together. Each
/// takes `server.max_body` inflated, and as much again in batches, at most.
const TURNS_A_CORE: usize = 4;

impl Push {
    /// The receivers that the configuration names. A secret that does not serve shuts its hook; see
    /// [`problems`](Self::problems).
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        Ok(Self {
            tally: Arc::default(),
            body_bytes: Arc::default(),
            hooks: config.hooks.iter().map(Hook::open).collect(),
            process: u64::from_le_bytes(random),
            receptions: AtomicU64::new(0),
            turns: Semaphore::new(TURNS_A_CORE * std::thread::available_parallelism().map_or(2, usize::from)),
        })
    }

    /// Why hooks are shut: a server is not to start half deaf. Those of a secret are a
    /// [`BadSecret`](crate::config::BadSecret).
    pub(crate) fn problems(&self) -> impl Iterator<Item = anyhow::Error> {
        self.hooks.iter().flat_map(Hook::problems)
    }

    /// Waits until another body may be worked on; holds its place until dropped.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }

    /// The hook called `name`.
    fn hook(&self, name: &str) -> Option<&Hook> {
        self.hooks.iter().find(|hook| hook.name() == name)
    }

    /// A reception at this moment.
    fn reception(&self) -> Reception {
        let number = self.receptions.fetch_add(1, Ordering::Relaxed);
        // The time makes the ids of one process sort as they came, and keeps two processes apart for ever.
        Reception::new(now_us(), format!("{:012x}{:016x}-{number}", now_us() / 1000, self.process))
    }
}

/// What the names of sources begin with that tokens push.
pub(crate) const PUSHED: [&str; 2] = ["hec", "otlp"];

/// The source that is charged with what a caller pushes: `hec`, or `hec.NAME` for the token of that name.
pub(crate) fn source_of(kind: &str, caller: &Caller) -> SourceId {
    let named = format!("{kind}.{}", caller.name);
    match caller.name.as_str() {
        "local" | "cli" => SourceId::new(kind),
        _ => crate::api::source_id(&named).unwrap_or_else(|_| SourceId::new(kind)),
    }
}

/// Makes batches durable, in their order; gives the offset after the last record. On an error a part of them
/// may be durable: sent again, their events are found to be duplicates where they have ids.
async fn accept(
    app: &App,
    batches: Vec<RawBatchBuilder>,
    source: &SourceId,
    log_type: Option<LogType>,
    origin: &str,
) -> pipeline::Result<u64> {
    let mut next_offset = app.log.head();
    for batch in batches {
        let batch = batch.finish(source.clone(), log_type, origin.to_owned(), now_us());
        next_offset = app.pipeline.try_accept(&batch).await?.end;
    }
    Ok(next_offset)
}
