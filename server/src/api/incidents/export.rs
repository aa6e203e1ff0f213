//! Evidence packages: `POST /api/v1/incidents/{id}/export`

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::api::Problem;
use crate::api::alerts::blocking;
use crate::app::{App, now_us};
use crate::audit::tell;
use crate::auth::{Caller, Right};

/// The header that has the hash of a package's manifest.
const SHA256_HEADER: &str = "x-manifest-sha256";

/// Exports the evidence package of an incident as a ZIP archive. Who exported it and the hash of its manifest are
/// written into the incident's history; the answer has the hash in `x-manifest-sha256`.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/export", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, content((Vec<u8> = "application/zip"))), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(Right::Export)?;
    let asked = app.clone();
    let mut dossier = blocking(move || {
        asked.follow_alerts()?;
        asked.incidents.dossier(&id)
    })
    .await??;
    dossier.records = crate::evidence::records(&app, &dossier.wanted_records()).await?;
    let (id, by) = (dossier.incident.id.clone(), caller.name.clone());
    let (archive, sha256) = blocking(move || {
        let package = app.incidents.export(&dossier, &by, env!("CARGO_PKG_VERSION"), now_us())?;
        Ok::<_, alerts::Error>((alerts::bundle::write_zip(&package.files)?, package.sha256))
    })
    .await??;
    tell("manifest_sha256", sha256.as_str());
    tracing::info!(by = caller.name, incident = id, sha256, "an evidence package was exported");
    let mut response = archive.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let named = format!("attachment; filename=\"incident-{id}.zip\"");
    if let (Ok(named), Ok(sha256)) = (HeaderValue::from_str(&named), HeaderValue::from_str(&sha256)) {
        headers.insert(header::CONTENT_DISPOSITION, named);
        headers.insert(SHA256_HEADER, sha256);
    }
    Ok(response)
}
