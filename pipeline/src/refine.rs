//! Entries of the log become columns, matches and rejects, on all cores.

use std::sync::Arc;

use enrich::identity::{self, IdentityConfig, Link};
use enrich::place::Places;
use event::{EventBatch, Offset, RawBatch, SourceId};
use normalize::{CustomMappings, Normalizer};
use parking_lot::Mutex;
use rules::{Hits, Match, RuleSet, Scratch};
use storage::dead_letter::DeadLetter;
use storage::log::{LogEntry, LogReader};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::{Error, Result, who};

/// A run of log entries that is refined together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) entries: Vec<LogEntry>,
}

/// What a group became.
#[derive(Debug)]
pub(crate) struct Refined {
    /// The first offset of the group.
    pub(crate) first: Offset,
    /// The offset after the group.
    pub(crate) next: Offset,
    /// What was received, by source.
    pub(crate) received: Vec<Received>,
    /// The events, in the log's order, duplicates still among them.
    pub(crate) events: EventBatch,
    /// The rules that matched, by row of `events`.
    pub(crate) matches: Vec<Match>,
    /// The rules that `matches` means.
    pub(crate) rules: Arc<RuleSet>,
    /// What the correlations take from the matches.
    pub(crate) hits: Hits,
    /// What the events tell about who is who.
    pub(crate) links: Vec<Link>,
    /// What could not be mapped.
    pub(crate) rejects: Vec<DeadLetter>,
}

/// How many records one source gave to a group.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) source: SourceId,
    pub(crate) records: u64,
    pub(crate) received_us: i64,
}

/// What groups are refined by. Rules and places may change between two groups.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    pub(crate) places: watch::Receiver<Arc<Places>>,
    pub(crate) identity: Arc<IdentityConfig>,
    pub(crate) mappings: Arc<CustomMappings>,
}

impl Given {
    fn now(&self) -> Means {
        Means {
            rules: self.rules.borrow().clone(),
            places: self.places.borrow().clone(),
            identity: self.identity.clone(),
        }
    }
}

/// What one group is refined by.
#[derive(Debug)]
struct Means {
    rules: Arc<RuleSet>,
    places: Arc<Places>,
    identity: Arc<IdentityConfig>,
}

/// Reusable buffers of the workers.
#[derive(Debug)]
pub(crate) struct Workers {
    idle: Mutex<Vec<Worker>>,
    mappings: Arc<CustomMappings>,
}

#[derive(Debug)]
struct Worker {
    normalizer: Normalizer,
    scratch: Scratch,
}

/// Reads the log from `reader` and sends groups to be refined, in order, at most as many at once as
/// `out` holds. `boundaries` are the offsets at which a group must end, so that a stage which has
/// everything below one can skip whole groups after a restart.
pub(crate) async fn read(
    mut reader: LogReader,
    group_bytes: usize,
    boundaries: [Offset; 2],
    given: Given,
    out: mpsc::Sender<JoinHandle<Result<Refined>>>,
) -> Result<()> {
    let workers = Arc::new(Workers { idle: Mutex::default(), mappings: given.mappings.clone() });
    loop {
        // Waiting for room before reading keeps at most one unread group in memory.
        let Ok(place) = out.reserve().await else { return Ok(()) };
        let first = tokio::select! {
            entry = reader.next() => entry?,
            () = out.closed() => return Ok(()),
        };
        let group = gather(first, &mut reader, group_bytes, boundaries)?;
        let (workers, now) = (workers.clone(), given.now());
        place.send(tokio::task::spawn_blocking(move || workers.refine(group, now)));
    }
}

/// Adds entries that are ready to `first`, up to `group_bytes` and to the next boundary.
fn gather(
    first: LogEntry,
    reader: &mut LogReader,
    group_bytes: usize,
    boundaries: [Offset; 2],
) -> Result<Group> {
    let mut bytes = first.batch.byte_len();
    let mut next = first.first + first.batch.len() as u64;
    let mut entries = vec![first];
    while bytes < group_bytes && !boundaries.contains(&next) {
        let Some(entry) = reader.try_next()? else { break };
        bytes += entry.batch.byte_len();
        next = entry.first + entry.batch.len() as u64;
        entries.push(entry);
    }
    Ok(Group { entries })
}

impl Workers {
    fn refine(&self, group: Group, by: Means) -> Result<Refined> {
        let idle = self.idle.lock().pop();
        let mut worker = idle.unwrap_or_else(|| Worker {
            normalizer: Normalizer::with_mappings(self.mappings.clone()),
            scratch: Scratch::default(),
        });
        let refined = worker.refine(&group, by);
        self.idle.lock().push(worker);
        refined
    }
}

impl Worker {
    fn refine(&mut self, group: &Group, by: Means) -> Result<Refined> {
        let Means { rules, places, identity } = by;
        let first = group.entries.first().map_or(0, |entry| entry.first);
        let next = group.entries.last().map_or(first, |entry| entry.first + entry.batch.len() as u64);
        let batches: Vec<_> = group.entries.iter().map(|entry| (&entry.batch, entry.first)).collect();
        let (mut events, rejected) = self.normalizer.map_all(&batches);
        places.fill(&mut events)?;
        let received = batches.iter().map(|(batch, _)| Received {
            source: batch.source.clone(),
            records: batch.len() as u64,
            received_us: batch.received_us,
        });
        let rejects = batches.iter().zip(&rejected).flat_map(|((batch, first), rejects)| {
            rejects.iter().filter_map(|reject| dead_letter(batch, *first, reject))
        });
        let (received, rejects) = (received.collect(), rejects.collect());
        let matches = rules.matches(&events, &mut self.scratch);
        let actor = |row| who::actor(&events, row);
        let links = identity::links(&events, 0..events.len(), &identity);
        let hits = rules.hits(&events, &matches, &|_| true, &actor);
        Ok(Refined { first, next, received, events, matches, rules, hits, links, rejects })
    }
}

fn dead_letter(batch: &RawBatch, first: Offset, reject: &normalize::Reject) -> Option<DeadLetter> {
    let record = batch.get(reject.record)?;
    Some(DeadLetter::new(
        first + reject.record as u64,
        batch,
        &record,
        reject.reason.as_str(),
        &reject.detail,
    ))
}

/// The refined group behind `handle`.
///
/// # Errors
/// The stage's own error, or that its thread panicked (a bug of ours; the group is tried again after
/// a restart, nothing is lost).
pub(crate) async fn finished(handle: JoinHandle<Result<Refined>>) -> Result<Refined> {
    match handle.await {
        Ok(refined) => refined,
        Err(panic) => Err(Error::Stopped { reason: format!("a refining thread panicked: {panic}") }),
    }
}
