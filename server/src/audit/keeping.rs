//! What becomes of the log besides being written: checkpoints go to the anchor, old entries to the archive.
//!
//! Both may lie on machines that do not answer. What they are late with is kept, told in `/health`, and done
//! when they answer again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use sha2::{Digest, Sha256};
use storage::audit::{Anchor, Archive, Retention};

use super::Recorder;
use crate::app::now_us;
use crate::config::AuditConfig;

/// How often an anchor that failed is tried again, at most.
const AGAIN: Duration = Duration::from_secs(30);
/// How long a stop waits for the anchor.
const LAST: Duration = Duration::from_secs(5);
/// How often it is looked whether entries are to be dropped.
const LOOK: Duration = Duration::from_secs(60);
/// How often it is looked whether the process ends.
const TICK: Duration = Duration::from_secs(1);

/// How much of the log is kept, and where the rest goes.
#[derive(Debug)]
pub(super) struct Keeping {
    retention: Retention,
    archive: Option<Archive>,
    /// The archive as it is configured, without what may be a secret in it.
    place: String,
}

impl Keeping {
    /// `None` where all is kept.
    ///
    /// # Errors
    /// The archive's address is wrong.
    pub(super) fn new(config: &AuditConfig) -> anyhow::Result<Option<Self>> {
        let Some(retention) = config.retention else { return Ok(None) };
        let address = config.archive.as_str();
        let archive = if address.is_empty() {
            None
        } else if address.contains("://") {
            let (store, folder) =
                ingest::open_store(address).with_context(|| format!("`audit.archive = {address}`"))?;
            Some(Archive::Objects(store, folder))
        } else {
            Some(Archive::Folder(PathBuf::from(address)))
        };
        let place = address.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Some(Self { retention, archive, place }))
    }
}

impl Recorder {
    /// Brings checkpoints to the anchor: the newest at once, and again while it is refused.
    pub(super) async fn anchor_on(self: &Arc<Self>) {
        if self.anchor.is_none() {
            return;
        }
        let again = self.sign_every.min(AGAIN);
        while !self.is_closed.load(Ordering::Relaxed) {
            let is_late = self.inner.lock().anchor_failure.is_some();
            let pause = if is_late { again } else { LOOK };
            drop(tokio::time::timeout(pause, self.anchor_wake.notified()).await);
            self.bring_to_anchor().await;
        }
    }

    async fn bring_to_anchor(&self) {
        let unanchored = self.inner.lock().unanchored.clone();
        let (Some(anchor), Some(checkpoint)) = (&self.anchor, unanchored) else { return };
        let written = anchor.write(&checkpoint).await;
        let mut inner = self.inner.lock();
        match written {
            Ok(()) => {
                inner.anchor_failure = None;
                inner.anchored_us = inner.anchored_us.max(Some(checkpoint.at_us));
                // One that was signed in the meantime still waits.
                inner.unanchored.take_if(|newest| newest.seq <= checkpoint.seq);
            }
            Err(error) => {
                if inner.anchor_failure.is_none() {
                    tracing::error!(%error, "a checkpoint of the audit log does not reach `audit.anchor`; it is tried again");
                }
                inner.anchor_failure = Some(format!("`audit.anchor` takes no checkpoint: {error}"));
            }
        }
    }

    /// The last checkpoint of the process; an anchor that does not answer holds the stop up for a moment only.
    pub(super) async fn anchor_last(&self) {
        self.anchor_wake.notify_one();
        if tokio::time::timeout(LAST, self.bring_to_anchor()).await.is_err() {
            tracing::error!("the last checkpoint of the audit log does not reach `audit.anchor`");
        }
    }

    /// Drops what is old, where that was asked for.
    pub(super) async fn keep_on(self: &Arc<Self>) {
        let Some(keeping) = &self.keeping else { return };
        let mut looked: Option<Instant> = None;
        while !self.is_closed.load(Ordering::Relaxed) {
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                self.trim(keeping).await;
                looked = Some(Instant::now());
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Drops all that is to go, a segment at a time.
    async fn trim(self: &Arc<Self>, keeping: &Keeping) {
        while !self.is_closed.load(Ordering::Relaxed) {
            match self.trim_once(keeping).await {
                Ok(true) => self.inner.lock().keep_failure = None,
                Ok(false) => {
                    self.inner.lock().keep_failure = None;
                    return;
                }
                Err(error) => {
                    tracing::error!("old entries of the audit log are not dropped: {error:#}");
                    self.inner.lock().keep_failure = Some(format!("old entries are not dropped: {error:#}"));
                    return;
                }
            }
        }
    }

    /// Archives and drops the oldest segment; `false` where nothing is to go.
    async fn trim_once(self: &Arc<Self>, keeping: &Keeping) -> anyhow::Result<bool> {
        let (this, retention) = (self.clone(), keeping.retention);
        let found = tokio::task::spawn_blocking(move || {
            let Some(through) = this.log.expired(&retention, now_us())? else { return Ok(None) };
            this.log.segment(through).map(Some)
        });
        let Some(mut segment) = found.await?? else { return Ok(false) };
        // What the rest begins with must be known elsewhere first: whoever rewrites the log later cannot choose
        // another beginning then.
        if let Some(anchor) = &self.anchor {
            anchor.write(&segment.checkpoint).await.context("`audit.anchor` takes no checkpoint")?;
        }
        let (mut place, mut sha256) = (String::new(), String::new());
        if let Some(archive) = &keeping.archive {
            let (name, bytes) = (segment.name(), std::mem::take(&mut segment.lines));
            sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            place = format!("{}/{name}", keeping.place);
            archive.write(&name, bytes).await.context("`audit.archive` takes no entries")?;
        }
        let (this, from) = (self.clone(), segment.from);
        let dropped =
            tokio::task::spawn_blocking(move || this.log.forget(&segment, &place, &sha256, now_us()));
        let start = dropped.await??;
        tracing::info!(from, through = start.seq, "entries of the audit log were dropped");
        Ok(true)
    }
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
