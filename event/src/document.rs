//! An event as the nested JSON document that OCSF describes.

use serde_json::{Map, Value, json};

use crate::column::{COLUMNS, Column, Kind};
use crate::{Col, EventBatch};

/// The OCSF document of one row: every column at its path, the observables derived from the columns
/// that hold them, and the profiles named that its members belong to. Times are milliseconds, as OCSF has them.
///
/// `None` if there is no such row.
pub fn ocsf_document(batch: &EventBatch, row: usize) -> Option<Value> {
    if row >= batch.len() {
        return None;
    }
    let mut document = Map::new();
    let mut observables = Vec::new();
    for column in COLUMNS {
        let Some(value) = cell(batch, column.col, column.kind, row) else { continue };
        if column.observable > 0
            && let Value::String(text) = &value
        {
            observables.push((column, text.clone()));
        }
        if !column.ocsf.is_empty() {
            put(&mut document, column.ocsf, value);
        }
    }
    let profiles = profiles(&document);
    put(&mut document, "metadata.profiles", profiles);
    place_resources(&mut document, batch, row);
    place_evidence(&mut document);
    if is_base_event(&document)
        && let Some(endpoint) = document.remove("src_endpoint")
    {
        put(&mut document, "unmapped.src_endpoint", endpoint);
    }
    if !observables.is_empty() {
        let observables =
            observables.into_iter().map(|(column, text)| observable(&document, column, &text)).collect();
        document.insert("observables".into(), Value::Array(observables));
    }
    Some(Value::Object(document))
}

/// The profiles that the document's members belong to.
fn profiles(document: &Map<String, Value>) -> Value {
    let mut profiles = vec!["cloud"];
    let has = |names: &[&str]| names.iter().any(|name| document.contains_key(*name));
    if has(&["action_id", "disposition_id", "firewall_rule"]) {
        profiles.push("security_control");
    }
    if has(&["load_balancer"]) {
        profiles.push("load_balancer");
    }
    if has(&["verdict_id"]) {
        profiles.push("incident");
    }
    json!(profiles)
}

/// Puts the list of resources where the document's class has one, completed by the columns of the first:
/// User Access Management and API Activity list `resources`, the other classes of audit logs do not.
fn place_resources(document: &mut Map<String, Value>, batch: &EventBatch, row: usize) {
    let mut resources = match document.remove("resources") {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let columns = [(Col::ResourceUid, "uid"), (Col::ResourceName, "name"), (Col::ResourceType, "type")];
    let columns = columns.map(|(col, key)| (key, batch.str_at(col, row)));
    if resources.is_empty() && columns[..2].iter().any(|(_, text)| text.is_some()) {
        resources.push(json!({}));
    }
    match resources.first_mut() {
        Some(Value::Object(first)) => {
            for (key, text) in columns {
                if let Some(text) = text {
                    first.entry(key).or_insert_with(|| text.into());
                }
            }
        }
        // A type alone is no resource: OCSF wants a name or an id.
        _ => {
            if let (_, Some(kind)) = columns[2] {
                put(document, "unmapped.resource_type", kind.into());
            }
        }
    }
    if !resources.is_empty() {
        let path = format!("{}resources", resources_parent(document));
        put(document, &path, Value::Array(resources));
    }
}

/// A Base Event has no endpoints; the machine that wrote it is kept all the same.
fn is_base_event(document: &Map<String, Value>) -> bool {
    document.get("class_uid").and_then(Value::as_i64) == Some(0)
}

/// The path, with its dot, below which the document's class has resources.
fn resources_parent(document: &Map<String, Value>) -> &'static str {
    match class_uid(document) {
        Some(DETECTION_FINDING | 3005 | 6003) => "",
        _ => "unmapped.",
    }
}

fn class_uid(document: &Map<String, Value>) -> Option<i64> {
    document.get("class_uid").and_then(Value::as_i64)
}

const DETECTION_FINDING: i64 = 2004;

/// What a finding says of who did what from where: OCSF has it in the finding's evidence.
const EVIDENCE: [&str; 7] = ["actor", "api", "databucket", "file", "http_request", "src_endpoint", "user"];

/// Moves these attributes of a finding into its first evidence.
fn place_evidence(document: &mut Map<String, Value>) {
    if class_uid(document) != Some(DETECTION_FINDING) {
        return;
    }
    let mut evidence = Map::new();
    for key in EVIDENCE {
        evidence.extend(document.remove(key).map(|value| (key.to_owned(), value)));
    }
    if evidence.is_empty() {
        return;
    }
    match document.entry("evidences").or_insert_with(|| json!([])) {
        Value::Array(list) => list.insert(0, Value::Object(evidence)),
        other => *other = json!([evidence]),
    }
}

/// An observable, with the path at which the document has it.
fn observable(document: &Map<String, Value>, column: &Column, text: &str) -> Value {
    let name = match column.ocsf {
        "" => {
            format!("{}{}", resources_parent(document), column.name.replacen("resource_", "resources[].", 1))
        }
        path if class_uid(document) == Some(DETECTION_FINDING)
            && path.split('.').next().is_some_and(|head| EVIDENCE.contains(&head)) =>
        {
            format!("evidences[].{path}")
        }
        path if is_base_event(document) && path.starts_with("src_endpoint.") => format!("unmapped.{path}"),
        path => path.to_owned(),
    };
    json!({ "name": name, "type_id": column.observable, "value": text })
}

fn cell(batch: &EventBatch, col: Col, kind: Kind, row: usize) -> Option<Value> {
    match kind {
        Kind::Label | Kind::Text => batch.str_at(col, row).map(Into::into),
        Kind::Json => {
            let text = batch.str_at(col, row)?;
            Some(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
        }
        Kind::Int | Kind::Long | Kind::Day => batch.int_at(col, row).map(Into::into),
        Kind::Time => batch.int_at(col, row).map(|micros| micros.div_euclid(1000).into()),
        Kind::Flag => batch.flag_at(col, row).map(Into::into),
        Kind::Float => batch.float_at(col, row).map(|number| json!(number)),
    }
}

fn put(document: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            document.insert(path.into(), value);
        }
        Some((head, rest)) => {
            if let Value::Object(inner) = document.entry(head).or_insert_with(|| json!({})) {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventBuilder;

    #[test]
    fn columns_nest_at_their_paths() {
        let mut row = EventBuilder::new();
        row.time(Col::Time, 1_700_000_000_123_456);
        for col in [Col::EventUid, Col::LogType, Col::Source] {
            row.text(col, "x");
        }
        row.text(Col::CloudProvider, "AWS");
        for col in [Col::ClassUid, Col::CategoryUid, Col::ActivityId, Col::SeverityId] {
            row.int(col, 1);
        }
        row.long(Col::TypeUid, 600301);
        row.long(Col::LogOffset, 0);
        row.text(Col::SrcEndpointIp, "192.0.2.1");
        row.text(Col::ApiRequestData, r#"{"a":[1]}"#);
        row.text(Col::ResourceUid, "arn:x");
        row.finish_row();
        let batch = row.finish().unwrap();
        let document = ocsf_document(&batch, 0).unwrap();
        assert_eq!(document["time"], 1_700_000_000_123_i64);
        assert_eq!(document["cloud"]["provider"], "AWS");
        assert_eq!(document["api"]["request"]["data"]["a"][0], 1);
        assert_eq!(document["observables"][0]["name"], "src_endpoint.ip");
        assert_eq!(document["observables"][1]["name"], "unmapped.resources[].uid");
        assert_eq!(document["unmapped"]["resources"][0]["uid"], "arn:x");
        assert_eq!(document["metadata"]["profiles"][0], "cloud");
        assert!(document.get("event_uid").is_none());
        assert!(ocsf_document(&batch, 1).is_none());
    }
}
