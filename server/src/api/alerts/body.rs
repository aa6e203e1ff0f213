//! Alerts as the API shows them.

use alerts::incident::Incident;
use alerts::risk::Score;
use alerts::{AlertChange, AlertVersion, Entity, StoredAlert};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::ToldBody;
use crate::api::format_us;
use crate::api::incidents::{RiskPartBody, parts};

/// An alert in a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlertSummary {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) severity: String,
    pub(crate) rule_id: String,
    pub(crate) title: String,
    pub(crate) tags: Vec<String>,
    /// When the deciding event happened.
    pub(crate) time: String,
    /// When the alert was raised.
    pub(crate) created: String,
    pub(crate) updated: String,
    pub(crate) provider: String,
    pub(crate) entities: Vec<EntityBody>,
    pub(crate) operation: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) verdict: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
    /// The alert that it repeats, if it was closed as a duplicate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) duplicate_of: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) owner: Option<String>,
    /// The team's own labels.
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    /// How many events it rests on.
    pub(crate) events: u64,
    /// 1, and one more for each change; also in `ETag`, to be sent as `If-Match`.
    pub(crate) revision: u64,
    /// When a person first took it up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) acknowledged: Option<String>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) closed: Option<String>,
    /// The silence that hides it: it is not told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) suppressed_by: Option<String>,
    /// Why that silence was made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) suppressed_reason: Option<String>,
}

/// Someone or something that an alert is about.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EntityBody {
    /// `actor`, `credential`, `user`, `account`, `address` or `resource`.
    pub(crate) kind: String,
    /// The id, or the name where there is no id.
    pub(crate) value: String,
    /// The name, where that is not the id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) name: Option<String>,
}

/// A page of alerts, newest event first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlertList {
    pub(crate) alerts: Vec<AlertSummary>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// An alert with its evidence and history.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlertDetail {
    #[serde(flatten)]
    pub(crate) summary: AlertSummary,
    pub(crate) description: String,
    /// What to do, a step each.
    pub(crate) response: Vec<String>,
    /// The incident that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) incident: Option<AlertIncidentBody>,
    /// Its risk, 0 to 100; absent before it is known, and for an alert that is about risk itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) risk: Option<u8>,
    /// What the risk is made of.
    #[serde(default)]
    pub(crate) risk_parts: Vec<RiskPartBody>,
    /// 1, and one more for each time that late or further events changed the evidence.
    pub(crate) version: u32,
    /// What joins the events, if the rule is a correlation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) joined: Option<JoinedBody>,
    pub(crate) evidence: Vec<EvidenceBody>,
    /// What it rested on before it was amended; of very many versions the first and the newest.
    #[serde(default)]
    pub(crate) versions: Vec<VersionBody>,
    /// What was done about it, oldest first; the newest 1000 steps.
    pub(crate) history: Vec<ChangeBody>,
    /// Who was told of it, and what became of that.
    pub(crate) told: ToldBody,
}

/// The incident of an alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlertIncidentBody {
    pub(crate) id: String,
    pub(crate) title: String,
    /// `new`, `acknowledged`, `in_progress` or `closed`.
    pub(crate) status: String,
}

/// Where an alert belongs, what it weighs, and who was told of it.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) incident: Option<Incident>,
    pub(super) risk: Option<Score>,
    pub(super) told: ToldBody,
}

/// What an alert rested on before late or further events changed it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct VersionBody {
    pub(crate) version: u32,
    /// When another version took its place.
    pub(crate) replaced: String,
    /// Why.
    pub(crate) why: String,
    /// When its deciding event happened.
    pub(crate) time: String,
    pub(crate) severity: String,
    /// How many events it rested on.
    pub(crate) events: u64,
    /// Their ids; of more than 200 the first and the last hundred.
    pub(crate) event_uids: Vec<String>,
}

/// What joins the events of a correlation's alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JoinedBody {
    /// What the events have in common: the names of `group-by` and their values.
    pub(crate) by: Vec<JoinedPart>,
    /// What was counted or computed, in words; may be empty.
    pub(crate) why: String,
    /// When the first of the events happened.
    pub(crate) begin: String,
    /// How many events there are; the evidence names at most 1000.
    pub(crate) events: u64,
}

/// A field that the events of an alert have in common.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JoinedPart {
    pub(crate) field: String,
    pub(crate) value: String,
}

/// An event that an alert rests on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EvidenceBody {
    pub(crate) event_uid: String,
    pub(crate) time: String,
    pub(crate) operation: String,
    /// The record as the cloud wrote it, as text.
    pub(crate) raw: String,
}

/// A step in an alert's life.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangeBody {
    pub(crate) time: String,
    pub(crate) by: String,
    /// What was done, as a past participle.
    pub(crate) change: String,
    /// What of the alert: `status`, `owner`, `labels`, `comment`, `suppressed_by`, `evidence`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) field: Option<String>,
    /// What that was before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) before: Option<String>,
    /// What it was from then on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) verdict: Option<String>,
    /// Why, or the comment.
    pub(crate) reason: String,
}

/// The severities by their names, informational first.
pub(super) const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// An alert that is in no store.
pub(crate) fn unstored(alert: alerts::Alert) -> AlertSummary {
    let time_us = alert.time_us;
    summary(StoredAlert::untouched(alert, time_us))
}

/// As lists show it.
pub(crate) fn summary(stored: StoredAlert) -> AlertSummary {
    let alert = stored.alert;
    let events = alert.joined.as_ref().map_or(alert.evidence.len() as u64, |joined| joined.events);
    AlertSummary {
        id: alert.id.to_string(),
        status: stored.status.as_str().into(),
        severity: SEVERITIES
            .get(usize::from(alert.severity_id).wrapping_sub(1))
            .copied()
            .unwrap_or("unknown")
            .into(),
        rule_id: alert.rule.id,
        title: alert.rule.title,
        tags: alert.rule.tags,
        time: format_us(alert.time_us),
        created: format_us(stored.created_us),
        updated: format_us(stored.updated_us),
        provider: alert.provider,
        operation: alert.evidence.last().map(|event| event.operation.clone()).unwrap_or_default(),
        entities: alert.entities.into_iter().map(entity).collect(),
        verdict: stored.verdict.map(|verdict| verdict.as_str().into()),
        reason: stored.reason,
        duplicate_of: stored.duplicate_of,
        owner: stored.owner,
        labels: stored.labels,
        events,
        revision: stored.revision,
        acknowledged: stored.acknowledged_us.map(format_us),
        closed: stored.closed_us.map(format_us),
        suppressed_by: stored.suppressed_by,
        suppressed_reason: stored.suppressed_reason,
    }
}

fn entity(entity: Entity) -> EntityBody {
    let kind = serde_json::to_value(entity.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    EntityBody { kind: kind.unwrap_or_default(), value: entity.value, name: entity.name }
}

/// All that is known of it.
pub(super) fn detail(
    stored: StoredAlert,
    history: Vec<AlertChange>,
    versions: Vec<AlertVersion>,
    placed: Placed,
) -> AlertDetail {
    let description = stored.alert.rule.description.clone();
    let evidence = stored.alert.evidence.iter().map(|event| EvidenceBody {
        event_uid: event.event_uid.clone(),
        time: format_us(event.time_us),
        operation: event.operation.clone(),
        raw: event.raw.clone(),
    });
    let evidence = evidence.collect();
    let history = history.into_iter().map(|step| ChangeBody {
        time: format_us(step.at_us),
        by: step.by,
        change: step.change,
        field: step.field,
        before: step.before,
        after: step.after,
        verdict: step.verdict,
        reason: step.reason,
    });
    let joined = stored.alert.joined.as_ref().map(|joined| JoinedBody {
        by: joined
            .by
            .iter()
            .map(|(field, value)| JoinedPart { field: field.clone(), value: value.clone() })
            .collect(),
        why: joined.why.clone(),
        begin: format_us(joined.begin_us),
        events: joined.events,
    });
    let (response, version) = (stored.alert.rule.response.clone(), stored.version);
    let history = history.collect();
    let versions = versions.into_iter().map(|version| VersionBody {
        version: version.version,
        replaced: format_us(version.replaced_us),
        why: version.why,
        time: format_us(version.time_us),
        severity: version.severity,
        events: version.events,
        event_uids: version.event_uids,
    });
    let versions = versions.collect();
    AlertDetail {
        summary: summary(stored),
        description,
        response,
        incident: placed.incident.map(|incident| AlertIncidentBody {
            id: incident.id,
            title: incident.assessment.title,
            status: incident.status.as_str().into(),
        }),
        risk: placed.risk.as_ref().map(|risk| risk.score),
        risk_parts: placed.risk.map(|risk| parts(&risk.parts)).unwrap_or_default(),
        version,
        joined,
        evidence,
        versions,
        history,
        told: placed.told,
    }
}
