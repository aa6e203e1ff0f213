//! Bodies without their `Content-Encoding`, and the records in them.

use std::io::Read;

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use event::RawBatchBuilder;
use ingest::{Limits, RecordReader};

/// Why a body cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadBody {
    /// It is larger than `server.max_body`, as sent or decompressed.
    TooLarge,
    /// Its encoding is none of ours.
    Encoding(String),
    /// It broke off, or is damaged.
    Damaged,
}

impl BadBody {
    /// The HTTP status that says so.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Damaged => StatusCode::BAD_REQUEST,
        }
    }

    /// What is wrong and the mend.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::TooLarge => "the body is larger than `server.max_body`; send less at once".into(),
            Self::Encoding(name) => format!("`{name}` is no encoding of ours; send gzip, zstd or none"),
            Self::Damaged => "the body is damaged or broke off".into(),
        }
    }
}

/// The body as it was before it was compressed, of at most `max` bytes. Inflating is done where blocking is
/// allowed.
pub(super) async fn decoded(
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
        "gzip" | "x-gzip" => gzip(body, max).await,
        "zstd" => apart(move || bounded(zstd_decoder(&body)?, max)).await,
        other => Err(BadBody::Encoding(other.chars().take(32).collect())),
    }
}

/// A gzip stream of at most `max` bytes when inflated.
pub(super) async fn gzip(body: Bytes, max: usize) -> Result<Bytes, BadBody> {
    apart(move || bounded(flate2::read::MultiGzDecoder::new(body.as_ref()), max)).await
}

fn zstd_decoder(body: &[u8]) -> Result<impl Read, BadBody> {
    zstd::stream::read::Decoder::with_buffer(body).map_err(|_| BadBody::Damaged)
}

async fn apart(inflate: impl FnOnce() -> Result<Bytes, BadBody> + Send + 'static) -> Result<Bytes, BadBody> {
    tokio::task::spawn_blocking(inflate).await.unwrap_or(Err(BadBody::Damaged))
}

/// The records of a body, which may be compressed without saying so: its first bytes tell. They have at most
/// `max` bytes together; what is broken among them is a reject.
///
/// # Errors
/// [`BadBody::TooLarge`].
pub(crate) fn records(body: Bytes, limits: Limits, max: usize) -> Result<Vec<RawBatchBuilder>, BadBody> {
    let mut reader = RecordReader::of_body(body, limits);
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = reader.next_batch().map_err(|_| BadBody::Damaged)? {
        bytes += batch.byte_len();
        if bytes > max {
            return Err(BadBody::TooLarge);
        }
        batches.push(batch);
    }
    Ok(batches)
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

    #[tokio::test]
    async fn a_body_is_bounded_after_it_is_inflated() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gz.write_all(&[b'x'; 100_000]).unwrap();
        let gz = Bytes::from(gz.finish().unwrap());
        let decoded =
            async |encoding: &str, body: Bytes, max| decoded(&headers(encoding), Ok(body), max).await;
        assert_eq!(decoded("gzip", gz.clone(), 100_000).await.unwrap().len(), 100_000);
        assert_eq!(decoded("GZIP", gz.clone(), 99_999).await, Err(BadBody::TooLarge));
        assert_eq!(decoded("gzip", gz.slice(..20), 100_000).await, Err(BadBody::Damaged));
        assert_eq!(decoded("br", gz.clone(), 9).await, Err(BadBody::Encoding("br".into())));
        let zst = zstd::encode_all(&b"hello"[..], 1).unwrap();
        assert_eq!(decoded("zstd", zst.into(), 5).await.unwrap(), "hello");
        assert_eq!(decoded("identity", gz.clone(), 5).await.unwrap(), gz);
    }

    #[test]
    fn records_are_bounded_also_where_the_body_does_not_say_that_it_is_compressed() {
        let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(990));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..10_000 {
            gz.write_all(line.as_bytes()).unwrap();
        }
        let gz = Bytes::from(gz.finish().unwrap());
        assert!(gz.len() < 100_000, "{}", gz.len());
        let limits = Limits { inflate_ratio: 10_000, ..Limits::default() };
        let read = |max| records(gz.clone(), limits.clone(), max);
        assert_eq!(read(10_000_000).unwrap().iter().map(RawBatchBuilder::len).sum::<usize>(), 10_000);
        assert_eq!(read(9_000_000).unwrap_err(), BadBody::TooLarge);
    }
}
