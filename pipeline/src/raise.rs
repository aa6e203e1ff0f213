//! Alerts, dead letters, counts, what correlations remember, and the offset, in one SQLite transaction.

use std::sync::Arc;
use std::time::Duration;

use alerts::AlertStore;
use event::Offset;
use parking_lot::Mutex;
use storage::state::State;
use storage::{dead_letter, ledger, position};
use tokio::sync::{Notify, mpsc, watch};

use crate::changes::Changes;
use crate::memory::{CorrelationConfig, CorrelationState, Memory, Recalled};
use crate::progress::advance;
use crate::retry::wait_out;
use crate::rule_counts::RuleCounts;
use crate::tally::{Tally, add};
use crate::turn::Raise;
use crate::{Error, Progress, Result};

/// The consumer's name in the table of positions.
pub(crate) const CONSUMER: &str = "raise";

/// How many turns share a transaction at most; each transaction costs one fsync.
const TURNS: usize = 64;

/// How often correlations look whether what they wait for is due.
const TICK: Duration = Duration::from_secs(1);

/// What the stage works on.
#[derive(Debug)]
pub(crate) struct Raiser {
    pub(crate) state: State,
    pub(crate) memory: Memory,
    /// Turns below are recorded already.
    pub(crate) from: Offset,
    pub(crate) progress: Arc<watch::Sender<Progress>>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) correlation: CorrelationConfig,
    /// What correlations remember, for those who ask.
    pub(crate) shown: Arc<Mutex<CorrelationState>>,
    /// What each correlation has taken and found.
    pub(crate) rule_counts: Arc<RuleCounts>,
    /// Somebody has undone a link between identities.
    pub(crate) link_undone: Arc<Notify>,
    pub(crate) now_us: fn() -> i64,
}

impl Raiser {
    /// Records turns from `inbox` until it closes.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Raise>) -> Result<()> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut turns = Vec::with_capacity(TURNS);
        loop {
            tokio::select! {
                biased;
                taken = inbox.recv_many(&mut turns, TURNS) => {
                    if taken == 0 {
                        return Ok(());
                    }
                    let mut fresh: Vec<_> = turns.drain(..).filter(|turn| turn.first >= self.from).collect();
                    // A set of rules serves a transaction; what it remembers must be written before the next.
                    while let Some(rules) = fresh.first().map(|turn| turn.rules.clone()) {
                        let same = fresh.iter().take_while(|turn| Arc::ptr_eq(&turn.rules, &rules)).count();
                        let rest = fresh.split_off(same);
                        self.use_rules(&rules).await?;
                        self.record(fresh).await?;
                        fresh = rest;
                    }
                }
                () = self.link_undone.notified() => {
                    self.regroup().await?;
                    self.record(Vec::new()).await?;
                }
                _ = tick.tick() => {
                    if self.memory.is_due((self.now_us)()) {
                        self.record(Vec::new()).await?;
                    }
                }
            }
        }
    }

    /// Recalls what is remembered for other rules.
    async fn use_rules(&mut self, rules: &Arc<rules::RuleSet>) -> Result<()> {
        if Arc::ptr_eq(self.memory.rules(), rules) {
            return Ok(());
        }
        loop {
            let (state, rules, config) = (self.state.clone(), rules.clone(), self.correlation.clone());
            let now_us = (self.now_us)();
            let recalled = tokio::task::spawn_blocking(move || Memory::recall(&state, rules, config, now_us));
            match recalled.await.map_err(panicked)? {
                Ok(memory) => {
                    self.memory = memory;
                    return Ok(());
                }
                Err(error) => wait_out("recalling what correlations remember", error).await?,
            }
        }
    }

    /// Makes the groups of correlations anew, from what is written and what is about to be.
    async fn regroup(&mut self) -> Result<()> {
        loop {
            let state = self.state.clone();
            match tokio::task::spawn_blocking(move || Recalled::read(&state)).await.map_err(panicked)? {
                Ok(recalled) => {
                    self.memory.regroup(recalled);
                    return Ok(());
                }
                Err(error) => wait_out("recalling what correlations remember", error).await?,
            }
        }
    }

    /// One transaction, tried again while its error is a passing one.
    async fn record(&mut self, mut turns: Vec<Raise>) -> Result<()> {
        let mut fell_apart = false;
        let now_us = (self.now_us)();
        for turn in &mut turns {
            fell_apart |= self.memory.take(turn, now_us);
        }
        if fell_apart {
            self.regroup().await?;
        }
        self.memory.settle((self.now_us)());
        let taken = self.memory.taken();
        self.rule_counts.add_taken(self.memory.rules(), &taken);
        let next = turns.last().map(|turn| turn.next);
        if next.is_some() {
            self.memory.tidy((self.now_us)());
        }
        let work = Arc::new(Work { turns, changes: self.memory.changes(), next });
        loop {
            let (state, tally, work, now_us) =
                (self.state.clone(), self.tally.clone(), work.clone(), (self.now_us)());
            let done = tokio::task::spawn_blocking(move || record(&state, &work, &tally, now_us));
            match done.await.map_err(panicked)? {
                Ok(()) => break,
                Err(error) => wait_out("recording alerts", error).await?,
            }
        }
        *self.shown.lock() = self.memory.shown((self.now_us)());
        if let Some(next) = next {
            advance(&self.progress, |mark| mark.raised = next);
        }
        Ok(())
    }
}

/// What a transaction records.
struct Work {
    turns: Vec<Raise>,
    changes: Option<Changes>,
    next: Option<Offset>,
}

fn panicked(panic: tokio::task::JoinError) -> Error {
    Error::Stopped { reason: format!("recording alerts panicked: {panic}") }
}

fn record(state: &State, work: &Work, tally: &Tally, now_us: i64) -> Result<()> {
    let new = state.write(|txn| {
        let mut new = 0;
        for turn in &work.turns {
            new += AlertStore::record(txn, &turn.alerts, now_us)?;
            dead_letter::insert(txn, &turn.dead_letters)?;
            for (source, counts) in &turn.counts {
                ledger::add(txn, source, counts)?;
            }
        }
        // All turns at once: a group is read and written once a transaction.
        let grouped = work.turns.iter().flat_map(|turn| &turn.grouped);
        new += AlertStore::record_matches(txn, grouped, now_us)?;
        if let Some(changes) = &work.changes {
            new += changes.write(txn, now_us)?;
        }
        if let Some(next) = work.next {
            position::set(txn, CONSUMER, next)?;
        }
        Ok::<_, Error>(new)
    })?;
    add(&tally.alerts, new as u64);
    Ok(())
}
