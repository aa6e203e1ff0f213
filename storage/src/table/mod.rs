//! The table of events: Delta Lake over Parquet, readable by any engine that knows Delta.
//!
//! Rows are [appended](EventTable::append) in log order and are visible to
//! [`snapshot`](EventTable::snapshot) at once. [`commit`](EventTable::commit) writes what came so far
//! into Parquet files, one or several per UTC day and cloud, and adds them by **one** entry of the Delta
//! log, which also holds the next log offset (an application transaction): after a crash the table
//! itself says where to go on.
//!
//! Invariants, each with a test:
//! 1. A data file is durable before the entry that names it; an entry is durable before `commit` returns.
//! 2. Whatever the store answers, a commit happens once or not at all. A file of a commit that may have
//!    happened is never deleted.
//! 3. A snapshot holds each row once: in a file or live.
//! 4. Of two processes that write, one is stopped ([`Error::TableFenced`](crate::Error::TableFenced)).
//!
//! Protocol: reader 1, writer 2, no table features. Times are microseconds UTC.

mod commit;
mod compact;
mod config;
mod data_file;
mod delta;
mod durable;
mod expire;
mod keys;
mod merge;
mod parquet_file;
mod partition;
mod read;
mod rows;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
pub(crate) mod tests;
mod vacuum;
mod view;
mod write;

use std::collections::{BTreeMap, HashSet};
use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::Instant;

use event::{EventBatch, Offset};
use object_store::ObjectStore;
use object_store::path::Path;
use parking_lot::Mutex;
use url::Url;

pub use self::commit::CommitStats;
pub use self::compact::CompactStats;
pub use self::config::TableConfig;
pub use self::data_file::DataFile;
pub use self::expire::Expired;
pub use self::partition::Partition;
pub use self::vacuum::VacuumStats;
pub use self::view::TableSnapshot;

use self::commit::Writer;
use self::delta::{Change, DeltaLog};
use self::durable::{Disk, DurableStore};
use self::view::View;
use crate::{Error, Result};

/// The table of events. Cloning is cheap; the clones are the same table.
#[derive(Debug, Clone)]
pub struct EventTable {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: TableConfig,
    log: DeltaLog,
    /// The syncs of a local table.
    disk: Option<Arc<Disk>>,
    view: Mutex<View>,
    writer: tokio::sync::Mutex<Writer>,
    /// Held by compaction, so that two do not merge the same files.
    compacting: tokio::sync::Mutex<()>,
    /// Files that are written and in no version yet.
    in_flight: Arc<Mutex<HashSet<Path>>>,
}

impl EventTable {
    /// Opens the table in a local folder (or `file://` address); makes it if there is none.
    ///
    /// Opening writes nothing to an existing table, so that a second process may read; whoever is going
    /// to write calls [`claim`](Self::claim) first. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// There is another kind of table, or none can be made.
    pub async fn open(location: impl AsRef<FsPath>, config: TableConfig) -> Result<Self> {
        let (store, url) = local(location.as_ref())?;
        let disk = store.disk().clone();
        Self::open_in(Arc::new(store), &url, Some(disk), config).await
    }

    /// Opens the table at `url` in a store of everything under the URL's host, such as a bucket.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_store(root: Arc<dyn ObjectStore>, url: &Url, config: TableConfig) -> Result<Self> {
        Self::open_in(root, url, None, config).await
    }

    async fn open_in(
        root: Arc<dyn ObjectStore>,
        url: &Url,
        disk: Option<Arc<Disk>>,
        config: TableConfig,
    ) -> Result<Self> {
        let log = DeltaLog::new(root, url)?;
        let loaded = match log.load().await? {
            Some(loaded) => loaded,
            None => {
                // An error may come after the table was made: what counts is whether it is there.
                let made = log.create(&config).await;
                match log.load().await? {
                    Some(loaded) => loaded,
                    None => {
                        made?;
                        return Err(Error::TableLocation {
                            location: url.to_string(),
                            problem: "the table was made and is not there".to_owned(),
                        });
                    }
                }
            }
        };
        let table = Self {
            inner: Arc::new(Inner {
                config,
                log,
                disk,
                view: Mutex::new(View::new(loaded)),
                writer: tokio::sync::Mutex::new(Writer::new()),
                compacting: tokio::sync::Mutex::new(()),
                in_flight: Arc::default(),
            }),
        };
        table.inner.check_columns()?;
        Ok(table)
    }

    /// Makes this process the writer: any other that still writes is stopped by its next commit. Adds the
    /// columns that a newer version of Stormglass has and the table lacks.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn claim(&self) -> Result<()> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        loop {
            let change = {
                let view = inner.view.lock();
                Change { metadata: delta::with_new_columns(&view.metadata)?, ..Change::none(view.committed) }
            };
            if inner.change(&mut writer, change).await? {
                return Ok(());
            }
        }
    }

    /// The sizes and times of this table.
    pub fn config(&self) -> &TableConfig {
        &self.inner.config
    }

    /// Every offset below is in the table; 0 for a new one.
    pub fn committed(&self) -> Offset {
        self.inner.view.lock().committed
    }

    /// The rows of each source that [`expire`](Self::expire) has removed since the table was made. The
    /// numbers are part of the table's own commits, so they are exact whenever the process dies.
    pub fn expired(&self) -> BTreeMap<String, u64> {
        delta::expired(&self.inner.view.lock().metadata)
    }

    /// Adds rows, in log order and without duplicates; all of them have offsets below `next`, and every
    /// offset below `next` has come. An empty batch only moves the offset on.
    ///
    /// Rows of offsets that came before (in an earlier call, or before a restart) are left out: a replay
    /// adds nothing twice.
    ///
    /// # Errors
    /// None in practice: the rows are compared and copied.
    pub fn append(&self, batch: EventBatch, next: Offset) -> Result<()> {
        let view = &self.inner.view;
        view.lock().append(batch, next, Instant::now())?;
        loop {
            let Some((parts, ticket)) = view.lock().to_join() else { return Ok(()) };
            let joined = EventBatch::concat(&parts)?;
            view.lock().join(joined, ticket);
        }
    }

    /// The memory that rows take that are not in files yet. The caller waits before it appends more than
    /// its budget allows.
    pub fn pending_bytes(&self) -> usize {
        self.inner.view.lock().pending_bytes()
    }

    /// Whether it is time to commit: enough bytes, or the oldest row has waited long enough, or an earlier
    /// commit is not through.
    pub fn commit_due(&self, now: Instant) -> bool {
        let view = self.inner.view.lock();
        let waited = view
            .active
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= self.inner.config.commit_after);
        view.sealed.is_some() || waited || view.active.bytes >= self.inner.config.commit_bytes
    }

    /// Commits what was appended so far; `append` may go on meanwhile. With nothing to commit it does
    /// nothing. Dropping the future is safe: the next call goes on where it stood.
    ///
    /// # Errors
    /// By fate: `Retry`, call again, the same rows are tried; `Stop`, this process must not write on. The
    /// rows stay visible and counted in [`pending_bytes`](Self::pending_bytes) until a call succeeds.
    pub async fn commit(&self) -> Result<CommitStats> {
        let mut writer = self.inner.writer.lock().await;
        self.inner.commit(&mut writer).await
    }

    /// The table now: the files of one version and the rows that are not in them.
    pub fn snapshot(&self) -> Arc<TableSnapshot> {
        let view = self.inner.view.lock();
        Arc::new(TableSnapshot {
            version: view.version,
            committed: view.committed,
            files: view.files.clone(),
            live: view.live(),
            store: self.inner.log.store().clone(),
            url: self.inner.log.url().clone(),
        })
    }

    /// Writes a checkpoint of the Delta log now, so that the next opening reads little; for a shutdown.
    ///
    /// # Errors
    /// The store refuses; the table is as good as before.
    pub async fn checkpoint(&self) -> Result<()> {
        let _alone = self.inner.writer.lock().await;
        self.inner.log.checkpoint().await
    }
}

impl Inner {
    /// Refuses a table whose columns have other types than ours.
    fn check_columns(&self) -> Result<()> {
        delta::with_new_columns(&self.view.lock().metadata).map(drop)
    }
}

/// A durable store and the address of a local folder in it, which is made if need be.
fn local(location: &FsPath) -> Result<(DurableStore, Url)> {
    let refuse = |problem: &str| Error::TableLocation {
        location: location.display().to_string(),
        problem: problem.to_owned(),
    };
    let path = match location.to_str().and_then(|text| text.split_once("://").map(|parts| (text, parts.0))) {
        Some((text, "file")) => Url::parse(text)
            .ok()
            .and_then(|url| url.to_file_path().ok())
            .ok_or_else(|| refuse("this is no path of a local file"))?,
        Some((_, scheme)) => return Err(refuse(&format!("`{scheme}` addresses are not supported yet"))),
        None => location.to_owned(),
    };
    let io = |source| Error::Io { action: "make the folder", path: path.clone(), source };
    std::fs::create_dir_all(&path).map_err(io)?;
    let path = path.canonicalize().map_err(io)?;
    let url = Url::from_directory_path(&path).map_err(|()| refuse("this is no absolute path"))?;
    Ok((DurableStore::new(), url))
}
