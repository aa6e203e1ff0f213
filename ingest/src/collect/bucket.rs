//! What lies below a prefix of an object store.

use std::collections::BinaryHeap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;
use url::Url;

use crate::aws::{AwsAccess, Environment, S3, open_bucket, open_listing};
use crate::object::{ObjectReader, open_store};
use crate::{Error, FindingKind, Result, SourceFinding};

/// How many objects a look takes in.
const LOOKED_AT: usize = 1_000;

/// A prefix in a store. Its calls block, and wait for the runtime: not on one of its own threads.
#[derive(Debug)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The address of the store, as it stands before a path in it.
    root: String,
    address: String,
    runtime: Handle,
    /// The bucket's own listing, where it is ours: one key that `object_store` cannot have fails all of its.
    own: Option<(S3, String)>,
    /// Such a key, the first that was found.
    odd: Mutex<Option<String>>,
}

/// A prefix in a store that is open already.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    /// The address of the store, as it stands before a path in it; without a slash at the end.
    pub(crate) root: String,
}

/// An object and the place that it has among those that are wanted.
struct Ranked<K> {
    rank: K,
    meta: ObjectMeta,
}

impl<K: Ord> PartialEq for Ranked<K> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<K: Ord> Eq for Ranked<K> {}

impl<K: Ord> PartialOrd for Ranked<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> Ord for Ranked<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl Bucket {
    /// The prefix at `address`. Credentials are those of `aws` for S3, if it is given; else they come from the
    /// environment or the machine's role.
    ///
    /// # Errors
    /// [`Error::BadAddress`], [`Error::Missing`] for a folder of this machine, [`Error::Store`].
    pub(super) fn open(
        address: &str,
        aws: Option<&(AwsAccess, Environment)>,
        now_us: fn() -> i64,
        runtime: &Handle,
    ) -> Result<Self> {
        let bad = |problem: &str| Error::BadAddress { address: address.to_owned(), problem: problem.into() };
        let url = Url::parse(address).map_err(|error| bad(&error.to_string()))?;
        let mut own = None;
        let (store, prefix, root) = if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| bad("it is no path on this machine"))?;
            if !folder.is_dir() {
                return Err(Error::Missing { path: folder });
            }
            let store = LocalFileSystem::new_with_prefix(&folder);
            let store = store.map_err(|source| Error::Store { address: address.to_owned(), source })?;
            (Arc::new(store) as Arc<dyn ObjectStore>, Path::default(), address)
        } else {
            let (store, prefix) = match aws.filter(|_| ["s3", "s3a"].contains(&url.scheme())) {
                Some((access, environment)) => {
                    let bucket = url.host_str().ok_or_else(|| bad("it names no bucket"))?;
                    let store = open_bucket(bucket, access, environment, now_us)?;
                    own = Some((open_listing(access, environment, now_us)?, bucket.to_owned()));
                    let prefix = Path::from_url_path(url.path()).map_err(|error| bad(&error.to_string()))?;
                    (store, prefix)
                }
                None => open_store(address)?,
            };
            let trimmed = address.trim_end_matches('/');
            let root = trimmed.strip_suffix(prefix.as_ref()).unwrap_or(trimmed);
            (store, prefix, root)
        };
        let root = root.trim_end_matches('/').to_owned();
        let (address, runtime, odd) = (address.to_owned(), runtime.clone(), Mutex::default());
        Ok(Self { store, prefix, root, address, runtime, own, odd })
    }

    /// The prefix at `place`.
    pub(super) fn at(place: Place, runtime: &Handle) -> Self {
        let Place { store, prefix, root } = place;
        let address = format!("{root}/{prefix}");
        let (runtime, odd) = (runtime.clone(), Mutex::default());
        Self { store, prefix, root, address, runtime, own: None, odd }
    }

    #[cfg(test)]
    pub(super) fn of(store: Arc<dyn ObjectStore>, runtime: &Handle) -> Self {
        let (root, address) = ("mem://b".to_owned(), "mem://b/".to_owned());
        let (prefix, runtime, odd) = (Path::default(), runtime.clone(), Mutex::default());
        Self { store, prefix, root, address, runtime, own: None, odd }
    }

    /// The address of an object.
    pub(super) fn address_of(&self, location: &Path) -> String {
        format!("{}/{location}", self.root)
    }

    /// Of the objects after the key `after` that are wanted, the `limit` lowest by `rank`, in that order.
    /// Hidden objects, and those without bytes, are left out.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(super) fn list<K: Ord>(
        &self,
        after: Option<&Path>,
        limit: usize,
        mut is_wanted: impl FnMut(&ObjectMeta) -> bool,
        rank: impl Fn(&ObjectMeta) -> K,
    ) -> Result<Vec<ObjectMeta>> {
        let mut lowest: BinaryHeap<Ranked<K>> = BinaryHeap::new();
        self.runtime
            .block_on(async {
                self.visit(after, |meta| {
                    let is_hidden = meta.location.filename().is_some_and(|name| name.starts_with('.'));
                    if meta.size == 0 || is_hidden || !is_wanted(&meta) {
                        return;
                    }
                    lowest.push(Ranked { rank: rank(&meta), meta });
                    if lowest.len() > limit {
                        lowest.pop();
                    }
                })
                .await
            })
            .map_err(|source| Error::Store { address: self.address.clone(), source })?;
        Ok(lowest.into_sorted_vec().into_iter().map(|ranked| ranked.meta).collect())
    }

    /// Shows each object after the key `after`.
    async fn visit(
        &self,
        after: Option<&Path>,
        mut visit: impl FnMut(ObjectMeta),
    ) -> object_store::Result<()> {
        let Some((s3, bucket)) = &self.own else { return self.visit_folders(after, visit).await };
        let prefix = self.own_prefix();
        let mut after = Some(after.map(ToString::to_string).unwrap_or_default());
        while let Some(from) = after {
            let listed = s3.objects(bucket, &prefix, &from).await;
            let listed = listed
                .map_err(|source| object_store::Error::Generic { store: "S3", source: Box::new(source) })?;
            listed.objects.into_iter().for_each(&mut visit);
            if let Some(odd) = listed.odd.into_iter().next() {
                self.odd.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(odd);
            }
            after = listed.next;
        }
        Ok(())
    }

    /// The first object that has bytes, as far as one page of the listing shows.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(super) async fn first(&self) -> Result<Option<ObjectMeta>> {
        let store_error = |source| Error::Store { address: self.address.clone(), source };
        if let Some((s3, bucket)) = &self.own {
            let listed = s3.objects(bucket, &self.own_prefix(), "").await?;
            return Ok(listed.objects.into_iter().find(|meta| meta.size > 0));
        }
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let mut listed = self.store.list(prefix).take(LOOKED_AT);
        loop {
            match listed.try_next().await {
                Ok(Some(meta)) if meta.size > 0 => return Ok(Some(meta)),
                Ok(Some(_)) => {}
                // A key that `object_store` cannot have: it may be listed all the same.
                Ok(None) | Err(object_store::Error::InvalidPath { .. }) => return Ok(None),
                Err(error) => return Err(store_error(error)),
            }
        }
    }

    /// Reads the first byte of an object.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(super) async fn probe(&self, meta: &ObjectMeta) -> Result<()> {
        let read = self.store.get_range(&meta.location, 0..1).await;
        let address = self.address_of(&meta.location);
        read.map(|_| ()).map_err(|source| Error::Store { address, source })
    }

    /// The prefix as a listing of S3 takes it: whole parts of keys.
    fn own_prefix(&self) -> String {
        match self.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        }
    }

    /// Its address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The same through `object_store`, for which one key with an empty part spoils the whole of a listing: then
    /// folder by folder, and what is right below the folder that has such a key is left out.
    async fn visit_folders(
        &self,
        after: Option<&Path>,
        mut visit: impl FnMut(ObjectMeta),
    ) -> object_store::Result<()> {
        // With each folder the key up to which it was seen already; listings are in the order of keys.
        let mut folders = vec![(self.prefix.clone(), after.cloned())];
        while let Some((folder, mut seen)) = folders.pop() {
            let prefix = Some(&folder).filter(|prefix| !prefix.as_ref().is_empty());
            let mut listed = match &seen {
                Some(seen) => self.store.list_with_offset(prefix, seen),
                None => self.store.list(prefix),
            };
            let odd = loop {
                match listed.try_next().await {
                    Ok(Some(meta)) => {
                        seen = Some(meta.location.clone());
                        visit(meta);
                    }
                    Ok(None) => break None,
                    Err(object_store::Error::InvalidPath { source }) => break Some(source),
                    Err(error) => return Err(error),
                }
            };
            let Some(odd) = odd else { continue };
            match self.store.list_with_delimiter(prefix).await {
                Ok(found) => {
                    let is_new = |meta: &ObjectMeta| seen.as_ref().is_none_or(|seen| meta.location > *seen);
                    found.objects.into_iter().filter(is_new).for_each(&mut visit);
                    folders.extend(found.common_prefixes.into_iter().map(|folder| (folder, seen.clone())));
                }
                Err(object_store::Error::InvalidPath { .. }) => {
                    let told = format!("{folder}/…: {odd}");
                    self.odd.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(told);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What is to be told of a key that cannot be read here, the first time that there is one.
    pub(super) fn odd(&self) -> Option<SourceFinding> {
        let odd = self.odd.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(SourceFinding {
            kind: FindingKind::Gap,
            subject: self.address.clone(),
            detail: format!(
                "objects with an empty part in their keys, such as `{odd}`, are not read from a listing, nor, but \
                 for S3, what lies beside them; a queue (`aws_s3_queue`, `gcp_pubsub`) reads them"
            ),
            span_us: None,
        })
    }

    /// Reads an object from byte `from`; from 0, all of it is of one version.
    pub(super) fn read(&self, meta: &ObjectMeta, from: u64) -> Box<dyn Read + Send> {
        let reader = ObjectReader::new(self.store.clone(), meta.clone(), self.runtime.clone());
        Box::new(if from == 0 { reader } else { reader.growing_from(from) })
    }
}

/// When an object was last modified, in microseconds since 1970.
pub(super) fn modified_us(meta: &ObjectMeta) -> i64 {
    meta.last_modified.timestamp_micros()
}
