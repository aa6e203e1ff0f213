//! Rules that name lists of values.

use rules::{LoadOptions, Loaded, Placeholders, RuleSource, Scratch};

use crate::events;

fn load(item: &str, placeholders: &Placeholders) -> Loaded {
    let text = format!(
        "title: T\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71\nlevel: low\nlogsource: {{product: aws}}\n\
         detection:\n  selection:\n    {item}\n  condition: selection\n"
    );
    let options = LoadOptions { placeholders: placeholders.clone(), ..LoadOptions::default() };
    rules::load_with(&[RuleSource { path: "r.yml".into(), text }], &options)
}

fn lists(lists: &[(&str, &[&str])]) -> Placeholders {
    let mut placeholders = Placeholders::default();
    for (name, values) in lists {
        placeholders.set(name, values.iter().map(|value| (*value).to_owned()));
    }
    placeholders
}

fn matches(loaded: &Loaded, record: &str) -> bool {
    assert_eq!(loaded.counts.loaded, 1, "{:?}", loaded.diagnostics);
    let batch = events::normalized(&[record.to_owned()]).events;
    assert_eq!(batch.len(), 1);
    !loaded.rules.matches(&batch, &mut Scratch::default()).is_empty()
}

fn record(name: &str, value: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventTime":"2026-03-02T02:14:07Z","eventSource":"iam.amazonaws.com",
        "awsRegion":"us-east-1","eventName":"CreateUser","eventID":"1","{name}":"{value}"}}"#
    )
}

#[test]
fn with_every_modifier_that_takes_text() {
    let placeholders = lists(&[
        ("names", &["CreateUser", "Get*"]),
        ("pieces", &["eUse", "zzz"]),
        ("starts", &["Crea"]),
        ("ends", &["User"]),
        ("nets", &["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]),
        ("patterns", &["^Create(User|Role)$", "Put.*"]),
        ("words", &["User"]),
        ("tools", &["sq?lmap"]),
    ]);
    for (item, field, value, expected) in [
        ("eventName|expand: '%names%'", "eventName", "createuser", true),
        ("eventName|expand: '%names%'", "eventName", "Get*", true),
        ("eventName|expand: '%names%'", "eventName", "GetUser", false),
        ("eventName|expand|cased: '%names%'", "eventName", "createuser", false),
        ("eventName|contains|expand: '%pieces%'", "eventName", "CreateUser", true),
        ("eventName|expand|contains: '%pieces%'", "eventName", "Create", false),
        ("eventName|startswith|expand: '%starts%'", "eventName", "CreateUser", true),
        ("eventName|endswith|expand: '%ends%'", "eventName", "CreateUser", true),
        ("eventName|endswith|expand: '%ends%'", "eventName", "CreateUsers", false),
        ("sourceIPAddress|cidr|expand: '%nets%'", "sourceIPAddress", "192.0.2.77", true),
        ("sourceIPAddress|expand|cidr: '%nets%'", "sourceIPAddress", "2001:db8::1", true),
        ("sourceIPAddress|cidr|expand: '%nets%'", "sourceIPAddress", "192.0.3.1", false),
        ("eventName|re|expand: '%patterns%'", "eventName", "CreateRole", true),
        ("eventName|re|expand: '%patterns%'", "eventName", "CreatePolicy", false),
        ("eventName|expand: 'Create%words%'", "eventName", "CreateUser", true),
        ("eventName|expand: 'C*%words%'", "eventName", "CreateUser", true),
        ("eventName|expand: [DeleteUser, '%names%']", "eventName", "DeleteUser", true),
        ("eventName|expand|neq: '%names%'", "eventName", "CreateUser", false),
        ("eventName|expand|neq: '%names%'", "eventName", "DeleteUser", true),
        ("userAgent|expand|contains: '%tools%'", "userAgent", "x sq?lmap/1", true),
        ("userAgent|expand|contains: '%tools%'", "userAgent", "x sqllmap/1", false),
        ("eventName|expand: '100% CreateUser'", "eventName", "100% CreateUser", true),
    ] {
        let loaded = load(item, &placeholders);
        assert!(loaded.diagnostics.is_empty(), "{item}: {:?}", loaded.diagnostics);
        assert_eq!(matches(&loaded, &record(field, value)), expected, "{item} {value}");
    }
    assert!(matches(&load("'|expand': '%pieces%'", &placeholders), &record("x", "y")), "keywords");
}

#[test]
fn what_has_no_values_is_refused() {
    let placeholders = lists(&[("known", &["x"]), ("none", &[])]);
    for (item, problem) in [
        ("eventName|expand: '%unknown%'", "`%unknown%` has no values"),
        ("eventName|expand: '%known%-%unknown%'", "`%unknown%` has no values"),
        ("eventName|contains|expand: '%Known%'", "`%Known%` has no values"),
        ("eventName|cidr|expand: '%known%'", "`x` is no network"),
        ("eventName|expand: 7", "`expand` takes text"),
    ] {
        let loaded = load(item, &placeholders);
        let problems: Vec<_> = loaded.diagnostics.iter().map(|found| found.problem.as_str()).collect();
        assert!(loaded.counts.refused == 1 && problems[0].contains(problem), "{item}: {problems:?}");
    }
    let empty = load("eventName|expand: '%none%'", &placeholders);
    assert!(empty.diagnostics[0].problem.contains("is an empty list"), "{:?}", empty.diagnostics);
    assert!(!matches(&empty, &record("eventName", "x")));
}

#[test]
fn long_lists_ask_equality_and_little_else() {
    let many: Vec<String> = (0..100_000).map(|number| format!("198.51.{}.{number}", number % 256)).collect();
    let mut placeholders = Placeholders::default();
    placeholders.set("many", many);
    let loaded = load("sourceIPAddress|expand: '%many%'", &placeholders);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    assert!(matches(&loaded, &record("sourceIPAddress", "198.51.159.99999")));
    assert!(!matches(&loaded, &record("sourceIPAddress", "198.51.100.1")));
    for item in ["userAgent|contains|expand: '%many%'", "userAgent|expand: 'x%many%*'", "'|expand': '%many%'"]
    {
        let loaded = load(item, &placeholders);
        assert!(
            loaded.diagnostics[0].problem.contains("amount to 100000 values"),
            "{:?}",
            loaded.diagnostics
        );
    }
    let loaded = load("userAgent|expand: '%many%%many%%many%%many%%many%'", &placeholders);
    assert_eq!(loaded.counts.refused, 1);
}
