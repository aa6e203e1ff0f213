use std::time::Duration;

use reqwest::header::HeaderValue;

use super::*;
use crate::SecretReference;

fn secret() -> SecretReference {
    SecretReference::Environment("T".into())
}

fn config() -> HttpListConfig {
    HttpListConfig {
        url: "https://api.example.com/v1/logs?from={start}&to={end}&cursor={cursor}".into(),
        body: String::new(),
        body_next: String::new(),
        time: TimeFormat::Rfc3339,
        records: "/items".into(),
        records_optional: false,
        paging: Paging::Cursor("/next".into()),
        more: String::new(),
        page_size: 0,
        follow: false,
        error: String::new(),
        headers: vec![("X-Version".into(), "2".into())],
        auth: HttpAuth::Bearer(secret()),
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

#[test]
fn settings_that_cannot_be_are_told_with_their_name() {
    assert!(config().check().is_ok());
    type Change = fn(&mut HttpListConfig);
    let url = "https://a.example/l?from={start}";
    let cases: &[(Change, &str)] = &[
        (|c| c.url = "http://api.example.com/?a={start}&c={cursor}".into(), "`url`: a secret would go"),
        (
            |c| c.url = "https://u:p@api.example.com/?a={start}&c={cursor}".into(),
            "`url`: an address has no user",
        ),
        (|c| c.url = "https://{start}.example.com/?c={cursor}".into(), "`url`: "),
        (|c| c.url = "https://api.example.com/{start}?c={cursor}".into(), "`url`: placeholders may stand"),
        (
            |c| c.url = "https://api.example.com/?a={strat}&c={cursor}".into(),
            "`url`: there is no placeholder `{strat}`",
        ),
        (
            |c| c.url = "https://api.example.com/?c={cursor}".into(),
            "`url`: neither it nor the body has `{start}`",
        ),
        (
            |c| c.url = "https://a.example/l?from={start}".into(),
            "`url`: neither it nor the body has `{cursor}`",
        ),
        (|c| c.paging = Paging::Link, "`paging`: nothing fills `{cursor}`"),
        (|c| c.paging = Paging::Cursor(String::new()), "`next`: it is needed"),
        (
            |c| c.paging = Paging::Cursor("meta.next".into()),
            "`next`: `meta.next` is no JSON pointer; write `/meta/next`",
        ),
        (|c| c.records = "items".into(), "`records`: "),
        (|c| c.error = "error".into(), "`error`: "),
        (|c| c.body = "{\"a\":".into(), "`body`: it is no JSON"),
        (|c| c.body_next = "{\"a\": \"{nothing}\"}".into(), "`body_next`: there is no placeholder"),
        (
            |c| c.headers = vec![("Authorization".into(), "x".into())],
            "`headers`: `Authorization` is not for here",
        ),
        (|c| c.headers = vec![("a b".into(), "x".into())], "`headers`: `a b` is no name"),
        (|c| c.headers = vec![("a".into(), "x\ny".into())], "`headers`: the value of `a`"),
        (|c| c.auth = HttpAuth::Header { name: "a b".into(), secret: secret() }, "`auth_header`: "),
        (|c| c.auth = HttpAuth::Basic { user: "a:b".into(), secret: secret() }, "`user`: "),
        (
            |c| {
                c.url = "https://a.example/l?from={start}&page={page}".into();
                c.paging = Paging::Page(1);
            },
            "`page_size`: ",
        ),
        (
            |c| {
                c.url = "https://a.example/l?from={start}&page={page}".into();
                (c.paging, c.page_size, c.follow) = (Paging::Page(1), 100, true);
            },
            "`follow`: ",
        ),
        (|c| (c.follow, c.again_after) = (true, Some(Duration::from_secs(60))), "`again_after`: "),
    ];
    for (change, told) in cases {
        let mut config = config();
        change(&mut config);
        let error = config.check().unwrap_err();
        assert!(
            matches!(error, Error::BadSetting { .. }) && error.to_string().starts_with(told),
            "{error}\n{told}"
        );
        assert!(!error.to_string().contains("u:p"), "{error}");
    }
    let client = |url: &str, id: &str| HttpAuth::Client {
        url: url.into(),
        id: id.into(),
        secret: secret(),
        shows: ClientSecret::Post,
        form: Vec::new(),
    };
    let with = |auth| HttpListConfig { url: url.into(), paging: Paging::None, auth, ..config() };
    assert!(with(client("https://a.example/token", "me")).check().is_ok());
    assert!(
        with(client("http://a.example/token", "me")).check().unwrap_err().to_string().contains("`token_url`")
    );
    assert!(
        with(client("https://a.example/token", "")).check().unwrap_err().to_string().contains("`client_id`")
    );
}

fn list(config: HttpListConfig) -> HttpList {
    HttpList {
        name: "list",
        request: config.checked().unwrap(),
        config: Arc::new(config),
        session: Session::open(Web::new().unwrap()),
        windowing: Windowing { settle_s: 0, overlap_s: 0, length_s: 60, step_s: 60 },
    }
}

fn window(token: Option<&str>) -> Window {
    Window { start_s: 60, end_s: 120, token: token.map(str::to_owned), records: 0 }
}

#[test]
fn a_call_is_what_the_settings_say() {
    let asked = |config: HttpListConfig, token: Option<&str>| {
        let call = list(config).call(&window(token)).unwrap().unwrap();
        format!("{} {} {}", call.method, call.url, String::from_utf8_lossy(&call.body))
    };
    assert_eq!(
        asked(config(), None),
        "GET https://api.example.com/v1/logs?from=1970-01-01T00%3A01%3A00Z&to=1970-01-01T00%3A02%3A00Z "
    );
    assert!(asked(config(), Some("a b")).ends_with("&cursor=a+b "));
    let counted = HttpListConfig {
        url: "https://a.example/l?from={start}&page={page}".into(),
        time: TimeFormat::EpochMillis,
        paging: Paging::Page(0),
        page_size: 10,
        ..config()
    };
    assert_eq!(asked(counted.clone(), None), "GET https://a.example/l?from=60000&page=0 ");
    assert_eq!(asked(counted, Some("4")), "GET https://a.example/l?from=60000&page=4 ");
    let posted = HttpListConfig {
        url: "https://a.example/l".into(),
        body: r#"{"limit": 9, "start_time": "{start}"}"#.into(),
        body_next: r#"{"cursor": "{cursor}"}"#.into(),
        ..config()
    };
    assert_eq!(
        asked(posted.clone(), None),
        r#"POST https://a.example/l {"limit":9,"start_time":"1970-01-01T00:01:00Z"}"#
    );
    assert_eq!(asked(posted, Some("c")), r#"POST https://a.example/l {"cursor":"c"}"#);
    let linked =
        HttpListConfig { url: "https://a.example/l?from={start}".into(), paging: Paging::Link, ..config() };
    assert_eq!(asked(linked.clone(), Some("https://a.example/m?n=2")), "GET https://a.example/m?n=2 ");
    // Another server does not get the token; the window begins anew.
    assert!(list(linked).call(&window(Some("https://b.example/m"))).unwrap().is_none());
}

#[test]
fn the_next_page_is_found_or_is_none() {
    let next = |config: HttpListConfig, token: Option<&str>, records: u64, body: &str, link: &str| {
        let headers = [(reqwest::header::LINK, HeaderValue::from_str(link).unwrap())].into_iter().collect();
        let answer = Answer { status: 200, headers, body: body.to_owned().into() };
        list(config).next(&answer, &window(token), records)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(next(config(), None, 3, r#"{"next":"c"}"#, "").unwrap(), some("c"));
    assert_eq!(next(config(), None, 3, r#"{"next":17}"#, "").unwrap(), some("17"));
    assert_eq!(next(config(), None, 3, r#"{"next":""}"#, "").unwrap(), None);
    assert_eq!(next(config(), None, 3, r#"{"next":null}"#, "").unwrap(), None);
    let more = || HttpListConfig { more: "/more".into(), ..config() };
    assert_eq!(next(more(), None, 3, r#"{"next":"c","more":false}"#, "").unwrap(), None);
    assert_eq!(next(more(), None, 3, r#"{"next":"c","more":true}"#, "").unwrap(), some("c"));
    let counted =
        |paging: Paging, url: &str| HttpListConfig { url: url.into(), paging, page_size: 10, ..config() };
    let pages = || counted(Paging::Page(1), "https://a.example/l?from={start}&page={page}");
    assert_eq!(next(pages(), None, 10, "{}", "").unwrap(), some("2"));
    assert_eq!(next(pages(), Some("2"), 10, "{}", "").unwrap(), some("3"));
    assert_eq!(next(pages(), Some("3"), 9, "{}", "").unwrap(), None);
    let offset = || counted(Paging::Offset, "https://a.example/l?from={start}&skip={offset}");
    assert_eq!(next(offset(), Some("10"), 10, "{}", "").unwrap(), some("20"));
    let linked = |paging| counted(paging, "https://a.example/l?from={start}");
    assert_eq!(
        next(linked(Paging::Link), None, 1, "{}", "</l?p=2>; rel=\"next\"").unwrap(),
        some("https://a.example/l?p=2")
    );
    assert_eq!(next(linked(Paging::Link), None, 1, "{}", "</l?p=2>; rel=\"prev\"").unwrap(), None);
    let address = || linked(Paging::Address("/links/next".into()));
    assert_eq!(
        next(address(), None, 1, r#"{"links":{"next":"?p=2"}}"#, "").unwrap(),
        some("https://a.example/l?p=2")
    );
    assert!(next(address(), None, 1, r#"{"links":{"next":"https://b.example/"}}"#, "").is_err());
}
