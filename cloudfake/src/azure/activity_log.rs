//! The activity log at Azure Resource Manager.
//!
//! <https://learn.microsoft.com/en-us/rest/api/monitor/activity-logs/list>: `$filter` is needed and knows a
//! few patterns, the last 90 days are kept, newest events come first.

use std::collections::HashMap;

use axum::extract::{Path, Query, State as AxumState};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::filter::{self, Clause};
use super::{BadToken, Shared, State, TENANT, own_address, page, parse_time, refused};

const KEPT_S: i64 = 90 * 86_400;
/// What may stand beside the times in a filter, one of them.
const ALSO: [&str; 4] = ["resourceGroupName", "resourceUri", "resourceProvider", "correlationId"];

type Parameters = HashMap<String, String>;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/subscriptions", get(subscriptions))
        .route("/subscriptions/{id}/providers/{provider}/eventtypes/management/values", get(of_subscription))
        .route("/providers/{provider}/eventtypes/management/values", get(of_tenant))
}

fn bad_token(problem: BadToken) -> Response {
    let (code, message) = match problem {
        BadToken::Missing => (
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing or its token is unknown.",
        ),
        BadToken::Expired => (
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.",
        ),
        BadToken::Audience => (
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource.",
        ),
    };
    refused(StatusCode::UNAUTHORIZED, code, message)
}

async fn subscriptions(
    AxumState(state): AxumState<Shared>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let state = state.lock();
    let grants = match state.caller(&headers) {
        Ok(grants) => grants,
        Err(problem) => return bad_token(problem),
    };
    if query.get("api-version").is_none_or(|version| version < &"2016-06-01".to_owned()) {
        return refused(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter is required.",
        );
    }
    // Whoever may read nothing sees nothing, and is not told so.
    let seen = state.activity.keys().filter(|id| !id.is_empty() && grants.contains(&format!("Reader/{id}")));
    let mut ids: Vec<_> = seen.cloned().collect();
    let after = query.get("$skiptoken").cloned().unwrap_or_default();
    ids.retain(|id| *id > after);
    let has_more = ids.len() > state.page_size;
    ids.truncate(state.page_size);
    let values: Vec<_> = ids
        .iter()
        .map(|id| json!({"id": format!("/subscriptions/{id}"), "subscriptionId": id, "tenantId": TENANT, "displayName": id, "state": "Enabled"}))
        .collect();
    let mut body = json!({"value": values, "count": {"type": "Total", "value": values.len()}});
    if let Some(last) = ids.last().filter(|_| has_more) {
        let own = own_address(&headers);
        body["nextLink"] = format!("{own}/subscriptions?api-version=2022-12-01&$skiptoken={last}").into();
    }
    Json(body).into_response()
}

async fn of_subscription(
    AxumState(state): AxumState<Shared>,
    Path((id, provider)): Path<(String, String)>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/subscriptions/{id}/providers/{provider}/eventtypes/management/values");
    list(&state.lock(), &id, &provider, &query, &headers, &path)
}

async fn of_tenant(
    AxumState(state): AxumState<Shared>,
    Path(provider): Path<String>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/providers/{provider}/eventtypes/management/values");
    list(&state.lock(), "", &provider, &query, &headers, &path)
}

/// The times of a filter, inclusive both, if it is one of the patterns.
fn span(clauses: &[Clause]) -> Option<(i64, Option<i64>)> {
    let (start, rest) = clauses.split_first()?;
    if (start.field.as_str(), start.operator.as_str()) != ("eventTimestamp", "ge") {
        return None;
    }
    let end = rest.first().filter(|clause| clause.field == "eventTimestamp");
    let also = if end.is_some() { rest.get(1..)? } else { rest };
    let also: Vec<_> = also.iter().filter(|clause| clause.field != "eventChannels").collect();
    let is_known = also.len() <= 1
        && also.iter().all(|clause| clause.operator == "eq" && ALSO.contains(&clause.field.as_str()))
        && end.is_none_or(|end| end.operator == "le");
    let end_s = match end {
        Some(end) => Some(parse_time(&end.value)?),
        None => None,
    };
    is_known.then_some((parse_time(&start.value)?, end_s))
}

fn list(
    state: &State,
    subscription: &str,
    provider: &str,
    query: &Parameters,
    headers: &HeaderMap,
    path: &str,
) -> Response {
    let grants = match state.caller(headers) {
        Ok(grants) => grants,
        Err(problem) => return bad_token(problem),
    };
    if !provider.eq_ignore_ascii_case("Microsoft.Insights") {
        return refused(
            StatusCode::NOT_FOUND,
            "InvalidResourceNamespace",
            "The resource namespace is invalid.",
        );
    }
    if query.get("api-version").is_none_or(|version| version != "2015-04-01") {
        return refused(StatusCode::BAD_REQUEST, "InvalidApiVersionParameter", "The api-version is invalid.");
    }
    let events = state.activity.get(subscription);
    let is_granted = grants.contains(&format!("Reader/{subscription}"));
    let (Some(events), true) = (events, is_granted) else {
        let message = format!(
            "The client does not have authorization to perform action 'Microsoft.Insights/eventtypes/values/Read' over scope '/subscriptions/{subscription}'."
        );
        return refused(StatusCode::FORBIDDEN, "AuthorizationFailed", &message);
    };
    let given = query.get("$filter").and_then(|text| filter::parse(text));
    let Some((start_s, end_s)) = given.and_then(|clauses| span(&clauses)) else {
        let message =
            "The $filter query parameter value is invalid: it needs a start time and knows few patterns.";
        return refused(StatusCode::BAD_REQUEST, "BadRequest", message);
    };
    if start_s < state.now_s - KEPT_S {
        let message = "The start time cannot be more than 90 days in the past.";
        return refused(StatusCode::BAD_REQUEST, "BadRequest", message);
    }
    let listed = events.iter().filter(|event| {
        event.visible_s <= state.now_s
            && event.time_s >= start_s
            && end_s.is_none_or(|end_s| event.time_s <= end_s)
    });
    let token = query.get("$skipToken").map(String::as_str);
    let (records, next) = page(listed.cloned().collect(), state.page_size, token);
    let mut body = json!({"value": records});
    if let Some(next) = next {
        let filter = query.get("$filter").map(String::as_str).unwrap_or_default().replace(' ', "%20");
        let own = own_address(headers);
        body["nextLink"] =
            format!("{own}{path}?api-version=2015-04-01&$filter={filter}&$skipToken={next}").into();
    }
    Json(body).into_response()
}
