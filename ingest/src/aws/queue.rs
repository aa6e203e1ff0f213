//! Objects that a queue announces: the main way of AWS logs. An event of EventBridge that announces none is a
//! record itself.
//!
//! A message is deleted when every record of every object that it announces is durable, and not before.
//! Meanwhile its lease is extended. A message of which something could not be read is left alone and comes
//! back when its lease ends; after some such tries what fails becomes a dead letter, so that it holds up
//! nothing. Trouble that passes (network, busy services) never makes a dead letter: the queue's own
//! redrive policy ends that.

mod reading;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{RawBatch, RawBatchBuilder, RawRecord};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::reading::{Outcome, Read, read};
use super::client::Client;
use super::endpoint::region_of_queue;
use super::lease::Leases;
use super::notification::{Announced, ObjectKind, decode_notification};
use super::recent::RecentObjects;
use super::s3::{S3, is_missing};
use super::sqs::{BATCH, Message, Queue};
use super::{AwsAccess, Environment, ObjectAddress};
use crate::{Collected, Collector, Error, Polled, ReadOptions, Result};

/// An empty queue is asked no more often, even where it is not waited for.
const EMPTY_GAP: Duration = Duration::from_secs(1);

/// How objects that a queue announces are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3QueueConfig {
    /// The queue's address, such as `https://sqs.eu-west-1.amazonaws.com/111122223333/logs`.
    pub queue_url: String,
    /// Who reads, and where.
    pub access: AwsAccess,
    /// Buckets that may be read; empty: all that the identity may read. Whoever may send to the queue
    /// chooses what is read.
    pub buckets: Vec<String>,
    /// How long a message is ours before its lease is extended or it comes back: 2 s to 12 h.
    pub visibility: Duration,
    /// How long a call waits for messages: up to 20 s.
    pub wait: Duration,
    /// How often a message may be received before what cannot be read of it becomes a dead letter.
    pub max_receives: u32,
    /// The same where S3 says that there is no such object: a life cycle rule was faster.
    pub max_receives_missing: u32,
    /// Messages in work at most; with this many no more are received.
    pub messages_in_work: usize,
    /// Objects that are remembered, so that another announcement of one costs nothing.
    pub recent_objects: usize,
}

impl Default for S3QueueConfig {
    fn default() -> Self {
        Self {
            queue_url: String::new(),
            access: AwsAccess::default(),
            buckets: Vec::new(),
            visibility: Duration::from_secs(300),
            wait: Duration::from_secs(20),
            max_receives: 5,
            max_receives_missing: 3,
            messages_in_work: 100,
            recent_objects: 10_000,
        }
    }
}

impl S3QueueConfig {
    /// # Errors
    /// [`Error::BadSetting`] for the first setting that cannot be.
    pub fn check(&self) -> Result<()> {
        let bad = |field, problem: &str| Err(Error::BadSetting { field, problem: problem.into() });
        if !self.queue_url.starts_with("https://") && !self.queue_url.starts_with("http://") {
            return bad("queue_url", "give the queue's URL, not its name or ARN");
        }
        if !(2..=43_200).contains(&self.visibility.as_secs()) {
            return bad("visibility", "from 2 s to 12 h");
        }
        if self.wait > Duration::from_secs(20) {
            return bad("wait", "at most 20 s");
        }
        if self.max_receives == 0 || self.max_receives_missing == 0 {
            return bad("max_receives", "at least 1");
        }
        if self.messages_in_work < BATCH {
            return bad("messages_in_work", "at least 10");
        }
        Ok(())
    }
}

/// What a queue's collector has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct S3QueueCounts {
    /// Messages received, each time anew.
    pub received: u64,
    /// Messages deleted.
    pub deleted: u64,
    /// Objects read to their end.
    pub objects: u64,
    /// Announcements of an object that was read and durable before.
    pub known: u64,
    /// Announcements of what holds no events: digests, folders.
    pub without_events: u64,
    /// Reads of objects that failed; they are tried again.
    pub failed_reads: u64,
    /// Events that messages held themselves.
    pub records: u64,
    /// Messages and objects that became dead letters.
    pub dead: u64,
}

/// A message in work.
#[derive(Debug)]
struct InWork {
    receipt: String,
    body: String,
    receives: u32,
    /// Objects that are not read to their end.
    unread: usize,
    /// Batches handed out and not acknowledged.
    unacknowledged: usize,
    /// Something of it has to be read again.
    is_failed: bool,
    /// Objects read, to be remembered once they are durable.
    read: Vec<(ObjectAddress, String)>,
}

/// Reads objects that messages in an SQS queue announce.
#[derive(Debug)]
pub struct S3QueueCollector {
    config: S3QueueConfig,
    options: ReadOptions,
    queue: Queue,
    s3: Arc<S3>,
    leases: Leases,
    recent: RecentObjects,
    counts: S3QueueCounts,
    in_work: BTreeMap<u64, InWork>,
    /// Batches that were handed out, and the message that each belongs to.
    tickets: BTreeMap<u64, u64>,
    next_number: u64,
    /// Objects that nobody reads yet.
    pending: VecDeque<(u64, Announced)>,
    /// Batches that are made without reading.
    ready: VecDeque<(u64, RawBatch)>,
    /// Receipts of messages that are done.
    done: VecDeque<String>,
    receiving: Option<JoinHandle<Result<Vec<Message>>>>,
    readers: usize,
    sender: mpsc::Sender<Read>,
    receiver: mpsc::Receiver<Read>,
}

impl S3QueueCollector {
    /// A collector on the runtime that this is called on. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn open(config: S3QueueConfig, environment: &Environment, options: ReadOptions) -> Result<Self> {
        config.check()?;
        let region = region_of_queue(&config.queue_url);
        let client = Arc::new(Client::new(&config.access, region, environment, options.now_us)?);
        let queue = Queue::new(client.clone(), config.queue_url.clone());
        let (sender, receiver) = mpsc::channel(1);
        Ok(Self {
            leases: Leases::start(queue.clone(), config.visibility),
            recent: RecentObjects::new(config.recent_objects),
            s3: Arc::new(S3::new(client)),
            counts: S3QueueCounts::default(),
            in_work: BTreeMap::new(),
            tickets: BTreeMap::new(),
            next_number: 0,
            pending: VecDeque::new(),
            ready: VecDeque::new(),
            done: VecDeque::new(),
            receiving: None,
            readers: 0,
            config,
            options,
            queue,
            sender,
            receiver,
        })
    }

    /// Shares its memory of what was read with others.
    #[must_use]
    pub fn sharing(mut self, recent: RecentObjects) -> Self {
        self.recent = recent;
        self
    }

    /// What was done so far.
    pub fn counts(&self) -> S3QueueCounts {
        self.counts
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Takes a message into work.
    fn take(&mut self, message: Message) {
        self.counts.received += 1;
        let mut told = decode_notification(message.body.as_bytes());
        let number = self.number();
        self.leases.hold(number, message.receipt.clone());
        let mut unread = 0;
        for announced in told.objects {
            let object = &announced.object;
            let is_known = announced.e_tag.as_deref().is_some_and(|tag| self.recent.contains(object, tag));
            let kind = ObjectKind::of_key(&object.key);
            if !self.config.buckets.is_empty() && !self.config.buckets.contains(&object.bucket) {
                told.rejects.push(format!("foreign_bucket: `{object}` is in none of the configured buckets"));
            } else if matches!(kind, ObjectKind::TrailDigest | ObjectKind::Folder) {
                self.counts.without_events += 1;
            } else if is_known {
                self.counts.known += 1;
            } else {
                unread += 1;
                self.pending.push_back((number, announced));
            }
        }
        let entry = InWork {
            receipt: message.receipt,
            body: message.body,
            receives: message.receives,
            unread,
            unacknowledged: 0,
            is_failed: false,
            read: Vec::new(),
        };
        if !told.rejects.is_empty() || !told.records.is_empty() {
            self.counts.dead += u64::from(!told.rejects.is_empty());
            self.counts.records += told.records.len() as u64;
            let origin = format!("{}#{}", self.config.queue_url, message.id);
            let records = told.records.iter().map(|record| (record.as_bytes(), None, None));
            let rejects =
                told.rejects.iter().map(|reason| (entry.body.as_bytes(), Some(reason.as_str()), None));
            self.ready.push_back((number, self.batch(origin, records.chain(rejects))));
        }
        self.in_work.insert(number, entry);
        self.settle(number);
    }

    /// A batch of records and rejects: bytes, reason, and the record's number where it is not its place.
    fn batch<'a>(
        &self,
        origin: String,
        records: impl Iterator<Item = (&'a [u8], Option<&'a str>, Option<u64>)>,
    ) -> RawBatch {
        let mut batch = RawBatchBuilder::with_capacity(0);
        for (place, (bytes, reject, number)) in records.enumerate() {
            let number = number.unwrap_or(place as u64);
            let fits = batch.push(RawRecord { bytes, number, reject });
            debug_assert!(fits, "a message has at most 1 MiB");
        }
        let options = &self.options;
        batch.finish(options.source.clone(), options.log_type, origin, (options.now_us)())
    }

    /// Lets go of a message with which nothing is left to do.
    fn settle(&mut self, number: u64) {
        let is_ready = self.ready.iter().any(|(message, _)| *message == number);
        let Some(message) = self.in_work.get(&number) else { return };
        if message.unread > 0 || message.unacknowledged > 0 || is_ready {
            return;
        }
        let Some(message) = self.in_work.remove(&number) else { return };
        self.leases.release(number);
        for (object, e_tag) in message.read {
            self.recent.add(object, e_tag);
        }
        if !message.is_failed {
            self.done.push_back(message.receipt);
        }
    }

    /// Deletes messages that are done.
    async fn delete(&mut self) -> Result<()> {
        let mut tried = self.done.len();
        while tried > 0 {
            let batch: Vec<&str> = self.done.iter().take(BATCH.min(tried)).map(String::as_str).collect();
            let count = batch.len();
            let failed = self.queue.delete(&batch).await?;
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
            call: "sqs:DeleteMessage".into(),
            status: 200,
            code: "InternalError".into(),
            message: format!("{} messages of a batch were not deleted", self.done.len()),
            retry_after: None,
        })
    }

    fn start_readers(&mut self) {
        while self.readers < self.options.readers.max(1)
            && let Some((number, announced)) = self.pending.pop_front()
        {
            self.readers += 1;
            let (s3, options, sender) = (self.s3.clone(), self.options.clone(), self.sender.clone());
            let runtime = Handle::current();
            tokio::task::spawn_blocking(move || read(number, announced, s3, &options, runtime, &sender));
        }
    }

    fn start_receiving(&mut self) {
        let has_work = self.pending.len() >= self.options.readers.max(1);
        if self.receiving.is_some() || has_work || self.in_work.len() + BATCH > self.config.messages_in_work {
            return;
        }
        let (queue, wait, visibility) = (self.queue.clone(), self.config.wait, self.config.visibility);
        let not_before = Instant::now() + EMPTY_GAP;
        self.receiving = Some(tokio::spawn(async move {
            let messages = queue.receive(wait, visibility).await?;
            if messages.is_empty() {
                tokio::time::sleep_until(not_before).await;
            }
            Ok(messages)
        }));
    }

    fn collected(&mut self, number: u64, batch: RawBatch) -> Polled {
        let ticket = self.number();
        self.tickets.insert(ticket, number);
        if let Some(message) = self.in_work.get_mut(&number) {
            message.unacknowledged += 1;
        }
        Polled::Collected(Collected {
            batch: Some(batch),
            position: Vec::new(),
            findings: Vec::new(),
            ticket,
        })
    }

    /// An object was read to its end, or failed. The error is one that may pass.
    fn ended(&mut self, number: u64, object: ObjectAddress, outcome: Outcome) -> Result<()> {
        self.readers -= 1;
        let Some(message) = self.in_work.get_mut(&number) else { return Ok(()) };
        message.unread -= 1;
        let mut told = Ok(());
        match outcome {
            Outcome::End { e_tag } => {
                self.counts.objects += 1;
                message.read.extend(e_tag.map(|tag| (object, tag)));
            }
            Outcome::Failed { error, records, start } => {
                self.counts.failed_reads += 1;
                let missing = is_missing(&error);
                let limit = if missing { self.config.max_receives_missing } else { self.config.max_receives };
                let hopeless = matches!(error, Error::BadAddress { .. });
                if error.is_passing() || matches!(error, Error::NoCredentials { .. }) {
                    message.is_failed = true;
                    told = Err(error);
                } else if message.receives < limit && !hopeless {
                    message.is_failed = true;
                } else {
                    self.counts.dead += 1;
                    let body = message.body.clone();
                    let bytes = if start.is_empty() { body.as_bytes() } else { &start };
                    let word = if missing { "missing_object" } else { "unreadable_object" };
                    let reason = format!("{word}: received {} times: {error}", message.receives);
                    let reject = std::iter::once((bytes, Some(reason.as_str()), Some(records)));
                    let batch = self.batch(object.to_string(), reject);
                    self.ready.push_back((number, batch));
                }
            }
        }
        self.settle(number);
        told
    }
}

#[async_trait]
impl Collector for S3QueueCollector {
    async fn poll(&mut self) -> Result<Polled> {
        // While batches wait to be acknowledged, whoever does so is not kept waiting.
        let patience = if self.tickets.is_empty() { self.config.wait } else { Duration::from_millis(250) };
        let until = Instant::now() + patience.max(Duration::from_millis(250));
        loop {
            if let Some((number, batch)) = self.ready.pop_front() {
                return Ok(self.collected(number, batch));
            }
            self.delete().await?;
            self.start_readers();
            self.start_receiving();
            tokio::select! {
                // The channel stays open: this holds a sender.
                Some(read) = self.receiver.recv() => match read.outcome {
                    Ok(batch) => return Ok(self.collected(read.message, batch)),
                    Err(outcome) => self.ended(read.message, read.object, outcome)?,
                },
                received = joined(&mut self.receiving) => {
                    self.receiving = None;
                    for message in received? {
                        self.take(message);
                    }
                }
                () = tokio::time::sleep_until(until) => return Ok(Polled::Idle),
            }
        }
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        for ticket in tickets {
            let Some(number) = self.tickets.remove(ticket) else { continue };
            if let Some(message) = self.in_work.get_mut(&number) {
                message.unacknowledged -= 1;
            }
            self.settle(number);
        }
        self.delete().await
    }
}

impl Drop for S3QueueCollector {
    fn drop(&mut self) {
        if let Some(receiving) = &self.receiving {
            receiving.abort();
        }
    }
}

/// What a task gives; waits for ever where there is none. Dropping this leaves the task as it is.
async fn joined(task: &mut Option<JoinHandle<Result<Vec<Message>>>>) -> Result<Vec<Message>> {
    let Some(task) = task else { return std::future::pending().await };
    task.await.unwrap_or_else(|error| {
        Err(Error::Unreachable { call: "sqs:ReceiveMessage".into(), source: Box::new(error) })
    })
}
