//! `type = "aws_s3_queue"`, `"aws_lookup_events"`, `"aws_cloudtrail_digests"`: what AWS keeps in S3 and in
//! CloudTrail.

mod digests;

use std::sync::LazyLock;

use ingest::ReadOptions;
use ingest::aws::{
    AwsAccess, Environment, LookupEventsConfig, RecentObjects, S3QueueCollector, S3QueueConfig,
    check_lookup_events, check_s3_queue,
};

use super::{Reads, SourceConfig, SourceKind, given, options, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

pub(super) use digests::KIND as DIGESTS;

/// What the sources of this process have read from S3. Digests read only what no queue has told of; at
/// about 300 bytes an object this is 15 MB.
static READ: LazyLock<RecentObjects> = LazyLock::new(|| RecentObjects::new(50_000));

pub(super) const REGION: Key =
    key("region", Kind::Text, r#""""#, "The region, where neither an address nor the environment says it.");
pub(super) const PROFILE: Key =
    key("profile", Kind::Text, r#""""#, "A profile of ~/.aws; it wins over keys in the environment.");
pub(super) const ROLE: Key = key("role", Kind::Text, r#""""#, "The ARN of a role to assume.");
pub(super) const EXTERNAL_ID: Key = key(
    "external_id",
    Kind::Text,
    r#""""#,
    "The external id that the role's trust policy asks for. It is no secret.",
);
pub(super) const ENDPOINT: Key = key(
    "endpoint",
    Kind::Text,
    r#""""#,
    "Where all services are, if not at AWS; otherwise AWS_ENDPOINT_URL of the environment counts.",
);

const QUEUE_KEYS: &[Key] = &[
    key(
        "queue",
        Kind::Text,
        "",
        "The URL of the queue that S3, SNS or EventBridge tells of new objects: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME.",
    ),
    key(
        "buckets",
        Kind::Texts,
        "[]",
        "Buckets that may be read; without any, all that the identity may read. Who may send to the queue chooses what is read.",
    ),
    key(
        "visibility",
        Kind::Span,
        r#""5 min""#,
        "How long a message is ours before its lease is extended or it comes back: 2 s to 12 h.",
    ),
    key(
        "max_receives",
        Kind::Count(1, 1000),
        "5",
        "How often a message is received before what cannot be read of it becomes a dead letter.",
    ),
    key("readers", Kind::Count(1, 64), "2", "How many objects are read at once."),
    REGION,
    PROFILE,
    ROLE,
    EXTERNAL_ID,
    ENDPOINT,
];

/// Objects that a queue announces.
pub(super) const QUEUE: SourceKind = SourceKind {
    name: "aws_s3_queue",
    doc: "Objects in S3 as a queue (SQS) announces them: trails, flow logs, findings, access logs. Credentials come as AWS's own tools find them.",
    keys: QUEUE_KEYS,
    check: |source| match queue(source).check() {
        Ok(()) => Vec::new(),
        Err(error) => {
            let field = match &error {
                ingest::Error::BadSetting { field: "visibility", .. } => "visibility",
                _ => "queue",
            };
            vec![(field, error.to_string(), "see docs/sources/aws.md".into())]
        }
    },
    reads: Reads::Own {
        open: |source, limits, _| {
            let options = ReadOptions { readers: source.get().size("readers"), ..options(source, limits) };
            let collector = S3QueueCollector::open(queue(source), &Environment::of_process(), options)?;
            Ok(Box::new(collector.sharing(READ.clone())))
        },
        backfill: None,
        check_access: Some(|source| {
            let config = queue(source);
            Box::pin(async move { check_s3_queue(&config, &Environment::of_process(), now_us).await })
        }),
    },
    explain: |_| None,
};

const LOOKUP_KEYS: &[Key] = &[
    key("lookback", Kind::Span, r#""1 h""#, "How far back the first read begins: up to 90 days."),
    key("every", Kind::Span, r#""5 min""#, "How often is asked."),
    REGION,
    PROFILE,
    ROLE,
    EXTERNAL_ID,
    ENDPOINT,
];

/// CloudTrail's own search.
pub(super) const LOOKUP: SourceKind = SourceKind {
    name: "aws_lookup_events",
    doc: "Management events of one region as CloudTrail's LookupEvents lists them, a hundred a second at most: to try Stormglass out, not for a feed.",
    keys: LOOKUP_KEYS,
    check: |source| told(lookup(source).check(), "docs/sources/aws.md"),
    reads: Reads::Own {
        open: |source, limits, positions| {
            let lists = lookup(source).lists(&Environment::of_process(), now_us)?;
            Ok(Box::new(lists.follow(positions, options(source, limits))))
        },
        backfill: Some(|source, limits, span_us, positions, _| {
            let lists = lookup(source).lists(&Environment::of_process(), now_us)?;
            Ok(Box::new(lists.over(&span_us, positions, options(source, limits))))
        }),
        check_access: Some(|source| {
            let config = lookup(source);
            Box::pin(async move { check_lookup_events(&config, &Environment::of_process(), now_us).await })
        }),
    },
    explain: |_| None,
};

fn lookup(source: &SourceConfig) -> LookupEventsConfig {
    let get = source.get();
    LookupEventsConfig {
        access: access(source),
        lookback: get.span("lookback"),
        every: get.span("every"),
        ..LookupEventsConfig::default()
    }
}

fn queue(source: &SourceConfig) -> S3QueueConfig {
    let get = source.get();
    S3QueueConfig {
        queue_url: get.text("queue"),
        access: access(source),
        buckets: get.texts("buckets"),
        visibility: get.span("visibility"),
        max_receives: u32::try_from(get.count("max_receives")).unwrap_or(u32::MAX),
        ..S3QueueConfig::default()
    }
}

/// Who reads.
pub(super) fn access(source: &SourceConfig) -> AwsAccess {
    let given = |name: &str| given(source, name);
    AwsAccess {
        region: given("region"),
        profile: given("profile"),
        role_arn: given("role"),
        external_id: given("external_id"),
        endpoint_url: given("endpoint"),
        ..AwsAccess::default()
    }
}
