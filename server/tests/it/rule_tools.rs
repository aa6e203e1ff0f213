//! The tools of whoever writes rules: explain, indicator lists, check, coverage.

use std::path::Path;

use serde_json::Value;

use crate::running::{outcome, root, run};

const RULE: &str = "
title: Call from a listed address
id: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71
name: listed
logsource: {product: aws, service: cloudtrail}
detection:
  selection:
    sourceIPAddress|expand: '%bad_addresses%'
    eventName: [GetCallerIdentity, ListUsers]
  condition: selection
level: high
";

/// A folder with a rule, a list of indicators and a configuration that names it.
fn folder() -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let list = write("bad.txt", "# from the feed\n203.0.113.66  # seen in March\n");
    let config = write("s.toml", &format!("[rules.placeholders]\nbad_addresses = \"file:{list}\"\n"));
    let rule = write("listed.yml", RULE);
    (folder, config, rule)
}

fn story() -> String {
    root().join("demo/story/1-aws-cloudtrail.json").to_string_lossy().into_owned()
}

fn stderr(arguments: &[&str], code: i32) -> String {
    let output = outcome(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

#[test]
fn explain_says_why_in_text_and_json() {
    let (_folder, config, rule) = folder();
    let found = run(&["--config", &config, "-q", "rules", "run", "--rules", &rule, &story()]);
    let first: Value = serde_json::from_str(found.lines().next().unwrap()).unwrap();
    let place = format!("{}:{}", story(), first["record"]);

    let text = run(&["--config", &config, "rules", "explain", &rule, &place]);
    for part in [
        "yes Call from a listed address (7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71): matches",
        "    yes sourceIPAddress|expand: %bad_addresses%\n        column src_endpoint_ip: \"203.0.113.66\"",
        "    yes eventName: GetCallerIdentity (of 2 values)",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let quiet = format!("{}:0", story());
    let json = run(&["--config", &config, "rules", "explain", "--rules", &rule, "listed", &quiet, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["matches"], false);
    let search = &json["readings"][0]["parts"][0];
    assert_eq!(search["text"], "selection");
    let item = &search["parts"][0];
    assert_eq!(item["holds"], false);
    assert_eq!(item["looked"][0]["place"], "column src_endpoint_ip");
    assert_eq!(item["looked"][0]["found"][0], "192.0.2.10");
}

#[test]
fn explain_says_what_is_missing() {
    let (folder, config, rule) = folder();
    let explain =
        |rule: &str, place: &str, code| stderr(&["--config", &config, "rules", "explain", rule, place], code);
    assert!(explain("nothing like it", &story(), 2).contains("there is no rule"), "unknown rule");
    assert!(explain(&rule, &format!("{}:9999", story()), 1).contains("has no record 9999"), "record");
    let other = folder.path().join("other.json").to_string_lossy().into_owned();
    std::fs::write(&other, "{\"a\": 1}\n").unwrap();
    assert!(explain(&rule, &other, 1).contains("the record is no event: unknown_log_type"), "no event");
    let gcp = root().join("demo/story/5-gcp-audit.ndjson:0").to_string_lossy().into_owned();
    let text = run(&["--config", &config, "rules", "explain", &rule, &gcp]);
    assert!(text.contains("the event is of gcp_audit; the rule reads aws_cloudtrail"), "{text}");
}

#[test]
fn placeholders_need_values() {
    let (folder, config, rule) = folder();
    run(&["--config", &config, "rules", "check", &rule]);
    let output = outcome(&["rules", "check", &rule]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("`%bad_addresses%` has no values"), "{said}");
    std::fs::remove_file(folder.path().join("bad.txt")).unwrap();
    let said = stderr(&["--config", &config, "rules", "check", &rule], 1);
    assert!(said.contains("rules.placeholders.bad_addresses"), "{said}");
    let shown = run(&["--config", &config, "config", "show"]);
    assert!(shown.contains("bad_addresses = \"file:") && shown.contains("# file, line 2"), "{shown}");
    assert!(Path::new(&rule).exists());
}

#[test]
fn check_warns_and_strict_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("never.yml");
    let text = RULE.replace("sourceIPAddress|expand: '%bad_addresses%'", "errorCode: Success");
    std::fs::write(&path, text).unwrap();
    let path = path.to_string_lossy().into_owned();
    let said = run(&["rules", "check", &path]);
    assert!(said.contains("never.yml:8:16: warning: `detection.selection.errorCode`"), "{said}");
    assert!(said.contains("the condition can never be true"), "{said}");
    let strict = outcome(&["rules", "check", "--strict", "--json", &path]);
    assert_eq!(strict.status.code(), Some(1));
    let lines = String::from_utf8(strict.stdout).unwrap();
    let findings: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings.len(), 2, "{lines}");
    assert!(findings.iter().all(|finding| finding["level"] == "warning" && finding["mend"] != ""), "{lines}");
}

#[test]
fn coverage_as_text_json_and_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tagged.yml");
    let text = RULE.replace("'%bad_addresses%'", "x").replace("|expand", "");
    std::fs::write(&path, text.replace("level: high", "level: high\ntags: [attack.t1562.008, attack.t1003]"))
        .unwrap();
    let path = path.to_string_lossy().into_owned();
    let layer = folder.path().join("layer.json");
    let layer_path = layer.to_string_lossy().into_owned();
    let text = run(&["rules", "coverage", &path, "--navigator", &layer_path]);
    for part in [
        "Defense Impairment (TA0112): 1 of ",
        "  T1685.002  Disable or Modify Cloud Log  1 rule  aws_cloudtrail",
        "Techniques beyond the cloud matrix\n  T1003",
        "1 of the ",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let layer: Value = serde_json::from_str(&std::fs::read_to_string(&layer).unwrap()).unwrap();
    assert_eq!(layer["versions"]["layer"], "4.5");
    assert_eq!(layer["versions"]["attack"], "19");
    assert_eq!(layer["domain"], "enterprise-attack");
    let techniques = layer["techniques"].as_array().unwrap();
    let ids: Vec<_> = techniques.iter().map(|technique| technique["techniqueID"].as_str().unwrap()).collect();
    assert_eq!(ids, ["T1685", "T1685.002"]);
    assert!(techniques[0].get("score").is_none() && techniques[0]["showSubtechniques"] == true);
    assert_eq!(
        (&techniques[1]["score"], &techniques[1]["tactic"]),
        (&1.into(), &"defense-impairment".into())
    );
    let json: Value = serde_json::from_str(&run(&["rules", "coverage", "--json"])).unwrap();
    assert_eq!(json["tactics"].as_array().unwrap().len(), 12);
    assert!(json["tactics"][0]["techniques"][2]["rules"][0]["title"].is_string(), "{}", json["tactics"][0]);
}

#[tokio::test]
async fn a_server_says_why_a_rule_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    let rule = |name: &str, logsource: &str, detection: &str| {
        format!(
            "title: {name}\nid: {name}\nstatus: test\nlevel: high\nlogsource: {{{logsource}}}\n\
             detection: {{selection: {{{detection}}}, condition: selection}}\n"
        )
    };
    let aws = "product: aws, service: cloudtrail";
    let sum = "title: sum\nid: sum\nlevel: low\ncorrelation: {type: event_count, rules: [there], \
               group-by: [requestParameters.noSuchKey], timespan: 1h, condition: {gte: 2}, generate: true}\n";
    let joined = |name: &str, type_: &str, of: &str, least: u32| {
        format!(
            "title: {name}\nid: {name}\nlevel: low\ncorrelation: {{type: {type_}, rules: [{of}], \
             group-by: [userIdentity.arn], timespan: 365d, condition: {{gte: {least}}}}}\ngenerate: true\n"
        )
    };
    let all = [
        joined("twice", "event_count", "there", 1),
        joined("under", "event_count", "there", 1),
        joined("over", "event_count", "under", 1000).replace("generate: true", ""),
        rule("there", aws, "eventName: GetCallerIdentity"),
        rule("missing", aws, "eventName: GetCallerIdentity, requestParameters.noSuchField: x"),
        rule("other", "product: cisco, service: duo", "action: x"),
        rule("unheard", "product: okta, service: okta", "eventType: x"),
        sum.to_owned(),
    ];
    std::fs::write(&rules, all.join("---\n")).unwrap();
    let paths = rules.to_string_lossy().into_owned();
    let settings = [("STORMGLASS_RULES_PATHS", paths.as_str()), ("STORMGLASS_RULES_SHIPPED", "false")];
    let server = crate::running::Server::start(&folder.path().join("data"), &settings);
    for _ in 0..2 {
        run(&["--url", &server.url, "-q", "ingest", &story()]);
    }
    let list: Value = serde_json::from_str(&run(&["--url", &server.url, "rules", "list", "--json"])).unwrap();
    let of = |title: &str| {
        let rules = list["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["title"] == title).unwrap().clone()
    };
    let there = of("there");
    let matched = there["matched"].as_u64().unwrap();
    assert!(matched > 0 && there["evaluated"].as_u64() > Some(matched), "{there}");
    assert_eq!((&there["suppressed"], &there["errored"]), (&0.into(), &0.into()), "a repeat is no match");
    assert_eq!(of("missing")["never_found"], serde_json::json!(["requestParameters.noSuchField"]));
    assert_eq!(of("other")["waits_for"], "cisco/duo");
    assert_eq!(of("unheard")["undelivered"], "okta/okta");
    assert!(there.get("undelivered").is_none() && of("other").get("undelivered").is_none());
    let sum = of("sum");
    assert_eq!(sum["errored"], matched, "no event has the key");
    assert_eq!((&sum["evaluated"], &sum["matched"], &sum["suppressed"]), (&0.into(), &0.into(), &0.into()));
    let twice = of("twice");
    assert_eq!((&twice["evaluated"], &twice["suppressed"]), (&matched.into(), &0.into()), "{twice}");
    assert!(twice["matched"].as_u64() > Some(0) && twice["matched"].as_u64() < Some(matched), "{twice}");
    // A correlation whose episodes only feed another says so, and the other takes them.
    let (under, over) = (of("under"), of("over"));
    assert_eq!((&under["matched"], &under["suppressed"]), (&twice["matched"], &twice["matched"]), "{under}");
    assert_eq!(over["evaluated"], under["matched"], "{over}");
    assert!(list["watermark"].is_string(), "{}", list["watermark"]);
    let sources: Value =
        serde_json::from_str(&run(&["--url", &server.url, "sources", "list", "--json"])).unwrap();
    for source in sources["sources"].as_array().unwrap() {
        assert_eq!(source["watermark"], source["last_event"], "{source}");
        assert!(source["event_lag_seconds"].as_i64() > Some(0), "the story is of the past: {source}");
    }
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    for name in
        ["correlation_watermark_age_seconds ", "source_watermark_age_seconds{", "source_event_lag_seconds{"]
    {
        assert!(metrics.contains(&format!("\nstormglass_{name}")), "{name}");
    }
    let text = run(&["--url", &server.url, "rules", "list"]);
    assert!(text.contains("no event had requestParameters.noSuchField"), "{text}");
    assert!(text.contains("no event of okta/okta came since the start"), "{text}");
    assert!(text.contains("waits for cisco/duo"), "{text}");
    server.terminate();
}
