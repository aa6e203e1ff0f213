//! `/api/v1/sql`

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use query::{Format, QueryRequest, QueryStream};
use serde::{Deserialize, Serialize};
use storage::audit::Outcome;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::json::Json;
use super::{Problem, ProblemKind};
use crate::app::App;
use crate::audit::{Facts, QueryRecord};
use crate::auth::{Caller, Right};

/// A question.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SqlBody {
    /// One SELECT (or WITH, EXPLAIN, SHOW TABLES, DESCRIBE).
    pub(crate) sql: String,
    /// The most rows to answer; the server's limit if not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) max_rows: Option<usize>,
    /// The longest it may run, in milliseconds; the server's limit if not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) timeout_ms: Option<u64>,
}

/// The table that only those see who may read the audit log.
const AUDIT_LOG: &str = "audit_log";

/// The format that each media type of `Accept` asks for; the first is the default.
pub(crate) const MEDIA_TYPES: [(&str, Format); 5] = [
    ("application/json", Format::Json),
    ("application/x-ndjson", Format::Ndjson),
    ("text/csv", Format::Csv),
    ("application/vnd.apache.arrow.stream", Format::ArrowIpc),
    ("application/vnd.apache.parquet", Format::Parquet),
];

/// Runs one read-only statement. The answer's format follows `Accept`: JSON, NDJSON, CSV, an Arrow
/// IPC stream or Parquet. It is streamed; one that ends early because of the row limit carries the
/// trailer header `x-truncated: true` where it is known before the first byte.
#[utoipa::path(post, path = "/api/v1/sql", tag = "sql", request_body = SqlBody,
    responses(
        (status = 200, content((serde_json::Value = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = 400, body = Problem), (status = 403, body = Problem), (status = 406, body = Problem),
        (status = 408, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(facts): Extension<Facts>,
    headers: HeaderMap,
    Json(body): Json<SqlBody>,
) -> Result<Response, Problem> {
    caller.needs(Right::Query)?;
    let (media_type, format) = accepted(&headers)?;
    let started = std::time::Instant::now();
    // The audit log is for those who may read it elsewhere as well.
    let may_audit = caller.needs(Right::ReadAudit).is_ok();
    let request = QueryRequest {
        sql: body.sql.clone(),
        max_rows: body.max_rows,
        timeout: body.timeout_ms.map(Duration::from_millis),
        withheld: if may_audit { Vec::new() } else { vec![AUDIT_LOG] },
    };
    let record = facts.query(&body.sql);
    let stream = match app.engine.run(request).await {
        Ok(stream) => stream,
        Err(error) => return Err(unanswered(record, error)),
    };
    tracing::info!(
        by = caller.name,
        sql = body.sql,
        planning_ms = started.elapsed().as_millis() as u64,
        "query"
    );
    answer(stream, media_type, format, record).await
}

fn accepted(headers: &HeaderMap) -> Result<(&'static str, Format), Problem> {
    let wanted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let [default, ..] = MEDIA_TYPES;
    for part in wanted.split(',') {
        let name = part.split(';').next().unwrap_or_default().trim();
        if name == "*/*" || name == "application/*" {
            return Ok(default);
        }
        if let Some(found) = MEDIA_TYPES.iter().find(|(media_type, _)| *media_type == name) {
            return Ok(*found);
        }
    }
    let known: Vec<_> = MEDIA_TYPES.iter().map(|(name, _)| *name).collect();
    let detail = format!("`Accept: {wanted}` names no format of ours; choose one of {}", known.join(", "));
    Err(Problem::new(ProblemKind::NotAcceptable, &detail))
}

/// Streams the answer. The first batch is awaited before the status is sent, so that most errors
/// still find their own status.
async fn answer(
    mut stream: QueryStream,
    media_type: &'static str,
    format: Format,
    record: QueryRecord,
) -> Result<Response, Problem> {
    let first = match stream.next().await.transpose() {
        Ok(first) => first,
        Err(error) => return Err(unanswered(record, error)),
    };
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(8);
    tokio::spawn(async move {
        let mut record = record;
        let chunks = Chunks { sender: sender.clone(), buffer: Vec::new(), sent: record.bytes() };
        let written = write_all(stream, first, format, chunks, &mut record).await;
        match &written {
            Ok(()) => record.end(Outcome::Done, ""),
            // The caller has gone, and the query was stopped for it.
            Err(_) if sender.is_closed() => drop(record),
            Err(error) => record.end(Outcome::Failed, error),
        }
        if let Err(error) = written {
            // The connection breaks off, so that a cut answer never looks like a whole one.
            let _closed = sender.send(Err(std::io::Error::other(error))).await;
        }
    });
    let body = Body::from_stream(futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    }));
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}

async fn write_all(
    mut stream: QueryStream,
    first: Option<arrow::array::RecordBatch>,
    format: Format,
    chunks: Chunks,
    record: &mut QueryRecord,
) -> Result<(), String> {
    let schema = stream.schema();
    // Encoding and a slow client's back-pressure block, so they have a thread of their own.
    let (batches, mut inbox) = mpsc::channel::<arrow::array::RecordBatch>(2);
    let encoder = tokio::task::spawn_blocking(move || {
        let mut writer = format.writer(chunks, &schema).map_err(|error| error.to_string())?;
        while let Some(batch) = inbox.blocking_recv() {
            writer.write(&batch).map_err(|error| error.to_string())?;
        }
        Ok(Some(writer))
    });
    let mut failure = None;
    let mut next = first.map(Ok);
    while let Some(batch) = match next.take() {
        Some(batch) => Some(batch),
        None => stream.next().await,
    } {
        match batch {
            Ok(batch) => {
                record.rows(batch.num_rows());
                if batches.send(batch).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                failure = Some(error.to_string());
                break;
            }
        }
    }
    drop(batches);
    let writer: Result<Option<_>, String> = encoder.await.map_err(|error| error.to_string())?;
    let writer = writer?;
    match failure {
        Some(failure) => Err(failure),
        None => tokio::task::spawn_blocking(move || {
            writer.map_or(Ok(()), |writer| writer.finish().map_err(|error| error.to_string()))
        })
        .await
        .map_err(|error| error.to_string())?,
    }
}

/// Hands what is written to the response in pieces of a good size.
struct Chunks {
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    buffer: Vec<u8>,
    sent: Arc<AtomicU64>,
}

const CHUNK: usize = 64 << 10;

impl Chunks {
    fn send(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        self.sender.blocking_send(Ok(chunk)).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.send()
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        // What is left after the writer's end; if the client has gone there is nobody to tell.
        drop(self.send());
    }
}

/// A query that ended before its answer began.
fn unanswered(record: QueryRecord, error: query::Error) -> Problem {
    let problem = sql_problem(error);
    let outcome = if problem.status == 403 { Outcome::Refused } else { Outcome::Failed };
    record.end(outcome, &problem.detail);
    problem
}

fn sql_problem(error: query::Error) -> Problem {
    use query::Error;
    let detail = error.to_string();
    match &error {
        Error::Sql { line, column, .. } => Problem {
            line: Some(*line).filter(|line| *line > 0),
            column: Some(*column).filter(|column| *column > 0),
            ..Problem::new(ProblemKind::Sql, &detail)
        },
        Error::Forbidden { .. } => Problem::new(ProblemKind::SqlForbidden, &detail),
        Error::Timeout { .. } => Problem::new(ProblemKind::SqlTimeout, &detail),
        Error::Busy { .. } => Problem::too_many(&detail, 1),
        other => Problem::internal(&detail, other.fate()),
    }
}
