//! A local object store whose writes survive power loss.
//!
//! [`LocalFileSystem`] (object_store 0.13) never syncs: after a power loss a Delta log entry may be an
//! empty file, and a data file that the log names may be gone. This store writes in the order that
//! leaves no such moment: bytes to a staging file, sync the file, publish it under its name, sync the
//! folder. A folder that had to be made is synced into its parent first. Reading, listing and deleting
//! are the inner store's; a deletion undone by a power loss is only an orphan for
//! [`vacuum`](super::EventTable::vacuum).
//!
//! A failed sync of a *folder* poisons the store: the kernel may have dropped the dirty entry, so
//! neither a retry nor a later sync would prove anything. A failed sync of a staging file does not: the
//! file is thrown away and a retry writes all of it anew.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    RenameTargetMode, Result, UploadPart,
};
use parking_lot::Mutex;

/// A [`LocalFileSystem`] over `/` that syncs what it writes.
#[derive(Debug, Clone)]
pub(crate) struct DurableStore {
    inner: Arc<LocalFileSystem>,
    disk: Arc<Disk>,
}

impl DurableStore {
    /// A store over the whole file system, as the Delta kernel wants it.
    pub(crate) fn new() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()), disk: Arc::default() }
    }

    /// What the syncs have come to.
    pub(crate) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if matches!(options.mode, PutMode::Update(_)) || !options.attributes.is_empty() {
            return self.inner.put_opts(location, payload, options).await; // says that it cannot
        }
        let path = self.inner.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        blocking(move || {
            disk.check()?;
            let mut staged = Staged::new(&disk, path)?;
            for chunk in &payload {
                staged.file.write_all(chunk).map_err(|error| failed("write", &staged.staging, error))?;
            }
            staged.publish(&disk, matches!(options.mode, PutMode::Create))
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return self.inner.put_multipart_opts(location, options).await; // says that it cannot
        }
        let path = self.inner.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        blocking(move || {
            disk.check()?;
            let staged = Arc::new(Staged::new(&disk, path)?);
            Ok(Box::new(Upload { staged: Some(staged), disk, offset: 0 }) as Box<dyn MultipartUpload>)
        })
        .await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.link(from, to, matches!(options.mode, CopyMode::Create), false).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.link(from, to, matches!(options.target_mode, RenameTargetMode::Create), true).await
    }
}

impl DurableStore {
    /// Publishes the file `from` under the name `to` too, or under `to` alone.
    async fn link(&self, from: &Path, to: &Path, create: bool, remove: bool) -> Result<()> {
        let from = self.inner.path_to_filesystem(from)?;
        let to = self.inner.path_to_filesystem(to)?;
        let disk = self.disk.clone();
        blocking(move || {
            disk.check()?;
            let source = File::open(&from).map_err(|error| failed("open", &from, error))?;
            disk.sync_file(&source, &from)?;
            disk.make_folder(&to)?;
            let extra = staging_name(&to);
            fs::hard_link(&from, &extra).map_err(|error| failed("link", &extra, error))?;
            disk.publish(&extra, &to, create)?;
            if remove {
                fs::remove_file(&from).map_err(|error| failed("remove", &from, error))?;
                disk.sync_folder_of(&from)?;
            }
            Ok(())
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(work).await {
            Ok(result) => result,
            Err(source) => Err(Error::JoinError { source }),
        },
        Err(_) => work(),
    }
}

fn failed(action: &'static str, path: &FsPath, source: io::Error) -> Error {
    let path = path.display().to_string();
    match source.kind() {
        ErrorKind::NotFound => Error::NotFound { path, source: Box::new(source) },
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: Box::new(source) },
        _ => Error::Generic {
            store: "DurableStore",
            source: Box::new(io::Error::new(source.kind(), format!("cannot {action} `{path}`: {source}"))),
        },
    }
}

/// The name of a staging file for `path`. The inner store hides names that end in `#` and digits.
fn staging_name(path: &FsPath) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
    PathBuf::from(name)
}

/// Whether a file is one that [`staging_name`] named and that was left by a crash.
pub(crate) fn is_staging(path: &FsPath) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.rsplit_once('#')
        .is_some_and(|(_, digits)| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

// ---------------------------------------------------------------------------------------------

/// The syncs of one store, and whether one of a folder has failed.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    poisoned: OnceLock<String>,
    /// Held while a folder is made and synced, so that nobody uses it in between.
    making: Mutex<()>,
    #[cfg(test)]
    pub(crate) trace: Mutex<Vec<Step>>,
    #[cfg(test)]
    pub(crate) fail_folders: std::sync::atomic::AtomicBool,
}

/// What a store did, for the tests of the order.
#[cfg(test)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    SyncFile(PathBuf),
    Publish { staging: PathBuf, path: PathBuf },
    SyncFolder(PathBuf),
}

impl Disk {
    /// Why nothing may be written any more.
    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poisoned.get().map(String::as_str)
    }

    fn check(&self) -> Result<()> {
        match self.poisoned() {
            None => Ok(()),
            Some(reason) => Err(Error::Generic { store: "DurableStore", source: reason.into() }),
        }
    }

    fn sync_file(&self, file: &File, path: &FsPath) -> Result<()> {
        file.sync_all().map_err(|error| failed("sync", path, error))?;
        #[cfg(test)]
        self.trace.lock().push(Step::SyncFile(path.to_owned()));
        Ok(())
    }

    fn sync_folder_of(&self, path: &FsPath) -> Result<()> {
        let folder = path.parent().unwrap_or(path);
        #[cfg(test)]
        let sync = || match self.fail_folders.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(io::Error::other("injected")),
            false => File::open(folder).and_then(|folder| folder.sync_all()),
        };
        #[cfg(not(test))]
        let sync = || File::open(folder).and_then(|folder| folder.sync_all());
        if let Err(error) = sync() {
            let reason = format!("cannot sync the folder `{}`: {error}", folder.display());
            tracing::error!(reason, "the events table takes no more writes");
            return Err(Error::Generic {
                store: "DurableStore",
                source: self.poisoned.get_or_init(|| reason).as_str().into(),
            });
        }
        #[cfg(test)]
        self.trace.lock().push(Step::SyncFolder(folder.to_owned()));
        Ok(())
    }

    /// Makes the folder of `path` and its ancestors, each synced into its parent.
    fn make_folder(&self, path: &FsPath) -> Result<()> {
        let _alone = self.making.lock();
        let Some(folder) = path.parent() else { return Ok(()) };
        let missing: Vec<&FsPath> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(failed("make the folder", folder, error));
                }
                _ => self.sync_folder_of(folder)?,
            }
        }
        Ok(())
    }

    /// Gives the synced file `staging` its name; with `create` only if nobody has that name.
    fn publish(&self, staging: &FsPath, path: &FsPath, create: bool) -> Result<()> {
        #[cfg(test)]
        self.trace.lock().push(Step::Publish { staging: staging.to_owned(), path: path.to_owned() });
        let published = match create {
            true => fs::hard_link(staging, path),
            // Does nothing if both are names of one file already (rename(2)).
            false => fs::rename(staging, path),
        };
        // A staging name that stays behind does no harm: `vacuum` removes it.
        drop(fs::remove_file(staging));
        published.map_err(|error| failed("publish", path, error))?;
        self.sync_folder_of(path)
    }
}

// ---------------------------------------------------------------------------------------------

/// A file that has no name yet; dropped without [`publish`](Self::publish) it is removed.
#[derive(Debug)]
struct Staged {
    file: File,
    staging: PathBuf,
    path: PathBuf,
}

impl Staged {
    fn new(disk: &Disk, path: PathBuf) -> Result<Self> {
        disk.make_folder(&path)?;
        let staging = staging_name(&path);
        let file = File::create_new(&staging).map_err(|error| failed("create", &staging, error))?;
        Ok(Self { file, staging, path })
    }

    fn publish(&self, disk: &Disk, create: bool) -> Result<PutResult> {
        disk.sync_file(&self.file, &self.staging)?;
        disk.publish(&self.staging, &self.path, create)?;
        Ok(PutResult { e_tag: None, version: None })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After `publish` the name is gone already.
        drop(fs::remove_file(&self.staging));
    }
}

/// A large file that comes in parts.
#[derive(Debug)]
struct Upload {
    staged: Option<Arc<Staged>>,
    disk: Arc<Disk>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut offset = self.offset;
        self.offset += data.content_length() as u64;
        let staged = self.staged.clone();
        blocking(move || {
            let Some(staged) = staged else { return Err(aborted()) };
            for chunk in &data {
                staged
                    .file
                    .write_all_at(chunk, offset)
                    .map_err(|error| failed("write", &staged.staging, error))?;
                offset += chunk.len() as u64;
            }
            Ok(())
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let Some(staged) = self.staged.take() else { return Err(aborted()) };
        let disk = self.disk.clone();
        blocking(move || staged.publish(&disk, false)).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged = None;
        Ok(())
    }
}

fn aborted() -> Error {
    Error::Generic { store: "DurableStore", source: "the upload was completed or aborted already".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;
    use std::sync::atomic::Ordering;

    fn at(folder: &tempfile::TempDir, name: &str) -> Path {
        Path::from_absolute_path(folder.path().join(name)).unwrap()
    }

    #[tokio::test]
    async fn a_file_is_synced_before_it_has_its_name_and_its_folder_after() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::new();
        store.put(&at(&folder, "a/b/c"), "12".into()).await.unwrap();
        let root = folder.path();
        let steps = store.disk().trace.lock().clone();
        let Step::Publish { staging, .. } = steps[3].clone() else { panic!("{steps:?}") };
        assert!(is_staging(&staging));
        assert_eq!(
            steps,
            [
                Step::SyncFolder(root.to_owned()),
                Step::SyncFolder(root.join("a")),
                Step::SyncFile(staging.clone()),
                Step::Publish { staging, path: root.join("a/b/c") },
                Step::SyncFolder(root.join("a/b")),
            ]
        );
        assert_eq!(fs::read_dir(root.join("a/b")).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn create_refuses_a_name_that_is_taken_and_keeps_the_old_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::new();
        let name = at(&folder, "x");
        store.put_opts(&name, "old".into(), PutMode::Create.into()).await.unwrap();
        let again = store.put_opts(&name, "new".into(), PutMode::Create.into()).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        assert_eq!(store.get(&name).await.unwrap().bytes().await.unwrap(), "old");
        store.put(&name, "new".into()).await.unwrap();
        assert_eq!(store.get(&name).await.unwrap().bytes().await.unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn parts_copies_and_renames_are_synced_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::new();
        let mut upload = store.put_multipart(&at(&folder, "big")).await.unwrap();
        upload.put_part("ab".into()).await.unwrap();
        upload.put_part("cd".into()).await.unwrap();
        assert!(store.head(&at(&folder, "big")).await.is_err());
        upload.complete().await.unwrap();
        assert_eq!(store.get(&at(&folder, "big")).await.unwrap().bytes().await.unwrap(), "abcd");
        assert_eq!(store.disk().trace.lock().len(), 3);

        store.copy_if_not_exists(&at(&folder, "big"), &at(&folder, "copy")).await.unwrap();
        assert_eq!(store.disk().trace.lock().len(), 6);
        let taken = store.copy_if_not_exists(&at(&folder, "big"), &at(&folder, "copy")).await;
        assert!(matches!(taken, Err(Error::AlreadyExists { .. })));
        let taken = store.rename_if_not_exists(&at(&folder, "big"), &at(&folder, "copy")).await;
        assert!(matches!(taken, Err(Error::AlreadyExists { .. })));
        store.rename(&at(&folder, "big"), &at(&folder, "copy")).await.unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let mut upload = store.put_multipart(&at(&folder, "given-up")).await.unwrap();
        upload.put_part("ab".into()).await.unwrap();
        upload.abort().await.unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_failed_folder_sync_poisons() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::new();
        store.disk().fail_folders.store(true, Ordering::Relaxed);
        assert!(store.put(&at(&folder, "x"), "1".into()).await.is_err());
        store.disk().fail_folders.store(false, Ordering::Relaxed);
        assert!(store.disk().poisoned().unwrap().contains("injected"));
        assert!(store.put(&at(&folder, "y"), "1".into()).await.is_err());
        assert!(store.put_multipart(&at(&folder, "y")).await.is_err());
        assert!(store.copy(&at(&folder, "x"), &at(&folder, "y")).await.is_err());
        assert!(store.get(&at(&folder, "x")).await.is_ok());
    }
}
