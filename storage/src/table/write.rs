//! Rows into data files.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use chrono::Utc;
use event::EventBatch;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::config::TableConfig;
use super::data_file::DataFile;
use super::parquet_file::{FileWriter, new_name};
use super::partition::Partition;
use super::rows::{RowRef, by_partition, file_schema, gather, to_file_columns};
use crate::{Error, Result};

/// Rows handed to the Parquet writer at a time: enough for its loops, few enough to stay in the cache.
const CHUNK_ROWS: usize = 4096;
/// A partition's rows are split over the cores from this many on: below, the files cost more than the time.
const SPLIT_ROWS: usize = 32_768;
/// Tries of one file. A file's name is its own, so trying again does no harm.
const TRIES: u32 = 3;

/// Files that are written and in no version yet: [`vacuum`](super::vacuum) leaves them alone.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    all: Arc<Mutex<HashSet<Path>>>,
    mine: Mutex<Vec<Path>>,
}

impl InFlight {
    pub(crate) fn new(all: &Arc<Mutex<HashSet<Path>>>) -> Self {
        Self { all: all.clone(), mine: Mutex::default() }
    }

    pub(crate) fn add(&self, path: &Path) {
        self.all.lock().insert(path.clone());
        self.mine.lock().push(path.clone());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        for path in self.mine.get_mut() {
            all.remove(path);
        }
    }
}

/// One file to be written.
struct Job {
    partition: Partition,
    batches: Arc<Vec<RecordBatch>>,
    rows: Vec<RowRef>,
}

/// Writes the rows of `batches`, a file or several per partition, and returns when all are stored.
pub(crate) async fn write_rows(
    store: &Arc<dyn ObjectStore>,
    config: &TableConfig,
    batches: Vec<EventBatch>,
    in_flight: &InFlight,
) -> Result<Vec<Arc<DataFile>>> {
    let threads = config.write_threads.max(1);
    let jobs = spawn_blocking(move || jobs(&batches, threads)).await??;
    let files = futures::stream::iter(jobs)
        .map(|job| write_file(store, config, job, in_flight))
        .buffer_unordered(threads)
        .try_collect()
        .await?;
    Ok(files)
}

fn jobs(batches: &[EventBatch], threads: usize) -> Result<Vec<Job>> {
    let columns = Arc::new(batches.iter().map(to_file_columns).collect::<Result<Vec<_>>>()?);
    let mut jobs = Vec::new();
    for (partition, rows) in by_partition(batches) {
        let parts = (rows.len() / SPLIT_ROWS).clamp(1, threads);
        for part in rows.chunks(rows.len().div_ceil(parts).max(1)) {
            jobs.push(Job { partition: partition.clone(), batches: columns.clone(), rows: part.to_vec() });
        }
    }
    Ok(jobs)
}

async fn write_file(
    store: &Arc<dyn ObjectStore>,
    config: &TableConfig,
    job: Job,
    in_flight: &InFlight,
) -> Result<Arc<DataFile>> {
    let path = job.partition.path(&new_name());
    let partition = job.partition.clone();
    let config = config.clone();
    let (bytes, stats) = spawn_blocking(move || encode(&job, &config)).await??;
    let size = bytes.len() as u64;
    in_flight.add(&path);
    put(store, &path, bytes.into()).await?;
    let now = Utc::now().timestamp_millis();
    Ok(Arc::new(DataFile::new(path, partition, size, now, Some(stats))))
}

fn encode(job: &Job, config: &TableConfig) -> Result<(Vec<u8>, String)> {
    let schema = file_schema();
    let mut writer = FileWriter::new(Vec::new(), config, job.rows.len())?;
    for chunk in job.rows.chunks(CHUNK_ROWS) {
        writer.write(&gather(&job.batches, chunk, &schema)?)?;
    }
    writer.finish()
}

async fn put(store: &Arc<dyn ObjectStore>, path: &Path, payload: PutPayload) -> Result<()> {
    let mut last = None;
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
        }
        match store.put(path, payload.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .map_or(Error::TableUndecided { reason: "no try".into(), retry_after: Duration::ZERO }, Error::from))
}
