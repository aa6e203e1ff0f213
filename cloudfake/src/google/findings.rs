//! Security Command Center's `findings.list`, second version
//! (<https://cloud.google.com/security-command-center/docs/reference/rest/v2/organizations.sources.findings/list>).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::json;

use super::logging::{Entries, quoted};
use super::refuse;

type Shared = Arc<Mutex<Entries>>;

pub(super) fn routes(state: Shared) -> Router {
    Router::new().route("/v2/{kind}/{id}/sources/{source}/findings", get(list)).with_state(state)
}

async fn list(
    State(state): State<Shared>,
    Path((kind, id, source)): Path<(String, String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let bad = |message: &str| refuse(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message);
    let text = |name: &str| query.get(name).map(String::as_str);
    let filter = text("filter").unwrap_or_default();
    if source != "-" {
        return refuse(StatusCode::NOT_FOUND, "NOT_FOUND", "no such source");
    }
    let (Some(start), Some(end)) = (quoted(filter, "event_time >= "), quoted(filter, "event_time < ")) else {
        return bad("this fake wants a time from and to");
    };
    let size = text("pageSize").and_then(|size| size.parse().ok()).unwrap_or(10);
    if !(1..=1_000).contains(&size) {
        return bad("page_size is from 1 to 1000");
    }
    let question = format!("{filter} {:?} {size}", text("orderBy"));
    let mut state = state.lock();
    state.asked.push(json!(query));
    match state.list(&format!("{kind}/{id}"), (start, end), &question, size, text("pageToken")) {
        None => bad("the page token is not valid"),
        Some((results, next)) => {
            let count = results.len();
            let mut answer = json!({"listFindingsResults": results, "totalSize": count});
            if let (Some(next), Some(members)) = (next, answer.as_object_mut()) {
                members.insert("nextPageToken".into(), next.into());
            }
            Json(answer).into_response()
        }
    }
}
