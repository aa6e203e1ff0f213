//! Objects of Cloud Storage by their exact name and generation, part by part.
//!
//! A name may have an empty part or a dot, and a notification says which generation is meant.

use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use reqwest::header::{ACCEPT_ENCODING, HeaderName, HeaderValue, RANGE};
use serde_json::Value;
use url::Url;

use super::client::{Client, Service};
use super::{Environment, GoogleAccess};
use crate::by_key::{ByKey, Listed, Page};
use crate::queue::{PART_BYTES, Part};
use crate::repeat::repeated;
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

/// A bucket as one identity.
#[derive(Debug)]
pub(crate) struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// Nothing is called yet; `now_us` gives the time of day in microseconds since 1970. An emulator that the
    /// environment names is asked without credentials, unless it names these, too.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub(crate) fn open(name: &str, environment: &Environment, now_us: fn() -> i64) -> Result<Self> {
        let anonymous = environment.storage_emulator.is_some() && environment.credentials_file.is_none();
        let access = GoogleAccess { anonymous, ..GoogleAccess::default() };
        Ok(Self { client: Client::new(&access, environment, now_us)?, name: name.to_owned() })
    }

    fn object(&self, key: &str) -> GcsObject {
        GcsObject { bucket: self.name.clone(), name: key.to_owned(), generation: None }
    }
}

#[async_trait]
impl ByKey for Bucket {
    /// <https://cloud.google.com/storage/docs/json_api/v1/objects/list>
    async fn page(&self, prefix: &str, after: &str, next: Option<&str>) -> Result<Page> {
        let mut url = self.client.url(Service::Storage, &format!("storage/v1/b/{}/o", encode(&self.name)))?;
        let fields = "items(name,size,updated,generation),nextPageToken";
        url.query_pairs_mut().append_pair("prefix", prefix).append_pair("fields", fields);
        if !after.is_empty() {
            url.query_pairs_mut().append_pair("startOffset", after);
        }
        if let Some(next) = next {
            url.query_pairs_mut().append_pair("pageToken", next);
        }
        let call = Call { timeout: TIMEOUT, ..Call::get(LIST, url) };
        let answer = repeated(|| async { self.client.send(call.clone()).await?.accepted(LIST) }).await?;
        page_of(&answer.json(LIST)?)
    }

    async fn part(&self, key: &str, at: u64, version: Option<String>) -> Result<Part> {
        let object = self.object(key);
        repeated(|| part(&self.client, &object, at, version.clone())).await
    }

    fn is_missing(&self, error: &Error) -> bool {
        is_missing(error)
    }

    fn can_name(&self, key: &str) -> bool {
        // A name is one part of the address here.
        !matches!(key, "." | "..")
    }
}

fn page_of(answer: &Value) -> Result<Page> {
    let items = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read = |item: &Value| {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let time = DateTime::parse_from_rfc3339(text("updated")?).ok()?;
        Some(Listed {
            key: text("name")?.to_owned(),
            modified_us: time.timestamp_micros(),
            size: text("size")?.parse().ok()?,
            tag: text("generation").map(str::to_owned),
        })
    };
    let objects: Option<Vec<_>> = items.iter().map(read).collect();
    let objects = objects.ok_or_else(|| Error::BadAnswer {
        call: LIST.into(),
        problem: "an object has no `name`, `size` or `updated`".into(),
    })?;
    let next = answer.get("nextPageToken").and_then(Value::as_str);
    Ok(Page { objects, next: next.filter(|next| !next.is_empty()).map(str::to_owned) })
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
