//! Objects below prefixes of a store: new ones are read, grown ones from where they were left, replaced ones
//! as a whole.
//!
//! A listing tells what is new: by the tag of the version, held against what is kept of each object. Of
//! objects that were modified long before the newest one nothing is kept; they are done. So what is kept is
//! bounded, and does not depend on how keys are named.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use event::{LogType, RawBatchBuilder, RawRecord, SourceId};
use tokio::runtime::Handle;

use super::background::Background;
use super::bucket::{Bucket, Place};
use super::growing::{Growing, Mark, Within};
use super::kept::Kept;
use crate::aws::{AwsAccess, Environment};
use crate::by_key::Listed;
use crate::{Collected, Collector, Error, Limits, Polled, PositionChange, Result, SourceFinding, google};

/// New objects that are kept in mind at once; the next listing finds the others.
const LISTED: usize = 10_000;

/// An object that cannot be read so many times, while others can, becomes a dead letter.
const TRIES: u32 = 5;

/// The key of the time before which everything is done.
const FLOOR: &str = "floor";

/// What stands before the tag of a version that is not read to its end.
const UNFINISHED: char = '~';

/// How objects are read.
#[derive(Debug, Clone)]
pub struct ObjectsConfig {
    /// The source that is charged with the records.
    pub source: SourceId,
    /// The log type, where it is known; otherwise each record is asked.
    pub log_type: Option<LogType>,
    /// Prefixes: `s3://bucket/prefix/`, `gs://…`, `az://…`, `abfss://…`, `file:///folder/`.
    pub addresses: Vec<String>,
    /// Who reads S3, and the variables by which their keys are found; `None`: whom the process's environment
    /// names, or the machine's role.
    pub aws: Option<(AwsAccess, Environment)>,
    /// Where the credentials for Cloud Storage lie.
    pub google: google::Environment,
    /// How often is listed.
    pub every: Duration,
    /// How long before the newest object what was read is kept in mind; an object may appear so late.
    pub overlap: Duration,
    /// How long an object must not have changed before a torn record at its end is taken for all there will
    /// be.
    pub torn_after: Duration,
    /// Whether objects that are there when the source is opened for the first time are read.
    pub existing: bool,
    /// The most objects of which is kept how far they were read; the oldest are taken as done then.
    pub max_objects: usize,
    /// Bounds on records, batches and compressed objects.
    pub limits: Limits,
    /// The time of day in microseconds since 1970.
    pub now_us: fn() -> i64,
}

/// The collector over objects; see [`ObjectsConfig`].
#[derive(Debug)]
pub struct Objects {
    background: Background<Engine, Option<Collected>>,
    every: Duration,
}

impl Objects {
    /// A collector that goes on at `positions`, which an earlier one gave. Call it on a runtime.
    ///
    /// # Errors
    /// An address is none, or its store cannot be set up.
    pub fn open(config: ObjectsConfig, positions: &BTreeMap<String, String>) -> Result<Self> {
        let runtime = Handle::current();
        let buckets: Result<Vec<_>> =
            config.addresses.iter().map(|address| Bucket::open(address, &config, &runtime)).collect();
        Ok(Self::over(buckets?, config, positions))
    }

    /// The same over stores that are open already; the addresses of `config` are not used.
    pub(crate) fn of(
        places: Vec<Place>,
        config: ObjectsConfig,
        positions: &BTreeMap<String, String>,
    ) -> Self {
        let runtime = Handle::current();
        let buckets = places.into_iter().map(|place| Bucket::at(place, &runtime)).collect();
        Self::over(buckets, config, positions)
    }

    fn over(buckets: Vec<Bucket>, config: ObjectsConfig, positions: &BTreeMap<String, String>) -> Self {
        let (name, every) = (config.source.to_string(), config.every);
        Self { background: Background::new(name, Engine::new(buckets, config, positions)), every }
    }
}

#[async_trait]
impl Collector for Objects {
    async fn poll(&mut self) -> Result<Polled> {
        if let Some(collected) = self.background.step(Engine::step).await? {
            return Ok(Polled::Collected(collected));
        }
        // A step lists when its time has come; a stop is not kept waiting by long sleeps.
        tokio::time::sleep(self.every.min(Duration::from_secs(1))).await;
        Ok(Polled::Idle)
    }

    /// A listing that failed is made again at once: a poll that only waits follows one that went through.
    fn is_failing(&self) -> bool {
        false
    }

    /// Positions are all there is.
    async fn ack(&mut self, _tickets: &[u64]) -> Result<()> {
        Ok(())
    }
}

/// An object that is to be read.
#[derive(Debug, Clone)]
struct Wanted {
    bucket: usize,
    meta: Listed,
    address: String,
    /// What is torn at its end is all there will be.
    is_final: bool,
}

/// Failed tries of an object.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    count: u32,
    /// How many objects had been read to their end at the first.
    read_before: u64,
}

#[derive(Debug)]
struct Engine {
    buckets: Vec<Bucket>,
    config: ObjectsConfig,
    /// By [`key`].
    kept: BTreeMap<String, Kept>,
    /// What was modified before is done.
    floor_us: Option<i64>,
    queue: VecDeque<Wanted>,
    current: Option<(Wanted, Growing)>,
    tries: HashMap<String, Tries>,
    /// Objects read to their end.
    read: u64,
    listed_us: Option<i64>,
    moved: Vec<PositionChange>,
    ticket: u64,
    /// What is to be told with what is handed out next; once.
    findings: Vec<SourceFinding>,
    has_told: bool,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The version of an object.
fn tag(meta: &Listed) -> String {
    meta.tag.clone().unwrap_or_else(|| format!("{}-{}", meta.size, meta.modified_us))
}

/// The key of an object's position: its address, cut where that is too long for a key.
fn key(address: &str) -> String {
    if address.len() <= 1000 {
        return address.to_owned();
    }
    let start: String = address.chars().take(200).collect();
    format!("{start}…{:08x}-{}", crc32c::crc32c(address.as_bytes()), address.len())
}

impl Engine {
    fn new(buckets: Vec<Bucket>, config: ObjectsConfig, positions: &BTreeMap<String, String>) -> Self {
        let floor_us = positions.get(FLOOR).and_then(|text| text.parse().ok());
        let kept = positions.iter().filter(|(key, _)| key.as_str() != FLOOR);
        let kept = kept.filter_map(|(key, text)| Some((key.clone(), Kept::from_text(text)?))).collect();
        Self {
            buckets,
            config,
            kept,
            floor_us,
            queue: VecDeque::new(),
            current: None,
            tries: HashMap::new(),
            read: 0,
            listed_us: None,
            moved: Vec::new(),
            findings: Vec::new(),
            has_told: false,
            ticket: 0,
        }
    }

    fn now_us(&self) -> i64 {
        (self.config.now_us)()
    }

    /// The next batch; `None` where there is nothing before the next listing.
    fn step(&mut self) -> Result<Option<Collected>> {
        loop {
            if self.current.is_some() {
                if let Some(collected) = self.read()? {
                    return Ok(Some(collected));
                }
                continue;
            }
            if let Some(wanted) = self.queue.pop_front() {
                match self.open(&wanted) {
                    Ok(growing) => self.current = Some((wanted, growing)),
                    Err(source) => {
                        if let Some(collected) = self.failed(wanted, source)? {
                            return Ok(Some(collected));
                        }
                    }
                }
                continue;
            }
            let waited_us = self.listed_us.map(|listed_us| self.now_us().saturating_sub(listed_us));
            let every_us = micros(self.config.every);
            // A clock that was set back must not stop the source.
            if waited_us.is_none_or(|waited_us| !(0..every_us).contains(&waited_us)) {
                self.list()?;
                if !self.queue.is_empty() {
                    continue;
                }
            }
            if self.moved.is_empty() && self.findings.is_empty() {
                return Ok(None);
            }
            let position = std::mem::take(&mut self.moved);
            return Ok(Some(self.collected(None, position)));
        }
    }

    fn collected(&mut self, batch: Option<event::RawBatch>, position: Vec<PositionChange>) -> Collected {
        self.ticket += 1;
        let findings = std::mem::take(&mut self.findings);
        Collected { batch, position, findings, ticket: self.ticket }
    }

    /// Finds what is new, oldest first.
    fn list(&mut self) -> Result<()> {
        let now_us = self.now_us();
        if self.floor_us.is_none() {
            let floor_us = if self.config.existing { i64::MIN } else { now_us };
            self.set_floor(floor_us);
        }
        let floor_us = self.floor_us.unwrap_or(i64::MIN);
        let torn_before_us = now_us.saturating_sub(micros(self.config.torn_after));
        let mut queue = Vec::new();
        let mut newest_us = i64::MIN;
        for (index, bucket) in self.buckets.iter().enumerate() {
            let is_wanted = |meta: &Listed| {
                newest_us = newest_us.max(meta.modified_us);
                meta.modified_us >= floor_us
                    && match self.kept.get(&key(&bucket.address_of(&meta.key))) {
                        None => true,
                        Some(kept) if kept.label != tag(meta) => true,
                        Some(kept) => is_torn(kept, meta, torn_before_us),
                    }
            };
            let order = |meta: &Listed| (meta.modified_us, meta.key.clone());
            for meta in bucket.list(None, LISTED, is_wanted, order)? {
                let address = bucket.address_of(&meta.key);
                let is_final = meta.modified_us <= torn_before_us;
                queue.push(Wanted { bucket: index, meta, address, is_final });
            }
        }
        if !self.has_told {
            self.findings = self.buckets.iter().filter_map(Bucket::odd).collect();
            self.has_told = !self.findings.is_empty();
        }
        // Only a listing that went through counts.
        self.listed_us = Some(now_us);
        queue.sort_by_cached_key(|wanted| (wanted.meta.modified_us, wanted.address.clone()));
        self.queue = queue.into();
        if newest_us > i64::MIN {
            // What is not read yet, be it queued or too much for this queue, is no older than the first of it. A
            // prefix that always has something new must not keep all that it ever had.
            let unread_us = self.queue.front().map_or(i64::MAX, |wanted| wanted.meta.modified_us);
            self.forget(newest_us, unread_us);
        }
        Ok(())
    }

    /// Forgets what is old, up to what is not read yet.
    fn forget(&mut self, newest_us: i64, unread_us: i64) {
        let mut floor_us = newest_us.saturating_sub(micros(self.config.overlap));
        if self.kept.len() > self.config.max_objects {
            let mut times: Vec<i64> = self.kept.values().map(|kept| kept.modified_us).collect();
            let surplus = times.len() - self.config.max_objects;
            let (_, last, _) = times.select_nth_unstable(surplus);
            floor_us = floor_us.max(*last);
        }
        floor_us = floor_us.min(unread_us);
        let old: Vec<String> = self
            .kept
            .iter()
            .filter(|(_, kept)| kept.modified_us < floor_us)
            .map(|(key, _)| key.clone())
            .collect();
        if old.is_empty() || self.floor_us.is_some_and(|before_us| floor_us <= before_us) {
            return;
        }
        self.set_floor(floor_us);
        for key in old {
            self.kept.remove(&key);
            self.moved.push(PositionChange { key, value: None });
        }
    }

    fn set_floor(&mut self, floor_us: i64) {
        self.floor_us = Some(floor_us);
        self.moved.push(PositionChange { key: FLOOR.into(), value: Some(floor_us.to_string()) });
    }

    /// A reader of an object: from where it was left, if the bytes before are the same.
    fn open(&self, wanted: &Wanted) -> io::Result<Growing> {
        let limits = &self.config.limits;
        let Some(bucket) = self.buckets.get(wanted.bucket) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let resumed = match self.kept.get(&key(&wanted.address)) {
            Some(kept) if kept.mark.offset == 0 => None,
            Some(kept) if kept.is_done => {
                let is_same = kept.label.strip_prefix(UNFINISHED) == Some(tag(&wanted.meta).as_str());
                match is_same {
                    true => Growing::resume_inflated(bucket.read(&wanted.meta, 0), limits, kept.mark)?,
                    false => None,
                }
            }
            Some(kept) if wanted.meta.size >= kept.mark.offset => {
                let from = kept.mark.offset - kept.mark.tail_bytes() as u64;
                Growing::resume(bucket.read(&wanted.meta, from), limits, kept.mark)?
            }
            _ => None,
        };
        let growing = resumed.unwrap_or_else(|| Growing::new(bucket.read(&wanted.meta, 0), limits));
        Ok(growing.in_lists())
    }

    /// The next batch of the object that is being read; `None` where that has come to an end or failed.
    fn read(&mut self) -> Result<Option<Collected>> {
        let Some((wanted, mut growing)) = self.current.take() else { return Ok(None) };
        let mut batch = match growing.next_batch() {
            Ok(batch) => batch,
            Err(Error::Read { source, .. }) => return self.failed(wanted, source),
            Err(error) => return Err(error),
        };
        if batch.is_none() && wanted.is_final && growing.is_inside_record() {
            growing.finish();
            batch = growing.next_batch()?;
        }
        let Some(batch) = batch else {
            self.read += 1;
            self.tries.remove(&wanted.address);
            let change = self.keep(&wanted, growing.mark(), !growing.is_plain(), true);
            self.moved.push(change);
            return Ok(None);
        };
        let mut position = std::mem::take(&mut self.moved);
        position.push(self.keep(&wanted, growing.mark(), !growing.is_plain(), false));
        let batch = self.finish(batch, &wanted.address);
        self.current = Some((wanted, growing));
        Ok(Some(self.collected(Some(batch), position)))
    }

    fn finish(&self, batch: RawBatchBuilder, origin: &str) -> event::RawBatch {
        batch.finish(self.config.source.clone(), self.config.log_type, origin.to_owned(), self.now_us())
    }

    fn keep(
        &mut self,
        wanted: &Wanted,
        mark: Mark,
        is_compressed: bool,
        is_finished: bool,
    ) -> PositionChange {
        let tag = tag(&wanted.meta);
        let kept = Kept {
            mark,
            size: wanted.meta.size,
            is_done: is_compressed,
            modified_us: wanted.meta.modified_us,
            label: if is_finished { tag } else { format!("{UNFINISHED}{tag}") },
        };
        let key = key(&wanted.address);
        let change = PositionChange { key: key.clone(), value: Some(kept.to_text()) };
        self.kept.insert(key, kept);
        change
    }

    /// Puts an object that cannot be read behind the others. One that is gone, or cannot be read while
    /// others can, becomes a dead letter.
    fn failed(&mut self, wanted: Wanted, source: io::Error) -> Result<Option<Collected>> {
        let first = Tries { count: 0, read_before: self.read };
        let tries = self.tries.entry(wanted.address.clone()).or_insert(first);
        tries.count += 1;
        let is_gone = source.kind() == io::ErrorKind::NotFound;
        let is_poison = tries.count >= TRIES && self.read > tries.read_before;
        if !is_gone && !is_poison {
            let address = wanted.address.clone();
            self.queue.push_back(wanted);
            return Err(Error::Object { address, source });
        }
        self.tries.remove(&wanted.address);
        let reason = match is_gone {
            true => "unreadable: the object was deleted before it was read".to_owned(),
            false => format!("unreadable: the object could not be read {TRIES} times: {source}"),
        };
        let mark = self.kept.get(&key(&wanted.address)).map(|kept| kept.mark).unwrap_or_default();
        let mut batch = RawBatchBuilder::with_capacity(0);
        let fits = batch.push(RawRecord { bytes: b"", number: mark.number, reject: Some(&reason) });
        debug_assert!(fits, "an empty record fits");
        let batch = self.finish(batch, &wanted.address);
        let change = self.keep(&wanted, mark, true, true);
        Ok(Some(self.collected(Some(batch), vec![change])))
    }
}

/// Whether an object was read up to a torn record, and will not grow any more.
fn is_torn(kept: &Kept, meta: &Listed, torn_before_us: i64) -> bool {
    !kept.is_done
        && kept.mark.within != Within::EndedList
        && kept.mark.offset < meta.size
        && meta.modified_us <= torn_before_us
}

#[cfg(test)]
mod tests;
