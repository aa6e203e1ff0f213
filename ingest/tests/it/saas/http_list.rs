//! Lists that are described by settings alone, in the shapes of several vendors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloudfake::{Fault, Proxy, Seen, answer};
use event::Fate;
use ingest::http_list::{ClientSecret, HttpAuth, HttpListConfig, Paging, TimeFormat};
use ingest::{Collector, ListPurpose, Lists, Polled, ReadOptions, SecretReference};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Came, NOW_S, secret, take, take_with_kills};
use crate::options;

pub(super) fn config(folder: &std::path::Path, url: String) -> HttpListConfig {
    HttpListConfig {
        url,
        body: String::new(),
        body_next: String::new(),
        time: TimeFormat::EpochSeconds,
        records: "/entries".into(),
        records_optional: false,
        paging: Paging::Cursor("/response_metadata/next_cursor".into()),
        more: String::new(),
        page_size: 0,
        follow: false,
        error: String::new(),
        headers: Vec::new(),
        auth: HttpAuth::Bearer(secret(folder, "token", "t0ken")),
        lookback: Duration::from_secs(3_600),
        every: Duration::from_secs(60),
        window: Duration::from_secs(86_400),
        settle: Duration::ZERO,
        overlap: Duration::from_secs(600),
        again_after: None,
        kept: None,
        gap: Duration::ZERO,
    }
}

fn good(body: &Value) -> Fault {
    answer("200 OK", "content-type: application/json\r\n", &body.to_string())
}

fn parameter(seen: &Seen, name: &str) -> Option<String> {
    let target = seen.head.split(' ').nth(1).unwrap().to_owned();
    let (_, query) = target.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn records(range: std::ops::Range<usize>) -> Vec<Value> {
    range.map(|n| json!({"id": format!("r-{n:03}")})).collect()
}

fn has(count: usize) -> impl Fn(&Came) -> bool {
    move |came| came.records.len() == count
}

/// As Slack's audit logs: windows in seconds, a cursor that is empty at the end, limits with `Retry-After`.
#[tokio::test]
async fn a_cursor_within_windows() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start("http://127.0.0.1:1", {
        let mut count = 0;
        move |seen| {
            assert!(seen.head.contains("authorization: Bearer t0ken"), "{}", seen.head);
            assert_eq!(parameter(seen, "oldest").unwrap(), (NOW_S - 4_200).to_string());
            assert_eq!(parameter(seen, "latest").unwrap(), NOW_S.to_string());
            count += 1;
            if count == 2 {
                return answer("429 Too Many Requests", "retry-after: 2\r\n", r#"{"ok":false,"error":"ratelimited"}"#);
            }
            let start: usize = parameter(seen, "cursor").map_or(0, |cursor| cursor.trim_start_matches("c=").parse().unwrap());
            let next = if start + 50 < 120 { format!("c={}", start + 50) } else { String::new() };
            good(&json!({"entries": records(start..(start + 50).min(120)), "response_metadata": {"next_cursor": next}}))
        }
    })
    .await;
    let url =
        format!("{}/audit/v1/logs?oldest={{start}}&latest={{end}}&limit=50&cursor={{cursor}}", proxy.url);
    let config = config(folder.path(), url);
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let came = take_with_kills(open, "/id", has(120)).await;
    assert_eq!(came.errors, ["`the list` was refused with 429 `ratelimited`"]);
}

/// As 1Password's events: POST, a cursor that stays good for ever, and a flag for more.
#[tokio::test]
async fn a_cursor_that_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let there: Arc<Mutex<usize>> = Arc::new(Mutex::new(250));
    let proxy = Proxy::start("http://127.0.0.1:1", {
        let there = there.clone();
        move |seen| {
            assert!(seen.head.starts_with("POST /api/v2/signinattempts "), "{}", seen.head);
            let body: Value = serde_json::from_str(&seen.body).unwrap();
            let start: usize = match body.get("cursor") {
                None => {
                    assert_eq!(body, json!({"limit": 100, "start_time": "2023-11-14T21:03:20Z"}));
                    0
                }
                Some(cursor) => {
                    assert_eq!(body.as_object().unwrap().len(), 1);
                    cursor.as_str().unwrap().parse().unwrap()
                }
            };
            let end = (start + 100).min(*there.lock());
            let more = end < *there.lock();
            good(&json!({"items": records(start..end), "cursor": end.to_string(), "has_more": more}))
        }
    })
    .await;
    let config = HttpListConfig {
        body: r#"{"limit": 100, "start_time": "{start}"}"#.into(),
        body_next: r#"{"cursor": "{cursor}"}"#.into(),
        time: TimeFormat::Rfc3339,
        records: "/items".into(),
        paging: Paging::Cursor("/cursor".into()),
        more: "/has_more".into(),
        follow: true,
        ..config(folder.path(), format!("{}/api/v2/signinattempts", proxy.url))
    };
    let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
    let mut came = take_with_kills(open, "/id", has(250)).await;
    // What comes later is asked for with the cursor, whenever that is.
    *there.lock() = 260;
    let before = proxy.seen.lock().len();
    let mut collector = open(&came.positions).unwrap();
    while came.records.len() < 260 {
        came.turn(&mut collector, "/id", false).await;
    }
    assert!(proxy.seen.lock().iter().skip(before).all(|seen| seen.body.contains("cursor")));
    assert!(came.errors.is_empty(), "{:?}", came.errors);
}

/// As Cloudflare's audit logs: a cursor, times of RFC 3339, a header of its own.
/// And as Auth0's: addresses in `Link` headers. And numbered pages, and counts.
#[tokio::test]
async fn other_ways_to_the_next_page() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start("http://127.0.0.1:1", move |seen| {
        let number = |name: &str| parameter(seen, name).map(|text| text.parse::<usize>().unwrap());
        let start = number("cursor").or(number("from")).or(number("skip")).or(number("page").map(|page| (page - 1) * 40));
        let start = start.unwrap_or(0);
        let end = (start + 40).min(100);
        let host = seen.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let next = format!("http://{host}/l?from={end}");
        let cursor = if end < 100 { json!(end.to_string()) } else { Value::Null };
        let address = if end < 100 { json!(next) } else { Value::Null };
        let link = if end < 100 { format!("link: <{next}>; rel=\"next\"\r\n") } else { String::new() };
        let body = json!({"data": {"result": records(start..end)}, "result_info": {"cursor": cursor}, "next": address});
        answer("200 OK", &link, &body.to_string())
    })
    .await;
    let ways = [
        ("since={start}&before={end}&cursor={cursor}", Paging::Cursor("/result_info/cursor".into())),
        ("since={start}", Paging::Link),
        ("since={start}", Paging::Address("/next".into())),
        ("since={start}&page={page}", Paging::Page(1)),
        ("since={start}&skip={offset}", Paging::Offset),
    ];
    for (query, paging) in ways {
        let config = HttpListConfig {
            time: TimeFormat::Rfc3339Millis,
            records: "/data/result".into(),
            paging: paging.clone(),
            page_size: 40,
            auth: HttpAuth::Header { name: "X-Auth-Key".into(), secret: secret(folder.path(), "key", "k3y") },
            headers: vec![("X-Auth-Email".into(), "dana@example.com".into())],
            ..config(folder.path(), format!("{}/l?{query}", proxy.url))
        };
        let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
        let done =
            |came: &Came| came.positions.get("list").is_some_and(|text| text.contains("\"window\":null"));
        let came = take_with_kills(open, "/id", done).await;
        assert_eq!(came.records.len(), 100, "{paging:?}");
        assert!(came.errors.is_empty(), "{:?}", came.errors);
    }
    assert_eq!(proxy.count("x-auth-key: k3y"), proxy.seen.lock().len());
    assert_eq!(proxy.count("x-auth-email: dana@example.com"), proxy.seen.lock().len());
}

#[tokio::test]
async fn an_oauth_client_gets_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let asked: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let proxy = Proxy::start("http://127.0.0.1:1", {
        let asked = asked.clone();
        move |seen| {
            if seen.head.starts_with("POST /oauth/token ") {
                asked.lock().push(seen.clone());
                let number = asked.lock().len();
                return good(&json!({"access_token": format!("at-{number}"), "expires_in": 3600}));
            }
            let number = asked.lock().len();
            // The first token ends at once.
            match seen.head.contains("authorization: Bearer at-2") && number == 2 {
                true => good(&json!({"entries": records(0..3)})),
                false => answer("401 Unauthorized", "", "{}"),
            }
        }
    })
    .await;
    let client = |shows| HttpAuth::Client {
        url: format!("{}/oauth/token", proxy.url),
        id: "me".into(),
        secret: secret(folder.path(), "client", "cl1ent&"),
        shows,
        form: vec![("audience".into(), "https://api.example.com/".into())],
    };
    for (shows, body) in [
        (
            ClientSecret::Post,
            "audience=https%3A%2F%2Fapi.example.com%2F&grant_type=client_credentials&client_id=me&client_secret=cl1ent%26",
        ),
        (ClientSecret::Basic, "audience=https%3A%2F%2Fapi.example.com%2F&grant_type=client_credentials"),
    ] {
        asked.lock().clear();
        let config = HttpListConfig {
            auth: client(shows),
            paging: Paging::None,
            ..config(folder.path(), format!("{}/logs?from={{start}}", proxy.url))
        };
        let open = |positions: &BTreeMap<String, String>| follow(&config, positions, options(1));
        take(open, "/id", has(3)).await;
        assert_eq!(asked.lock()[1].body, body);
        let is_basic = asked.lock()[1].head.contains("authorization: Basic bWU6Y2wxZW50Jg==");
        assert_eq!(is_basic, shows == ClientSecret::Basic);
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            "200 OK",
            r#"{"ok":false,"error":"missing_scope"}"#,
            "`the list` was refused with 200 `missing_scope`",
        ),
        (
            "200 OK",
            r#"{"items":[]}"#,
            "`the list` answered what cannot be understood: there is no list at `/entries`; mend `records`, or set `records_optional` if there need not be one",
        ),
        (
            "200 OK",
            r#"{"entries":{"a":1}}"#,
            "`the list` answered what cannot be understood: there is no list at `/entries`",
        ),
        (
            "200 OK",
            "<html>",
            "`the list` answered what cannot be understood: expected value at line 1 column 1",
        ),
        ("302 Found", "", "`the list` was refused with 302 and no word why"),
        (
            "403 Forbidden",
            r#"{"error":{"message":"logs:read is missing"}}"#,
            "`the list` was refused with 403: logs:read is missing",
        ),
    ];
    for (status, body, told) in cases {
        let proxy =
            Proxy::start("http://127.0.0.1:1", move |_| answer(status, "location: /x\r\n", body)).await;
        let config = HttpListConfig {
            error: "/error".into(),
            ..config(folder.path(), format!("{}/l?a={{start}}&c={{cursor}}", proxy.url))
        };
        let mut collector = follow(&config, &BTreeMap::new(), options(1)).unwrap();
        let error = collector.poll().await.unwrap_err();
        assert_eq!(error.to_string(), told);
        assert_eq!(error.fate(), Fate::Retry { after: Duration::from_secs(60) });
        assert_eq!(proxy.seen.lock().len(), 1, "no redirect is followed");
    }
    // A secret that is not there.
    let config = HttpListConfig {
        auth: HttpAuth::Bearer(SecretReference::File("/nowhere/token".into())),
        ..config(folder.path(), "http://127.0.0.1:1/l?a={start}&c={cursor}".into())
    };
    let mut collector = follow(&config, &BTreeMap::new(), options(1)).unwrap();
    let told = collector.poll().await.unwrap_err().to_string();
    assert!(told.starts_with("no credentials: `file:/nowhere/token`"), "{told}");
}

#[tokio::test]
async fn without_records_there_is_only_a_position() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start("http://127.0.0.1:1", |_| good(&json!({"response_metadata": {}}))).await;
    let config = HttpListConfig {
        records_optional: true,
        ..config(folder.path(), format!("{}/l?a={{start}}&c={{cursor}}", proxy.url))
    };
    let mut collector = follow(&config, &BTreeMap::new(), options(1)).unwrap();
    let Polled::Collected(collected) = collector.poll().await.unwrap() else { panic!("it is idle") };
    assert!(collected.batch.is_none() && collected.position.len() == 1);
}

fn follow(
    config: &HttpListConfig,
    positions: &BTreeMap<String, String>,
    options: ReadOptions,
) -> ingest::Result<Lists> {
    Ok(config.lists(ListPurpose::Follow, options.now_us)?.follow(positions, options))
}
