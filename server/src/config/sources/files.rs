//! `type = "files"`: files of this machine that grow, are rotated, and are compressed.

use ingest::{Files, FilesConfig};

use super::{Reads, SourceConfig, SourceKind, never_is_none};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const KEYS: &[Key] = &[
    key(
        "paths",
        Kind::Paths,
        "",
        "Files, folders with the folders in them, and patterns such as /var/log/app/*.log*. A pattern that also names rotated files loses nothing over a restart.",
    ),
    key("every", Kind::Span, r#""1 s""#, "How often is looked for new files and new bytes."),
    key(
        "settle",
        Kind::Span,
        r#""5 s""#,
        "How long a compressed file, or one whose first line has no end, must not have changed before it is read.",
    ),
    key(
        "torn_after",
        Kind::SpanOrNever,
        r#""never""#,
        "How long a file must not have changed before a torn record at its end becomes a dead letter.",
    ),
    key("max_files", Kind::Count(1, 1_000_000), "10000", "How many files it may name."),
];

pub(super) const KIND: SourceKind = SourceKind {
    name: "files",
    doc: "Files of this machine: read as they grow, followed when they are renamed, copied and truncated, or compressed.",
    keys: KEYS,
    check: |source| match source.get().texts("paths").is_empty() {
        true => vec![("paths", "it names nothing".into(), "name a file, folder or pattern".into())],
        false => Vec::new(),
    },
    reads: Reads::Own {
        open: |source, limits, positions| {
            let config = FilesConfig { limits: limits.clone(), ..config(source) };
            Ok(Box::new(Files::open(config, positions)))
        },
        backfill: None,
        check_access: None,
    },
    explain: |_| None,
};

fn config(source: &SourceConfig) -> FilesConfig {
    let get = source.get();
    FilesConfig {
        source: source.id.clone(),
        log_type: source.log_type(),
        paths: get.texts("paths"),
        every: get.span("every"),
        settle: get.span("settle"),
        torn_after: never_is_none(get.span("torn_after")),
        max_files: get.size("max_files"),
        limits: ingest::Limits::default(),
        now_us,
    }
}
