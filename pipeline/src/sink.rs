//! Rows into the table: when a commit is due, and what is done between commits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::log::Log;
use storage::table::EventTable;
use tokio::sync::{Notify, watch};

use crate::progress::advance;
use crate::retry::wait_out;
use crate::tally::{Tally, add};
use crate::{Progress, Result};

/// What the sink works on.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) table: EventTable,
    pub(crate) log: Log,
    pub(crate) commit_tick: Duration,
    pub(crate) progress: Arc<watch::Sender<Progress>>,
    pub(crate) tally: Arc<Tally>,
    /// Somebody wants what is appended committed now.
    pub(crate) flush: Arc<Notify>,
}

impl Sink {
    /// Commits when due until `stop` turns true, then once more.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut tick = tokio::time::interval(self.commit_tick);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    if self.table.commit_due(Instant::now()) {
                        self.commit().await?;
                    }
                }
                () = self.flush.notified() => self.commit().await?,
                () = crate::stop::asked(&mut stop) => return self.commit().await,
            }
            self.trim()?;
        }
    }

    /// One commit, tried again while its error is a passing one.
    async fn commit(&self) -> Result<()> {
        loop {
            match self.table.commit().await {
                Ok(done) => {
                    add(&self.tally.commits, u64::from(done.rows > 0));
                    add(&self.tally.committed_rows, done.rows);
                    add(&self.tally.committed_file_bytes, done.bytes);
                    let committed = self.table.committed();
                    advance(&self.progress, |mark| mark.committed = committed);
                    return self.trim();
                }
                Err(error) => {
                    wait_out("a table commit", error).await?;
                    add(&self.tally.commit_retries, 1);
                }
            }
        }
    }

    /// Forgets what every consumer has passed.
    fn trim(&self) -> Result<()> {
        let passed = self.progress.borrow().restart();
        Ok(self.log.trim(passed)?)
    }
}
