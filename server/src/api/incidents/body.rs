//! Incidents as the API shows them.

use alerts::incident::{Incident, IncidentAlert, IncidentChange, TimelineEntry, timeline};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::format_us;
use crate::api::told::ToldBody;

/// The most events of a timeline that an answer has; a package has them all.
const TIMELINE: usize = 10_000;

/// The severities by their names, informational first.
pub(super) const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// A page of incidents, the one with the latest event first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct IncidentList {
    pub(crate) incidents: Vec<IncidentSummary>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// An incident in a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct IncidentSummary {
    pub(crate) id: String,
    /// 1, and one more for each change; also in `ETag`, to be sent as `If-Match`.
    pub(crate) revision: u64,
    pub(crate) title: String,
    /// `new`, `acknowledged`, `in_progress` or `closed`.
    pub(crate) status: String,
    pub(crate) severity: String,
    /// How sure it is that the alerts belong together, 0 to 100.
    pub(crate) confidence: u8,
    /// 0 to 100, of all alerts together.
    pub(crate) risk: u8,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) owner: Option<String>,
    /// The team's own labels.
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) verdict: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
    /// How many alerts it has.
    pub(crate) alerts: u64,
    /// When the first event happened.
    pub(crate) first: String,
    /// When the last did.
    pub(crate) last: String,
    pub(crate) created: String,
    pub(crate) updated: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) acknowledged: Option<String>,
    /// Until when somebody must take it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) acknowledge_due: Option<String>,
    pub(crate) acknowledge_overdue: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) closed: Option<String>,
    /// Until when it must be closed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) close_due: Option<String>,
    pub(crate) close_overdue: bool,
    pub(crate) providers: Vec<String>,
    pub(crate) tactics: Vec<String>,
    /// The tactics that follow one another in order.
    pub(crate) progress: Vec<String>,
    pub(crate) entities: Vec<InvolvedBody>,
}

/// Somebody or something involved in an incident.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct InvolvedBody {
    /// `identity`, `service`, `credential`, `target`, `address` or `resource`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// An incident with all that is known of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct IncidentDetail {
    #[serde(flatten)]
    pub(crate) summary: IncidentSummary,
    /// Why the severity is what it is.
    pub(crate) severity_why: Vec<String>,
    /// Ids of incidents that turned out to be this one; they lead here.
    pub(crate) merged: Vec<String>,
    /// The alerts in order of time, the first 1000.
    pub(crate) members: Vec<MemberBody>,
    /// The events of all alerts in order of time, the first 10000.
    pub(crate) timeline: Vec<TimelineBody>,
    pub(crate) history: Vec<StepBody>,
    /// Who was told of it, and what became of that.
    pub(crate) told: ToldBody,
}

/// An alert of an incident.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MemberBody {
    pub(crate) alert: String,
    pub(crate) title: String,
    pub(crate) rule_id: String,
    pub(crate) severity: String,
    pub(crate) status: String,
    pub(crate) time: String,
    /// Why it belongs to the incident.
    pub(crate) joined_because: String,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) risk: Option<u8>,
    /// What the risk is made of.
    pub(crate) risk_parts: Vec<RiskPartBody>,
}

/// A reason for a risk.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RiskPartBody {
    /// `severity`, `confidence`, `criticality`, `indicator` or `rarity`.
    pub(crate) name: String,
    /// What it adds.
    pub(crate) points: i32,
    pub(crate) why: String,
}

/// An event of an incident.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TimelineBody {
    pub(crate) time: String,
    /// The event's id in the table; empty for an alert that rests on no event.
    pub(crate) event_uid: String,
    pub(crate) operation: String,
    pub(crate) provider: String,
    pub(crate) actor: String,
    /// The titles of the rules that found it.
    pub(crate) rules: Vec<String>,
    pub(crate) alerts: Vec<String>,
}

/// A step in an incident's life.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = IncidentStepBody)]
pub(crate) struct StepBody {
    /// The incident, or one that was merged into it.
    pub(crate) incident: String,
    pub(crate) time: String,
    pub(crate) by: String,
    pub(crate) change: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) verdict: Option<String>,
    /// Why, what exactly, or the comment.
    pub(crate) reason: String,
}

fn severity(severity_id: u8) -> String {
    SEVERITIES.get(usize::from(severity_id).wrapping_sub(1)).copied().unwrap_or("unknown").into()
}

/// As lists show it.
pub(super) fn summary(incident: Incident) -> IncidentSummary {
    let found = incident.assessment;
    IncidentSummary {
        id: incident.id,
        revision: incident.revision,
        title: found.title,
        status: incident.status.as_str().into(),
        severity: severity(found.severity_id),
        confidence: found.confidence,
        risk: found.risk,
        owner: incident.owner,
        labels: incident.labels,
        verdict: incident.verdict,
        reason: incident.reason,
        alerts: incident.alerts,
        first: format_us(found.first_us),
        last: format_us(found.last_us),
        created: format_us(incident.created_us),
        updated: format_us(incident.updated_us),
        acknowledged: incident.acknowledged_us.map(format_us),
        acknowledge_due: incident.acknowledge_due_us.map(format_us),
        acknowledge_overdue: incident.acknowledge_overdue,
        closed: incident.closed_us.map(format_us),
        close_due: incident.close_due_us.map(format_us),
        close_overdue: incident.close_overdue,
        providers: found.providers,
        tactics: found.tactics,
        progress: found.progress,
        entities: found.entities.into_iter().map(|(kind, name)| InvolvedBody { kind, name }).collect(),
    }
}

/// All that is known of it.
pub(super) fn detail(
    incident: Incident,
    alerts: &[IncidentAlert],
    history: Vec<IncidentChange>,
    merged: Vec<String>,
    told: ToldBody,
) -> IncidentDetail {
    let events = timeline(alerts.iter().map(|alert| &alert.stored));
    IncidentDetail {
        severity_why: incident.assessment.severity_why.clone(),
        merged,
        members: alerts.iter().map(member).collect(),
        timeline: events.into_iter().take(TIMELINE).map(event).collect(),
        history: history.into_iter().map(history_step).collect(),
        summary: summary(incident),
        told,
    }
}

fn member(member: &IncidentAlert) -> MemberBody {
    let alert = &member.stored.alert;
    MemberBody {
        alert: alert.id.to_string(),
        title: alert.rule.title.clone(),
        rule_id: alert.rule.id.clone(),
        severity: severity(alert.severity_id),
        status: member.stored.status.as_str().into(),
        time: format_us(alert.time_us),
        joined_because: member.why.clone(),
        risk: member.risk.as_ref().map(|risk| risk.score),
        risk_parts: member.risk.as_ref().map(|risk| parts(&risk.parts)).unwrap_or_default(),
    }
}

pub(in crate::api) fn parts(parts: &[alerts::risk::Part]) -> Vec<RiskPartBody> {
    let body = |part: &alerts::risk::Part| RiskPartBody {
        name: part.name.clone(),
        points: part.points,
        why: part.why.clone(),
    };
    parts.iter().map(body).collect()
}

fn event(entry: TimelineEntry) -> TimelineBody {
    TimelineBody {
        time: format_us(entry.time_us),
        event_uid: entry.event_uid,
        operation: entry.operation,
        provider: entry.provider,
        actor: entry.actor,
        rules: entry.rules,
        alerts: entry.alerts,
    }
}

fn history_step(step: IncidentChange) -> StepBody {
    StepBody {
        incident: step.incident_id,
        time: format_us(step.at_us),
        by: step.by,
        change: step.change,
        verdict: step.verdict,
        reason: step.reason,
    }
}
