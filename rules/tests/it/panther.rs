//! Correlations that another project wrote down as data, with verdicts; and its stories.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use rules::{LoadOptions, Mappings, RuleSet, RuleSource, Scratch};
use serde_json::{Value, json};

use crate::{corpus, events, sequence};

/// Groups of rules within a window that share a value, some of them so often, some not at all: our `temporal`,
/// over an `event_count` where a number is asked for. Their groups have no order, also those that are called
/// chronological: their own tests say so.
#[test]
fn correlations() {
    let Some(folder) = corpus::folder("expected/panther") else { return };
    let text = std::fs::read_to_string(folder.join("correlation_rules.jsonl")).unwrap();
    let (mut right, mut wrong) = (0, Vec::new());
    for line in text.lines() {
        let rule: Value = serde_json::from_str(line).unwrap();
        let name = rule["source_rule_id"].as_str().unwrap();
        let (rules, groups) = express(&rule["detection"][0]);
        for test in rule["tests"].as_array().unwrap() {
            let mut told = sequence::told(&rules, &records(test, &groups));
            told.retain(|title| title == "outer");
            if told.is_empty() == (test["ExpectedResult"] == false) {
                right += 1;
            } else {
                wrong.push(format!("{name}: {}", test["Name"]));
            }
        }
    }
    println!("correlations: {right} right, {} wrong", wrong.len());
    assert!(wrong.is_empty() && right >= 50, "{right} right; wrong: {wrong:#?}");
}

/// The rule in our words, and the ids of its groups.
fn express(detection: &Value) -> (Arc<RuleSet>, Vec<String>) {
    let groups = detection["Group"].as_array().unwrap();
    let minutes = detection["LookbackWindowMinutes"].as_u64().unwrap_or(15);
    let criteria = detection["MatchCriteria"]["field_name"].as_array().cloned().unwrap_or_default();
    let field = |id: &str| {
        let own = criteria.iter().find(|criterion| criterion["GroupID"] == id)?;
        Some(format!("requestParameters.{}", own["Match"].as_str()?))
    };
    let mut text = String::new();
    let (mut parts, mut outer_aliases) = (Vec::new(), Vec::new());
    for (number, group) in groups.iter().enumerate() {
        let id = group["ID"].as_str().unwrap();
        write!(
            text,
            "title: g{number}\nid: g{number}\nname: g{number}\nlevel: low\n\
             logsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{selection: {{eventName: '{id}'}}, condition: selection}}\n---\n"
        )
        .unwrap();
        let part = match group["MinMatchCount"].as_u64() {
            None => {
                outer_aliases.extend(field(id).map(|field| format!("g{number}: {field}")));
                format!("g{number}")
            }
            Some(least) => {
                let field = field(id).unwrap();
                write!(
                    text,
                    "title: c{number}\nid: c{number}\nname: c{number}\nlevel: low\ncorrelation: {{type: event_count, \
                     rules: [g{number}], aliases: {{key: {{g{number}: {field}}}}}, group-by: [key], \
                     timespan: {minutes}m, condition: {{gte: {least}}}}}\n---\n"
                )
                .unwrap();
                format!("c{number}")
            }
        };
        parts.push((part, group["Absence"] == true));
    }
    let names: Vec<_> = parts.iter().map(|(part, _)| part.as_str()).collect();
    let condition: Vec<_> = parts
        .iter()
        .map(|(part, absent)| if *absent { format!("not {part}") } else { part.clone() })
        .collect();
    let key = if criteria.is_empty() {
        String::new()
    } else if outer_aliases.is_empty() {
        "group-by: [key], ".into()
    } else {
        format!("aliases: {{key: {{{}}}}}, group-by: [key], ", outer_aliases.join(", "))
    };
    write!(
        text,
        "title: outer\nid: outer\nname: outer\nlevel: high\ncorrelation: {{type: temporal, rules: [{}], {key}\
         timespan: {minutes}m, condition: {}}}\n",
        names.join(", "),
        condition.join(" and "),
    )
    .unwrap();
    let loaded = rules::load(&[RuleSource { path: "panther.yml".into(), text: text.clone() }]);
    assert_eq!(
        loaded.rules.correlations().last().map(|rule| rule.title()),
        Some("outer"),
        "{text}\n{:?}",
        loaded.diagnostics
    );
    let ids = groups.iter().map(|group| group["ID"].as_str().unwrap().to_owned()).collect();
    (Arc::new(loaded.rules), ids)
}

/// A record for each time at which a test lets a group match.
fn records(test: &Value, groups: &[String]) -> Vec<String> {
    let mut records = Vec::new();
    for output in test["RuleOutputs"].as_array().unwrap() {
        let id = output["ID"].as_str().unwrap();
        assert!(groups.iter().any(|group| group == id), "{id}");
        for (field, values) in output["Matches"].as_object().unwrap() {
            for (value, times) in values.as_object().unwrap() {
                for time in times.as_array().unwrap() {
                    let time = match time.as_i64() {
                        // Minutes from some beginning.
                        Some(minutes) => {
                            format!(
                                "2026-03-{:02}T{:02}:{:02}:00Z",
                                1 + minutes / 1440,
                                minutes / 60 % 24,
                                minutes % 60
                            )
                        }
                        None => time.as_str().unwrap().to_owned(),
                    };
                    let mut parameters = serde_json::Map::new();
                    parameters.insert(field.clone(), value.as_str().into());
                    let record = json!({
                        "eventVersion": "1.11", "eventTime": time, "eventName": id,
                        "eventSource": "test.amazonaws.com", "eventID": format!("e{}", records.len()),
                        "requestParameters": parameters,
                    });
                    records.push(record.to_string());
                }
            }
        }
    }
    records
}

/// Its story in AWS: a sequence that fires on the attacker's log and not on the victim's.
#[test]
fn scenarios() {
    const RULES: &str = "
title: login
id: login
name: login
level: low
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Success}, condition: selection}
---
title: key
id: key
name: key
level: low
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: CreateAccessKey}, condition: selection}
---
title: user
id: user
name: user
level: low
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: CreateUser}, condition: selection}
---
title: policy
id: policy
name: policy
level: low
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: AttachUserPolicy}, condition: selection}
---
title: login then persistence
id: chain
level: high
correlation: {type: temporal_ordered, rules: [login, key, user, policy], group-by: [sourceIPAddress], timespan: 1h}
";
    let Some(folder) = corpus::folder("expected/panther_scenarios") else { return };
    let loaded = rules::load(&[RuleSource { path: "story.yml".into(), text: RULES.into() }]);
    let rules = Arc::new(loaded.rules);
    let told = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let stories: Value = serde_json::from_str(&text).unwrap();
        let logs = stories.as_array().unwrap().iter().flat_map(|story| story["Logs"].as_array().unwrap());
        sequence::told(&rules, &logs.map(Value::to_string).collect::<Vec<_>>())
    };
    assert_eq!(told("enrichment-example__attacker_cloudtrail.json"), ["login then persistence"]);
    assert_eq!(told("enrichment-example__victim_cloudtrail.json"), [""; 0]);
}

/// Okta's log is not one of ours yet: bare records, and fields that are plain paths.
#[test]
fn okta_scenarios() {
    const MAPPING: &str = "
        logsources: [{product: okta}]
        log_types: [aws_cloudtrail]
    ";
    const RULES: &str = "
title: failed
id: failed
name: failed
level: low
logsource: {product: okta, service: okta}
detection: {selection: {eventType: user.session.start, outcome.result: FAILURE}, condition: selection}
---
title: succeeded
id: succeeded
name: succeeded
level: low
logsource: {product: okta, service: okta}
detection: {selection: {eventType: user.session.start, outcome.result: SUCCESS}, condition: selection}
---
title: administrator
id: administrator
name: administrator
level: low
logsource: {product: okta, service: okta}
detection: {selection: {eventType: user.account.privilege.grant, outcome.result: SUCCESS}, condition: selection}
---
title: guessed
id: guessed
name: guessed
level: high
correlation: {type: temporal_ordered, rules: [failed, succeeded], x-counts: {failed: 5}, group-by: [actor.alternateId], timespan: 1h}
---
title: guessed, then administrator
id: chain
level: high
correlation: {type: temporal_ordered, rules: [guessed, administrator], group-by: [actor.alternateId], timespan: 2d, generate: true}
";
    let Some(folder) = corpus::folder("expected/panther_scenarios") else { return };
    let source = |text: &str| vec![RuleSource { path: "okta.yml".into(), text: text.into() }];
    let (mappings, diagnostics) = Mappings::parse(&source(MAPPING));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let options = LoadOptions { mappings, ..LoadOptions::default() };
    let loaded = rules::load_with(&source(RULES), &options);
    assert_eq!(loaded.rules.correlations().len(), 2, "{:?}", loaded.diagnostics);
    let rules = Arc::new(loaded.rules);
    let told = |stories: &[&str]| {
        let mut logs = Vec::new();
        for name in stories {
            let path = folder.join(format!("okta-add-administrator__{name}.json"));
            let story: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let all = story.as_array().unwrap().iter().flat_map(|story| story["Logs"].as_array().unwrap());
            logs.extend(all.map(|log| (log["published"].as_str().unwrap().to_owned(), log.to_string())));
        }
        sequence::told_of(&rules, &events::bare_at(&logs))
    };
    let (guessed, chain) = ("guessed".to_owned(), "guessed, then administrator".to_owned());
    assert_eq!(told(&["legit_login"]), [""; 0]);
    assert_eq!(told(&["admin_privs_assigned"]), [""; 0]);
    assert_eq!(told(&["brute_force_logins"]), ["guessed"]);
    let mut all = told(&["legit_login", "brute_force_logins", "new-user", "admin_privs_assigned"]);
    all.sort();
    assert_eq!(all, [guessed, chain]);
}

/// Rows of [`single_events`] that are left out: the source rule, the row and the reason.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    ("AWS.EC2.Startup.Script.Change", "ModifyInstanceAttribute-NoUserData", SPELLING),
    ("AWS.EC2.Startup.Script.Change", "NoModifyInstanceAttribute", SPELLING),
    ("GCP.Logging.Settings.Modified", "Other Event", SPELLING),
];

/// Source rules with rows for and against that have no rule of ours, and the reason.
const NOT_EXPRESSED: &[(&str, &str)] = &[
    ("AWS.EC2.Vulnerable.XZ.Image.Launched", LIST),
    ("AWS.IPSet.Modified", SPELLING),
    ("AWS.LAMBDA.CRUD", LIST),
    ("AWS.S3.CopyObjectToExternalAccountBucket", "one element of a list that differs from a field"),
    ("Azure.MonitorActivity.Storage.Blob.BulkExtraction", RESOURCE_LOG),
    ("Azure.MonitorActivity.Storage.Blob.CPKEncryptionDetected", RESOURCE_LOG),
    ("Azure.MonitorActivity.Storage.Blob.Uploaded", RESOURCE_LOG),
    ("GCP.K8s.IOC.Activity", "the event is a single field and no log entry"),
    ("Standard.GreyNoiseV3.MaliciousIP", LOOKUP),
    ("Standard.OTX.MaliciousIndicator", LOOKUP),
];

const SPELLING: &str = "names of fields that the cloud never writes: all in lower case";
const LIST: &str = "a list that only the source's code holds";
const RESOURCE_LOG: &str = "a storage account's own log, which is not one of ours";
const LOOKUP: &str = "what a lookup adds to the event decides";

/// The tests of rules over single events: rules of our own, one a file, each linked by `source_rule_id`, must
/// say of every event what the tests expect.
#[test]
fn single_events() {
    let Some(folder) = corpus::folder("expected/panther") else { return };
    let truth = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth/panther");
    let mut known = BTreeMap::new();
    for source in corpus::files(&truth, ".yml") {
        let id = source.text.lines().find_map(|line| line.strip_prefix("source_rule_id: ")).unwrap();
        let (id, file) = (id.to_owned(), source.path.clone());
        assert_eq!(file, format!("{}.yml", id.to_lowercase().replace('.', "_")));
        let loaded = rules::load(&[source]);
        assert_eq!(loaded.rules.len(), 1, "{file}: {:?}", loaded.diagnostics);
        known.insert(id, loaded.rules);
    }
    let mut seen: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let (mut right, mut wrong, mut left_out, mut mocked) = (0, Vec::new(), 0, 0);
    for file in ["AWS.CloudTrail", "Azure.Audit", "Azure.MonitorActivity", "GCP.AuditLog"] {
        let text = std::fs::read_to_string(folder.join(format!("{file}.jsonl"))).unwrap();
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let (id, name) = (row["source_rule_id"].as_str().unwrap(), row["name"].as_str().unwrap());
            if !row["mocks"].is_null() {
                mocked += usize::from(known.contains_key(id));
                continue;
            }
            let expected = row["expected"].as_bool().unwrap();
            seen.entry(id.to_owned()).or_default()[usize::from(expected)] += 1;
            let Some(rules) = known.get(id) else { continue };
            if LEFT_OUT.iter().any(|(rule, row, _)| (*rule, *row) == (id, name)) {
                left_out += 1;
                continue;
            }
            match judge(rules, &row["event"]) {
                Ok(matched) if matched == expected => right += 1,
                Ok(_) => wrong.push(format!("{id}: {name}: {expected} expected")),
                Err(reason) => wrong.push(format!("{id}: {name}: {reason}")),
            }
        }
    }
    let both = |counts: &[usize; 2]| counts.iter().all(|count| *count > 0);
    let missing: Vec<_> = seen
        .iter()
        .filter(|(id, counts)| both(counts) && !known.contains_key(*id))
        .filter(|(id, _)| !NOT_EXPRESSED.iter().any(|(known, _)| known == id))
        .collect();
    let both = known.keys().filter(|id| seen.get(*id).is_some_and(both)).count();
    println!(
        "panther: {} rules, {both} with rows for and against; {right} rows right, {} wrong, {left_out} left out, \
         {mocked} with mocks",
        known.len(),
        wrong.len()
    );
    assert!(missing.is_empty(), "neither a rule nor a reason: {missing:?}");
    assert!(wrong.is_empty() && both >= 125 && right >= 400, "{right} right; wrong: {wrong:#?}");
}

/// Whether the rule matches the event, or why it is no event. Many rows leave out the time or hide it.
fn judge(rules: &RuleSet, event: &Value) -> Result<bool, String> {
    let mut event = event.as_object().unwrap().clone();
    // What the source itself adds.
    event.retain(|field, _| !field.starts_with("p_"));
    let normalized = |event: &serde_json::Map<String, Value>| {
        events::normalized(&[Value::Object(event.clone()).to_string()])
    };
    let mut found = normalized(&event);
    if found.rejects.iter().any(|reject| reject.reason.as_str().ends_with("_time")) {
        let field = if event.contains_key("protoPayload") { "timestamp" } else { "eventTime" };
        event.insert(field.into(), "2026-03-02T10:00:00Z".into());
        found = normalized(&event);
    }
    match found.rejects.first() {
        Some(reject) => Err(format!("{}: {}", reject.reason.as_str(), reject.detail)),
        None => Ok(!rules.matches(&found.events, &mut Scratch::default()).is_empty()),
    }
}
