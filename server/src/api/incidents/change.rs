//! One incident is changed: `POST /api/v1/incidents/{id}/…`
//!
//! With `If-Match` a change is made only to the incident as the client knows it.

use std::sync::Arc;

use alerts::Verdict;
use alerts::incident::{Incident, Step};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IncidentSummary;
use super::body::summary;
use crate::api::alerts::{LabelBody, blocking, revision};
use crate::api::{Json, Problem};
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

/// Whom an incident is given to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentAssignBody)]
pub(crate) struct AssignBody {
    /// The owner; empty for nobody, as `unassign` has it.
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

/// What a change is answered with: the revision in `ETag`, and the incident.
pub(super) type Answer = Result<(HeaderMap, Json<IncidentSummary>), Problem>;

/// Takes an incident; whoever does is its owner, if it has none.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn acknowledge(at: At) -> Answer {
    at.step(Step::Acknowledge).await
}

/// Says that somebody works on an incident; whoever does is its owner, if it has none.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/start", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn start(at: At) -> Answer {
    at.step(Step::Start).await
}

/// Gives an incident to somebody.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/assign", tag = "incidents", params(("id" = String, Path)), request_body = AssignBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn assign(at: At, Json(body): Json<AssignBody>) -> Answer {
    at.step(assigning(body.owner)).await
}

/// Takes an incident from its owner.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/unassign", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn unassign(at: At) -> Answer {
    at.step(Step::Unassign).await
}

/// Puts labels on an incident or takes them off.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/labels", tag = "incidents", params(("id" = String, Path)), request_body = LabelBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn label(at: At, Json(body): Json<LabelBody>) -> Answer {
    at.step(Step::Label { add: body.add, remove: body.remove }).await
}

/// Says something about an incident.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/comment", tag = "incidents", params(("id" = String, Path)), request_body = CommentBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn comment(at: At, Json(body): Json<CommentBody>) -> Answer {
    at.step(Step::Comment(body.text)).await
}

/// Closes an incident with a verdict and a reason, and with it those of its alerts that are open, in one transaction;
/// their histories name the incident. As a duplicate, or with `keep_alerts`, its alerts stay as they are. Opening it
/// again opens no alert.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/close", tag = "incidents", params(("id" = String, Path)), request_body = CloseIncidentBody,
    responses((status = 200, body = IncidentSummary), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn close(at: At, Json(body): Json<CloseIncidentBody>) -> Answer {
    at.caller.needs(Right::Triage)?;
    let step = closing(&body.verdict, body.reason, body.keep_alerts)?;
    at.step(step).await
}

/// Opens a closed incident again; its clocks begin anew.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/reopen", tag = "incidents", params(("id" = String, Path)), request_body = ReopenIncidentBody,
    responses((status = 200, body = IncidentSummary), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn reopen(at: At, Json(body): Json<ReopenIncidentBody>) -> Answer {
    at.step(Step::Reopen(body.reason)).await
}

/// The step that gives to `owner`.
pub(super) fn assigning(owner: String) -> Step {
    if owner.trim().is_empty() { Step::Unassign } else { Step::Assign(owner) }
}

/// The step that closes with a verdict.
pub(super) fn closing(verdict: &str, reason: String, keeps_alerts: bool) -> Result<Step, Problem> {
    let verdict: Verdict = verdict.parse().map_err(|error: String| Problem::bad_request(&error))?;
    if verdict == Verdict::Refuted {
        return Err(Problem::bad_request("only late events refute an incident; choose another verdict"));
    }
    Ok(Step::Close { verdict, reason, keeps_alerts })
}

/// Which incident, by whom, and what the client knows of it.
#[derive(Debug, axum::extract::FromRequestParts)]
#[from_request(state(Arc<App>))]
pub(crate) struct At {
    state: State<Arc<App>>,
    caller: Extension<Caller>,
    path: Path<String>,
    headers: HeaderMap,
}

impl At {
    async fn step(self, step: Step) -> Answer {
        let (State(app), Extension(caller), Path(id)) = (self.state, self.caller, self.path);
        caller.needs(Right::Triage)?;
        tell_step(&step);
        let expected = revision::expected(&self.headers)?;
        let done = blocking(move || {
            app.follow_alerts()?;
            app.incidents.step_if(&id, &step, &caller.name, &expected, now_us())
        });
        answer(done.await??)
    }
}

pub(super) fn answer(incident: Incident) -> Answer {
    Ok((revision::etag(incident.revision), Json(summary(incident))))
}

/// What the audit log is told of a step. What is said stays in the incident's own history.
pub(super) fn tell_step(step: &Step) {
    match step {
        Step::Close { verdict, reason, .. } => {
            tell("verdict", verdict.as_str());
            tell("reason", reason.as_str());
        }
        Step::Reopen(reason) => tell("reason", reason.as_str()),
        Step::Assign(owner) => tell("owner", owner.as_str()),
        Step::Unassign => tell("owner", "nobody"),
        Step::Label { add, remove } => {
            for (name, labels) in [("add", add), ("remove", remove)] {
                if !labels.is_empty() {
                    tell(name, labels.join(", "));
                }
            }
        }
        Step::Acknowledge | Step::Start | Step::Comment(_) => {}
    }
}
