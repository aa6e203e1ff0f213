//! The past of a source over objects: everything below its prefixes that was modified in a span of time,
//! once, in the order of keys.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use event::{RawBatchBuilder, RawRecord};
use tokio::runtime::Handle;

use super::background::Background;
use super::bucket::{Bucket, Place};
use super::growing::Growing;
use super::objects::ObjectsConfig;
use crate::by_key::Listed;
use crate::{Collected, Collector, Error, Polled, PositionChange, Result};

/// Objects that are listed at once.
const LISTED: usize = 10_000;

/// An object that cannot be read so many times, while others can, becomes a dead letter.
const TRIES: u32 = 5;

/// A collector that ends: a backfill.
#[derive(Debug)]
pub struct Sweep {
    background: Background<Engine, Option<Collected>>,
}

/// How far a [`Sweep`] has come.
#[derive(Debug, Default)]
pub struct SweepProgress {
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl SweepProgress {
    /// Objects read to their end since the sweep was opened.
    pub fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    /// Their bytes as they are stored.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Sweep {
    /// Reads what was modified in `modified_us` (microseconds since 1970), and goes on at `positions`, which
    /// an earlier sweep over the same span gave. Call it on a runtime.
    ///
    /// # Errors
    /// An address is none, or its store cannot be set up.
    pub fn open(
        config: ObjectsConfig,
        modified_us: Range<i64>,
        positions: &BTreeMap<String, String>,
        progress: Arc<SweepProgress>,
    ) -> Result<Self> {
        let runtime = Handle::current();
        let buckets: Result<VecDeque<_>> = config
            .addresses
            .iter()
            .map(|address| Ok((address.clone(), Bucket::open(address, &config, &runtime)?)))
            .collect();
        Ok(Self::over(buckets?, config, modified_us, positions, progress))
    }

    /// The same over stores that are open already; the addresses of `config` are not used.
    pub(crate) fn of(
        places: Vec<Place>,
        config: ObjectsConfig,
        modified_us: Range<i64>,
        positions: &BTreeMap<String, String>,
        progress: Arc<SweepProgress>,
    ) -> Self {
        let runtime = Handle::current();
        let buckets = places.into_iter().map(|place| {
            let address = format!("{}/{}", place.root, place.prefix);
            (address, Bucket::at(place, &runtime))
        });
        Self::over(buckets.collect(), config, modified_us, positions, progress)
    }

    fn over(
        buckets: VecDeque<(String, Bucket)>,
        config: ObjectsConfig,
        modified_us: Range<i64>,
        positions: &BTreeMap<String, String>,
        progress: Arc<SweepProgress>,
    ) -> Self {
        let name = config.source.to_string();
        let engine = Engine {
            buckets,
            config,
            modified_us,
            after: positions.clone(),
            queue: VecDeque::new(),
            current: None,
            tries: 0,
            moved: Vec::new(),
            progress,
            ticket: 0,
        };
        Self { background: Background::new(name, engine) }
    }
}

#[async_trait]
impl Collector for Sweep {
    async fn poll(&mut self) -> Result<Polled> {
        let collected = self.background.step(Engine::step).await?;
        Ok(collected.map_or(Polled::End, Polled::Collected))
    }

    /// What failed is tried again at once.
    fn is_failing(&self) -> bool {
        false
    }

    /// Positions are all there is.
    async fn ack(&mut self, _tickets: &[u64]) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Engine {
    /// Those that are not done, with their addresses.
    buckets: VecDeque<(String, Bucket)>,
    config: ObjectsConfig,
    modified_us: Range<i64>,
    /// The last key that is done, by the address of the prefix.
    after: BTreeMap<String, String>,
    queue: VecDeque<Listed>,
    current: Option<(Listed, Growing)>,
    /// How often the object that is next could not be read.
    tries: u32,
    moved: Vec<PositionChange>,
    progress: Arc<SweepProgress>,
    ticket: u64,
}

impl Engine {
    /// The next batch; `None` at the end.
    fn step(&mut self) -> Result<Option<Collected>> {
        loop {
            let Some((address, bucket)) = self.buckets.front() else {
                let position = std::mem::take(&mut self.moved);
                return Ok((!position.is_empty()).then(|| self.collected(None, position)));
            };
            if let Some((meta, mut growing)) = self.current.take() {
                let origin = bucket.address_of(&meta.key);
                let mut batch = match growing.next_batch() {
                    // Deleted since it was listed, as by a rule for old objects.
                    Err(Error::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
                    Err(Error::Read { source, .. }) => {
                        self.tries += 1;
                        if self.tries < TRIES || !can_read_others(bucket, &self.queue) {
                            // Tried again from its beginning.
                            self.queue.push_front(meta);
                            return Err(Error::Object { address: origin, source });
                        }
                        self.tries = 0;
                        let reason =
                            format!("unreadable: the object could not be read {TRIES} times: {source}");
                        let mut batch = RawBatchBuilder::with_capacity(0);
                        let number = growing.mark().number;
                        let fits = batch.push(RawRecord { bytes: b"", number, reject: Some(&reason) });
                        debug_assert!(fits, "an empty record fits");
                        let ObjectsConfig { source, log_type, now_us, .. } = &self.config;
                        let batch = batch.finish(source.clone(), *log_type, origin, now_us());
                        let key = address.clone();
                        self.after.insert(key.clone(), meta.key.clone());
                        let value = Some(meta.key.clone());
                        let mut position = std::mem::take(&mut self.moved);
                        position.push(PositionChange { key, value });
                        return Ok(Some(self.collected(Some(batch), position)));
                    }
                    batch => batch,
                };
                if matches!(batch, Ok(None)) && growing.is_inside_record() {
                    growing.finish();
                    batch = growing.next_batch();
                }
                if let Some(batch) = batch? {
                    let ObjectsConfig { source, log_type, now_us, .. } = &self.config;
                    let batch = batch.finish(source.clone(), *log_type, origin, now_us());
                    self.current = Some((meta, growing));
                    let position = std::mem::take(&mut self.moved);
                    return Ok(Some(self.collected(Some(batch), position)));
                }
                self.tries = 0;
                self.progress.objects.fetch_add(1, Ordering::Relaxed);
                self.progress.bytes.fetch_add(meta.size, Ordering::Relaxed);
                let key = address.clone();
                self.after.insert(key.clone(), meta.key.clone());
                self.moved = vec![PositionChange { key, value: Some(meta.key.clone()) }];
                continue;
            }
            if let Some(meta) = self.queue.pop_front() {
                let growing = Growing::new(bucket.read(&meta, 0), &self.config.limits);
                self.current = Some((meta, growing));
                continue;
            }
            let after = self.after.get(address).map(String::as_str);
            let is_wanted = |meta: &Listed| {
                self.modified_us.contains(&meta.modified_us)
                    && after.is_none_or(|after| meta.key.as_str() > after)
            };
            let listed = bucket.list(after, LISTED, is_wanted, |meta| meta.key.clone())?;
            if listed.is_empty() {
                self.buckets.pop_front();
            } else {
                self.queue = listed.into();
            }
        }
    }

    fn collected(&mut self, batch: Option<event::RawBatch>, position: Vec<PositionChange>) -> Collected {
        self.ticket += 1;
        Collected { batch, position, findings: Vec::new(), ticket: self.ticket }
    }
}

/// Whether an object that cannot be read is alone with that: the next one can be read or, where it is the last,
/// the prefix can be listed. Else the store or the network is in trouble, and it is waited for.
fn can_read_others(bucket: &Bucket, others: &VecDeque<Listed>) -> bool {
    match others.front() {
        Some(next) => match bucket.read(next, 0).read(&mut [0; 1]) {
            Err(error) => error.kind() == ErrorKind::NotFound,
            Ok(_) => true,
        },
        None => bucket.list(None, 1, |_| true, |meta| meta.key.clone()).is_ok(),
    }
}

#[cfg(test)]
mod tests;
