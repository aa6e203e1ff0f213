//! `/api/v1/incidents`

mod body;
pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod decide;
pub(crate) mod export;

use std::sync::Arc;

use alerts::Cursor;
use alerts::incident::{IncidentFilter, IncidentStatus};
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::alerts::{blocking, revision};
use super::json::Json;
use super::problem::Problem;
use super::time::parse_us;
use crate::app::App;
use crate::auth::{Caller, Right};

pub(super) use body::parts;
pub(crate) use body::{IncidentDetail, IncidentList, IncidentSummary, RiskPartBody};
pub(crate) use bulk::IncidentBulkBody;
pub(crate) use change::{AssignBody, CommentBody};
pub(crate) use decide::{MergeBody, SplitBody};

/// Which incidents.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncidentQuery {
    /// `new`, `acknowledged`, `in_progress` or `closed`; several with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// `true_positive`, `false_positive`, `benign`, `duplicate` or `refuted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<String>,
    /// The least severity: `low`, `medium`, `high` or `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<String>,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Only those that are nobody's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unassigned: bool,
    /// A label of the team's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// An identity, credential, address or resource that is involved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entity: Option<String>,
    /// The id of a rule that raised one of the alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    /// Only those that are not acknowledged or closed in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) overdue: bool,
    /// Only those whose last event is at or after this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// Only those whose first event is before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// How many to list; 50 if not given, 500 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
}

/// Lists incidents, the one with the latest event first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentQuery),
    responses((status = 200, body = IncidentList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<IncidentQuery>,
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
    let incidents = page.incidents.into_iter().map(body::summary).collect();
    Ok(Json(IncidentList { incidents, next: page.next.map(|cursor| cursor.encode()) }))
}

/// The filter that a query means.
fn filter(wanted: IncidentQuery) -> Result<IncidentFilter, Problem> {
    let bad = |error: String| Problem::bad_request(&error);
    let severity = |name: String| {
        let place = body::SEVERITIES.iter().position(|severity| *severity == name);
        place.map(|place| place as u8 + 1).ok_or_else(|| {
            bad(format!("unknown severity `{name}`; choose one of {}", body::SEVERITIES.join(", ")))
        })
    };
    let mut statuses: Vec<IncidentStatus> = Vec::new();
    for name in wanted.status.iter().flat_map(|names| names.split(',')) {
        let status = name.trim().parse().map_err(bad)?;
        if !statuses.contains(&status) {
            statuses.push(status);
        }
    }
    Ok(IncidentFilter {
        statuses,
        min_severity_id: wanted.severity.map(severity).transpose()?,
        verdict: wanted.verdict.map(|name| name.parse()).transpose().map_err(bad)?,
        owner: wanted.owner,
        is_unassigned: wanted.unassigned,
        label: wanted.label,
        entity: wanted.entity,
        rule_id: wanted.rule,
        since_us: wanted.since.map(|text| parse_us("since", &text)).transpose()?,
        until_us: wanted.until.map(|text| parse_us("until", &text)).transpose()?,
        is_overdue: wanted.overdue,
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
        Ok::<_, notify::Error>(body::detail(incident, &alerts, history, merged, told))
    });
    let detail = detail.await??;
    Ok((revision::etag(detail.summary.revision), Json(detail)))
}
