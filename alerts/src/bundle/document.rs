//! `incident.json` and `records.ndjson`.

use serde::Serialize;

use super::{Dossier, time};
use crate::incident::{IncidentAlert, IncidentChange, TimelineEntry};
use crate::risk::Part;
use crate::{Entity, RuleRef};

/// Everything about an incident, as the package tells it.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) format: &'static str,
    pub(super) id: &'a str,
    /// Ids that lead to this one.
    pub(super) merged: &'a [String],
    pub(super) title: &'a str,
    pub(super) status: &'static str,
    pub(super) owner: Option<&'a str>,
    pub(super) labels: &'a [String],
    pub(super) verdict: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) severity: &'static str,
    pub(super) severity_why: &'a [String],
    pub(super) confidence: u8,
    pub(super) risk: u8,
    pub(super) first_event: String,
    pub(super) last_event: String,
    pub(super) created: String,
    pub(super) acknowledged: Option<String>,
    pub(super) acknowledge_due: Option<String>,
    pub(super) acknowledge_overdue: bool,
    pub(super) closed: Option<String>,
    pub(super) close_due: Option<String>,
    pub(super) close_overdue: bool,
    pub(super) providers: &'a [String],
    pub(super) tactics: &'a [String],
    pub(super) progress: &'a [String],
    pub(super) entities: Vec<Named<'a>>,
    /// How many alerts there are; more than are told of, if there are very many.
    pub(super) alert_count: u64,
    pub(super) alerts: Vec<AlertPart<'a>>,
    pub(super) timeline: Vec<Event<'a>>,
    pub(super) history: Vec<Change<'a>>,
}

/// Somebody or something involved.
#[derive(Debug, Serialize)]
pub(super) struct Named<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

/// An alert.
#[derive(Debug, Serialize)]
pub(super) struct AlertPart<'a> {
    pub(super) id: &'a str,
    pub(super) joined_because: &'a str,
    pub(super) rule: &'a RuleRef,
    pub(super) severity: &'static str,
    pub(super) status: &'static str,
    pub(super) verdict: Option<&'static str>,
    pub(super) reason: Option<&'a str>,
    pub(super) time: String,
    pub(super) raised: String,
    pub(super) version: u32,
    pub(super) provider: &'a str,
    pub(super) entities: &'a [Entity],
    pub(super) correlated: Option<Correlated<'a>>,
    pub(super) risk: Option<u8>,
    pub(super) risk_parts: &'a [Part],
    /// The events that it rests on.
    pub(super) events: Vec<&'a str>,
}

/// What joins the events of a correlation's alert.
#[derive(Debug, Serialize)]
pub(super) struct Correlated<'a> {
    pub(super) by: &'a [(String, String)],
    pub(super) why: &'a str,
    pub(super) begin: String,
    pub(super) events: u64,
}

/// An event.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    pub(super) time: String,
    pub(super) event_uid: &'a str,
    pub(super) operation: &'a str,
    pub(super) provider: &'a str,
    pub(super) actor: &'a str,
    pub(super) rules: &'a [String],
    pub(super) alerts: &'a [String],
    /// Whether the record is in `records.ndjson`.
    pub(super) has_record: bool,
}

/// A step in the incident's history.
#[derive(Debug, Serialize)]
pub(super) struct Change<'a> {
    pub(super) time: String,
    pub(super) incident: &'a str,
    pub(super) by: &'a str,
    pub(super) change: &'a str,
    pub(super) verdict: Option<&'a str>,
    pub(super) reason: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn new(dossier: &'a Dossier, timeline: &'a [TimelineEntry]) -> Self {
        let incident = &dossier.incident;
        let found = &incident.assessment;
        Self {
            format: "stormglass-incident/1",
            id: &incident.id,
            merged: &dossier.merged,
            title: &found.title,
            status: incident.status.as_str(),
            owner: incident.owner.as_deref(),
            labels: &incident.labels,
            verdict: incident.verdict.as_deref(),
            reason: incident.reason.as_deref(),
            severity: crate::alert::severity_name(found.severity_id),
            severity_why: &found.severity_why,
            confidence: found.confidence,
            risk: found.risk,
            first_event: time(found.first_us),
            last_event: time(found.last_us),
            created: time(incident.created_us),
            acknowledged: incident.acknowledged_us.map(time),
            acknowledge_due: incident.acknowledge_due_us.map(time),
            acknowledge_overdue: incident.acknowledge_overdue,
            closed: incident.closed_us.map(time),
            close_due: incident.close_due_us.map(time),
            close_overdue: incident.close_overdue,
            providers: &found.providers,
            tactics: &found.tactics,
            progress: &found.progress,
            entities: found.entities.iter().map(|(kind, name)| Named { kind, name }).collect(),
            alert_count: incident.alerts,
            alerts: dossier.alerts.iter().map(alert).collect(),
            timeline: timeline.iter().map(event).collect(),
            history: dossier.history.iter().map(change).collect(),
        }
    }
}

fn alert(member: &IncidentAlert) -> AlertPart<'_> {
    let (stored, alert) = (&member.stored, &member.stored.alert);
    AlertPart {
        id: alert.id.as_str(),
        joined_because: &member.why,
        rule: &alert.rule,
        severity: crate::alert::severity_name(alert.severity_id),
        status: stored.status.as_str(),
        verdict: stored.verdict.map(|verdict| verdict.as_str()),
        reason: stored.reason.as_deref(),
        time: time(alert.time_us),
        raised: time(stored.created_us),
        version: stored.version,
        provider: &alert.provider,
        entities: &alert.entities,
        correlated: alert.joined.as_ref().map(|joined| Correlated {
            by: &joined.by,
            why: &joined.why,
            begin: time(joined.begin_us),
            events: joined.events,
        }),
        risk: member.risk.as_ref().map(|risk| risk.score),
        risk_parts: member.risk.as_ref().map(|risk| risk.parts.as_slice()).unwrap_or_default(),
        events: alert.evidence.iter().map(|event| event.event_uid.as_str()).collect(),
    }
}

fn event(entry: &TimelineEntry) -> Event<'_> {
    Event {
        time: time(entry.time_us),
        event_uid: &entry.event_uid,
        operation: &entry.operation,
        provider: &entry.provider,
        actor: &entry.actor,
        rules: &entry.rules,
        alerts: &entry.alerts,
        has_record: !entry.raw.is_empty(),
    }
}

fn change(step: &IncidentChange) -> Change<'_> {
    Change {
        time: time(step.at_us),
        incident: &step.incident_id,
        by: &step.by,
        change: &step.change,
        verdict: step.verdict.as_deref(),
        reason: &step.reason,
    }
}

/// A record as a line: the text as the cloud wrote it is a string, so that not a byte of it is lost.
#[derive(Debug, Serialize)]
struct Record<'a> {
    event_uid: &'a str,
    time: String,
    operation: &'a str,
    raw: &'a str,
}

/// The records that are known, one event a line.
///
/// # Errors
/// None that could be: the parts are text.
pub(super) fn records(timeline: &[TimelineEntry]) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for entry in timeline.iter().filter(|entry| !entry.raw.is_empty()) {
        let record = Record {
            event_uid: &entry.event_uid,
            time: time(entry.time_us),
            operation: &entry.operation,
            raw: &entry.raw,
        };
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    Ok(lines)
}
