//! All sources that are pulled: started, watched, paused, stopped.

use std::sync::Arc;
use std::time::Duration;

use alerts::AlertStore;
use event::SourceId;
use parking_lot::{Mutex, RwLock};
use storage::state::State;
use storage::{ledger, source_position};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::collect::{Runner, SourceSpec, Wish};
use crate::source_alerts::SourceAlerts;
use crate::source_health::SourceState;
use crate::source_status::{SourceReport, SourceStatus};
use crate::tally::add;
use crate::{Error, Pipeline, Result};

/// How often the sources' health is judged.
const TICK: Duration = Duration::from_secs(1);

/// The sources of a process.
#[derive(Debug)]
pub struct Sources {
    pipeline: Arc<Pipeline>,
    state: State,
    now_us: fn() -> i64,
    running: RwLock<Vec<Arc<Source>>>,
    watching: Mutex<Option<JoinHandle<()>>>,
}

/// A source that runs.
#[derive(Debug)]
pub struct Source {
    id: SourceId,
    positions: String,
    state: State,
    status: Arc<SourceStatus>,
    wish: watch::Sender<Wish>,
    task: Mutex<Option<JoinHandle<()>>>,
    now_us: fn() -> i64,
}

impl Sources {
    /// None yet.
    pub fn new(pipeline: Arc<Pipeline>, state: State, now_us: fn() -> i64) -> Self {
        let (running, watching) = Default::default();
        Self { pipeline, state, now_us, running, watching }
    }

    /// Starts a source where its last run left off; one that was paused stays so. A second reading of a
    /// source, such as a backfill, has a name of its own for its positions, and runs once at a time.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn start(&self, spec: SourceSpec) -> Result<Arc<Source>> {
        let now_us = (self.now_us)();
        let is_live = spec.positions == spec.id.as_str();
        let (last_records_us, last_saved_us, paused_us) = self.state.read(|db| {
            let counts = ledger::get(db, &spec.id)?;
            Ok::<_, Error>((
                counts.and_then(|counts| counts.last_received_us),
                source_position::saved_us(db, &spec.positions)?,
                source_position::paused_since_us(db, &spec.id)?.filter(|_| is_live),
            ))
        })?;
        let status = SourceStatus::new(spec.bounds, last_records_us, last_saved_us, now_us);
        if let Some(since_us) = paused_us {
            status.pause(since_us);
        }
        let status = Arc::new(status);
        let (wish, wishes) = watch::channel(Wish { is_paused: paused_us.is_some(), ..Wish::default() });
        let mut running = self.running.write();
        if let Some(same) = running.iter().find(|one| one.positions == spec.positions && !one.is_over()) {
            return Ok(same.clone());
        }
        let (id, positions) = (spec.id.clone(), spec.positions.clone());
        let runner = Runner {
            pipeline: self.pipeline.clone(),
            state: self.state.clone(),
            spec,
            status: status.clone(),
            wish: wishes,
            now_us: self.now_us,
        };
        let task = Mutex::new(Some(tokio::spawn(runner.run())));
        let source =
            Source { id, positions, state: self.state.clone(), status, wish, task, now_us: self.now_us };
        let source = Arc::new(source);
        running.retain(|one| one.positions != source.positions);
        running.push(source.clone());
        Ok(source)
    }

    /// All, in the order of their start.
    pub fn all(&self) -> Vec<Arc<Source>> {
        self.running.read().clone()
    }

    /// The live reading of the source with this name.
    pub fn get(&self, name: &str) -> Option<Arc<Source>> {
        self.running.read().iter().find(|source| source.positions == name).cloned()
    }

    /// Judges the sources' health from now on, and raises and closes alerts about it.
    pub fn watch(&self, store: AlertStore) {
        let sources = self.running.read().clone();
        let watched: Vec<_> = sources.into_iter().filter(|source| source.is_live()).collect();
        let (pipeline, state, now_us) = (self.pipeline.clone(), self.state.clone(), self.now_us);
        let mut told = SourceAlerts::new(state.clone(), store);
        let mut has_adopted = false;
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let (watched, state) = (watched.clone(), state.clone());
                let work = tokio::task::spawn_blocking(move || {
                    let judged = judge(&watched, &state, &mut told, &mut has_adopted, now_us());
                    (told, has_adopted, judged)
                });
                // Only a defect ends the watch; the sources go on.
                let Ok((kept, adopted, judged)) = work.await else { return };
                (told, has_adopted) = (kept, adopted);
                match judged {
                    Ok(new) => add(&pipeline.tally.alerts, new as u64),
                    Err(error) => tracing::warn!(%error, "the sources' health cannot be recorded"),
                }
            }
        });
        *self.watching.lock() = Some(task);
    }

    /// Stops all: nothing more is taken; what was taken becomes durable, is saved and acknowledged. What
    /// does not end within `grace` comes again at the next start.
    pub async fn stop(&self, grace: Duration) {
        if let Some(watching) = self.watching.lock().take() {
            watching.abort();
        }
        let sources = self.all();
        for source in &sources {
            source.wish.send_modify(|wish| wish.is_stop = true);
        }
        let deadline = tokio::time::Instant::now() + grace;
        for source in sources {
            let Some(mut task) = source.task.lock().take() else { continue };
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                tracing::warn!(source = %source.id, "a source did not stop in time; it repeats its last records");
                task.abort();
            }
        }
    }
}

/// One look at all sources; how many alerts are new.
fn judge(
    watched: &[Arc<Source>],
    state: &State,
    told: &mut SourceAlerts,
    has_adopted: &mut bool,
    now_us: i64,
) -> Result<usize> {
    if !*has_adopted {
        for source in watched {
            told.adopt(&source.id)?;
        }
        *has_adopted = true;
    }
    let mut new = 0;
    for source in watched {
        let counts = state.read(|db| ledger::get(db, &source.id))?;
        let newest_us = counts.and_then(|counts| counts.last_event_us);
        let (before, now, trouble) = source.status.judge(newest_us, now_us);
        if before.state != now.state {
            let (state, why) = (now.state.as_str(), now.why.as_str());
            match now.state {
                SourceState::Ok | SourceState::Paused => {
                    tracing::info!(source = %source.id, state, why, "a source has another state");
                }
                _ => tracing::warn!(source = %source.id, state, why, "a source has another state"),
            }
        }
        new += told.tell(&source.id, trouble.as_ref(), now_us)?;
    }
    Ok(new)
}

impl Source {
    /// Its name.
    pub fn id(&self) -> &SourceId {
        &self.id
    }

    /// The name of its positions: its own, or that of a second reading.
    pub fn positions(&self) -> &str {
        &self.positions
    }

    /// Whether it is the live reading, and no second one.
    pub fn is_live(&self) -> bool {
        self.positions == self.id.as_str()
    }

    /// How it is doing.
    pub fn report(&self) -> SourceReport {
        self.status.report((self.now_us)())
    }

    /// Whether its runner has ended.
    fn is_over(&self) -> bool {
        self.task.lock().as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Takes nothing more until somebody resumes it, also after a restart. What was taken is finished. It
    /// writes to the state: call it where blocking is allowed.
    ///
    /// # Errors
    /// The state refuses.
    pub fn pause(&self) -> Result<()> {
        let now_us = (self.now_us)();
        if self.is_live() {
            self.state.write(|txn| source_position::set_paused(txn, &self.id, true, now_us))?;
        }
        self.status.pause(now_us);
        self.wish.send_modify(|wish| wish.is_paused = true);
        Ok(())
    }

    /// Goes on, and where it waits after an error, tries again at once.
    ///
    /// # Errors
    /// The state refuses.
    pub fn resume(&self) -> Result<()> {
        let now_us = (self.now_us)();
        if self.is_live() {
            self.state.write(|txn| source_position::set_paused(txn, &self.id, false, now_us))?;
        }
        self.status.resume(now_us);
        self.wish.send_modify(|wish| {
            wish.is_paused = false;
            wish.nudges += 1;
        });
        Ok(())
    }
}
