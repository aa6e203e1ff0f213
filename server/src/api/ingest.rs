//! `/api/v1/ingest`

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::{Extension, Json};
use bytes::Bytes;
use event::{LogType, RawBatchBuilder, SourceId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, ProblemKind};
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};
use crate::config::Config;
use crate::push::{BadBody, PUSHED, records, source_of};

/// What names of Stormglass's own begin with.
const RESERVED: &str = "stormglass";

/// Whose records, and of what kind.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushParameters {
    /// The source that is charged with the records; `http` if not given. The names of configured sources, hooks and
    /// listeners, those that begin with `stormglass`, and those of what other tokens push by HEC and OpenTelemetry
    /// (`hec.NAME`, `otlp.NAME`) need the right `manage`.
    source: Option<String>,
    /// Where the sender has them from, for dead letters: a file or object; `http` if not given.
    origin: Option<String>,
    /// The log type, where the records do not show it: `aws_cloudtrail` and so on.
    #[serde(rename = "type")]
    log_type: Option<String>,
}

/// What was made durable.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Accepted {
    /// Records made durable. Those that turn out to be bad become dead letters.
    pub(crate) accepted: u64,
    /// The offset after the last of them in the log.
    pub(crate) next_offset: u64,
}

/// Takes records: NDJSON, a JSON array, `{"Records": […]}` and the other containers, plain or
/// compressed with gzip or zstd. Answers 200 only after they are durable, 429 with `Retry-After`
/// while the log is full. Sending the same records again after a lost answer does no harm.
#[utoipa::path(post, path = "/api/v1/ingest", tag = "ingest", params(PushParameters),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = Accepted), (status = 400, body = Problem), (status = 413, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<PushParameters>,
    body: Bytes,
) -> Result<Json<Accepted>, Problem> {
    caller.needs(Right::Push)?;
    let source = source_id(wanted.source.as_deref().unwrap_or("http"))
        .map_err(|error| Problem::bad_request(&error))?;
    let is_taken = is_taken(&app.config, &source) || is_pushed_by_another(&caller, &source);
    if is_taken && !caller.role.may(Right::Manage) {
        return Err(Problem::forbidden(&format!(
            "`{source}` is the name of a source that Stormglass reads or keeps itself, or that another token pushes; \
             name another, or push with a token that has the right `manage`"
        )));
    }
    let log_type: Option<LogType> = wanted
        .log_type
        .map(|name| name.parse())
        .transpose()
        .map_err(|error: String| Problem::bad_request(&error))?;
    let origin: String = wanted.origin.unwrap_or_else(|| "http".into()).chars().take(1024).collect();
    let limits = app.config.limits.clone();
    let max = app.config.max_body;
    let _turn = app.push.turn().await;
    // The body is the records as they came, compressed or not: the reader looks at their first bytes.
    let batches = super::alerts::blocking(move || {
        let batches = records(body, limits, max)?.into_iter();
        let finish =
            |batch: RawBatchBuilder| batch.finish(source.clone(), log_type, origin.clone(), now_us());
        Ok::<Vec<_>, BadBody>(batches.map(finish).collect())
    })
    .await?
    .map_err(|problem| Problem::new(ProblemKind::of(problem.status()), &problem.detail()))?;
    let mut accepted = Accepted { accepted: 0, next_offset: app.log.head() };
    for batch in &batches {
        let offsets = app.pipeline.try_accept(batch).await?;
        accepted.accepted += batch.len() as u64;
        accepted.next_offset = offsets.end;
    }
    Ok(Json(accepted))
}

/// Whether records of that name come from elsewhere: from what the configuration pulls, from a hook or a listener,
/// or from Stormglass itself.
fn is_taken(config: &Config, source: &SourceId) -> bool {
    config.sources.iter().any(|configured| configured.id == *source)
        || config.hooks.iter().any(|hook| hook.source == *source)
        || config.syslog.iter().any(|listener| listener.source == *source)
        || source.as_str().starts_with(RESERVED)
}

/// Whether records of that name are what others push by HEC or OpenTelemetry.
fn is_pushed_by_another(caller: &Caller, source: &SourceId) -> bool {
    let is_of = |kind: &str| {
        let rest = source.as_str().strip_prefix(kind);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    PUSHED.iter().any(|kind| is_of(kind) && source_of(kind, caller) != *source)
}

/// Checks a source's name.
pub(crate) fn source_id(name: &str) -> Result<SourceId, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
        return Err(format!("`{name}` is no name for a source; use 1 to 64 of a-z, 0-9, `.`, `_`, `-`"));
    }
    Ok(SourceId::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources_are_plain() {
        assert!(source_id("aws-prod.trail_1").is_ok());
        for bad in ["", "A", "a b", "a\"", "é", &"a".repeat(65)] {
            assert!(source_id(bad).is_err(), "{bad}");
        }
    }
}
