//! `/api/v1/silences`

use std::collections::BTreeMap;
use std::sync::Arc;

use ::alerts::Cursor;
use ::alerts::silence::{Matcher, Schedule, Silence, SilenceCount, SilenceSpec, Trial};
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::alerts::{BulkResult, blocking};
use super::json::Json;
use super::page::size;
use super::time::parse_us;
use super::{Problem, format_us};
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

/// How far back a trial looks.
const TRIAL_US: i64 = 30 * 86_400_000_000;

/// A silence as somebody asks for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SilenceRequest {
    /// What an alert must be like: for each field any one of the values, in which `*` and `?` are wildcards.
    /// Fields: rule, title, severity, provider, operation, tag, entity, actor, credential, user, account, address,
    /// resource, by.NAME for what the events of a correlation or group have in common, and fields.PATH for what each
    /// of the records has there. A network such as `198.51.100.0/24` is every address in it.
    #[serde(rename = "match")]
    pub(crate) matching: BTreeMap<String, Vec<String>>,
    /// From which time of events on (RFC 3339); now if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) starts: Option<String>,
    /// Until which time (RFC 3339), or how long, such as `4h`; it is demanded.
    pub(crate) ends: String,
    /// Only at these hours, such as `Sat,Sun 22:00-06:00`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) windows: Vec<String>,
    /// Whose hours they are, such as `Europe/Berlin`; UTC if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    /// Who answers for it; whoever makes it, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Why, in your words.
    pub(crate) reason: String,
    /// Whether it is meant that it names nothing, and so may hide everything; for 7 days at most.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) everything: bool,
}

/// A silence, and what it did.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SilenceBody {
    pub(crate) id: String,
    /// `pending`, `active`, `expired` or `ended`.
    pub(crate) status: String,
    #[serde(rename = "match")]
    pub(crate) matching: BTreeMap<String, Vec<String>>,
    pub(crate) starts: String,
    pub(crate) ends: String,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) windows: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) time_zone: Option<String>,
    pub(crate) owner: String,
    pub(crate) reason: String,
    pub(crate) created: String,
    pub(crate) created_by: String,
    /// When somebody has ended it before its time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ended_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ended_reason: Option<String>,
    /// How many alerts it hides; `/api/v1/alerts?suppressed_by=ID` lists them.
    pub(crate) hidden: u64,
    /// How many it hid that were released.
    pub(crate) released: u64,
    /// Of a new one: what it would have hidden in the last 30 days.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) trial: Option<TrialBody>,
}

/// What a silence would have hidden of the alerts about the last 30 days, whatever its own beginning and end.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TrialBody {
    /// Alerts in all.
    pub(crate) alerts: u64,
    /// Those that it would have hidden.
    pub(crate) hidden: u64,
    /// Those of them that were closed as true.
    pub(crate) hidden_true: u64,
    /// The rules of those, most first; at most twenty.
    pub(crate) rules: Vec<TrialRuleBody>,
    /// The ids of the newest of those; at most twenty.
    pub(crate) newest: Vec<String>,
    /// Whether there were more than 100,000 alerts, so that older ones were not looked at.
    pub(crate) partial: bool,
    /// What should give pause.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) warnings: Vec<String>,
}

/// A rule, and how many of its alerts would have been hidden.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TrialRuleBody {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) hidden: u64,
}

/// A page of silences, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SilenceList {
    pub(crate) silences: Vec<SilenceBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// Which silences.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[derive(Default)]
pub(crate) struct SilenceQuery {
    /// Also those that are over.
    all: bool,
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Why a silence is ended, or what it hid released.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EndBody {
    /// Why, in your words; may be empty.
    reason: String,
}

/// Makes a silence. The answer says what it would have hidden in the last 30 days.
#[utoipa::path(post, path = "/api/v1/silences", tag = "silences", request_body = SilenceRequest,
    responses((status = 201, body = SilenceBody), (status = 400, body = Problem)))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<SilenceRequest>,
) -> Result<(StatusCode, Json<SilenceBody>), Problem> {
    caller.needs(Right::Triage)?;
    let now = now_us();
    let spec = read(request, &caller.name, now)?;
    let made = blocking(move || {
        let silence = app.alerts.add_silence(&spec, &caller.name, now)?;
        let trial = app.alerts.try_silence(&spec, now.saturating_sub(TRIAL_US))?;
        Ok::<_, ::alerts::Error>((app.alerts.silence(&silence.id)?, trial))
    });
    let (made, trial) = made.await??;
    tell("silence", made.silence.id.as_str());
    tell("after", described(&made.silence));
    tell("hides_of_the_past", trial.hidden);
    tracing::info!(silence = made.silence.id, by = made.silence.created_by, "a silence was made");
    let body = SilenceBody { trial: Some(tried(trial)), ..body(made, now) };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Lists silences that are in force or will be, or all.
#[utoipa::path(get, path = "/api/v1/silences", tag = "silences", params(SilenceQuery),
    responses((status = 200, body = SilenceList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<SilenceQuery>,
) -> Result<Json<SilenceList>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let now = now_us();
    let cursor = wanted.cursor.as_deref().map(Cursor::decode).transpose()?;
    let limit = size(wanted.limit);
    let page = blocking(move || app.alerts.silences(wanted.all, cursor.as_ref(), limit, now)).await??;
    let silences = page.silences.into_iter().map(|counted| body(counted, now)).collect();
    Ok(Json(SilenceList { silences, next: page.next.map(|cursor| cursor.encode()) }))
}

/// Shows a silence.
#[utoipa::path(get, path = "/api/v1/silences/{id}", tag = "silences", params(("id" = String, Path)),
    responses((status = 200, body = SilenceBody), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<SilenceBody>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let found = blocking(move || app.alerts.silence(&id)).await??;
    Ok(Json(body(found, now_us())))
}

/// Says what a silence would have hidden in the last 30 days, and makes none.
#[utoipa::path(post, path = "/api/v1/silences/test", tag = "silences", request_body = SilenceRequest,
    responses((status = 200, body = TrialBody), (status = 400, body = Problem)))]
pub(crate) async fn test(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Json(mut request): Json<SilenceRequest>,
) -> Result<Json<TrialBody>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    // Neither end nor reason matter to a trial.
    if request.ends.is_empty() {
        request.ends = "1h".to_owned();
    }
    let now = now_us();
    let spec = read(request, &caller.name, now)?;
    let trial = blocking(move || app.alerts.try_silence(&spec, now.saturating_sub(TRIAL_US))).await??;
    Ok(Json(tried(trial)))
}

/// Ends a silence before its time. What it hid stays hidden until it is released.
#[utoipa::path(post, path = "/api/v1/silences/{id}/end", tag = "silences", params(("id" = String, Path)),
    request_body = Option<EndBody>, responses((status = 200, body = SilenceBody), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    reason: Option<Json<EndBody>>,
) -> Result<Json<SilenceBody>, Problem> {
    caller.needs(Right::Triage)?;
    let reason = reason.map(|Json(body)| body.reason).unwrap_or_default();
    let now = now_us();
    let ended = blocking(move || app.alerts.end_silence(&id, &caller.name, &reason, now)).await??;
    tell("before", described(&ended.silence));
    tell("after", "ended");
    if let Some(end) = ended.silence.ended.as_ref().filter(|end| !end.reason.is_empty()) {
        tell("reason", end.reason.as_str());
    }
    tracing::info!(silence = ended.silence.id, "a silence was ended");
    Ok(Json(body(ended, now)))
}

/// Releases what a silence hid, a thousand alerts a call: from now on they count as raised.
#[utoipa::path(post, path = "/api/v1/silences/{id}/release", tag = "silences", params(("id" = String, Path)),
    request_body = Option<EndBody>, responses((status = 200, body = BulkResult), (status = 404, body = Problem)))]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    reason: Option<Json<EndBody>>,
) -> Result<Json<BulkResult>, Problem> {
    caller.needs(Right::Triage)?;
    let reason = reason.map(|Json(body)| body.reason).unwrap_or_default();
    if !reason.is_empty() {
        tell("reason", reason.as_str());
    }
    let released =
        blocking(move || app.alerts.release_silenced(&id, &caller.name, &reason, now_us())).await??;
    tell("released", released.changed.len() as u64);
    Ok(Json(released.into()))
}

/// What a silence is for, in a line for the audit log.
fn described(silence: &Silence) -> String {
    let spec = &silence.spec;
    let mut out = String::new();
    for matcher in &spec.matchers {
        let values: Vec<_> = matcher.patterns.iter().map(ToString::to_string).collect();
        out.push_str(&format!("{}={} ", matcher.target, values.join("|")));
    }
    out.push_str(&format!("from {} until {}", format_us(spec.starts_us), format_us(spec.ends_us)));
    if let Some(schedule) = &spec.schedule {
        let windows: Vec<_> = schedule.windows().iter().map(ToString::to_string).collect();
        out.push_str(&format!(" at {} ({})", windows.join("; "), schedule.zone()));
    }
    out.push_str(&format!(", of {}: {}", spec.owner, spec.reason));
    out
}

fn read(request: SilenceRequest, caller: &str, now_us: i64) -> Result<SilenceSpec, Problem> {
    let bad = |problem: String| Problem::bad_request(&problem);
    let matchers = request.matching.iter().map(|(field, values)| Matcher::read(field, values));
    let starts_us = request.starts.map_or(Ok(now_us), |text| parse_us("starts", &text))?;
    if request.ends.is_empty() {
        return Err(Problem::bad_request("`ends` is missing; a silence has an end, such as `4h` or a time"));
    }
    let ends_us = match rules::parse_span(&request.ends) {
        Some(span_us) => starts_us.saturating_add(span_us),
        None => parse_us("ends", &request.ends)?,
    };
    let schedule = match (request.windows.as_slice(), request.time_zone.as_deref()) {
        ([], None) => None,
        ([], Some(_)) => return Err(Problem::bad_request("`time_zone` goes with `windows`")),
        (windows, zone) => Some(Schedule::read(zone.unwrap_or("UTC"), windows).map_err(bad)?),
    };
    Ok(SilenceSpec {
        matchers: matchers.collect::<Result<_, _>>().map_err(bad)?,
        starts_us,
        ends_us,
        schedule,
        owner: request.owner.unwrap_or_else(|| caller.to_owned()),
        reason: request.reason,
        is_of_all: request.everything,
    })
}

fn body(counted: SilenceCount, now_us: i64) -> SilenceBody {
    let silence = counted.silence;
    let status = silence.status(now_us).as_str().to_owned();
    let spec = silence.spec;
    let mut matching: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for matcher in &spec.matchers {
        let values = matcher.patterns.iter().map(ToString::to_string);
        matching.entry(matcher.target.to_string()).or_default().extend(values);
    }
    SilenceBody {
        id: silence.id,
        status,
        matching,
        starts: format_us(spec.starts_us),
        ends: format_us(spec.ends_us),
        windows: spec
            .schedule
            .as_ref()
            .map(|schedule| schedule.windows().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        time_zone: spec.schedule.map(|schedule| schedule.zone().to_owned()),
        owner: spec.owner,
        reason: spec.reason,
        created: format_us(silence.created_us),
        created_by: silence.created_by,
        ended: silence.ended.as_ref().map(|ended| format_us(ended.at_us)),
        ended_by: silence.ended.as_ref().map(|ended| ended.by.clone()),
        ended_reason: silence.ended.map(|ended| ended.reason),
        hidden: counted.hidden,
        released: counted.released,
        trial: None,
    }
}

fn tried(trial: Trial) -> TrialBody {
    let mut warnings = Vec::new();
    if trial.hidden_true > 0 {
        warnings.push(format!("{} of them were true", trial.hidden_true));
    }
    if trial.hidden > 0 && trial.hidden * 2 > trial.alerts {
        warnings.push(format!(
            "that is more than half of all {} alerts; name more of what they are about",
            trial.alerts
        ));
    }
    TrialBody {
        alerts: trial.alerts,
        hidden: trial.hidden,
        hidden_true: trial.hidden_true,
        rules: trial
            .rules
            .into_iter()
            .map(|rule| TrialRuleBody { id: rule.id, title: rule.title, hidden: rule.hidden })
            .collect(),
        newest: trial.newest,
        partial: trial.is_partial,
        warnings,
    }
}
