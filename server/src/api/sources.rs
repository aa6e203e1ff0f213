//! `/api/v1/sources`

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use event::SourceId;
use query::QueryRequest;
use serde::{Deserialize, Serialize};
use storage::ledger::SourceCounts;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::collectors::{BackfillBody, CollectorBody, backfills, collector};
use super::page::page;
use super::time::format_us;
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};

/// How to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceParameters {
    /// Also count the rows in the table and the dead letters in the store, instead of trusting the ledger.
    #[serde(default)]
    verify: bool,
    /// How many; all if not given.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The account of every source, by name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SourceList {
    pub(crate) sources: Vec<SourceBody>,
    /// Records in the log that are not accounted for yet.
    pub(crate) pending: u64,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// The account of one source: received = rows + dead_letters + duplicates + dropped.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct SourceBody {
    pub(crate) source: String,
    /// Records made durable and worked on.
    pub(crate) received: u64,
    /// Events that became rows.
    pub(crate) rows: u64,
    /// Records that became dead letters.
    pub(crate) dead_letters: u64,
    /// Events that were delivered before.
    pub(crate) duplicates: u64,
    /// Events older than the retention, dropped on arrival.
    pub(crate) dropped: u64,
    /// Rows that the retention has removed since.
    pub(crate) expired: u64,
    /// What is left of the equation; anything but 0 is a fault.
    pub(crate) unaccounted: i64,
    /// The rows counted in the table, with `verify`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) rows_counted: Option<u64>,
    /// The dead letters counted in the store, with `verify`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) dead_letters_counted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_received: Option<String>,
    /// The newest event's own time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_event: Option<String>,
    /// How far correlations take it to have come: its newest event's time, never later than that came in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) watermark: Option<String>,
    /// How long after that event's time records last came: the delay of the source itself, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) event_lag_seconds: Option<i64>,
    /// It has not been heard of for `correlation.idle`, so correlations do not wait for it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) idle: bool,
    /// How it is doing, where it is pulled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) collector: Option<CollectorBody>,
    /// Readings of its past since the server started.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) backfills: Vec<BackfillBody>,
}

/// Lists the sources with their accounts.
#[utoipa::path(get, path = "/api/v1/sources", tag = "sources", params(SourceParameters),
    responses((status = 200, body = SourceList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<SourceParameters>,
) -> Result<Json<SourceList>, Problem> {
    caller.needs(Right::Read)?;
    let counted = if wanted.verify {
        app.pipeline.caught_up(app.log.head()).await?;
        Some(count(&app).await?)
    } else {
        None
    };
    let pending = app.log.head().saturating_sub(app.pipeline.progress().raised);
    let state = app.state.clone();
    let mut all = super::alerts::blocking(move || state.read(storage::ledger::all)).await??;
    for source in &app.config.sources {
        // One that has sent nothing yet is there all the same.
        if !all.iter().any(|(known, _)| *known == source.id) {
            all.push((source.id.clone(), SourceCounts::default()));
        }
    }
    let key = |(source, _): &(SourceId, SourceCounts)| source.as_str().to_owned();
    let found = page(all, key, wanted.cursor.as_deref(), wanted.limit.unwrap_or(usize::MAX).max(1))?;
    let now = now_us();
    let reached = app.pipeline.correlations().sources;
    let expired = app.table.expired();
    let sources = found
        .entries
        .into_iter()
        .map(|(source, counts)| SourceBody {
            received: counts.received,
            rows: counts.rows,
            dead_letters: counts.dead_letters,
            duplicates: counts.duplicates,
            dropped: counts.dropped,
            expired: expired.get(source.as_str()).copied().unwrap_or(0),
            unaccounted: counts.unaccounted(),
            rows_counted: counted.as_ref().map(|(rows, _)| rows.get(source.as_str()).copied().unwrap_or(0)),
            dead_letters_counted: counted
                .as_ref()
                .map(|(_, dead)| dead.get(source.as_str()).copied().unwrap_or(0)),
            last_received: counts.last_received_us.map(format_us),
            last_event: counts.last_event_us.map(format_us),
            watermark: reached.get(source.as_str()).map(|reached| format_us(reached.event_us)),
            event_lag_seconds: reached.get(source.as_str()).map(|reached| reached.lag_us / 1_000_000),
            idle: reached.get(source.as_str()).is_some_and(|reached| reached.is_idle(now)),
            collector: collector(&app, source.as_str()),
            backfills: backfills(&app, source.as_str()),
            source: source.as_str().to_owned(),
        })
        .collect();
    Ok(Json(SourceList { sources, pending, next: found.next }))
}

type Counted = BTreeMap<String, u64>;

/// The rows and dead letters that there really are, by source.
async fn count(app: &App) -> Result<(Counted, Counted), Problem> {
    let rows = count_by_source(app, "SELECT source, count(*) FROM events GROUP BY source").await?;
    let dead = count_by_source(app, "SELECT source, count(*) FROM dead_letters GROUP BY source").await?;
    Ok((rows, dead))
}

async fn count_by_source(app: &App, sql: &str) -> Result<Counted, Problem> {
    let problem = |error: query::Error| Problem::internal(&error, error.fate());
    let request = QueryRequest::new(sql);
    let mut stream = app.engine.run(request).await.map_err(problem)?;
    let mut counted = Counted::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(problem)?;
        let sources = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8)
            .map_err(|error| Problem::internal(&error, event::Fate::Stop))?;
        let counts = batch.column(1).as_primitive::<arrow::datatypes::Int64Type>();
        for (source, count) in sources.as_string::<i32>().iter().zip(counts.values()) {
            counted.insert(source.unwrap_or_default().into(), u64::try_from(*count).unwrap_or(0));
        }
    }
    Ok(counted)
}
