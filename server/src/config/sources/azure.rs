//! Sources of Azure and Microsoft 365: `azure_activity_log`, `microsoft_graph`, `microsoft_365`,
//! `azure_storage`.

use ingest::azure::{
    ActivityLogCollector, ActivityLogConfig, AzureAccess, AzureTimes, GraphConfig, GraphLog,
    ManagementActivityConfig, StorageConfig, check_activity_log,
};
use ingest::{Environment, Limits, ListPurpose, ObjectsConfig};

use super::{Positions, Reads, SourceConfig, SourceKind, given, given_secret, options, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

/// Where more is said.
const PAGE: &str = "docs/sources/azure.md";

const TENANT: Key = key(
    "tenant",
    Kind::Text,
    r#""""#,
    "The tenant, by its id or one of its domains; otherwise AZURE_TENANT_ID.",
);
const CLIENT_ID: Key = key(
    "client_id",
    Kind::Text,
    r#""""#,
    "The application or the user-assigned managed identity, by its client id; otherwise AZURE_CLIENT_ID.",
);
const CLIENT_SECRET: Key = key(
    "client_secret",
    Kind::Secret,
    r#""""#,
    "The application's secret. Without it and a certificate the identity is looked for as DefaultAzureCredential does: environment, workload identity, managed identity, `az login`.",
);
const CERTIFICATE: Key = key(
    "certificate",
    Kind::Secret,
    r#""""#,
    "The application's certificate and its RSA key, PEM, in one file: `file:/run/secrets/app.pem`.",
);
const AUTHORITY: Key = key(
    "authority",
    Kind::Text,
    r#""""#,
    "Where Entra is; otherwise AZURE_AUTHORITY_HOST, otherwise https://login.microsoftonline.com.",
);
const EVERY: Key = key("every", Kind::Span, r#""5 min""#, "How often is asked.");
const OVERLAP: Key = key(
    "overlap",
    Kind::Span,
    r#""1 h""#,
    "How far each read reaches back into the one before, for what is listed late; what comes again is found by its id.",
);
const LOOKBACK: Key = key("lookback", Kind::Span, r#""1 h""#, "How far back the first read begins.");

const ACTIVITY_KEYS: &[Key] = &[
    key(
        "subscriptions",
        Kind::Texts,
        "[]",
        "Subscriptions by their ids; without any, all that the identity sees, looked for every ten minutes.",
    ),
    key(
        "tenant_log",
        Kind::Flag,
        "false",
        "Whether what belongs to no subscription is read as well; it needs a role at the root (`/`).",
    ),
    LOOKBACK,
    EVERY,
    key("settle", Kind::Span, r#""20 min""#, "How long after its time an event is waited for."),
    OVERLAP,
    TENANT,
    CLIENT_ID,
    CLIENT_SECRET,
    CERTIFICATE,
    AUTHORITY,
    key(
        "endpoint",
        Kind::Text,
        r#""https://management.azure.com""#,
        "Where Resource Manager is; also what the token is for.",
    ),
];

/// The activity log by Resource Manager.
pub(super) const ACTIVITY_LOG: SourceKind = SourceKind {
    name: "azure_activity_log",
    doc: "Azure's activity log as Resource Manager lists it, of all subscriptions: no diagnostic setting needed, some 20 minutes late. Its past of 90 days can be read.",
    keys: ACTIVITY_KEYS,
    check: |source| {
        let opened = ActivityLogCollector::open(
            &activity(source),
            &environment(),
            &Positions::new(),
            options(source, &Limits::default()),
        );
        told(opened, PAGE)
    },
    reads: Reads::Own {
        open: |source, limits, positions| {
            let options = options(source, limits);
            let config = activity(source);
            Ok(Box::new(ActivityLogCollector::open(&config, &environment(), positions, options)?))
        },
        backfill: Some(|source, limits, span_us, positions, _| {
            let (options, config) = (options(source, limits), activity(source));
            let environment = environment();
            Ok(Box::new(ActivityLogCollector::backfill(&config, &environment, &span_us, positions, options)?))
        }),
        check_access: Some(|source| {
            let config = activity(source);
            Box::pin(async move { check_activity_log(&config, &environment(), now_us).await })
        }),
    },
    explain: ingest::azure::mend,
};

const GRAPH_KEYS: &[Key] = &[
    key(
        "logs",
        Kind::Texts,
        r#"["sign_ins", "directory_audits"]"#,
        "What is read: sign_ins, non_interactive_sign_ins, service_principal_sign_ins, managed_identity_sign_ins, directory_audits, provisioning, alerts, risk_detections, risky_users.",
    ),
    LOOKBACK,
    EVERY,
    key("settle", Kind::Span, r#""15 min""#, "How long after its time an event is waited for."),
    OVERLAP,
    key(
        "kept",
        Kind::Span,
        r#""30 d""#,
        "How long the tenant keeps its logs, 30 days at most: what was not read for longer is told as a gap. 7 d without a licence of Entra ID P1 or P2.",
    ),
    TENANT,
    CLIENT_ID,
    CLIENT_SECRET,
    CERTIFICATE,
    AUTHORITY,
    key(
        "endpoint",
        Kind::Text,
        r#""https://graph.microsoft.com""#,
        "Where Microsoft Graph is; also what the token is for.",
    ),
];

/// What Microsoft Graph lists.
pub(super) const GRAPH: SourceKind = SourceKind {
    name: "microsoft_graph",
    doc: "Sign-ins, directory audits, provisioning and risks of Entra, and alerts of Microsoft Defender, as Microsoft Graph lists them: 5 requests in 10 seconds. Its past of 7 or 30 days can be read.",
    keys: GRAPH_KEYS,
    check: |source| {
        let known = GraphLog::ALL.map(GraphLog::name);
        if let Some(odd) = source.get().texts("logs").iter().find(|name| !known.contains(&name.as_str())) {
            let mend = format!("use some of {}", known.join(", "));
            return vec![("logs", format!("there is no log `{odd}`"), mend)];
        }
        told(graph(source).lists(&environment(), now_us), PAGE)
    },
    reads: Reads::Lists(|source, _| graph(source).lists(&environment(), now_us)),
    explain: ingest::azure::mend,
};

const MANAGEMENT_KEYS: &[Key] = &[
    key(
        "content_types",
        Kind::Texts,
        r#"["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General"]"#,
        "What is read; DLP.All is there as well and needs a permission of its own.",
    ),
    key(
        "subscribe",
        Kind::Flag,
        "true",
        "Whether content types that nobody subscribed to are subscribed to; their first content comes up to 12 hours later.",
    ),
    key(
        "publisher",
        Kind::Text,
        r#""""#,
        "The tenant id that the quota is counted for; without it, the tenant that is read.",
    ),
    key("lookback", Kind::Span, r#""24 h""#, "How far back the first read begins: up to 7 days."),
    EVERY,
    key("settle", Kind::Span, r#""2 min""#, "How long after its time a content is waited for."),
    OVERLAP,
    TENANT,
    CLIENT_ID,
    CLIENT_SECRET,
    CERTIFICATE,
    AUTHORITY,
    key(
        "endpoint",
        Kind::Text,
        r#""https://manage.office.com""#,
        "Where the Management Activity API is; also what the token is for.",
    ),
];

/// The unified audit log of Microsoft 365.
pub(super) const MANAGEMENT: SourceKind = SourceKind {
    name: "microsoft_365",
    doc: "The unified audit log of Microsoft 365 (Exchange, SharePoint, Teams, Entra) by the Management Activity API. Its past of 7 days can be read.",
    keys: MANAGEMENT_KEYS,
    check: |source| told(management(source).lists(&environment(), ListPurpose::Follow, now_us), PAGE),
    reads: Reads::Lists(|source, purpose| management(source).lists(&environment(), purpose, now_us)),
    explain: ingest::azure::mend,
};

const STORAGE_KEYS: &[Key] = &[
    key("account", Kind::Text, "", "The storage account's name."),
    key(
        "containers",
        Kind::Texts,
        "",
        "Containers, or prefixes in them as CONTAINER/PREFIX: insights-activity-logs, insights-logs-signinlogs, insights-logs-flowlogflowevent.",
    ),
    key("every", Kind::Span, r#""1 min""#, "How often the containers are listed."),
    key(
        "existing",
        Kind::Flag,
        "true",
        "Whether blobs that are there at the first start are read; `stormglass sources backfill` reads them later.",
    ),
    key(
        "overlap",
        Kind::Span,
        r#""24 h""#,
        "How long before the newest blob one may still appear or grow; of older ones nothing is kept, and they are not read.",
    ),
    key(
        "torn_after",
        Kind::Span,
        r#""3 h""#,
        "How long a blob must not have changed before a torn record at its end becomes a dead letter.",
    ),
    key(
        "max_objects",
        Kind::Count(100, 10_000_000),
        "200000",
        "Of how many blobs is kept how far they were read; of more the oldest are taken as done.",
    ),
    key("account_key", Kind::Secret, r#""""#, "The account's key, instead of an identity."),
    key(
        "signature",
        Kind::Secret,
        r#""""#,
        "A shared access signature (`sv=…&sig=…`) that may read and list, instead of an identity.",
    ),
    TENANT,
    CLIENT_ID,
    CLIENT_SECRET,
    CERTIFICATE,
    AUTHORITY,
    key(
        "endpoint",
        Kind::Text,
        r#""""#,
        "Where the account's blobs are; without it, https://ACCOUNT.blob.core.windows.net.",
    ),
];

/// Blobs of a storage account.
pub(super) const STORAGE: SourceKind = SourceKind {
    name: "azure_storage",
    doc: "Blobs that diagnostic settings and flow logs write to a storage account, read as they grow.",
    keys: STORAGE_KEYS,
    check: |source| told(storage(source).check(), PAGE),
    reads: Reads::Own {
        open: |source, limits, positions| {
            Ok(Box::new(storage(source).open(&environment(), objects(source, limits), positions)?))
        },
        backfill: Some(|source, limits, modified_us, positions, progress| {
            let objects = objects(source, limits);
            let config = storage(source);
            Ok(Box::new(config.backfill(&environment(), objects, modified_us, positions, progress)?))
        }),
        check_access: Some(|source| {
            let config = storage(source);
            Box::pin(async move { config.check_access(&environment(), now_us).await })
        }),
    },
    explain: ingest::azure::mend,
};

fn environment() -> Environment {
    Environment::of_process()
}

fn access(source: &SourceConfig) -> AzureAccess {
    AzureAccess {
        tenant: given(source, "tenant"),
        client_id: given(source, "client_id"),
        client_secret: given_secret(source, "client_secret"),
        certificate: given_secret(source, "certificate"),
        authority: given(source, "authority"),
    }
}

fn times(source: &SourceConfig) -> AzureTimes {
    let get = source.get();
    AzureTimes {
        lookback: get.span("lookback"),
        every: get.span("every"),
        settle: get.span("settle"),
        overlap: get.span("overlap"),
    }
}

fn activity(source: &SourceConfig) -> ActivityLogConfig {
    let get = source.get();
    ActivityLogConfig {
        access: access(source),
        endpoint: get.text("endpoint"),
        subscriptions: get.texts("subscriptions"),
        tenant_log: get.flag("tenant_log"),
        times: times(source),
        ..ActivityLogConfig::default()
    }
}

fn graph(source: &SourceConfig) -> GraphConfig {
    let get = source.get();
    let names = get.texts("logs");
    let logs = GraphLog::ALL.into_iter().filter(|log| names.iter().any(|name| name == log.name()));
    GraphConfig {
        access: access(source),
        endpoint: get.text("endpoint"),
        logs: logs.collect(),
        times: times(source),
        kept: get.span("kept"),
        ..GraphConfig::default()
    }
}

fn management(source: &SourceConfig) -> ManagementActivityConfig {
    let get = source.get();
    ManagementActivityConfig {
        access: access(source),
        endpoint: get.text("endpoint"),
        content_types: get.texts("content_types"),
        subscribe: get.flag("subscribe"),
        publisher: given(source, "publisher"),
        times: times(source),
    }
}

fn storage(source: &SourceConfig) -> StorageConfig {
    let get = source.get();
    StorageConfig {
        access: access(source),
        account: get.text("account"),
        containers: get.texts("containers"),
        account_key: given_secret(source, "account_key"),
        signature: given_secret(source, "signature"),
        endpoint: given(source, "endpoint"),
    }
}

fn objects(source: &SourceConfig, limits: &Limits) -> ObjectsConfig {
    let get = source.get();
    ObjectsConfig {
        source: source.id.clone(),
        log_type: source.log_type(),
        addresses: Vec::new(),
        aws: None,
        google: ingest::google::Environment::default(),
        every: get.span("every"),
        overlap: get.span("overlap"),
        torn_after: get.span("torn_after"),
        existing: get.flag("existing"),
        max_objects: get.size("max_objects"),
        limits: limits.clone(),
        now_us,
    }
}
