//! The same request in OTLP's JSON: names in lowerCamelCase, 64-bit numbers as text or number, ids in
//! hexadecimal, bytes in base64 (opentelemetry-proto, "JSON Protobuf Encoding").

use std::borrow::Cow;

use event::{JsonSink, JsonText};
use serde_json::Value;

use super::{BadRequest, Export, LogRecord, MAX_DEPTH, Pairs, record};

/// Reads all log records of a request into `export`.
pub(super) fn read(request: &[u8], export: &mut Export<'_>) -> Result<(), BadRequest> {
    let request: Value =
        serde_json::from_slice(request).map_err(|_| BadRequest::new("the body is no JSON"))?;
    if !request.is_object() {
        return Err(BadRequest::new("the body is JSON, but no object"));
    }
    let mut record = LogRecord::default();
    for resource_logs in list(&request, "resourceLogs")? {
        let mut pairs = attributes(resource_logs.get("resource").unwrap_or(&Value::Null))?;
        let resource = record::resource(&mut pairs, text(resource_logs, "schemaUrl")?);
        for scope_logs in list(resource_logs, "scopeLogs")? {
            let records = list(scope_logs, "logRecords")?;
            if !export.begins_scope(&resource, records.len())? {
                continue;
            }
            let scope = scope_logs.get("scope").unwrap_or(&Value::Null);
            let (name, version) = (text(scope, "name")?, text(scope, "version")?);
            let shared = record::scope(&resource, name, version, &mut attributes(scope)?);
            for value in records {
                log_record(value, &mut record)?;
                export.add(&shared, &mut record)?;
            }
        }
    }
    Ok(())
}

fn log_record<'a>(value: &'a Value, record: &mut LogRecord<'a>) -> Result<(), BadRequest> {
    record.clear();
    record.time_ns = number(value, "timeUnixNano")?;
    record.observed_ns = number(value, "observedTimeUnixNano")?;
    record.severity_number = number(value, "severityNumber")?.cast_signed();
    record.severity_text = text(value, "severityText")?;
    any_value(value.get("body").unwrap_or(&Value::Null), &mut record.body, 0)?;
    key_values(list(value, "attributes")?, &mut record.attributes, 0)?;
    record.dropped_attributes = number(value, "droppedAttributesCount")?;
    record.flags = number(value, "flags")?;
    record.trace_id = id(value, "traceId")?;
    record.span_id = id(value, "spanId")?;
    record.event_name = text(value, "eventName")?;
    Ok(())
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], BadRequest> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(BadRequest::new("a repeated field is no JSON array")),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, BadRequest> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(BadRequest::new("a field of text holds something else")),
    }
}

/// In small letters, as protobuf's ids are written.
fn id<'a>(value: &'a Value, key: &str) -> Result<Cow<'a, str>, BadRequest> {
    let id = text(value, key)?;
    let is_small = !id.bytes().any(|byte| byte.is_ascii_uppercase());
    Ok(if is_small { id.into() } else { id.to_ascii_lowercase().into() })
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

fn attributes(value: &Value) -> Result<Pairs<'_>, BadRequest> {
    let mut pairs = Pairs::default();
    key_values(list(value, "attributes")?, &mut pairs, 0)?;
    Ok(pairs)
}

fn key_values<'a>(list: &'a [Value], into: &mut Pairs<'a>, depth: usize) -> Result<(), BadRequest> {
    for pair in list {
        into.add(|out| {
            any_value(pair.get("value").unwrap_or(&Value::Null), out, depth)?;
            text(pair, "key")
        })?;
    }
    Ok(())
}

/// Appends a value as JSON.
fn any_value(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), BadRequest> {
    if depth > MAX_DEPTH {
        return Err(BadRequest::new("a value is nested too deeply"));
    }
    let Some((kind, inner)) = value.as_object().and_then(|value| value.iter().next()) else {
        out.put("null");
        return Ok(());
    };
    let bad = || BadRequest::new("a value does not fit its kind");
    match (kind.as_str(), inner) {
        ("stringValue" | "bytesValue", Value::String(text)) => JsonText::new(out).text(text),
        ("boolValue", Value::Bool(is)) => out.put(if *is { "true" } else { "false" }),
        ("intValue", Value::Number(number)) => out.put(&number.as_i64().ok_or_else(bad)?.to_string()),
        ("intValue", Value::String(text)) => {
            out.put(&text.parse::<i64>().map_err(|_| bad())?.to_string());
        }
        ("doubleValue", Value::Number(number)) => out.put(&number.to_string()),
        // `NaN`, `Infinity` and `-Infinity` are text in protobuf's JSON.
        ("doubleValue", Value::String(text)) => super::put_double(out, text.parse().map_err(|_| bad())?),
        ("arrayValue", inner) => {
            out.put("[");
            for value in list(inner, "values")? {
                JsonText::new(out).item();
                any_value(value, out, depth + 1)?;
            }
            out.put("]");
        }
        ("kvlistValue", inner) => {
            let mut map = Pairs::default();
            key_values(list(inner, "values")?, &mut map, depth + 1)?;
            map.write(out);
        }
        _ => return Err(bad()),
    }
    Ok(())
}
