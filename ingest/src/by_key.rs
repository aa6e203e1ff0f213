//! Objects of a cloud's store by their own keys, as it lists and reads them.
//!
//! `object_store` has paths: a key with an empty part (`a//b`) has none, and one such key fails the whole of its
//! listing. Here a key is what the store says that it is.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectMeta;

use crate::object::{self, Parts};
use crate::{Error, Result, queue};

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    /// In microseconds since 1970.
    pub(crate) modified_us: i64,
    pub(crate) size: u64,
    /// What another version has not.
    pub(crate) tag: Option<String>,
}

impl Listed {
    /// The last part of the key.
    pub(crate) fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl From<ObjectMeta> for Listed {
    fn from(meta: ObjectMeta) -> Self {
        Self {
            key: meta.location.into(),
            modified_us: meta.last_modified.timestamp_micros(),
            size: meta.size,
            tag: meta.e_tag,
        }
    }
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Listed>,
    /// Where the next page begins, in the store's own words; `None`: this is the last.
    pub(crate) next: Option<String>,
}

/// A bucket or container.
#[async_trait]
pub(crate) trait ByKey: Debug + Send + Sync {
    /// Objects whose keys begin with `prefix`, in the order of keys: those after the key `after`, if the store can
    /// leave the others out, or the page that begins at `next`.
    ///
    /// # Errors
    /// The store refuses or does not answer.
    async fn page(&self, prefix: &str, after: &str, next: Option<&str>) -> Result<Page>;

    /// The bytes of an object from `at` on, up to [`queue::PART_BYTES`], of the version that was read before.
    ///
    /// # Errors
    /// The store refuses or does not answer.
    async fn part(&self, key: &str, at: u64, version: Option<String>) -> Result<queue::Part>;

    /// Whether an error says that there is no such object.
    fn is_missing(&self, error: &Error) -> bool;

    /// Whether a request can name the key: in a URL a part `.` or `..` is taken away.
    fn can_name(&self, key: &str) -> bool {
        !key.split('/').any(|part| matches!(part, "." | ".."))
    }
}

/// The parts of one object by its key.
#[derive(Debug)]
pub(crate) struct KeyParts {
    pub(crate) store: Arc<dyn ByKey>,
    pub(crate) key: String,
    /// Whether parts need not be of one version: what grows has another after each growth.
    pub(crate) is_growing: bool,
}

impl Parts for KeyParts {
    fn part(
        &self,
        at: u64,
        _size: Option<u64>,
        e_tag: Option<String>,
    ) -> BoxFuture<'static, io::Result<object::Part>> {
        let (store, key, is_growing) = (self.store.clone(), self.key.clone(), self.is_growing);
        async move {
            let part = store.part(&key, at, e_tag).await.map_err(|error| {
                let is_missing = store.is_missing(&error);
                io::Error::new(if is_missing { io::ErrorKind::NotFound } else { io::ErrorKind::Other }, error)
            })?;
            let e_tag = part.version.filter(|_| !is_growing);
            Ok(object::Part { bytes: part.bytes, e_tag, size: part.size })
        }
        .boxed()
    }
}

/// A part of a URL as it was before it was encoded.
pub(crate) fn percent_decoded(text: &str) -> String {
    // The parser of forms does it, once nothing in the text means anything to it.
    let text = text.replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
    let pair = url::form_urlencoded::parse(text.as_bytes()).next();
    pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn parts_of_urls_are_decoded() {
        assert_eq!(percent_decoded("a%20b/c+d=e&f//%C3%A9%2525"), "a b/c+d=e&f//é%25");
        assert_eq!(percent_decoded(""), "");
    }
}
