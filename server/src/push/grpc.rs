//! Unary gRPC over the HTTP/2 that the server speaks anyway ("gRPC over HTTP2"): one message in, one message
//! and a status in trailers out.

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Full};

use super::body;

/// The status codes in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The request can never be taken.
    InvalidArgument = 3,
    /// The caller may not.
    PermissionDenied = 7,
    /// The message is larger than we take.
    ResourceExhausted = 8,
    /// We do not speak this compression.
    Unimplemented = 12,
    /// Our fault.
    Internal = 13,
    /// To be tried again.
    Unavailable = 14,
}

/// The flag and the length before a message.
const PREFIX_BYTES: usize = 5;

/// The one message of a request, decompressed.
pub(super) async fn message(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    max: usize,
) -> Result<Bytes, (Code, String)> {
    let too_large = || (Code::ResourceExhausted, body::BadBody::TooLarge.detail());
    let broken = || (Code::InvalidArgument, "the gRPC message is broken".to_owned());
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => broken(),
    })?;
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES).ok_or_else(broken)?;
    let &[flag, a, b, c, d] = prefix else { return Err(broken()) };
    if message.len() != u32::from_be_bytes([a, b, c, d]) as usize {
        return Err(broken());
    }
    match (flag, headers.get("grpc-encoding").map(HeaderValue::as_bytes)) {
        (0, _) => Ok(body.slice(PREFIX_BYTES..)),
        (1, Some(b"gzip")) => {
            body::gzip(body.slice(PREFIX_BYTES..), max).await.map_err(|problem| match problem {
                body::BadBody::TooLarge => too_large(),
                _ => broken(),
            })
        }
        (1, _) => Err((Code::Unimplemented, "only gzip is decompressed".into())),
        _ => Err(broken()),
    }
}

/// A response with one message and the status OK.
pub(super) fn answered(message: &[u8]) -> Response {
    let mut framed = Vec::with_capacity(PREFIX_BYTES + message.len());
    framed.push(0);
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from(framed)).with_trailers(std::future::ready(Some(Ok(trailers))));
    ([(header::CONTENT_TYPE, GRPC)], Body::new(body)).into_response()
}

/// A response without a message.
pub(super) fn failed(code: Code, detail: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(GRPC)),
        (GRPC_STATUS, HeaderValue::from(code as u32)),
        (
            GRPC_MESSAGE,
            HeaderValue::from_str(&percent_encoded(detail)).unwrap_or(HeaderValue::from_static("")),
        ),
    ];
    (headers, Body::empty()).into_response()
}

const GRPC: &str = "application/grpc";
const GRPC_STATUS: axum::http::HeaderName = axum::http::HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: axum::http::HeaderName = axum::http::HeaderName::from_static("grpc-message");

/// As gRPC wants messages: printable ASCII stays, but for `%`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => out.push_str("%25"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_whole_or_refused() {
        let read = async |body: &[u8]| message(&HeaderMap::new(), Ok(Bytes::copy_from_slice(body)), 10).await;
        assert_eq!(read(&[0, 0, 0, 0, 2, 7, 8]).await.unwrap().as_ref(), [7, 8]);
        assert_eq!(read(&[0, 0, 0, 0, 0]).await.unwrap().len(), 0);
        for body in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 3, 7, 8], &[0, 0, 0, 0, 1, 7, 8], &[2, 0, 0, 0, 0]]
        {
            assert_eq!(read(body).await.unwrap_err().0, Code::InvalidArgument, "{body:?}");
        }
        assert_eq!(read(&[1, 0, 0, 0, 0]).await.unwrap_err().0, Code::Unimplemented);
    }

    #[test]
    fn words_are_fit_for_a_header() {
        assert_eq!(percent_encoded("100 % é\n"), "100 %25 %C3%A9%0A");
    }
}
