//! What every request and answer has: an id, in the answer, in problems and in every line of the log; and
//! errors that are problems, also where a library made them, or a handler failed.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::Instrument;

use super::{Problem, ProblemKind};
use crate::tls::Peer;

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

/// The routes as they are entered from outside: `concurrent` requests at once, each for `timeout` at most.
pub(super) fn entered(routes: Router, timeout: Duration, concurrent: usize, speaks_tls: bool) -> Router {
    let fixed = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    // RFC 6797: only a connection with TLS may say it.
    let strict =
        speaks_tls.then(|| fixed(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"));
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(known_peer))
        .layer(middleware::from_fn(enter))
        .option_layer(strict)
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, timeout))
        .layer(GlobalConcurrencyLimitLayer::new(concurrent));
    routes.layer(layers)
}

/// Tells the handlers who is at the other end, as they ask for it.
async fn known_peer(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(Peer(address))) = request.extensions().get().copied() {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    next.run(request).await
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::new(ProblemKind::Internal, "an error of ours; the server's log has it").into_response()
}

/// Gives the request its id and the answer what every answer has.
async fn enter(mut request: Request, next: Next) -> Response {
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
    let mut made = Problem::new(ProblemKind::of(status), detail).into_response();
    for (name, value) in &parts.headers {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            made.headers_mut().insert(name.clone(), value.clone());
        }
    }
    *made.extensions_mut() = parts.extensions;
    made
}

fn words(status: StatusCode) -> &'static str {
    match status.as_u16() {
        405 => "the method is not allowed here; see /api/v1/openapi.json",
        413 => "the body is larger than `server.max_body`",
        503 | 504 => "the request took longer than `server.request_timeout`, or cannot be worked on now",
        _ => status.canonical_reason().unwrap_or("the request failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, Bytes};
    use axum::extract::{DefaultBodyLimit, Path, Query};
    use axum::routing::{get, post};
    use serde::Deserialize;
    use serde_json::Value;
    use tower::ServiceExt;

    #[derive(Deserialize)]
    struct Wanted {
        limit: u8,
    }

    /// Handlers that fail as handlers may, and those of a library's extractors.
    fn failing() -> Router {
        let panics = || async {
            if true {
                panic!("a secret of the handler's");
            }
        };
        let status = |status: StatusCode| get(move || async move { status });
        let routes = Router::new()
            .route("/panics", get(panics))
            .route("/hangs", get(std::future::pending::<()>))
            .route("/path/{number}", get(|Path(number): Path<u8>| async move { number.to_string() }))
            .route("/query", get(|Query(wanted): Query<Wanted>| async move { wanted.limit.to_string() }))
            .route("/body", post(|_: Bytes| async {}))
            .route("/text", post(|_: String| async {}))
            .route("/json", post(|_: axum::Json<Value>| async {}))
            .route("/408", status(StatusCode::REQUEST_TIMEOUT))
            .route("/431", status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))
            .route("/501", status(StatusCode::NOT_IMPLEMENTED))
            .route("/504", status(StatusCode::GATEWAY_TIMEOUT))
            .layer(DefaultBodyLimit::max(16));
        entered(routes, Duration::from_millis(50), 8, false)
    }

    #[tokio::test]
    async fn whatever_fails_is_a_problem_of_a_stable_kind() {
        let routes = failing();
        for (method, path, body, status, kind) in [
            ("GET", "/panics", &b""[..], 500, "internal"),
            ("GET", "/hangs", b"", 503, "unavailable"),
            ("GET", "/nowhere", b"", 404, "not_found"),
            ("PUT", "/body", b"", 405, "method_not_allowed"),
            ("GET", "/path/x", b"", 400, "bad_request"),
            ("GET", "/path/300", b"", 400, "bad_request"),
            ("GET", "/path/%ff", b"", 400, "bad_request"),
            ("GET", "/query", b"", 400, "bad_request"),
            ("GET", "/query?limit=%ff", b"", 400, "bad_request"),
            ("POST", "/body", b"more than sixteen bytes", 413, "too_large"),
            ("POST", "/text", b"\xff\xfe", 400, "bad_request"),
            ("POST", "/json", b"{}", 415, "media_type"),
            ("GET", "/408", b"", 400, "bad_request"),
            ("GET", "/431", b"", 400, "bad_request"),
            ("GET", "/501", b"", 500, "internal"),
            ("GET", "/504", b"", 503, "unavailable"),
        ] {
            let case = format!("{method} {path}");
            let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
            let answer = routes.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{case}");
            let headers = answer.headers().clone();
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{case}");
            let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            let problem: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(problem["type"], format!("/api/v1/problems#{kind}"), "{case}: {problem}");
            assert_eq!(problem["status"], status, "{case}");
            assert_eq!(problem["request_id"], headers[&REQUEST_ID].to_str().unwrap(), "{case}");
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{case}");
            assert!(!problem.to_string().contains("secret"), "{case}: {problem}");
            if let Some(length) = headers.get(header::CONTENT_LENGTH) {
                assert_eq!(length.to_str().unwrap(), bytes.len().to_string(), "{case}");
            }
        }
    }
}
