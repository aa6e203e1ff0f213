//! Published rules for Okta, GitHub, Kubernetes, Microsoft 365 and Google Workspace, over records made to their
//! measure: as each product writes what a rule asks for.

use std::collections::{BTreeMap, BTreeSet};

use rules::{RuleSource, Scratch};
use serde_json::{Value, json};

use crate::{corpus, events};

/// Rules whose conditions cannot hold on a record as the product writes it, and why.
const CANNOT: &[(&str, &str)] =
    &[("kubernetes_audit_potential_enumeration_activity", "it asks the numeric answer for a word")];

#[test]
fn rules_for_products_fire() {
    let Some(folder) = corpus::folder("sigma/sigmahq") else { return };
    let mut sources = corpus::files(&folder, ".yml");
    sources.retain(|source| product(source).is_some());
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut silent = BTreeSet::new();
    for source in &sources {
        let product = product(source).unwrap();
        let loaded = rules::load(std::slice::from_ref(source));
        // A rule that asks for values of the user's own is refused without them.
        if source.path.starts_with("rules-placeholder") {
            continue;
        }
        assert_eq!(loaded.rules.len(), 1, "{}: {:?}", source.path, loaded.diagnostics);
        let rule: Value = serde_saphyr::from_str(&source.text).unwrap();
        let records: Vec<String> =
            selections(&rule).iter().map(|fields| record(product, fields).to_string()).collect();
        let normalized = events::normalized(&records);
        assert!(normalized.rejects.is_empty(), "{}: {:?}\n{records:?}", source.path, normalized.rejects);
        let fires = !loaded.rules.matches(&normalized.events, &mut Scratch::default()).is_empty();
        let (fired, all) = counts.entry(product).or_default();
        *fired += usize::from(fires);
        *all += 1;
        let known = CANNOT.iter().any(|(name, _)| source.path.contains(name));
        if !fires && !known {
            silent.insert(format!("{}: {records:?}", source.path));
        }
    }
    println!("rules that fire, of all, by product: {counts:?}");
    assert!(silent.is_empty(), "{silent:#?}");
}

/// Whether one of the tests here is about the rule.
pub(crate) fn is_tested(source: &RuleSource) -> bool {
    let risks = ["service: riskdetection", "service: pim"];
    product(source).is_some() || risks.iter().any(|line| source.text.contains(line))
}

fn product(source: &RuleSource) -> Option<&'static str> {
    let known = [
        ("product: okta", "okta"),
        ("product: github", "github"),
        ("product: kubernetes", "kubernetes"),
        ("product: m365", "m365"),
        ("service: google_workspace", "workspace"),
    ];
    known.iter().find(|(line, _)| source.text.contains(line)).map(|(_, name)| *name)
}

type Fields = Vec<(String, String)>;

/// One set of fields and values for all selections of a rule together, and one for each alone.
fn selections(rule: &Value) -> Vec<Fields> {
    let mut all: Fields = Vec::new();
    let mut each = Vec::new();
    for (name, selection) in rule["detection"].as_object().unwrap() {
        if name == "condition" || name.starts_with("filter") {
            continue;
        }
        let first = selection.as_array().map_or(selection, |list| &list[0]);
        let Some(members) = first.as_object() else { continue };
        let fields: Fields = members.iter().map(|(key, value)| field(key, value)).collect();
        for (name, value) in &fields {
            // What two selections ask of one field is in it together.
            match all.iter_mut().find(|(known, _): &&mut (String, String)| known == name) {
                Some((_, known)) => known.push_str(&format!(" {value}")),
                None => all.push((name.clone(), value.clone())),
            }
        }
        each.push(fields);
    }
    // A login that is no address, for a rule that looks for passwords in its place.
    let mut odd = all.clone();
    odd.push(("actor.alternateId".to_owned(), "hunter2".to_owned()));
    each.push(all);
    if rule["logsource"]["product"] == "okta" {
        each.push(odd);
    }
    each
}

/// A field without its modifiers, and a value that they accept.
fn field(key: &str, value: &Value) -> (String, String) {
    let (name, modifiers) = key.split_once('|').unwrap_or((key, ""));
    let texts: Vec<String> = match value {
        Value::Array(values) => values.iter().map(text).collect(),
        other => vec![text(other)],
    };
    let wanted = if modifiers.contains("all") { texts.join(" ") } else { texts[0].clone() };
    (name.to_owned(), wanted)
}

fn text(value: &Value) -> String {
    match value.as_str() {
        Some("*") => "x".to_owned(),
        Some(text) => text.replace('*', ""),
        None => value.to_string(),
    }
}

/// A record of the product in which the fields have these values.
fn record(product: &str, fields: &Fields) -> Value {
    let mut record = match product {
        "okta" => json!({
            "eventType": "x", "published": "2026-05-01T10:00:00Z", "uuid": "u",
            "actor": {"id": "00u", "type": "User", "alternateId": "ana@example.com"},
            "outcome": {"result": "SUCCESS"},
        }),
        "github" => json!({"@timestamp": 1_777_629_600_000_i64, "actor": "ana", "org": "o", "action": "x"}),
        "kubernetes" => json!({
            "kind": "Event", "auditID": "a", "stage": "ResponseComplete", "verb": "get",
            "requestReceivedTimestamp": "2026-05-01T10:00:00Z", "user": {"username": "ana"},
        }),
        "m365" => json!({
            "CreationTime": "2026-05-01T10:00:00", "Id": "i", "RecordType": 1, "Operation": "x",
            "Workload": "Exchange", "UserId": "ana@example.com", "ResultStatus": "Success",
        }),
        _ => json!({
            "id": {"time": "2026-05-01T10:00:00Z", "applicationName": "admin", "uniqueQualifier": "1"},
            "actor": {"email": "ana@example.com"}, "events": [{"type": "t", "name": "x", "parameters": []}],
        }),
    };
    for (name, value) in fields {
        set(product, &mut record, name, value);
    }
    record
}

fn set(product: &str, record: &mut Value, name: &str, value: &str) {
    match (product, name) {
        ("kubernetes", "hostPath") => {
            record["requestObject"] = json!({"spec": {"volumes": [{"hostPath": {"path": value}}]}});
        }
        ("kubernetes", "capabilities") => {
            let context = json!({"capabilities": {"add": [value]}});
            record["requestObject"] = json!({"spec": {"containers": [{"securityContext": context}]}});
        }
        ("kubernetes", "apiGroup") => record["objectRef"]["apiGroup"] = value.into(),
        ("kubernetes", "responseStatus.code") if value.parse::<u16>().is_ok() => {
            record["responseStatus"]["code"] = value.parse::<u16>().unwrap().into();
        }
        ("m365", "Parameters" | "OperationProperties") => {
            record[name] = value.split(' ').map(|name| json!({"Name": name, "Value": "v"})).collect();
        }
        ("m365", "RequestType") => {
            record["ExtendedProperties"] = json!([{"Name": "RequestType", "Value": value}]);
        }
        ("m365", "eventSource") => record["Workload"] = value.into(),
        ("m365", "eventName") => record["Operation"] = value.into(),
        ("m365", "status") => record["ResultStatus"] = value.into(),
        ("workspace", "eventService" | "protoPayload.serviceName" | "protoPayload.Servicename") => {
            record["id"]["applicationName"] = value.trim_end_matches(".googleapis.com").into();
        }
        ("workspace", "eventName" | "protoPayload.metadata.event.eventName") => {
            record["events"][0]["name"] = value.into();
        }
        ("workspace", parameter) => {
            let parameters = record["events"][0]["parameters"].as_array_mut().unwrap();
            parameters.push(json!({"name": parameter.to_uppercase(), "value": value}));
        }
        _ => {
            let value = match value {
                "true" => true.into(),
                "false" => false.into(),
                text => Value::from(text),
            };
            // What rules take for one value of a list is in a list.
            let is_list = name.starts_with("target.");
            let mut place = record;
            let steps: Vec<_> = name.split('.').collect();
            for step in &steps[..steps.len() - 1] {
                place = &mut place[*step];
            }
            place[steps[steps.len() - 1]] = value;
            if is_list && !place.is_array() {
                *place = json!([place.take()]);
            }
        }
    }
}

/// A parameter counts under its own name: the value before a change is not the one after it.
#[test]
fn a_parameter_is_read_by_its_name() {
    let text = "title: T\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71\nlevel: low\n\
        logsource: {product: gcp, service: google_workspace.admin}\n\
        detection:\n  a: {new_value: 'false', protoPayload.Servicename: admin.googleapis.com}\n  condition: a\n";
    let loaded = rules::load(&[RuleSource { path: "r.yml".into(), text: text.to_owned() }]);
    let report = |before: &str, after: &str| {
        let parameters =
            json!([{"name": "OLD_VALUE", "value": before}, {"name": "NEW_VALUE", "value": after}]);
        json!({
            "id": {"time": "2026-05-01T10:00:00Z", "applicationName": "admin", "uniqueQualifier": before},
            "events": [{"type": "t", "name": "CHANGE_APPLICATION_SETTING", "parameters": parameters}],
        })
    };
    let entry = |before: &str, after: &str| {
        let parameters =
            json!([{"name": "OLD_VALUE", "value": before}, {"name": "NEW_VALUE", "value": after}]);
        json!({
            "insertId": before, "timestamp": "2026-05-01T10:00:00Z", "protoPayload": {
                "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "admin.googleapis.com",
                "methodName": "google.admin.AdminService.changeApplicationSetting",
                "metadata": {"event": [{"eventName": "CHANGE_APPLICATION_SETTING", "parameter": parameters}]},
            },
        })
    };
    let records =
        [report("false", "true"), report("true", "false"), entry("false", "true"), entry("true", "false")];
    let normalized = events::normalized(&records.map(|record| record.to_string()));
    assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
    let found = loaded.rules.matches(&normalized.events, &mut Scratch::default());
    assert_eq!(found.iter().map(|found| found.row).collect::<Vec<_>>(), [1, 3]);
}

/// The rules for risk detections and for Privileged Identity Management, each over a record as Graph gives it,
/// and as diagnostic settings send it.
#[test]
fn rules_for_entra_risk_fire() {
    let Some(folder) = corpus::folder("sigma/sigmahq") else { return };
    let mut sources = corpus::files(&folder, ".yml");
    let service = |source: &RuleSource| {
        ["service: riskdetection", "service: pim"].into_iter().find(|line| source.text.contains(line))
    };
    sources.retain(|source| service(source).is_some());
    assert!(sources.len() >= 26, "{}", sources.len());
    for source in &sources {
        let loaded = rules::load(std::slice::from_ref(source));
        assert_eq!((loaded.rules.len(), loaded.counts.waiting), (1, 0), "{}", source.path);
        let rule: Value = serde_saphyr::from_str(&source.text).unwrap();
        let kind = rule["detection"]["selection"]["riskEventType"].as_str().unwrap();
        let records = if service(source) == Some("service: pim") { role_alert(kind) } else { risk(kind) };
        let records = records.map(|record| record.to_string());
        let normalized = events::normalized(&records);
        assert!(normalized.rejects.is_empty(), "{}: {:?}", source.path, normalized.rejects);
        let found = loaded.rules.matches(&normalized.events, &mut Scratch::default());
        assert_eq!(found.len(), records.len(), "{}: {records:?}", source.path);
        let others = [risk("generic"), role_alert("otherAlertIncident")].concat();
        let others: Vec<String> = others.iter().map(Value::to_string).collect();
        let normalized = events::normalized(&others);
        assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
        assert!(loaded.rules.matches(&normalized.events, &mut Scratch::default()).is_empty());
    }
}

fn risk(kind: &str) -> [Value; 2] {
    let detection = json!({
        "id": kind, "riskEventType": kind, "riskState": "atRisk", "riskLevel": "medium",
        "activityDateTime": "2026-05-01T10:00:00Z", "userPrincipalName": "ana@example.com",
    });
    let hub = json!({
        "time": "2026-05-01T10:01:00Z", "category": "UserRiskEvents", "operationName": "User Risk Detection",
        "properties": detection,
    });
    [detection, hub]
}

fn role_alert(kind: &str) -> [Value; 2] {
    let alert = json!({
        "id": "a", "alertDefinitionId": "a", "incidentCount": 1, "isActive": true,
        "lastModifiedDateTime": "2026-05-01T10:00:00Z",
        "alertIncidents": [{"@odata.type": format!("#microsoft.graph.{kind}"), "id": "i"}],
    });
    let mut later = alert.clone();
    later["lastModifiedDateTime"] = "2026-05-02T10:00:00Z".into();
    [alert, later]
}

/// How many of the published rules match something in real logs.
#[test]
fn rules_for_products_over_real_records() {
    let Some(folder) = corpus::folder("sigma/sigmahq") else { return };
    let mut sources = corpus::files(&folder, ".yml");
    sources.retain(|source| product(source).is_some());
    let rules = rules::load(&sources).rules;
    let mut records = Vec::new();
    for (folder, ending) in [("okta", "json"), ("m365", "json"), ("k8s_audit", "json")] {
        let Some(folder) = corpus::folder(folder) else { continue };
        let files = corpus::files(&folder, ending);
        records.extend(files.iter().flat_map(|file| events::records(&file.text)));
    }
    for folder in ["expected/panther", "sekoia"] {
        let Some(folder) = corpus::folder(folder) else { continue };
        for file in corpus::files(&folder, "") {
            let Ok(tests) = serde_json::Deserializer::from_str(&file.text)
                .into_iter::<Value>()
                .collect::<Result<Vec<_>, _>>()
            else {
                continue;
            };
            records.extend(tests.iter().filter_map(|test| match &test["input"]["message"] {
                Value::String(message) => Some(message.clone()),
                _ => test.get("event").map(Value::to_string),
            }));
        }
    }
    let batch = events::normalized(&records).events;
    let mut fired: BTreeMap<&str, usize> = BTreeMap::new();
    let found = rules.matches(&batch, &mut Scratch::default());
    for matched in &found {
        *fired.entry(rules.rules()[matched.rule as usize].path()).or_default() += 1;
    }
    println!("{} of {} rules match among {} events: {fired:#?}", fired.len(), rules.len(), batch.len());
    assert!(fired.len() >= 10, "{fired:?}");
}
