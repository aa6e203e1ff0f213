//! `type = "gcp_pubsub"`, `"gcp_logging"` and `"gcp_scc"`: what Google Cloud tells.

use ingest::google::{
    Environment, GoogleAccess, LoggingCollector, LoggingConfig, PubSubCollector, PubSubConfig, SccCollector,
    SccConfig,
};
use ingest::{Limits, ReadOptions, SecretReference};

use super::{SourceConfig, SourceKind};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const CREDENTIALS: Key = key(
    "credentials",
    Kind::Secret,
    r#""""#,
    "Where a service account's key or the configuration of a federation lies; without it, Application Default Credentials count: GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the machine's service account.",
);
const IMPERSONATE: Key = key(
    "impersonate",
    Kind::Text,
    r#""""#,
    "The e-mail address of a service account to become; the identity needs roles/iam.serviceAccountTokenCreator on it.",
);
const ENDPOINT: Key = key(
    "endpoint",
    Kind::Text,
    r#""""#,
    "Where all services are, if not at Google: a regional or private endpoint, an emulator.",
);
const ANONYMOUS: Key = key("anonymous", Kind::Flag, "false", "Sends no credentials: for emulators.");
const EVERY_DOC: &str = "How often is asked.";

const PUBSUB_KEYS: &[Key] = &[
    key("subscription", Kind::Text, "", "The subscription: projects/PROJECT/subscriptions/NAME."),
    key(
        "buckets",
        Kind::Texts,
        "[]",
        "Buckets that may be read when messages announce objects; without any, all that the identity may read. Who may publish to the topic chooses what is read.",
    ),
    key(
        "ack_deadline",
        Kind::Span,
        r#""60 s""#,
        "How long a message is ours before that is extended or it comes back: 10 s to 600 s.",
    ),
    key("pulls", Kind::Count(1, 32), "4", "How many pulls wait at once."),
    key(
        "max_receives",
        Kind::Count(1, 1000),
        "5",
        "How often a message is received before what cannot be read of it becomes a dead letter.",
    ),
    key("readers", Kind::Count(1, 64), "2", "How many objects are read at once."),
    CREDENTIALS,
    IMPERSONATE,
    ENDPOINT,
    ANONYMOUS,
];

/// Messages of a subscription, and objects that they announce.
pub(super) const PUBSUB: SourceKind = SourceKind {
    name: "gcp_pubsub",
    doc: "A subscription of Pub/Sub: log entries of a sink, findings, any records in messages, and objects in Cloud Storage that messages announce.",
    keys: PUBSUB_KEYS,
    check: |source| told(pubsub(source).check(), "subscription"),
    open: |source, limits, _| {
        let readers = source.get().size("readers");
        let options = options(source, limits, readers);
        Ok(Box::new(PubSubCollector::open(pubsub(source), &Environment::of_process(), options)?))
    },
    check_access: None,
    explain: ingest::google::mend,
    backfill: None,
};

const LOGGING_KEYS: &[Key] = &[
    key(
        "resources",
        Kind::Texts,
        "",
        "What is read: projects/ID, folders/ID, organizations/ID, billingAccounts/ID, or a view below one of them.",
    ),
    key(
        "filter",
        Kind::Text,
        r#"'logName:"cloudaudit.googleapis.com"'"#,
        "Which entries, in Cloud Logging's query language; times are added. All where it is empty.",
    ),
    key("lookback", Kind::Span, r#""1 h""#, "How far back the first read begins."),
    key("settle", Kind::Span, r#""2 min""#, "How long after its time an entry is expected to be listed."),
    key("overlap", Kind::Span, r#""15 min""#, "How far each read reaches back into the one before."),
    key("every", Kind::Span, r#""1 min""#, EVERY_DOC),
    CREDENTIALS,
    IMPERSONATE,
    ENDPOINT,
    ANONYMOUS,
];

/// Cloud Logging's own search.
pub(super) const LOGGING: SourceKind = SourceKind {
    name: "gcp_logging",
    doc: "Entries as Cloud Logging's entries.list gives them, sixty pages a minute and project at most: for a start, for small projects and for gaps.",
    keys: LOGGING_KEYS,
    check: |source| told(logging(source).check(), "resources"),
    open: |source, limits, positions| {
        let options = options(source, limits, 1);
        let config = logging(source);
        Ok(Box::new(LoggingCollector::open(&config, &Environment::of_process(), positions, options)?))
    },
    check_access: None,
    explain: ingest::google::mend,
    backfill: Some(|source, limits, span_us, positions, _| {
        let (options, config) = (options(source, limits, 1), logging(source));
        let environment = Environment::of_process();
        Ok(Box::new(LoggingCollector::over(&config, &environment, &span_us, positions, options)?))
    }),
};

const SCC_KEYS: &[Key] = &[
    key("parents", Kind::Texts, "", "What is read: organizations/ID, folders/ID or projects/ID."),
    key(
        "location",
        Kind::Text,
        r#""""#,
        "Where findings are kept, if data residency is enabled: a region such as eu.",
    ),
    key("lookback", Kind::Span, r#""7 d""#, "How far back the first read begins."),
    key("settle", Kind::Span, r#""2 min""#, "How long after its time a finding is expected to be listed."),
    key("overlap", Kind::Span, r#""1 h""#, "How far each read reaches back into the one before."),
    key("every", Kind::Span, r#""5 min""#, EVERY_DOC),
    CREDENTIALS,
    IMPERSONATE,
    ENDPOINT,
    ANONYMOUS,
];

/// Findings.
pub(super) const SCC: SourceKind = SourceKind {
    name: "gcp_scc",
    doc: "Findings of Security Command Center, each again when its state changes.",
    keys: SCC_KEYS,
    check: |source| told(scc(source).check(), "parents"),
    open: |source, limits, positions| {
        let options = options(source, limits, 1);
        Ok(Box::new(SccCollector::open(&scc(source), &Environment::of_process(), positions, options)?))
    },
    check_access: None,
    explain: ingest::google::mend,
    backfill: Some(|source, limits, span_us, positions, _| {
        let (options, config) = (options(source, limits, 1), scc(source));
        let environment = Environment::of_process();
        Ok(Box::new(SccCollector::over(&config, &environment, &span_us, positions, options)?))
    }),
};

/// The setting that a check refuses, as it is called here.
fn told(checked: ingest::Result<()>, otherwise: &'static str) -> Vec<(&'static str, String, String)> {
    let Err(error) = checked else { return Vec::new() };
    let field = match &error {
        ingest::Error::BadSetting { field, .. } => field,
        _ => otherwise,
    };
    vec![(field, error.to_string(), "see docs/sources/gcp.md".into())]
}

fn pubsub(source: &SourceConfig) -> PubSubConfig {
    let get = source.get();
    PubSubConfig {
        subscription: get.text("subscription"),
        access: access(source),
        buckets: get.texts("buckets"),
        ack_deadline: get.span("ack_deadline"),
        pulls: get.size("pulls"),
        max_receives: u32::try_from(get.count("max_receives")).unwrap_or(u32::MAX),
        ..PubSubConfig::default()
    }
}

fn logging(source: &SourceConfig) -> LoggingConfig {
    let get = source.get();
    LoggingConfig {
        access: access(source),
        resources: get.texts("resources"),
        filter: get.text("filter"),
        lookback: get.span("lookback"),
        settle: get.span("settle"),
        overlap: get.span("overlap"),
        every: get.span("every"),
        ..LoggingConfig::default()
    }
}

fn scc(source: &SourceConfig) -> SccConfig {
    let get = source.get();
    SccConfig {
        access: access(source),
        parents: get.texts("parents"),
        location: Some(get.text("location")).filter(|text| !text.is_empty()),
        lookback: get.span("lookback"),
        settle: get.span("settle"),
        overlap: get.span("overlap"),
        every: get.span("every"),
        ..SccConfig::default()
    }
}

fn access(source: &SourceConfig) -> GoogleAccess {
    let get = source.get();
    let given = |name: &str| Some(get.text(name)).filter(|text| !text.is_empty());
    GoogleAccess {
        credentials: given("credentials").and_then(|text| SecretReference::parse(&text)),
        impersonate: given("impersonate"),
        endpoint: given("endpoint"),
        anonymous: get.flag("anonymous"),
    }
}

fn options(source: &SourceConfig, limits: &Limits, readers: usize) -> ReadOptions {
    ReadOptions {
        source: source.id.clone(),
        log_type: source.log_type(),
        limits: limits.clone(),
        readers,
        now_us,
    }
}

#[cfg(test)]
mod tests {
    use ingest::google::AUDIT_FILTER;

    use super::*;

    #[test]
    fn the_filter_of_the_reference_is_that_of_the_engine() {
        let filter = LOGGING_KEYS.iter().find(|key| key.path == "filter").unwrap();
        assert_eq!(filter.default, format!("'{AUDIT_FILTER}'"));
    }
}
