//! `/api/v1/dead-letters`

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use event::{Offset, RawBatchBuilder, RawRecord, SourceId};
use serde::{Deserialize, Serialize};
use storage::dead_letter::{self, DeadLetter, DeadLetterFilter};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::alerts::blocking;
use super::json::Json;
use super::page::{number, size};
use super::time::format_us;
use crate::app::{App, now_us};
use crate::audit::Facts;
use crate::auth::{Caller, Right};

/// Which dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLetterParameters {
    /// Only of this source.
    pub(crate) source: Option<String>,
    /// Only with this reason: `not_json`, `unknown_log_type` and so on.
    pub(crate) reason: Option<String>,
    /// Also those that were retried already.
    pub(crate) retried: bool,
    /// How many; 50 if not given, 500 at most.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Which dead letters are retried; with neither field all that were not yet.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryBody {
    /// Only of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// Only with this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A page of dead letters, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeadLetterList {
    pub(crate) dead_letters: Vec<DeadLetterSummary>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// A record that could not become an event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeadLetterSummary {
    /// Its number in the log.
    pub(crate) id: u64,
    pub(crate) source: String,
    /// The file, object or request that it came from.
    pub(crate) origin: String,
    /// Its number there, from 0.
    pub(crate) record_number: u64,
    /// A stable word.
    pub(crate) reason: String,
    /// The reason in words.
    pub(crate) detail: String,
    pub(crate) received: String,
    pub(crate) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) retried: Option<String>,
}

/// A dead letter with its bytes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeadLetterDetail {
    #[serde(flatten)]
    pub(crate) summary: DeadLetterSummary,
    /// BLAKE3 of the record, in hexadecimal digits.
    pub(crate) blake3: String,
    /// The record as text; bytes that are no UTF-8 are replaced by U+FFFD.
    pub(crate) text: String,
    /// Whether only the beginning was kept.
    pub(crate) truncated: bool,
}

/// What a retry did.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RetryResult {
    /// Records put into the log again.
    pub(crate) retried: u64,
    /// Records too large to have been kept whole, which cannot be retried.
    pub(crate) skipped: u64,
    /// Of those retried, how many are dead letters again.
    pub(crate) failed_again: u64,
}

/// Lists dead letters.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters", params(DeadLetterParameters),
    responses((status = 200, body = DeadLetterList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<DeadLetterParameters>,
) -> Result<Json<DeadLetterList>, Problem> {
    caller.needs(Right::Read)?;
    let after = number(wanted.cursor.as_deref())?;
    let limit = size(wanted.limit);
    let retried = if wanted.retried { None } else { Some(false) };
    let filter = DeadLetterFilter { retried, ..filter(wanted.source, wanted.reason) };
    let state = app.state.clone();
    let page = blocking(move || state.read(|db| dead_letter::list(db, &filter, after, limit))).await??;
    let next = page.next.map(|next| next.to_string());
    Ok(Json(DeadLetterList { dead_letters: page.letters.iter().map(summary).collect(), next }))
}

/// Shows a dead letter with its bytes.
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", params(("id" = u64, Path)),
    responses((status = 200, body = DeadLetterDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<u64>,
) -> Result<Json<DeadLetterDetail>, Problem> {
    caller.needs(Right::Read)?;
    let unknown = || Problem::not_found(&format!("there is no dead letter {id}"));
    if i64::try_from(id).is_err() {
        return Err(unknown());
    }
    let state = app.state.clone();
    let letter = blocking(move || state.read(|db| dead_letter::get(db, id))).await??;
    let letter = letter.ok_or_else(unknown)?;
    Ok(Json(DeadLetterDetail {
        summary: summary(&letter),
        blake3: letter.blake3.clone(),
        text: String::from_utf8_lossy(&letter.bytes).into_owned(),
        truncated: letter.truncated,
    }))
}

/// Puts dead letters into the log again, as after a mapping was mended. The answer comes when they
/// have been worked on.
#[utoipa::path(post, path = "/api/v1/dead-letters/retry", tag = "dead letters", request_body = RetryBody,
    responses((status = 200, body = RetryResult), (status = 429, body = Problem)))]
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(facts): Extension<Facts>,
    Json(wanted): Json<RetryBody>,
) -> Result<Json<RetryResult>, Problem> {
    caller.needs(Right::Manage)?;
    let filter = DeadLetterFilter { retried: Some(false), ..filter(wanted.source, wanted.reason) };
    let mut result = RetryResult { retried: 0, skipped: 0, failed_again: 0 };
    // Letters that fail again come after this and are not tried twice in one request.
    let mut after = Some(app.log.head());
    let mut retried = Vec::new();
    while let Some(below) = after {
        let (state, filter) = (app.state.clone(), filter.clone());
        let page =
            blocking(move || state.read(|db| dead_letter::list(db, &filter, Some(below), 100))).await??;
        after = page.next;
        for letter in &page.letters {
            if letter.is_retryable() {
                retried.push(retry_one(&app, letter.id).await?);
            } else {
                result.skipped += 1;
            }
        }
    }
    app.pipeline.caught_up(app.log.head()).await?;
    result.retried = retried.len() as u64;
    facts.tell("retried", result.retried);
    for offset in retried {
        let state = app.state.clone();
        let again = blocking(move || state.read(|db| dead_letter::get(db, offset))).await??;
        result.failed_again += u64::from(again.is_some());
    }
    Ok(Json(result))
}

const RETRY_ORIGIN: &str = "retry of dead letter ";

/// First into the log, then marked: a crash between the two repeats the record, and the second copy
/// leaves as a duplicate or becomes the same dead letter again.
///
/// Returns the record's new offset.
async fn retry_one(app: &App, id: Offset) -> Result<Offset, Problem> {
    let state = app.state.clone();
    let letter = blocking(move || state.read(|db| dead_letter::get(db, id))).await??;
    let letter = letter.ok_or_else(|| Problem::not_found(&format!("there is no dead letter {id}")))?;
    let mut records = RawBatchBuilder::with_capacity(letter.bytes.len());
    let record = RawRecord { bytes: &letter.bytes, number: letter.record_number, reject: None };
    if !records.push(record) {
        return Err(Problem::internal(&"a dead letter is larger than 4 GiB", event::Fate::Reject));
    }
    let log_type = letter.log_type.as_deref().and_then(|name| name.parse().ok());
    let origin = format!("{RETRY_ORIGIN}{} from {}", letter.id, letter.origin);
    let batch = records.finish(letter.source.clone(), log_type, origin, now_us());
    let offsets = app.pipeline.accept(&batch).await?;
    let state = app.state.clone();
    blocking(move || state.write(|txn| dead_letter::mark_retried(txn, &[id], now_us()))).await??;
    Ok(offsets.start)
}

fn filter(source: Option<String>, reason: Option<String>) -> DeadLetterFilter {
    DeadLetterFilter { source: source.as_deref().map(SourceId::new), reason, ..DeadLetterFilter::default() }
}

fn summary(letter: &DeadLetter) -> DeadLetterSummary {
    DeadLetterSummary {
        id: letter.id,
        source: letter.source.as_str().into(),
        origin: letter.origin.clone(),
        record_number: letter.record_number,
        reason: letter.reason.clone(),
        detail: letter.detail.clone(),
        received: format_us(letter.received_us),
        bytes: letter.byte_len,
        retried: letter.retried_us.map(format_us),
    }
}
