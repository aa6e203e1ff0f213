//! The reporting and security resources of Microsoft Graph, and what ID Protection lists.
//!
//! <https://learn.microsoft.com/en-us/graph/api/signin-list>,
//! <https://learn.microsoft.com/en-us/graph/api/riskdetection-list>,
//! <https://learn.microsoft.com/en-us/graph/throttling-limits#identity-and-access-reports-service-limits>.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State as AxumState};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::filter;
use super::{BadToken, Event, Shared, State, own_address, page, parse_time, refused};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/{version}/auditLogs/{name}", get(under::<AuditLogs>))
        .route("/{version}/identityProtection/{name}", get(under::<IdentityProtection>))
        .route("/{version}/security/{name}", get(under::<Security>))
}

/// The folder of a route.
trait Folder {
    const NAME: &'static str;
}

struct AuditLogs;
struct IdentityProtection;
struct Security;

impl Folder for AuditLogs {
    const NAME: &'static str = "auditLogs";
}

impl Folder for IdentityProtection {
    const NAME: &'static str = "identityProtection";
}

impl Folder for Security {
    const NAME: &'static str = "security";
}

async fn under<F: Folder>(
    AxumState(state): AxumState<Shared>,
    Path((version, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    list(&mut state.lock(), &version, &format!("{}/{name}", F::NAME), &query, &headers)
}

/// The permission, the time to filter by, and the largest page.
fn resource(name: &str) -> Option<(&'static str, &'static str, usize)> {
    Some(match name {
        "auditLogs/signIns" => ("AuditLog.Read.All", "createdDateTime", 1_000),
        "auditLogs/directoryAudits" | "auditLogs/provisioning" => {
            ("AuditLog.Read.All", "activityDateTime", 1_000)
        }
        "identityProtection/riskDetections" => ("IdentityRiskEvent.Read.All", "detectedDateTime", 500),
        "identityProtection/riskyUsers" => ("IdentityRiskyUser.Read.All", "riskLastUpdatedDateTime", 500),
        "security/alerts_v2" => ("SecurityAlert.Read.All", "lastUpdateDateTime", 2_000),
        _ => return None,
    })
}

/// Whether one more request is too many; each counts, also those that are refused.
fn is_throttled(asked: &mut VecDeque<Instant>, (limit, span): (usize, Duration)) -> bool {
    let now = Instant::now();
    asked.retain(|asked| now.duration_since(*asked) < span);
    let is_throttled = asked.len() >= limit;
    if !is_throttled {
        asked.push_back(now);
    }
    is_throttled
}

fn list(
    state: &mut State,
    version: &str,
    name: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Response {
    let Some((permission, time_field, largest)) = resource(name) else {
        return refused(StatusCode::BAD_REQUEST, "BadRequest", "Resource not found for the segment.");
    };
    if !["v1.0", "beta"].contains(&version) {
        return refused(StatusCode::BAD_REQUEST, "BadRequest", "Invalid version.");
    }
    let is_granted = match state.caller(headers) {
        Ok(grants) => grants.contains(permission),
        Err(problem) => {
            let message = match problem {
                BadToken::Missing => "Access token is empty.",
                BadToken::Expired => "Lifetime validation failed, the token is expired.",
                BadToken::Audience => "Access token validation failure. Invalid audience.",
            };
            return refused(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message);
        }
    };
    let throttled = |message| refused(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
    if name.starts_with("auditLogs/") && is_throttled(&mut state.graph_asked, state.graph_limit) {
        let mut answer = throttled(
            "This request is throttled. Please try again after the value specified in the Retry-After header.",
        );
        answer.headers_mut().insert("retry-after", 1.into());
        return answer;
    }
    // It says nothing of how long to wait.
    if name.starts_with("identityProtection/") && is_throttled(&mut state.risk_asked, state.risk_limit) {
        return throttled("Too many requests.");
    }
    if name.starts_with("identityProtection/") && !state.has_risk_licence {
        return refused(StatusCode::FORBIDDEN, "Forbidden", "Your tenant is not licensed for this feature.");
    }
    if !is_granted {
        let message = "The caller does not have the required permissions: ".to_owned() + permission;
        return refused(StatusCode::FORBIDDEN, "Authorization_RequestDenied", &message);
    }
    let bad = |message: &str| refused(StatusCode::BAD_REQUEST, "BadRequest", message);
    let size = query.get("$top").map_or(Some(largest), |top| top.parse().ok());
    let Some(size) = size.filter(|size| (1..=largest).contains(size)) else {
        return bad("Invalid $top value.");
    };
    let clauses = match query.get("$filter").map(|text| filter::parse(text)) {
        Some(Some(clauses)) => clauses,
        None => Vec::new(),
        Some(None) => return bad("Invalid filter clause."),
    };
    let mut kind = "interactiveUser".to_owned();
    let (mut start_s, mut end_s) = (i64::MIN, i64::MAX);
    for clause in &clauses {
        match (clause.operator.as_str(), parse_time(&clause.value)) {
            ("ge", Some(time_s)) if clause.field == time_field => start_s = time_s,
            ("le", Some(time_s)) if clause.field == time_field => end_s = time_s,
            // Only beta has it, and it must be said for all but interactive sign-ins.
            ("any", _) if clause.field == "signInEventTypes" && version == "beta" => {
                kind.clone_from(&clause.value);
            }
            _ => return bad("Invalid filter clause."),
        }
    }
    let key = if name == "auditLogs/signIns" { format!("{name}/{kind}") } else { name.to_owned() };
    let events = state.graph.get(&key).map(Vec::as_slice).unwrap_or_default();
    let is_listed =
        |event: &&Event| event.visible_s <= state.now_s && (start_s..=end_s).contains(&event.time_s);
    let token = query.get("$skiptoken").map(String::as_str);
    let listed = events.iter().filter(is_listed).cloned().collect();
    let (records, next) = page(listed, size.min(state.page_size), token);
    let own = own_address(headers);
    let mut body = json!({"@odata.context": format!("{own}/{version}/$metadata#{name}"), "value": records});
    if let Some(next) = next {
        let filter = query.get("$filter").map(String::as_str).unwrap_or_default();
        let filter = filter.replace(' ', "%20");
        let link = format!("{own}/{version}/{name}?$top={size}&$filter={filter}&$skiptoken={next}");
        body["@odata.nextLink"] = link.into();
    }
    Json(body).into_response()
}
