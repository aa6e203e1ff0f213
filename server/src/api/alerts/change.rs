//! One alert is changed: `POST /api/v1/alerts/{id}/…`
//!
//! With `If-Match` a change is made only to the alert as the client knows it. Without it the last one who
//! writes wins, and the answer says what was overwritten.

use std::sync::Arc;

use ::alerts::{AlertChange, Change, Edit, Edited, Verdict};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{AlertSummary, summary};
use super::{blocking, revision};
use crate::api::Json;
use crate::api::{Problem, format_us};
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

/// An alert after a change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangeResult {
    #[serde(flatten)]
    pub(crate) alert: AlertSummary,
    /// Whether anything is different from before.
    pub(crate) changed: bool,
    /// What somebody else had set and this change has replaced, if `If-Match` did not guard it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) overwrote: Option<OverwroteBody>,
}

/// What a change has replaced.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OverwroteBody {
    /// `status` or `owner`.
    pub(crate) field: String,
    /// What it was.
    pub(crate) value: String,
    /// Who had set it.
    pub(crate) by: String,
    pub(crate) time: String,
}

/// Why an alert is changed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReasonBody {
    /// Why, in your words; may be empty.
    reason: String,
}

/// How an alert is closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseBody {
    /// `true_positive`, `false_positive`, `benign` or `duplicate`.
    verdict: String,
    /// Why, in your words.
    reason: String,
    /// The id of the alert that a duplicate repeats.
    #[serde(default)]
    duplicate_of: Option<String>,
}

/// Whose an alert is from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignBody {
    /// A name, such as a token's or a person's.
    owner: String,
    /// Why, in your words; may be empty.
    #[serde(default)]
    reason: String,
}

/// What somebody has to say about an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentBody {
    /// At most 16 KiB. `comment` is another name of it.
    #[serde(alias = "comment")]
    text: String,
}

/// Labels of the team's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelBody {
    /// To put on.
    #[serde(default)]
    pub(in crate::api) add: Vec<String>,
    /// To take off.
    #[serde(default)]
    pub(in crate::api) remove: Vec<String>,
}

/// What a change is answered with: the revision in `ETag`, and the alert.
pub(super) type Answer = Result<(HeaderMap, Json<ChangeResult>), Problem>;

/// Acknowledges an alert: somebody has seen it and takes care.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/acknowledge", tag = "alerts", params(("id" = String, Path)),
    request_body = Option<ReasonBody>, responses((status = 200, body = ChangeResult), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn acknowledge(at: At, body: Option<Json<ReasonBody>>) -> Answer {
    at.change(Change::Acknowledge, reason(body)).await
}

/// Says that somebody works on an alert.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/start", tag = "alerts", params(("id" = String, Path)),
    request_body = Option<ReasonBody>, responses((status = 200, body = ChangeResult), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn start(at: At, body: Option<Json<ReasonBody>>) -> Answer {
    at.change(Change::Start, reason(body)).await
}

/// Closes an alert with a verdict and a reason.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/close", tag = "alerts", params(("id" = String, Path)),
    request_body = CloseBody, responses((status = 200, body = ChangeResult), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn close(at: At, Json(body): Json<CloseBody>) -> Answer {
    at.caller.needs(Right::Triage)?;
    let change = closing(&body.verdict, body.duplicate_of)?;
    at.change(change, body.reason).await
}

/// Opens a closed alert again.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/reopen", tag = "alerts", params(("id" = String, Path)),
    request_body = Option<ReasonBody>, responses((status = 200, body = ChangeResult), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn reopen(at: At, body: Option<Json<ReasonBody>>) -> Answer {
    at.change(Change::Reopen, reason(body)).await
}

/// Gives an alert to somebody.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/assign", tag = "alerts", params(("id" = String, Path)),
    request_body = AssignBody, responses((status = 200, body = ChangeResult), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn assign(at: At, Json(body): Json<AssignBody>) -> Answer {
    at.change(Change::Assign(body.owner), body.reason).await
}

/// Takes an alert from its owner.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/unassign", tag = "alerts", params(("id" = String, Path)),
    request_body = Option<ReasonBody>, responses((status = 200, body = ChangeResult), (status = 404, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn unassign(at: At, body: Option<Json<ReasonBody>>) -> Answer {
    at.change(Change::Unassign, reason(body)).await
}

/// Says something about an alert; it stands in its history.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/comments", tag = "alerts", params(("id" = String, Path)),
    request_body = CommentBody, responses((status = 200, body = ChangeResult), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn comment(at: At, Json(body): Json<CommentBody>) -> Answer {
    at.change(Change::Comment, body.text).await
}

/// Puts labels on an alert or takes them off.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/labels", tag = "alerts", params(("id" = String, Path)),
    request_body = LabelBody, responses((status = 200, body = ChangeResult), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn label(at: At, Json(body): Json<LabelBody>) -> Answer {
    at.change(Change::Label { add: body.add, remove: body.remove }, String::new()).await
}

/// Releases an alert from the silence that hides it: from now on it counts as raised.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/release", tag = "alerts", params(("id" = String, Path)),
    request_body = Option<ReasonBody>, responses((status = 200, body = ChangeResult), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn release(at: At, body: Option<Json<ReasonBody>>) -> Answer {
    at.change(Change::Release, reason(body)).await
}

/// The change that closes with a verdict.
pub(super) fn closing(verdict: &str, duplicate_of: Option<String>) -> Result<Change, Problem> {
    let verdict: Verdict = verdict.parse().map_err(|error: String| Problem::bad_request(&error))?;
    match (verdict, duplicate_of) {
        (Verdict::Refuted, _) => {
            Err(Problem::bad_request("only late events refute an alert; choose another verdict"))
        }
        (Verdict::Duplicate, Some(of)) => Ok(Change::Duplicate(of)),
        (Verdict::Duplicate, None) => Err(Problem::bad_request(
            "a duplicate names the alert that it repeats; send its id as `duplicate_of`",
        )),
        (_, Some(_)) => Err(Problem::bad_request("`duplicate_of` goes with the verdict `duplicate`")),
        (verdict, None) => Ok(Change::Close(verdict)),
    }
}

fn reason(body: Option<Json<ReasonBody>>) -> String {
    body.map(|Json(body)| body.reason).unwrap_or_default()
}

/// Which alert, by whom, and what the client knows of it.
#[derive(Debug, axum::extract::FromRequestParts)]
#[from_request(state(Arc<App>))]
pub(crate) struct At {
    state: State<Arc<App>>,
    caller: Extension<Caller>,
    path: Path<String>,
    headers: HeaderMap,
}

impl At {
    async fn change(self, change: Change, reason: String) -> Answer {
        let (State(app), Extension(caller), Path(id)) = (self.state, self.caller, self.path);
        caller.needs(Right::Triage)?;
        let expected = revision::expected(&self.headers)?;
        let edit = Edit { change, by: caller.name, reason, at_us: now_us() };
        let edited = blocking(move || app.alerts.edit(&id, &edit, &expected)).await??;
        match &edited.step {
            Some(step) => tell_step(step),
            None => tell("changed", "nothing"),
        }
        Ok((revision::etag(edited.alert.revision), Json(result(edited))))
    }
}

/// What the audit log is told of a change. Comments stay in the alert's own history.
pub(crate) fn tell_step(step: &AlertChange) {
    let is_comment = step.field.as_deref() == Some("comment");
    let before = step.before.as_deref().filter(|_| !is_comment);
    let after = step.after.as_deref().filter(|_| !is_comment);
    let reason = Some(step.reason.as_str()).filter(|reason| !is_comment && !reason.is_empty());
    for (name, value) in [
        ("field", step.field.as_deref()),
        ("before", before),
        ("after", after),
        ("verdict", step.verdict.as_deref()),
        ("reason", reason),
    ] {
        if let Some(value) = value {
            tell(name, value);
        }
    }
}

fn result(edited: Edited) -> ChangeResult {
    let overwrote = edited.overwrote.map(|overwrote| OverwroteBody {
        field: overwrote.field.as_str().into(),
        value: overwrote.value,
        by: overwrote.by,
        time: format_us(overwrote.at_us),
    });
    ChangeResult { alert: summary(edited.alert), changed: edited.is_changed, overwrote }
}
