//! `type = "http_list"`: any service that lists JSON records, described by these settings alone.

use std::time::Duration;

use ingest::http_list::{ClientSecret, HttpAuth, HttpListConfig, Paging, TimeFormat};

use super::{Reads, SourceConfig, SourceKind, never_is_none, secret, told};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

const KEYS: &[Key] = &[
    key(
        "url",
        Kind::Text,
        "",
        "The address; in its query {start}, {end}, {cursor}, {page} and {offset} are filled in.",
    ),
    key(
        "body",
        Kind::Text,
        r#""""#,
        "A body of JSON with the same placeholders: pages are asked with POST; empty: with GET.",
    ),
    key("body_next", Kind::Text, r#""""#, "The body of the pages after the first; empty: the same."),
    key(
        "time",
        Kind::Word(&["rfc3339", "rfc3339_ms", "epoch_s", "epoch_ms", "date"]),
        r#""rfc3339""#,
        "How times are written.",
    ),
    key(
        "records",
        Kind::Text,
        r#""""#,
        "A JSON pointer to the list of records, such as /items; empty: the answer is the list.",
    ),
    key(
        "records_optional",
        Kind::Flag,
        "false",
        "Whether an answer without such a list has no records; else it is an error.",
    ),
    key(
        "paging",
        Kind::Word(&["none", "cursor", "address", "link", "page", "offset"]),
        r#""none""#,
        "How the next page is found: by a cursor or an address in the answer (`next`), a Link header, or counting.",
    ),
    key("next", Kind::Text, r#""""#, "A JSON pointer to the cursor or the address of the next page."),
    key("more", Kind::Text, r#""""#, "A JSON pointer to a flag that says whether there are more pages."),
    key("page_size", Kind::Count(0, 100_000), "0", "How many records a full page has; 0: it is not known."),
    key("first_page", Kind::Count(0, 1), "1", "The number of the first page."),
    key(
        "follow",
        Kind::Flag,
        "false",
        "Whether the cursor stays good and the list is asked on with it for ever; else it is read window by window.",
    ),
    key(
        "error",
        Kind::Text,
        r#""""#,
        "A JSON pointer to the code of an error, of services that answer 200 to everything.",
    ),
    key("headers", Kind::Pairs, "[]", "Headers that are no secret, as NAME=VALUE."),
    key(
        "auth",
        Kind::Word(&["none", "bearer", "basic", "header", "client"]),
        r#""none""#,
        "Who reads: the secret as bearer token, as password of `user`, in `auth_header`, or as that of an OAuth client.",
    ),
    key(
        "secret",
        Kind::Secret,
        r#""""#,
        "Where the token, password or client's secret lies, such as env:API_TOKEN.",
    ),
    key("user", Kind::Text, r#""""#, "The user, where auth is basic."),
    key("auth_header", Kind::Text, r#""""#, "The header, where auth is header, such as X-Api-Key."),
    key("token_url", Kind::Text, r#""""#, "Where an OAuth client gets its tokens."),
    key("client_id", Kind::Text, r#""""#, "The OAuth client's id."),
    key(
        "client_secret_in",
        Kind::Word(&["form", "header"]),
        r#""form""#,
        "How the OAuth client shows its secret.",
    ),
    key(
        "token_form",
        Kind::Pairs,
        "[]",
        "What the OAuth client asks with besides, as NAME=VALUE: scope, audience, another grant_type.",
    ),
    key("lookback", Kind::Span, r#""1 h""#, "How far back the first read begins."),
    key("every", Kind::Span, r#""1 min""#, "How often is asked."),
    key("window", Kind::Span, r#""24 h""#, "The longest span that is asked at once."),
    key("settle", Kind::Span, r#""1 s""#, "How long after its time a record is expected to be listed."),
    key(
        "overlap",
        Kind::Span,
        r#""10 min""#,
        "How far each window reaches back, for records that are listed late.",
    ),
    key(
        "again_after",
        Kind::SpanOrNever,
        r#""never""#,
        "How long after its time everything is read a second time, for what was later than that.",
    ),
    key(
        "kept",
        Kind::SpanOrNever,
        r#""never""#,
        "How long the service keeps its records: what was not read for longer is told as a gap; never: it is not known.",
    ),
    key(
        "requests_per_minute",
        Kind::Count(1, 6_000),
        "60",
        "How many requests are made in a minute at most.",
    ),
];

pub(super) const KIND: SourceKind = SourceKind {
    name: "http_list",
    doc: "Any service that lists JSON records by time or by a cursor, described by these settings alone.",
    keys: KEYS,
    check: |source| told(config(source).and_then(|config| config.check()), "docs/sources/http-list.md"),
    reads: Reads::Lists(|source, purpose| config(source)?.lists(purpose, now_us)),
    explain: ingest::http_list::mend,
};

fn config(source: &SourceConfig) -> ingest::Result<HttpListConfig> {
    let get = source.get();
    Ok(HttpListConfig {
        url: get.text("url"),
        body: get.text("body"),
        body_next: get.text("body_next"),
        time: match get.text("time").as_str() {
            "rfc3339_ms" => TimeFormat::Rfc3339Millis,
            "epoch_s" => TimeFormat::EpochSeconds,
            "epoch_ms" => TimeFormat::EpochMillis,
            "date" => TimeFormat::Date,
            _ => TimeFormat::Rfc3339,
        },
        records: get.text("records"),
        records_optional: get.flag("records_optional"),
        paging: match get.text("paging").as_str() {
            "cursor" => Paging::Cursor(get.text("next")),
            "address" => Paging::Address(get.text("next")),
            "link" => Paging::Link,
            "page" => Paging::Page(get.count("first_page")),
            "offset" => Paging::Offset,
            _ => Paging::None,
        },
        more: get.text("more"),
        page_size: get.count("page_size"),
        follow: get.flag("follow"),
        error: get.text("error"),
        headers: pairs(&get.texts("headers")),
        auth: auth(source)?,
        lookback: get.span("lookback"),
        every: get.span("every"),
        window: get.span("window"),
        settle: get.span("settle"),
        overlap: get.span("overlap"),
        again_after: never_is_none(get.span("again_after")),
        kept: never_is_none(get.span("kept")),
        gap: Duration::from_secs(60) / u32::try_from(get.count("requests_per_minute")).unwrap_or(1).max(1),
    })
}

fn auth(source: &SourceConfig) -> ingest::Result<HttpAuth> {
    let get = source.get();
    let kind = get.text("auth");
    // A setting that nothing reads is a mistake.
    let used: &[&str] = match kind.as_str() {
        "bearer" => &["secret"],
        "basic" => &["secret", "user"],
        "header" => &["secret", "auth_header"],
        "client" => &["secret", "token_url", "client_id"],
        _ => &[],
    };
    for field in ["secret", "user", "auth_header", "token_url", "client_id"] {
        let problem = match (get.text(field).is_empty(), used.contains(&field)) {
            (true, true) => format!("`auth = \"{kind}\"` needs it"),
            (false, false) => format!("`auth = \"{kind}\"` does not use it; another `auth` does"),
            _ => continue,
        };
        return Err(ingest::Error::BadSetting { field, problem });
    }
    Ok(match kind.as_str() {
        "bearer" => HttpAuth::Bearer(secret(source, "secret")?),
        "basic" => HttpAuth::Basic { user: get.text("user"), secret: secret(source, "secret")? },
        "header" => HttpAuth::Header { name: get.text("auth_header"), secret: secret(source, "secret")? },
        "client" => HttpAuth::Client {
            url: get.text("token_url"),
            id: get.text("client_id"),
            secret: secret(source, "secret")?,
            shows: match get.text("client_secret_in").as_str() {
                "header" => ClientSecret::Basic,
                _ => ClientSecret::Post,
            },
            form: pairs(&get.texts("token_form")),
        },
        _ => HttpAuth::None,
    })
}

fn pairs(texts: &[String]) -> Vec<(String, String)> {
    texts.iter().filter_map(|text| text.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}
