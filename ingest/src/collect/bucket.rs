//! What lies below a prefix of an object store.

use std::collections::BinaryHeap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;
use url::{Position, Url};

use super::objects::ObjectsConfig;
use crate::by_key::{ByKey, KeyParts, Listed, percent_decoded};
use crate::object::{ObjectReader, PartReader, open_store};
use crate::{Error, FindingKind, Result, SourceFinding, aws, azure, google};

/// How many objects a look takes in.
const LOOKED_AT: usize = 1_000;

/// A prefix in a store. Its calls block, and wait for the runtime: not on one of its own threads.
#[derive(Debug)]
pub(super) struct Bucket {
    store: Store,
    /// What keys begin with: empty, or whole parts of keys with a slash at the end.
    prefix: String,
    /// The address of the store, as it stands before a key in it.
    root: String,
    address: String,
    runtime: Handle,
    /// The first key that cannot be asked for.
    odd: Mutex<Option<String>>,
}

/// A store by its own keys or, where it is none of a cloud or one of an unusual kind, by `object_store`'s paths.
#[derive(Debug)]
enum Store {
    Keys(Arc<dyn ByKey>),
    Paths(Arc<dyn ObjectStore>),
}

/// A prefix in a store that is open already.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ByKey>,
    /// Without a slash at the end.
    pub(crate) prefix: String,
    /// The address of the store, as it stands before a key in it; without a slash at the end.
    pub(crate) root: String,
}

/// An object and the place that it has among those that are wanted.
struct Ranked<K> {
    rank: K,
    object: Listed,
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
    /// The prefix at `address`. Credentials are those of `config` for S3, if it has any; else they come from the
    /// environment or the machine's role.
    ///
    /// # Errors
    /// [`Error::BadAddress`], [`Error::Missing`] for a folder of this machine, [`Error::Store`],
    /// [`Error::BadSetting`], [`Error::NoCredentials`].
    pub(super) fn open(address: &str, config: &ObjectsConfig, runtime: &Handle) -> Result<Self> {
        let bad = |problem: &str| Error::BadAddress { address: address.to_owned(), problem: problem.into() };
        let url = Url::parse(address).map_err(|error| bad(&error.to_string()))?;
        if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| bad("it is no path on this machine"))?;
            if !folder.is_dir() {
                return Err(Error::Missing { path: folder });
            }
            let store = LocalFileSystem::new_with_prefix(&folder);
            let store = store.map_err(|source| Error::Store { address: address.to_owned(), source })?;
            let root = address.trim_end_matches('/');
            return Ok(Self::new(Store::Paths(Arc::new(store)), String::new(), root, address, runtime));
        }
        let name = || url.host_str().ok_or_else(|| bad("it names no bucket or container"));
        let now_us = config.now_us;
        let keys: Option<Arc<dyn ByKey>> = match (url.scheme(), &config.aws) {
            ("s3" | "s3a", Some((access, environment))) => {
                Some(Arc::new(aws::Bucket::open(name()?, access, environment, now_us)?))
            }
            ("gs", _) => Some(Arc::new(google::Bucket::open(name()?, &config.google, now_us)?)),
            ("az" | "abfs" | "abfss", _) => {
                azure::Blobs::open(address)?.map(|blobs| Arc::new(blobs) as Arc<dyn ByKey>)
            }
            _ => None,
        };
        if let Some(keys) = keys {
            let prefix = url.path();
            let prefix = percent_decoded(prefix.strip_prefix('/').unwrap_or(prefix));
            let root = &url[..Position::BeforePath];
            return Ok(Self::new(Store::Keys(keys), prefix, root, address, runtime));
        }
        let (store, prefix) = open_store(address)?;
        let trimmed = address.trim_end_matches('/');
        let root = trimmed.strip_suffix(prefix.as_ref()).unwrap_or(trimmed).trim_end_matches('/');
        Ok(Self::new(Store::Paths(store), prefix.into(), root, address, runtime))
    }

    fn new(store: Store, mut prefix: String, root: &str, address: &str, runtime: &Handle) -> Self {
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        let (root, address) = (root.to_owned(), address.to_owned());
        Self { store, prefix, root, address, runtime: runtime.clone(), odd: Mutex::default() }
    }

    /// The prefix at `place`.
    pub(super) fn at(place: Place, runtime: &Handle) -> Self {
        let Place { store, prefix, root } = place;
        let address = format!("{root}/{prefix}");
        Self::new(Store::Keys(store), prefix, &root, &address, runtime)
    }

    #[cfg(test)]
    pub(super) fn of(store: Arc<dyn ObjectStore>, runtime: &Handle) -> Self {
        Self::new(Store::Paths(store), String::new(), "mem://b", "mem://b/", runtime)
    }

    /// The address of an object.
    pub(super) fn address_of(&self, key: &str) -> String {
        format!("{}/{key}", self.root)
    }

    /// Of the objects after the key `after` that are wanted, the `limit` lowest by `rank`, in that order.
    /// Hidden objects, and those without bytes, are left out.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Refused`] and others of a call.
    pub(super) fn list<K: Ord>(
        &self,
        after: Option<&str>,
        limit: usize,
        mut is_wanted: impl FnMut(&Listed) -> bool,
        rank: impl Fn(&Listed) -> K,
    ) -> Result<Vec<Listed>> {
        let mut lowest: BinaryHeap<Ranked<K>> = BinaryHeap::new();
        self.runtime.block_on(self.visit(after.unwrap_or_default(), |object| {
            if object.size == 0 || object.name().starts_with('.') || !is_wanted(&object) {
                return;
            }
            lowest.push(Ranked { rank: rank(&object), object });
            if lowest.len() > limit {
                lowest.pop();
            }
        }))?;
        Ok(lowest.into_sorted_vec().into_iter().map(|ranked| ranked.object).collect())
    }

    /// Shows each object after the key `after`.
    async fn visit(&self, after: &str, mut visit: impl FnMut(Listed)) -> Result<()> {
        let store = match &self.store {
            Store::Paths(store) => return self.visit_paths(store, after, visit).await,
            Store::Keys(store) => store,
        };
        let mut next: Option<String> = None;
        loop {
            let page = store.page(&self.prefix, after, next.as_deref()).await?;
            for object in page.objects {
                if object.key.as_str() <= after {
                    continue;
                }
                if store.can_name(&object.key) {
                    visit(object);
                } else if object.size > 0 {
                    self.odd.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(object.key);
                }
            }
            match page.next {
                None => return Ok(()),
                Some(more) if next.as_ref() == Some(&more) => {
                    let problem = "the next page of the listing is said to be the same again".to_owned();
                    return Err(Error::BadAnswer { call: format!("list {}", self.address), problem });
                }
                more => next = more,
            }
        }
    }

    async fn visit_paths(
        &self,
        store: &Arc<dyn ObjectStore>,
        after: &str,
        mut visit: impl FnMut(Listed),
    ) -> Result<()> {
        let prefix = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        let mut listed = match after {
            "" => store.list(prefix.as_ref()),
            after => store.list_with_offset(prefix.as_ref(), &Path::from(after)),
        };
        loop {
            match listed.try_next().await {
                Ok(Some(meta)) => visit(meta.into()),
                Ok(None) => return Ok(()),
                Err(source) => return Err(Error::Store { address: self.address.clone(), source }),
            }
        }
    }

    /// The first object that has bytes, as far as one page of the listing shows.
    ///
    /// # Errors
    /// As of [`list`](Self::list).
    pub(super) async fn first(&self) -> Result<Option<Listed>> {
        let store = match &self.store {
            Store::Keys(store) => {
                let page = store.page(&self.prefix, "", None).await?;
                let can_read = |object: &Listed| object.size > 0 && store.can_name(&object.key);
                return Ok(page.objects.into_iter().find(can_read));
            }
            Store::Paths(store) => store,
        };
        let prefix = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        let mut listed = store.list(prefix.as_ref()).take(LOOKED_AT);
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(|source| Error::Store { address: self.address.clone(), source })?;
            if meta.size > 0 {
                return Ok(Some(meta.into()));
            }
        }
        Ok(None)
    }

    /// Reads the start of an object.
    ///
    /// # Errors
    /// As of [`list`](Self::list).
    pub(super) async fn probe(&self, object: &Listed) -> Result<()> {
        let store = match &self.store {
            Store::Keys(store) => return store.part(&object.key, 0, None).await.map(drop),
            Store::Paths(store) => store,
        };
        let read = store.get_range(&Path::from(object.key.as_str()), 0..1).await;
        let address = self.address_of(&object.key);
        read.map(drop).map_err(|source| Error::Store { address, source })
    }

    /// Its address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What is to be told of keys that cannot be read here.
    pub(super) fn odd(&self) -> Option<SourceFinding> {
        let odd = self.odd.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(SourceFinding {
            kind: FindingKind::Gap,
            subject: self.address.clone(),
            detail: format!(
                "objects with a part `.` or `..` in their keys, such as `{odd}`, are not read: no URL can hold them"
            ),
            span_us: None,
        })
    }

    /// Reads an object from byte `from`; from 0, all of it is of one version.
    pub(super) fn read(&self, object: &Listed, from: u64) -> Box<dyn Read + Send> {
        let is_growing = from > 0;
        match &self.store {
            Store::Keys(store) => {
                let parts = KeyParts { store: store.clone(), key: object.key.clone(), is_growing };
                let reader = PartReader::over(parts, Some(object.size), self.runtime.clone());
                Box::new(reader.at(from))
            }
            Store::Paths(store) => {
                let meta = ObjectMeta {
                    location: Path::from(object.key.as_str()),
                    last_modified: chrono::DateTime::default(),
                    size: object.size,
                    e_tag: None,
                    version: None,
                };
                let reader = ObjectReader::new(store.clone(), meta, self.runtime.clone());
                Box::new(if is_growing { reader.growing_from(from) } else { reader })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::by_key::Page;
    use crate::queue::Part;

    /// Keys in pages of two; with `is_stuck` the second page is followed by itself.
    #[derive(Debug)]
    struct Keys {
        keys: Vec<&'static str>,
        is_stuck: bool,
    }

    #[async_trait]
    impl ByKey for Keys {
        async fn page(&self, prefix: &str, _after: &str, next: Option<&str>) -> Result<Page> {
            let at: usize = next.map_or(0, |next| next.parse().unwrap());
            let keys = self.keys.iter().filter(|key| key.starts_with(prefix)).skip(at).take(2);
            let objects = keys.map(|key| Listed {
                key: (*key).to_owned(),
                modified_us: 7,
                size: key.len() as u64 - 1,
                tag: None,
            });
            let objects: Vec<_> = objects.collect();
            let next = if self.is_stuck { 2 } else { at + 2 };
            let next = (objects.len() == 2).then(|| next.to_string());
            Ok(Page { objects, next })
        }

        async fn part(&self, _key: &str, _at: u64, _version: Option<String>) -> Result<Part> {
            Ok(Part::default())
        }

        fn is_missing(&self, _error: &Error) -> bool {
            false
        }
    }

    fn listed(keys: &[&'static str], after: Option<&str>) -> (Vec<String>, Option<SourceFinding>) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Arc::new(Keys { keys: keys.to_vec(), is_stuck: false });
        let place = Place { store, prefix: "in".into(), root: "s3://b".into() };
        let bucket = Bucket::at(place, runtime.handle());
        let found = bucket.list(after, 100, |_| true, |object| object.key.clone()).unwrap();
        (found.iter().map(|object| bucket.address_of(&object.key)).collect(), bucket.odd())
    }

    #[test]
    fn keys_are_as_they_are_and_what_no_url_can_hold_is_told() {
        let keys = ["in//a", "in/../b", "in/.hidden", "in/c//", "in/d/e", "other", "in/./f"];
        let (found, odd) = listed(&keys, None);
        assert_eq!(found, ["s3://b/in//a", "s3://b/in/c//", "s3://b/in/d/e"]);
        let odd = odd.unwrap();
        assert_eq!((odd.kind, odd.subject.as_str()), (FindingKind::Gap, "s3://b/in"));
        assert!(odd.detail.contains("`in/../b`"), "{}", odd.detail);
        assert_eq!(listed(&["in/a", "in/b", "in/c"], Some("in/b")), (vec!["s3://b/in/c".into()], None));
    }

    #[test]
    fn a_listing_that_goes_in_a_circle_is_an_error() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Arc::new(Keys { keys: vec!["a", "b", "c", "d"], is_stuck: true });
        let bucket =
            Bucket::at(Place { store, prefix: String::new(), root: "s3://b".into() }, runtime.handle());
        let error = bucket.list(None, 9, |_| true, |object| object.key.clone()).unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    }
}
