//! `type = "gcp_pubsub"`, `"gcp_logging"` and `"gcp_scc"`: what Google Cloud tells.

use ingest::ReadOptions;
use ingest::google::{
    Environment, GoogleAccess, LoggingConfig, PubSubCollector, PubSubConfig, SccConfig, check_pubsub,
};

use super::{Reads, SourceConfig, SourceKind, given, given_secret, never_is_none, options, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

/// Where more is said.
const PAGE: &str = "docs/sources/gcp.md";

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
    check: |source| told(pubsub(source).check(), PAGE),
    reads: Reads::Own {
        open: |source, limits, _| {
            let options = ReadOptions { readers: source.get().size("readers"), ..options(source, limits) };
            Ok(Box::new(PubSubCollector::open(pubsub(source), &Environment::of_process(), options)?))
        },
        backfill: None,
        check_access: Some(|source| {
            let config = pubsub(source);
            Box::pin(async move { check_pubsub(&config, &Environment::of_process(), now_us).await })
        }),
    },
    explain: ingest::google::mend,
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
    key(
        "kept",
        Kind::SpanOrNever,
        r#""never""#,
        "How long the log bucket keeps its entries, such as 30 d: what was not read for longer is told as a gap; never: it is not known.",
    ),
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
    check: |source| told(logging(source).check(), PAGE),
    reads: Reads::Lists(|source, _| logging(source).lists(&Environment::of_process(), now_us)),
    explain: ingest::google::mend,
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
    check: |source| told(scc(source).check(), PAGE),
    reads: Reads::Lists(|source, _| scc(source).lists(&Environment::of_process(), now_us)),
    explain: ingest::google::mend,
};

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
        kept: never_is_none(get.span("kept")),
        ..LoggingConfig::default()
    }
}

fn scc(source: &SourceConfig) -> SccConfig {
    let get = source.get();
    SccConfig {
        access: access(source),
        parents: get.texts("parents"),
        location: given(source, "location"),
        lookback: get.span("lookback"),
        settle: get.span("settle"),
        overlap: get.span("overlap"),
        every: get.span("every"),
        ..SccConfig::default()
    }
}

fn access(source: &SourceConfig) -> GoogleAccess {
    let get = source.get();
    GoogleAccess {
        credentials: given_secret(source, "credentials"),
        impersonate: given(source, "impersonate"),
        endpoint: given(source, "endpoint"),
        anonymous: get.flag("anonymous"),
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
