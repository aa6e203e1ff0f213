//! `type = "okta"`: the System Log of an Okta organisation.

use ingest::okta::{OktaAccess, OktaConfig};

use super::{Reads, SourceConfig, SourceKind, secret, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const KEYS: &[Key] = &[
    key("url", Kind::Text, "", "The organisation, https://example.okta.com."),
    key(
        "token",
        Kind::Secret,
        r#""""#,
        "Where the API token lies, such as env:OKTA_TOKEN; not with `client_id`.",
    ),
    key(
        "client_id",
        Kind::Text,
        r#""""#,
        "The client id of a service app that has the scope okta.logs.read.",
    ),
    key("key", Kind::Secret, r#""""#, "Where the app's private key lies, as PEM."),
    key("key_id", Kind::Text, r#""""#, "The key's id (kid), where the app has several."),
    key(
        "filter",
        Kind::Text,
        r#""""#,
        "An expression of which events are wanted, as Okta's filter has it; empty: all.",
    ),
    key("lookback", Kind::Span, r#""1 h""#, "How far back the first read begins: up to 90 days."),
    key("every", Kind::Span, r#""30 s""#, "How often is asked when there is nothing new."),
];

pub(super) const KIND: SourceKind = SourceKind {
    name: "okta",
    doc: "The System Log of an Okta organisation by its API, every event as it is stored.",
    keys: KEYS,
    check: |source| told(config(source).and_then(|config| config.check()), "docs/sources/saas.md"),
    reads: Reads::Lists(|source, purpose| config(source)?.lists(purpose, now_us)),
    explain: ingest::okta::mend,
};

fn config(source: &SourceConfig) -> ingest::Result<OktaConfig> {
    let get = source.get();
    let access = match (get.text("token").is_empty(), get.text("key").is_empty()) {
        (false, true) => OktaAccess::Token(secret(source, "token")?),
        (true, false) => OktaAccess::App {
            client_id: get.text("client_id"),
            key: secret(source, "key")?,
            key_id: get.text("key_id"),
        },
        _ => {
            let problem = "either it is needed, or `client_id` and `key`; not both".into();
            return Err(ingest::Error::BadSetting { field: "token", problem });
        }
    };
    Ok(OktaConfig {
        url: get.text("url"),
        access,
        filter: get.text("filter"),
        lookback: get.span("lookback"),
        every: get.span("every"),
    })
}
