//! What librdkafka calls back: errors, log lines, tokens, partitions that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::assignment::{Assignment, Mark};
use super::collector::KafkaCounts;
use super::refusal::{code_of, is_about_identity, refusal};
use crate::Error;
use crate::token::TokenCache;

/// How long a partition that goes away is kept until what was handed out of it is durable: so that its next
/// owner does not read it again.
const SETTLE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
/// How often events are served while there are no messages.
const SERVE: Duration = Duration::from_millis(100);

/// Shared by the collector and its thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) is_stop: AtomicBool,
    /// What is durable.
    pub(super) acknowledged: Mutex<Vec<Mark>>,
    /// What keeps messages from coming.
    pub(super) trouble: Mutex<Option<Error>>,
    pub(super) troubled: Notify,
    /// Nothing came since the last trouble.
    pub(super) is_failing: AtomicBool,
    /// Why offsets were not committed.
    pub(super) commit_failure: Mutex<Option<Error>>,
    pub(super) counts: Mutex<KafkaCounts>,
}

impl Shared {
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stop.load(Ordering::Relaxed)
    }

    pub(super) fn report(&self, error: Error) {
        self.is_failing.store(true, Ordering::Relaxed);
        *self.trouble.lock() = Some(error);
        self.troubled.notify_one();
    }
}

/// One client's view.
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) cluster: String,
    /// Whether a group shares the partitions out.
    pub(super) is_group: bool,
    pub(super) secrets: Vec<String>,
    pub(super) tokens: Option<TokenCache>,
    pub(super) runtime: Handle,
    /// What is ours. Locked by the reading thread alone, in callbacks or between polls.
    pub(super) assignment: Mutex<Assignment>,
    /// The most telling error since messages or metadata last came, and when the first was.
    hint: Mutex<Option<(RDKafkaErrorCode, String, Instant)>>,
}

impl Context {
    pub(super) fn new(
        shared: Arc<Shared>,
        cluster: &str,
        is_group: bool,
        secrets: Vec<String>,
        tokens: Option<TokenCache>,
        runtime: Handle,
    ) -> Self {
        Self {
            shared,
            cluster: cluster.to_owned(),
            is_group,
            secrets,
            tokens,
            runtime,
            assignment: Mutex::default(),
            hint: Mutex::new(None),
        }
    }

    /// All is well: messages or metadata came.
    pub(super) fn is_well(&self) {
        self.shared.is_failing.store(false, Ordering::Relaxed);
        if self.hint.lock().take().is_some() {
            *self.shared.trouble.lock() = None;
        }
    }

    /// Whether something is wrong, and for how long with who we are.
    pub(super) fn trouble(&self) -> Option<Duration> {
        let hint = self.hint.lock();
        let (code, _, since) = hint.as_ref()?;
        Some(if is_about_identity(*code) { since.elapsed() } else { Duration::ZERO })
    }

    /// Keeps an error in mind, unless it says less than the one before.
    fn note(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut hint = self.hint.lock();
        let since = hint.as_ref().map_or_else(Instant::now, |(_, _, since)| *since);
        let is_vague = code == RDKafkaErrorCode::AllBrokersDown;
        let says_more = hint
            .as_ref()
            .is_none_or(|(before, ..)| is_about_identity(code) || (!is_about_identity(*before) && !is_vague));
        if says_more {
            *hint = Some((code, self.hide(reason), since));
        }
    }

    /// Keeps in mind that a call failed. The reason mostly comes with an event, before or after it.
    pub(super) fn call_failed(&self, error: &KafkaError) {
        let mut hint = self.hint.lock();
        if hint.is_none() {
            let code = code_of(error);
            *hint = Some((code, code.to_string(), Instant::now()));
        }
    }

    /// Tells the collector the most telling error.
    pub(super) fn report(&self) {
        if let Some((code, reason, _)) = &*self.hint.lock() {
            self.shared.report(refusal(&self.cluster, *code, reason));
        }
    }

    /// Without secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    /// Takes in what the collector was told to be durable.
    pub(super) fn acknowledge(&self) {
        let marks = std::mem::take(&mut *self.shared.acknowledged.lock());
        let mut assignment = self.assignment.lock();
        for mark in marks {
            assignment.acknowledge(mark);
        }
    }

    /// Commits what is durable and not committed.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>, mode: CommitMode) {
        let offsets = self.assignment.lock().take_uncommitted();
        if offsets.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for ((topic, partition), next) in &offsets {
            if let Err(error) = list.add_partition_offset(topic, *partition, Offset::Offset(*next)) {
                return self.commit_failed(&error);
            }
        }
        if let Err(error) = consumer.commit(&list, mode) {
            self.commit_failed(&error);
        }
    }

    fn commit_failed(&self, error: &KafkaError) {
        self.assignment.lock().commit_again();
        let code = code_of(error);
        *self.shared.commit_failure.lock() =
            Some(refusal(&self.cluster, code, &self.hide(&error.to_string())));
    }

    /// Partitions go away: what was handed out of them becomes durable first, if it can in time.
    fn settle(&self, consumer: &BaseConsumer<Self>, gone: &[(String, i32)]) {
        let started = Instant::now();
        loop {
            self.acknowledge();
            let mut assignment = self.assignment.lock();
            let is_settled = gone.iter().all(|(topic, partition)| assignment.is_settled(topic, *partition));
            if is_settled || started.elapsed() > SETTLE || self.shared.is_stopped() {
                break;
            }
            drop(assignment);
            std::thread::sleep(LOOK);
        }
        self.commit(consumer, CommitMode::Sync);
    }
}

/// Topics and partitions of a list.
fn places(list: &TopicPartitionList) -> Vec<(String, i32)> {
    list.elements().iter().map(|one| (one.topic().to_owned(), one.partition())).collect()
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let line = self.hide(line);
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::warn!(target: "librdkafka", facility, "{line}"),
            // Brokers that come and go; what matters is told by the source's own errors.
            _ => tracing::debug!(target: "librdkafka", facility, "{line}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        let assignment = self.assignment.lock();
        let mut lag = 0;
        let mut since_ms = None;
        for topic in statistics.topics.values() {
            for partition in topic.partitions.values() {
                // Of what is fetched and not taken yet there is no offset of ours.
                let next =
                    if partition.app_offset >= 0 { partition.app_offset } else { partition.next_offset };
                let is_known = partition.hi_offset >= 0 && next >= 0;
                let is_ours = is_known && assignment.contains(&topic.topic, partition.partition);
                let behind = u64::try_from(partition.hi_offset - next).unwrap_or(0);
                if !is_ours || behind == 0 {
                    continue;
                }
                lag += behind;
                since_ms = match (since_ms, assignment.newest_ms(&topic.topic, partition.partition)) {
                    (Some(before), Some(newest)) => Some(newest.min(before)),
                    (before, newest) => before.or(newest),
                };
            }
        }
        drop(assignment);
        let mut counts = self.shared.counts.lock();
        (counts.lag_messages, counts.lag_since_ms) = (lag, since_ms);
        counts.has_lag = true;
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = code_of(&error);
        let is_about_group = code == RDKafkaErrorCode::GroupAuthorizationFailed && !self.is_group;
        if is_about_group || code == RDKafkaErrorCode::AutoOffsetReset {
            return;
        }
        tracing::debug!(target: "librdkafka", ?code, "{}", self.hide(reason));
        self.note(code, reason);
        if code == RDKafkaErrorCode::AllBrokersDown || is_about_identity(code) {
            self.report();
        }
    }

    fn generate_oauth_token(
        &self,
        _configuration: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let tokens = self.tokens.as_ref().ok_or("no source of tokens is configured")?;
        // This is the reading thread, which is none of the runtime's.
        let token = self.runtime.block_on(tokens.get())?;
        let lifetime_ms = token.expires_us / 1000;
        Ok(OAuthToken { token: token.secret, principal_name: "stormglass".into(), lifetime_ms })
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let changed = places(list);
        let is_assign = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        tracing::debug!(target: "librdkafka", is_assign, partitions = changed.len(), "a group is rebalanced");
        let done = if is_assign {
            let mut assignment = self.assignment.lock();
            for (topic, partition) in &changed {
                assignment.add(topic, *partition, None);
            }
            drop(assignment);
            consumer.incremental_assign(list)
        } else {
            if !consumer.assignment_lost() {
                self.settle(consumer, &changed);
            }
            let mut assignment = self.assignment.lock();
            for (topic, partition) in &changed {
                assignment.remove(topic, *partition);
            }
            drop(assignment);
            consumer.incremental_unassign(list)
        };
        if let Err(error) = done {
            self.call_failed(&error);
            self.report();
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Err(error) if code_of(&error) != RDKafkaErrorCode::NoOffset => self.commit_failed(&error),
            _ => {}
        }
    }

    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::After(SERVE)
    }
}
