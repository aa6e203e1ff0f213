//! `/api/v1/identity`

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use storage::remembered::{self, LinkRow};
use utoipa::{IntoParams, ToSchema};

use super::json::Json;
use super::page::{page, size};
use super::{Problem, format_us};
use crate::app::{App, now_us};
use crate::audit::Facts;
use crate::auth::{Caller, Right};

/// Which links.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkParameters {
    #[param(min_length = 1)]
    /// A name of an identity, such as `aws:user:arn:aws:iam::111122223333:user/ana`, or a part of it.
    name: String,
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of links that tie names to one identity, by their names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LinkList {
    pub(crate) links: Vec<LinkBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// Evidence that two names are one identity.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LinkBody {
    pub(crate) id: String,
    /// The credential, session or more special name.
    pub(crate) a: String,
    /// Its owner.
    pub(crate) b: String,
    /// What ties them.
    pub(crate) kind: String,
    /// How sure it is, 0 to 100.
    pub(crate) confidence: u8,
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
    /// The `event_uid` of the earliest event that proves it.
    pub(crate) proof: String,
}

/// Why a link is not to be believed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoBody {
    /// Why, in your words.
    pub(crate) reason: String,
}

/// Lists the links of a name: of everything that is one identity with it, as far as links reach.
#[utoipa::path(get, path = "/api/v1/identity/links", tag = "identity", params(LinkParameters),
    responses((status = 200, body = LinkList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<LinkParameters>,
) -> Result<Json<LinkList>, Problem> {
    caller.needs(Right::Query)?;
    if wanted.name.trim().is_empty() {
        return Err(Problem::bad_request("`name` is empty; give a name of an identity or a part of it"));
    }
    let name = wanted.name;
    let around = move || app.state.read(|db| remembered::links_around(db, &name));
    let rows = super::alerts::blocking(around).await??;
    let key = |link: &LinkRow| (link.a.clone(), link.b.clone(), link.id.clone());
    let found = page(rows, key, wanted.cursor.as_deref(), size(wanted.limit))?;
    Ok(Json(LinkList { links: found.entries.into_iter().map(body).collect(), next: found.next }))
}

fn body(row: LinkRow) -> LinkBody {
    LinkBody {
        id: row.id,
        a: row.a,
        b: row.b,
        kind: row.kind,
        confidence: row.confidence,
        first_seen: format_us(row.from_us),
        last_seen: format_us(row.until_us),
        proof: row.proof,
    }
}

/// Undoes a link: its evidence is not believed, now or when it is seen again. Alerts that rest on it are
/// taken back.
#[utoipa::path(post, path = "/api/v1/identity/links/{id}/undo", tag = "identity", params(("id" = String, Path)),
    request_body = UndoBody, responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn undo(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(facts): Extension<Facts>,
    Path(id): Path<String>,
    Json(reason): Json<UndoBody>,
) -> Result<StatusCode, Problem> {
    caller.needs(Right::Triage)?;
    if reason.reason.trim().is_empty() {
        return Err(Problem::bad_request("`reason` is empty; say why the link is wrong"));
    }
    let (state, by, wanted) = (app.state.clone(), caller.name.clone(), id.clone());
    let undone = super::alerts::blocking(move || {
        facts.tell("reason", reason.reason.as_str());
        state.write(|txn| {
            let is_undone = remembered::undo_link(txn, &wanted, &by, &reason.reason, now_us())?;
            if is_undone {
                facts.within(txn)?;
            }
            Ok::<_, storage::Error>(is_undone)
        })
    });
    if !undone.await?? {
        return Err(Problem::not_found(&format!(
            "there is no link `{id}`; see /api/v1/identity/links?name=…"
        )));
    }
    tracing::info!(by = caller.name, link = id, "a link between identities was undone");
    app.pipeline.link_undone();
    Ok(StatusCode::NO_CONTENT)
}
