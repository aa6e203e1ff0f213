//! What every request and answer has: an id, in the answer, in problems and in every line of the log; and
//! errors that are problems, also where a library made them.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::Problem;

/// The header of a request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that a caller may give to its own request.
const ID_BYTES: usize = 64;

/// The most that is read of an error's text.
const TEXT_BYTES: usize = 16 << 10;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is worked on, if there is one.
pub(super) fn current_id() -> Option<Box<str>> {
    CURRENT.try_with(|id| id.as_str().into()).ok()
}

/// Gives the request its id and the answer what every answer has.
pub(crate) async fn enter(mut request: Request, next: Next) -> Response {
    let id = given(&request).unwrap_or_else(new_id);
    let Ok(value) = HeaderValue::from_str(&id) else { return next.run(request).await };
    request.headers_mut().insert(REQUEST_ID, value.clone());
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let work = async { problem(next.run(request).await).await };
    let mut answer = CURRENT.scope(id, work).instrument(span).await;
    answer.headers_mut().insert(REQUEST_ID, value);
    answer
}

/// The id that the caller gave, where it is one that can stand in a log.
fn given(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ((1..=ID_BYTES).contains(&id.len()) && id.chars().all(is_plain)).then(|| id.to_owned())
}

fn new_id() -> String {
    let mut random = [0; 16];
    // Without randomness ids are of less use, and nothing worse.
    getrandom::fill(&mut random).unwrap_or_default();
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An error of a library, such as a body that is no JSON, as a problem.
async fn problem(answer: Response) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_text = kind.is_none_or(|kind| kind.starts_with("text/plain"));
    // gRPC has an error for us to keep; HEAD answers have no body to tell by, and stay.
    if !(status.is_client_error() || status.is_server_error()) || !is_text {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let text = to_bytes(body, TEXT_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = if text.trim().is_empty() { words(status) } else { text.trim() };
    let mut made = Problem::new(status, word(status), detail).into_response();
    for (name, value) in &parts.headers {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            made.headers_mut().insert(name.clone(), value.clone());
        }
    }
    *made.extensions_mut() = parts.extensions;
    made
}

fn word(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        406 => "not_acceptable",
        409 => "conflict",
        413 => "too_large",
        415 => "media_type",
        422 => "invalid",
        429 => "too_many_requests",
        400..500 => "bad_request",
        503 | 504 => "unavailable",
        _ => "internal",
    }
}

fn words(status: StatusCode) -> &'static str {
    match status.as_u16() {
        405 => "the method is not allowed here; see /api/v1/openapi.json",
        413 => "the body is larger than `server.max_body`",
        503 | 504 => "the request took longer than `server.request_timeout`, or cannot be worked on now",
        _ => status.canonical_reason().unwrap_or("the request failed"),
    }
}
