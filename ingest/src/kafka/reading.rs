//! The thread that runs librdkafka's consumer: its calls block, and its callbacks run where it is polled.
//!
//! While nobody takes batches the thread goes on serving librdkafka (heartbeats of the group depend on it),
//! with all partitions paused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::assignment::{Handed, Mark};
use super::client;
use super::collector::KafkaCounts;
use super::context::{Context, Shared};
use super::gather::Place;
use super::offsets::{self, GoOn};
use super::refusal::refusal;
use super::topics::{Found, MAX_PARTITIONS, Topics};
use super::{KafkaConfig, KafkaStart};
use crate::{ReadOptions, Result};

/// How long messages are gathered before a batch is handed out that is not full.
const LINGER: Duration = Duration::from_millis(50);
/// How long is waited for a first message before something else is looked after.
const WAIT: Duration = Duration::from_millis(100);
/// How often durable offsets are committed. Event Hubs takes four a second and partition.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How soon the cluster is asked again after it gave no answer.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How often is looked whether a batch can be handed out. It is waited for without the runtime, which may
/// end before this thread.
const FULL: Duration = Duration::from_millis(1);
/// With nobody taking batches for so long, partitions are paused.
const PAUSE_AFTER: Duration = Duration::from_secs(3);
/// After so long a refusal of who we are, secrets are read anew.
const RENEW_AFTER: Duration = Duration::from_secs(30);

/// The thread and what it was told.
pub(super) struct Reading {
    config: KafkaConfig,
    topics: Topics,
    options: ReadOptions,
    shared: Arc<Shared>,
    sender: mpsc::Sender<Handed>,
    runtime: Handle,
    /// Where partitions go on, without a group.
    positions: BTreeMap<(String, i32), i64>,
    /// Topics that an earlier run has read.
    known: BTreeSet<String>,
    /// Whether topics were found once: those that appear later are read from their beginning.
    is_begun: bool,
}

/// Why a client is given up.
enum End {
    /// Nobody wants more.
    Stop,
    /// Another is made, with secrets read anew.
    Renew,
}

/// Nobody wants more.
struct Stop;

impl Reading {
    /// # Errors
    /// [`Error::BadSetting`].
    pub(super) fn new(
        config: KafkaConfig,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
        shared: Arc<Shared>,
        sender: mpsc::Sender<Handed>,
        runtime: Handle,
    ) -> Result<Self> {
        let positions: BTreeMap<_, _> = match config.group {
            Some(_) => BTreeMap::new(),
            None => positions.iter().filter_map(|(key, value)| position(key, value)).collect(),
        };
        let known = positions.keys().map(|(topic, _)| topic.clone()).collect();
        let topics = Topics::new(&config.topics)?;
        Ok(Self { config, topics, options, shared, sender, runtime, positions, known, is_begun: false })
    }

    /// Reads until nobody wants more.
    pub(super) fn run(mut self) {
        while !self.shared.is_stopped() {
            let (shared, runtime) = (self.shared.clone(), self.runtime.clone());
            let consumer = match client::connect(&self.config, &self.options, shared, runtime, &[]) {
                Ok(consumer) => consumer,
                Err(error) => {
                    self.shared.report(error);
                    self.rest(ASK_AGAIN);
                    continue;
                }
            };
            let mut client = Client {
                consumer,
                next_look: Instant::now() + WAIT,
                next_commit: Instant::now() + COMMIT_EVERY,
                subscribed: Vec::new(),
                missing: Vec::new(),
                has_lost_its_place: false,
                has_failed: false,
            };
            let end = match self.drive(&mut client) {
                Ok(End::Renew) => End::Renew,
                Ok(End::Stop) | Err(Stop) => End::Stop,
            };
            let context = client.consumer.context().clone();
            if self.config.group.is_some() {
                context.acknowledge();
                context.commit(&client.consumer, CommitMode::Sync);
            }
            // It leaves its group.
            drop(client);
            match end {
                End::Stop => return,
                End::Renew => self.rest(ASK_AGAIN),
            }
        }
    }

    fn rest(&self, span: Duration) {
        let started = Instant::now();
        while started.elapsed() < span && !self.shared.is_stopped() {
            std::thread::sleep(WAIT);
        }
    }

    /// Runs one client.
    fn drive(&mut self, client: &mut Client) -> std::result::Result<End, Stop> {
        loop {
            if self.shared.is_stopped() {
                return Ok(End::Stop);
            }
            if self.gather(client) {
                return Ok(End::Renew);
            }
            self.hand_all(client)?;
            if std::mem::take(&mut client.has_failed) {
                client.context().report();
            }
            self.keep_offsets(client);
            let trouble = client.context().trouble();
            if trouble.is_some_and(|since| since > RENEW_AFTER) {
                return Ok(End::Renew);
            }
            if trouble.is_some() {
                client.next_look = client.next_look.min(Instant::now() + ASK_AGAIN);
            }
            if client.next_look <= Instant::now() {
                let looked = self.look(client)?;
                client.next_look = Instant::now() + if looked { self.config.refresh } else { ASK_AGAIN };
            }
            if client.has_lost_its_place {
                client.has_lost_its_place = false;
                self.find_places(client)?;
            }
        }
    }

    /// Commits to the group what is durable, now and then.
    fn keep_offsets(&self, client: &mut Client) {
        if self.config.group.is_none() {
            return;
        }
        client.context().acknowledge();
        if client.next_commit <= Instant::now() {
            client.next_commit = Instant::now() + COMMIT_EVERY;
            client.context().commit(&client.consumer, CommitMode::Async);
        }
    }

    /// Gathers messages until there are enough for now. `true`: the client is broken.
    fn gather(&mut self, client: &mut Client) -> bool {
        let limits = &self.options.limits;
        let mut until = Instant::now() + WAIT;
        let mut counts = KafkaCounts::default();
        let turn = loop {
            let turn = client.turn(until.saturating_duration_since(Instant::now()), &self.options);
            let Turn::Message(taken) = turn else { break turn };
            if counts.messages == 0 {
                until = Instant::now() + LINGER;
            }
            if let Some(records) = taken {
                counts.messages += 1;
                counts.empty_messages += u64::from(records == 0);
                counts.records += records as u64;
            }
            let assignment = client.consumer.context().assignment.lock();
            if assignment.bytes >= limits.batch_bytes || assignment.records >= limits.batch_records {
                break turn;
            }
        };
        if counts.messages > 0 {
            client.context().is_well();
            let mut all = self.shared.counts.lock();
            all.messages += counts.messages;
            all.empty_messages += counts.empty_messages;
            all.records += counts.records;
        }
        matches!(turn, Turn::Broken)
    }

    /// Hands out all that is gathered.
    fn hand_all(&mut self, client: &mut Client) -> std::result::Result<(), Stop> {
        loop {
            let handed = client.context().assignment.lock().hand(self.config.cluster(), &self.options);
            match handed {
                Some(handed) => self.hand(client, handed)?,
                None => return Ok(()),
            }
        }
    }

    /// Waits until somebody takes it. Meanwhile librdkafka is served.
    fn hand(&mut self, client: &mut Client, handed: Handed) -> std::result::Result<(), Stop> {
        let started = Instant::now();
        let (mut was_paused, mut is_paused) = (false, false);
        let permit = loop {
            match self.sender.try_reserve() {
                Ok(permit) => break permit,
                Err(TrySendError::Closed(())) => return Err(Stop),
                Err(TrySendError::Full(())) if self.shared.is_stopped() => return Err(Stop),
                Err(TrySendError::Full(())) => {}
            }
            if started.elapsed() < PAUSE_AFTER {
                std::thread::sleep(FULL);
                continue;
            }
            self.keep_offsets(client);
            if !is_paused {
                is_paused =
                    client.consumer.assignment().is_ok_and(|list| client.consumer.pause(&list).is_ok());
                was_paused = true;
            }
            // Partitions may come and go here; of one that came there may be messages, until it is paused.
            if let Turn::Message(_) = client.turn(WAIT, &self.options) {
                is_paused = false;
            }
        };
        let is_current = {
            let assignment = client.context().assignment.lock();
            handed.marks.iter().all(|mark| assignment.is_current(mark))
        };
        if self.config.group.is_none() {
            for mark in &handed.marks {
                self.positions.insert((mark.topic.clone(), mark.partition), mark.next);
            }
        }
        // What belongs to another member by now is read by that one.
        if is_current {
            permit.send(handed);
        }
        if was_paused
            && let Err(error) = client.consumer.assignment().and_then(|list| client.consumer.resume(&list))
        {
            client.context().call_failed(&error);
        }
        Ok(())
    }

    /// Looks which topics and partitions there are. `false`: the cluster did not say.
    fn look(&mut self, client: &mut Client) -> std::result::Result<bool, Stop> {
        let looked = self.topics.find(&client.consumer).and_then(|found| {
            client.context().is_well();
            self.tell_missing(client, &found);
            match self.config.group {
                Some(_) => client.subscribe(&found).map(|()| Vec::new()),
                None => self.follow(client, &found),
            }
        });
        match looked {
            Ok(marks) => {
                if !marks.is_empty() {
                    self.hand(client, Handed { batch: None, marks, findings: Vec::new() })?;
                }
                Ok(true)
            }
            Err(error) => {
                client.context().call_failed(&error);
                client.has_failed = true;
                Ok(false)
            }
        }
    }

    /// Tells of names that are no topics: as an error where there is nothing else to read.
    fn tell_missing(&self, client: &mut Client, found: &Found) {
        let Some((topic, code)) = found.missing.first() else {
            client.missing.clear();
            return;
        };
        let names: Vec<String> = found.missing.iter().map(|(name, _)| name.clone()).collect();
        let reason = format!("topic `{topic}`: {code}");
        if found.topics.is_empty() {
            self.shared.report(refusal(self.config.cluster(), *code, &reason));
        } else if client.missing != names {
            tracing::warn!(source = %self.options.source, topics = ?names, %reason, "topics cannot be read");
        }
        client.missing = names;
    }

    /// Takes up partitions that are new, and gives up those that are gone.
    fn follow(&mut self, client: &Client, found: &Found) -> KafkaResult<Vec<Mark>> {
        let context = client.context();
        let (mut fresh, mut gone) = (Vec::new(), TopicPartitionList::new());
        {
            let mut assignment = context.assignment.lock();
            let is_gone =
                |topic: &str, partition| found.topics.get(topic).is_none_or(|count| partition >= *count);
            let ours = assignment.all().iter().map(|one| (one.topic.clone(), one.partition, one.next));
            for (topic, partition, next) in ours.collect::<Vec<_>>() {
                if is_gone(&topic, partition) {
                    gone.add_partition(&topic, partition);
                    assignment.remove(&topic, partition);
                    // A topic of that name that is made anew goes on there, and is found to be another.
                    self.positions.extend(next.map(|next| ((topic, partition), next)));
                }
            }
            for (topic, count) in &found.topics {
                for partition in 0..*count {
                    if !assignment.contains(topic, partition) {
                        fresh.push((topic.clone(), partition));
                    }
                }
            }
            let room = MAX_PARTITIONS.saturating_sub(assignment.all().len());
            if fresh.len() > room {
                tracing::warn!(source = %self.options.source, "of {} partitions only {MAX_PARTITIONS} are read", fresh.len());
                fresh.truncate(room);
            }
        }
        if gone.count() > 0 {
            client.consumer.incremental_unassign(&gone)?;
        }
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::with_capacity(fresh.len());
        let mut begun = Vec::new();
        for (topic, partition) in fresh {
            let saved = self.positions.get(&(topic.clone(), partition)).copied();
            let next = match saved {
                Some(next) => next,
                None => offsets::begin(&client.consumer, &topic, partition, self.start_of(&topic))?,
            };
            list.add_partition_offset(&topic, partition, Offset::Offset(next))?;
            begun.push((topic, partition, next, saved.is_none()));
        }
        client.consumer.incremental_assign(&list)?;
        let mut marks = Vec::new();
        let mut assignment = context.assignment.lock();
        for (topic, partition, next, is_first) in begun {
            assignment.add(&topic, partition, Some(next));
            let generation = assignment.all().last().map_or(0, |one| one.generation);
            // Saved, so that a restart does not begin anew, later than now.
            if is_first {
                marks.push(Mark { topic, partition, next, generation });
            }
        }
        self.is_begun = true;
        Ok(marks)
    }

    /// Where a partition begins that has no position. What appears while its topic, or another of the same
    /// pattern, is read already is read as a whole.
    fn start_of(&self, topic: &str) -> KafkaStart {
        let known = self.known.iter().map(String::as_str);
        if self.is_begun || self.topics.is_read_already(topic, known) {
            return KafkaStart::Earliest;
        }
        self.config.start
    }

    /// Finds out which partition's offset the broker does not have, and goes on with all of them.
    fn find_places(&mut self, client: &mut Client) -> std::result::Result<(), Stop> {
        self.hand_all(client)?;
        if let Err(error) = self.try_find_places(client) {
            client.context().call_failed(&error);
            client.has_failed = true;
            client.has_lost_its_place = true;
        }
        Ok(())
    }

    fn try_find_places(&self, client: &Client) -> KafkaResult<()> {
        let (consumer, context) = (&client.consumer, client.context());
        let ours: Vec<_> = {
            let assignment = context.assignment.lock();
            assignment.all().iter().map(|one| (one.topic.clone(), one.partition, one.next)).collect()
        };
        let mut list = TopicPartitionList::with_capacity(ours.len());
        let mut lost = Vec::new();
        for (topic, partition, next) in ours {
            let next = match next {
                None if self.config.group.is_some() => offsets::committed(consumer, &topic, partition)?,
                next => next,
            };
            let (low, high) = offsets::bounds(consumer, &topic, partition)?;
            let next = match offsets::go_on(&format!("{topic}/{partition}"), next, low, high) {
                GoOn::At(next) => next,
                GoOn::Begin => offsets::begin(consumer, &topic, partition, self.config.start)?,
                GoOn::Lost { reason, from, next } => {
                    lost.push((topic.clone(), partition, reason, from, next));
                    next
                }
            };
            list.add_partition_offset(&topic, partition, Offset::Offset(next))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        consumer.incremental_unassign(&list)?;
        consumer.incremental_assign(&list)?;
        let mut assignment = context.assignment.lock();
        for (topic, partition, reason, from, next) in lost {
            tracing::warn!(source = %self.options.source, %reason, "messages are lost");
            assignment.lose(&Place { topic: &topic, partition, offset: from }, &reason, next);
            self.shared.counts.lock().lost_stretches += 1;
        }
        for element in list.elements() {
            if let Offset::Offset(next) = element.offset() {
                assignment.go_on_at(element.topic(), element.partition(), next);
            }
        }
        Ok(())
    }
}

/// A client of librdkafka and what was done with it.
struct Client {
    consumer: BaseConsumer<Context>,
    /// When topics are looked for again.
    next_look: Instant,
    next_commit: Instant,
    /// The topics of the group's member.
    subscribed: Vec<String>,
    /// Names that are no topics, as told last.
    missing: Vec<String>,
    /// The broker does not have an offset that was asked for.
    has_lost_its_place: bool,
    /// A call has failed, which is told once its reason had the time to come.
    has_failed: bool,
}

impl Client {
    fn context(&self) -> &Context {
        self.consumer.context()
    }

    /// Takes a message in, or whatever else comes within `wait`.
    fn turn(&mut self, wait: Duration, options: &ReadOptions) -> Turn {
        let lost = RDKafkaErrorCode::AutoOffsetReset;
        match self.consumer.poll(wait) {
            Some(Ok(message)) => {
                let (topic, partition) = (message.topic(), message.partition());
                let place = Place { topic, partition, offset: message.offset() };
                let payload = message.payload().unwrap_or_default();
                let mut assignment = self.consumer.context().assignment.lock();
                let taken = assignment.take(&place, payload, options);
                assignment.stamp(topic, partition, message.timestamp().to_millis());
                Turn::Message(taken)
            }
            Some(Err(KafkaError::MessageConsumption(code))) if code == lost => {
                self.has_lost_its_place = true;
                Turn::Other
            }
            Some(Err(KafkaError::MessageConsumptionFatal(_))) => Turn::Broken,
            // The context was told the reason of any other error.
            Some(Err(_)) | None => Turn::Other,
        }
    }

    /// Tells the group which topics there are, where that has changed.
    fn subscribe(&mut self, found: &Found) -> KafkaResult<()> {
        let names: Vec<String> = found.topics.keys().cloned().collect();
        if names == self.subscribed {
            return Ok(());
        }
        if names.is_empty() {
            self.consumer.unsubscribe();
        } else {
            self.consumer.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        self.subscribed = names;
        Ok(())
    }
}

/// What one poll led to.
enum Turn {
    /// A message, and how many records it had; `None`: it is not ours, or was read before.
    Message(Option<usize>),
    /// Nothing came, or something else than a message.
    Other,
    /// The client is of no use any more.
    Broken,
}

/// A position as it was saved: `topic/partition` and the offset to go on at.
fn position(key: &str, value: &str) -> Option<((String, i32), i64)> {
    let (topic, partition) = key.rsplit_once('/')?;
    let next: i64 = value.parse().ok().filter(|next| *next >= 0)?;
    Some(((topic.to_owned(), partition.parse().ok()?), next))
}
