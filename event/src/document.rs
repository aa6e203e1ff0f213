//! An event as the nested JSON document that OCSF describes.

use serde_json::{Map, Value, json};

use crate::column::{COLUMNS, Column, Kind};
use crate::{Col, EventBatch};

/// The OCSF document of one row: every column at its path, the observables derived from the columns
/// that hold them, and the `cloud` profile named. Times are milliseconds, as OCSF has them.
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
    put(&mut document, "metadata.profiles", json!(["cloud"]));
    place_resources(&mut document, batch, row);
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
    match document.get("class_uid").and_then(Value::as_i64) {
        Some(3005 | 6003) => "",
        _ => "unmapped.",
    }
}

/// An observable, with the path at which the document has it.
fn observable(document: &Map<String, Value>, column: &Column, text: &str) -> Value {
    let name = match column.ocsf {
        "" => {
            format!("{}{}", resources_parent(document), column.name.replacen("resource_", "resources[].", 1))
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
        Kind::Float => {
            use arrow::array::{Array, AsArray};
            let array = batch.column(col).as_primitive::<arrow::datatypes::Float64Type>();
            array.is_valid(row).then(|| json!(array.value(row)))
        }
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
