//! Answers as real services give them: compressed where the client can read that.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderMap, Response, header};

/// An answer of JSON; `is_torn`: its gzip breaks off although its length is right.
pub(crate) fn json(
    asked: &HeaderMap,
    status: u16,
    headers: &[(&str, String)],
    body: &str,
    is_torn: bool,
) -> Response<Body> {
    let mut builder =
        Response::builder().status(status).header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    let takes_gzip = asked.get(header::ACCEPT_ENCODING).is_some_and(|value| value.as_bytes() == b"gzip");
    let built = match takes_gzip {
        true => {
            let mut bytes = gzip(body);
            if is_torn {
                bytes.truncate(bytes.len() / 2);
            }
            builder.header(header::CONTENT_ENCODING, "gzip").body(Body::from(bytes))
        }
        false => builder.body(Body::from(body.to_owned())),
    };
    built.unwrap_or_else(|error| panic!("no answer can be made: {error}"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish())
        .unwrap_or_else(|error| panic!("memory cannot be written: {error}"))
}

/// The parameters of a query or a form.
pub(crate) fn parameters(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// What a header says after `scheme`.
pub(crate) fn credentials<'a>(asked: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    asked.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(scheme)
}

/// The address under which the client knows this server.
pub(crate) fn own_address(asked: &HeaderMap) -> String {
    let host = asked.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}")
}

/// The real time in seconds since 1970, by which the `Date` header and the ends of limits are.
pub(crate) fn real_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A time of RFC 3339 in milliseconds since 1970.
pub(crate) fn millis(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}
