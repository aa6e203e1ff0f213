//! Topics of Kafka, and of what speaks its protocol: Azure Event Hubs, MSK, Redpanda.
//!
//! A [`KafkaCollector`] runs librdkafka on a thread of its own ([`reading`]) and hands out batches, one
//! partition each. Where it goes on is either our own position for each partition, which is saved with the
//! data (the default), or the offsets of a consumer group, which are committed once the data are durable
//! ([`assignment`]). docs/sources/kafka.md says how to set a source up.

mod assignment;
mod check;
mod client;
mod collector;
mod context;
mod event_hubs;
mod gather;
mod offsets;
mod oidc;
mod producer;
mod reading;
mod refusal;
mod topics;

use std::path::PathBuf;
use std::time::Duration;

use crate::aws::AwsAccess;
use crate::azure::AzureAccess;
use crate::{Environment, Error, Result, SecretReference};

pub use check::check_kafka;
pub use collector::{KafkaCollector, KafkaCounts};
pub use event_hubs::EventHubsConfig;
pub use oidc::OidcClient;
pub use producer::{KafkaProducer, Produced};

/// Which topics are read, and how.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// Brokers to ask first, `host:port` each; they name the others.
    pub brokers: Vec<String>,
    /// Names of topics; one that begins with `^` is a regular expression, for a whole name.
    pub topics: Vec<String>,
    /// The consumer group that shares the partitions out and keeps the offsets; `None`: all partitions are
    /// read, and positions are kept here.
    pub group: Option<String>,
    /// Where a topic begins that was not read before.
    pub start: KafkaStart,
    /// How connections are secured.
    pub security: KafkaSecurity,
    /// How often new topics and partitions are looked for.
    pub refresh: Duration,
    /// How many bytes of messages are fetched ahead.
    pub fetch_bytes: usize,
    /// What the brokers' own logs and quotas know us by.
    pub client_id: String,
    /// Whether it is an Event Hubs namespace, whose gateway wants other spans of time.
    pub is_event_hubs: bool,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topics: Vec::new(),
            group: None,
            start: KafkaStart::Earliest,
            security: KafkaSecurity::default(),
            refresh: Duration::from_secs(60),
            fetch_bytes: 16 << 20,
            client_id: "stormglass".into(),
            is_event_hubs: false,
        }
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaStart {
    /// With the oldest message there is.
    Earliest,
    /// With what comes from now on.
    Latest,
    /// With the first message at or after this time, in milliseconds since 1970, as the topic stamps them.
    Time(i64),
}

/// How connections are secured.
#[derive(Debug, Clone, Default)]
pub struct KafkaSecurity {
    /// TLS, if it is spoken.
    pub tls: Option<KafkaTls>,
    /// How to sign in, if at all.
    pub sasl: Option<KafkaSasl>,
}

/// TLS. Certificates are checked, host names included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KafkaTls {
    /// The authorities that are trusted (PEM); without, those of the system.
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM), where brokers ask for one.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// The passphrase of the key.
    pub key_password: Option<SecretReference>,
}

/// How to sign in (SASL).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KafkaSasl {
    /// `PLAIN`: the password crosses the wire, so only over TLS.
    Plain {
        /// The user.
        user: String,
        /// The password.
        password: SecretReference,
    },
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    Scram {
        /// `true`: with SHA-512.
        is_sha512: bool,
        /// The user.
        user: String,
        /// The password.
        password: SecretReference,
    },
    /// `OAUTHBEARER` with tokens of an OpenID Connect provider.
    Oauth(OidcClient),
    /// `OAUTHBEARER` with tokens that MSK takes for an identity of IAM.
    MskIam {
        /// Who signs.
        access: AwsAccess,
        /// Where credentials are looked for besides.
        environment: Environment,
    },
    /// `OAUTHBEARER` with tokens of Entra.
    Entra {
        /// Who asks.
        access: AzureAccess,
        /// Where credentials are looked for besides.
        environment: Environment,
        /// What for: `https://NAMESPACE.servicebus.windows.net/.default`.
        scope: String,
    },
}

impl KafkaConfig {
    /// # Errors
    /// [`Error::BadSetting`] for the first setting that cannot be.
    pub fn check(&self) -> Result<()> {
        let bad = |field, problem: String| Err(Error::BadSetting { field, problem });
        if self.brokers.is_empty() {
            return bad("brokers", "name at least one broker, as host:port".into());
        }
        for broker in &self.brokers {
            let is_host = |host: &str| {
                !host.is_empty()
                    && !host.contains(['/', ',', '@', '\0'])
                    && !host.contains(char::is_whitespace)
            };
            let parts = broker.rsplit_once(':');
            if !parts.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok()) {
                return bad("brokers", format!("`{broker}` is no broker; write host:port"));
            }
        }
        topics::Topics::new(&self.topics)?;
        if self.group.as_deref().is_some_and(|group| group.is_empty() || group.contains('\0')) {
            return bad("group", "give the group a name, or leave it out".into());
        }
        if self.refresh < Duration::from_millis(100) {
            return bad("refresh", "at least 100 ms".into());
        }
        let Some(tls) = &self.security.tls else {
            return match self.security.sasl {
                Some(
                    KafkaSasl::Plain { .. }
                    | KafkaSasl::Oauth(_)
                    | KafkaSasl::MskIam { .. }
                    | KafkaSasl::Entra { .. },
                ) => bad("tls", "passwords and tokens are sent over TLS alone; switch it on".into()),
                _ => Ok(()),
            };
        };
        if tls.certificate.is_some() != tls.key.is_some() {
            return bad("certificate", "a certificate needs its `key`, and a key its `certificate`".into());
        }
        Ok(())
    }

    /// What records and errors call the cluster: its first broker.
    fn cluster(&self) -> &str {
        self.brokers.first().map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: impl FnOnce(&mut KafkaConfig)) -> String {
        let mut config = KafkaConfig {
            brokers: vec!["kafka.example.com:9092".into()],
            topics: vec!["audit".into()],
            ..KafkaConfig::default()
        };
        change(&mut config);
        config.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn settings_that_cannot_be_are_told_with_the_mend() {
        let password = SecretReference::Environment("A".into());
        let plain = KafkaSasl::Plain { user: "alice".into(), password: password.clone() };
        let scram = KafkaSasl::Scram { is_sha512: true, user: "bob".into(), password };
        assert_eq!(problem(|_| {}), "");
        assert_eq!(problem(|config| config.security.sasl = Some(scram)), "");
        assert!(problem(|config| config.brokers.clear()).contains("name at least one broker"));
        for broker in ["kafka", "kafka:x", ":9092", "https://kafka:1", "a b:1", "user@kafka:1", "a:1,b:2"] {
            assert!(problem(|config| config.brokers = vec![broker.into()]).contains("host:port"), "{broker}");
        }
        assert!(problem(|config| config.topics.clear()).contains("`topics`"));
        assert!(problem(|config| config.topics = vec!["^a(".into()]).contains("regular expression"));
        assert!(problem(|config| config.group = Some(String::new())).contains("`group`"));
        assert!(problem(|config| config.security.sasl = Some(plain)).contains("over TLS alone"));
        let tls = KafkaTls { certificate: Some("a.pem".into()), ..KafkaTls::default() };
        assert!(problem(|config| config.security.tls = Some(tls)).contains("needs its `key`"));
    }
}
