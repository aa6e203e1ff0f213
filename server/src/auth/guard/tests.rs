//! Who comes through the gate.

use super::*;
use std::time::Duration;

use crate::auth::SessionEnds;
use storage::state::State;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().unwrap());
    }
    map
}

fn gate(tokens: Vec<Token>) -> (tempfile::TempDir, Auth) {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state.db")).unwrap();
    let ends = SessionEnds { idle: Duration::from_secs(1_800), absolute: Duration::from_secs(43_200) };
    let directory = Arc::new(Directory::open(state, ends).unwrap());
    let roles = Roles::default();
    let config = AuthConfig { tokens, roles, requests_per_second: 10, site: Site::default(), oidc: None };
    (dir, Auth::new(config, directory, Arc::default()))
}

const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
const ELSEWHERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

#[test]
fn without_tokens_only_loopback_under_its_own_name() {
    let (_dir, auth) = gate(Vec::new());
    let allowed =
        |host, address| auth.caller(&Method::GET, &headers(&[("host", host)]), address, Door::Bearer).is_ok();
    assert!(allowed("127.0.0.1:7171", LOOPBACK));
    assert!(allowed("localhost:7171", LOOPBACK));
    assert!(allowed("[::1]:7171", LOOPBACK));
    assert!(!allowed("rebound.example.com:7171", LOOPBACK));
    assert!(!allowed("127.0.0.1:7171", ELSEWHERE));
    assert!(!allowed("127.0.0.1:7171", None));
}

#[test]
fn a_host_is_counted_as_one_whatever_address_it_takes() {
    let counted = |text: &str| counted(Some(text.parse().unwrap()));
    assert_eq!(counted("2001:db8:0:1::1"), counted("2001:db8:0:1:ffff::2"));
    assert_ne!(counted("2001:db8:0:1::1"), counted("2001:db8:0:2::1"));
    assert_eq!(counted("::ffff:192.0.2.7"), counted("192.0.2.7"));
    assert_ne!(counted("192.0.2.7"), counted("192.0.2.8"));
}

/// A proxy in front makes everybody look as if on this machine.
#[test]
fn whoever_comes_through_a_proxy_is_not_on_this_machine() {
    let (_dir, auth) = gate(Vec::new());
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"] {
        let sent = headers(&[("host", "127.0.0.1:7171"), (name, "192.0.2.1")]);
        assert!(auth.caller(&Method::GET, &sent, LOOPBACK, Door::Bearer).is_err(), "{name}");
    }
}

#[test]
fn an_authority_is_a_host() {
    let mut request = Request::builder().uri("https://a.example.com:7171/x").body(().into()).unwrap();
    name_host(&mut request);
    assert_eq!(request.headers()[header::HOST], "a.example.com:7171");
    let builder = Request::builder().uri("https://a.example.com/x").header("host", "b.example.com");
    let mut request = builder.body(().into()).unwrap();
    name_host(&mut request);
    assert_eq!(request.headers()[header::HOST], "b.example.com");
}

#[test]
fn doors_are_told_by_path() {
    for (path, door) in [
        ("/api/v1/ingest", Door::Bearer),
        ("/v1/logs", Door::Bearer),
        ("/services/collector", Door::Splunk),
        ("/services/collector/event", Door::Splunk),
        ("/services/collector/health", Door::Own),
        ("/hooks/github", Door::Own),
        ("/hooks", Door::Bearer),
        ("/hookshot", Door::Bearer),
        ("//hooks/github", Door::Bearer),
        ("/scim/v2/Users", Door::Scim),
        ("/scim", Door::Bearer),
    ] {
        assert_eq!(Door::of(path), door, "{path}");
    }
}

#[test]
fn with_tokens_nobody_without_one() {
    let analyst = Roles::default().named("analyst").unwrap();
    let tokens = vec![Token { name: "a".into(), role: analyst, hash: Token::hash_of("secret") }];
    let (_dir, auth) = gate(tokens);
    let through = |door, value: &str| {
        let caller = auth.caller(&Method::GET, &headers(&[("authorization", value)]), LOOPBACK, door);
        caller.map(|caller| caller.role.as_str().to_owned()).ok()
    };
    let role = |value: &str| through(Door::Bearer, value);
    assert_eq!(role("Bearer secret").as_deref(), Some("analyst"));
    assert_eq!(role("bearer secret").as_deref(), Some("analyst"));
    for bad in ["Bearer wrong", "Bearer", "Basic secret", "secret", "Bearer secret2", "Bearer "] {
        assert_eq!(role(bad), None, "{bad}");
    }
    assert!(auth.caller(&Method::GET, &HeaderMap::new(), LOOPBACK, Door::Bearer).is_err());
    let twice = headers(&[("authorization", "Bearer secret"), ("authorization", "Bearer secret")]);
    assert!(auth.caller(&Method::GET, &twice, LOOPBACK, Door::Bearer).is_err());
    // `x:secret`, `secret:` and `secret` in base64.
    for (value, is_good) in [
        ("Splunk secret", true),
        ("Bearer secret", true),
        ("Basic eDpzZWNyZXQ=", true),
        ("Basic c2VjcmV0Og==", false),
        ("Basic c2VjcmV0", false),
        ("Basic !", false),
    ] {
        assert_eq!(through(Door::Splunk, value).is_some(), is_good, "{value}");
    }
    assert_eq!(role("Splunk secret"), None);
    assert_eq!(role("Basic eDpzZWNyZXQ="), None);
}
