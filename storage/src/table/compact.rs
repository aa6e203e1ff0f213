//! Small files into larger ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::EventTable;
use super::data_file::DataFile;
use super::delta::Change;
use super::merge::merge;
use super::parquet_file::{is_own_name, new_name};
use super::partition::Partition;
use super::write::InFlight;
use crate::Result;

/// Files merged at once, at most: bounds what is open and in memory.
const MAX_FILES: usize = 32;
/// Files merged at once, at least, while a partition still grows.
const MIN_FILES: usize = 8;
/// A partition without a new file for so long is merged down to what is left of small files.
const IDLE_MS: i64 = 3_600_000;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactStats {
    /// Files that were merged.
    pub merged: u64,
    /// Files that they became.
    pub written: u64,
    /// Bytes of the merged files.
    pub bytes_before: u64,
    /// Bytes of the new files.
    pub bytes_after: u64,
}

impl EventTable {
    /// Merges small files of a partition into one, one group of files per partition and call. Commits and
    /// queries go on meanwhile; the merged files stay on disk until [`vacuum`](Self::vacuum).
    ///
    /// A growing partition is merged by like size, so that a row is rewritten about log₈ times.
    ///
    /// # Errors
    /// A file cannot be read or written, or the commit fails. The rows are where they were.
    pub async fn compact(&self) -> Result<CompactStats> {
        let inner = &self.inner;
        let _alone = inner.compacting.lock().await;
        let mut stats = CompactStats::default();
        let files = inner.view.lock().files.clone();
        for group in plan(&files, inner.config.file_bytes, Utc::now().timestamp_millis()) {
            let in_flight = InFlight::new(&inner.in_flight);
            let merged = self.merge_group(&group, &in_flight).await?;
            let bytes_after = merged.bytes;
            let mut writer = inner.writer.lock().await;
            inner.settle(&mut writer).await?;
            let present = {
                let view = inner.view.lock();
                group.iter().all(|file| view.files.iter().any(|other| other.path == file.path))
            };
            let change =
                Change { add: vec![merged], remove: group.clone(), data_change: false, ..Change::none(0) };
            // Overtaken by an expiry or by another engine: the merged file is an orphan.
            if present && inner.change(&mut writer, change).await? {
                stats.merged += group.len() as u64;
                stats.written += 1;
                stats.bytes_before += group.iter().map(|file| file.bytes).sum::<u64>();
                stats.bytes_after += bytes_after;
                inner.checkpoint_if_due(&mut writer).await;
            }
        }
        Ok(stats)
    }

    async fn merge_group(&self, group: &[Arc<DataFile>], in_flight: &InFlight) -> Result<Arc<DataFile>> {
        let partition = group.first().map_or_else(|| Partition::new(0, ""), |file| file.partition.clone());
        let path = partition.path(&new_name());
        in_flight.add(&path);
        let (store, config) = (self.inner.log.store().clone(), self.inner.config.clone());
        let (inputs, output) = (group.to_vec(), path.clone());
        let runtime = Handle::current();
        // Decoding and encoding take seconds of CPU: on a thread that may block.
        let work = move || runtime.block_on(merge(&store, &inputs, &output, &config));
        let (bytes, stats) = spawn_blocking(work).await??;
        let now = Utc::now().timestamp_millis();
        Ok(Arc::new(DataFile::new(path, partition, bytes, now, Some(stats))))
    }
}

/// Groups of files that are worth merging, at most one per partition.
fn plan(files: &[Arc<DataFile>], file_bytes: u64, now_ms: i64) -> Vec<Vec<Arc<DataFile>>> {
    let mut partitions: BTreeMap<&Partition, Vec<&Arc<DataFile>>> = BTreeMap::new();
    for file in files {
        partitions.entry(&file.partition).or_default().push(file);
    }
    partitions.into_values().filter_map(|files| group(files, file_bytes, now_ms)).collect()
}

fn group(mut files: Vec<&Arc<DataFile>>, file_bytes: u64, now_ms: i64) -> Option<Vec<Arc<DataFile>>> {
    let newest = files.iter().map(|file| file.modified_ms).max()?;
    let idle = now_ms.saturating_sub(newest) >= IDLE_MS;
    // Only our own are known to be sorted by time.
    files.retain(|file| file.bytes <= file_bytes / 2 && is_own_name(&file.path));
    files.sort_by_key(|file| file.bytes);
    let mut group: Vec<Arc<DataFile>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        // One much larger than all the smaller ones together would be rewritten for little.
        let alike = idle || group.is_empty() || file.bytes <= bytes.max(file_bytes / 128);
        if !alike || group.len() == MAX_FILES || bytes + file.bytes > file_bytes {
            break;
        }
        bytes += file.bytes;
        group.push(file.clone());
    }
    let least = if idle { 2 } else { MIN_FILES };
    (group.len() >= least).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 10 * IDLE_MS;
    const TARGET: u64 = 128 << 20;

    fn sizes(of: &[u64], modified_ms: i64) -> Vec<u64> {
        let partition = Partition::new(0, "AWS");
        let file = |bytes: &u64| {
            let path = partition.path(&new_name());
            Arc::new(DataFile::new(path, partition.clone(), *bytes << 20, modified_ms, None))
        };
        let files: Vec<_> = of.iter().map(file).collect();
        let plan = plan(&files, TARGET, NOW);
        plan.into_iter().flatten().map(|file| file.bytes >> 20).collect()
    }

    #[test]
    fn a_growing_partition_is_merged_by_like_size() {
        assert_eq!(sizes(&[1; 7], NOW), [0; 0]);
        assert_eq!(sizes(&[1; 8], NOW), [1; 8]);
        assert_eq!(sizes(&[60, 1, 1, 1, 1, 1, 1, 1, 1], NOW), [1; 8]);
        assert_eq!(sizes(&[8, 1, 1, 1, 1, 1, 1, 1, 1], NOW), [1, 1, 1, 1, 1, 1, 1, 1, 8]);
        assert_eq!(sizes(&[1; 40], NOW), [1; 32]);
        assert_eq!(sizes(&[20; 8], NOW), [0; 0]);
        assert_eq!(sizes(&[16; 9], NOW), [16; 8]);
    }

    #[test]
    fn an_idle_partition_is_merged_down() {
        let then = NOW - IDLE_MS;
        assert_eq!(sizes(&[1], then), [0; 0]);
        assert_eq!(sizes(&[60, 1], then), [1, 60]);
        assert_eq!(sizes(&[65, 65, 1], then), [0; 0]);
        assert_eq!(sizes(&[60, 60, 60], then), [60, 60]);
    }

    #[test]
    fn files_of_other_engines_are_left_alone() {
        let partition = Partition::new(0, "AWS");
        let name = |n| partition.path(&format!("part-{n}-c000.snappy.parquet"));
        let files: Vec<_> =
            (0..9).map(|n| Arc::new(DataFile::new(name(n), partition.clone(), 1, 0, None))).collect();
        assert!(plan(&files, TARGET, NOW).is_empty());
    }
}
