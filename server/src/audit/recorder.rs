//! Writes the audit log of a data folder: at once what must be durable, the rest in groups.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use storage::audit::{Anchor, AuditLog, Checkpoint, Fact, Outcome};
use storage::state::State;
use tokio::sync::Notify;

use super::fold::{Brake, Folds};
use crate::api::Problem;
use crate::app::now_us;
use crate::config::Config;

/// How long entries that may wait do wait for others.
const GROUP: Duration = Duration::from_millis(100);
/// How often windows and checkpoints are looked after.
const LOOK: Duration = Duration::from_secs(1);
/// Entries that may wait; while more do, nothing is answered that would add to them.
const WAITING: usize = 10_000;
/// Entries after which a checkpoint is due before its time.
const SIGN_AFTER: u64 = 1000;

/// The audit log of a data folder at work.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: AuditLog,
    anchor: Option<Anchor>,
    sign_every: Duration,
    inner: Mutex<Inner>,
    /// Held while a group is written, so that groups stay in order.
    writing: Mutex<()>,
    /// Entries that no checkpoint signs.
    unsigned: AtomicU64,
    wake: Notify,
    is_closed: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    waiting: Vec<(i64, Fact)>,
    folds: Folds,
    brake: Brake,
    /// Why entries cannot be written.
    failure: Option<String>,
    /// Why checkpoints do not reach the anchor.
    anchor_failure: Option<String>,
    /// What is still to be written to the anchor.
    unanchored: Option<Checkpoint>,
}

impl Recorder {
    /// Opens the log of a data folder, and tells of changes that a kill has left without an outcome.
    ///
    /// # Errors
    /// The key or the anchor's address is wrong, or the state refuses.
    pub(crate) fn open(config: &Config, state: State) -> anyhow::Result<Arc<Self>> {
        let log = AuditLog::open(state, &config.data, now_us())?;
        let recorder = Arc::new(Self {
            log,
            anchor: anchor(&config.audit_anchor)?,
            sign_every: config.audit_checkpoint_every,
            inner: Mutex::new(Inner {
                waiting: Vec::new(),
                folds: Folds::default(),
                brake: Brake::new(config.audit_failed_changes),
                failure: None,
                anchor_failure: None,
                unanchored: None,
            }),
            writing: Mutex::default(),
            unsigned: AtomicU64::new(0),
            wake: Notify::new(),
            is_closed: AtomicBool::new(false),
        });
        let lost = recorder.log.unfinished()?;
        let unknown = lost.iter().map(|row| {
            let intent: serde_json::Value = serde_json::from_str(&row.entry).unwrap_or_default();
            let text =
                |name: &str| intent.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
            let mut fact = Fact::new(text("action"), text("actor"));
            (fact.outcome, fact.of, fact.object) = (Outcome::Unknown, Some(row.seq), text("object"));
            (now_us(), fact.with("problem", "the process ended before it was told"))
        });
        recorder.log.append(&unknown.collect::<Vec<_>>())?;
        Ok(recorder)
    }

    /// The log itself.
    pub(crate) fn log(&self) -> &AuditLog {
        &self.log
    }

    /// What is wrong with the log, for `/health`.
    pub(crate) fn failure(&self) -> Option<String> {
        let inner = self.inner.lock();
        inner.failure.clone().or_else(|| inner.anchor_failure.clone())
    }

    /// Refuses where so much waits to be written that more must not happen.
    pub(super) fn admit(&self) -> Result<(), Problem> {
        let inner = self.inner.lock();
        if inner.waiting.len() < WAITING {
            return Ok(());
        }
        Err(unavailable(inner.failure.as_deref().unwrap_or("entries wait to be written")))
    }

    /// Writes an entry, and before it those that wait; durable when this returns. Gives its number.
    pub(crate) async fn now(self: &Arc<Self>, fact: Fact) -> Result<u64, Problem> {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || this.write(Some(fact))).await;
        match written {
            Ok(Ok(seq)) => Ok(seq),
            Ok(Err(error)) => Err(unavailable(&error.to_string())),
            Err(error) => Err(unavailable(&error.to_string())),
        }
    }

    /// Takes an entry that is written with others a little later.
    pub(crate) fn later(&self, fact: Fact) {
        self.inner.lock().waiting.push((now_us(), fact));
        self.wake.notify_one();
    }

    /// Takes an entry that is told together with others like it.
    pub(crate) fn fold(&self, fact: Fact, window: Duration) {
        let mut inner = self.inner.lock();
        let at_us = now_us();
        if let Some(first) = inner.folds.take(fact, window, at_us, Instant::now()) {
            inner.waiting.push((at_us, first));
            drop(inner);
            self.wake.notify_one();
        }
    }

    /// After how many seconds `actor` may try to change something again, if not now.
    pub(super) fn held(&self, actor: &str) -> Option<u64> {
        self.inner.lock().brake.held(actor, Instant::now())
    }

    /// A change of `actor` has failed.
    pub(super) fn failed(&self, actor: &str) {
        self.inner.lock().brake.failed(actor, Instant::now());
    }

    /// Writes what waits, then `last`. Blocks.
    fn write(&self, last: Option<Fact>) -> storage::Result<u64> {
        let _turn = self.writing.lock();
        let group: Vec<_> = {
            let mut inner = self.inner.lock();
            std::mem::take(&mut inner.waiting)
                .into_iter()
                .chain(last.clone().map(|fact| (now_us(), fact)))
                .collect()
        };
        if group.is_empty() {
            return Ok(0);
        }
        let done = self.log.append(&group);
        let mut inner = self.inner.lock();
        match &done {
            Ok(_) => {
                inner.failure = None;
                self.unsigned.fetch_add(group.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                if inner.failure.is_none() {
                    tracing::error!(%error, "the audit log cannot be written; changes are refused");
                }
                inner.failure = Some(error.to_string());
                // `last` is refused, and told so; what waited goes on waiting.
                let kept = group.len() - usize::from(last.is_some());
                let newer = std::mem::take(&mut inner.waiting);
                inner.waiting = group.into_iter().take(kept).chain(newer).collect();
            }
        }
        done
    }

    /// Signs what is there, and takes the checkpoint to the ordinary log and the anchor.
    async fn sign(self: &Arc<Self>) {
        let this = self.clone();
        let signed = tokio::task::spawn_blocking(move || {
            this.unsigned.store(0, Ordering::Relaxed);
            this.log.checkpoint(now_us())
        });
        match signed.await {
            Ok(Ok(Some(checkpoint))) => {
                let Checkpoint { chain, seq, hash, at_us, signature, .. } = &checkpoint;
                tracing::info!(target: "stormglass::audit", chain, seq, hash, at_us, signature, "audit checkpoint");
                if self.anchor.is_some() {
                    self.inner.lock().unanchored = Some(checkpoint);
                }
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the audit log cannot be signed"),
            Err(error) => tracing::error!(%error, "the audit log cannot be signed"),
        }
        let unanchored = self.inner.lock().unanchored.clone();
        let (Some(anchor), Some(checkpoint)) = (&self.anchor, unanchored) else { return };
        let written = anchor.write(&checkpoint).await;
        let mut inner = self.inner.lock();
        match written {
            Ok(()) => (inner.unanchored, inner.anchor_failure) = (None, None),
            Err(error) => {
                tracing::error!(%error, "a checkpoint of the audit log does not reach `audit.anchor`; it is tried again");
                inner.anchor_failure = Some(format!("`audit.anchor` takes no checkpoint: {error}"));
            }
        }
    }

    /// Writes what waits.
    async fn flush(self: &Arc<Self>) {
        let this = self.clone();
        // The failure is told by `write`, and kept for `/health`.
        drop(tokio::task::spawn_blocking(move || this.write(None)).await);
    }

    /// Looks after what waits, for as long as the process runs.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut signed = Instant::now();
        while !self.is_closed.load(Ordering::Relaxed) {
            if tokio::time::timeout(LOOK, self.wake.notified()).await.is_ok() {
                tokio::time::sleep(GROUP).await;
            }
            self.end_windows(Some(Instant::now()));
            self.flush().await;
            let many = self.unsigned.load(Ordering::Relaxed) >= SIGN_AFTER;
            if many || signed.elapsed() >= self.sign_every {
                self.sign().await;
                signed = Instant::now();
            }
        }
    }

    fn end_windows(&self, now: Option<Instant>) {
        let mut inner = self.inner.lock();
        let ended = inner.folds.ended(now);
        inner.waiting.extend(ended.into_iter().map(|fact| (now_us(), fact)));
    }

    /// Writes what waits, and signs it.
    pub(super) async fn settle(self: &Arc<Self>) {
        self.flush().await;
        self.sign().await;
    }

    /// Writes everything and signs it; to be called last.
    pub(crate) async fn close(self: &Arc<Self>) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.end_windows(None);
        self.settle().await;
    }
}

/// 503: what would happen cannot be recorded, so it does not happen.
fn unavailable(reason: &str) -> Problem {
    let detail =
        format!("the audit log cannot be written, so nothing is done that it would not tell: {reason}");
    Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", &detail)
}

/// Where checkpoints are kept besides: an address of an object store, or a file.
pub(crate) fn anchor(place: &str) -> anyhow::Result<Option<Anchor>> {
    if place.is_empty() {
        return Ok(None);
    }
    if place.contains("://") {
        let (store, folder) =
            ingest::open_store(place).with_context(|| format!("`audit.anchor = {place}`"))?;
        return Ok(Some(Anchor::Objects(store, folder)));
    }
    Ok(Some(Anchor::File(PathBuf::from(place))))
}
