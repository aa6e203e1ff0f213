//! `/api/v1/incidents`
//!
//! With `If-Match` a change is made only to the incident as the client knows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use alerts::incident::{
    Deciding, Incident, IncidentAlert, IncidentChange, IncidentFilter, IncidentStatus, Step, TimelineEntry,
    timeline,
};
use alerts::{Cursor, Verdict};
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::alerts::{blocking, revision};
use super::json::Json;
use super::problem::Problem;
use super::time::{format_us, parse_us};
use super::told::ToldBody;
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

/// The most events of a timeline that an answer has; a package has them all.
const TIMELINE: usize = 10_000;

/// The header that has the hash of a package's manifest.
const SHA256_HEADER: &str = "x-manifest-sha256";

/// Which incidents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentParameters {
    /// `new`, `acknowledged` or `closed`.
    status: Option<String>,
    /// The least severity: `low`, `medium`, `high` or `critical`.
    severity: Option<String>,
    /// Whose.
    owner: Option<String>,
    /// An identity, credential, address or resource that is involved.
    entity: Option<String>,
    /// Only with an event at or after this time (RFC 3339).
    since: Option<String>,
    /// Only those that are not acknowledged or closed in time.
    #[serde(default)]
    overdue: bool,
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

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
    pub(crate) status: String,
    pub(crate) severity: String,
    /// How sure it is that the alerts belong together, 0 to 100.
    pub(crate) confidence: u8,
    /// 0 to 100, of all alerts together.
    pub(crate) risk: u8,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) owner: Option<String>,
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

/// Whom an incident is given to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentAssignBody)]
pub(crate) struct AssignBody {
    /// The owner; empty for nobody.
    pub(crate) owner: String,
}

/// A comment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentCommentBody)]
pub(crate) struct CommentBody {
    /// What you have to say. `comment` is another name of it.
    #[serde(alias = "comment")]
    pub(crate) text: String,
}

/// How an incident is closed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseIncidentBody {
    /// `true_positive`, `false_positive`, `benign` or `duplicate`.
    pub(crate) verdict: String,
    /// Why, in your words.
    pub(crate) reason: String,
    /// Leaves its alerts as they are.
    #[serde(default)]
    pub(crate) keep_alerts: bool,
}

/// Why an incident is opened again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReopenIncidentBody {
    /// Why, in your words; may be empty.
    #[serde(default)]
    pub(crate) reason: String,
}

/// What an incident is merged with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeBody {
    /// The other incident.
    pub(crate) with: String,
    /// Why, in your words.
    pub(crate) reason: String,
}

/// What is taken out of an incident.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitBody {
    /// The alerts that become an incident of their own.
    pub(crate) alerts: Vec<String>,
    /// Why, in your words.
    pub(crate) reason: String,
}

const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// Lists incidents, the one with the latest event first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentParameters),
    responses((status = 200, body = IncidentList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<IncidentParameters>,
) -> Result<Json<IncidentList>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let cursor = wanted.cursor.as_deref().map(Cursor::decode).transpose()?;
    let limit = wanted.limit.unwrap_or(50).clamp(1, 500);
    let filter = filter(wanted)?;
    let page = blocking(move || {
        app.follow_alerts()?;
        app.incidents.list(&filter, cursor.as_ref(), limit)
    })
    .await??;
    let incidents = page.incidents.into_iter().map(summary).collect();
    Ok(Json(IncidentList { incidents, next: page.next.map(|cursor| cursor.encode()) }))
}

fn filter(wanted: IncidentParameters) -> Result<IncidentFilter, Problem> {
    let status: Option<IncidentStatus> = wanted
        .status
        .map(|name| name.parse())
        .transpose()
        .map_err(|error: String| Problem::bad_request(&error))?;
    let min_severity_id = wanted
        .severity
        .map(|name| {
            let place = SEVERITIES.iter().position(|severity| *severity == name);
            place.map(|place| place as u8 + 1).ok_or_else(|| {
                let known = SEVERITIES.join(", ");
                Problem::bad_request(&format!("unknown severity `{name}`; choose one of {known}"))
            })
        })
        .transpose()?;
    Ok(IncidentFilter {
        status,
        min_severity_id,
        owner: wanted.owner,
        entity: wanted.entity,
        since_us: wanted.since.map(|text| parse_us("since", &text)).transpose()?,
        overdue: wanted.overdue,
    })
}

/// Shows an incident with its alerts, timeline and history. The first six digits or more of an id suffice; the id
/// of one that was merged leads to what it was merged into. `ETag` begins with its revision.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentDetail), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<(HeaderMap, Json<IncidentDetail>), Problem> {
    caller.needs(Right::ReadAlerts)?;
    let detail = blocking(move || {
        app.follow_alerts()?;
        let incident = app.incidents.get(&id)?;
        let alerts = app.incidents.alerts(&incident.id)?;
        let history = app.incidents.history(&incident.id)?;
        let merged = app.incidents.merged(&incident.id)?;
        let told = app.notifier.standing(&incident.id)?.into();
        Ok::<_, notify::Error>(detail(incident, &alerts, history, merged, told))
    });
    let detail = detail.await??;
    Ok((revision::etag(detail.summary.revision), Json(detail)))
}

/// What a change is answered with: the revision in `ETag`, and the incident.
type Answer = Result<(HeaderMap, Json<IncidentSummary>), Problem>;

/// Takes an incident: somebody works on it.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn acknowledge(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    step(app, caller, (id, headers), Step::Acknowledge).await
}

/// Gives an incident to somebody.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/assign", tag = "incidents", params(("id" = String, Path)), request_body = AssignBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn assign(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<AssignBody>,
) -> Answer {
    step(app, caller, (id, headers), Step::Assign(body.owner)).await
}

/// Says something about an incident.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/comment", tag = "incidents", params(("id" = String, Path)), request_body = CommentBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn comment(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<CommentBody>,
) -> Answer {
    step(app, caller, (id, headers), Step::Comment(body.text)).await
}

/// Closes an incident with a verdict and a reason, and with it those of its alerts that are open, in one transaction;
/// their histories name the incident. As a duplicate, or with `keep_alerts`, its alerts stay as they are. Opening it
/// again opens no alert.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/close", tag = "incidents", params(("id" = String, Path)), request_body = CloseIncidentBody,
    responses((status = 200, body = IncidentSummary), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<CloseIncidentBody>,
) -> Answer {
    let verdict: Verdict = body.verdict.parse().map_err(|error: String| Problem::bad_request(&error))?;
    if verdict == Verdict::Refuted {
        return Err(Problem::bad_request("only late events refute an incident; choose another verdict"));
    }
    let close = Step::Close { verdict, reason: body.reason, keeps_alerts: body.keep_alerts };
    step(app, caller, (id, headers), close).await
}

/// Opens a closed incident again; its clocks begin anew.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/reopen", tag = "incidents", params(("id" = String, Path)), request_body = ReopenIncidentBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn reopen(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<ReopenIncidentBody>,
) -> Answer {
    step(app, caller, (id, headers), Step::Reopen(body.reason)).await
}

fn answer(incident: Incident) -> Answer {
    Ok((revision::etag(incident.revision), Json(summary(incident))))
}

async fn step(app: Arc<App>, caller: Caller, (id, headers): (String, HeaderMap), step: Step) -> Answer {
    caller.needs(Right::Triage)?;
    match &step {
        Step::Close { verdict, reason, .. } => {
            tell("verdict", verdict.as_str());
            tell("reason", reason.as_str());
        }
        Step::Reopen(reason) => tell("reason", reason.as_str()),
        Step::Assign(owner) => tell("owner", owner.as_str()),
        // What is said stays in the incident's own history.
        Step::Acknowledge | Step::Comment(_) => {}
    }
    let expected = revision::expected(&headers)?;
    let done = blocking(move || {
        app.follow_alerts()?;
        app.incidents.step_if(&id, &step, &caller.name, &expected, now_us())
    });
    answer(done.await??)
}

/// Makes one incident of two; the older id lives on, and the other leads to it.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/merge", tag = "incidents", params(("id" = String, Path)), request_body = MergeBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn merge(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<MergeBody>,
) -> Answer {
    caller.needs(Right::Triage)?;
    tell("with", body.with.as_str());
    tell("reason", body.reason.as_str());
    let expected = revision::expected(&headers)?;
    let merged = blocking(move || {
        app.follow_alerts()?;
        let context = app.incident_context()?;
        let by = Deciding { by: &caller.name, reason: &body.reason, expected: &expected };
        app.incidents.merge((&id, &body.with), &by, &context, now_us())
    });
    answer(merged.await??)
}

/// Takes alerts out of an incident and makes one of their own of them, which is the answer. Nothing joins them to
/// the rest again but a merge.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/split", tag = "incidents", params(("id" = String, Path)), request_body = SplitBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn split(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<SplitBody>,
) -> Answer {
    caller.needs(Right::Triage)?;
    tell("alerts", body.alerts.join(" "));
    tell("reason", body.reason.as_str());
    let expected = revision::expected(&headers)?;
    let split = blocking(move || {
        app.follow_alerts()?;
        let context = app.incident_context()?;
        let alerts: BTreeSet<String> = body.alerts.into_iter().collect();
        let by = Deciding { by: &caller.name, reason: &body.reason, expected: &expected };
        app.incidents.split(&id, &alerts, &by, &context, now_us())
    });
    answer(split.await??)
}

/// Exports the evidence package of an incident as a ZIP archive. Who exported it and the hash of its manifest are
/// written into the incident's history; the answer has the hash in `x-manifest-sha256`.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/export", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, content((Vec<u8> = "application/zip"))), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Right::Export)?;
    let asked = app.clone();
    let mut dossier = blocking(move || {
        asked.follow_alerts()?;
        asked.incidents.dossier(&id)
    })
    .await??;
    dossier.records = crate::evidence::records(&app, &dossier.wanted_records()).await?;
    let (id, by) = (dossier.incident.id.clone(), caller.name.clone());
    let (archive, sha256) = blocking(move || {
        let package = app.incidents.export(&dossier, &by, env!("CARGO_PKG_VERSION"), now_us())?;
        Ok::<_, alerts::Error>((alerts::bundle::write_zip(&package.files)?, package.sha256))
    })
    .await??;
    tell("manifest_sha256", sha256.as_str());
    tracing::info!(by = caller.name, incident = id, sha256, "an evidence package was exported");
    let mut response = archive.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let named = format!("attachment; filename=\"incident-{id}.zip\"");
    if let (Ok(named), Ok(sha256)) = (HeaderValue::from_str(&named), HeaderValue::from_str(&sha256)) {
        headers.insert(header::CONTENT_DISPOSITION, named);
        headers.insert(SHA256_HEADER, sha256);
    }
    Ok(response)
}

pub(super) fn severity(severity_id: u8) -> String {
    SEVERITIES.get(usize::from(severity_id).wrapping_sub(1)).copied().unwrap_or("unknown").into()
}

fn summary(incident: Incident) -> IncidentSummary {
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

fn detail(
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

pub(super) fn parts(parts: &[alerts::risk::Part]) -> Vec<RiskPartBody> {
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
