//! Can topics be read? Step by step, and for each refusal the access control that is missing.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::SourceId;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::context::{Context, Shared};
use super::refusal::{code_of, refusal};
use super::topics::{Found, Topics};
use super::{KafkaConfig, KafkaSasl, client, offsets};
use crate::check::Checks;
use crate::{CheckStep, Error, Limits, ReadOptions, Result};

/// How long the cluster may take to say anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long events are served between two calls: reasons come as events.
const SERVED: Duration = Duration::from_millis(500);
/// No more topics are read from.
const MAX_TOPICS: usize = 50;

/// Tries everything that the collector needs, and changes nothing: the cluster, each topic to be described and
/// read, and the group. No group is joined, and what it has committed stays.
pub async fn check_kafka(config: KafkaConfig, source: SourceId, now_us: fn() -> i64) -> Vec<CheckStep> {
    let runtime = Handle::current();
    let check = tokio::task::spawn_blocking(move || {
        let mut checks = Checks::default();
        check(&mut checks, &config, source, now_us, runtime);
        checks.done()
    });
    check.await.unwrap_or_default()
}

/// What permissions are called at this cluster.
struct Grants<'a> {
    config: &'a KafkaConfig,
}

impl Grants<'_> {
    fn named(&self, operation: &'static str) -> &'static str {
        if self.config.is_event_hubs { "Listen" } else { operation }
    }

    /// The mend of a refusal, with the command that grants `operation` on `resource`.
    fn mend(&self, error: &KafkaError, operation: &str, resource: &str) -> String {
        use RDKafkaErrorCode as Code;
        let is_refused = matches!(
            code_of(error),
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
        );
        if !is_refused {
            return match refusal("", code_of(error), "") {
                Error::Kafka { mend, .. } => mend.to_owned(),
                other => other.to_string(),
            };
        }
        if self.config.is_event_hubs {
            return "give the policy of the connection string the right to listen, or the identity the role \
                    `Azure Event Hubs Data Receiver` on the namespace: `az role assignment create --assignee \
                    CLIENT_ID --role \"Azure Event Hubs Data Receiver\" --scope ID_OF_THE_NAMESPACE`"
                .into();
        }
        let principal = match &self.config.security.sasl {
            Some(KafkaSasl::Plain { user, .. } | KafkaSasl::Scram { user, .. }) => user.as_str(),
            _ => "NAME",
        };
        let broker = self.config.cluster();
        format!(
            "allow it: `kafka-acls.sh --bootstrap-server {broker} --add --allow-principal User:{principal} \
             --operation {operation} {resource}`"
        )
    }
}

fn check(checks: &mut Checks, config: &KafkaConfig, source: SourceId, now_us: fn() -> i64, runtime: Handle) {
    let grants = Grants { config };
    let options = ReadOptions { source, log_type: None, limits: Limits::default(), readers: 1, now_us };
    let shared = Arc::new(Shared::default());
    // The end of a partition tells that it may be read, although it is empty.
    let more = [("enable.partition.eof", "true"), ("statistics.interval.ms", "0")];
    let connected = config.check().and_then(|()| {
        Ok((Topics::new(&config.topics)?, client::connect(config, &options, shared.clone(), runtime, &more)?))
    });
    let Some((topics, consumer)) = checks.opened(connected) else { return };
    let refused = Cell::new(false);
    let found = found(&consumer, &topics, &shared, &refused);
    let mend = |error: &Error| match error {
        Error::Kafka { mend, .. } => (*mend).to_owned(),
        other => other.to_string(),
    };
    let described = |found: &Found| match found.topics.len() {
        1 => "one topic is wanted and there".to_owned(),
        count => format!("{count} topics are wanted and there"),
    };
    // What a broker that does not answer needs is told with the error: the network is one of many causes.
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            checks.failed(("cluster", ""), &error, mend(&error));
            return;
        }
    };
    checks.good(("cluster", ""), described(&found));
    for (topic, code) in &found.missing {
        let error = KafkaError::MetadataFetch(*code);
        let step = (format!("describe {topic}"), grants.named("Describe"));
        let told = grants.mend(&error, "Read --operation Describe", &format!("--topic {topic}"));
        checks.failed((&step.0, step.1), &refusal(config.cluster(), *code, ""), told);
    }
    for (topic, partitions) in found.topics.iter().take(MAX_TOPICS) {
        let described = format!("{partitions} partitions");
        checks.good((&format!("describe {topic}"), grants.named("Describe")), described);
        let step = format!("read {topic}");
        match read(&consumer, topic, *partitions, &refused) {
            Ok(told) => checks.good((&step, grants.named("Read")), told),
            Err(error) => {
                let told = grants.mend(&error, "Read", &format!("--topic {topic}"));
                let error = refusal(config.cluster(), code_of(&error), "");
                checks.failed((&step, grants.named("Read")), &error, told);
            }
        }
    }
    if let Some(name) = &config.group {
        let step = format!("group {name}");
        match group(&consumer, &found, &refused) {
            Ok(told) => checks.good((&step, grants.named("Read")), told),
            Err(error) => {
                let told = grants.mend(&error, "Read", &format!("--group {name}"));
                let error = refusal(config.cluster(), code_of(&error), "");
                checks.failed((&step, grants.named("Read")), &error, told);
            }
        }
    }
}

/// Asks the cluster for topics until it answers; the error is the most telling one that came meanwhile.
fn found(
    consumer: &BaseConsumer<Context>,
    topics: &Topics,
    shared: &Shared,
    refused: &Cell<bool>,
) -> Result<Found> {
    let started = Instant::now();
    loop {
        serve(consumer, refused);
        let error = match topics.find(consumer) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let context = consumer.context();
        context.call_failed(&error);
        serve(consumer, refused);
        let is_about_identity = context.trouble().is_some_and(|since| since > Duration::ZERO);
        if is_about_identity || started.elapsed() > PATIENCE {
            context.report();
            let told = shared.trouble.lock().take();
            return Err(told.unwrap_or_else(|| refusal("", code_of(&error), "")));
        }
    }
}

/// Takes in events: errors and requests for tokens.
fn serve(consumer: &BaseConsumer<Context>, refused: &Cell<bool>) {
    let started = Instant::now();
    while started.elapsed() < SERVED {
        // Nothing is assigned: there are no messages.
        drop(poll(consumer, SERVED / 5, refused));
    }
}

/// Polls. That the group is refused is kept in mind and else passed over: librdkafka looks for the group whatever
/// it is asked, and says so once.
fn poll<'a>(
    consumer: &'a BaseConsumer<Context>,
    wait: Duration,
    refused: &Cell<bool>,
) -> Option<KafkaResult<BorrowedMessage<'a>>> {
    let polled = consumer.poll(wait);
    match &polled {
        Some(Err(error)) if code_of(error) == RDKafkaErrorCode::GroupAuthorizationFailed => {
            refused.set(true);
            None
        }
        _ => polled,
    }
}

/// Reads a message of a topic, or the end of a partition.
fn read(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partitions: i32,
    refused: &Cell<bool>,
) -> KafkaResult<String> {
    let mut place = (0, Offset::End);
    for partition in 0..partitions.min(16) {
        let (low, high) = offsets::bounds(consumer, topic, partition)?;
        if high > low {
            place = (partition, Offset::Offset(low));
            break;
        }
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, place.0, place.1)?;
    consumer.assign(&list)?;
    let started = Instant::now();
    let told = loop {
        match poll(consumer, SERVED, refused) {
            Some(Ok(message)) if message_is_of(&message, topic) => break Ok("a message was read".to_owned()),
            Some(Err(KafkaError::PartitionEOF(_))) => break Ok("it may be read, and is empty".to_owned()),
            Some(Err(error @ KafkaError::MessageConsumption(_))) => break Err(error),
            _ if started.elapsed() > PATIENCE => {
                break Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            _ => {}
        }
    };
    consumer.unassign()?;
    told
}

fn message_is_of(message: &impl rdkafka::Message, topic: &str) -> bool {
    message.topic() == topic
}

/// Asks what the group has committed and commits the same again. While it has members the broker refuses that,
/// and thereby tells that it would be allowed.
fn group(consumer: &BaseConsumer<Context>, found: &Found, refused: &Cell<bool>) -> KafkaResult<String> {
    // A refusal comes as an event; a call for the offsets would only time out.
    for _ in 0..4 {
        serve(consumer, refused);
        if refused.get() {
            return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::GroupAuthorizationFailed));
        }
    }
    let mut committed = TopicPartitionList::new();
    for (topic, partitions) in found.topics.iter().take(MAX_TOPICS) {
        for partition in 0..*partitions {
            if let Some(offset) = offsets::committed(consumer, topic, partition)? {
                committed.add_partition_offset(topic, partition, Offset::Offset(offset))?;
            }
        }
        if committed.count() > 0 {
            break;
        }
    }
    if committed.count() == 0 {
        return Ok("it has committed nothing yet; whether it may be joined shows when it is".into());
    }
    match consumer.commit(&committed, CommitMode::Sync) {
        Err(error)
            if matches!(
                code_of(&error),
                RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::RebalanceInProgress
            ) =>
        {
            Ok("it has members".into())
        }
        Err(error) => Err(error),
        Ok(()) => Ok("what it has committed is known".into()),
    }
}
