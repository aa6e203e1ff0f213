//! `/api/v1/alerts`

mod body;
pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod noise;
pub(super) mod revision;

use std::sync::Arc;

use ::alerts::{AlertFilter, Cursor};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::size;
use super::problem::Problem;
use super::time::parse_us;
use crate::app::App;
use crate::auth::{Caller, Right};

pub(super) use body::summary;
pub(crate) use body::{AlertDetail, AlertList, AlertSummary, ChangeBody, unstored};
pub(crate) use bulk::{BulkBody, BulkResult};
pub(super) use change::tell_step;
pub(crate) use change::{ChangeResult, LabelBody};
pub(crate) use noise::{NoiseBody, NoiseList};

/// Which alerts.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct AlertQuery {
    /// `new`, `acknowledged`, `in_progress` or `closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// `true_positive`, `false_positive`, `benign`, `duplicate` or `refuted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<String>,
    /// The least severity: `low`, `medium`, `high` or `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<String>,
    /// A rule's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    /// `AWS`, `Azure` or `GCP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// An actor, credential, user, account, address or resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entity: Option<String>,
    /// Whose they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Only those that are nobody's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unassigned: bool,
    /// A label of the team's own, or a tag of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// Only those of the incident with this id, or these first digits of it (six or more).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incident: Option<String>,
    /// What silences hide: `no` (as if not given), `only`, or `all` for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) suppressed: Option<String>,
    /// Only what the silence with this id hides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) suppressed_by: Option<String>,
    /// Only events at or after this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// Only events before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// How many to list; 50 if not given, 500 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
}

/// Lists alerts, newest event first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertQuery),
    responses((status = 200, body = AlertList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<AlertQuery>,
) -> Result<Json<AlertList>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let cursor = wanted.cursor.as_deref().map(Cursor::decode).transpose()?;
    let limit = size(wanted.limit);
    let filter = filter(wanted)?;
    let page = blocking(move || app.alerts.list(&filter, cursor.as_ref(), limit)).await??;
    let alerts = page.alerts.into_iter().map(body::summary).collect();
    Ok(Json(AlertList { alerts, next: page.next.map(|cursor| cursor.encode()) }))
}

/// The filter that a query means.
fn filter(wanted: AlertQuery) -> Result<AlertFilter, Problem> {
    let bad = |error: String| Problem::bad_request(&error);
    let severity = |name: String| {
        let place = body::SEVERITIES.iter().position(|severity| *severity == name);
        place.map(|place| place as u8 + 1).ok_or_else(|| {
            bad(format!("unknown severity `{name}`; choose one of {}", body::SEVERITIES.join(", ")))
        })
    };
    let is_suppressed = match wanted.suppressed.as_deref() {
        None if wanted.suppressed_by.is_some() => None,
        None | Some("no") => Some(false),
        Some("only") => Some(true),
        Some("all") => None,
        Some(other) => return Err(bad(format!("`suppressed={other}` is unknown; choose no, only or all"))),
    };
    let is_id = |id: &str| (6..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(id) = wanted.incident.as_deref().filter(|id| !is_id(id)) {
        return Err(bad(format!("`incident={id}` is no id of an incident; give six digits of it or more")));
    }
    Ok(AlertFilter {
        incident: wanted.incident,
        is_suppressed,
        suppressed_by: wanted.suppressed_by,
        status: wanted.status.map(|name| name.parse()).transpose().map_err(bad)?,
        verdict: wanted.verdict.map(|name| name.parse()).transpose().map_err(bad)?,
        min_severity_id: wanted.severity.map(severity).transpose()?,
        rule_id: wanted.rule,
        provider: wanted.provider,
        entity: wanted.entity,
        owner: wanted.owner,
        is_unassigned: wanted.unassigned,
        label: wanted.label,
        since_us: wanted.since.map(|text| parse_us("since", &text)).transpose()?,
        until_us: wanted.until.map(|text| parse_us("until", &text)).transpose()?,
    })
}

/// Shows an alert with its evidence, earlier versions and history. `ETag` begins with its revision.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<(HeaderMap, Json<AlertDetail>), Problem> {
    caller.needs(Right::ReadAlerts)?;
    let read = move || {
        let (stored, history) = app.alerts.get(&id)?;
        let incident = match app.incidents.of_alert(&id)? {
            Some(incident) => Some(app.incidents.get(&incident)?),
            None => None,
        };
        let told = app.notifier.standing(&id)?.into();
        let placed = body::Placed { incident, risk: app.incidents.alert_risk(&id)?, told };
        Ok::<_, notify::Error>((stored, history, app.alerts.versions(&id)?, placed))
    };
    let (stored, history, versions, placed) = blocking(read).await??;
    Ok((revision::etag(stored.revision), Json(body::detail(stored, history, versions, placed))))
}

/// Runs work that waits for the disk where it holds up no other request.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::internal(&format!("a worker failed: {error}"), event::Fate::Stop))
}
