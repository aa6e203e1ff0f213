//! What belongs together is decided: `POST /api/v1/incidents/{id}/merge` and `split`

use std::collections::BTreeSet;
use std::sync::Arc;

use alerts::incident::Deciding;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IncidentSummary;
use super::change::{Answer, answer};
use crate::api::alerts::{blocking, revision};
use crate::api::{Json, Problem};
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

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
