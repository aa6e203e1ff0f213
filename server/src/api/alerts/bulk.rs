//! Many alerts are changed: `POST /api/v1/alerts/bulk`

use std::sync::Arc;

use ::alerts::{BulkOutcome, Change, Edit, Selection};
use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::closing;
use super::{AlertQuery, blocking, filter};
use crate::api::Json;
use crate::api::Problem;
use crate::api::json::object;
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

/// What is done, to which alerts.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BulkBody {
    /// The alerts, 1000 at most; or
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ids: Option<Vec<String>>,
    /// all that a list with these parameters shows: of more than 1000 that it is still to be done to, the newest.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object")]
    pub(crate) filter: Option<AlertQuery>,
    /// `acknowledge`, `start`, `close`, `reopen`, `assign`, `unassign`, `comment`, `label` or `release`.
    pub(crate) action: String,
    /// Why, in your words, or the comment.
    pub(crate) reason: String,
    /// For `close`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<String>,
    /// For `close` as a duplicate: the alert that they repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duplicate_of: Option<String>,
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

/// What became of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BulkResult {
    /// The ids of the alerts that were changed.
    pub(crate) changed: Vec<String>,
    /// Those that were not.
    pub(crate) unchanged: Vec<UnchangedBody>,
    /// Whether the filter finds more: the same request again takes the next.
    pub(crate) more: bool,
}

/// An alert that was not changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnchangedBody {
    pub(crate) id: String,
    /// Why not.
    pub(crate) reason: String,
}

/// Changes many alerts in one transaction, and says which were changed and which were not, and why.
#[utoipa::path(post, path = "/api/v1/alerts/bulk", tag = "alerts", request_body = BulkBody,
    responses((status = 200, body = BulkResult), (status = 400, body = Problem)))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<BulkBody>,
) -> Result<Json<BulkResult>, Problem> {
    caller.needs(Right::Triage)?;
    let change = wanted(&body)?;
    tell("action", body.action.as_str());
    for (name, value) in
        [("verdict", &body.verdict), ("duplicate_of", &body.duplicate_of), ("owner", &body.owner)]
    {
        if let Some(value) = value {
            tell(name, value.as_str());
        }
    }
    if change != Change::Comment && !body.reason.is_empty() {
        tell("reason", body.reason.as_str());
    }
    let selection = match (body.ids, body.filter) {
        (Some(ids), None) => Selection::Ids(ids),
        (None, Some(query)) if query == AlertQuery::default() => {
            return Err(Problem::bad_request(
                "`filter` names nothing, so all alerts would be changed; narrow it",
            ));
        }
        (None, Some(query)) if query.limit.is_some() || query.cursor.is_some() => {
            return Err(Problem::bad_request("`limit` and `cursor` are for lists; a bulk action takes 1000"));
        }
        (None, Some(mut query)) => {
            if change == Change::Release {
                query.suppressed.get_or_insert_with(|| "only".to_owned());
            }
            Selection::Filter(filter(query)?)
        }
        _ => return Err(Problem::bad_request("send either `ids` or `filter`")),
    };
    let edit = Edit { change, by: caller.name, reason: body.reason, at_us: now_us() };
    let outcome = blocking(move || app.alerts.edit_many(&selection, &edit)).await??;
    tell("changed", outcome.changed.len() as u64);
    tell("unchanged", outcome.unchanged.len() as u64);
    // As many ids as a detail has room for.
    tell("alerts", outcome.changed.join(" "));
    Ok(Json(outcome.into()))
}

impl From<BulkOutcome> for BulkResult {
    fn from(outcome: BulkOutcome) -> Self {
        let unchanged = outcome.unchanged.into_iter().map(|(id, reason)| UnchangedBody { id, reason });
        Self { changed: outcome.changed, unchanged: unchanged.collect(), more: outcome.more }
    }
}

fn wanted(body: &BulkBody) -> Result<Change, Problem> {
    let goes_with = |given: bool, name: &str, action: &str| match given && body.action != action {
        true => Err(Problem::bad_request(&format!("`{name}` goes with the action `{action}`"))),
        false => Ok(()),
    };
    goes_with(body.verdict.is_some(), "verdict", "close")?;
    goes_with(body.duplicate_of.is_some(), "duplicate_of", "close")?;
    goes_with(body.owner.is_some(), "owner", "assign")?;
    goes_with(!body.add.is_empty() || !body.remove.is_empty(), "add` or `remove", "label")?;
    Ok(match body.action.as_str() {
        "acknowledge" | "ack" => Change::Acknowledge,
        "start" => Change::Start,
        "close" => {
            let verdict =
                body.verdict.as_deref().ok_or_else(|| Problem::bad_request("`verdict` is missing"))?;
            closing(verdict, body.duplicate_of.clone())?
        }
        "reopen" => Change::Reopen,
        "assign" => Change::Assign(body.owner.clone().unwrap_or_default()),
        "unassign" => Change::Unassign,
        "comment" => Change::Comment,
        "release" => Change::Release,
        "label" => Change::Label { add: body.add.clone(), remove: body.remove.clone() },
        other => {
            return Err(Problem::bad_request(&format!(
                "unknown action `{other}`; choose acknowledge, start, close, reopen, assign, unassign, comment, label or release"
            )));
        }
    })
}
