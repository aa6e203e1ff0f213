//! Removal of whole days that are older than the retention.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use event::Col;
use futures::TryStreamExt;
use object_store::ObjectStore;

use super::EventTable;
use super::data_file::DataFile;
use super::delta::{Change, expired, with_expired};
use super::read::read_columns;
use crate::Result;

/// Rows read at a time.
const READ_ROWS: usize = 16_384;

/// What an expiry removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows, by the source that delivered them.
    pub rows: BTreeMap<String, u64>,
    /// Files.
    pub files: u64,
}

impl EventTable {
    /// Removes the committed rows of all days before `before_day` (days since 1970-01-01). Their files
    /// stay on disk until [`vacuum`](Self::vacuum).
    ///
    /// The numbers are also added to [`expired`](Self::expired), in the same commit.
    ///
    /// # Errors
    /// A file cannot be read, or the commit fails; then nothing is removed, or all is and the next call
    /// finds nothing more.
    pub async fn expire(&self, before_day: i32) -> Result<Expired> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        inner.settle(&mut writer).await?;
        loop {
            let files = inner.view.lock().files.clone();
            let old = |file: &&Arc<DataFile>| file.partition.day < before_day;
            let remove: Vec<_> = files.iter().filter(old).cloned().collect();
            if remove.is_empty() {
                return Ok(Expired::default());
            }
            let rows = rows_by_source(inner.log.store(), &remove).await?;
            let change = {
                let view = inner.view.lock();
                let mut total = expired(&view.metadata);
                for (source, rows) in &rows {
                    *total.entry(source.clone()).or_default() += rows;
                }
                let metadata = Some(with_expired(&view.metadata, &total)?);
                Change { remove: remove.clone(), metadata, ..Change::none(view.committed) }
            };
            if inner.change(&mut writer, change).await? {
                return Ok(Expired { rows, files: remove.len() as u64 });
            }
        }
    }
}

async fn rows_by_source(
    store: &Arc<dyn ObjectStore>,
    files: &[Arc<DataFile>],
) -> Result<BTreeMap<String, u64>> {
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for file in files {
        let mut stream = read_columns(store, file, &[Col::Source], READ_ROWS).await?;
        while let Some(batch) = stream.try_next().await? {
            let Some(sources) = batch.columns().first().and_then(|column| column.as_string_opt::<i32>())
            else {
                continue;
            };
            count_runs(sources, &mut rows);
        }
    }
    Ok(rows)
}

/// Counts equal neighbours together: a batch is mostly of one source.
fn count_runs(sources: &StringArray, rows: &mut BTreeMap<String, u64>) {
    let mut add = |source: Option<&str>, count: u64| {
        let source = source.unwrap_or_default();
        match rows.get_mut(source) {
            Some(rows) => *rows += count,
            None => drop(rows.insert(source.to_owned(), count)),
        }
    };
    let mut run = (None, 0);
    for source in sources {
        if source != run.0 && run.1 > 0 {
            add(run.0, run.1);
            run.1 = 0;
        }
        run = (source, run.1 + 1);
    }
    if run.1 > 0 {
        add(run.0, run.1);
    }
}
