//! Is it alive, and is it fit for work?

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Caller, Right};

/// The state of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthReport {
    /// `ok`, or `failed`: it still answers, but takes no more records.
    status: &'static str,
    /// For who has the right `read`; others are told the status alone.
    #[serde(flatten)]
    #[schema(inline)]
    details: HealthDetails,
}

/// What only some are told of the state of the server.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct HealthDetails {
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The program's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    /// Seconds since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_s: Option<u64>,
    /// Records in the log that are not yet visible to SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_records: Option<u64>,
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
    /// Why the files of places as they are now are not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<String>,
    /// Rules in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<usize>,
    /// Rules left out because they are broken; `GET /api/v1/rules` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_rules: Option<usize>,
}

fn report(app: &App, caller: Option<&Caller>) -> (StatusCode, Json<HealthReport>) {
    let reason = app.pipeline.health().failure();
    let (status, word) = match reason {
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
        None => (StatusCode::OK, "ok"),
    };
    if !caller.is_some_and(|caller| caller.role.may(Right::Read)) {
        return (status, Json(HealthReport { status: word, details: HealthDetails::default() }));
    }
    let findings = app.rule_files.findings();
    let broken = findings.iter().filter(|found| found.level == event::Level::Error).count();
    let proofs = app.audit.proofs();
    let details = HealthDetails {
        reason,
        version: Some(env!("CARGO_PKG_VERSION")),
        uptime_s: Some(app.started.elapsed().as_secs()),
        pending_records: Some(app.log.head().saturating_sub(app.pipeline.progress().refined)),
        audit: app.audit.failure(),
        audit_signed_s: proofs.checkpoint_s,
        audit_anchored_s: proofs.anchor_s,
        tls: app.certificates.as_ref().and_then(|certificates| certificates.problem()),
        places: app.places.problem(),
        rules: Some(app.pipeline.rules().len()),
        broken_rules: Some(broken),
    };
    (status, Json(HealthReport { status: word, details }))
}

/// Whether the process answers and its stages run. Probes need no token; what is wrong is told to who may `read`.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = HealthReport), (status = 503, body = HealthReport)))]
pub(crate) async fn live(
    State(app): State<Arc<App>>,
    caller: Option<Extension<Caller>>,
) -> (StatusCode, Json<HealthReport>) {
    report(&app, caller.as_deref())
}

/// Whether the records found in the log at the start are queryable again, too. Asked and answered as `/health`.
#[utoipa::path(get, path = "/ready", tag = "health", responses((status = 200, body = HealthReport), (status = 503, body = HealthReport)))]
pub(crate) async fn ready(
    State(app): State<Arc<App>>,
    caller: Option<Extension<Caller>>,
) -> (StatusCode, Json<HealthReport>) {
    let (status, report) = report(&app, caller.as_deref());
    let caught_up = app.pipeline.progress().refined >= app.recovered_head;
    (if caught_up { status } else { StatusCode::SERVICE_UNAVAILABLE }, report)
}
