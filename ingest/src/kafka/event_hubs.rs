//! Event Hubs of Azure, which speak Kafka's protocol from the standard tier on.

use std::path::PathBuf;

use super::{KafkaConfig, KafkaSasl, KafkaSecurity, KafkaStart, KafkaTls};
use crate::azure::AzureAccess;
use crate::{Environment, Error, Result, SecretReference};

/// The domain of namespaces in the public cloud.
const DOMAIN: &str = "servicebus.windows.net";
/// Where a namespace speaks Kafka.
const PORT: u16 = 9093;
/// The user that stands for a connection string;
/// <https://learn.microsoft.com/azure/event-hubs/azure-event-hubs-apache-kafka-overview>.
const CONNECTION_STRING_USER: &str = "$ConnectionString";

/// Which event hubs are read, and as whom.
#[derive(Debug, Clone)]
pub struct EventHubsConfig {
    /// The namespace: its name, or its whole host name in a sovereign cloud.
    pub namespace: String,
    /// Names of event hubs, or regular expressions that begin with `^`.
    pub hubs: Vec<String>,
    /// The consumer group; `None`: all partitions are read, and positions are kept here.
    pub group: Option<String>,
    /// Where an event hub begins that was not read before.
    pub start: KafkaStart,
    /// A connection string with the right to listen; without, the identity of Entra counts.
    pub connection_string: Option<SecretReference>,
    /// The identity of Entra.
    pub access: AzureAccess,
    /// Where its credentials are looked for besides.
    pub environment: Environment,
    /// Another place than the namespace's own, as `host:port`.
    pub endpoint: Option<String>,
    /// The authorities that are trusted (PEM), if not the system's.
    pub ca: Option<PathBuf>,
}

impl EventHubsConfig {
    /// The same as topics of Kafka.
    ///
    /// # Errors
    /// [`Error::BadSetting`]: the namespace is none.
    pub fn kafka(self) -> Result<KafkaConfig> {
        let is_host = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '.';
        if self.namespace.is_empty() || !self.namespace.chars().all(is_host) {
            return Err(Error::BadSetting {
                field: "namespace",
                problem: format!(
                    "`{}` is no namespace; give its name, or its host name without port",
                    self.namespace
                ),
            });
        }
        let host = match self.namespace.contains('.') {
            true => self.namespace,
            false => format!("{}.{DOMAIN}", self.namespace),
        };
        let sasl = match self.connection_string {
            Some(password) => KafkaSasl::Plain { user: CONNECTION_STRING_USER.into(), password },
            None => KafkaSasl::Entra {
                access: self.access,
                environment: self.environment,
                scope: format!("https://{host}/.default"),
            },
        };
        let tls = KafkaTls { ca: self.ca, ..KafkaTls::default() };
        Ok(KafkaConfig {
            brokers: vec![self.endpoint.unwrap_or_else(|| format!("{host}:{PORT}"))],
            topics: self.hubs,
            group: self.group,
            start: self.start,
            security: KafkaSecurity { tls: Some(tls), sasl: Some(sasl) },
            is_event_hubs: true,
            ..KafkaConfig::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(namespace: &str) -> EventHubsConfig {
        EventHubsConfig {
            namespace: namespace.into(),
            hubs: vec!["insights-activity-logs".into()],
            group: None,
            start: KafkaStart::Earliest,
            connection_string: None,
            access: AzureAccess::default(),
            environment: Environment::default(),
            endpoint: None,
            ca: None,
        }
    }

    #[test]
    fn a_namespace_says_where_and_what_for() {
        let kafka = config("logs").kafka().unwrap();
        assert_eq!(kafka.brokers, ["logs.servicebus.windows.net:9093"]);
        let Some(KafkaSasl::Entra { scope, .. }) = &kafka.security.sasl else { panic!("{kafka:?}") };
        assert_eq!(scope, "https://logs.servicebus.windows.net/.default");
        kafka.check().unwrap();
        let kafka = config("logs.servicebus.chinacloudapi.cn").kafka().unwrap();
        assert_eq!(kafka.brokers, ["logs.servicebus.chinacloudapi.cn:9093"]);
        let secret = SecretReference::Environment("CONNECTION".into());
        let kafka = EventHubsConfig { connection_string: Some(secret), ..config("logs") }.kafka().unwrap();
        let Some(KafkaSasl::Plain { user, .. }) = &kafka.security.sasl else { panic!("{kafka:?}") };
        assert_eq!(user, "$ConnectionString");
        for bad in ["", "https://logs", "logs:9093", "a/b"] {
            assert!(config(bad).kafka().is_err(), "{bad}");
        }
    }
}
