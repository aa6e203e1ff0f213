//! Correlations as their users meet them: tests beside rules, runs over files, alerts that grow, history,
//! and rules that change while the server runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::running::{Server, outcome, run, sql};

const RULES: &str = "
title: A secret is read
id: 2b6a4f0e-57d5-4f3d-8f0e-0a4f5a1c9d01
name: secret_read
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: GetSecretValue}, condition: selection}
level: informational
---
title: Many secrets are read
id: 2b6a4f0e-57d5-4f3d-8f0e-0a4f5a1c9d02
name: secret_sweep
correlation:
  type: event_count
  rules: [secret_read]
  group-by: [actor]
  timespan: 10m
  condition: {gte: 3}
level: high
response: [Ask the owner of the key.]
";

const TESTS: &str = "
tests:
  - name: three within ten minutes
    sequence:
      - {at: 0m, repeat: 3, every: 4m, like: read}
    alerts: 1
  - name: too slow
    sequence:
      - {at: 0m, repeat: 3, every: 9m, like: read}
    alerts: 0
";

fn read(id: usize, minute: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","principalId":"AIDAX","arn":"arn:aws:iam::111122223333:user/dana","userName":"dana","accountId":"111122223333"}},"eventTime":"2026-03-01T10:{minute:02}:00Z","eventSource":"secretsmanager.amazonaws.com","eventName":"GetSecretValue","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"e{id}","requestID":"r{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// A folder with rules, their tests and the records of those.
fn folder(rules: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("records")).unwrap();
    std::fs::write(folder.path().join("sweep.yml"), rules).unwrap();
    std::fs::write(folder.path().join("sweep.test.yml"), TESTS).unwrap();
    std::fs::write(folder.path().join("records/read.yml"), format!("read: {}", read(0, 0))).unwrap();
    folder
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn write_log(folder: &Path, minutes: &[usize]) -> PathBuf {
    let path = folder.join("trail.ndjson");
    let records: Vec<_> = minutes.iter().enumerate().map(|(id, minute)| read(id, *minute)).collect();
    std::fs::write(&path, records.join("\n")).unwrap();
    path
}

#[test]
fn tests_beside_rules_pass_and_fail() {
    let rules = folder(RULES);
    let junit = rules.path().join("out.xml");
    let output = outcome(&["rules", "test", &text(rules.path()), "--junit", &text(&junit)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 tests: 2 passed, 0 failed"), "{said}");
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(xml.contains(r#"tests="2" failures="0""#) && xml.contains("too slow"), "{xml}");

    let rules = folder(&RULES.replace("timespan: 10m", "timespan: 1h"));
    let output = outcome(&["rules", "test", &text(&rules.path().join("sweep.yml"))]);
    assert_eq!(output.status.code(), Some(1));
    // The records lie in a folder that was not named.
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no record `read`"));
    let output = outcome(&["rules", "test", &text(rules.path())]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("too slow: FAILED: 1 alerts, 0 expected"), "{said}");
}

#[test]
fn the_shipped_rules_are_sound_and_pass_their_own_tests() {
    let output = outcome(&["rules", "check", "--strict"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output = outcome(&["rules", "test"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains(" 0 failed"), "{said}");
}

/// The story is one intrusion over three clouds, and is told as one.
#[test]
fn the_story_is_joined_across_clouds() {
    let story = crate::running::root().join("demo/story");
    let out = run(&["-q", "rules", "run", &text(&story)]);
    let found: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for title in [
        "Audit Logging Impaired In Two Clouds",
        "Secret Read, Then A Service Key Of Another Cloud Used From There",
    ] {
        let joined = found.iter().find(|found| found["title"] == title);
        let files: std::collections::BTreeSet<_> = joined
            .unwrap_or_else(|| panic!("`{title}` is not among {out}"))["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["file"].as_str().unwrap().to_owned())
            .collect();
        assert!(files.len() > 1, "{title}: {files:?}");
    }
}

#[test]
fn files_are_correlated_without_a_store() {
    let rules = folder(RULES);
    let log = write_log(rules.path(), &[0, 1, 2, 30]);
    let out = run(&["-q", "rules", "run", "--rules", &text(&rules.path().join("sweep.yml")), &text(&log)]);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "what only feeds a correlation is told with it: {out}");
    assert_eq!((&lines[0]["title"], &lines[0]["why"]), (&"Many secrets are read".into(), &"3 events".into()));
    let records: Vec<_> =
        lines[0]["events"].as_array().unwrap().iter().map(|event| &event["record"]).collect();
    assert_eq!(records, [0, 1, 2]);
}

#[test]
fn an_alert_of_the_stream_says_what_joins_it() {
    let rules = folder(RULES);
    let data = rules.path().join("data");
    let paths = text(&rules.path().join("sweep.yml"));
    let command = |arguments: &[&str]| {
        let mut command = crate::running::command(arguments);
        let output = command.env("STORMGLASS_RULES_PATHS", &paths).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (data, log) = (text(&data), write_log(rules.path(), &[0, 1, 2]));
    command(&["--data", &data, "-q", "ingest", &text(&log)]);
    let found = sql(Path::new(&data), "SELECT id, version FROM alerts WHERE title = 'Many secrets are read'");
    assert_eq!(found.len(), 1);
    let id = found[0]["id"].as_str().unwrap();
    let shown = command(&["--data", &data, "alerts", "show", id]);
    for part in [
        "joined by actor = ",
        "3 events since 2026-03-01T10:00:00Z: 3 events",
        "1. Ask the owner of the key.",
    ] {
        assert!(shown.contains(part), "`{part}` is not in: {shown}");
    }
    // The history gives what the stream gave.
    let tested: Value = serde_json::from_str(&command(&[
        "--data",
        &data,
        "rules",
        "backtest",
        "secret_sweep",
        "--since",
        "2026-03-01",
        "--json",
    ]))
    .unwrap();
    assert_eq!((&tested["alerts"], &tested["first"][0]["id"]), (&1.into(), &id.into()));
    let hunted = ["--data", &data, "rules", "hunt", "secret_sweep", "--since", "2026-03-01", "--json"];
    let hunted: Value = serde_json::from_str(&command(&hunted)).unwrap();
    assert_eq!((&hunted["alerts"], &hunted["raised"]), (&1.into(), &0.into()), "it is there already");
}

#[test]
fn a_hunt_raises_what_the_stream_did_not_know() {
    let rules = folder(RULES);
    let data = text(&rules.path().join("data"));
    let log = write_log(rules.path(), &[0, 1, 2]);
    run(&["--data", &data, "-q", "ingest", &text(&log)]);
    let own = text(&rules.path().join("sweep.yml"));
    let hunt = |what: &str| -> Value {
        let arguments = [
            "--data",
            &data,
            "rules",
            what,
            "secret_sweep",
            "--rules",
            &own,
            "--since",
            "2026-03-01",
            "--json",
        ];
        serde_json::from_str(&run(&arguments)).unwrap()
    };
    assert_eq!(hunt("backtest")["alerts"], 1);
    let count =
        || sql(Path::new(&data), "SELECT count(*) AS n FROM alerts WHERE title LIKE 'Many%'")[0]["n"].clone();
    assert_eq!(count(), 0, "a backtest raises nothing");
    assert_eq!(hunt("hunt")["raised"], 1);
    assert_eq!(hunt("hunt")["raised"], 0);
    assert_eq!(count(), 1);
    let output = outcome(&["--data", &data, "rules", "backtest", "no_such_rule"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no rule `no_such_rule`"));
}

/// A hunt may know events before those that the stream found; it is the same alert.
#[test]
fn a_hunt_that_knows_more_doubles_nothing() {
    let rules = folder(RULES);
    let data = text(&rules.path().join("data"));
    // The stream of this event had no such rule.
    run(&["--data", &data, "-q", "ingest", &text(&write_log(rules.path(), &[0]))]);
    let later = rules.path().join("later.ndjson");
    let records: Vec<_> = (1..4).map(|minute| read(minute, minute)).collect();
    std::fs::write(&later, records.join("\n")).unwrap();
    let own = text(&rules.path().join("sweep.yml"));
    let with_rules = |arguments: &[&str]| {
        let mut command = crate::running::command(arguments);
        let output = command.env("STORMGLASS_RULES_PATHS", &own).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    with_rules(&["--data", &data, "-q", "ingest", &text(&later)]);
    let alerts = || {
        let found = sql(
            Path::new(&data),
            "SELECT id, version, status, joined FROM alerts WHERE title LIKE 'Many secrets%'",
        );
        let of = |alert: &Value| {
            let joined: Value = serde_json::from_str(alert["joined"].as_str().unwrap()).unwrap();
            (alert["id"].clone(), alert["version"].clone(), alert["status"].clone(), joined["events"].clone())
        };
        found.iter().map(of).collect::<Vec<_>>()
    };
    let before = alerts();
    assert_eq!((before.len(), &before[0].3), (1, &3.into()));
    for _ in 0..2 {
        let hunt = ["--data", &data, "rules", "hunt", "secret_sweep", "--since", "2026-03-01", "--json"];
        let hunted: Value = serde_json::from_str(&with_rules(&hunt)).unwrap();
        assert_eq!((&hunted["alerts"], &hunted["raised"]), (&1.into(), &0.into()));
        assert_eq!(alerts(), [(before[0].0.clone(), 2.into(), "new".into(), 4.into())]);
    }
}

#[test]
fn rules_change_while_the_server_runs() {
    let rules = folder(RULES);
    let file = rules.path().join("sweep.yml");
    let data = rules.path().join("data");
    let server = Server::start(
        &data,
        &[("STORMGLASS_RULES_PATHS", &text(&file)), ("STORMGLASS_RULES_RELOAD_EVERY", "100 ms")],
    );
    let level = || {
        let list: Value =
            serde_json::from_str(&run(&["--url", &server.url, "rules", "list", "--json"])).unwrap();
        let rules = list["rules"].as_array().unwrap();
        let found = rules.iter().find(|rule| rule["title"] == "Many secrets are read");
        found.map(|rule| rule["level"].as_str().unwrap().to_owned())
    };
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done() {
            assert!(Instant::now() < deadline, "{what} did not come about within a minute");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    assert_eq!(level().as_deref(), Some("high"));
    std::fs::write(&file, RULES.replace("level: high", "level: critical")).unwrap();
    until("the new level", &|| level().as_deref() == Some("critical"));
    // A broken file keeps its last good version, and an alert says so.
    std::fs::write(&file, RULES.replace("timespan: 10m", "timespan: soon")).unwrap();
    let told = || {
        let alerts = run(&["--url", &server.url, "alerts", "list", "--json"]);
        alerts.contains("A Rule File Is Broken")
    };
    until("the alert about the broken file", &told);
    assert_eq!(level().as_deref(), Some("critical"));
    // Another fault in the same file is no other alert.
    std::fs::write(&file, RULES.replace("timespan: 10m", "timespan: later")).unwrap();
    let list = || -> Value {
        serde_json::from_str(&run(&["--url", &server.url, "rules", "list", "--json"])).unwrap()
    };
    until("the other fault", &|| list()["findings"].to_string().contains("`later`"));
    let alerts = || {
        let all = run(&["--url", &server.url, "alerts", "list", "--json"]);
        let all: Vec<Value> = all
            .lines()
            .flat_map(|line| {
                let page: Value = serde_json::from_str(line).unwrap();
                page["alerts"].as_array().cloned().unwrap_or_else(|| vec![page])
            })
            .collect();
        let told = all.iter().filter(|alert| alert["title"].as_str().unwrap().contains("Rule File"));
        told.map(|alert| {
            format!("{}: {}", alert["title"].as_str().unwrap(), alert["status"].as_str().unwrap())
        })
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    };
    assert_eq!(alerts(), ["A Rule File Is Broken: new"]);
    std::fs::write(&file, RULES).unwrap();
    until("the mended file", &|| level().as_deref() == Some("high"));
    until("the alert is closed", &|| alerts() == ["A Rule File Is Broken: closed"]);
    // The file goes away: what was read stays in use, and one finding and one alert say so.
    std::fs::remove_file(&file).unwrap();
    until("the alert about the missing file", &|| {
        alerts() == ["A Rule File Is Broken: closed", "Rule Files Cannot Be Read: new"]
    });
    let there = list();
    assert_eq!(there["findings"].as_array().unwrap().len(), 1, "{}", there["findings"]);
    assert!(there["findings"][0].as_str().unwrap().contains("sweep.yml"), "{}", there["findings"]);
    assert_eq!(level().as_deref(), Some("high"));
    std::fs::write(&file, RULES).unwrap();
    until("all is well", &|| {
        alerts() == ["A Rule File Is Broken: closed", "Rule Files Cannot Be Read: closed"]
            && list()["findings"].as_array().unwrap().is_empty()
    });
    server.terminate();
}

#[test]
fn a_new_rule_is_tried_on_a_running_server() {
    let rules = folder(RULES);
    let data = rules.path().join("data");
    let server = Server::start(&data, &[]);
    let input = rules.path().join("reads.ndjson");
    std::fs::write(&input, (0..5).map(|id| read(id, id) + "\n").collect::<String>()).unwrap();
    run(&["--url", &server.url, "-q", "ingest", &text(&input)]);
    let own = rules.path().join("own.yml");
    std::fs::write(&own, RULES.replace("secret_sweep", "not_in_use").replace("4f5a1c9d", "4f5a1c9e"))
        .unwrap();
    let (url, own_path) = (server.url.clone(), text(&own));
    let backtest = |more: &[&str]| {
        let known = ["--url", &url, "rules", "backtest", "not_in_use", "--json", "--since", "2026-03-01"];
        outcome(&[&known, more].concat())
    };
    let found = backtest(&["--until", "2026-03-02", "--rules", &own_path]);
    let result: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!((&result["alerts"], &result["events"]), (&1.into(), &5.into()), "{result}");
    let fails = |more: &[&str], why: &str| {
        let output = backtest(more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{more:?}: {said}");
    };
    fails(&[], "there is no rule `not_in_use`");
    fails(&["--until", "2026-02-01", "--rules", &own_path], "is not before `until`");
    std::fs::write(&own, "title: T\n").unwrap();
    fails(&["--rules", &own_path], "own.yml:1:1");
    std::fs::write(&own, format!("# {}\n{RULES}", "x".repeat(300_000))).unwrap();
    fails(&["--rules", &own_path], "together 256 KiB");
    let hunt = outcome(&["--url", &url, "rules", "hunt", "not_in_use", "--rules", &own_path]);
    assert!(!hunt.status.success());
    assert!(String::from_utf8_lossy(&hunt.stderr).contains("send `rules` to `backtest`"));
    let list = run(&["--url", &url, "rules", "list"]);
    assert!(!list.contains("not_in_use") && !list.contains("4f5a1c9e"), "nothing of it is in use");
    server.terminate();
}
