//! `type = "objects"`: what lies below prefixes of an object store.

use ingest::aws::Environment;
use ingest::{Limits, Objects, ObjectsConfig, Sweep, check_objects};

use super::aws::{ENDPOINT, EXTERNAL_ID, PROFILE, REGION, ROLE, access};
use super::{Reads, SourceConfig, SourceKind};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

/// Addresses that are read.
const SCHEMES: [&str; 7] = ["s3", "s3a", "gs", "az", "abfs", "abfss", "file"];

const KEYS: &[Key] = &[
    key(
        "urls",
        Kind::Texts,
        "",
        "Prefixes: s3://bucket/prefix/, gs://bucket/prefix/, az://container/prefix/, abfss://…, file:///folder/. Credentials come from the environment or the machine's role.",
    ),
    key("every", Kind::Span, r#""1 min""#, "How often the prefixes are listed."),
    key(
        "existing",
        Kind::Flag,
        "true",
        "Whether objects that are there at the first start are read; `stormglass sources backfill` reads them later.",
    ),
    key(
        "overlap",
        Kind::Span,
        r#""24 h""#,
        "How long before the newest object one may still appear; of older ones nothing is kept, and they are not read.",
    ),
    key(
        "torn_after",
        Kind::Span,
        r#""1 h""#,
        "How long an object must not have changed before a torn record at its end becomes a dead letter.",
    ),
    key(
        "max_objects",
        Kind::Count(100, 10_000_000),
        "200000",
        "Of how many objects is kept how far they were read; of more the oldest are taken as done.",
    ),
    REGION,
    PROFILE,
    ROLE,
    EXTERNAL_ID,
    ENDPOINT,
];

pub(super) const KIND: SourceKind = SourceKind {
    name: "objects",
    doc: "Objects below prefixes of S3, Google Cloud Storage, Azure or a folder: new ones, grown ones (append blobs), replaced ones.",
    keys: KEYS,
    check,
    reads: Reads::Own {
        open: |source, limits, positions| Ok(Box::new(Objects::open(config(source, limits), positions)?)),
        backfill: Some(|source, limits, modified_us, positions, progress| {
            Ok(Box::new(Sweep::open(config(source, limits), modified_us, positions, progress)?))
        }),
        check_access: Some(|source| {
            let config = config(source, &Limits::default());
            Box::pin(async move { check_objects(&config).await })
        }),
    },
    explain: |_| None,
};

fn check(source: &SourceConfig) -> Vec<(&'static str, String, String)> {
    let urls = source.get().texts("urls");
    if urls.is_empty() {
        return vec![("urls", "it names nothing".into(), "name a prefix".into())];
    }
    let mut wrong = Vec::new();
    for url in &urls {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if url.contains(['?', '#', '@']) && !scheme.starts_with("abfs") {
            // Not quoted: what follows may be a signature.
            let problem = "an address of objects has no query, fragment or user".to_owned();
            wrong.push((
                "urls",
                problem,
                "credentials come from the environment or the machine's role".into(),
            ));
        } else if !SCHEMES.contains(&scheme) {
            let problem = format!("`{url}` is no address of objects");
            wrong.push(("urls", problem, "use s3://, gs://, az://, abfss:// or file://".into()));
        }
    }
    wrong
}

fn config(source: &SourceConfig, limits: &Limits) -> ObjectsConfig {
    let get = source.get();
    ObjectsConfig {
        source: source.id.clone(),
        log_type: source.log_type(),
        addresses: get.texts("urls"),
        aws: Some((access(source), Environment::of_process())),
        google: ingest::google::Environment::of_process(),
        every: get.span("every"),
        overlap: get.span("overlap"),
        torn_after: get.span("torn_after"),
        existing: get.flag("existing"),
        max_objects: get.size("max_objects"),
        limits: limits.clone(),
        now_us,
    }
}
