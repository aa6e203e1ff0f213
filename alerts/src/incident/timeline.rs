//! What happened, in order: the events of all alerts of an incident.

use std::collections::BTreeMap;

use crate::{EntityKind, StoredAlert};

/// An event of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When it happened, microseconds since 1970.
    pub time_us: i64,
    /// The event's id in the table.
    pub event_uid: String,
    /// The call, as the cloud names it.
    pub operation: String,
    /// The cloud.
    pub provider: String,
    /// Who did it, by name where there is one.
    pub actor: String,
    /// The titles of the rules that found it, each once.
    pub rules: Vec<String>,
    /// The alerts that rest on it.
    pub alerts: Vec<String>,
    /// The record, where an alert has it.
    pub raw: String,
}

/// The events of alerts in order of time, then id; each once. An alert that rests on no event stands for itself.
pub fn timeline<'a>(alerts: impl IntoIterator<Item = &'a StoredAlert>) -> Vec<TimelineEntry> {
    let mut entries: BTreeMap<(i64, String), TimelineEntry> = BTreeMap::new();
    for stored in alerts {
        let alert = &stored.alert;
        let actor = alert.entities.iter().find(|entity| entity.kind == EntityKind::Actor);
        let actor =
            actor.map(|actor| actor.name.as_ref().unwrap_or(&actor.value).clone()).unwrap_or_default();
        let bare = alert.evidence.is_empty().then_some((alert.time_us, "", "", ""));
        let events = alert.evidence.iter().map(|event| {
            (event.time_us, event.event_uid.as_str(), event.operation.as_str(), event.raw.as_str())
        });
        for (time_us, event_uid, operation, raw) in events.chain(bare) {
            let key = match event_uid {
                "" => (time_us, format!("alert {}", alert.id)),
                uid => (time_us, uid.to_owned()),
            };
            let entry = entries.entry(key).or_insert_with(|| TimelineEntry {
                time_us,
                event_uid: event_uid.to_owned(),
                operation: String::new(),
                provider: String::new(),
                actor: String::new(),
                rules: Vec::new(),
                alerts: Vec::new(),
                raw: String::new(),
            });
            // Of two alerts one may name the event alone. What a single event's alert says of its actor is
            // surer than what one of many events says.
            fill(&mut entry.operation, operation);
            fill(&mut entry.raw, raw);
            if alert.evidence.len() <= 1 || !alert.provider.contains(',') {
                fill(&mut entry.provider, &alert.provider);
            }
            if alert.evidence.len() <= 1 {
                fill(&mut entry.actor, &actor);
            }
            if !entry.rules.contains(&alert.rule.title) {
                entry.rules.push(alert.rule.title.clone());
            }
            if !entry.alerts.iter().any(|id| id == alert.id.as_str()) {
                entry.alerts.push(alert.id.to_string());
            }
        }
    }
    let mut entries: Vec<_> = entries.into_values().collect();
    for entry in &mut entries {
        entry.rules.sort();
        entry.alerts.sort();
    }
    entries
}

fn fill(field: &mut String, text: &str) {
    if field.is_empty() {
        field.push_str(text);
    }
}
