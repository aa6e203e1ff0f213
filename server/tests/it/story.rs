//! The bundled story, from files to alerts and answers.

use std::collections::BTreeMap;

use crate::running::{outcome, root, run, sql};

#[test]
fn the_story_is_found_and_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let story = root().join("demo/story").to_string_lossy().into_owned();

    let ingested = run(&["--data", &data, "ingest", "--json", "--source", "demo", &story]);
    let ingested: serde_json::Value = serde_json::from_str(&ingested).unwrap();
    assert_eq!(ingested["records"], 57);
    assert_eq!(ingested["dead_letters"], 0);

    let clouds =
        sql(folder.path(), "SELECT cloud_provider AS cloud, count(*) AS n FROM events GROUP BY 1 ORDER BY 1");
    let clouds: BTreeMap<_, _> =
        clouds.iter().map(|row| (row["cloud"].as_str().unwrap(), row["n"].as_u64().unwrap())).collect();
    assert_eq!(clouds, BTreeMap::from([("AWS", 30), ("Azure", 13), ("GCP", 14)]));

    let alerts = run(&["--data", &data, "alerts", "list", "--limit", "500", "--json"]);
    let alerts: serde_json::Value = serde_json::from_str(&alerts).unwrap();
    let alerts = alerts["alerts"].as_array().unwrap();
    for cloud in ["AWS", "Azure", "GCP"] {
        let found = alerts.iter().filter(|alert| alert["provider"] == cloud).count();
        assert!(found >= 4, "{found} alerts in {cloud}");
    }
    // The quiet part of the night raises nothing.
    assert!(alerts.iter().all(|alert| alert["time"].as_str().unwrap() > "2026-03-02T02:00:00Z"));

    let first = alerts[0]["id"].as_str().unwrap();
    let shown = run(&["--data", &data, "alerts", "show", &first[..12], "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let raw: serde_json::Value = serde_json::from_str(shown["evidence"][0]["raw"].as_str().unwrap()).unwrap();
    assert!(raw.is_object());

    // A second delivery of everything changes nothing but the count of duplicates.
    run(&["--data", &data, "ingest", "--source", "demo", &story]);
    let events = sql(folder.path(), "SELECT count(*) AS n, count(DISTINCT event_uid) AS d FROM events");
    assert_eq!((&events[0]["n"], &events[0]["d"]), (&57.into(), &57.into()));
    let again = sql(folder.path(), "SELECT count(*) AS n FROM alerts");
    assert_eq!(again[0]["n"], alerts.len());
    let sources = run(&["--data", &data, "sources", "--verify", "--json"]);
    let sources: serde_json::Value = serde_json::from_str(&sources).unwrap();
    let account = &sources["sources"][0];
    assert_eq!(account["received"], 114);
    assert_eq!(account["rows"], 57);
    assert_eq!(account["duplicates"], 57);
    assert_eq!(account["unaccounted"], 0);
    assert_eq!(account["rows_counted"], 57);
}

#[test]
fn an_alert_lives_its_life() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let story = root().join("demo/story/1-aws-cloudtrail.json").to_string_lossy().into_owned();
    run(&["--data", &data, "ingest", &story]);
    let id =
        sql(folder.path(), "SELECT id FROM alerts ORDER BY id LIMIT 1")[0]["id"].as_str().unwrap().to_owned();
    run(&["--data", &data, "alerts", "ack", &id]);
    run(&["--data", &data, "alerts", "close", &id, "--verdict", "benign", "--reason", "a drill"]);
    let refused = outcome(&["--data", &data, "alerts", "ack", &id]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is closed and cannot be acknowledged"));
    let shown = run(&["--data", &data, "alerts", "show", &id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["status"], "closed");
    assert_eq!(shown["verdict"], "benign");
    assert_eq!(shown["history"].as_array().unwrap().len(), 2);
}

#[test]
fn rules_run_over_files_without_a_store() {
    let story = root().join("demo/story").to_string_lossy().into_owned();
    let out = run(&["rules", "run", &story]);
    let matches: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches.len() >= 12, "{} matches", matches.len());
    for found in &matches {
        // What a correlation joins names its events.
        let events = found["events"].as_array().cloned().unwrap_or_else(|| vec![found.clone()]);
        for field in ["event_uid", "file", "record"] {
            assert!(events.iter().all(|event| !event[field].is_null()), "{field} is missing in {found}");
        }
        assert!(!found["rule_id"].is_null() && !found["title"].is_null(), "{found}");
    }
}
