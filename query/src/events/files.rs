//! The scan of the table's Parquet files.
//!
//! What a filter leaves out is left out as early as possible: whole files by the Delta log
//! ([`prune`](super::prune)), row groups by statistics and bloom filters, pages by the page index, rows
//! while they are decoded, so that the wide columns of a row are read only if it is in the answer.

use std::cmp::Reverse;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result as DfResult, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::ExecutionPlan;
use event::Col;
use storage::table::{DataFile, TableSnapshot};

use super::layout::Layout;
use super::prune;
use crate::store;

/// The footer lies within so many bytes of the end, mostly, so one read fetches it.
const FOOTER_BYTES: usize = 64 << 10;

/// A plan that reads `columns` of the files.
pub(super) fn scan(
    snapshot: &TableSnapshot,
    files: &[Arc<DataFile>],
    footers: &Arc<FileMetadataCache>,
    session: &dyn Session,
    columns: &[usize],
    limit: Option<usize>,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let layout = Layout::get();
    let options = session.config_options();
    let mut parquet = session.table_options().parquet.clone();
    parquet.global = options.execution.parquet.clone();
    let reader = CachedParquetFileReaderFactory::new(snapshot.store.clone(), footers.clone());
    let source = ParquetSource::new(layout.scan.clone())
        .with_table_parquet_options(parquet)
        .with_parquet_file_reader_factory(Arc::new(reader))
        .with_metadata_size_hint(FOOTER_BYTES);
    let config = FileScanConfigBuilder::new(store::events_url()?, Arc::new(source))
        .with_file_groups(groups(files, session.config().target_partitions()))
        .with_statistics(statistics(files))
        .with_limit(limit)
        .with_projection_indices(Some(layout.in_scan(columns)))?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// The files over `partitions` groups of about the same size, the newest first in each: questions are
/// mostly about the newest events.
fn groups(files: &[Arc<DataFile>], partitions: usize) -> Vec<FileGroup> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|file| Reverse(prune::times(file)));
    let count = partitions.clamp(1, files.len().max(1));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = vec![(0, Vec::new()); count];
    for file in files {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += file.bytes;
            group.push(partitioned(file));
        }
    }
    groups
        .into_iter()
        .filter(|(_, group)| !group.is_empty())
        .map(|(_, group)| FileGroup::new(group))
        .collect()
}

fn partitioned(file: &DataFile) -> PartitionedFile {
    let mut part = PartitionedFile::new(String::new(), file.bytes).with_partition_values(vec![
        ScalarValue::Date32(Some(file.partition.day)),
        ScalarValue::Utf8View(Some(file.partition.provider.to_string())),
    ]);
    part.object_meta.location = file.path.clone();
    let columns = Layout::get().scan.file_schema().fields().iter();
    let columns = columns.map(|field| column_statistics(field.name(), prune::times(file))).collect();
    let mut statistics = Statistics { column_statistics: columns, ..Statistics::default() };
    statistics.num_rows = rows([file]);
    part.with_statistics(Arc::new(statistics))
}

/// What is known of all files together, over the scan's columns. The number of rows is exact, so that
/// `count(*)` reads nothing.
fn statistics(files: &[Arc<DataFile>]) -> Statistics {
    let times = files.iter().map(|file| prune::times(file)).reduce(|one, other| {
        let ((low, high), (min, max)) = (one?, other?);
        Some((low.min(min), high.max(max)))
    });
    let columns = Layout::get().scan.table_schema().fields().iter();
    let columns = columns.map(|field| column_statistics(field.name(), times.flatten())).collect();
    let mut statistics = Statistics { column_statistics: columns, ..Statistics::default() };
    statistics.num_rows = rows(files.iter().map(Arc::as_ref));
    statistics
}

fn rows<'a>(files: impl IntoIterator<Item = &'a DataFile>) -> Precision<usize> {
    let rows: Option<u64> = files.into_iter().map(|file| file.rows).sum();
    match rows.and_then(|rows| usize::try_from(rows).ok()) {
        Some(rows) => Precision::Exact(rows),
        None => Precision::Absent,
    }
}

/// Delta's times are rounded to milliseconds, so they are bounds, not values.
fn column_statistics(name: &str, times: Option<(i64, i64)>) -> ColumnStatistics {
    let mut statistics = ColumnStatistics::new_unknown();
    if Col::by_name(name).is_some_and(Col::is_required) {
        statistics.null_count = Precision::Exact(0);
    }
    if let (true, Some((min, max))) = (name == Col::Time.name(), times) {
        let micros = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        statistics.min_value = Precision::Inexact(micros(min));
        statistics.max_value = Precision::Inexact(micros(max));
    }
    statistics
}
