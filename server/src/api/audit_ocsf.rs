//! An entry of the audit log as API Activity (6003) of OCSF 1.8.0.

use chrono::DateTime;
use serde_json::{Value, json};

use super::audit::AuditBody;

/// The event of an entry.
pub(super) fn event(entry: &AuditBody) -> Value {
    let time_ms =
        |text: &str| DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).unwrap_or(0);
    // `activity_id`: https://schema.ocsf.io/1.8.0/classes/api_activity
    let (activity_id, activity) = match entry.action.rsplit('.').next().unwrap_or_default() {
        "create" | "start" | "begin" => (1, "Create"),
        "read" | "query" | "export" => (2, "Read"),
        "delete" | "trim" => (4, "Delete"),
        "refused" | "stop" | "unknown" => (99, "Other"),
        _ => (3, "Update"),
    };
    let (status_id, status) = match entry.outcome.as_str() {
        "done" => (1, "Success"),
        "failed" | "refused" => (2, "Failure"),
        "unknown" => (0, "Unknown"),
        _ => (99, "Intended"),
    };
    let (severity_id, severity) = if status_id == 2 { (2, "Low") } else { (1, "Informational") };
    let mut event = json!({
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "type_uid": 600_300 + activity_id,
        "type_name": format!("API Activity: {activity}"),
        "time": time_ms(&entry.time),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "actor": {"user": {"name": entry.actor}},
        "api": {"operation": entry.action, "service": {"name": "stormglass"}},
        "src_endpoint": {"ip": entry.address},
        "count": entry.count,
        "metadata": {
            "version": "1.8.0",
            "uid": entry.hash,
            "sequence": entry.seq,
            "product": {"name": "Stormglass", "vendor_name": "Stormglass", "version": env!("CARGO_PKG_VERSION")},
        },
    });
    let mut set = |pointer: &str, name: &str, value: Value| {
        if let Some(object) = event.pointer_mut(pointer).and_then(Value::as_object_mut) {
            object.insert(name.to_owned(), value);
        }
    };
    if entry.address.is_empty() {
        // The object is required; the program's own acts come from itself.
        set("/src_endpoint", "name", json!("stormglass"));
        set("/src_endpoint", "ip", Value::Null);
    }
    if !entry.role.is_empty() {
        set("/actor/user", "type", json!(entry.role));
    }
    if !entry.request.is_empty() {
        set("/api", "request", json!({"uid": entry.request}));
    }
    if let Some(status) = entry.status {
        set("/api", "response", json!({"code": status}));
        set("", "status_code", json!(status.to_string()));
    }
    if !entry.object.is_empty() {
        set("", "resources", json!([{"name": entry.object, "type": "path"}]));
    }
    if let Some(since) = &entry.since {
        set("", "start_time", json!(time_ms(since)));
        set("", "end_time", json!(time_ms(&entry.time)));
    }
    if entry.of.is_some() || !entry.detail.is_empty() {
        set("", "unmapped", json!({"of": entry.of, "detail": entry.detail}));
    }
    strip_nulls(&mut event);
    event
}

fn strip_nulls(value: &mut Value) {
    if let Value::Object(object) = value {
        object.retain(|_, value| !value.is_null());
        object.values_mut().for_each(strip_nulls);
    }
}
