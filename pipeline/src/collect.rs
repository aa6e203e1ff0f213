//! The turn of one source that is pulled: take, make durable, save the position, acknowledge.
//!
//! Batches are appended while the next one is taken, up to a bound of bytes. They become durable in any
//! order, and are saved and acknowledged in the order of taking. Nothing here acknowledges by being
//! dropped: a runner that ends anywhere leaves positions behind what is durable, never ahead.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use alerts::{Alert, AlertStore};
use event::{Fate, RawBatch, RawBatchBuilder, RawRecord, SourceId};
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use ingest::{Collected, Collector, Polled, PositionChange, SourceFinding};
use storage::source_position;
use storage::state::State;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::redact::{redact, told};
use crate::retry::wait_out;
use crate::source_findings::alert_of;
use crate::source_status::SourceStatus;
use crate::tally::add;
use crate::{Error, HealthBounds, Pipeline, Result};

/// Opens a collector that goes on at these positions.
pub type Opener = dyn Fn(&BTreeMap<String, String>) -> ingest::Result<Box<dyn Collector>> + Send + Sync;

/// A source that is to be run.
pub struct SourceSpec {
    /// Its name, which is charged with the records.
    pub id: SourceId,
    /// The name under which positions are saved: that of the source, or of a second reading of it.
    pub positions: String,
    /// Opens its collector.
    pub open: Box<Opener>,
    /// How many bytes may be taken and not yet durable. One batch more is in flight at most.
    pub in_flight_bytes: usize,
    /// From when on it is not well.
    pub bounds: HealthBounds,
    /// Takes a batch only when all that is in the log is worked on: live sources go first.
    pub gives_way: bool,
}

impl std::fmt::Debug for SourceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceSpec").field("id", &self.id).field("positions", &self.positions).finish()
    }
}

/// The longest wait between tries.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How long a source that cannot be read as it is set up is left alone.
const REOPEN: Duration = Duration::from_secs(300);

/// What is kept of a record that the log does not take.
const CUT_BYTES: usize = 64 << 10;

/// What a runner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wish {
    pub(crate) is_paused: bool,
    pub(crate) is_stop: bool,
    /// Grows where waiting is to end.
    pub(crate) nudges: u64,
}

/// Runs one source.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) state: State,
    pub(crate) spec: SourceSpec,
    pub(crate) status: Arc<SourceStatus>,
    pub(crate) wish: watch::Receiver<Wish>,
    pub(crate) now_us: fn() -> i64,
}

/// A batch that is durable.
#[derive(Debug)]
struct Durable {
    bytes: u64,
    position: Vec<PositionChange>,
    findings: Vec<SourceFinding>,
    ticket: u64,
}

/// How a session ended.
enum Ended {
    /// Somebody wishes something else.
    Wish,
    /// The collector has no more, ever.
    Done,
    /// It has to be opened anew, not before this has passed.
    Wait(Duration),
}

/// One thing that happened.
enum Turn {
    Wish,
    Polled(ingest::Result<Polled>),
    /// Something became durable, or a wait has passed.
    Again,
}

/// Waits that grow while nothing succeeds.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: at least what the error asks for, twice as long each time, and not the same for all
    /// who failed together.
    fn next(&mut self, after: Duration, now_us: i64) -> Duration {
        let grown = after.saturating_mul(1 << self.failures.min(16)).min(MAX_WAIT.max(after));
        self.failures += 1;
        let percent = now_us.unsigned_abs() % 50;
        after.max(grown - grown.mul_f64(percent as f64 / 100.0))
    }

    fn reset(&mut self) {
        self.failures = 0;
    }
}

impl Runner {
    /// Runs until it is told to stop, or the collector or the pipeline has come to its end.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let wish = *self.wish.borrow_and_update();
            if wish.is_stop {
                return;
            }
            if wish.is_paused {
                if self.wish.changed().await.is_err() {
                    return;
                }
                backoff.reset();
                continue;
            }
            match self.session(&mut backoff).await {
                Ok(Ended::Wish) => backoff.reset(),
                Ok(Ended::Done) => {
                    self.status.done();
                    return;
                }
                Ok(Ended::Wait(wait)) => {
                    tokio::select! {
                        () = sleep(wait) => {}
                        changed = self.wish.changed() => {
                            if changed.is_err() {
                                return;
                            }
                            // Whoever resumes it wants to see it try.
                            backoff.reset();
                        }
                    }
                }
                Err(error) => {
                    // The log or the state has failed for good; `/health` tells it.
                    self.status.failed(told(&error), false, true, (self.now_us)());
                    tracing::error!(source = %self.spec.id, error = %told(&error), "a source is stopped");
                    return;
                }
            }
            self.status.dropped();
        }
    }

    /// Opens the collector and drives it.
    ///
    /// # Errors
    /// The log or the state has failed for good.
    async fn session(&mut self, backoff: &mut Backoff) -> Result<Ended> {
        let (state, name) = (self.state.clone(), self.spec.positions.clone());
        let read = move || state.read(|db| source_position::all(db, &name));
        let positions = tokio::task::spawn_blocking(read).await.map_err(panicked)??;
        let mut collector = match (self.spec.open)(&positions) {
            Ok(collector) => collector,
            Err(error) => return Ok(Ended::Wait(self.failed(&error, backoff))),
        };
        let mut flight = Flight::default();
        let mut acks: Vec<u64> = Vec::new();
        let mut not_before: Option<Instant> = None;
        let mut ack_not_before: Option<Instant> = None;
        loop {
            let has_room = match self.spec.gives_way {
                true => flight.batches.is_empty(),
                false => flight.bytes < self.spec.in_flight_bytes as u64,
            };
            let turn = self.turn(&mut *collector, &mut flight, not_before, has_room).await?;
            self.status.waits(collector.backlog());
            acks.append(&mut flight.durable);
            if !acks.is_empty() && ack_not_before.is_none_or(|at| at <= Instant::now()) {
                ack_not_before = None;
                match collector.ack(&acks).await {
                    Ok(()) => acks.clear(),
                    Err(error) => {
                        self.status.ack_lost(told(&error), (self.now_us)());
                        ack_not_before = Some(Instant::now() + Duration::from_secs(5));
                    }
                }
            }
            let end = match turn {
                Turn::Again => {
                    not_before = not_before.filter(|at| *at > Instant::now());
                    continue;
                }
                Turn::Wish => Ended::Wish,
                Turn::Polled(Ok(polled)) => {
                    let is_failing = collector.is_failing();
                    if !is_failing || matches!(polled, Polled::Collected(_)) {
                        self.status.answered(is_failing, (self.now_us)());
                        backoff.reset();
                    }
                    match polled {
                        Polled::Collected(collected) => {
                            self.take(collected, &mut flight);
                            continue;
                        }
                        Polled::Idle => continue,
                        Polled::End => Ended::Done,
                    }
                }
                Turn::Polled(Err(error)) => {
                    let wait = self.failed(&error, backoff);
                    if matches!(error.fate(), Fate::Retry { .. }) {
                        not_before = Some(Instant::now() + wait);
                        continue;
                    }
                    Ended::Wait(wait)
                }
            };
            // In order: what was taken becomes durable, is saved, and is acknowledged.
            while let Some(first) = flight.next().await {
                self.settle(first, &mut flight).await?;
            }
            acks.append(&mut flight.durable);
            if !acks.is_empty()
                && let Err(error) = collector.ack(&acks).await
            {
                self.status.ack_lost(told(&error), (self.now_us)());
            }
            return Ok(end);
        }
    }

    /// Waits for the next thing that happens; meanwhile what becomes durable is saved.
    async fn turn(
        &mut self,
        collector: &mut dyn Collector,
        flight: &mut Flight,
        not_before: Option<Instant>,
        has_room: bool,
    ) -> Result<Turn> {
        let may_poll = has_room && not_before.is_none();
        let (pipeline, gives_way) = (self.pipeline.clone(), self.spec.gives_way);
        let poll = async move {
            if !may_poll {
                return pending().await;
            }
            if gives_way && pipeline.caught_up(pipeline.parts.log.head()).await.is_err() {
                // The pipeline has stopped, and the runner is about to be.
                return pending().await;
            }
            collector.poll().await
        };
        let mut poll = std::pin::pin!(poll);
        let waited = async move {
            match not_before {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let mut waited = std::pin::pin!(waited);
        loop {
            tokio::select! {
                biased;
                changed = self.wish.changed() => {
                    // A nudge alone ends a wait, and nothing else.
                    let wish = *self.wish.borrow();
                    if changed.is_err() || wish.is_stop || wish.is_paused || not_before.is_some() {
                        return Ok(Turn::Wish);
                    }
                }
                Some(first) = flight.next() => {
                    self.settle(first, flight).await?;
                    if !may_poll {
                        return Ok(Turn::Again);
                    }
                }
                polled = &mut poll => return Ok(Turn::Polled(polled)),
                () = &mut waited => return Ok(Turn::Again),
            }
        }
    }

    /// Notes an error and says how long to wait.
    fn failed(&self, error: &ingest::Error, backoff: &mut Backoff) -> Duration {
        let (why, now_us) = (told(error), (self.now_us)());
        let wait = match error.fate() {
            Fate::Retry { after } => backoff.next(after, now_us),
            Fate::Reject | Fate::Stop => REOPEN,
        };
        tracing::warn!(
            source = %self.spec.id, error = %why, wait_ms = wait.as_millis() as u64,
            "a source cannot be read"
        );
        self.status.failed(why, error.is_throttle(), error.is_lasting(), now_us);
        wait
    }

    /// Sends a batch on its way.
    fn take(&self, collected: Collected, flight: &mut Flight) {
        let Collected { batch, position, findings, ticket } = collected;
        let batch = batch.filter(|batch| !batch.is_empty());
        let bytes = batch.as_ref().map_or(0, |batch| batch.byte_len().max(1) as u64);
        if let Some(batch) = &batch {
            self.status.taken(batch);
        }
        flight.bytes += bytes;
        let pipeline = self.pipeline.clone();
        flight.batches.push_back(
            async move {
                if let Some(batch) = batch {
                    make_durable(&pipeline, batch).await?;
                }
                Ok(Durable { bytes, position, findings, ticket })
            }
            .boxed(),
        );
    }

    /// Saves the positions of what is durable, as many at once as are.
    async fn settle(&self, first: Result<Durable>, flight: &mut Flight) -> Result<()> {
        let mut settled = vec![first?];
        while let Some(Some(more)) = flight.next().now_or_never() {
            settled.push(more?);
        }
        let now_us = (self.now_us)();
        let (mut changes, mut found) = (Vec::new(), Vec::new());
        for durable in &mut settled {
            changes.append(&mut durable.position);
            found.append(&mut durable.findings);
        }
        if !changes.is_empty() || !found.is_empty() {
            let alerts: Vec<_> =
                found.iter().map(|finding| alert_of(&self.spec.id, finding, now_us)).collect();
            self.save(Arc::new((changes, alerts)), now_us).await?;
        }
        for finding in found {
            tracing::warn!(
                source = %self.spec.id, kind = finding.kind.as_str(), subject = finding.subject,
                "a source found something missing or changed"
            );
            self.status.found(format!("{}: {}", finding.kind.as_str(), finding.subject), now_us);
        }
        for durable in settled {
            flight.bytes = flight.bytes.saturating_sub(durable.bytes);
            self.status.durable(durable.bytes, now_us);
            flight.durable.push(durable.ticket);
        }
        Ok(())
    }

    /// Saves positions and alerts together; waits while the state is busy.
    async fn save(&self, what: Arc<(Vec<PositionChange>, Vec<Alert>)>, now_us: i64) -> Result<()> {
        loop {
            let (state, name, what) = (self.state.clone(), self.spec.positions.clone(), what.clone());
            let save = move || {
                let (changes, alerts) = &*what;
                let changes = changes.iter().map(|one| (one.key.as_str(), one.value.as_deref()));
                state.write(|txn| {
                    source_position::apply(txn, &name, changes, now_us)?;
                    Ok::<_, Error>(AlertStore::record(txn, alerts, now_us)?)
                })
            };
            match tokio::task::spawn_blocking(save).await.map_err(panicked)? {
                Ok(new) => {
                    add(&self.pipeline.tally.alerts, new as u64);
                    self.status.saved(now_us);
                    return Ok(());
                }
                Err(error) => wait_out("saving the position of a source", error).await?,
            }
        }
    }
}

/// Batches on their way into the log.
#[derive(Default)]
struct Flight {
    batches: FuturesOrdered<BoxFuture<'static, Result<Durable>>>,
    bytes: u64,
    /// Tickets of what is durable and saved.
    durable: Vec<u64>,
}

impl Flight {
    /// The next in the order of taking, once it is durable; `None` where nothing is on its way.
    async fn next(&mut self) -> Option<Result<Durable>> {
        self.batches.next().await
    }
}

fn panicked(panic: tokio::task::JoinError) -> Error {
    Error::Stopped { reason: format!("a source's work on the state panicked: {panic}") }
}

/// Appends a batch, whatever its size; waits while the log is full.
async fn make_durable(pipeline: &Pipeline, batch: RawBatch) -> Result<()> {
    let mut left = VecDeque::from([batch]);
    while let Some(batch) = left.pop_front() {
        match pipeline.accept(&batch).await {
            Ok(_) => {}
            Err(error) => match error.fate() {
                Fate::Retry { after } => {
                    sleep(after).await;
                    left.push_front(batch);
                }
                Fate::Reject if batch.len() > 1 => {
                    let middle = batch.len() / 2;
                    left.push_front(part(&batch, middle, batch.len()));
                    left.push_front(part(&batch, 0, middle));
                }
                // One record that the log does not take becomes a dead letter with its beginning.
                Fate::Reject if batch.byte_len() > CUT_BYTES => left.push_front(cut(&batch, &error)),
                Fate::Reject | Fate::Stop => return Err(error),
            },
        }
    }
    Ok(())
}

/// The records from `start` up to `end`.
fn part(batch: &RawBatch, start: usize, end: usize) -> RawBatch {
    let mut builder = RawBatchBuilder::with_capacity(batch.byte_len() / 2);
    for record in batch.records().skip(start).take(end - start) {
        let fits = builder.push(record);
        debug_assert!(fits, "a part is smaller than the whole");
    }
    builder.finish(batch.source.clone(), batch.log_type, batch.origin.clone(), batch.received_us)
}

fn cut(batch: &RawBatch, error: &Error) -> RawBatch {
    let reason = format!("too_large: {}", redact(&error.to_string()));
    let mut builder = RawBatchBuilder::with_capacity(CUT_BYTES);
    for record in batch.records() {
        let bytes = record.bytes.get(..CUT_BYTES.min(record.bytes.len())).unwrap_or_default();
        let fits = builder.push(RawRecord { bytes, number: record.number, reject: Some(&reason) });
        debug_assert!(fits, "a part is smaller than the whole");
    }
    builder.finish(batch.source.clone(), batch.log_type, batch.origin.clone(), batch.received_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_keep_to_what_is_asked() {
        let mut backoff = Backoff::default();
        let after = Duration::from_secs(1);
        let waits: Vec<_> = (0..10).map(|n| backoff.next(after, n * 7)).collect();
        assert!(waits.iter().all(|wait| (after..=MAX_WAIT).contains(wait)), "{waits:?}");
        assert!(waits[9] > Duration::from_secs(29) && waits[3] > waits[0], "{waits:?}");
        backoff.reset();
        assert_eq!(backoff.next(after, 0), after);
        // A source that asks for more than our longest wait gets it.
        assert!(backoff.next(Duration::from_secs(600), 49) >= Duration::from_secs(600));
    }

    #[test]
    fn batches_are_cut_in_two_without_loss() {
        let mut builder = RawBatchBuilder::with_capacity(0);
        for number in 0..5 {
            assert!(builder.push(RawRecord { bytes: b"{}", number, reject: (number == 3).then_some("no") }));
        }
        let whole = builder.finish(SourceId::new("a"), None, "o".into(), 7);
        let (first, second) = (part(&whole, 0, 2), part(&whole, 2, 5));
        let joined: Vec<_> = first.records().chain(second.records()).collect();
        assert_eq!(joined, whole.records().collect::<Vec<_>>());
        assert_eq!((first.received_us, second.origin.as_str()), (7, "o"));
    }
}
