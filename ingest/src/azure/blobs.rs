//! Blobs of a container by their names, as any identity that `object_store` signs for.
//!
//! <https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs> and `get-blob` beside it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use object_store::CredentialProvider;
use object_store::azure::{
    AzureAuthorizer, AzureConfigKey, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder,
};
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::header::{HeaderName, HeaderValue, IF_MATCH, RANGE};
use url::Url;

use crate::aws::{accepted, encode, xml};
use crate::by_key::{ByKey, Listed, Page, percent_decoded};
use crate::queue::{PART_BYTES, Part};
use crate::repeat::repeated;
use crate::web::{Answer, Call, Web};
use crate::{Error, Result};

/// For a part, or a page of a list.
const TIMEOUT: Duration = Duration::from_secs(60);
const LIST_BYTES: usize = 32 << 20;
/// The calls, as errors name them.
pub(super) const LIST: &str = "list blobs";
pub(super) const GET: &str = "read a blob";

/// A container.
pub(crate) struct Blobs {
    web: Web,
    /// The container's address, without a slash at the end.
    base: String,
    account: String,
    credentials: Arc<dyn CredentialProvider<Credential = AzureCredential>>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Blobs {
    /// The container `container` at `endpoint`, the address of the account's blobs, as `store` signs in.
    ///
    /// # Errors
    /// [`Error::BadAddress`]; [`Error::Unreachable`]: there is no TLS.
    pub(crate) fn of(endpoint: &str, account: &str, container: &str, store: &MicrosoftAzure) -> Result<Self> {
        let base = format!("{}/{container}", endpoint.trim_end_matches('/'));
        Url::parse(&base)
            .map_err(|error| Error::BadAddress { address: base.clone(), problem: error.to_string() })?;
        let (account, credentials) = (account.to_owned(), store.credentials().clone());
        Ok(Self { web: Web::new()?, base, account, credentials })
    }

    /// The container that `address` (`az://CONTAINER/PREFIX`, `abfss://CONTAINER@ACCOUNT.dfs…/PREFIX`) names, as the
    /// process's environment says. `None`: an emulator or no signature is asked for, which `object_store` alone knows.
    ///
    /// # Errors
    /// As of [`of`](Self::of); [`Error::Store`]: the store cannot be set up.
    pub(crate) fn open(address: &str) -> Result<Option<Self>> {
        let bad = |problem: &str| Error::BadAddress { address: address.to_owned(), problem: problem.into() };
        let url = Url::parse(address).map_err(|error| bad(&error.to_string()))?;
        let host = url.host_str().ok_or_else(|| bad("it names no container"))?;
        let builder = MicrosoftAzureBuilder::from_env();
        let given = |key: AzureConfigKey| builder.get_config_value(&key).filter(|value| !value.is_empty());
        let is_set = |key: AzureConfigKey| given(key).is_some_and(|value| value != "false");
        if is_set(AzureConfigKey::UseEmulator) || is_set(AzureConfigKey::SkipSignature) {
            return Ok(None);
        }
        let (account, container) = match url.username() {
            "" => (given(AzureConfigKey::AccountName), host),
            container => (host.split('.').next().map(str::to_owned), container),
        };
        let account =
            account.ok_or_else(|| bad("set AZURE_STORAGE_ACCOUNT_NAME, the name of the account"))?;
        let endpoint = given(AzureConfigKey::Endpoint);
        let endpoint = endpoint.unwrap_or_else(|| format!("https://{account}.blob.core.windows.net"));
        let store = builder.with_allow_http(true).with_url(address).build();
        let store = store.map_err(|source| Error::Store { address: address.to_owned(), source })?;
        Self::of(&endpoint, &account, container, &store).map(Some)
    }

    async fn send(
        &self,
        name: &str,
        url: &Url,
        headers: &[(HeaderName, String)],
        most: usize,
    ) -> Result<Answer> {
        let credential = self.credentials.get_credential().await;
        let credential = credential.map_err(|source| Error::Store { address: self.base.clone(), source })?;
        let bad = |problem: String| Error::BadAddress { address: self.base.clone(), problem };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() =
            url.as_str().parse().map_err(|_| bad("a key cannot be named in a URL".into()))?;
        for (header, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|error| bad(error.to_string()))?;
            request.headers_mut().insert(header, value);
        }
        AzureAuthorizer::new(&credential, &self.account).authorize(&mut request);
        let url = Url::parse(&request.uri().to_string()).map_err(|error| bad(error.to_string()))?;
        let mut call = Call { timeout: TIMEOUT, max_bytes: most, ..Call::get(name, url) };
        for (header, value) in request.headers() {
            let mut value = value.clone();
            value.set_sensitive(true);
            call.headers.push((header.clone(), value));
        }
        accepted(self.web.send(call).await?, name)
    }
}

#[async_trait]
impl ByKey for Blobs {
    async fn page(&self, prefix: &str, _after: &str, next: Option<&str>) -> Result<Page> {
        let mut query =
            format!("restype=container&comp=list&maxresults=5000&prefix={}", encode(prefix, false));
        if let Some(next) = next {
            query.extend(["&marker=", &encode(next, false)]);
        }
        let text = format!("{}?{query}", self.base);
        let url = Url::parse(&text)
            .map_err(|error| Error::BadAddress { address: self.base.clone(), problem: error.to_string() })?;
        let answer = repeated(|| self.send(LIST, &url, &[], LIST_BYTES)).await?;
        page_of(answer.text())
    }

    async fn part(&self, key: &str, at: u64, version: Option<String>) -> Result<Part> {
        let text = format!("{}/{}", self.base, encode(key, true));
        let bad = |problem: String| Error::BadAddress { address: text.clone(), problem };
        let url = Url::parse(&text).map_err(|error| bad(error.to_string()))?;
        if !url.as_str().ends_with(&encode(key, true)) {
            return Err(bad("a part of it is `.` or `..`, which no URL can hold".into()));
        }
        let mut headers = vec![(RANGE, format!("bytes={at}-{}", at + PART_BYTES - 1))];
        // The other parts must be of the version that the first was.
        headers.extend(version.map(|tag| (IF_MATCH, tag)));
        let answer = match repeated(|| self.send(GET, &url, &headers, PART_BYTES as usize)).await {
            // There is no range of nothing.
            Err(Error::Refused { status: 416, .. }) if at == 0 => return Ok(Part::default()),
            answer => answer?,
        };
        let range = answer.header("content-range").and_then(|range| range.rsplit('/').next());
        let size = range.and_then(|size| size.parse().ok()).ok_or_else(|| Error::BadAnswer {
            call: GET.into(),
            problem: "`Content-Range` names no size".into(),
        })?;
        let version = answer.header("etag").map(str::to_owned);
        Ok(Part { bytes: answer.body, version, size })
    }

    fn is_missing(&self, error: &Error) -> bool {
        matches!(error, Error::Refused { status: 404, code, .. } if code == "BlobNotFound" || code.is_empty())
    }
}

/// A page as the service writes it. A name that XML cannot hold comes with `Encoded="true"`.
fn page_of(text: &str) -> Result<Page> {
    let bad = |problem: &str| Error::BadAnswer { call: LIST.into(), problem: problem.into() };
    let mut objects = Vec::new();
    for blob in xml::each(text, "Blob") {
        let plain = xml::text_of(blob, "Name");
        let encoded = || {
            let (_, rest) = blob.split_once("<Name Encoded=\"true\">")?;
            Some(percent_decoded(rest.split_once("</Name>")?.0))
        };
        let key = plain.or_else(encoded).ok_or_else(|| bad("a blob has no `Name`"))?;
        if xml::text_of(blob, "ResourceType").as_deref() == Some("directory") {
            continue;
        }
        let time = xml::text_of(blob, "Last-Modified");
        let time = time.and_then(|time| DateTime::parse_from_rfc2822(&time).ok());
        let size = xml::text_of(blob, "Content-Length").and_then(|size| size.parse().ok());
        let (Some(time), Some(size)) = (time, size) else {
            return Err(bad("a blob has no `Last-Modified` or `Content-Length`"));
        };
        objects.push(Listed {
            key,
            modified_us: time.timestamp_micros(),
            size,
            tag: xml::text_of(blob, "Etag"),
        });
    }
    let next = xml::text_of(text, "NextMarker").filter(|next| !next.is_empty());
    Ok(Page { objects, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let blob = |name: &str, rest: &str| {
            format!(
                "<Blob>{name}<Properties><Last-Modified>Wed, 21 Oct 2015 07:28:00 GMT</Last-Modified>\
                 <Etag>0x8D</Etag><Content-Length>7</Content-Length>{rest}</Properties><OrMetadata /></Blob>"
            )
        };
        let text = format!(
            "<?xml?><EnumerationResults ServiceEndpoint=\"https://x/\"><Blobs>{}{}{}</Blobs>\
             <NextMarker>2!8!a</NextMarker></EnumerationResults>",
            blob("<Name>a//b &amp; c</Name>", ""),
            blob("<Name>a</Name>", "<ResourceType>directory</ResourceType>"),
            blob("<Name Encoded=\"true\">a%EF%BF%BE</Name>", ""),
        );
        let page = page_of(&text).unwrap();
        let keys: Vec<_> = page.objects.iter().map(|one| one.key.as_str()).collect();
        assert_eq!((keys, page.next.as_deref()), (vec!["a//b & c", "a\u{fffe}"], Some("2!8!a")));
        assert_eq!((page.objects[0].size, page.objects[0].modified_us), (7, 1_445_412_480_000_000));
        assert_eq!(page.objects[0].tag.as_deref(), Some("0x8D"));
        assert_eq!(page_of("<Blobs /><NextMarker />").unwrap().next, None);
        for bad in ["<Blob></Blob>", "<Blob><Name>a</Name></Blob>"] {
            assert!(matches!(page_of(bad), Err(Error::BadAnswer { .. })), "{bad}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn pages_follow_each_other_and_trouble_that_passes_is_passed() {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let service = cloudfake::Proxy::start("http://127.0.0.1:1", move |seen| {
            if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                return cloudfake::answer("503 Server Busy", "", "");
            }
            let is_second = seen.head.contains("marker=2%218%21a%3D%3D");
            let next = if is_second { "" } else { "2!8!a==" };
            let body = format!("<Blobs /><NextMarker>{next}</NextMarker>");
            cloudfake::answer("200 OK", "", &body)
        })
        .await;
        let store = MicrosoftAzureBuilder::new()
            .with_account("logs")
            .with_container_name("c")
            .with_access_key("c2VjcmV0")
            .build()
            .unwrap();
        let blobs = Blobs::of(&service.url, "logs", "c", &store).unwrap();
        let first = blobs.page("in//", "", None).await.unwrap();
        assert_eq!(first.next.as_deref(), Some("2!8!a=="));
        assert_eq!(blobs.page("in//", "", first.next.as_deref()).await.unwrap().next, None);
        let seen = service.seen.lock();
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|seen| seen.head.contains("GET /c?restype=container&comp=list")));
        assert!(seen.iter().all(|seen| seen.head.contains("prefix=in%2F%2F")));
        assert!(seen.iter().all(|seen| seen.head.to_lowercase().contains("authorization: sharedkey logs:")));
        assert!(!format!("{blobs:?}").contains("c2VjcmV0"));
    }
}
