//! A step is taken with many incidents: `POST /api/v1/incidents/bulk`

use std::collections::BTreeMap;
use std::sync::Arc;

use alerts::Selection;
use alerts::incident::Step;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::{assigning, closing, tell_step};
use super::{IncidentQuery, filter};
use crate::api::alerts::bulk::{goes_with, needed_verdict, selected};
use crate::api::alerts::{BulkResult, blocking, revision};
use crate::api::json::object;
use crate::api::{Json, Problem};
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

/// What is done, with which incidents.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IncidentBulkBody {
    /// The incidents, 1000 at most, by their ids or the first digits of them; or
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ids: Option<Vec<String>>,
    /// all that a list with these parameters shows: of more than 1000 that it is still to be done with, the newest.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object")]
    pub(crate) filter: Option<IncidentQuery>,
    /// Of ids, the revisions at which you know the incidents: one that is at another by now stays as it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) revisions: BTreeMap<String, u64>,
    /// `acknowledge`, `start`, `close`, `reopen`, `assign`, `unassign`, `comment` or `label`.
    pub(crate) action: String,
    /// For `close` and `reopen`: why, in your words; for `comment`: the comment.
    pub(crate) reason: String,
    /// For `close`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<String>,
    /// For `close`: leaves the alerts as they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) keep_alerts: bool,
    /// For `assign`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// For `label`: labels to put on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) add: Vec<String>,
    /// For `label`: labels to take off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) remove: Vec<String>,
}

/// Takes a step with many incidents in one transaction, and says with which it was taken and with which not, and why.
/// Closing closes the alerts, too: once 10000 alerts belong to what a call has closed, the rest is left for another.
#[utoipa::path(post, path = "/api/v1/incidents/bulk", tag = "incidents", request_body = IncidentBulkBody,
    responses((status = 200, body = BulkResult), (status = 400, body = Problem)))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(body): Json<IncidentBulkBody>,
) -> Result<Json<BulkResult>, Problem> {
    caller.needs(Right::Triage)?;
    revision::refused(&headers)?;
    let step = wanted(&body)?;
    tell("action", body.action.as_str());
    tell_step(&step);
    let is_page = |query: &IncidentQuery| query.limit.is_some() || query.cursor.is_some();
    let selection = match selected(body.ids, body.filter, body.revisions, is_page)? {
        Selection::Ids(ids) => Selection::Ids(ids),
        Selection::Filter(query) => Selection::Filter(filter(query)?),
    };
    let outcome = blocking(move || {
        app.follow_alerts()?;
        app.incidents.step_many(&selection, &step, &caller.name, now_us())
    });
    let outcome = outcome.await??;
    tell("changed", outcome.changed.len() as u64);
    tell("unchanged", outcome.unchanged.len() as u64);
    // As many ids as a detail has room for.
    tell("incidents", outcome.changed.join(" "));
    Ok(Json(outcome.into()))
}

fn wanted(body: &IncidentBulkBody) -> Result<Step, Problem> {
    let action = body.action.as_str();
    goes_with(body.verdict.is_some(), "verdict", action, &["close"])?;
    goes_with(body.keep_alerts, "keep_alerts", action, &["close"])?;
    goes_with(body.owner.is_some(), "owner", action, &["assign"])?;
    goes_with(!body.add.is_empty() || !body.remove.is_empty(), "add` or `remove", action, &["label"])?;
    goes_with(!body.reason.is_empty(), "reason", action, &["close", "reopen", "comment"])?;
    Ok(match action {
        "acknowledge" | "ack" => Step::Acknowledge,
        "start" => Step::Start,
        "close" => {
            let verdict = needed_verdict(body.verdict.as_deref())?;
            closing(verdict, body.reason.clone(), body.keep_alerts)?
        }
        "reopen" => Step::Reopen(body.reason.clone()),
        "assign" => match &body.owner {
            Some(owner) => assigning(owner.clone()),
            None => return Err(Problem::bad_request("`owner` is missing; to take them off, `unassign`")),
        },
        "unassign" => Step::Unassign,
        "comment" => Step::Comment(body.reason.clone()),
        "label" => Step::Label { add: body.add.clone(), remove: body.remove.clone() },
        other => {
            return Err(Problem::bad_request(&format!(
                "unknown action `{other}`; choose acknowledge, start, close, reopen, assign, unassign, comment or label"
            )));
        }
    })
}
