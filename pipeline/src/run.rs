//! Starting, running and stopping the stages.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use enrich::place::Places;
use event::Offset;
use parking_lot::Mutex;
use rules::RuleSet;
use storage::log::Log;
use storage::position;
use storage::seen::{SeenConfig, UidIndex};
use storage::state::State;
use storage::table::EventTable;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::memory::{CorrelationState, Memory};
use crate::progress::{advance, wait};
use crate::raise::{self, Raiser};
use crate::refine::{self, Given, Refined};
use crate::retry::wait_out;
use crate::rule_counts::RuleCounts;
use crate::sink::Sink;
use crate::tally::Tally;
use crate::turn::{Raise, turn};
use crate::upkeep::{Upkeep, oldest_day};
use crate::{Error, Health, PipelineConfig, Progress, Result};

/// What the pipeline runs on; the server opens them.
#[derive(Debug)]
pub struct Parts {
    /// The log.
    pub log: Log,
    /// The events table.
    pub table: EventTable,
    /// The state database.
    pub state: State,
    /// The folder of the index of events seen, which is a cache of the table.
    pub seen_folder: PathBuf,
    /// Bounds of that index.
    pub seen: SeenConfig,
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The wall clock, in microseconds since 1970.
    pub now_us: fn() -> i64,
}

/// The parts that stay in use from outside while the stages run.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) log: Log,
    table: EventTable,
}

/// The running stages.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) parts: Shared,
    pub(crate) health: Health,
    pub(crate) tally: Arc<Tally>,
    progress: watch::Receiver<Progress>,
    rules: watch::Sender<Arc<RuleSet>>,
    places: watch::Sender<Arc<Places>>,
    correlations: Arc<Mutex<CorrelationState>>,
    link_undone: Arc<Notify>,
    rule_counts: Arc<RuleCounts>,
    flush: Arc<Notify>,
    pub(crate) stop: watch::Sender<bool>,
    stages: Mutex<Option<JoinSet<()>>>,
}

/// The highest offset that a consumer has passed. The log must go on from there or beyond, even should it
/// have lost its end: a record at an offset that was passed would be taken for one that is done.
///
/// # Errors
/// The state cannot be read.
pub fn passed(table: &EventTable, state: &State) -> Result<Offset> {
    let raised = state.read(|db| position::get(db, raise::CONSUMER))?;
    Ok(raised.max(table.committed()))
}

impl Pipeline {
    /// Starts the stages where the last run left off.
    ///
    /// # Errors
    /// The state or the log cannot be read.
    pub fn start(parts: Parts, config: PipelineConfig) -> Result<Self> {
        let Parts { log, table, state, seen_folder, seen, rules, now_us } = parts;
        let raised = state.read(|db| position::get(db, raise::CONSUMER))?;
        let committed = table.committed();
        let restart = raised.min(committed);
        let reader = log.reader(restart)?;
        let seen = UidIndex::open(&seen_folder, table.clone(), restart, seen)?;
        let memory = Memory::recall(&state, rules.clone(), config.correlation.clone(), now_us())?;

        let health = Health::default();
        let tally = Arc::new(Tally::default());
        let rule_counts = Arc::new(RuleCounts::default());
        let (progress, marks) = watch::channel(Progress { refined: restart, raised, committed });
        let progress = Arc::new(progress);
        let (rules, current_rules) = watch::channel(rules);
        let (places, current_places) = watch::channel(config.places.clone());
        let (stop, stopped) = watch::channel(false);
        let flush = Arc::new(Notify::new());
        let (refining, refined) = mpsc::channel(config.workers.max(1) + 1);
        let (raising, raises) = mpsc::channel(16);

        let given = Given {
            rules: current_rules,
            places: current_places,
            identity: Arc::new(config.identity.clone()),
            mappings: config.mappings.clone(),
        };
        let mut stages = JoinSet::new();
        let read = refine::read(reader, config.group_bytes, [raised, committed], given, refining);
        stages.spawn(guard("refine", health.clone(), stop.clone(), read));
        let turns = Turns {
            table: table.clone(),
            seen,
            forgotten_before: None,
            raising,
            committed,
            pending_bytes: config.pending_bytes,
            retention_days: config.retention_days,
            progress: progress.clone(),
            tally: tally.clone(),
            rule_counts: rule_counts.clone(),
            flush: flush.clone(),
        };
        stages.spawn(guard("turn", health.clone(), stop.clone(), turns.run(refined, stopped.clone())));
        let link_undone = Arc::new(Notify::new());
        let correlations = Arc::new(Mutex::new(memory.shown(now_us())));
        let raiser = Raiser {
            state,
            memory,
            from: raised,
            progress: progress.clone(),
            tally: tally.clone(),
            correlation: config.correlation.clone(),
            shown: correlations.clone(),
            rule_counts: rule_counts.clone(),
            link_undone: link_undone.clone(),
            now_us,
        };
        stages.spawn(guard("raise", health.clone(), stop.clone(), raiser.run(raises)));
        let upkeep = Upkeep { table: table.clone(), config: config.clone(), tally: tally.clone(), now_us };
        stages.spawn(guard("upkeep", health.clone(), stop.clone(), upkeep.run(stopped.clone())));
        let sink = Sink {
            table: table.clone(),
            log: log.clone(),
            commit_tick: config.commit_tick,
            progress,
            tally: tally.clone(),
            flush: flush.clone(),
        };
        stages.spawn(guard("sink", health.clone(), stop.clone(), sink.run(stopped)));

        Ok(Self {
            parts: Shared { log, table },
            health,
            tally,
            progress: marks,
            rules,
            places,
            correlations,
            link_undone,
            rule_counts,
            flush,
            stop,
            stages: Mutex::new(Some(stages)),
        })
    }

    /// How far each stage has come.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Whether the stages run.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Totals since the start.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The rules in use.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.borrow().clone()
    }

    /// Groups are to be made anew, because a link between identities was undone in the state.
    pub fn link_undone(&self) {
        self.link_undone.notify_one();
    }

    /// What each rule has seen and found since the start.
    pub fn rule_counts(&self) -> &RuleCounts {
        &self.rule_counts
    }

    /// What the correlations remember.
    pub fn correlations(&self) -> CorrelationState {
        self.correlations.lock().clone()
    }

    /// Puts another set of rules to use, from the next group of records on.
    pub fn swap_rules(&self, rules: Arc<RuleSet>) {
        self.rules.send_replace(rules);
    }

    /// Puts other places of addresses to use, from the next group of records on. Events that are there stay as
    /// they are.
    pub fn swap_places(&self, places: Arc<Places>) {
        self.places.send_replace(places);
    }

    /// Waits until everything below `offset` is visible to SQL and its alerts are durable.
    ///
    /// # Errors
    /// The pipeline has stopped before that.
    pub async fn caught_up(&self, offset: Offset) -> Result<()> {
        self.reached(|mark| mark.refined >= offset && mark.raised >= offset).await
    }

    /// Waits until everything below `offset` is in the table's files, too.
    ///
    /// # Errors
    /// The pipeline has stopped before that.
    pub async fn flushed(&self, offset: Offset) -> Result<()> {
        self.caught_up(offset).await?;
        if self.parts.table.committed() < offset {
            self.flush.notify_one();
        }
        self.reached(|mark| mark.committed >= offset).await
    }

    async fn reached(&self, done: impl FnMut(&Progress) -> bool) -> Result<()> {
        let mut progress = self.progress.clone();
        let mut stopped = self.stop.subscribe();
        let reached = tokio::select! {
            reached = wait(&mut progress, done) => reached,
            () = crate::stop::asked(&mut stopped) => false,
        };
        if reached {
            return Ok(());
        }
        Err(self.stopped())
    }

    /// Why the stages do not run any more.
    pub(crate) fn stopped(&self) -> Error {
        let reason = self.health.failure().unwrap_or_else(|| "it was asked to stop".into());
        Error::Stopped { reason }
    }

    /// Stops the stages: what is refined is raised and committed; what is not waits in the log.
    ///
    /// # Errors
    /// The stages did not end within `grace`; what they left undone is done at the next start.
    pub async fn stop(&self, grace: Duration) -> Result<()> {
        self.stop.send_replace(true);
        let Some(mut stages) = self.stages.lock().take() else { return Ok(()) };
        let drained =
            tokio::time::timeout(grace, async { while stages.join_next().await.is_some() {} }).await;
        drained.map_err(|_| Error::Stopped {
            reason: format!(
                "the stages did not end within {} s; the log keeps what is left",
                grace.as_secs()
            ),
        })
    }
}

/// Runs a stage; its failure stops all, because each leans on the others.
async fn guard(
    stage: &'static str,
    health: Health,
    stop: watch::Sender<bool>,
    run: impl Future<Output = Result<()>> + Send,
) {
    let _watch = PanicWatch { stage, health: health.clone(), stop: stop.clone() };
    if let Err(error) = run.await {
        health.fail(stage, &error);
        stop.send_replace(true);
    }
}

/// Lives as long as its stage; a stage that panics must not be missed in silence.
struct PanicWatch {
    stage: &'static str,
    health: Health,
    stop: watch::Sender<bool>,
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.health.fail(self.stage, &"it panicked; this is a bug, please report it");
            self.stop.send_replace(true);
        }
    }
}

// ---------------------------------------------------------------------------------------------

/// The stage that takes refined groups in the log's order.
struct Turns {
    table: EventTable,
    seen: UidIndex,
    /// The index has forgotten the days before.
    forgotten_before: Option<i32>,
    raising: mpsc::Sender<Raise>,
    /// Rows below are in the table already.
    committed: Offset,
    pending_bytes: usize,
    retention_days: Option<u32>,
    progress: Arc<watch::Sender<Progress>>,
    tally: Arc<Tally>,
    rule_counts: Arc<RuleCounts>,
    flush: Arc<Notify>,
}

impl Turns {
    async fn run(
        mut self,
        mut refined: mpsc::Receiver<tokio::task::JoinHandle<Result<Refined>>>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<()> {
        loop {
            let handle = tokio::select! {
                handle = refined.recv() => handle,
                () = crate::stop::asked(&mut stop) => None,
            };
            let Some(handle) = handle else {
                // Nothing is lost without it: the next start reads more from the table.
                if let Err(error) = self.seen.flush().await {
                    tracing::warn!(%error, "the index of events seen was not written at the end");
                }
                return Ok(());
            };
            let group = refine::finished(handle).await?;
            self.take(group).await?;
            self.wait_for_room(&mut stop).await;
        }
    }

    /// One turn.
    async fn take(&mut self, group: Refined) -> Result<()> {
        self.forget_days(&group).await?;
        let turn = turn(group, &mut self.seen, self.retention_days, &self.tally, &self.rule_counts).await?;
        if turn.first >= self.committed {
            self.table.append(turn.rows, turn.next)?;
        }
        // A closed inbox means that `raise` has failed and said so; the stop signal ends this stage.
        if self.raising.send(turn.raise).await.is_ok() {
            advance(&self.progress, |mark| mark.refined = turn.next);
        }
        Ok(())
    }

    /// Lets the index of events seen forget the days of which no event will be taken any more. One day
    /// more is kept, because sources do not deliver in the exact order of the times of reception.
    async fn forget_days(&mut self, group: &Refined) -> Result<()> {
        let received_us = group.received.iter().map(|received| received.received_us).min();
        let oldest = received_us.and_then(|received_us| oldest_day(self.retention_days, received_us));
        let day = oldest.map(|day| day.saturating_sub(1));
        if day <= self.forgotten_before {
            return Ok(());
        }
        self.forgotten_before = day;
        while let Some(day) = day
            && let Err(error) = self.seen.expire_before(day).await
        {
            wait_out("forgetting days that have expired", error).await?;
        }
        Ok(())
    }

    /// Holds the wheel while too many rows wait for a commit.
    async fn wait_for_room(&self, stop: &mut watch::Receiver<bool>) {
        let mut progress = self.progress.subscribe();
        while self.table.pending_bytes() > self.pending_bytes {
            self.flush.notify_one();
            tokio::select! {
                changed = progress.changed() => if changed.is_err() { return },
                () = crate::stop::asked(stop) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stage_that_fails_or_panics_stops_all_and_says_why() {
        let run = async |work: std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>| {
            let (health, (stop, stopped)) = (Health::default(), watch::channel(false));
            let stage = tokio::spawn(guard("sink", health.clone(), stop, work));
            let panicked = stage.await.is_err();
            let stopped = *stopped.borrow();
            (panicked, stopped, health.failure())
        };
        assert_eq!(run(Box::pin(async { Ok(()) })).await, (false, false, None));
        let failed = run(Box::pin(async { Err(Error::Stopped { reason: "no disk".into() }) })).await;
        assert_eq!(failed, (false, true, Some("sink: the pipeline has stopped: no disk".into())));
        let panicked = run(Box::pin(async {
            tokio::task::yield_now().await;
            panic!("a bug")
        }));
        let reason = "sink: it panicked; this is a bug, please report it";
        assert_eq!(panicked.await, (true, true, Some(reason.into())));
    }
}
