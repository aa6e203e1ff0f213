//! `type = "github_audit"`: the audit log of a GitHub organisation or enterprise.

use ingest::github::{GithubAccess, GithubConfig, GithubOwner};

use super::{Reads, SourceConfig, SourceKind, never_is_none, secret, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const KEYS: &[Key] = &[
    key("organization", Kind::Text, r#""""#, "The organisation, by its name in addresses; or `enterprise`."),
    key("enterprise", Kind::Text, r#""""#, "The enterprise, by its name in addresses."),
    key(
        "token",
        Kind::Secret,
        r#""""#,
        "Where a token lies that has read:audit_log, such as env:GITHUB_TOKEN; not with `app_id`.",
    ),
    key(
        "app_id",
        Kind::Text,
        r#""""#,
        "The id of an app that may read the administration of what it is installed in.",
    ),
    key(
        "installation_id",
        Kind::Count(0, 9_007_199_254_740_991),
        "0",
        "The number of the app's installation.",
    ),
    key("key", Kind::Secret, r#""""#, "Where the app's private key lies, as PEM."),
    key(
        "url",
        Kind::Text,
        r#""https://api.github.com""#,
        "Where the API is; https://HOST/api/v3 for a server of your own.",
    ),
    key(
        "include",
        Kind::Word(&["all", "web", "git"]),
        r#""all""#,
        "Which events: those of Git come with all and git.",
    ),
    key(
        "lookback",
        Kind::Span,
        r#""1 h""#,
        "How far back the first read begins: up to 180 days; Git events are kept for 7.",
    ),
    key("every", Kind::Span, r#""2 min""#, "How often is asked."),
    key(
        "overlap",
        Kind::Span,
        r#""10 min""#,
        "How far each window reaches back, for events that are listed late.",
    ),
    key(
        "again_after",
        Kind::SpanOrNever,
        r#""3 h""#,
        "How long after its time everything is read a second time, for what was later than that.",
    ),
];

pub(super) const KIND: SourceKind = SourceKind {
    name: "github_audit",
    doc: "The audit log of a GitHub organisation or enterprise by its API, Git events included.",
    keys: KEYS,
    check: |source| told(config(source).and_then(|config| config.check()), "docs/sources/saas.md"),
    reads: Reads::Lists(|source, purpose| config(source)?.lists(purpose, now_us)),
    explain: ingest::github::mend,
};

fn config(source: &SourceConfig) -> ingest::Result<GithubConfig> {
    let get = source.get();
    let bad = |field, problem: &str| ingest::Error::BadSetting { field, problem: problem.into() };
    let owner = match (get.text("organization"), get.text("enterprise")) {
        (organization, enterprise) if enterprise.is_empty() && !organization.is_empty() => {
            GithubOwner::Organization(organization)
        }
        (organization, enterprise) if organization.is_empty() && !enterprise.is_empty() => {
            GithubOwner::Enterprise(enterprise)
        }
        _ => return Err(bad("organization", "either it is needed, or `enterprise`; not both")),
    };
    let access = match (get.text("token").is_empty(), get.text("key").is_empty()) {
        (false, true) => GithubAccess::Token(secret(source, "token")?),
        (true, false) => GithubAccess::App {
            app_id: get.text("app_id"),
            installation_id: get.count("installation_id"),
            key: secret(source, "key")?,
        },
        _ => {
            let problem = "either it is needed, or `app_id`, `installation_id` and `key`; not both";
            return Err(bad("token", problem));
        }
    };
    Ok(GithubConfig {
        url: get.text("url"),
        owner,
        access,
        include: get.text("include"),
        lookback: get.span("lookback"),
        every: get.span("every"),
        settle: std::time::Duration::ZERO,
        overlap: get.span("overlap"),
        again_after: never_is_none(get.span("again_after")),
    })
}
