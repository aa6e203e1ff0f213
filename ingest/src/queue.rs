//! Messages that are ours until they are acknowledged: the engine under SQS and Pub/Sub.
//!
//! A message holds records, or announces objects that do. It is deleted when every record of it is durable,
//! and not before. Meanwhile its lease is extended. A message of which something could not be read is left
//! alone and comes back when its lease ends; after some such tries what fails becomes a dead letter, so that
//! it holds up nothing. Trouble that passes (network, busy services) never makes a dead letter: the queue's
//! own dead-letter policy ends that.

mod broker;
mod lease;
mod reading;
mod recent;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::{RawBatch, RawBatchBuilder, RawRecord};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::broker::fitting;
pub(crate) use self::broker::{Announced, Broker, FailedEntry, Meaning, Message, PART_BYTES, Part};
use self::lease::Leases;
use self::reading::{Content, Outcome, Read, Task, read};
pub use self::recent::RecentObjects;
use crate::{Collected, Error, Polled, ReadOptions, Result, split_body};

/// Parts of one message that become dead letters of their own; whoever may send to the queue could otherwise
/// make a message of 1 MiB into hundreds of thousands.
const REJECTS: usize = 100;

/// An empty queue is asked no more often, even where it is not waited for.
const EMPTY_GAP: Duration = Duration::from_secs(1);
/// While batches wait to be acknowledged, whoever does so is not kept waiting longer.
const SHORT: Duration = Duration::from_millis(250);

/// How a queue is read, whatever it speaks.
#[derive(Debug, Clone)]
pub(crate) struct QueueOptions {
    /// How long a message is ours.
    pub(crate) lease: Duration,
    /// How long a poll waits for messages.
    pub(crate) wait: Duration,
    /// How many calls wait for messages at once.
    pub(crate) receivers: usize,
    /// How often a message may be received before what cannot be read of it becomes a dead letter.
    pub(crate) max_receives: u32,
    /// The same where there is no such object.
    pub(crate) max_receives_missing: u32,
    /// Messages in work at most; with this many no more are received.
    pub(crate) messages_in_work: usize,
    /// Bytes of messages in work at most; what is on its way comes on top.
    pub(crate) bytes_in_work: usize,
    /// Objects that are remembered, so that another announcement of one costs nothing.
    pub(crate) recent_objects: usize,
}

/// What a queue's collector has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Messages received, each time anew.
    pub received: u64,
    /// Messages deleted.
    pub deleted: u64,
    /// Objects read to their end.
    pub objects: u64,
    /// Announcements of an object that was read and durable before.
    pub known: u64,
    /// Announcements of what holds no events: digests, folders, removals.
    pub without_events: u64,
    /// Reads of objects that failed; they are tried again.
    pub failed_reads: u64,
    /// Events that messages held themselves, where others announce objects.
    pub records: u64,
    /// Messages and objects that became dead letters.
    pub dead: u64,
}

/// A message in work.
#[derive(Debug)]
struct InWork {
    receipt: String,
    byte_len: usize,
    receives: u32,
    /// Objects that are not read to their end.
    unread: usize,
    /// Batches made and not acknowledged.
    unacknowledged: usize,
    /// Something of it has to be read again.
    is_failed: bool,
    /// Objects read, to be remembered once they are durable.
    read: Vec<(String, String)>,
}

/// A batch, and the messages that it has records of.
#[derive(Debug)]
struct Ready {
    messages: Vec<u64>,
    batch: RawBatch,
}

/// Records of messages that hold one each, on their way into one batch.
#[derive(Debug)]
struct Together {
    messages: Vec<u64>,
    batch: RawBatchBuilder,
    origin: String,
}

/// Reads what the messages of a queue hold and announce.
#[derive(Debug)]
pub(crate) struct Queue<B: Broker> {
    config: QueueOptions,
    options: ReadOptions,
    broker: Arc<B>,
    leases: Leases,
    recent: RecentObjects,
    counts: QueueCounts,
    in_work: BTreeMap<u64, InWork>,
    in_work_bytes: usize,
    /// Batches that were handed out, and the messages that each belongs to.
    tickets: BTreeMap<u64, Vec<u64>>,
    next_number: u64,
    /// What nobody reads yet.
    pending: VecDeque<Task<B::Object>>,
    /// Batches that are made and not handed out.
    ready: VecDeque<Ready>,
    /// Receipts of messages that are done.
    done: VecDeque<String>,
    receiving: JoinSet<Result<Vec<Message>>>,
    /// The last receipt failed.
    is_failing: bool,
    readers: usize,
    sender: mpsc::Sender<Read>,
    receiver: mpsc::Receiver<Read>,
}

impl<B: Broker> Queue<B> {
    /// A collector on the runtime that this is called on. Nothing is called yet.
    pub(crate) fn open(broker: B, config: QueueOptions, options: ReadOptions) -> Self {
        let broker = Arc::new(broker);
        let (sender, receiver) = mpsc::channel(1);
        Self {
            leases: Leases::start(broker.clone(), config.lease),
            recent: RecentObjects::new(config.recent_objects),
            counts: QueueCounts::default(),
            in_work: BTreeMap::new(),
            in_work_bytes: 0,
            tickets: BTreeMap::new(),
            next_number: 0,
            pending: VecDeque::new(),
            ready: VecDeque::new(),
            done: VecDeque::new(),
            receiving: JoinSet::new(),
            is_failing: false,
            readers: 0,
            config,
            options,
            broker,
            sender,
            receiver,
        }
    }

    /// From now on `recent` is what it remembers of what was read.
    pub(crate) fn share(&mut self, recent: RecentObjects) {
        self.recent = recent;
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> QueueCounts {
        self.counts
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Takes messages into work.
    fn take_all(&mut self, messages: Vec<Message>) {
        let mut together = None;
        for message in messages {
            self.take(message, &mut together);
        }
        self.hand_over(together);
    }

    fn take(&mut self, message: Message, together: &mut Option<Together>) {
        self.counts.received += 1;
        let mut meaning = self.broker.read(&message);
        let number = self.number();
        self.leases.hold(number, message.receipt.clone());
        let id = message.id.clone();
        let entry = InWork {
            receipt: message.receipt,
            byte_len: message.body.len(),
            receives: message.receives,
            unread: 0,
            unacknowledged: 0,
            is_failed: false,
            read: Vec::new(),
        };
        self.in_work_bytes += entry.byte_len;
        self.in_work.insert(number, entry);
        self.counts.without_events += meaning.without_events;
        for announced in std::mem::take(&mut meaning.objects) {
            let address = announced.address.clone();
            if announced.version.as_deref().is_some_and(|version| self.recent.contains(&address, version)) {
                self.counts.known += 1;
            } else {
                self.postpone(Task { message: number, address, content: Content::Object(announced) });
            }
        }
        if meaning.is_records {
            self.take_records(number, &id, message.body.clone(), together);
        }
        if !meaning.records.is_empty() || !meaning.rejects.is_empty() {
            self.counts.records += meaning.records.len() as u64;
            self.counts.dead += u64::from(!meaning.rejects.is_empty());
            let mut reasons: Vec<&str> = meaning.rejects.iter().take(REJECTS).map(String::as_str).collect();
            let surplus = meaning.rejects.len() - reasons.len();
            let surplus = format!("too_many: {surplus} more parts of the message cannot be used");
            if reasons.len() < meaning.rejects.len() {
                reasons.push(&surplus);
            }
            // The first holds the message for all.
            let bodies = std::iter::once(&*message.body).chain(std::iter::repeat(&b""[..]));
            let rejects = bodies.zip(reasons).map(|(body, reason)| (body, Some(reason), None));
            let records = meaning.records.iter().map(|record| (record.as_bytes(), None, None));
            let batch = self.batch(self.broker.origin(&id), records.chain(rejects));
            self.make_ready(vec![number], batch);
        }
        self.settle(number);
    }

    /// Splits what a message holds. A single record goes together with those of other messages; what is
    /// compressed is read on a thread of its own, as it may be much larger than it looks.
    fn take_records(&mut self, number: u64, id: &str, body: Bytes, together: &mut Option<Together>) {
        let origin = self.broker.origin(id);
        if body.starts_with(&[0x1f, 0x8b]) || body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            self.postpone(Task { message: number, address: origin, content: Content::Body(body) });
            return;
        }
        let options = &self.options;
        let batch = split_body(body.to_vec(), &options.limits);
        if batch.is_empty() {
            let reject = (&*body, Some("empty: there is no record in it"), None);
            let batch = self.batch(origin, std::iter::once(reject));
            self.counts.dead += 1;
            self.make_ready(vec![number], batch);
            return;
        }
        let batch = batch.finish(options.source.clone(), options.log_type, origin, (options.now_us)());
        let single = (batch.len() == 1).then(|| batch.get(0)).flatten();
        let single = single.filter(|record| record.reject.is_none());
        let (Some(record), Some((origin, place))) = (single, self.broker.numbered(id)) else {
            self.make_ready(vec![number], batch);
            return;
        };
        let (bytes, records) = (self.options.limits.batch_bytes, self.options.limits.batch_records);
        if together.as_ref().is_some_and(|it| it.batch.byte_len() >= bytes || it.batch.len() >= records) {
            self.hand_over(together.take());
        }
        let open = together.get_or_insert_with(|| Together {
            messages: Vec::new(),
            batch: RawBatchBuilder::with_capacity(record.bytes.len()),
            origin,
        });
        if open.batch.push(RawRecord { bytes: record.bytes, number: place, reject: None }) {
            open.messages.push(number);
            if let Some(message) = self.in_work.get_mut(&number) {
                message.unacknowledged += 1;
            }
        } else {
            self.make_ready(vec![number], batch);
        }
    }

    /// What was put together is a batch.
    fn hand_over(&mut self, together: Option<Together>) {
        let Some(Together { messages, batch, origin }) = together else { return };
        let options = &self.options;
        let batch = batch.finish(options.source.clone(), options.log_type, origin, (options.now_us)());
        self.ready.push_back(Ready { messages, batch });
    }

    fn postpone(&mut self, task: Task<B::Object>) {
        if let Some(message) = self.in_work.get_mut(&task.message) {
            message.unread += 1;
        }
        self.pending.push_back(task);
    }

    fn make_ready(&mut self, messages: Vec<u64>, batch: RawBatch) {
        for number in &messages {
            if let Some(message) = self.in_work.get_mut(number) {
                message.unacknowledged += 1;
            }
        }
        self.ready.push_back(Ready { messages, batch });
    }

    /// A batch of records and rejects: bytes, why it is none, and the record's number where it is not its place.
    fn batch<'a>(
        &self,
        origin: String,
        records: impl Iterator<Item = (&'a [u8], Option<&'a str>, Option<u64>)>,
    ) -> RawBatch {
        let mut batch = RawBatchBuilder::with_capacity(0);
        for (place, (bytes, reject, number)) in records.enumerate() {
            let number = number.unwrap_or(place as u64);
            let fits = batch.push(RawRecord { bytes, number, reject });
            debug_assert!(fits, "a message has at most some MiB");
        }
        let options = &self.options;
        batch.finish(options.source.clone(), options.log_type, origin, (options.now_us)())
    }

    /// Lets go of a message with which nothing is left to do.
    fn settle(&mut self, number: u64) {
        let Some(message) = self.in_work.get(&number) else { return };
        if message.unread > 0 || message.unacknowledged > 0 {
            return;
        }
        let Some(message) = self.in_work.remove(&number) else { return };
        self.in_work_bytes -= message.byte_len;
        self.leases.release(number);
        for (address, version) in message.read {
            self.recent.add(address, version);
        }
        if !message.is_failed {
            self.done.push_back(message.receipt);
        }
    }

    /// Deletes messages that are done.
    async fn delete(&mut self) -> Result<()> {
        let mut tried = self.done.len();
        while tried > 0 {
            let count = fitting(self.done.iter().map(String::as_str), B::BATCH.min(tried));
            let batch: Vec<&str> = self.done.iter().take(count).map(String::as_str).collect();
            let failed = self.broker.delete(&batch).await?;
            tried -= count;
            // Only now: a call that is broken off is made again.
            let receipts: Vec<String> = self.done.drain(..count).collect();
            self.counts.deleted += (count - failed.len().min(count)) as u64;
            for entry in failed {
                // A receipt that has ended: the message comes back, and its objects are known.
                if let Some(receipt) = receipts.get(entry.index).filter(|_| !entry.is_final) {
                    self.done.push_back(receipt.clone());
                }
            }
        }
        if self.done.is_empty() {
            return Ok(());
        }
        Err(Error::Refused {
            call: B::DELETE.into(),
            status: 200,
            code: "InternalError".into(),
            message: format!("{} messages of a batch were not deleted", self.done.len()),
            retry_after: None,
        })
    }

    fn start_readers(&mut self) {
        while self.readers < self.options.readers.max(1)
            && let Some(task) = self.pending.pop_front()
        {
            self.readers += 1;
            let (broker, options, sender) = (self.broker.clone(), self.options.clone(), self.sender.clone());
            let runtime = Handle::current();
            tokio::task::spawn_blocking(move || read(task, broker, &options, runtime, &sender));
        }
    }

    fn start_receiving(&mut self) {
        let has_work = self.pending.len() >= self.options.readers.max(1);
        if has_work || self.in_work_bytes >= self.config.bytes_in_work {
            return;
        }
        while self.receiving.len() < self.config.receivers.max(1)
            && self.in_work.len() + (self.receiving.len() + 1) * B::RECEIVED <= self.config.messages_in_work
        {
            let broker = self.broker.clone();
            let not_before = Instant::now() + EMPTY_GAP;
            self.receiving.spawn(async move {
                let messages = broker.receive().await?;
                if messages.is_empty() {
                    tokio::time::sleep_until(not_before).await;
                }
                Ok(messages)
            });
        }
    }

    /// Hands out a batch whose messages count it already.
    fn collected(&mut self, ready: Ready) -> Polled {
        let ticket = self.number();
        self.tickets.insert(ticket, ready.messages);
        Polled::Collected(Collected {
            batch: Some(ready.batch),
            position: Vec::new(),
            findings: Vec::new(),
            ticket,
        })
    }

    /// An object was read to its end, or failed. The error is one that may pass.
    fn ended(&mut self, number: u64, address: String, outcome: Outcome) -> Result<()> {
        self.readers -= 1;
        let Some(message) = self.in_work.get_mut(&number) else { return Ok(()) };
        message.unread -= 1;
        let mut told = Ok(());
        match outcome {
            Outcome::End { version, is_object } => {
                self.counts.objects += u64::from(is_object);
                message.read.extend(version.map(|version| (address, version)));
            }
            Outcome::Failed { error, records, start } => {
                self.counts.failed_reads += 1;
                let missing = self.broker.is_missing(&error);
                let limit = if missing { self.config.max_receives_missing } else { self.config.max_receives };
                let hopeless = matches!(error, Error::BadAddress { .. });
                if error.is_passing() || matches!(error, Error::NoCredentials { .. }) {
                    message.is_failed = true;
                    told = Err(error);
                } else if message.receives < limit && !hopeless {
                    message.is_failed = true;
                } else {
                    self.counts.dead += 1;
                    // Not the message, which may announce thousands.
                    let bytes = start.as_slice();
                    let word = if missing { "missing_object" } else { "unreadable_object" };
                    let reason = format!("{word}: received {} times: {error}", message.receives);
                    let reject = std::iter::once((bytes, Some(reason.as_str()), Some(records)));
                    let batch = self.batch(address, reject);
                    self.make_ready(vec![number], batch);
                }
            }
        }
        self.settle(number);
        told
    }

    /// See [`Collector::poll`](crate::Collector::poll).
    pub(crate) async fn poll(&mut self) -> Result<Polled> {
        let patience = if self.tickets.is_empty() { self.config.wait } else { SHORT };
        let until = Instant::now() + patience.max(SHORT);
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(self.collected(ready));
            }
            self.delete().await?;
            self.start_readers();
            self.start_receiving();
            tokio::select! {
                // The channel stays open: this holds a sender.
                Some(read) = self.receiver.recv() => match read.outcome {
                    Ok(batch) => self.make_ready(vec![read.message], batch),
                    Err(outcome) => self.ended(read.message, read.address, outcome)?,
                },
                Some(received) = self.receiving.join_next() => {
                    let received = received.unwrap_or_else(|error| {
                        let call = "receive".into();
                        Err(Error::Unreachable { call, source: Box::new(error) })
                    });
                    self.is_failing = received.is_err();
                    self.take_all(received?);
                }
                () = tokio::time::sleep_until(until) => return Ok(Polled::Idle),
            }
        }
    }

    /// See [`Collector::is_failing`](crate::Collector::is_failing).
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// See [`Collector::ack`](crate::Collector::ack).
    pub(crate) async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        for ticket in tickets {
            for number in self.tickets.remove(ticket).unwrap_or_default() {
                if let Some(message) = self.in_work.get_mut(&number) {
                    message.unacknowledged -= 1;
                }
                self.settle(number);
            }
        }
        self.delete().await
    }
}
