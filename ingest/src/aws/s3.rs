//! Objects of S3 by signed requests: any key, any region, part by part.
//!
//! A key may have an empty part, or what looks like an encoding; the bytes that are asked for here are that key's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;

use super::client::Client;
use super::endpoint::{Service, is_region};
use super::http::Request;
use super::sign::encode;
use super::{AwsAccess, Environment, ObjectAddress, xml};
use crate::by_key::{ByKey, Listed, Page};
use crate::queue::{PART_BYTES, Part};
use crate::web::Answer;
use crate::{Error, Result};

/// For a part, or a page of a list.
const TIMEOUT: Duration = Duration::from_secs(60);
const LIST_BYTES: usize = 16 << 20;

/// S3 as one identity.
#[derive(Debug)]
pub(crate) struct S3 {
    client: Arc<Client>,
    /// Where buckets are that are elsewhere than expected.
    regions: Mutex<BTreeMap<String, String>>,
}

impl S3 {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self { client, regions: Mutex::new(BTreeMap::new()) }
    }

    /// An object of at most `max_bytes`; `None` where there is none.
    pub(crate) async fn get(&self, object: &ObjectAddress, max_bytes: usize) -> Result<Option<Answer>> {
        match self.request(object, None, &[], Vec::new(), max_bytes).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keys that begin with `prefix`, in order: those after `after`, one page of up to 1,000, and whether
    /// there are more.
    pub(crate) async fn list(&self, bucket: &str, prefix: &str, after: &str) -> Result<(Vec<String>, bool)> {
        let mut query = vec![("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")];
        if !after.is_empty() {
            query.push(("start-after", after));
        }
        let bucket = ObjectAddress { bucket: bucket.to_owned(), key: String::new() };
        let answer = self.request(&bucket, None, &query, Vec::new(), LIST_BYTES).await?;
        let keys = xml::each(answer.text(), "Contents").filter_map(|entry| xml::text_of(entry, "Key"));
        // `url::form_urlencoded` takes a `+` for a space, as S3 writes it here.
        let decoded = keys.map(|key| {
            let pair = url::form_urlencoded::parse(key.as_bytes()).next();
            pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
        });
        Ok((decoded.collect(), xml::text_of(answer.text(), "IsTruncated").as_deref() == Some("true")))
    }

    /// The objects of such a page. With them the key to go on after, if there are more.
    async fn objects(&self, bucket: &str, prefix: &str, after: &str) -> Result<Page> {
        let mut query = vec![("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")];
        if !after.is_empty() {
            query.push(("start-after", after));
        }
        let bucket = ObjectAddress { bucket: bucket.to_owned(), key: String::new() };
        let answer = self.request(&bucket, None, &query, Vec::new(), LIST_BYTES).await?;
        let bad = |problem: &str| Error::BadAnswer { call: "s3:ListBucket".into(), problem: problem.into() };
        let mut page = Page::default();
        for entry in xml::each(answer.text(), "Contents") {
            let text = |name: &str| xml::text_of(entry, name);
            let key = text("Key").ok_or_else(|| bad("an object has no `Key`"))?;
            let pair = url::form_urlencoded::parse(key.as_bytes()).next();
            let key = pair.map(|(name, _)| name.into_owned()).unwrap_or_default();
            let time = text("LastModified").and_then(|time| DateTime::parse_from_rfc3339(&time).ok());
            let size = text("Size").and_then(|size| size.parse().ok());
            let (Some(time), Some(size)) = (time, size) else {
                return Err(bad("an object has no `LastModified` or `Size`"));
            };
            page.objects.push(Listed { key, modified_us: time.timestamp_micros(), size, tag: text("ETag") });
        }
        let has_more = xml::text_of(answer.text(), "IsTruncated").as_deref() == Some("true");
        let last = page.objects.last().map(|object| object.key.clone());
        page.next = last.filter(|last| has_more && !last.is_empty());
        Ok(page)
    }

    async fn request(
        &self,
        object: &ObjectAddress,
        region: Option<&str>,
        query: &[(&str, &str)],
        headers: Vec<(&'static str, String)>,
        max_bytes: usize,
    ) -> Result<Answer> {
        let known = lock(&self.regions).get(&object.bucket).cloned();
        let region = known.as_deref().or(region).unwrap_or(self.client.region());
        let path = format!("/{}/{}", object.bucket, encode(&object.key, true));
        let call = if object.key.is_empty() { "s3:ListBucket" } else { "s3:GetObject" };
        let request = |region: &str| {
            Request::s3(self.client.endpoint(Service::S3, region), path.clone(), query, headers.clone())
        };
        match self.client.read(call, &request(region), region, TIMEOUT, max_bytes).await {
            Err(Error::Refused { status: 301 | 307 | 400, .. }) => {
                let Some(other) = self.ask_region(&request(region), region).await? else {
                    // Once more for its error.
                    return self.client.read(call, &request(region), region, TIMEOUT, max_bytes).await;
                };
                let answer = self.client.read(call, &request(&other), &other, TIMEOUT, max_bytes).await?;
                lock(&self.regions).insert(object.bucket.clone(), other);
                Ok(answer)
            }
            other => other,
        }
    }

    /// The region that S3 names when it is asked in another.
    async fn ask_region(&self, request: &Request, asked: &str) -> Result<Option<String>> {
        let answer = self.client.send(request, asked, TIMEOUT, PART_BYTES as usize).await?;
        let named = answer.header("x-amz-bucket-region").map(str::to_owned);
        let named = named.or_else(|| xml::text_of(answer.text(), "Region"));
        Ok(named.filter(|region| region != asked && is_region(region)))
    }

    /// Whether the start of an object can be read.
    pub(crate) async fn probe(&self, object: &ObjectAddress, region: Option<&str>) -> Result<()> {
        self.part(object, region, 0, None).await.map(drop)
    }

    /// The bytes of an object from `at` on, of the version that `e_tag` names.
    pub(crate) async fn part(
        &self,
        object: &ObjectAddress,
        region: Option<&str>,
        at: u64,
        e_tag: Option<String>,
    ) -> Result<Part> {
        let mut headers = vec![("range", format!("bytes={at}-{}", at + PART_BYTES - 1))];
        // The other parts must be of the version that the first was.
        headers.extend(e_tag.map(|tag| ("if-match", tag)));
        let answer = match self.request(object, region, &[], headers, PART_BYTES as usize).await {
            // There is no range of nothing.
            Err(Error::Refused { status: 416, .. }) if at == 0 => return Ok(Part::default()),
            answer => answer?,
        };
        let range = answer.header("content-range").and_then(|range| range.rsplit('/').next());
        let size = match range {
            Some(size) => size.parse().ok(),
            // A server that knows no ranges has sent everything.
            None => Some(answer.body.len() as u64),
        };
        let size = size.ok_or_else(|| Error::BadAnswer {
            call: "s3:GetObject".into(),
            problem: "`Content-Range` names no size".into(),
        })?;
        let e_tag = answer.header("etag").map(str::to_owned);
        Ok(Part { bytes: answer.body, version: e_tag, size })
    }
}

/// A bucket as one identity.
#[derive(Debug)]
pub(crate) struct Bucket {
    s3: S3,
    name: String,
}

impl Bucket {
    /// Nothing is called yet; `now_us` gives the time of day in microseconds since 1970.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub(crate) fn open(
        name: &str,
        access: &AwsAccess,
        environment: &Environment,
        now_us: fn() -> i64,
    ) -> Result<Self> {
        let is_named =
            ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().any(|name| environment.get(name).is_some());
        // S3 says where the bucket is when it is asked elsewhere.
        let region = (!is_named).then(|| "us-east-1".to_owned());
        let s3 = S3::new(Arc::new(Client::new(access, region, environment, now_us)?));
        Ok(Self { s3, name: name.to_owned() })
    }
}

#[async_trait]
impl ByKey for Bucket {
    async fn page(&self, prefix: &str, after: &str, next: Option<&str>) -> Result<Page> {
        self.s3.objects(&self.name, prefix, next.unwrap_or(after)).await
    }

    async fn part(&self, key: &str, at: u64, version: Option<String>) -> Result<Part> {
        let object = ObjectAddress { bucket: self.name.clone(), key: key.to_owned() };
        self.s3.part(&object, None, at, version).await
    }

    fn is_missing(&self, error: &Error) -> bool {
        is_missing(error)
    }
}

/// Whether an error says that there is no such object.
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Refused { status: 404, code, .. } if code == "NoSuchKey" || code.is_empty())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
