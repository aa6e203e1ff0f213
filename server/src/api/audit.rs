//! `/api/v1/audit`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use storage::audit::{AuditFilter, AuditRow};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::alerts::blocking;
use super::audit_ocsf;
use super::page::{number, size};
use super::time::{format_us, parse_us};
use crate::app::App;
use crate::auth::{Caller, Right};

/// Which entries of the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditParameters {
    /// Only by this token or user.
    actor: Option<String>,
    /// Only with this action, such as `alerts.close`; `alerts.` is all that begin with it.
    action: Option<String>,
    /// `intended`, `done`, `failed`, `refused` or `unknown`.
    outcome: Option<String>,
    /// Only at or after this time (RFC 3339).
    since: Option<String>,
    /// Only before this time (RFC 3339).
    until: Option<String>,
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditList {
    pub(crate) entries: Vec<AuditBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// An entry of the audit log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditBody {
    /// Its number.
    pub(crate) seq: u64,
    pub(crate) time: String,
    /// What was done: `alerts.close`, `sql.query`, `server.start`.
    pub(crate) action: String,
    /// `intended`, `done`, `failed`, `refused` or `unknown`.
    pub(crate) outcome: String,
    /// Who; empty where unknown.
    pub(crate) actor: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) role: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) address: String,
    /// What it was done to.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) object: String,
    /// The HTTP status of the answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) status: Option<u16>,
    /// How many alike it stands for.
    pub(crate) count: u64,
    /// When the first of these happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) since: Option<String>,
    /// The number of the entry that announced it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) of: Option<u64>,
    /// The request's id.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) request: String,
    /// What else there is to say: texts and numbers by name.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty", default)]
    #[schema(value_type = Object)]
    pub(crate) detail: serde_json::Map<String, serde_json::Value>,
    /// The hash of this entry and all before it.
    pub(crate) hash: String,
}

impl AuditBody {
    pub(super) fn new(row: &AuditRow) -> Self {
        // What cannot be read is shown empty; `audit verify` says what is wrong with it.
        let entry: serde_json::Value = serde_json::from_str(&row.entry).unwrap_or_default();
        let text =
            |name: &str| entry.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let number = |name: &str| entry.get(name).and_then(serde_json::Value::as_u64);
        let time = |name: &str| entry.get(name).and_then(serde_json::Value::as_i64);
        Self {
            seq: row.seq,
            time: format_us(time("at_us").unwrap_or_default()),
            action: text("action"),
            outcome: text("outcome"),
            actor: text("actor"),
            role: text("role"),
            address: text("address"),
            object: text("object"),
            status: number("status").and_then(|status| u16::try_from(status).ok()),
            count: number("count").unwrap_or(1),
            since: time("since_us").map(format_us),
            of: number("of"),
            request: text("request"),
            detail: entry.get("detail").and_then(|detail| detail.as_object()).cloned().unwrap_or_default(),
            hash: row.hash.clone(),
        }
    }
}

/// Lists the audit log, newest entry first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditParameters),
    responses((status = 200, body = AuditList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<AuditParameters>,
) -> Result<Json<AuditList>, Problem> {
    caller.needs(Right::ReadAudit)?;
    let limit = size(wanted.limit);
    let before = number(wanted.cursor.as_deref())?;
    let filter = AuditFilter {
        actor: wanted.actor,
        action: wanted.action,
        outcome: wanted.outcome,
        since_us: wanted.since.map(|text| parse_us("since", &text)).transpose()?,
        until_us: wanted.until.map(|text| parse_us("until", &text)).transpose()?,
    };
    let mut rows = blocking(move || app.audit.log().newest(&filter, before, limit + 1)).await??;
    let next = (rows.len() > limit).then(|| {
        rows.truncate(limit);
        rows.last().map(|row| row.seq.to_string())
    });
    Ok(Json(AuditList { entries: rows.iter().map(AuditBody::new).collect(), next: next.flatten() }))
}

/// A checkpoint: a signature over the entry `seq` and all before it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CheckpointBody {
    pub(crate) chain: String,
    pub(crate) seq: u64,
    pub(crate) hash: String,
    pub(crate) at_us: i64,
    /// The entry of the checkpoint before it, 0 for none; absent in those of older versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) after: Option<u64>,
    /// The public key that verifies it, in hexadecimal digits.
    pub(crate) key: String,
    pub(crate) signature: String,
}

/// The newest checkpoint. Whoever keeps it elsewhere can show later that the log's end was not cut off.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", tag = "audit",
    responses((status = 200, body = CheckpointBody), (status = 404, body = Problem)))]
pub(crate) async fn checkpoint(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<CheckpointBody>, Problem> {
    caller.needs(Right::ReadAudit)?;
    let newest = blocking(move || app.audit.log().newest_checkpoint()).await??;
    let newest =
        newest.ok_or_else(|| Problem::not_found("the audit log is not signed yet; wait a minute"))?;
    let storage::audit::Checkpoint { chain, seq, hash, at_us, after, key, signature } = newest;
    Ok(Json(CheckpointBody { chain, seq, hash, at_us, after, key, signature }))
}

/// How to export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportParameters {
    /// `chain` if not given: entries and checkpoints as they are, for `stormglass audit verify`. `ocsf`: API
    /// Activity (6003) of OCSF 1.8.0.
    #[serde(default)]
    #[param(inline)]
    format: ExportFormat,
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportFormat {
    #[default]
    Chain,
    Ocsf,
}

/// Exports the whole log, oldest entry first, a JSON object a line.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit", params(ExportParameters),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<ExportParameters>,
) -> Result<Response, Problem> {
    const PAGE: usize = 1000;
    caller.needs(Right::ReadAudit)?;
    let pages = futures::stream::try_unfold(0_u64, move |after| {
        let app = app.clone();
        async move {
            let read = move || app.audit.log().part(after, PAGE);
            let read = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)?;
            let (start, rows) = read.map_err(std::io::Error::other)?;
            let Some(last) = rows.last().map(|row| row.seq) else { return Ok(None) };
            if after > 0 && rows.first().is_some_and(|row| row.seq > after + 1) {
                return Err(std::io::Error::other("entries were dropped meanwhile; export the log again"));
            }
            let mut lines = String::new();
            if let Some(start) = start.filter(|_| wanted.format == ExportFormat::Chain) {
                lines.push_str(&format!("{{\"start\":{}}}\n", start.to_line()));
            }
            lines.extend(rows.iter().map(|row| match wanted.format {
                ExportFormat::Chain => row.to_lines(),
                ExportFormat::Ocsf => audit_ocsf::event(&AuditBody::new(row)).to_string() + "\n",
            }));
            Ok::<_, std::io::Error>(Some((Bytes::from(lines), last)))
        }
    });
    let mut response = Body::from_stream(pages).into_response();
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
