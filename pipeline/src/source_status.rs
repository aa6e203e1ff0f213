//! What is known of a source while it runs, shared by its runner and those who ask.

use ingest::Backlog;
use parking_lot::Mutex;

use crate::source_health::{HealthBounds, Judgement, SourceHealth, Trouble};

/// How a source is doing, for those who ask. Times are microseconds since 1970; counts begin with the
/// process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// Its health.
    pub health: Judgement,
    /// How far its newest event lies back, in microseconds.
    pub lag_us: Option<i64>,
    /// What waits at the source, where it tells that.
    pub backlog: Option<Backlog>,
    /// The gap between records that is usual for it, in microseconds.
    pub usual_gap_us: Option<i64>,
    /// What its runner has counted.
    pub counts: PullCounts,
    /// When it last answered.
    pub last_success_us: Option<i64>,
    /// When its last record came.
    pub last_records_us: Option<i64>,
    /// When its position was last saved.
    pub last_saved_us: Option<i64>,
    /// Its last error, without secrets, and when that was.
    pub last_error: Option<(i64, String)>,
    /// What it last found to be missing or changed, and when.
    pub last_finding: Option<(i64, String)>,
    /// Its collector has come to its end: a backfill that is done.
    pub is_done: bool,
}

/// What the runner of a source has counted since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullCounts {
    /// Batches taken.
    pub batches: u64,
    /// Their records.
    pub records: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Records that the source itself knows to be none; they become dead letters.
    pub rejected: u64,
    /// Errors after which it is tried again.
    pub retries: u64,
    /// Those among them that ask for fewer requests.
    pub throttles: u64,
    /// Errors after which its collector was given up and opened anew.
    pub failures: u64,
    /// Acknowledgements that the source did not take.
    pub lost_acks: u64,
    /// Findings of the source about what is missing or changed; the same one may be told again.
    pub findings: u64,
    /// Bytes taken and not yet durable.
    pub in_flight_bytes: u64,
}

/// Shared by a runner and its source.
#[derive(Debug)]
pub(crate) struct SourceStatus {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    health: SourceHealth,
    counts: PullCounts,
    last_success_us: Option<i64>,
    last_saved_us: Option<i64>,
    last_error: Option<(i64, String)>,
    last_finding: Option<(i64, String)>,
    backlog: Option<Backlog>,
    is_done: bool,
}

impl SourceStatus {
    pub(crate) fn new(
        bounds: HealthBounds,
        last_records_us: Option<i64>,
        last_saved_us: Option<i64>,
        now_us: i64,
    ) -> Self {
        let inner = Inner {
            health: SourceHealth::new(bounds, last_records_us, now_us),
            counts: PullCounts::default(),
            last_success_us: None,
            last_saved_us,
            last_error: None,
            last_finding: None,
            backlog: None,
            is_done: false,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// A batch was taken from the collector.
    pub(crate) fn taken(&self, batch: &event::RawBatch) {
        let mut inner = self.inner.lock();
        let rejected = batch.records().filter(|record| record.reject.is_some()).count();
        let counts = &mut inner.counts;
        counts.batches += 1;
        counts.records += batch.len() as u64;
        counts.bytes += batch.byte_len() as u64;
        counts.rejected += rejected as u64;
        counts.in_flight_bytes += batch.byte_len() as u64;
    }

    /// So many bytes of records are durable.
    pub(crate) fn durable(&self, bytes: u64, now_us: i64) {
        let mut inner = self.inner.lock();
        inner.counts.in_flight_bytes = inner.counts.in_flight_bytes.saturating_sub(bytes);
        if bytes > 0 {
            inner.health.records(now_us);
        }
    }

    /// So much waits at the source.
    pub(crate) fn waits(&self, backlog: Option<Backlog>) {
        let mut inner = self.inner.lock();
        inner.backlog = backlog;
        inner.health.waits(backlog);
    }

    /// Batches were given up before they were durable.
    pub(crate) fn dropped(&self) {
        let mut inner = self.inner.lock();
        inner.counts.in_flight_bytes = 0;
        inner.backlog = None;
        inner.health.waits(None);
    }

    /// The source answered; `is_failing`: what failed before has not.
    pub(crate) fn answered(&self, is_failing: bool, now_us: i64) {
        let mut inner = self.inner.lock();
        if !is_failing {
            inner.health.succeeded();
        }
        inner.last_success_us = Some(now_us);
    }

    pub(crate) fn saved(&self, now_us: i64) {
        self.inner.lock().last_saved_us = Some(now_us);
    }

    /// The source cannot be read: `why`, without secrets.
    pub(crate) fn failed(&self, why: String, is_throttle: bool, is_lasting: bool, now_us: i64) {
        let mut inner = self.inner.lock();
        inner.health.failed(&why, is_lasting, now_us);
        inner.counts.retries += u64::from(!is_lasting);
        inner.counts.failures += u64::from(is_lasting);
        inner.counts.throttles += u64::from(is_throttle);
        inner.last_error = Some((now_us, why));
    }

    /// A finding was recorded.
    pub(crate) fn found(&self, what: String, now_us: i64) {
        let mut inner = self.inner.lock();
        inner.counts.findings += 1;
        inner.last_finding = Some((now_us, what));
    }

    pub(crate) fn ack_lost(&self, why: String, now_us: i64) {
        let mut inner = self.inner.lock();
        inner.counts.lost_acks += 1;
        inner.last_error = Some((now_us, why));
    }

    pub(crate) fn pause(&self, since_us: i64) {
        self.inner.lock().health.pause(since_us);
    }

    pub(crate) fn resume(&self, now_us: i64) {
        self.inner.lock().health.resume(now_us);
    }

    pub(crate) fn done(&self) {
        self.inner.lock().is_done = true;
    }

    /// Judges it anew; the judgement before, the one now, and what an alert should tell.
    pub(crate) fn judge(
        &self,
        newest_event_us: Option<i64>,
        now_us: i64,
    ) -> (Judgement, Judgement, Option<Trouble>) {
        let mut inner = self.inner.lock();
        let before = inner.health.judgement().clone();
        let now = inner.health.judge(newest_event_us, now_us).clone();
        (before, now, inner.health.trouble(now_us))
    }

    pub(crate) fn report(&self, now_us: i64) -> SourceReport {
        let inner = self.inner.lock();
        SourceReport {
            health: inner.health.judgement().clone(),
            lag_us: inner.health.lag_us(now_us),
            backlog: inner.backlog,
            usual_gap_us: inner.health.usual_gap_us(),
            counts: inner.counts,
            last_success_us: inner.last_success_us,
            last_records_us: inner.health.last_records_us(),
            last_saved_us: inner.last_saved_us,
            last_error: inner.last_error.clone(),
            last_finding: inner.last_finding.clone(),
            is_done: inner.is_done,
        }
    }
}
