//! OpenTelemetry's logs over HTTP (OTLP/HTTP: `/v1/logs`) and over gRPC, on the server's own address.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::Fate;
use ingest::push::otlp::{self, Encoding};

use super::count;
use super::grpc::{self, Code};
use crate::app::App;
use crate::auth::{Caller, Right};

/// What became of a request.
enum Outcome {
    /// The records are durable, but for those that are rejected for good.
    Durable { rejected: u64, reason: String },
    /// To be sent again after so many seconds.
    Later(u64),
    /// Never to be sent again.
    Bad(String),
    /// The role may not.
    Forbidden(String),
    /// We cannot, and do not know when.
    Failed(String),
}

async fn take(app: &Arc<App>, caller: &Caller, body: Bytes, encoding: Encoding) -> Outcome {
    let tally = &app.push.tally;
    if let Err(problem) = caller.needs(Right::Push) {
        count(&tally.unauthorized);
        return Outcome::Forbidden(problem.detail);
    }
    let (mut reception, limits) = (app.push.reception(), app.config.limits.clone());
    let read = move || otlp::logs(&body, encoding, &mut reception, &limits);
    let logs = match tokio::task::spawn_blocking(read).await {
        Ok(Ok(logs)) => logs,
        Ok(Err(error)) => {
            count(&tally.bad_bodies);
            return Outcome::Bad(error.to_string());
        }
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let source = super::source_of("otlp", caller);
    match super::accept(app, logs.records.into_batches(), &source, None, "otlp").await {
        Ok(_) => {
            tally.rejected_records.fetch_add(logs.rejected, std::sync::atomic::Ordering::Relaxed);
            Outcome::Durable { rejected: logs.rejected, reason: logs.reason }
        }
        Err(error) => match error.fate() {
            Fate::Retry { after } => {
                count(&tally.full);
                Outcome::Later(after.as_secs().max(1))
            }
            Fate::Reject => Outcome::Bad(error.to_string()),
            Fate::Stop => Outcome::Failed(error.to_string()),
        },
    }
}

/// Takes an `ExportLogsServiceRequest` in protobuf or JSON.
#[utoipa::path(post, path = "/v1/logs", tag = "push",
    request_body(content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json"))),
    responses((status = 200, description = "durable; `partial_success` tells of rejected records",
        content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json")))))]
pub(crate) async fn logs(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let encoding = match content_type(&headers) {
        "application/x-protobuf" => Encoding::Protobuf,
        "application/json" => Encoding::Json,
        _ => {
            let detail = "send application/x-protobuf or application/json";
            return failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, detail, Encoding::Json);
        }
    };
    let _turn = app.push.turn().await;
    let body = match super::body::decoded(&headers, body, app.config.max_body).await {
        Ok(body) => body,
        Err(problem) => {
            count(&app.push.tally.bad_bodies);
            return failed(problem.status(), Code::InvalidArgument, &problem.detail(), encoding);
        }
    };
    match take(&app, &caller, body, encoding).await {
        Outcome::Durable { rejected, reason } => {
            answer(StatusCode::OK, otlp::answer(rejected, &reason, encoding), encoding)
        }
        Outcome::Later(seconds) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = failed(status, Code::Unavailable, "the log is full", encoding);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Outcome::Bad(detail) => failed(StatusCode::BAD_REQUEST, Code::InvalidArgument, &detail, encoding),
        Outcome::Forbidden(detail) => {
            failed(StatusCode::FORBIDDEN, Code::PermissionDenied, &detail, encoding)
        }
        Outcome::Failed(detail) => {
            failed(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, &detail, encoding)
        }
    }
}

/// Takes the same as a unary gRPC call, over HTTP/2 without TLS (h2c).
#[utoipa::path(post, path = "/opentelemetry.proto.collector.logs.v1.LogsService/Export", tag = "push",
    request_body(content = Vec<u8>, content_type = "application/grpc"),
    responses((status = 200, description = "gRPC; the trailer `grpc-status` says how it went",
        content_type = "application/grpc", body = Vec<u8>)))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !content_type(&headers).starts_with("application/grpc") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let _turn = app.push.turn().await;
    let message = match grpc::message(&headers, body, app.config.max_body).await {
        Ok(message) => message,
        Err((code, detail)) => {
            count(&app.push.tally.bad_bodies);
            return grpc::failed(code, &detail);
        }
    };
    match take(&app, &caller, message, Encoding::Protobuf).await {
        Outcome::Durable { rejected, reason } => {
            grpc::answered(&otlp::answer(rejected, &reason, Encoding::Protobuf))
        }
        Outcome::Later(_) => grpc::failed(Code::Unavailable, "the log is full"),
        Outcome::Bad(detail) => grpc::failed(Code::InvalidArgument, &detail),
        Outcome::Forbidden(detail) => grpc::failed(Code::PermissionDenied, &detail),
        Outcome::Failed(detail) => grpc::failed(Code::Internal, &detail),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn failed(status: StatusCode, code: Code, detail: &str, encoding: Encoding) -> Response {
    answer(status, otlp::status(code as u32, detail, encoding), encoding)
}

fn answer(status: StatusCode, body: Vec<u8>, encoding: Encoding) -> Response {
    let content_type = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}
