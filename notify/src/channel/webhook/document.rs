//! The body of a webhook: a notification as JSON for machines, in less than 20,000 bytes.

use serde_json::{Value, json};

use crate::Notification;
use crate::channel::message::{entity_kind, records, severity, stamp};
use crate::channel::text::{Budget, plain};

/// Bytes for texts of others; structure and link take the rest of the 20,000.
const TEXTS: usize = 11_000;

/// The type of what happened, such as `alert.raised` or `incident.risen`.
pub(super) fn event_type(told: &Notification) -> String {
    format!("{}.{}", told.about.as_str(), told.kind.as_str())
}

/// `type` and `data`, as Standard Webhooks advises. Texts are as they were written: JSON shows what is in
/// them, and what is done with them is the receiver's affair.
pub fn document(told: &Notification) -> Value {
    let mut budget = Budget(TEXTS);
    let mut text = |text: &str, max: usize| budget.take(text, max, plain);
    let mut data = json!({
        "id": text(&told.subject_id, 128),
        "thread": text(&told.thread, 128),
        "is_part": told.is_part,
        "note": text(&told.note, 1_000),
        "version": told.version,
        "title": text(&told.title, 300),
        "severity": severity(told.severity_id),
        "severity_id": told.severity_id,
        "status": text(&told.status, 40),
        "by": text(&told.by, 128),
        "rule_id": text(&told.rule_id, 128),
        "provider": text(&told.provider, 40),
        "events": told.events,
        "count": told.count,
        "time": stamp(told.time_us),
        "created": stamp(told.created_us),
        "link": told.link.as_ref().map(ToString::to_string).filter(|link| link.len() <= 2_000),
    });
    let verdict = told
        .verdict
        .as_ref()
        .map(|(verdict, reason)| json!({"verdict": text(verdict, 40), "reason": text(reason, 500)}));
    let entities: Vec<_> = told
        .entities
        .iter()
        .take(24)
        .map(|entity| {
            let name = entity.name.as_ref().map(|name| text(name, 200));
            json!({"kind": entity_kind(entity.kind), "value": text(&entity.value, 300), "name": name})
        })
        .collect();
    let joined = told.joined.as_ref().map(|joined| {
        let by: Vec<_> = joined
            .by
            .iter()
            .take(8)
            .map(|(field, value)| json!({"field": text(field, 100), "value": text(value, 200)}))
            .collect();
        json!({"by": by, "why": text(&joined.why, 300), "begin": stamp(joined.begin_us)})
    });
    let tags: Vec<_> = told.tags.iter().take(24).map(|tag| text(tag, 80)).collect();
    let records = records(told, &mut text, |time_us| json!(stamp(time_us)));
    let response: Vec<_> = told.response.iter().take(10).map(|step| text(step, 300)).collect();
    let description = text(&told.description, 3_000);
    if let Value::Object(data) = &mut data {
        data.insert("verdict".into(), json!(verdict));
        data.insert("entities".into(), json!(entities));
        data.insert("joined".into(), json!(joined));
        data.insert("tags".into(), json!(tags));
        data.insert("records".into(), json!(records));
        data.insert("response".into(), json!(response));
        data.insert("description".into(), json!(description));
    }
    json!({"type": event_type(told), "data": data})
}
