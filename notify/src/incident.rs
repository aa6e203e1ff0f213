//! What is told of an incident.

use alerts::{Entity, EntityKind};

use crate::follow::known::KnownIncident;
use crate::subject::{ENTRIES, LinkTemplate, RECORDS, TEXT_BYTES, TITLE_BYTES, bounded};
use crate::{Notification, NotificationKind, Record, SubjectKind};

impl Notification {
    /// What is told of an incident: `by` made the change that is told, and `note` says what exactly. It stands in
    /// a thread of its own until it is put into another.
    pub(crate) fn of_incident(
        kind: NotificationKind,
        known: &KnownIncident,
        by: &str,
        note: &str,
        links: &LinkTemplate,
    ) -> Self {
        let incident = &known.incident;
        let found = &incident.assessment;
        let rule = known.worst.as_ref().map(|worst| &worst.alert.rule);
        let verdict = incident.verdict.as_ref().map(|verdict| {
            let reason = incident.reason.as_deref().unwrap_or_default();
            (verdict.clone(), bounded(reason, TEXT_BYTES))
        });
        let bounded_all = |texts: &[String], bytes: usize| {
            texts.iter().take(ENTRIES).map(|text| bounded(text, bytes)).collect::<Vec<_>>()
        };
        Self {
            kind,
            about: SubjectKind::Incident,
            subject_id: incident.id.clone(),
            thread: incident.id.clone(),
            is_part: false,
            is_quiet: false,
            takes_over: false,
            note: note.to_owned(),
            version: known.version,
            title: bounded(&found.title, TITLE_BYTES),
            description: description(known),
            severity_id: found.severity_id,
            status: incident.status.as_str().to_owned(),
            owner: incident.owner.as_deref().map(|owner| bounded(owner, TITLE_BYTES)),
            verdict,
            by: by.to_owned(),
            rule_id: match found.rules.as_slice() {
                [one] => bounded(one, TITLE_BYTES),
                _ => String::new(),
            },
            tags: found.tactics.iter().take(ENTRIES).map(|tactic| format!("attack.{tactic}")).collect(),
            provider: bounded(&found.providers.join(", "), TITLE_BYTES),
            entities: entities(&found.entities),
            joined: None,
            records: records(known),
            events: 0,
            response: rule.map(|rule| bounded_all(&rule.response, TEXT_BYTES)).unwrap_or_default(),
            count: incident.alerts,
            time_us: found.last_us,
            created_us: incident.created_us,
            link: links.link(&incident.id),
        }
    }
}

/// What the worst alert's rule looks for, and what the incident amounts to.
fn description(known: &KnownIncident) -> String {
    let found = &known.incident.assessment;
    let mut lines = Vec::new();
    if let Some(worst) = &known.worst {
        lines.push(worst.alert.rule.description.clone());
    }
    lines.push(format!("Severity: {}.", found.severity_why.join("; ")));
    if found.progress.len() > 1 {
        lines.push(format!("Tactics in order: {}.", found.progress.join(", ")));
    }
    lines.push(format!("Risk {} of 100, confidence {} %.", found.risk, found.confidence));
    if let Some(owner) = &known.incident.owner {
        lines.push(format!("Owner: {owner}."));
    }
    if !known.incident.labels.is_empty() {
        lines.push(format!("Labels: {}.", known.incident.labels.join(", ")));
    }
    lines.retain(|line| !line.trim().is_empty());
    bounded(&lines.join("\n"), TEXT_BYTES)
}

/// Who and what is involved, by the kinds that alerts have.
fn entities(found: &[(String, String)]) -> Vec<Entity> {
    let mut entities = Vec::new();
    for (kind, name) in found.iter().take(ENTRIES) {
        let kind = match kind.as_str() {
            "identity" | "service" => EntityKind::Actor,
            "credential" => EntityKind::Credential,
            "target" => EntityKind::User,
            "address" => EntityKind::Address,
            _ => EntityKind::Resource,
        };
        entities.push(Entity { kind, value: bounded(name, TITLE_BYTES), name: None });
    }
    entities
}

/// The first alerts and the last.
fn records(known: &KnownIncident) -> Vec<Record> {
    let left_out = known.headlines.len().saturating_sub(RECORDS);
    let last = known.headlines.len().saturating_sub(1);
    let told = known
        .headlines
        .iter()
        .enumerate()
        .filter(|(place, _)| left_out == 0 || *place < RECORDS - 1 || *place == last);
    told.map(|(_, headline)| Record {
        event_uid: headline.alert_id.clone(),
        time_us: headline.time_us,
        operation: bounded(
            &format!("[{}] {}", crate::follow::severity(headline.severity_id), headline.title),
            TITLE_BYTES,
        ),
    })
    .collect()
}
