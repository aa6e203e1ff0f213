//! The Management Activity API of Microsoft 365.
//!
//! <https://learn.microsoft.com/en-us/office/office-365-management-api/office-365-management-activity-api-reference>:
//! content is listed by when it became available, at most 24 hours at once and 7 days back, for content
//! types that are subscribed to.

use std::collections::HashMap;

use axum::extract::{Path, Query, State as AxumState};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Shared, State, TENANT, own_address, parse_time, refused, write_time};

const DAY_S: i64 = 86_400;
const TYPES: [&str; 5] =
    ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"];

/// A piece of content: some records of one type.
#[derive(Debug, Clone)]
pub struct Blob {
    /// `Audit.Exchange` and so on.
    pub content_type: String,
    /// Its id.
    pub content_id: String,
    /// When it became available, in seconds since 1970.
    pub created_s: i64,
    /// The records.
    pub records: Vec<Value>,
    /// It is listed and cannot be read any more.
    pub is_gone: bool,
}

type Parameters = HashMap<String, String>;

pub(super) fn routes() -> Router<Shared> {
    let feed = "/api/v1.0/{tenant}/activity/feed";
    Router::new()
        .route(&format!("{feed}/subscriptions/start"), post(start))
        .route(&format!("{feed}/subscriptions/list"), get(list))
        .route(&format!("{feed}/subscriptions/content"), get(content))
        .route(&format!("{feed}/audit/{{id}}"), get(blob))
}

/// The refusal of a call, for what is checked of each.
fn check(state: &mut State, tenant: &str, query: &Parameters, headers: &HeaderMap) -> Option<Response> {
    let grants = match state.caller(headers) {
        Ok(grants) => grants.clone(),
        Err(_) => {
            let body = json!({"Message": "Authorization has been denied for this request."});
            return Some((StatusCode::UNAUTHORIZED, Json(body)).into_response());
        }
    };
    if !query.contains_key("PublisherIdentifier") {
        state.calls_without_publisher += 1;
    }
    if tenant.len() != 36 {
        let message = format!("The tenant ID passed in the URL ({tenant}) is not a valid GUID.");
        return Some(refused(StatusCode::BAD_REQUEST, "AF20010", &message));
    }
    if tenant != TENANT {
        let message = format!(
            "The tenant ID passed in the URL ({tenant}) does not match the tenant ID passed in the access token ({TENANT})."
        );
        return Some(refused(StatusCode::BAD_REQUEST, "AF20013", &message));
    }
    if !grants.contains("ActivityFeed.Read") {
        let message = "The permission set () sent in the request did not include the expected permission ActivityFeed.Read.";
        return Some(refused(StatusCode::UNAUTHORIZED, "AF10001", message));
    }
    if query.get("contentType").is_some_and(|kind| !TYPES.contains(&kind.as_str())) {
        return Some(refused(StatusCode::BAD_REQUEST, "AF20020", "The specified content type is not valid."));
    }
    if query.get("contentType").is_some_and(|kind| kind == "DLP.All")
        && !grants.contains("ActivityFeed.ReadDlp")
    {
        let message = "The permission set sent in the request did not include the expected permission ActivityFeed.ReadDlp.";
        return Some(refused(StatusCode::UNAUTHORIZED, "AF10001", message));
    }
    None
}

fn kind(query: &Parameters) -> String {
    query.get("contentType").cloned().unwrap_or_default()
}

async fn start(
    AxumState(state): AxumState<Shared>,
    Path(tenant): Path<String>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock();
    if let Some(refusal) = check(&mut state, &tenant, &query, &headers) {
        return refusal;
    }
    let now_s = state.now_s;
    if state.subscriptions.insert(kind(&query), now_s).is_some() {
        let message = "The subscription is already enabled. No property change.";
        return refused(StatusCode::BAD_REQUEST, "AF20024", message);
    }
    Json(json!({"contentType": kind(&query), "status": "enabled", "webhook": null})).into_response()
}

async fn list(
    AxumState(state): AxumState<Shared>,
    Path(tenant): Path<String>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock();
    if let Some(refusal) = check(&mut state, &tenant, &query, &headers) {
        return refusal;
    }
    let one = |kind: &String| json!({"contentType": kind, "status": "enabled", "webhook": null});
    let all: Vec<_> = state.subscriptions.keys().map(one).collect();
    Json(all).into_response()
}

/// The times of a query: start inclusive, end exclusive.
fn span(now_s: i64, query: &Parameters) -> Option<(i64, i64)> {
    let (start_s, end_s) = match (query.get("startTime"), query.get("endTime")) {
        (None, None) => (now_s - DAY_S, now_s),
        (Some(start), Some(end)) => (parse_time(start)?, parse_time(end)?),
        _ => return None,
    };
    let is_allowed = start_s < end_s && end_s - start_s <= DAY_S && start_s >= now_s - 7 * DAY_S;
    is_allowed.then_some((start_s, end_s))
}

async fn content(
    AxumState(state): AxumState<Shared>,
    Path(tenant): Path<String>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock();
    if let Some(refusal) = check(&mut state, &tenant, &query, &headers) {
        return refusal;
    }
    let kind = kind(&query);
    let Some(since_s) = state.subscriptions.get(&kind).copied() else {
        let message = format!("No subscription found for the specified content type ({kind}).");
        return refused(StatusCode::BAD_REQUEST, "AF20022", &message);
    };
    let Some((start_s, end_s)) = span(state.now_s, &query) else {
        let message = "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours apart, with the start time no more than 7 days in the past.";
        return refused(StatusCode::BAD_REQUEST, "AF20055", message);
    };
    let mut listed: Vec<_> = state
        .blobs
        .iter()
        .filter(|blob| {
            blob.content_type == kind
                && (start_s..end_s).contains(&blob.created_s)
                && blob.created_s <= state.now_s
                && blob.created_s >= since_s
        })
        .collect();
    // In no order of time.
    listed.sort_by_key(|blob| blob.content_id.clone());
    if let Some(page) = query.get("nextPage") {
        listed.retain(|blob| blob.content_id > *page);
    }
    let has_more = listed.len() > state.page_size;
    listed.truncate(state.page_size);
    let base = format!("{}/api/v1.0/{tenant}/activity/feed", own_address(&headers));
    let entry = |blob: &&Blob| {
        json!({
            "contentType": blob.content_type, "contentId": blob.content_id,
            "contentUri": format!("{base}/audit/{}", blob.content_id),
            "contentCreated": write_time(blob.created_s),
            "contentExpiration": write_time(blob.created_s + 7 * DAY_S),
        })
    };
    let entries: Vec<_> = listed.iter().map(entry).collect();
    let mut answer = Json(entries).into_response();
    if let Some(last) = listed.last().filter(|_| has_more) {
        let (start, end) = (write_time(start_s), write_time(end_s));
        let next = format!(
            "{base}/subscriptions/content?contentType={kind}&startTime={start}&endTime={end}&nextPage={}",
            last.content_id
        );
        if let Ok(next) = next.parse() {
            answer.headers_mut().insert("NextPageUri", next);
        }
    }
    answer
}

async fn blob(
    AxumState(state): AxumState<Shared>,
    Path((tenant, id)): Path<(String, String)>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock();
    if let Some(refusal) = check(&mut state, &tenant, &query, &headers) {
        return refusal;
    }
    let found = state.blobs.iter().find(|blob| blob.content_id == id);
    let Some(found) = found.filter(|blob| !blob.is_gone) else {
        let message = format!("The specified content ({id}) does not exist.");
        return refused(StatusCode::NOT_FOUND, "AF20050", &message);
    };
    if found.created_s < state.now_s - 7 * DAY_S {
        let message = format!("Content requested with the key {id} has already expired.");
        return refused(StatusCode::BAD_REQUEST, "AF20051", &message);
    }
    Json(found.records.clone()).into_response()
}
