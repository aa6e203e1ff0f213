//! A topic that is written to: what is told goes out where records come in.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

use super::refusal::{code_of, is_about_identity, refusal};
use super::{KafkaConfig, client};
use crate::{Error, Result};

/// How long a message may take, the first connection included.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produced {
    /// All replicas in sync have it.
    Taken,
    /// The topic takes no message of this size.
    TooLarge,
}

/// Writes into one topic. The producer is idempotent: what librdkafka itself repeats is there once.
pub struct KafkaProducer {
    producer: FutureProducer<Context>,
    topic: String,
    cluster: String,
    told: Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>,
}

impl std::fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaProducer").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Remembers what brokers say of who we are: a message alone would only say that it took too long.
struct Context(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, _: &str, message: &str) {
        tracing::debug!(message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = code_of(&error);
        let mut told = self.0.lock();
        if is_about_identity(code) || told.is_none() {
            *told = Some((code, reason.to_owned()));
        }
    }
}

impl KafkaProducer {
    /// A producer for the one topic of `config`; connects when something is sent. It blocks while secrets are
    /// read.
    ///
    /// # Errors
    /// A setting cannot be, or a secret cannot be read.
    pub fn open(config: &KafkaConfig, now_us: fn() -> i64) -> Result<Self> {
        config.check()?;
        let [topic] = config.topics.as_slice() else {
            return Err(Error::BadSetting { field: "topic", problem: "there is one".into() });
        };
        if topic.starts_with('^') {
            return Err(Error::BadSetting { field: "topic", problem: "it is a name, no pattern".into() });
        }
        let mut parts = client::parts(config, "", now_us)?;
        if parts.tokens.is_some() {
            return Err(Error::BadSetting { field: "sasl", problem: "tokens are for reading alone".into() });
        }
        // Of consumers; a producer warns of each.
        for name in [
            "group.id",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "auto.offset.reset",
            "partition.assignment.strategy",
            "allow.auto.create.topics",
            "check.crcs",
            "queued.max.messages.kbytes",
            "fetch.max.bytes",
            "fetch.wait.max.ms",
            "session.timeout.ms",
        ] {
            parts.config.remove(name);
        }
        parts
            .config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            // A topic that is not there is told within the time of a message, not after it.
            .set("topic.metadata.propagation.max.ms", "5000")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string());
        let told = Arc::new(Mutex::new(None));
        let cluster = config.brokers.first().cloned().unwrap_or_default();
        let producer = FutureProducer::from_config_and_context(&parts.config, Context(told.clone()))
            .map_err(|error| refusal(&cluster, code_of(&error), ""))?;
        Ok(Self { producer, topic: topic.clone(), cluster, told })
    }

    /// Writes a message and waits until all replicas in sync have it, 20 seconds at most.
    ///
    /// # Errors
    /// [`Error::Kafka`].
    pub async fn send(&self, key: &str, payload: &[u8], headers: &[(&str, &str)]) -> Result<Produced> {
        let mut owned = OwnedHeaders::new_with_capacity(headers.len());
        for (name, value) in headers {
            owned = owned.insert(Header { key: name, value: Some(*value) });
        }
        let record = FutureRecord::to(&self.topic).key(key).payload(payload).headers(owned);
        match self.producer.send(record, Timeout::After(PATIENCE)).await {
            Ok(_) => {
                *self.told.lock() = None;
                Ok(Produced::Taken)
            }
            Err((error, _)) => {
                let code = code_of(&error);
                if matches!(
                    code,
                    RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize
                ) {
                    return Ok(Produced::TooLarge);
                }
                let told = self.told.lock().take().filter(|(told, _)| is_about_identity(*told));
                let (code, reason) = told.unwrap_or((code, String::new()));
                Err(refusal(&self.cluster, code, &reason))
            }
        }
    }
}
