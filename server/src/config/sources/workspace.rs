//! `type = "google_workspace"`: activities of Google Workspace.

use ingest::google_workspace::WorkspaceConfig;

use super::{Reads, SourceConfig, SourceKind, never_is_none, secret, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const KEYS: &[Key] = &[
    key(
        "key",
        Kind::Secret,
        "",
        "Where the key of the service account lies, the JSON file as Google gives it: file:/etc/stormglass/workspace.json.",
    ),
    key("subject", Kind::Text, "", "The address of the administrator in whose name it reads."),
    key(
        "applications",
        Kind::Texts,
        r#"["admin", "login", "drive", "token", "saml", "groups", "groups_enterprise", "user_accounts", "mobile", "chat", "rules"]"#,
        "Whose activities are read, as the Reports API names them.",
    ),
    key("url", Kind::Text, r#""https://admin.googleapis.com""#, "Where the API is."),
    key("lookback", Kind::Span, r#""1 h""#, "How far back the first read begins: up to 180 days."),
    key("every", Kind::Span, r#""5 min""#, "How often each application is asked."),
    key(
        "overlap",
        Kind::Span,
        r#""30 min""#,
        "How far each window reaches back, for activities that are listed late.",
    ),
    key(
        "again_after",
        Kind::SpanOrNever,
        r#""3 h""#,
        "How long after its time everything is read a second time, for what was later than that.",
    ),
];

pub(super) const KIND: SourceKind = SourceKind {
    name: "google_workspace",
    doc: "Activities of Google Workspace by the Reports API: administration, sign-ins, Drive, tokens and more.",
    keys: KEYS,
    check: |source| told(config(source).and_then(|config| config.check()), "docs/sources/saas.md"),
    reads: Reads::Lists(|source, purpose| config(source)?.lists(purpose, now_us)),
    explain: ingest::google_workspace::mend,
};

fn config(source: &SourceConfig) -> ingest::Result<WorkspaceConfig> {
    let get = source.get();
    Ok(WorkspaceConfig {
        key: secret(source, "key")?,
        subject: get.text("subject"),
        applications: get.texts("applications"),
        url: get.text("url"),
        lookback: get.span("lookback"),
        every: get.span("every"),
        overlap: get.span("overlap"),
        again_after: never_is_none(get.span("again_after")),
    })
}
