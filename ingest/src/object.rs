//! Object stores: by their address, and one object as a stream.

use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
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
pub(crate) const PART_BYTES: u64 = 8 << 20;

/// The store that `url` names, and the path in it. Credentials come from the environment, as the
/// clouds' own tools name them, or from the machine's or pod's role.
///
/// # Errors
/// [`Error::BadAddress`] and, where the configuration does not do, [`Error::Store`].
pub fn open_store(address: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
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

/// What one request gives.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    pub(crate) e_tag: Option<String>,
    /// The size of the object.
    pub(crate) size: u64,
}

/// The parts of one object, each asked for by a request of its own.
pub(crate) trait Parts: Debug + Send {
    /// Asks for the part at byte `at`; `size` is that of the object as far as it is known, `e_tag` the version
    /// of the first part, of which the others must be.
    fn part(&self, at: u64, size: Option<u64>, e_tag: Option<String>)
    -> BoxFuture<'static, io::Result<Part>>;
}

/// An object as a blocking stream that holds at most two parts of it and reads one ahead.
#[derive(Debug)]
pub(crate) struct PartReader<P> {
    parts: P,
    runtime: Handle,
    /// What is read and not yet taken.
    part: Bytes,
    /// Where the part after it begins.
    at: u64,
    /// `None`: not before the first part.
    size: Option<u64>,
    e_tag: Option<String>,
    next: Option<JoinHandle<io::Result<Part>>>,
}

impl<P: Parts> PartReader<P> {
    /// To be read on a thread that may wait for `runtime`.
    pub(crate) fn over(parts: P, size: Option<u64>, runtime: Handle) -> Self {
        Self { parts, runtime, part: Bytes::new(), at: 0, size, e_tag: None, next: None }
    }

    /// Begins at byte `at`.
    #[must_use]
    pub(crate) fn at(mut self, at: u64) -> Self {
        self.at = at;
        self
    }

    fn request(&self) -> JoinHandle<io::Result<Part>> {
        self.runtime.spawn(self.parts.part(self.at, self.size, self.e_tag.clone()))
    }

    /// Waits for the next part, and asks for the one after it.
    fn advance(&mut self) -> io::Result<()> {
        let next = self.next.take().unwrap_or_else(|| self.request());
        let part = self.runtime.block_on(next).map_err(io::Error::other)??;
        if part.bytes.is_empty() && self.at < part.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += part.bytes.len() as u64;
        self.size = Some(part.size);
        self.e_tag = part.e_tag;
        self.part = part.bytes;
        if self.at < part.size {
            self.next = Some(self.request());
        }
        Ok(())
    }
}

impl<P: Parts> Read for PartReader<P> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.size.is_none_or(|size| self.at < size) {
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

impl<P> Drop for PartReader<P> {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            next.abort();
        }
    }
}

/// An object of a store.
pub(crate) type ObjectReader = PartReader<StoreParts>;

/// The parts of an object of a store.
#[derive(Debug)]
pub(crate) struct StoreParts {
    store: Arc<dyn ObjectStore>,
    location: Path,
    /// Whether parts need not be of one version: what grows has another after each growth.
    is_growing: bool,
}

impl ObjectReader {
    /// All of an object, of one version.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, meta: ObjectMeta, runtime: Handle) -> Self {
        let parts = StoreParts { store, location: meta.location, is_growing: false };
        Self::over(parts, Some(meta.size), runtime)
    }

    /// Begins at byte `at` of an object that may grow meanwhile.
    #[must_use]
    pub(crate) fn growing_from(mut self, at: u64) -> Self {
        self.parts.is_growing = true;
        self.at(at)
    }
}

impl Parts for StoreParts {
    fn part(
        &self,
        at: u64,
        size: Option<u64>,
        e_tag: Option<String>,
    ) -> BoxFuture<'static, io::Result<Part>> {
        let (store, location, is_growing) = (self.store.clone(), self.location.clone(), self.is_growing);
        let size = size.unwrap_or(u64::MAX);
        async move {
            let is_whole = at == 0 && size <= PART_BYTES;
            let range = (!is_whole).then(|| GetRange::Bounded(at..(at + PART_BYTES).min(size)));
            let options = GetOptions { range, if_match: e_tag, ..GetOptions::default() };
            let result = store.get_opts(&location, options).await?;
            let (e_tag, size) = (result.meta.e_tag.clone(), result.meta.size);
            Ok(Part { bytes: result.bytes().await?, e_tag: e_tag.filter(|_| !is_growing), size })
        }
        .boxed()
    }
}
