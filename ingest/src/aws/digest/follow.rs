//! Digests as a source: every hour of every chain is judged once it is there, what is wrong becomes a
//! finding, and log files that were never read are read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Cursor;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use event::{Fate, LogType, RawBatch};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::findings::findings;
use super::trail::{end_of_key, is_backfill, key_time};
use super::{ChainWalk, DigestReport, LogFile, Trail, TrailDigests, TrailDigestsConfig};
use crate::aws::{AwsAccess, Environment, ObjectAddress, RecentObjects};
use crate::{
    Collected, Collector, Error, FindingKind, Polled, PositionChange, ReadOptions, RecordReader, Result,
    SourceFinding,
};

/// How long a poll waits where there is nothing to do yet.
const PATIENCE: Duration = Duration::from_secs(10);
/// Digests that are judged in one step; the position moves after each.
const STEP: usize = 6;
/// How far back files are looked for that digests forgot, in seconds.
const LATE_S: i64 = 86_400;
/// How many of these are remembered.
const MAX_LATE: usize = 200;
/// A chain that fails is left alone so long at least.
const REST: Duration = Duration::from_secs(60);

/// How a trail's digests are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowDigestsConfig {
    /// The chains: one for each account and region of a trail.
    pub chains: Vec<Trail>,
    /// Who reads. The region of each chain is its own.
    pub access: AwsAccess,
    /// See [`TrailDigestsConfig::public_keys`].
    pub public_keys: Option<PathBuf>,
    /// Whether every log file is read and held against its hash; else only those that were never read are.
    pub verify_logs: bool,
    /// How far back the first look begins.
    pub lookback: Duration,
    /// Without a new digest for so long something is wrong. One is written every hour and delivered within
    /// the next.
    pub late_after: Duration,
    /// How often is looked for a new one.
    pub every: Duration,
}

impl Default for FollowDigestsConfig {
    fn default() -> Self {
        Self {
            chains: Vec::new(),
            access: AwsAccess::default(),
            public_keys: None,
            verify_logs: true,
            lookback: Duration::from_secs(86_400),
            late_after: Duration::from_secs(3 * 3600),
            every: Duration::from_secs(300),
        }
    }
}

/// Follows the digests of a trail.
#[derive(Debug)]
pub struct DigestsCollector {
    config: FollowDigestsConfig,
    options: ReadOptions,
    recent: RecentObjects,
    chains: Vec<Chain>,
    /// Whose turn it is.
    turn: usize,
    next_ticket: u64,
    /// Log files whose last batch has this ticket.
    tickets: BTreeMap<u64, (ObjectAddress, String)>,
}

/// One chain and how far it was followed.
#[derive(Debug)]
struct Chain {
    digests: TrailDigests,
    /// The key of its position.
    name: String,
    progress: Progress,
    /// Nothing was looked at in an earlier run.
    is_new: bool,
    not_before: Instant,
    /// Its last turn led to an error.
    is_failing: bool,
    /// For which progress it was told that no digest came.
    told_late: Option<i64>,
    step: Option<Step>,
}

/// Where a chain is followed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Progress {
    /// The end of the newest digest that was judged, in seconds since 1970.
    until_s: i64,
    /// Keys of digests of forgotten files that were judged, of the last day.
    late: BTreeSet<String>,
}

/// Some hours that are being judged.
#[derive(Debug)]
struct Step {
    /// The regular digests, then those of forgotten files.
    walks: VecDeque<(ChainWalk, bool)>,
    after: Progress,
    report: DigestReport,
    /// The digest that names `logs`.
    digest: Option<ObjectAddress>,
    logs: VecDeque<LogFile>,
    reading: Option<Reading>,
}

/// A log file whose records are handed over.
#[derive(Debug)]
struct Reading {
    reader: RecordReader,
    e_tag: String,
}

impl Progress {
    fn to_text(&self) -> String {
        json!({"until": self.until_s, "late": self.late}).to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let late = value.get("late")?.as_array()?.iter();
        let late = late.map(|key| key.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        Some(Self { until_s: value.get("until")?.as_i64()?, late })
    }
}

impl DigestsCollector {
    /// A collector that goes on at the saved `positions`. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn open(
        config: FollowDigestsConfig,
        environment: &Environment,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Result<Self> {
        let now_s = (options.now_us)() / 1_000_000;
        let begin = now_s - crate::list::seconds(config.lookback);
        let mut chains = Vec::new();
        for trail in &config.chains {
            let name = format!("{}{}", trail.folder(), trail.name);
            let saved = positions.get(&name).and_then(|text| Progress::from_text(text));
            let digests = TrailDigestsConfig {
                trail: trail.clone(),
                access: config.access.clone(),
                public_keys: config.public_keys.clone(),
                read_logs: config.verify_logs,
            };
            chains.push(Chain {
                digests: TrailDigests::open(digests, environment, options.now_us)?,
                name,
                is_new: saved.is_none(),
                progress: saved.unwrap_or_else(|| Progress { until_s: begin, ..Progress::default() }),
                not_before: Instant::now(),
                is_failing: false,
                told_late: None,
                step: None,
            });
        }
        Ok(Self {
            config,
            options,
            recent: RecentObjects::new(10_000),
            chains,
            turn: 0,
            next_ticket: 0,
            tickets: BTreeMap::new(),
        })
    }

    /// Reads only what is not in `recent`, the memory of a queue's collector for example.
    #[must_use]
    pub fn beside(mut self, recent: RecentObjects) -> Self {
        self.recent = recent;
        self
    }

    /// The chain to go on with, or how long there is none.
    fn next(&self) -> std::result::Result<usize, Duration> {
        let now = Instant::now();
        let places = (0..self.chains.len()).map(|step| (self.turn + step) % self.chains.len());
        for place in places {
            if self.chains.get(place).is_some_and(|chain| chain.not_before <= now) {
                return Ok(place);
            }
        }
        let soonest = self.chains.iter().map(|chain| chain.not_before - now).min();
        Err(soonest.unwrap_or(PATIENCE).min(PATIENCE))
    }

    fn collected(
        &mut self,
        batch: Option<RawBatch>,
        position: Vec<PositionChange>,
        findings: Vec<SourceFinding>,
    ) -> Collected {
        self.next_ticket += 1;
        Collected { batch, position, findings, ticket: self.next_ticket }
    }

    /// One small thing to do for a chain; `None`: nothing to hand over yet.
    async fn advance(&mut self, place: usize) -> Result<Option<Collected>> {
        let Some(chain) = self.chains.get_mut(place) else { return Ok(None) };
        let Some(step) = &mut chain.step else {
            let found = chain.begin(&self.config, (self.options.now_us)() / 1_000_000).await?;
            let position = vec![chain.position()];
            return Ok(found.map(|finding| self.collected(None, position, vec![finding])));
        };
        if let Some(log) = step.logs.front().cloned() {
            let is_read = self.recent.has(&log.object.to_string());
            match step.reading.take() {
                Some(reading) => {
                    let (batch, reading) = next_batch(reading, &log.object, &self.options).await?;
                    let e_tag = match reading {
                        Some(reading) => {
                            step.reading = Some(reading);
                            None
                        }
                        None => step.logs.pop_front().map(|_| batch.1),
                    };
                    let collected = self.collected(batch.0, Vec::new(), Vec::new());
                    if let Some(e_tag) = e_tag {
                        self.tickets.insert(collected.ticket, (log.object, e_tag));
                    }
                    return Ok(Some(collected));
                }
                None if self.config.verify_logs || !is_read => {
                    let stored = chain.digests.object(&log.object).await?;
                    let body = stored.as_ref().map(|(body, _)| body.clone());
                    let judged = log.clone();
                    let finding = tokio::task::spawn_blocking(move || judged.judge(body.as_deref())).await;
                    let finding =
                        finding.map_err(|_| Error::ReaderFailed { origin: log.object.to_string() })?;
                    step.report.findings.push(finding);
                    match stored.filter(|_| !is_read) {
                        Some((body, e_tag)) => step.reading = Some(Reading::new(body, e_tag, &self.options)),
                        None => drop(step.logs.pop_front()),
                    }
                }
                None => drop(step.logs.pop_front()),
            }
            return Ok(None);
        }
        if let Some((walk, is_late)) = step.walks.front_mut() {
            step.digest = walk.wanted().cloned();
            match chain.digests.next_digest(walk, *is_late, &mut step.report).await? {
                // The last one that was judged before is only looked at where the chain breaks.
                Some(logs) => {
                    let end_s = step.digest.as_ref().and_then(|object| end_of_key(&object.key));
                    if *is_late || end_s > Some(chain.progress.until_s) {
                        step.logs = logs.into();
                    }
                }
                None => {
                    if let Some((walk, false)) = step.walks.pop_front() {
                        walk.finish(&mut step.report);
                    }
                }
            }
            return Ok(None);
        }
        let found = findings(&step.report, !chain.is_new);
        chain.progress = step.after.clone();
        (chain.step, chain.is_new) = (None, false);
        let position = vec![chain.position()];
        Ok(Some(self.collected(None, position, found)))
    }
}

impl Chain {
    fn position(&self) -> PositionChange {
        PositionChange { key: self.name.clone(), value: Some(self.progress.to_text()) }
    }

    /// Looks for digests that were not judged yet; the finding that there are none for too long.
    async fn begin(&mut self, config: &FollowDigestsConfig, now_s: i64) -> Result<Option<SourceFinding>> {
        let trail = self.digests.trail().clone();
        let until_s = self.progress.until_s;
        let listed = self.digests.list(&trail.bucket, until_s - LATE_S, now_s).await?;
        let (late, regular): (Vec<_>, Vec<_>) = listed.into_iter().partition(|key| is_backfill(key));
        let mut ends: Vec<i64> = regular.iter().filter_map(|key| end_of_key(key)).collect();
        ends.retain(|end_s| *end_s > until_s);
        ends.sort_unstable();
        ends.truncate(STEP);
        let late: Vec<_> = late.into_iter().filter(|key| !self.progress.late.contains(key)).collect();
        let newest_s = ends.last().copied();
        if newest_s.is_none() && late.is_empty() {
            self.not_before = Instant::now() + config.every;
            let is_late = now_s - until_s > crate::list::seconds(config.late_after);
            if !is_late || self.told_late == Some(until_s) {
                return Ok(None);
            }
            self.told_late = Some(until_s);
            return Ok(Some(SourceFinding {
                kind: FindingKind::Gap,
                subject: format!("s3://{}/{} after {}", trail.bucket, self.name, key_time(until_s)),
                detail:
                    "CloudTrail writes a digest every hour, and none came since: logging or validation was \
                         switched off, the newest digests were deleted, or the trail is another"
                        .into(),
                span_us: Some(until_s * 1_000_000..now_s * 1_000_000),
            }));
        }
        let newest_s = newest_s.unwrap_or(until_s);
        let late_ends = late.iter().filter_map(|key| end_of_key(key));
        let oldest_s = late_ends.min().unwrap_or(until_s).min(until_s);
        let keys = self.digests.public_keys(oldest_s - LATE_S, newest_s).await?;
        // The last one is among them: a chain that begins anew after it has a gap.
        let regular: Vec<_> = regular
            .into_iter()
            .filter(|key| end_of_key(key).is_some_and(|end_s| (until_s..=newest_s).contains(&end_s)))
            .collect();
        let mut after = self.progress.clone();
        after.until_s = newest_s;
        after.late.extend(late.iter().cloned());
        after.late.retain(|key| end_of_key(key) >= Some(newest_s - LATE_S));
        while after.late.len() > MAX_LATE {
            after.late.pop_first();
        }
        let mut walks = VecDeque::new();
        if newest_s > until_s {
            walks.push_back((
                ChainWalk::new(&trail.bucket, regular, keys.clone(), until_s + 1, newest_s),
                false,
            ));
        }
        for key in late {
            let end_s = end_of_key(&key).unwrap_or(until_s);
            walks.push_back((ChainWalk::new(&trail.bucket, [key], keys.clone(), end_s, end_s), true));
        }
        let (report, digest) = (DigestReport::default(), None);
        self.step = Some(Step { walks, after, report, digest, logs: VecDeque::new(), reading: None });
        Ok(None)
    }
}

impl Reading {
    fn new(body: Bytes, e_tag: String, options: &ReadOptions) -> Self {
        Self { reader: RecordReader::new(Box::new(Cursor::new(body)), options.limits.clone()), e_tag }
    }
}

/// The next batch of a log file and its entity tag, and the file again if there is more of it.
async fn next_batch(
    mut reading: Reading,
    object: &ObjectAddress,
    options: &ReadOptions,
) -> Result<((Option<RawBatch>, String), Option<Reading>)> {
    let origin = object.to_string();
    let work = tokio::task::spawn_blocking(move || (reading.reader.next_batch(), reading));
    let (batch, reading) = work.await.map_err(|_| Error::ReaderFailed { origin: origin.clone() })?;
    let log_type = options.log_type.or(Some(LogType::AwsCloudtrail));
    let batch =
        batch?.map(|batch| batch.finish(options.source.clone(), log_type, origin, (options.now_us)()));
    let e_tag = reading.e_tag.clone();
    let more = batch.is_some().then_some(reading);
    Ok(((batch, e_tag), more))
}

#[async_trait]
impl Collector for DigestsCollector {
    async fn poll(&mut self) -> Result<Polled> {
        loop {
            let place = match self.next() {
                Ok(place) => place,
                Err(wait) => {
                    tokio::time::sleep(wait).await;
                    return Ok(Polled::Idle);
                }
            };
            let advanced = self.advance(place).await;
            if let Some(chain) = self.chains.get_mut(place) {
                chain.is_failing = advanced.is_err();
            }
            match advanced {
                Ok(Some(collected)) => return Ok(Polled::Collected(collected)),
                Ok(None) => self.turn = place,
                Err(error) => {
                    // The others go on; this chain's step begins where it broke off.
                    if let Some(chain) = self.chains.get_mut(place) {
                        let rest = match error.fate() {
                            Fate::Retry { after } => after.max(REST),
                            _ => REST,
                        };
                        chain.not_before = Instant::now() + rest;
                    }
                    self.turn = (place + 1) % self.chains.len().max(1);
                    return Err(error);
                }
            }
        }
    }

    fn is_failing(&self) -> bool {
        self.chains.iter().any(|chain| chain.is_failing)
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        for ticket in tickets {
            if let Some((object, e_tag)) = self.tickets.remove(ticket) {
                self.recent.add(object.to_string(), e_tag);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_kept_as_text() {
        let progress = Progress { until_s: 7, late: ["a".to_owned(), "b".to_owned()].into() };
        assert_eq!(Progress::from_text(&progress.to_text()), Some(progress));
        assert_eq!(Progress::from_text("{\"until\":7}"), None);
        assert_eq!(Progress::from_text("{\"until\":7,\"late\":[1]}"), None);
    }
}
