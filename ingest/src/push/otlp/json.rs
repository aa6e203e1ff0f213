//! The same request in OTLP's JSON: names in lowerCamelCase, 64-bit numbers as text or number, ids in
//! hexadecimal, bytes in base64 (opentelemetry-proto, "JSON Protobuf Encoding").

use serde_json::{Map, Value};

use super::{BadRequest, Export, LogRecord, MAX_DEPTH, Resource, Scope};

/// Reads all log records of a request into `export`.
pub(super) fn read(request: &[u8], export: &mut Export<'_>) -> Result<(), BadRequest> {
    let request: Value =
        serde_json::from_slice(request).map_err(|_| BadRequest::new("the body is no JSON"))?;
    if !request.is_object() {
        return Err(BadRequest::new("the body is JSON, but no object"));
    }
    for resource_logs in list(&request, "resourceLogs")? {
        let resource = Resource {
            attributes: attributes(resource_logs.get("resource").unwrap_or(&Value::Null))?,
            schema_url: text(resource_logs, "schemaUrl")?,
        };
        for scope_logs in list(resource_logs, "scopeLogs")? {
            let scope = scope_logs.get("scope").unwrap_or(&Value::Null);
            let scope = Scope {
                name: text(scope, "name")?,
                version: text(scope, "version")?,
                attributes: attributes(scope)?,
            };
            for record in list(scope_logs, "logRecords")? {
                export.add(&resource, &scope, log_record(record)?);
            }
        }
    }
    Ok(())
}

fn log_record(record: &Value) -> Result<LogRecord, BadRequest> {
    Ok(LogRecord {
        time_ns: number(record, "timeUnixNano")?,
        observed_ns: number(record, "observedTimeUnixNano")?,
        severity_number: number(record, "severityNumber")?.cast_signed(),
        severity_text: text(record, "severityText")?,
        body: any_value(record.get("body").unwrap_or(&Value::Null), 0)?,
        attributes: attributes(record)?,
        dropped_attributes: number(record, "droppedAttributesCount")?,
        flags: number(record, "flags")?,
        trace_id: text(record, "traceId")?.to_ascii_lowercase(),
        span_id: text(record, "spanId")?.to_ascii_lowercase(),
        event_name: text(record, "eventName")?,
    })
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], BadRequest> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(BadRequest::new("a repeated field is no JSON array")),
    }
}

fn text(value: &Value, key: &str) -> Result<String, BadRequest> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(BadRequest::new("a field of text holds something else")),
    }
}

fn number(value: &Value, key: &str) -> Result<u64, BadRequest> {
    let number = match value.get(key) {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    number.ok_or(BadRequest::new("a field of a whole number holds something else"))
}

fn attributes(value: &Value) -> Result<Map<String, Value>, BadRequest> {
    key_values(list(value, "attributes")?, 0)
}

fn key_values(list: &[Value], depth: usize) -> Result<Map<String, Value>, BadRequest> {
    let mut map = Map::new();
    for pair in list {
        map.insert(text(pair, "key")?, any_value(pair.get("value").unwrap_or(&Value::Null), depth)?);
    }
    Ok(map)
}

fn any_value(value: &Value, depth: usize) -> Result<Value, BadRequest> {
    if depth > MAX_DEPTH {
        return Err(BadRequest::new("a value is nested too deeply"));
    }
    let Some((kind, inner)) = value.as_object().and_then(|value| value.iter().next()) else {
        return Ok(Value::Null);
    };
    let bad = || BadRequest::new("a value does not fit its kind");
    Ok(match (kind.as_str(), inner) {
        ("stringValue" | "bytesValue", Value::String(_)) | ("boolValue", Value::Bool(_)) => inner.clone(),
        ("intValue", Value::Number(number)) => number.as_i64().ok_or_else(bad)?.into(),
        ("intValue", Value::String(text)) => text.parse::<i64>().map_err(|_| bad())?.into(),
        ("doubleValue", Value::Number(_)) => inner.clone(),
        // `NaN`, `Infinity` and `-Infinity` are text in protobuf's JSON.
        ("doubleValue", Value::String(text)) => super::double(text.parse().map_err(|_| bad())?),
        ("arrayValue", inner) => {
            let values = list(inner, "values")?;
            values.iter().map(|value| any_value(value, depth + 1)).collect::<Result<Vec<_>, _>>()?.into()
        }
        ("kvlistValue", inner) => key_values(list(inner, "values")?, depth + 1)?.into(),
        _ => return Err(bad()),
    })
}
