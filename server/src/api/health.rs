//! Is it alive, and is it fit for work?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The state of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthReport {
    /// `ok`, or `failed`: it still answers, but takes no more records.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The program's version.
    version: &'static str,
    /// Seconds since the start.
    uptime_s: u64,
    /// Records in the log that are not yet visible to SQL.
    pending_records: u64,
    /// What is wrong with the audit log, its anchor or archive; while it cannot be written, changes are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<String>,
    /// Seconds since the audit log was last signed; it is only where something was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_signed_s: Option<u64>,
    /// Seconds since the newest checkpoint at `audit.anchor` was signed, or since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_anchored_s: Option<u64>,
    /// Why a new certificate is not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<String>,
    /// Rules in use.
    rules: usize,
    /// Rules left out because they are broken; `GET /api/v1/rules` says why.
    broken_rules: usize,
}

fn report(app: &App) -> (StatusCode, Json<HealthReport>) {
    let reason = app.pipeline.health().failure();
    let status = if reason.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let proofs = app.audit.proofs();
    let report = HealthReport {
        status: if reason.is_some() { "failed" } else { "ok" },
        reason,
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: app.started.elapsed().as_secs(),
        pending_records: app.log.head().saturating_sub(app.pipeline.progress().refined),
        audit: app.audit.failure(),
        audit_signed_s: proofs.checkpoint_s,
        audit_anchored_s: proofs.anchor_s,
        tls: app.certificates.as_ref().and_then(|certificates| certificates.problem()),
        rules: app.pipeline.rules().len(),
        broken_rules: app
            .rule_files
            .findings()
            .iter()
            .filter(|found| found.level == event::Level::Error)
            .count(),
    };
    (status, Json(report))
}

/// Whether the process answers and its stages run.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = HealthReport), (status = 503, body = HealthReport)))]
pub(crate) async fn live(State(app): State<Arc<App>>) -> (StatusCode, Json<HealthReport>) {
    report(&app)
}

/// Whether the records found in the log at the start are queryable again, too.
#[utoipa::path(get, path = "/ready", tag = "health", responses((status = 200, body = HealthReport), (status = 503, body = HealthReport)))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, Json<HealthReport>) {
    let (status, report) = report(&app);
    let caught_up = app.pipeline.progress().refined >= app.recovered_head;
    (if caught_up { status } else { StatusCode::SERVICE_UNAVAILABLE }, report)
}
