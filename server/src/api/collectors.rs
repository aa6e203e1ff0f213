//! `/api/v1/sources/{name}`: sources that are pulled.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use ingest::Backlog;
use pipeline::SourceReport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::alerts::blocking;
use super::hunt::HuntBody;
use super::json::Json;
use super::time::format_us;
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};
use crate::config::SourceConfig;

/// How a source that is pulled is doing. Counts begin with the server's start.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CollectorBody {
    /// Its kind, as `type` in the configuration.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// `ok`, `lagging`, `silent`, `failing` or `paused`.
    pub(crate) state: String,
    /// Why, where it is not `ok`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) why: String,
    /// Since when it is in this state.
    pub(crate) since: String,
    /// How far its newest event lies back, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) lag_seconds: Option<i64>,
    /// How many messages wait at the source, where it tells that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) waiting: Option<u64>,
    /// How far reading is behind, in seconds: since the last message that was read was stored. 0 where nothing
    /// waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) waiting_seconds: Option<i64>,
    /// The gap between records that is usual for it, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) usual_gap_seconds: Option<i64>,
    /// Batches taken.
    pub(crate) batches: u64,
    /// Records taken.
    pub(crate) records: u64,
    /// Bytes of records taken.
    pub(crate) bytes: u64,
    /// Records that the source knows to be none; they are dead letters.
    pub(crate) rejected: u64,
    /// Errors after which it was tried again.
    pub(crate) retries: u64,
    /// Those of them that asked for fewer requests.
    pub(crate) throttles: u64,
    /// Errors after which it was opened anew.
    pub(crate) failures: u64,
    /// Acknowledgements that the source did not take.
    pub(crate) lost_acks: u64,
    /// Findings about what is missing or changed; each subject has one alert.
    #[serde(default)]
    pub(crate) findings: u64,
    /// Bytes taken and not yet durable.
    pub(crate) in_flight_bytes: u64,
    /// When it last answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_success: Option<String>,
    /// When its last record came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_records: Option<String>,
    /// When its position was last saved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) position_saved: Option<String>,
    /// Its last error, without secrets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_error: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_error_at: Option<String>,
    /// What it last found to be missing or changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_finding: Option<String>,
}

/// A reading of a source's past.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BackfillBody {
    /// Objects modified from then on.
    pub(crate) since: String,
    /// Objects modified before.
    pub(crate) until: String,
    /// `running`, `done` or `failing`.
    pub(crate) state: String,
    /// Objects read to their end.
    pub(crate) objects: u64,
    /// Their bytes as they are stored.
    pub(crate) object_bytes: u64,
    /// Records taken from them.
    pub(crate) records: u64,
    /// Its last error, without secrets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_error: Option<String>,
}

/// Which past to read.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackfillRequest {
    /// Objects modified from then on: a time, or so long before now, such as 30d.
    pub(crate) since: String,
    /// Objects modified before; now, if it is left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until: Option<String>,
}

/// How the source is doing, if it is pulled by this process.
pub(super) fn collector(app: &App, name: &str) -> Option<CollectorBody> {
    let kind = configured(app, name).ok()?.kind.name;
    let source = app.sources.get(name)?;
    Some(body(kind, source.report()))
}

fn body(kind: &str, report: SourceReport) -> CollectorBody {
    let SourceReport { health, lag_us, usual_gap_us, counts, .. } = &report;
    let seconds = |span_us: &Option<i64>| span_us.map(|span_us| span_us / 1_000_000);
    CollectorBody {
        kind: kind.into(),
        state: health.state.as_str().into(),
        why: health.why.clone(),
        since: format_us(health.since_us),
        lag_seconds: seconds(lag_us),
        waiting: report.backlog.map(|backlog| backlog.records),
        waiting_seconds: report.backlog.and_then(|backlog| behind_seconds(backlog, now_us())),
        usual_gap_seconds: seconds(usual_gap_us),
        batches: counts.batches,
        records: counts.records,
        bytes: counts.bytes,
        rejected: counts.rejected,
        retries: counts.retries,
        throttles: counts.throttles,
        failures: counts.failures,
        lost_acks: counts.lost_acks,
        findings: counts.findings,
        in_flight_bytes: counts.in_flight_bytes,
        last_success: report.last_success_us.map(format_us),
        last_records: report.last_records_us.map(format_us),
        position_saved: report.last_saved_us.map(format_us),
        last_error_at: report.last_error.as_ref().map(|(at_us, _)| format_us(*at_us)),
        last_error: report.last_error.map(|(_, why)| why),
        last_finding: report.last_finding.map(|(_, what)| what),
    }
}

/// How far reading is behind, in seconds; `None`: it is not known.
pub(super) fn behind_seconds(backlog: Backlog, now_us: i64) -> Option<i64> {
    match backlog.records {
        0 => Some(0),
        _ => backlog.since_us.map(|since_us| now_us.saturating_sub(since_us).max(0) / 1_000_000),
    }
}

/// The readings of the source's past that this process has started.
pub(super) fn backfills(app: &App, name: &str) -> Vec<BackfillBody> {
    let runs = app.backfills.lock();
    let of_source = runs.iter().filter(|run| run.source.id().as_str() == name);
    of_source
        .map(|run| {
            let report = run.source.report();
            let is_failing = report.last_error.as_ref().map(|(at_us, _)| *at_us) > report.last_success_us;
            BackfillBody {
                since: format_us(run.span_us.start),
                until: format_us(run.span_us.end),
                state: match () {
                    () if report.is_done => "done",
                    () if is_failing => "failing",
                    () => "running",
                }
                .into(),
                objects: run.progress.objects(),
                object_bytes: run.progress.bytes(),
                records: report.counts.records,
                last_error: report.last_error.map(|(_, why)| why),
            }
        })
        .collect()
}

fn configured<'a>(app: &'a App, name: &str) -> Result<&'a SourceConfig, Problem> {
    let found = app.config.sources.iter().find(|source| source.id.as_str() == name);
    found.ok_or_else(|| {
        Problem::not_found(&format!(
            "no source `{name}` is configured; `[[sources]]` of the configuration has them"
        ))
    })
}

/// Takes nothing more from a source until it is resumed, also after a restart.
#[utoipa::path(post, path = "/api/v1/sources/{name}/pause", tag = "sources", params(("name" = String, Path)),
    responses((status = 200, body = CollectorBody), (status = 404, body = Problem)))]
pub(crate) async fn pause(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<CollectorBody>, Problem> {
    set_paused(app, caller, name, true).await
}

/// Goes on with a source; one that waits after an error is tried at once.
#[utoipa::path(post, path = "/api/v1/sources/{name}/resume", tag = "sources", params(("name" = String, Path)),
    responses((status = 200, body = CollectorBody), (status = 404, body = Problem)))]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<CollectorBody>, Problem> {
    set_paused(app, caller, name, false).await
}

async fn set_paused(
    app: Arc<App>,
    caller: Caller,
    name: String,
    is_paused: bool,
) -> Result<Json<CollectorBody>, Problem> {
    caller.needs(Right::Manage)?;
    let kind = configured(&app, &name)?.kind.name;
    let Some(source) = app.sources.get(&name) else {
        return Err(Problem::conflict("sources run in a server only; ask one with --url"));
    };
    let changed = source.clone();
    blocking(move || if is_paused { changed.pause() } else { changed.resume() }).await??;
    Ok(Json(body(kind, source.report())))
}

/// Reads the past of a source beside its live reading, which goes first. The same span goes on where it was
/// left.
#[utoipa::path(post, path = "/api/v1/sources/{name}/backfill", tag = "sources", params(("name" = String, Path)),
    request_body = BackfillRequest,
    responses((status = 200, body = BackfillBody), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn backfill(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Json(wanted): Json<BackfillRequest>,
) -> Result<Json<BackfillBody>, Problem> {
    caller.needs(Right::Manage)?;
    let source = configured(&app, &name)?;
    let (since_us, until_us) =
        HuntBody { since: wanted.since, until: wanted.until, rules: Vec::new() }.moments()?;
    if since_us >= until_us {
        return Err(Problem::bad_request("`since` is not before `until`"));
    }
    let started = app.backfill(source, since_us..until_us);
    let started = started.map_err(|error| Problem::internal(&format!("{error:#}"), event::Fate::Stop))?;
    if started.is_none() {
        let kind = source.kind.name;
        return Err(Problem::bad_request(&format!(
            "a source of the type `{kind}` has no past that could be read; where what it reads is kept as objects, add a \
             source of the type `objects` over them, and backfill that one"
        )));
    }
    let (since, until) = (format_us(since_us), format_us(until_us));
    let told = backfills(&app, &name).into_iter().find(|run| run.since == since && run.until == until);
    told.map(Json).ok_or_else(|| Problem::conflict("the backfill has ended already"))
}
