//! The stream, the history and a rule's own tests give the same answer, whatever happens.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::running::{command, sql};

const BASES: &str = "
title: A secret is read
id: 6f1c2f5e-3c1b-4d0e-9a52-7b6e0d4c8a01
name: secret_read
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: GetSecretValue}, condition: selection}
level: informational
---
title: A policy is attached
id: 6f1c2f5e-3c1b-4d0e-9a52-7b6e0d4c8a02
name: policy_attached
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: AttachUserPolicy}, condition: selection}
level: informational
";

/// Name and what is asked.
const CORRELATIONS: [(&str, &str); 4] = [
    ("counted", "type: event_count\n  rules: [secret_read]\n  condition: {gte: 3}"),
    (
        "distinct",
        "type: value_count\n  rules: [secret_read, policy_attached]\n  condition: {field: sourceIPAddress, gte: 3}",
    ),
    ("ordered", "type: temporal_ordered\n  rules: [secret_read, policy_attached]"),
    ("together", "type: temporal\n  rules: [secret_read, policy_attached]"),
];

/// A call: the minute, who, from where, and whether it reads a secret.
type Call = (usize, usize, usize, bool);

fn record((minute, who, from, reads): Call) -> Value {
    let (user, address) = (["ann", "bob"][who], format!("192.0.2.{from}"));
    let (source, name) =
        if reads { ("secretsmanager", "GetSecretValue") } else { ("iam", "AttachUserPolicy") };
    json!({
        "eventVersion": "1.10", "eventTime": format!("2026-03-02T10:{minute:02}:00Z"),
        "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1",
        "sourceIPAddress": address, "userAgent": "aws-cli/2", "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAX", "accountId": "111122223333", "userName": user,
            "arn": format!("arn:aws:iam::111122223333:user/{user}"),
        },
    })
}

fn write_rules(folder: &Path) {
    std::fs::write(folder.join("bases.yml"), BASES).unwrap();
    for (number, (name, asked)) in CORRELATIONS.iter().enumerate() {
        let text = format!(
            "title: Rule {name}\nid: 6f1c2f5e-3c1b-4d0e-9a52-7b6e0d4c8b0{number}\nname: {name}\ncorrelation:\n  {asked}\n  \
             group-by: [userIdentity.userName]\n  timespan: 10m\nlevel: high\n"
        );
        std::fs::write(folder.join(format!("{name}.yml")), text).unwrap();
    }
}

/// What the command prints, with these rules alone.
fn printed(rules: &Path, arguments: &[&str]) -> String {
    let output = command(arguments).env("STORMGLASS_RULES_PATHS", rules).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn stream_history_and_tests_agree(
        calls in prop::collection::vec((0..50_usize, 0..2_usize, 1..4_usize, any::<bool>()), 1..25),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (rules, data) = (folder.path().join("rules"), folder.path().join("data"));
        std::fs::create_dir(&rules).unwrap();
        write_rules(&rules);
        let log = folder.path().join("trail.ndjson");
        // In the order in which they were made up: late and early ones together.
        let records: Vec<String> = calls
            .iter()
            .enumerate()
            .map(|(id, call)| {
                let mut record = record(*call);
                record["eventID"] = json!(format!("e{id}"));
                record.to_string()
            })
            .collect();
        std::fs::write(&log, records.join("\n")).unwrap();
        let (data_text, log) = (data.to_string_lossy().into_owned(), log.to_string_lossy().into_owned());
        printed(&rules, &["--data", &data_text, "-q", "ingest", &log]);
        for (name, _) in CORRELATIONS {
            let standing = format!("SELECT id FROM alerts WHERE title = 'Rule {name}' AND status = 'new'");
            let streamed: BTreeSet<String> =
                sql(&data, &standing).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
            let ask = ["--data", &data_text, "rules", "backtest", name, "--since", "2026-03-01", "--json"];
            let history: Value = serde_json::from_str(&printed(&rules, &ask)).unwrap();
            prop_assert_eq!(&history["alerts"], &json!(streamed.len()), "{}", name);
            let found = history["first"].as_array().unwrap().iter();
            let found: BTreeSet<String> =
                found.map(|alert| alert["id"].as_str().unwrap().to_owned()).collect();
            prop_assert!(found.is_subset(&streamed), "{}: {:?} and {:?}", name, found, streamed);
            // The same as a test: in order, backwards, and late with every event twice.
            let sequence: Vec<Value> = calls
                .iter()
                .map(|call| {
                    let mut record = record(*call);
                    record["eventID"] = json!("another each time");
                    json!({"at": format!("{}m", call.0), "record": record})
                })
                .collect();
            let test = json!({"tests": [{"name": "as it was", "sequence": sequence, "alerts": streamed.len()}]});
            std::fs::write(rules.join(format!("{name}.test.yml")), test.to_string()).unwrap();
        }
        printed(&rules, &["-q", "rules", "test", &rules.to_string_lossy()]);
    }
}
