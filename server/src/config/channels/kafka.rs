//! A topic of Kafka. Its client lives in `ingest`, so this channel is put together here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ingest::SecretReference;
use ingest::kafka::{KafkaConfig, KafkaProducer, KafkaSasl, KafkaSecurity, KafkaTls, Produced};
use notify::channel::{SettingProblem, ocsf_finding, webhook_document};
use notify::{Channel, Delivery, Manner, Outcome};
use tokio::sync::Mutex;

use super::{ChannelConfig, ChannelKind};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const KEYS: &[Key] = &[
    key("brokers", Kind::Texts, "", "Brokers to ask first, as host:port; they name the others."),
    key("topic", Kind::Text, "", "The topic, which must be there."),
    key(
        "format",
        Kind::Word(&["json", "ocsf"]),
        r#""json""#,
        "What a message says: the document of webhooks, or an OCSF finding.",
    ),
    key("tls", Kind::Flag, "true", "Whether the listener speaks TLS."),
    key(
        "ca_file",
        Kind::Text,
        r#""""#,
        "A file with the certificates (PEM) of the authorities to trust, if not the system's.",
    ),
    key("certificate", Kind::Text, r#""""#, "A file with our certificate (PEM), where brokers ask for one."),
    key("key", Kind::Text, r#""""#, "A file with its key (PEM)."),
    key("key_password", Kind::Secret, r#""""#, "The passphrase of the key."),
    key(
        "sasl",
        Kind::Word(&["none", "plain", "scram-sha-256", "scram-sha-512"]),
        r#""none""#,
        "How to sign in.",
    ),
    key("user", Kind::Text, r#""""#, "The user of plain and scram."),
    key("password", Kind::Secret, r#""""#, "Where its password lies."),
];

pub(super) const KAFKA: ChannelKind = ChannelKind {
    name: "kafka",
    doc: "A topic of Kafka. Its brokers are named here and are not asked for in `egress.allow`.",
    keys: KEYS,
    open: |channel, _| {
        let config = config(channel)?;
        config.check().map_err(|error| match error {
            ingest::Error::BadSetting { field, problem } => {
                let field = if field == "topics" { "topic" } else { field };
                SettingProblem::new(field, problem, "see docs/channels.md")
            }
            error => SettingProblem::new("brokers", error.to_string(), "see docs/channels.md"),
        })?;
        if config.topics.iter().any(|topic| topic.starts_with('^')) {
            return Err(SettingProblem::new("topic", "it is a pattern", "write the name of one topic"));
        }
        let is_ocsf = channel.get().text("format") == "ocsf";
        Ok(Arc::new(Topic { config, is_ocsf, producer: Mutex::new(None) }))
    },
};

fn config(channel: &ChannelConfig) -> Result<KafkaConfig, SettingProblem> {
    let get = channel.get();
    let file = |name: &str| Some(PathBuf::from(get.text(name))).filter(|path| !path.as_os_str().is_empty());
    let tls = get.flag("tls").then(|| KafkaTls {
        ca: file("ca_file"),
        certificate: file("certificate"),
        key: file("key"),
        key_password: SecretReference::parse(&get.text("key_password")),
    });
    let mechanism = get.text("sasl");
    let (user, password) = (get.text("user"), SecretReference::parse(&get.text("password")));
    let needed = |what: &'static str| {
        SettingProblem::new(what, format!("`sasl = \"{mechanism}\"` needs it"), format!("set `{what}`"))
    };
    let sasl = match mechanism.as_str() {
        "none" => None,
        _ if user.is_empty() => return Err(needed("user")),
        "plain" => Some(KafkaSasl::Plain { user, password: password.ok_or_else(|| needed("password"))? }),
        mechanism => Some(KafkaSasl::Scram {
            is_sha512: mechanism == "scram-sha-512",
            user,
            password: password.ok_or_else(|| needed("password"))?,
        }),
    };
    Ok(KafkaConfig {
        brokers: get.texts("brokers"),
        topics: vec![get.text("topic")],
        security: KafkaSecurity { tls, sasl },
        ..KafkaConfig::default()
    })
}

/// Below the 30 seconds that a channel promises.
const PATIENCE: Duration = Duration::from_secs(28);

/// A topic that is told.
#[derive(Debug)]
struct Topic {
    config: KafkaConfig,
    is_ocsf: bool,
    /// Made when it is first needed, and again after its secrets were refused.
    producer: Mutex<Option<Arc<KafkaProducer>>>,
}

impl Topic {
    async fn producer(&self) -> Result<Arc<KafkaProducer>, String> {
        let mut kept = self.producer.lock().await;
        if let Some(producer) = &*kept {
            return Ok(producer.clone());
        }
        let config = self.config.clone();
        let opened = tokio::task::spawn_blocking(move || KafkaProducer::open(&config, now_us)).await;
        let producer = opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(kept.insert(Arc::new(producer)).clone())
    }
}

#[async_trait]
impl Channel for Topic {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        let told = delivery.notification;
        let body = if self.is_ocsf { ocsf_finding(told) } else { webhook_document(told) };
        let content = match body.get("class_uid").filter(|_| self.is_ocsf) {
            Some(class) => format!("application/json; class={class}"),
            None => "application/json".to_owned(),
        };
        // Replicas that do not answer hold up one delivery of this channel, and no other channel.
        let producer = match self.producer().await {
            Ok(producer) => producer,
            Err(reason) => return Outcome::Retry { after: None, reason },
        };
        let headers = [("webhook-id", delivery.key), ("content-type", content.as_str())];
        // The key keeps a thread in one partition, and so in order.
        let body = body.to_string();
        let sent =
            tokio::time::timeout(PATIENCE, producer.send(&told.thread, body.as_bytes(), &headers)).await;
        let Ok(sent) = sent else {
            return Outcome::Retry { after: None, reason: "the brokers do not answer in time".into() };
        };
        match sent {
            Ok(Produced::Taken) => Outcome::Delivered { remember: None },
            Ok(Produced::TooLarge) => {
                Outcome::Refused { reason: "the topic takes no message of this size".into() }
            }
            Err(error) if error.is_passing() => Outcome::Retry { after: None, reason: error.to_string() },
            Err(error) => {
                *self.producer.lock().await = None;
                Outcome::Disabled { reason: error.to_string() }
            }
        }
    }
}
