//! Real logs, where they are at hand: what they are known to hold comes out.

use crate::running::{corpus, run, sql};

/// A real account's trail of five days, delivered with 6,496 records twice.
#[test]
fn a_real_trail_has_every_event_once() {
    let Some(trail) = corpus().map(|corpus| corpus.join("cloudtrail/sans504_lab")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let told = run(&["--data", &data, "ingest", "--json", &trail.to_string_lossy()]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["records"], &told["dead_letters"]), (&30_477.into(), &0.into()));
    let rows = sql(
        folder.path(),
        "SELECT count(*) AS n, count(DISTINCT metadata_uid) AS ids, count(DISTINCT cloud_region) AS regions \
         FROM events",
    );
    assert_eq!(rows[0], serde_json::json!({ "n": 23_981, "ids": 23_981, "regions": 13 }));
    let sources = run(&["--data", &data, "sources", "--verify", "--json"]);
    let sources: serde_json::Value = serde_json::from_str(&sources).unwrap();
    let account = &sources["sources"][0];
    assert_eq!((&account["rows"], &account["duplicates"]), (&23_981.into(), &6_496.into()));
    assert_eq!(account["unaccounted"], 0);
}

/// Everything else: whatever it is, each record is a row, a duplicate or a dead letter with a reason.
#[test]
fn every_record_of_every_kind_has_one_fate() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    for kind in ["azure_activity", "entra_signin", "entra_audit", "gcp_audit", "m365", "okta", "dns_route53"]
    {
        let path = corpus.join(kind);
        run(&["--data", &data, "ingest", "--source", kind, &path.to_string_lossy()]);
    }
    let sources = run(&["--data", &data, "sources", "--verify", "--json"]);
    let sources: serde_json::Value = serde_json::from_str(&sources).unwrap();
    for account in sources["sources"].as_array().unwrap() {
        assert!(account["received"].as_u64().unwrap() > 0, "{account}");
        assert_eq!(account["unaccounted"], 0, "{account}");
    }
    let letters = sql(
        folder.path(),
        "SELECT count(*) AS n FROM dead_letters WHERE reason IS NULL OR reason = '' OR record IS NULL",
    );
    assert_eq!(letters[0]["n"], 0);
}
