//! Object stores: by their address, and one object as a stream.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreScheme, RetryConfig};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use url::Url;

use crate::google::{Environment, GcsTokens};
use crate::{Error, Result};

/// What is asked for at once. Two such parts are in memory: the one in use and the next.
///
/// One long response would be cut off by the client's request time-out whenever whoever takes the
/// records is slow; a part is read to its end at once.
const PART_BYTES: u64 = 8 << 20;

/// The store that `url` names, and the path in it. Credentials come from the environment, as the
/// clouds' own tools name them, or from the machine's or pod's role.
///
/// # Errors
/// [`Error::BadAddress`] and, where the configuration does not do, [`Error::Store`].
pub(crate) fn open_store(address: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let bad = |problem: String| Error::BadAddress { address: address.to_owned(), problem };
    let url = Url::parse(address).map_err(|error| bad(error.to_string()))?;
    let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|error| bad(error.to_string()))?;
    // Enough for throttling; a machine without credentials or network learns so within a minute.
    let retry =
        RetryConfig { max_retries: 6, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() };
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let builder = AmazonS3Builder::from_env().with_url(address).with_retry(retry);
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_url(address).with_retry(retry);
            if let Some(tokens) = GcsTokens::where_needed(&Environment::of_process())? {
                builder = builder.with_credentials(Arc::new(tokens));
            }
            builder.build().map(|store| Arc::new(store) as _)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(address).with_retry(retry);
            builder.build().map(|store| Arc::new(store) as _)
        }
        _ => return Err(bad(format!("`{}` is not read", url.scheme()))),
    };
    let store = store.map_err(|source| Error::Store { address: address.to_owned(), source })?;
    Ok((store, path))
}

/// An object as a blocking stream that holds at most two parts of it and reads one ahead.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    location: Path,
    runtime: Handle,
    /// What is read and not yet taken.
    part: Bytes,
    /// Where the part after it begins.
    at: u64,
    size: u64,
    /// The version of the first part; the others must be of the same.
    e_tag: Option<String>,
    /// Whether they need not: what grows has another version after each growth.
    is_growing: bool,
    next: Option<JoinHandle<object_store::Result<Part>>>,
}

/// What one request gives.
#[derive(Debug)]
struct Part {
    bytes: Bytes,
    e_tag: Option<String>,
    /// The size of the object.
    size: u64,
}

impl ObjectReader {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, meta: ObjectMeta, runtime: Handle) -> Self {
        Self {
            store,
            location: meta.location,
            runtime,
            part: Bytes::new(),
            at: 0,
            size: meta.size,
            e_tag: None,
            is_growing: false,
            next: None,
        }
    }

    /// Begins at byte `at` of an object that may grow meanwhile.
    #[must_use]
    pub(crate) fn growing_from(mut self, at: u64) -> Self {
        self.at = at;
        self.is_growing = true;
        self
    }

    fn request(&mut self) {
        let (store, location) = (self.store.clone(), self.location.clone());
        let (at, size, e_tag) = (self.at, self.size, self.e_tag.clone());
        self.next = Some(self.runtime.spawn(async move {
            let is_whole = at == 0 && size <= PART_BYTES;
            let range = (!is_whole).then(|| GetRange::Bounded(at..(at + PART_BYTES).min(size)));
            let options = GetOptions { range, if_match: e_tag, ..GetOptions::default() };
            let result = store.get_opts(&location, options).await?;
            let (e_tag, size) = (result.meta.e_tag.clone(), result.meta.size);
            Ok(Part { bytes: result.bytes().await?, e_tag, size })
        }));
    }

    /// Waits for the next part, and asks for the one after it.
    fn advance(&mut self) -> io::Result<()> {
        if self.next.is_none() {
            self.request();
        }
        let Some(next) = self.next.take() else { return Ok(()) };
        let part = self.runtime.block_on(next).map_err(io::Error::other)?.map_err(io::Error::from)?;
        if part.bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += part.bytes.len() as u64;
        self.size = part.size;
        self.e_tag = part.e_tag.filter(|_| !self.is_growing);
        self.part = part.bytes;
        if self.at < self.size {
            self.request();
        }
        Ok(())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.at < self.size {
            self.advance()?;
        }
        let count = self.part.len().min(out.len());
        let part = self.part.split_to(count);
        if let Some(out) = out.get_mut(..count) {
            out.copy_from_slice(&part);
        }
        Ok(count)
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            next.abort();
        }
    }
}
