//! Settings of librdkafka. Secrets are read here, when a client is made, and go nowhere else.

use std::path::Path;
use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use tokio::runtime::Handle;

use super::context::{Context, Shared};
use super::oidc::OidcTokens;
use super::{KafkaConfig, KafkaSasl};
use crate::aws::MskTokens;
use crate::azure::Entra;
use crate::token::{TokenCache, TokenSource};
use crate::web::Web;
use crate::{Error, ReadOptions, Result};

/// A client; `more` are settings of librdkafka besides. It blocks while secrets are read.
///
/// # Errors
/// There is no secret, a file is none, or librdkafka refuses a setting.
pub(super) fn connect(
    config: &KafkaConfig,
    options: &ReadOptions,
    shared: Arc<Shared>,
    runtime: Handle,
    more: &[(&str, &str)],
) -> Result<BaseConsumer<Context>> {
    let mut parts = parts(config, options.source.as_str(), options.now_us)?;
    for (name, value) in more {
        parts.config.set(*name, *value);
    }
    let tokens = parts.tokens.map(|source| TokenCache::new(source, options.now_us));
    let cluster = config.cluster();
    let is_group = config.group.is_some();
    let hide = Context::new(shared.clone(), cluster, is_group, parts.secrets.clone(), None, runtime.clone());
    let context = Context::new(shared, cluster, is_group, parts.secrets, tokens, runtime);
    parts.config.create_with_context(context).map_err(|error| {
        let problem = match &error {
            // The value may be a secret.
            KafkaError::ClientConfig(_, problem, key, _) => format!("`{key}` is refused: {problem}"),
            KafkaError::ClientCreation(problem) => problem.clone(),
            other => other.to_string(),
        };
        Error::Kafka {
            cluster: cluster.to_owned(),
            problem: hide.hide(&problem),
            mend: "check the files and secrets of `tls` and `sasl`",
            is_passing: false,
        }
    })
}

/// What a client is made of.
pub(super) struct ClientParts {
    pub(super) config: ClientConfig,
    /// What may be in no text.
    pub(super) secrets: Vec<String>,
    /// Who gives tokens, for `OAUTHBEARER`.
    pub(super) tokens: Option<Arc<dyn TokenSource>>,
}

/// Makes them. It blocks while secrets are read.
///
/// # Errors
/// There is no secret, or a file is none.
pub(super) fn parts(config: &KafkaConfig, source: &str, now_us: fn() -> i64) -> Result<ClientParts> {
    let mut client = ClientConfig::new();
    let mut secrets = Vec::new();
    let mut tokens: Option<Arc<dyn TokenSource>> = None;
    let default_group = format!("stormglass-{source}");
    client
        .set_log_level(RDKafkaLogLevel::Info)
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", &config.client_id)
        // Without a group there is no queue to read from; nothing is asked of it unless we subscribe.
        .set("group.id", config.group.as_deref().unwrap_or(&default_group))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // What is lost is told, not passed over.
        .set("auto.offset.reset", "error")
        // A member keeps what it has through a rebalance.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("allow.auto.create.topics", "false")
        .set("check.crcs", "true")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "5000")
        .set("statistics.interval.ms", "5000")
        // One queue for all partitions, so this bounds them together.
        .set("queued.max.messages.kbytes", (config.fetch_bytes >> 10).clamp(1 << 10, 1 << 20).to_string())
        .set("fetch.max.bytes", config.fetch_bytes.clamp(4 << 20, 64 << 20).to_string())
        .set("receive.message.max.bytes", (config.fetch_bytes.clamp(4 << 20, 64 << 20) + 8192).to_string())
        // By default a second passes before more is fetched once the queue was full.
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "500");
    if config.is_event_hubs {
        // https://learn.microsoft.com/azure/event-hubs/apache-kafka-configurations
        client
            .set("metadata.max.age.ms", "180000")
            .set("topic.metadata.refresh.interval.ms", "180000")
            .set("connections.max.idle.ms", "180000")
            .set("socket.timeout.ms", "60000")
            .set("session.timeout.ms", "30000");
    }
    let has_tls = config.security.tls.is_some();
    let protocol = match (has_tls, config.security.sasl.is_some()) {
        (false, false) => "plaintext",
        (false, true) => "sasl_plaintext",
        (true, false) => "ssl",
        (true, true) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let Some(tls) = &config.security.tls {
        client.set("ssl.endpoint.identification.algorithm", "https");
        match &tls.ca {
            Some(ca) => client.set("ssl.ca.location", readable("ca", ca)?),
            // OpenSSL is built in and knows no folder of this system; librdkafka looks at the usual ones.
            None => client.set("ssl.ca.location", "probe"),
        };
        if let Some(certificate) = &tls.certificate {
            client.set("ssl.certificate.location", readable("certificate", certificate)?);
        }
        if let Some(key) = &tls.key {
            client.set("ssl.key.location", readable("key", key)?);
        }
        if let Some(password) = &tls.key_password {
            let password = secret("key_password", password.read()?)?;
            client.set("ssl.key.password", &password);
            secrets.push(password);
        }
    }
    match &config.security.sasl {
        None => {}
        Some(KafkaSasl::Plain { user, password }) => {
            let password = secret("password", password.read()?)?;
            client.set("sasl.mechanism", "PLAIN").set("sasl.username", user).set("sasl.password", &password);
            secrets.push(password);
        }
        Some(KafkaSasl::Scram { is_sha512, user, password }) => {
            let password = secret("password", password.read()?)?;
            let mechanism = if *is_sha512 { "SCRAM-SHA-512" } else { "SCRAM-SHA-256" };
            client
                .set("sasl.mechanism", mechanism)
                .set("sasl.username", user)
                .set("sasl.password", &password);
            secrets.push(password);
        }
        Some(KafkaSasl::Oauth(oidc)) => {
            client.set("sasl.mechanism", "OAUTHBEARER");
            tokens = Some(OidcTokens::open(oidc, now_us)?);
        }
        Some(KafkaSasl::MskIam { access, environment }) => {
            client.set("sasl.mechanism", "OAUTHBEARER");
            tokens = Some(Arc::new(MskTokens::new(access, environment, config.cluster(), now_us)?));
        }
        Some(KafkaSasl::Entra { access, environment, scope }) => {
            client.set("sasl.mechanism", "OAUTHBEARER");
            tokens = Some(Arc::new(Entra::new(access, environment, scope, Web::new()?, now_us)?));
        }
    }
    Ok(ClientParts { config: client, secrets, tokens })
}

/// A secret without the byte that would end it for a library in C.
fn secret(field: &'static str, secret: String) -> Result<String> {
    if secret.contains('\0') {
        return Err(Error::NoCredentials { problem: format!("`{field}` has a zero byte") });
    }
    Ok(secret)
}

/// The path, if there is a file: librdkafka's own errors about files are hard to read.
fn readable(field: &'static str, path: &Path) -> Result<String> {
    let problem = |problem: String| Error::BadSetting { field, problem };
    std::fs::File::open(path)
        .map_err(|error| problem(format!("cannot read `{}`: {error}", path.display())))?;
    let text = path.to_str().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| problem("the path is no text".into()))
}
