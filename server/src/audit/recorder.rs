//! Writes the audit log of a data folder: at once what must be durable, the rest in groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use storage::audit::{Anchor, AuditLog, Checkpoint, Fact, Outcome, SIGN_AFTER};
use storage::state::State;
use tokio::sync::Notify;

use super::fold::{Brake, Folds};
use super::keeping::{Keeping, anchor};
use crate::api::{Problem, ProblemKind};
use crate::app::now_us;
use crate::config::Config;

/// How long entries that may wait do wait for others.
const GROUP: Duration = Duration::from_millis(100);
/// How often windows and checkpoints are looked after.
const LOOK: Duration = Duration::from_secs(1);
/// Entries that may wait; while more do, nothing is answered that would add to them.
const WAITING: usize = 10_000;

/// The audit log of a data folder at work.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(super) log: AuditLog,
    pub(super) anchor: Option<Anchor>,
    pub(super) sign_every: Duration,
    /// What becomes of old entries.
    pub(super) keeping: Option<Keeping>,
    pub(super) inner: Mutex<Inner>,
    /// Held while a group is written, so that groups stay in order.
    writing: Mutex<()>,
    /// Entries that no checkpoint signs.
    unsigned: AtomicU64,
    opened_us: i64,
    wake: Notify,
    /// A checkpoint waits for the anchor, or the process ends.
    pub(super) anchor_wake: Notify,
    pub(super) is_closed: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Inner {
    waiting: Vec<(i64, Fact)>,
    folds: Folds,
    brake: Brake,
    /// Why entries cannot be written.
    failure: Option<String>,
    /// Why it cannot be signed.
    sign_failure: Option<String>,
    /// When the newest checkpoint was signed, microseconds since 1970.
    signed_us: Option<i64>,
    /// Why checkpoints do not reach the anchor.
    pub(super) anchor_failure: Option<String>,
    /// What is still to be written to the anchor.
    pub(super) unanchored: Option<Checkpoint>,
    /// When the newest checkpoint that is in the anchor was signed, since this process runs.
    pub(super) anchored_us: Option<i64>,
    /// Why old entries are not dropped.
    pub(super) keep_failure: Option<String>,
}

/// How old the newest proofs are, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// Since the newest checkpoint; `None` before the first.
    pub(crate) checkpoint_s: Option<u64>,
    /// Since the newest one that reached the anchor was signed, or since the start; `None` without an anchor.
    pub(crate) anchor_s: Option<u64>,
}

impl Recorder {
    /// Opens the log of a data folder, and tells of changes that a kill has left without an outcome.
    ///
    /// # Errors
    /// The key or the anchor's address is wrong, or the state refuses.
    pub(crate) fn open(config: &Config, state: State) -> anyhow::Result<Arc<Self>> {
        let log = AuditLog::open(state, &config.data, now_us())?;
        let signed_us = log.newest_checkpoint()?.map(|checkpoint| checkpoint.at_us);
        let recorder = Arc::new(Self {
            log,
            anchor: anchor(&config.audit.anchor)?,
            sign_every: config.audit.checkpoint_every,
            keeping: Keeping::new(&config.audit)?,
            opened_us: now_us(),
            inner: Mutex::new(Inner {
                waiting: Vec::new(),
                folds: Folds::default(),
                brake: Brake::new(config.audit.failed_changes),
                failure: None,
                sign_failure: None,
                signed_us,
                anchor_failure: None,
                unanchored: None,
                anchored_us: None,
                keep_failure: None,
            }),
            writing: Mutex::default(),
            unsigned: AtomicU64::new(0),
            wake: Notify::new(),
            anchor_wake: Notify::new(),
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
        match recorder.log.proved() {
            Ok(()) => {}
            Err(error @ storage::Error::AuditUnsigned { .. }) => recorder.unsigned(&error.to_string()),
            Err(error) => return Err(error.into()),
        }
        Ok(recorder)
    }

    /// The log itself.
    pub(crate) fn log(&self) -> &AuditLog {
        &self.log
    }

    /// What is wrong with the log, for `/health`.
    pub(crate) fn failure(&self) -> Option<String> {
        let inner = self.inner.lock();
        let problems = [&inner.failure, &inner.sign_failure, &inner.anchor_failure, &inner.keep_failure];
        problems.into_iter().find_map(Clone::clone)
    }

    /// How old the newest proofs are.
    pub(crate) fn proofs(&self) -> Proofs {
        let inner = self.inner.lock();
        let now = now_us();
        let age = |at_us: i64| u64::try_from(now.saturating_sub(at_us) / 1_000_000).unwrap_or(0);
        let anchored_us = inner.anchored_us.unwrap_or(self.opened_us);
        Proofs {
            checkpoint_s: inner.signed_us.map(age),
            anchor_s: self.anchor.is_some().then(|| age(anchored_us)),
        }
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

    /// Signs what is there, and takes the checkpoint to the ordinary log and to whoever brings it to the anchor.
    async fn sign(self: &Arc<Self>) {
        let this = self.clone();
        let signed = tokio::task::spawn_blocking(move || {
            this.unsigned.store(0, Ordering::Relaxed);
            this.log.checkpoint(now_us())
        });
        let problem = match signed.await {
            Ok(Ok(Some(checkpoint))) => {
                let Checkpoint { chain, seq, hash, at_us, signature, .. } = &checkpoint;
                tracing::info!(target: "stormglass::audit", chain, seq, hash, at_us, signature, "audit checkpoint");
                let mut inner = self.inner.lock();
                (inner.sign_failure, inner.signed_us) = (None, Some(*at_us));
                if self.anchor.is_some() {
                    inner.unanchored = Some(checkpoint);
                    self.anchor_wake.notify_one();
                }
                return;
            }
            Ok(Ok(None)) => {
                self.inner.lock().sign_failure = None;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.unsigned(&problem);
    }

    /// The log is not signed: told in it, for whoever reads it, and in `/health`.
    fn unsigned(&self, problem: &str) {
        tracing::error!(error = problem, "the audit log cannot be signed");
        let failure = format!("it cannot be signed: {problem}");
        let mut inner = self.inner.lock();
        if inner.sign_failure.as_ref() != Some(&failure) {
            let mut fact = Fact::of_stormglass("audit.unsigned");
            fact.outcome = Outcome::Failed;
            inner.waiting.push((now_us(), fact.with("problem", problem)));
        }
        inner.sign_failure = Some(failure);
    }

    /// Writes what waits.
    async fn flush(self: &Arc<Self>) {
        let this = self.clone();
        // The failure is told by `write`, and kept for `/health`.
        drop(tokio::task::spawn_blocking(move || this.write(None)).await);
    }

    /// Looks after what waits, for as long as the process runs. An anchor or archive that does not answer
    /// holds up no entry.
    pub(crate) async fn run(self: Arc<Self>) {
        tokio::join!(self.write_on(), self.anchor_on(), self.keep_on());
    }

    async fn write_on(self: &Arc<Self>) {
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
        self.anchor_last().await;
    }
}

/// 503: what would happen cannot be recorded, so it does not happen.
fn unavailable(reason: &str) -> Problem {
    let detail =
        format!("the audit log cannot be written, so nothing is done that it would not tell: {reason}");
    Problem::new(ProblemKind::AuditUnavailable, &detail)
}
