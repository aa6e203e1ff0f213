//! `type = "kafka"` and `type = "azure_event_hubs"`: topics of Kafka, and of what speaks its protocol.

use std::path::PathBuf;

use ingest::Environment;
use ingest::azure::AzureAccess;
use ingest::kafka::{
    EventHubsConfig, KafkaCollector, KafkaConfig, KafkaSasl, KafkaSecurity, KafkaStart, KafkaTls, OidcClient,
    check_kafka,
};

use super::aws::{EXTERNAL_ID, PROFILE, REGION, ROLE, access};
use super::{Reads, SourceConfig, SourceKind, given, given_secret, options, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const GROUP: Key = key(
    "group",
    Kind::Text,
    r#""""#,
    "A consumer group that shares the partitions out and keeps the offsets; without one all partitions are read and positions are kept here, with the data.",
);
const START: Key = key(
    "start",
    Kind::Text,
    r#""earliest""#,
    "Where a topic begins that was not read before: earliest, latest, or a time such as 2026-03-01T00:00:00Z.",
);
const REFRESH: Key =
    key("refresh", Kind::Span, r#""1 min""#, "How often new topics and partitions are looked for.");
const FETCH: Key =
    key("fetch", Kind::Bytes, r#""16 MiB""#, "How much is fetched ahead: memory of the client.");
const CA: Key = key(
    "ca",
    Kind::Text,
    r#""""#,
    "A file with the certificates (PEM) of the authorities to trust, if not the system's.",
);

const KAFKA_KEYS: &[Key] = &[
    key("brokers", Kind::Texts, "", "Brokers to ask first, as host:port; they name the others."),
    key("topics", Kind::Texts, "", "Topics; one that begins with ^ is a regular expression for whole names."),
    GROUP,
    START,
    key("tls", Kind::Flag, "true", "Whether the listener speaks TLS."),
    CA,
    key("certificate", Kind::Text, r#""""#, "A file with our certificate (PEM), where brokers ask for one."),
    key("key", Kind::Text, r#""""#, "A file with its key (PEM)."),
    key("key_password", Kind::Secret, r#""""#, "The passphrase of the key."),
    key(
        "sasl",
        Kind::Word(&["none", "plain", "scram-sha-256", "scram-sha-512", "oauth", "aws_msk_iam"]),
        r#""none""#,
        "How to sign in: with user and password, with tokens of an OpenID Connect provider, or with an identity of AWS at MSK.",
    ),
    key("user", Kind::Text, r#""""#, "The user of plain and scram."),
    key("password", Kind::Secret, r#""""#, "Its password."),
    key("token_url", Kind::Text, r#""""#, "The provider's token endpoint, for oauth."),
    key("client_id", Kind::Text, r#""""#, "Who we are to the provider."),
    key("client_secret", Kind::Secret, r#""""#, "The secret that proves it."),
    key("scope", Kind::Text, r#""""#, "The scope to ask for, if the provider wants one."),
    REGION,
    PROFILE,
    ROLE,
    EXTERNAL_ID,
    REFRESH,
    FETCH,
];

/// Topics.
pub(super) const KAFKA: SourceKind = SourceKind {
    name: "kafka",
    doc: "Topics of Kafka and of what speaks its protocol (MSK, Redpanda, Confluent). A message holds one record or many, in any shape that a file may have.",
    keys: KAFKA_KEYS,
    check: |source| {
        let get = source.get();
        let start = start_problem(source);
        if !start.is_empty() {
            return start;
        }
        let needed: &[&'static str] = match get.text("sasl").as_str() {
            "none" | "aws_msk_iam" => &[],
            "oauth" => &["token_url", "client_id", "client_secret"],
            _ => &["user", "password"],
        };
        let missing = needed.iter().filter(|name| get.text(name).is_empty());
        let missing: Vec<_> = missing
            .map(|name| {
                (*name, format!("`sasl = \"{}\"` needs it", get.text("sasl")), format!("set `{name}`"))
            })
            .collect();
        if !missing.is_empty() {
            return missing;
        }
        problem("topics", kafka(source).check())
    },
    reads: Reads::Own {
        open: |source, limits, positions| {
            Ok(Box::new(KafkaCollector::open(kafka(source), positions, options(source, limits))?))
        },
        backfill: None,
        check_access: Some(|source| Box::pin(check_kafka(kafka(source), source.id.clone(), now_us))),
    },
    explain: |_| None,
};

const EVENT_HUBS_KEYS: &[Key] = &[
    key(
        "namespace",
        Kind::Text,
        "",
        "The Event Hubs namespace: its name, or its whole host name in a sovereign cloud. Standard tier or higher.",
    ),
    key(
        "hubs",
        Kind::Texts,
        "",
        "Event hubs; one that begins with ^ is a regular expression for whole names: ^insights-.* for all that diagnostic settings make.",
    ),
    GROUP,
    START,
    key(
        "connection_string",
        Kind::Secret,
        r#""""#,
        "A connection string of a policy with the right to listen; without one the identity of Entra counts.",
    ),
    key("tenant", Kind::Text, r#""""#, "The tenant of the identity; otherwise AZURE_TENANT_ID."),
    key(
        "client_id",
        Kind::Text,
        r#""""#,
        "The application or the managed identity; otherwise AZURE_CLIENT_ID. Its role: Azure Event Hubs Data Receiver.",
    ),
    key("client_secret", Kind::Secret, r#""""#, "The application's secret."),
    key("certificate", Kind::Secret, r#""""#, "The application's certificate and key (PEM), instead."),
    key("authority", Kind::Text, r#""""#, "Where Entra is, in a sovereign cloud."),
    key("endpoint", Kind::Text, r#""""#, "Another place than the namespace's own, as host:port."),
    CA,
    REFRESH,
    FETCH,
];

/// Event hubs.
pub(super) const EVENT_HUBS: SourceKind = SourceKind {
    name: "azure_event_hubs",
    doc: "Event hubs of Azure, where diagnostic settings send activity, sign-in, audit and resource logs; also what other products stream there.",
    keys: EVENT_HUBS_KEYS,
    check: |source| {
        let start = start_problem(source);
        if !start.is_empty() {
            return start;
        }
        problem("hubs", event_hubs(source).and_then(|config| config.check()))
    },
    reads: Reads::Own {
        open: |source, limits, positions| {
            Ok(Box::new(KafkaCollector::open(event_hubs(source)?, positions, options(source, limits))?))
        },
        backfill: None,
        check_access: Some(|source| match event_hubs(source) {
            Ok(config) => Box::pin(check_kafka(config, source.id.clone(), now_us)),
            // Opening it says why.
            Err(_) => Box::pin(async { Vec::new() }),
        }),
    },
    explain: |_| None,
};

fn kafka(source: &SourceConfig) -> KafkaConfig {
    let get = source.get();
    let secret = |name: &str| given_secret(source, name);
    let file = |name: &str| given(source, name).map(PathBuf::from);
    let tls = get.flag("tls").then(|| KafkaTls {
        ca: file("ca"),
        certificate: file("certificate"),
        key: file("key"),
        key_password: secret("key_password"),
    });
    let mechanism = get.text("sasl");
    let sasl = match mechanism.as_str() {
        "plain" => secret("password").map(|password| KafkaSasl::Plain { user: get.text("user"), password }),
        "scram-sha-256" | "scram-sha-512" => secret("password").map(|password| KafkaSasl::Scram {
            is_sha512: mechanism == "scram-sha-512",
            user: get.text("user"),
            password,
        }),
        "aws_msk_iam" => {
            Some(KafkaSasl::MskIam { access: access(source), environment: Environment::of_process() })
        }
        "oauth" => secret("client_secret").map(|client_secret| {
            KafkaSasl::Oauth(OidcClient {
                token_url: get.text("token_url"),
                client_id: get.text("client_id"),
                client_secret,
                scope: get.text("scope"),
            })
        }),
        _ => None,
    };
    KafkaConfig {
        brokers: get.texts("brokers"),
        topics: get.texts("topics"),
        group: given(source, "group"),
        start: start(source).unwrap_or(KafkaStart::Earliest),
        security: KafkaSecurity { tls, sasl },
        refresh: get.span("refresh"),
        fetch_bytes: get.size("fetch"),
        ..KafkaConfig::default()
    }
}

/// # Errors
/// The namespace is none.
fn event_hubs(source: &SourceConfig) -> ingest::Result<KafkaConfig> {
    let get = source.get();
    let secret = |name: &str| given_secret(source, name);
    let config = EventHubsConfig {
        namespace: get.text("namespace"),
        hubs: get.texts("hubs"),
        group: given(source, "group"),
        start: start(source).unwrap_or(KafkaStart::Earliest),
        connection_string: secret("connection_string"),
        access: AzureAccess {
            tenant: given(source, "tenant"),
            client_id: given(source, "client_id"),
            client_secret: secret("client_secret"),
            certificate: secret("certificate"),
            authority: given(source, "authority"),
        },
        environment: Environment::of_process(),
        endpoint: given(source, "endpoint"),
        ca: given(source, "ca").map(Into::into),
    };
    Ok(KafkaConfig { refresh: get.span("refresh"), fetch_bytes: get.size("fetch"), ..config.kafka()? })
}

/// Where reading begins, if it is said in a way that can be read.
fn start(source: &SourceConfig) -> Option<KafkaStart> {
    match source.get().text("start").as_str() {
        "earliest" => Some(KafkaStart::Earliest),
        "latest" => Some(KafkaStart::Latest),
        time => {
            let time = chrono::DateTime::parse_from_rfc3339(time).ok()?;
            Some(KafkaStart::Time(time.timestamp_millis()))
        }
    }
}

fn start_problem(source: &SourceConfig) -> Vec<(&'static str, String, String)> {
    if start(source).is_some() {
        return Vec::new();
    }
    let problem = format!("`{}` is no start", source.get().text("start"));
    vec![("start", problem, "use earliest, latest, or a time such as 2026-03-01T00:00:00Z".into())]
}

/// What a check found, with the setting that it is about; `topics` is what topics are called there.
fn problem(topics: &'static str, checked: ingest::Result<()>) -> Vec<(&'static str, String, String)> {
    let found = told(checked, "docs/sources/kafka.md");
    let named = |field| if field == "topics" { topics } else { field };
    found.into_iter().map(|(field, problem, mend)| (named(field), problem, mend)).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::check_text;

    fn problems(settings: &str) -> String {
        let text = format!("[[sources]]\nname = \"a\"\n{settings}\n");
        let found = check_text("s.toml", &text).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let kafka = |more: &str| {
            problems(&format!("type = \"kafka\"\nbrokers = [\"k:9092\"]\ntopics = [\"audit\"]\n{more}"))
        };
        assert_eq!(kafka(""), "");
        assert_eq!(kafka("start = \"2026-03-01T00:00:00Z\"\ngroup = \"g\"\ntls = false"), "");
        assert_eq!(kafka("sasl = \"scram-sha-512\"\nuser = \"bob\"\npassword = \"env:P\"\ntls = false"), "");
        assert_eq!(kafka("sasl = \"aws_msk_iam\"\nregion = \"eu-west-1\""), "");
        let found = kafka("sasl = \"aws_msk_iam\"\ntls = false");
        assert!(found.contains("over TLS alone"), "{found}");
        let found = kafka("sasl = \"plain\"\nuser = \"alice\"\npassword = \"env:P\"\ntls = false");
        assert!(found.contains("`sources.tls`") && found.contains("over TLS alone"), "{found}");
        let found = kafka("sasl = \"oauth\"\nclient_id = \"a\"");
        assert!(
            found.contains("`sources.token_url`") && found.contains("`sources.client_secret`"),
            "{found}"
        );
        assert!(kafka("start = \"now\"").contains("`now` is no start"));
        let found = kafka("sasl = \"plain\"\nuser = \"alice\"\npassword = \"hunter2\"");
        assert!(found.contains("sources.password") && !found.contains("hunter2"), "{found}");
        let found = problems("type = \"kafka\"\nbrokers = [\"kafka\"]\ntopics = [\"^(\"]");
        assert!(found.contains("`sources.brokers`"), "{found}");
    }

    #[test]
    fn event_hubs_name_their_own_settings() {
        let hubs = |more: &str| problems(&format!("type = \"azure_event_hubs\"\n{more}"));
        let good = "namespace = \"logs\"\nhubs = [\"^insights-.*\"]\nconnection_string = \"env:C\"";
        assert_eq!(hubs(good), "");
        let found = hubs("namespace = \"sb://logs/\"\nhubs = [\"a\"]");
        assert!(found.contains("`sources.namespace`"), "{found}");
        let found = hubs("namespace = \"logs\"\nhubs = [\"a b\"]");
        assert!(found.contains("`sources.hubs`"), "{found}");
    }
}
