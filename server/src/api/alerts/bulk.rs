//! Many alerts are changed: `POST /api/v1/alerts/bulk`

use std::collections::BTreeMap;
use std::sync::Arc;

use ::alerts::{BulkOutcome, Change, Edit, Expected, Selection};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::closing;
use super::{AlertQuery, blocking, filter, revision};
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
    /// Of ids, the revisions at which you know the alerts: one that is at another by now stays as it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) revisions: BTreeMap<String, u64>,
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
    /// The ids of those that were changed.
    pub(crate) changed: Vec<String>,
    /// Those that were not.
    pub(crate) unchanged: Vec<UnchangedBody>,
    /// Whether the filter finds more: the same request again takes the next.
    pub(crate) more: bool,
}

/// One that was not changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnchangedBody {
    pub(crate) id: String,
    /// Why not.
    pub(crate) reason: String,
    /// The revision that it is at, if that is not the one that `revisions` has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) revision: Option<u64>,
}

/// Changes many alerts in one transaction, and says which were changed and which were not, and why.
#[utoipa::path(post, path = "/api/v1/alerts/bulk", tag = "alerts", request_body = BulkBody,
    responses((status = 200, body = BulkResult), (status = 400, body = Problem)))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(body): Json<BulkBody>,
) -> Result<Json<BulkResult>, Problem> {
    caller.needs(Right::Triage)?;
    revision::refused(&headers)?;
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
    let is_page = |query: &AlertQuery| query.limit.is_some() || query.cursor.is_some();
    let selection = match selected(body.ids, body.filter, body.revisions, is_page)? {
        Selection::Ids(ids) => Selection::Ids(ids),
        Selection::Filter(mut query) => {
            if change == Change::Release {
                query.suppressed.get_or_insert_with(|| "only".to_owned());
            }
            Selection::Filter(filter(query)?)
        }
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
        let unchanged = outcome.unchanged.into_iter().map(|one| UnchangedBody {
            id: one.id,
            reason: one.why,
            revision: one.revision,
        });
        Self { changed: outcome.changed, unchanged: unchanged.collect(), more: outcome.more }
    }
}

/// Those that a body names: ids with the revisions at which they are known, or the parameters of a list.
pub(in crate::api) fn selected<Q: Default + PartialEq>(
    ids: Option<Vec<String>>,
    filter: Option<Q>,
    mut revisions: BTreeMap<String, u64>,
    is_page: fn(&Q) -> bool,
) -> Result<Selection<Q>, Problem> {
    let selection = match (ids, filter) {
        (Some(ids), None) => {
            let mut named = Vec::with_capacity(ids.len());
            for id in ids {
                let expected = match revisions.remove(&id) {
                    Some(revision) => Expected::Revisions(vec![revision]),
                    None => Expected::Any,
                };
                named.push((id, expected));
            }
            Selection::Ids(named)
        }
        (None, Some(query)) if query == Q::default() => {
            return Err(Problem::bad_request("`filter` names nothing, so all would be changed; narrow it"));
        }
        (None, Some(query)) if is_page(&query) => {
            return Err(Problem::bad_request("`limit` and `cursor` are for lists; a bulk action takes 1000"));
        }
        (None, Some(query)) => Selection::Filter(query),
        _ => return Err(Problem::bad_request("send either `ids` or `filter`")),
    };
    match revisions.keys().next() {
        Some(id) => {
            let id: String = id.chars().take(64).collect();
            Err(Problem::bad_request(&format!("`revisions` has `{id}`, which is none of `ids`")))
        }
        None => Ok(selection),
    }
}

/// The verdict that a closing needs.
///
/// # Errors
/// A problem with status 400: there is none.
pub(in crate::api) fn needed_verdict(verdict: Option<&str>) -> Result<&str, Problem> {
    verdict.ok_or_else(|| {
        Problem::bad_request(
            "`verdict` is missing; choose true_positive, false_positive, benign or duplicate",
        )
    })
}

/// Refuses a part of a body that goes with other actions.
pub(in crate::api) fn goes_with(
    is_given: bool,
    name: &str,
    action: &str,
    actions: &[&str],
) -> Result<(), Problem> {
    if !is_given || actions.contains(&action) {
        return Ok(());
    }
    let actions = actions.join("` or `");
    Err(Problem::bad_request(&format!("`{name}` goes with the action `{actions}`")))
}

fn wanted(body: &BulkBody) -> Result<Change, Problem> {
    let action = body.action.as_str();
    goes_with(body.verdict.is_some(), "verdict", action, &["close"])?;
    goes_with(body.duplicate_of.is_some(), "duplicate_of", action, &["close"])?;
    goes_with(body.owner.is_some(), "owner", action, &["assign"])?;
    goes_with(!body.add.is_empty() || !body.remove.is_empty(), "add` or `remove", action, &["label"])?;
    Ok(match action {
        "acknowledge" | "ack" => Change::Acknowledge,
        "start" => Change::Start,
        "close" => closing(needed_verdict(body.verdict.as_deref())?, body.duplicate_of.clone())?,
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
