//! `/api/v1/alerts`

use std::sync::Arc;

use alerts::{AlertChange, AlertFilter, AlertStatus, Change, Cursor, Entity, StoredAlert, Verdict};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use super::time::{format_us, parse_us};
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};

/// Which alerts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    /// `new`, `acknowledged` or `closed`.
    status: Option<String>,
    /// The least severity: `low`, `medium`, `high` or `critical`.
    severity: Option<String>,
    /// A rule's id.
    rule: Option<String>,
    /// `AWS`, `Azure` or `GCP`.
    provider: Option<String>,
    /// An actor, credential, user, account, address or resource.
    entity: Option<String>,
    /// Only events at or after this time (RFC 3339).
    since: Option<String>,
    /// Only events before this time (RFC 3339).
    until: Option<String>,
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

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
    /// 1, and one more for each time that late or further events changed the evidence.
    pub(crate) version: u32,
    /// What joins the events, if the rule is a correlation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) joined: Option<JoinedBody>,
    pub(crate) evidence: Vec<EvidenceBody>,
    pub(crate) history: Vec<ChangeBody>,
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
    pub(crate) change: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) verdict: Option<String>,
    pub(crate) reason: String,
}

/// How an alert is closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseBody {
    /// `true_positive`, `false_positive`, `benign` or `duplicate`.
    verdict: String,
    /// Why, in your words.
    reason: String,
}

const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// Lists alerts, newest event first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(ListParameters),
    responses((status = 200, body = AlertList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<ListParameters>,
) -> Result<Json<AlertList>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let cursor = wanted.cursor.as_deref().map(Cursor::decode).transpose()?;
    let limit = wanted.limit.unwrap_or(50).clamp(1, 500);
    let filter = filter(wanted)?;
    let page = blocking(move || app.alerts.list(&filter, cursor.as_ref(), limit)).await??;
    let alerts = page.alerts.into_iter().map(summary).collect();
    Ok(Json(AlertList { alerts, next: page.next.map(|cursor| cursor.encode()) }))
}

fn filter(wanted: ListParameters) -> Result<AlertFilter, Problem> {
    let status: Option<AlertStatus> = wanted
        .status
        .map(|name| name.parse())
        .transpose()
        .map_err(|error: String| Problem::bad_request(&error))?;
    let min_severity_id = wanted
        .severity
        .map(|name| {
            let place = SEVERITIES.iter().position(|severity| *severity == name);
            place.map(|place| place as u8 + 1).ok_or_else(|| {
                Problem::bad_request(&format!(
                    "unknown severity `{name}`; choose one of {}",
                    SEVERITIES.join(", ")
                ))
            })
        })
        .transpose()?;
    Ok(AlertFilter {
        status,
        min_severity_id,
        rule_id: wanted.rule,
        provider: wanted.provider,
        entity: wanted.entity,
        since_us: wanted.since.map(|text| parse_us("since", &text)).transpose()?,
        until_us: wanted.until.map(|text| parse_us("until", &text)).transpose()?,
    })
}

/// Shows an alert with its evidence and history.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<AlertDetail>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let (stored, history) = blocking(move || app.alerts.get(&id)).await??;
    Ok(Json(detail(stored, history)))
}

/// Takes an alert: somebody works on it.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/acknowledge", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertSummary), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn acknowledge(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<AlertSummary>, Problem> {
    change(app, caller, id, Change::Acknowledge, String::new()).await
}

/// Closes an alert with a verdict and a reason.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/close", tag = "alerts", params(("id" = String, Path)), request_body = CloseBody,
    responses((status = 200, body = AlertSummary), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Json(body): Json<CloseBody>,
) -> Result<Json<AlertSummary>, Problem> {
    let verdict: Verdict = body.verdict.parse().map_err(|error: String| Problem::bad_request(&error))?;
    if verdict == Verdict::Refuted {
        return Err(Problem::bad_request("only late events refute an alert; choose another verdict"));
    }
    if body.reason.trim().is_empty() {
        return Err(Problem::bad_request("`reason` is empty; say why the alert is closed"));
    }
    change(app, caller, id, Change::Close(verdict), body.reason).await
}

/// Opens a closed alert again.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/reopen", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertSummary), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn reopen(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<AlertSummary>, Problem> {
    change(app, caller, id, Change::Reopen, String::new()).await
}

async fn change(
    app: Arc<App>,
    caller: Caller,
    id: String,
    change: Change,
    reason: String,
) -> Result<Json<AlertSummary>, Problem> {
    caller.needs(Right::Triage)?;
    let stored = blocking(move || app.alerts.change(&id, change, &caller.name, &reason, now_us())).await??;
    Ok(Json(summary(stored)))
}

/// Runs work that waits for the disk where it holds up no other request.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::internal(&format!("a worker failed: {error}"), event::Fate::Stop))
}

/// An alert that is in no store.
pub(crate) fn unstored(alert: alerts::Alert) -> AlertSummary {
    let (status, time_us) = (AlertStatus::New, alert.time_us);
    summary(StoredAlert {
        alert,
        status,
        verdict: None,
        reason: None,
        created_us: time_us,
        updated_us: time_us,
        version: 1,
    })
}

fn summary(stored: StoredAlert) -> AlertSummary {
    let alert = stored.alert;
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
    }
}

fn entity(entity: Entity) -> EntityBody {
    let kind = serde_json::to_value(entity.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    EntityBody { kind: kind.unwrap_or_default(), value: entity.value, name: entity.name }
}

fn detail(stored: StoredAlert, history: Vec<AlertChange>) -> AlertDetail {
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
    AlertDetail { summary: summary(stored), description, response, version, joined, evidence, history }
}
