//! What queries see: the files of one version and the rows that are not in them yet.
//!
//! Both change under one lock, so no snapshot has a row twice or misses one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::Int64Array;
use arrow::compute::kernels::cmp::gt_eq;
use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::Metadata;
use event::{Col, EventBatch, Offset};
use object_store::ObjectStore;
use url::Url;

use super::data_file::DataFile;
use super::delta::{Change, Loaded};
use crate::Result;

/// Batches below this are joined while they wait: each costs about 40 KiB for its columns alone.
const SMALL_ROWS: usize = 4096;

/// The table at one moment. Holding it keeps its rows in memory, not its files on disk: those stay for
/// [`TableConfig::keep_removed`](super::TableConfig::keep_removed).
#[derive(Clone)]
pub struct TableSnapshot {
    /// The version of the Delta table.
    pub version: u64,
    /// Every offset below is in the files.
    pub committed: Offset,
    /// The files of that version.
    pub files: Arc<Vec<Arc<DataFile>>>,
    /// The rows that are not in the files, in log order.
    pub live: Vec<EventBatch>,
    /// The store of the files; [`DataFile::path`] is a path in it.
    pub store: Arc<dyn ObjectStore>,
    /// Where the table lies; a key for the store in a registry.
    pub url: Url,
}

impl TableSnapshot {
    /// The columns of the table, `event_day` and `cloud_provider` included, which are not in the files.
    pub fn schema(&self) -> SchemaRef {
        event::stored_schema()
    }
}

impl std::fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableSnapshot")
            .field("version", &self.version)
            .field("committed", &self.committed)
            .field("files", &self.files.len())
            .field("live", &self.live.len())
            .finish_non_exhaustive()
    }
}

/// Rows that a commit has taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) batches: Vec<EventBatch>,
    /// Their size in memory.
    pub(crate) bytes: usize,
    /// Every offset below is in the table once these rows are.
    pub(crate) next: Offset,
    /// When the first of them came.
    pub(crate) since: Option<Instant>,
}

/// The state behind [`TableSnapshot`].
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) version: u64,
    pub(crate) committed: Offset,
    pub(crate) files: Arc<Vec<Arc<DataFile>>>,
    pub(crate) metadata: Metadata,
    /// Rows on their way into files.
    pub(crate) sealed: Option<Rows>,
    /// Rows that no commit has taken yet.
    pub(crate) active: Rows,
    /// Counts the seals, to see whether one came in between.
    seals: u64,
}

impl View {
    pub(crate) fn new(loaded: Loaded) -> Self {
        Self {
            version: loaded.version,
            committed: loaded.committed,
            files: Arc::new(loaded.files),
            metadata: loaded.metadata,
            sealed: None,
            active: Rows { next: loaded.committed, ..Rows::default() },
            seals: 0,
        }
    }

    /// Takes what was appended for a commit, or what an earlier commit could not finish.
    pub(crate) fn seal(&mut self) -> Option<Rows> {
        if self.sealed.is_none() && self.active.next > self.committed {
            let next = self.active.next;
            self.sealed = Some(std::mem::replace(&mut self.active, Rows { next, ..Rows::default() }));
            self.seals += 1;
        }
        self.sealed.clone()
    }

    /// Adds rows; those of offsets that came before are left out.
    pub(crate) fn append(&mut self, batch: EventBatch, next: Offset, now: Instant) -> Result<()> {
        let batch = not_before(batch, self.active.next)?;
        if next > self.active.next {
            self.active.next = next;
            self.active.since.get_or_insert(now);
        }
        if !batch.is_empty() {
            self.active.bytes += bytes_of(&batch);
            self.active.batches.push(batch);
        }
        Ok(())
    }

    /// The two last batches, if they are better joined, and a ticket for [`join`](Self::join).
    ///
    /// Joining only what is of like size copies each row a few times at most, however small the batches.
    pub(crate) fn to_join(&self) -> Option<([EventBatch; 2], (u64, usize))> {
        let [.., first, second] = self.active.batches.as_slice() else { return None };
        let small = first.len() + second.len() <= SMALL_ROWS && first.len() <= second.len() * 2;
        small.then(|| ([first.clone(), second.clone()], (self.seals, self.active.batches.len())))
    }

    /// Puts `joined` in the place of the two batches of the ticket, if they are still there.
    pub(crate) fn join(&mut self, joined: EventBatch, ticket: (u64, usize)) {
        if ticket != (self.seals, self.active.batches.len()) {
            return;
        }
        let parts = self.active.batches.split_off(self.active.batches.len().saturating_sub(2));
        let parts: usize = parts.iter().map(bytes_of).sum();
        self.active.bytes = (self.active.bytes + bytes_of(&joined)).saturating_sub(parts);
        self.active.batches.push(joined);
    }

    pub(crate) fn live(&self) -> Vec<EventBatch> {
        let sealed = self.sealed.iter().flat_map(|rows| &rows.batches);
        sealed.chain(&self.active.batches).cloned().collect()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.active.bytes + self.sealed.as_ref().map_or(0, |rows| rows.bytes)
    }

    /// Goes on to the version that holds `change`. `base` is the table as it was read again, if others
    /// wrote in between; `included`, whether it holds the change already. `from_sealed`: the change
    /// added the sealed rows.
    pub(crate) fn advance(
        &mut self,
        version: u64,
        change: &Change,
        base: Option<Loaded>,
        included: bool,
        from_sealed: bool,
    ) {
        if let Some(base) = base {
            self.replace(base);
        }
        if !included {
            let removed: HashSet<_> = change.remove.iter().map(|file| &file.path).collect();
            let kept = self.files.iter().filter(|file| !removed.contains(&file.path));
            self.files = Arc::new(kept.chain(&change.add).cloned().collect());
            self.version = version;
            if let Some(metadata) = &change.metadata {
                self.metadata = metadata.clone();
            }
        }
        self.committed = self.committed.max(change.offset);
        if from_sealed {
            self.sealed = None;
        }
    }

    /// Shows the table as it was read again.
    pub(crate) fn replace(&mut self, loaded: Loaded) {
        self.version = loaded.version;
        self.committed = loaded.committed;
        self.files = Arc::new(loaded.files);
        self.metadata = loaded.metadata;
    }
}

fn bytes_of(batch: &EventBatch) -> usize {
    batch.record_batch().get_array_memory_size()
}

/// The rows of offsets from `first` on. A replay after a crash brings rows that the table has.
fn not_before(batch: EventBatch, first: Offset) -> Result<EventBatch> {
    let column = batch.column(Col::LogOffset).clone();
    let Some(offsets) = column.as_any().downcast_ref::<Int64Array>() else { return Ok(batch) };
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    if offsets.values().iter().all(|offset| *offset >= first) {
        return Ok(batch);
    }
    Ok(batch.filter(&gt_eq(offsets, &Int64Array::new_scalar(first))?)?)
}
