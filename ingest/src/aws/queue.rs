//! Objects that a queue announces: the main way of AWS logs. An event of EventBridge that announces none is a
//! record itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::client::Client;
use super::endpoint::region_of_queue;
use super::notification::{Announced, ObjectKind, decode_notification};
use super::s3::{S3, is_missing};
use super::sqs::{BATCH, Sqs};
use super::{AwsAccess, Environment};
use crate::queue::{
    self, Broker, FailedEntry, Meaning, Message, Part, Queue, QueueCounts, QueueOptions, RecentObjects,
};
use crate::{Collector, Error, Polled, ReadOptions, Result};

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

/// Reads objects that messages in an SQS queue announce.
#[derive(Debug)]
pub struct S3QueueCollector(Queue<S3Queue>);

impl S3QueueCollector {
    /// A collector on the runtime that this is called on. Nothing is called yet.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn open(config: S3QueueConfig, environment: &Environment, options: ReadOptions) -> Result<Self> {
        config.check()?;
        let region = region_of_queue(&config.queue_url);
        let client = Arc::new(Client::new(&config.access, region, environment, options.now_us)?);
        let queue = QueueOptions {
            lease: config.visibility,
            wait: config.wait,
            receivers: 1,
            max_receives: config.max_receives,
            max_receives_missing: config.max_receives_missing,
            messages_in_work: config.messages_in_work,
            // A hundred messages of 1 MiB are what `messages_in_work` allows anyway.
            bytes_in_work: usize::MAX,
            recent_objects: config.recent_objects,
        };
        let sqs = Sqs::new(client.clone(), config.queue_url.clone());
        let broker = S3Queue { sqs, s3: S3::new(client), config };
        Ok(Self(Queue::open(broker, queue, options)))
    }

    /// Shares its memory of what was read with others.
    #[must_use]
    pub fn sharing(mut self, recent: RecentObjects) -> Self {
        self.0.share(recent);
        self
    }

    /// What was done so far.
    pub fn counts(&self) -> QueueCounts {
        self.0.counts()
    }
}

#[async_trait]
impl Collector for S3QueueCollector {
    async fn poll(&mut self) -> Result<Polled> {
        self.0.poll().await
    }

    fn is_failing(&self) -> bool {
        self.0.is_failing()
    }

    async fn ack(&mut self, tickets: &[u64]) -> Result<()> {
        self.0.ack(tickets).await
    }
}

/// SQS and S3 as the engine sees them.
#[derive(Debug)]
struct S3Queue {
    sqs: Sqs,
    s3: S3,
    config: S3QueueConfig,
}

#[async_trait]
impl Broker for S3Queue {
    type Object = Announced;

    const DELETE: &'static str = "sqs:DeleteMessage";
    const RECEIVED: usize = BATCH;
    const BATCH: usize = BATCH;

    async fn receive(&self) -> Result<Vec<Message>> {
        self.sqs.receive(self.config.wait, self.config.visibility).await
    }

    async fn delete(&self, receipts: &[&str]) -> Result<Vec<FailedEntry>> {
        self.sqs.delete(receipts).await
    }

    async fn extend(&self, receipts: &[&str]) -> Result<Vec<FailedEntry>> {
        self.sqs.extend(receipts, self.config.visibility).await
    }

    fn read(&self, message: &Message) -> Meaning<Announced> {
        let told = decode_notification(&message.body);
        let mut meaning = Meaning { records: told.records, rejects: told.rejects, ..Meaning::default() };
        for announced in told.objects {
            let object = &announced.object;
            let kind = ObjectKind::of_key(&object.key);
            if !self.config.buckets.is_empty() && !self.config.buckets.contains(&object.bucket) {
                let problem = format!("foreign_bucket: `{object}` is in none of the configured buckets");
                meaning.rejects.push(problem);
            } else if matches!(kind, ObjectKind::TrailDigest | ObjectKind::Folder) {
                meaning.without_events += 1;
            } else {
                let (address, version) = (object.to_string(), announced.e_tag.clone());
                meaning.objects.push(queue::Announced { address, version, object: announced });
            }
        }
        meaning
    }

    fn origin(&self, id: &str) -> String {
        format!("{}#{id}", self.config.queue_url)
    }

    fn numbered(&self, _id: &str) -> Option<(String, u64)> {
        None
    }

    async fn part(&self, object: &Announced, at: u64, version: Option<String>) -> Result<Part> {
        self.s3.part(&object.object, object.region.as_deref(), at, version).await
    }

    fn is_missing(&self, error: &Error) -> bool {
        is_missing(error)
    }
}
