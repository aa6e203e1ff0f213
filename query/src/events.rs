//! The table `events`: the files of a snapshot and the rows that are not in files yet.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics, internal_datafusion_err};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use event::{COLUMNS, Col, EventBatch};
use storage::table::{DataFile, TableSnapshot};

use crate::prune;

/// One consistent view of the events.
#[derive(Debug)]
pub(crate) struct EventsTable {
    snapshot: Arc<TableSnapshot>,
    store: ObjectStoreUrl,
    /// The columns as SQL sees them.
    schema: SchemaRef,
    /// The same as the scan has them: those of the files, then those of the partitions.
    scan_schema: TableSchema,
}

impl EventsTable {
    /// The table of `snapshot`, whose store is registered under `store`.
    pub(crate) fn new(snapshot: Arc<TableSnapshot>, store: ObjectStoreUrl) -> Self {
        let schema = event::stored_schema();
        let (partitions, file): (Vec<FieldRef>, Vec<FieldRef>) =
            schema.fields().iter().cloned().partition(|field| is_partition(field.name()));
        let scan_schema = TableSchema::builder(Arc::new(Schema::new(file))).with_table_partition_cols(partitions).build();
        Self { snapshot, store, schema, scan_schema }
    }

    /// Where the columns that a query wants are in the scan.
    fn scan_projection(&self, projection: Option<&Vec<usize>>) -> Result<Vec<usize>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        projection
            .unwrap_or(&all)
            .iter()
            .map(|index| Ok(self.scan_schema.table_schema().index_of(self.schema.field(*index).name())?))
            .collect()
    }

    fn predicate(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
        let schema = DFSchema::try_from(self.scan_schema.table_schema().as_ref().clone())?;
        state.create_physical_expr(filter, &schema).map(Some)
    }

    fn scan_files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let files = prune::files(&self.snapshot.files, predicate.as_ref(), self.scan_schema.table_schema());
        if files.is_empty() {
            return Ok(None);
        }
        let environment = state.runtime_env();
        let store = environment.object_store(&self.store)?;
        let readers =
            CachedParquetFileReaderFactory::new(store, environment.cache_manager.get_file_metadata_cache());
        let mut source = ParquetSource::new(self.scan_schema.clone())
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(readers))
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true);
        if let Some(predicate) = predicate {
            source = source.with_predicate(predicate);
        }
        let columns = self.scan_schema.table_schema().fields().len();
        let rows = files.iter().map(|file| file.rows).sum::<Option<u64>>();
        let group = FileGroup::new(files.iter().map(|file| self.partitioned_file(file, columns)).collect());
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(group.split_files(state.config().target_partitions()))
            .with_projection_indices(Some(self.scan_projection(projection)?))?
            .with_statistics(row_statistics(rows, columns))
            .with_limit(limit)
            .build();
        Ok(Some(DataSourceExec::from_data_source(config)))
    }

    fn partitioned_file(&self, file: &DataFile, columns: usize) -> PartitionedFile {
        let value = |field: &FieldRef| {
            if field.name() == Col::EventDay.name() {
                ScalarValue::Date32(Some(file.partition.day))
            } else {
                ScalarValue::Utf8(Some(file.partition.provider.to_string()))
            }
        };
        let mut partitioned = PartitionedFile::new(file.path.to_string(), file.bytes)
            .with_partition_values(self.scan_schema.table_partition_cols().iter().map(value).collect());
        // `new` would escape the path once more.
        partitioned.object_meta.location = file.path.clone();
        let files_columns = columns - self.scan_schema.table_partition_cols().len();
        partitioned.with_statistics(Arc::new(row_statistics(file.rows, files_columns)))
    }

    /// The rows that are in memory, with only the columns that are asked for.
    fn scan_live(&self, projection: Option<&Vec<usize>>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if self.snapshot.live.iter().all(EventBatch::is_empty) {
            return Ok(None);
        }
        let projected = match projection {
            Some(indices) => Arc::new(self.schema.project(indices)?),
            None => self.schema.clone(),
        };
        let batches = self.snapshot.live.iter().map(|batch| stored_columns(batch, &projected)).collect::<Result<Vec<_>>>()?;
        let plan = MemorySourceConfig::try_new_exec(&[batches], projected, None)?;
        Ok(Some(plan))
    }
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Rows in memory are not filtered by the scan, so the filter stays above it.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let predicate = self.predicate(state, filters)?;
        let files = self.scan_files(state, projection, predicate, limit)?;
        let live = self.scan_live(projection)?;
        match (files, live) {
            (Some(files), Some(live)) => UnionExec::try_new(vec![files, live]),
            (Some(plan), None) | (None, Some(plan)) => Ok(plan),
            (None, None) => {
                let schema = match projection {
                    Some(indices) => Arc::new(self.schema.project(indices)?),
                    None => self.schema.clone(),
                };
                Ok(Arc::new(EmptyExec::new(schema)))
            }
        }
    }
}

fn is_partition(name: &str) -> bool {
    name == Col::EventDay.name() || name == Col::CloudProvider.name()
}

fn row_statistics(rows: Option<u64>, columns: usize) -> Statistics {
    let mut statistics = Statistics::default();
    statistics.num_rows = rows.and_then(|rows| usize::try_from(rows).ok()).map_or(Precision::Absent, Precision::Exact);
    statistics.column_statistics = vec![Default::default(); columns];
    statistics
}

fn stored_columns(batch: &EventBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut arrays = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = COLUMNS.iter().find(|column| column.name == field.name());
        let column = column.ok_or_else(|| internal_datafusion_err!("no column `{}`", field.name()))?;
        arrays.push(cast(batch.column(column.col), field.data_type())?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
}
