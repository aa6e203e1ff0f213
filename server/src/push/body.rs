//! Bodies without their `Content-Encoding`.

use std::io::Read;

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;

/// Why a body cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadBody {
    /// It is larger than `server.max_body`, as sent or decompressed.
    TooLarge,
    /// Its encoding is none of ours.
    Encoding(String),
    /// It broke off, or is damaged.
    Damaged,
}

impl BadBody {
    /// The HTTP status that says so.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Damaged => StatusCode::BAD_REQUEST,
        }
    }

    /// What is wrong and the mend.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::TooLarge => "the body is larger than `server.max_body`; send less at once".into(),
            Self::Encoding(name) => format!("`{name}` is no encoding of ours; send gzip, zstd or none"),
            Self::Damaged => "the body is damaged or broke off".into(),
        }
    }
}

/// The body as it was before it was compressed, of at most `max` bytes.
pub(super) fn decoded(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    max: usize,
) -> Result<Bytes, BadBody> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => BadBody::TooLarge,
        _ => BadBody::Damaged,
    })?;
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(Ok(""), |value| value.to_str());
    match encoding.map_err(|_| BadBody::Damaged)?.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => gzip(&body, max),
        "zstd" => {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(body.as_ref()).map_err(|_| BadBody::Damaged)?;
            bounded(decoder, max)
        }
        other => Err(BadBody::Encoding(other.chars().take(32).collect())),
    }
}

/// A gzip stream of at most `max` bytes when inflated.
pub(super) fn gzip(body: &[u8], max: usize) -> Result<Bytes, BadBody> {
    bounded(flate2::read::MultiGzDecoder::new(body), max)
}

fn bounded(decoder: impl Read, max: usize) -> Result<Bytes, BadBody> {
    let mut out = Vec::new();
    decoder.take(max as u64 + 1).read_to_end(&mut out).map_err(|_| BadBody::Damaged)?;
    if out.len() > max { Err(BadBody::TooLarge) } else { Ok(out.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn headers(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    #[test]
    fn a_body_is_bounded_after_it_is_inflated() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gz.write_all(&[b'x'; 100_000]).unwrap();
        let gz = Bytes::from(gz.finish().unwrap());
        assert_eq!(decoded(&headers("gzip"), Ok(gz.clone()), 100_000).unwrap().len(), 100_000);
        assert_eq!(decoded(&headers("GZIP"), Ok(gz.clone()), 99_999), Err(BadBody::TooLarge));
        assert_eq!(decoded(&headers("gzip"), Ok(gz.slice(..20)), 100_000), Err(BadBody::Damaged));
        assert_eq!(decoded(&headers("br"), Ok(gz.clone()), 9), Err(BadBody::Encoding("br".into())));
        let zst = zstd::encode_all(&b"hello"[..], 1).unwrap();
        assert_eq!(decoded(&headers("zstd"), Ok(zst.into()), 5).unwrap(), "hello");
        assert_eq!(decoded(&HeaderMap::new(), Ok(gz.clone()), 5).unwrap(), gz);
    }
}
