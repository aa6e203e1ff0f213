//! Objects of Cloud Storage by their exact name and generation, part by part.
//!
//! `object_store` reads what is listed and has a path of its kind; a notification may name an object with an
//! empty part or a dot, and the generation that is meant.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderName, HeaderValue, RANGE};
use url::Url;

use super::client::{Client, Service};
use crate::queue::{PART_BYTES, Part};
use crate::web::Call;
use crate::{Error, Result};

/// As permissions name it.
pub(super) const GET: &str = "storage.objects.get";
/// As permissions name it; a listing is no part of reading what is announced.
pub(super) const LIST: &str = "storage.objects.list";
/// For a part.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GcsObject {
    pub(super) bucket: String,
    pub(super) name: String,
    /// The generation that was announced; `None`: the one that is there.
    pub(super) generation: Option<String>,
}

/// The bytes of `object` from `at` on; of `generation`, where another part was of that.
///
/// # Errors
/// [`Error::Refused`] and others of a call; [`Error::BadAnswer`] where the size is not told.
pub(super) async fn part(
    client: &Client,
    object: &GcsObject,
    at: u64,
    generation: Option<String>,
) -> Result<Part> {
    ranged(client, object, at, PART_BYTES, generation).await
}

/// Reads the first byte of an object.
///
/// # Errors
/// As of [`part`].
pub(super) async fn probe(client: &Client, object: &GcsObject) -> Result<()> {
    ranged(client, object, 0, 1, None).await.map(|_| ())
}

/// The name of the first object of a bucket, if it has any.
///
/// # Errors
/// [`Error::Refused`] and others of a call.
pub(super) async fn first(client: &Client, bucket: &str) -> Result<Option<GcsObject>> {
    let mut url = client.url(Service::Storage, &format!("storage/v1/b/{}/o", encode(bucket)))?;
    url.query_pairs_mut().append_pair("maxResults", "1").append_pair("fields", "items(name)");
    let call = Call { timeout: TIMEOUT, ..Call::get(LIST, url) };
    let answer = client.send(call).await?.accepted(LIST)?.json(LIST)?;
    let name = answer.pointer("/items/0/name").and_then(serde_json::Value::as_str);
    Ok(name.map(|name| GcsObject { bucket: bucket.to_owned(), name: name.to_owned(), generation: None }))
}

async fn ranged(
    client: &Client,
    object: &GcsObject,
    at: u64,
    length: u64,
    generation: Option<String>,
) -> Result<Part> {
    let generation = generation.or_else(|| object.generation.clone());
    let url = address(client, object, generation.as_deref())?;
    let range = HeaderValue::from_str(&format!("bytes={at}-{}", at + length - 1));
    let range = range.map_err(|error| Error::BadAnswer { call: GET.into(), problem: error.to_string() })?;
    let mut call = Call { timeout: TIMEOUT, max_bytes: PART_BYTES as usize, ..Call::get(GET, url) };
    // Without it, what is stored as gzip is inflated on the way, and ranges are not kept
    // (https://cloud.google.com/storage/docs/transcoding).
    call = call.with_header(ACCEPT_ENCODING, "gzip");
    call.headers.push((RANGE, range));
    let answer = client.send(call).await?;
    if answer.status == 416 && at == 0 {
        // There is no range of nothing.
        return Ok(Part::default());
    }
    let answer = answer.accepted(GET)?;
    let range = answer.header("content-range").and_then(|range| range.rsplit('/').next());
    let size = match range {
        Some(size) => size.parse().ok(),
        // A server that knows no ranges has sent everything.
        None if at == 0 => Some(answer.body.len() as u64),
        None => None,
    };
    let size = size.ok_or_else(|| Error::BadAnswer {
        call: GET.into(),
        problem: "`Content-Range` names no size".into(),
    })?;
    let version = answer.header(HeaderName::from_static("x-goog-generation").as_str()).map(str::to_owned);
    Ok(Part { bytes: answer.body, version: version.or(generation), size })
}

/// Every byte of the name that could mean anything to an address is encoded, slashes too.
fn address(client: &Client, object: &GcsObject, generation: Option<&str>) -> Result<Url> {
    if object.name == "." || object.name == ".." {
        let problem = "no URL can hold such a name, and Google allows none".into();
        return Err(Error::BadAddress {
            address: format!("gs://{}/{}", object.bucket, object.name),
            problem,
        });
    }
    let path = format!("storage/v1/b/{}/o/{}", encode(&object.bucket), encode(&object.name));
    let mut url = client.url(Service::Storage, &path)?;
    url.query_pairs_mut().append_pair("alt", "media");
    if let Some(generation) = generation {
        url.query_pairs_mut().append_pair("generation", generation);
    }
    Ok(url)
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether an error says that there is no such object, or no more of this generation.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Refused { call, status: 404 | 412, .. } if call == GET)
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, GoogleAccess};
    use super::*;

    #[test]
    fn names_are_encoded_whole() {
        let access = GoogleAccess {
            anonymous: true,
            endpoint: Some("http://127.0.0.1:1/".into()),
            ..GoogleAccess::default()
        };
        let client = Client::new(&access, &Environment::default(), || 0).unwrap();
        for (name, path) in [
            ("a/b", "a%2Fb"),
            ("../a.json", "..%2Fa.json"),
            ("a//b?c#d%2F é", "a%2F%2Fb%3Fc%23d%252F%20%C3%A9"),
        ] {
            let object = GcsObject { bucket: "b".into(), name: name.into(), generation: None };
            let url = address(&client, &object, Some("7")).unwrap();
            assert_eq!(
                url.as_str(),
                format!("http://127.0.0.1:1/storage/v1/b/b/o/{path}?alt=media&generation=7")
            );
        }
        let object = GcsObject { bucket: "b".into(), name: "..".into(), generation: None };
        assert!(matches!(address(&client, &object, None), Err(Error::BadAddress { .. })));
    }
}
