//! The scan of the rows that are not in files yet.
//!
//! They lie in memory as the pipeline made them, labels as dictionaries. Only the columns that a query
//! reads are turned into the table's types, batch by batch, and only for rows that pass its filters.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{cast, filter, filter_record_batch, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DfResult, Statistics};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, conjunction};
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, coop};
use event::EventBatch;

use super::Layout;

/// A plan that reads `columns` of the live rows.
pub(super) fn scan(batches: &[EventBatch], columns: &[usize]) -> DfResult<Arc<dyn ExecutionPlan>> {
    let schema = Arc::new(Layout::get().table.project(columns)?);
    let source =
        LiveSource { batches: batches.into(), columns: columns.into(), schema, filter: None, fetch: None };
    Ok(DataSourceExec::from_data_source(source))
}

#[derive(Debug, Clone)]
struct LiveSource {
    batches: Arc<[EventBatch]>,
    /// The columns read, as places in the table.
    columns: Arc<[usize]>,
    /// The columns read.
    schema: SchemaRef,
    /// What rows must pass, over `schema`.
    filter: Option<Arc<dyn PhysicalExpr>>,
    fetch: Option<usize>,
}

impl LiveSource {
    fn rows(&self) -> usize {
        self.batches.iter().map(EventBatch::len).sum()
    }

    /// The rows of a batch that pass the filter.
    fn read(&self, batch: &EventBatch, sieve: Option<&Sieve>) -> DfResult<RecordBatch> {
        let whole = batch.record_batch();
        let Some(sieve) = sieve else { return self.convert(whole) };
        let columns: Vec<ArrayRef> = sieve
            .columns
            .iter()
            .filter_map(|column| self.columns.get(*column))
            .map(|column| convert(whole.column(*column)))
            .collect::<DfResult<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(whole.num_rows()));
        let tested = RecordBatch::try_new_with_options(sieve.schema.clone(), columns, &options)?;
        let passed = sieve.filter.evaluate(&tested)?.into_array(tested.num_rows())?;
        let passed = match passed.as_boolean() {
            some_unknown if some_unknown.nulls().is_some() => prep_null_mask_filter(some_unknown),
            all_known => all_known.clone(),
        };
        match passed.true_count() {
            0 => Ok(RecordBatch::new_empty(self.schema.clone())),
            count if count == passed.len() => self.convert(whole),
            _ if self.columns.is_empty() => self.convert(&filter_record_batch(whole, &passed)?),
            _ => {
                let columns = self
                    .columns
                    .iter()
                    .map(|column| convert(&filter(whole.column(*column), &passed)?))
                    .collect::<DfResult<_>>()?;
                Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
            }
        }
    }

    fn convert(&self, batch: &RecordBatch) -> DfResult<RecordBatch> {
        let columns =
            self.columns.iter().map(|column| convert(batch.column(*column))).collect::<DfResult<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

/// A column as the table has it.
fn convert(column: &ArrayRef) -> DfResult<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Dictionary(..) | DataType::Utf8 => cast(column, &DataType::Utf8View)?,
        _ => column.clone(),
    })
}

/// The filter over those columns alone that it reads.
struct Sieve {
    filter: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Sieve {
    fn new(filter: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> DfResult<Self> {
        let mut columns: Vec<usize> = collect_columns(filter).iter().map(|column| column.index()).collect();
        columns.sort_unstable();
        columns.dedup();
        let schema = Arc::new(schema.project(&columns)?);
        Ok(Self { filter: reassign_expr_columns(filter.clone(), &schema)?, columns, schema })
    }
}

impl DataSource for LiveSource {
    fn open(&self, _partition: usize, _context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let sieve = self.filter.as_ref().map(|filter| Sieve::new(filter, &self.schema)).transpose()?;
        let source = self.clone();
        let mut left = self.fetch.unwrap_or(usize::MAX);
        let mut next = 0;
        let rows = std::iter::from_fn(move || {
            while left > 0 {
                let batch = source.batches.get(next)?;
                next += 1;
                let rows = match source.read(batch, sieve.as_ref()) {
                    Ok(rows) => rows.slice(0, rows.num_rows().min(left)),
                    Err(error) => return Some(Err(error)),
                };
                left -= rows.num_rows();
                if rows.num_rows() > 0 {
                    return Some(Ok(rows));
                }
            }
            None
        });
        let stream = RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(rows));
        Ok(coop::make_cooperative(Box::pin(stream)))
    }

    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "live rows={}", self.rows())?;
        match &self.filter {
            Some(filter) => write!(f, ", predicate={filter}"),
            None => Ok(()),
        }
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(1)
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(self.schema.clone())
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, _partition: Option<usize>) -> DfResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let rows = self.rows().min(self.fetch.unwrap_or(usize::MAX));
        statistics.num_rows = match self.filter {
            None => Precision::Exact(rows),
            Some(_) => Precision::Inexact(rows),
        };
        Ok(Arc::new(statistics))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        Some(Arc::new(Self { fetch: limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn try_swapping_with_projection(&self, _: &ProjectionExprs) -> DfResult<Option<Arc<dyn DataSource>>> {
        Ok(None)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> DfResult<FilterPushdownPropagation<Arc<dyn DataSource>>> {
        if self.fetch.is_some() {
            // A filter from above a limit must not come before it.
            let none = vec![PushedDown::No; filters.len()];
            return Ok(FilterPushdownPropagation::with_parent_pushdown_result(none));
        }
        let all = vec![PushedDown::Yes; filters.len()];
        let filter = conjunction(self.filter.iter().cloned().chain(filters));
        let source: Arc<dyn DataSource> = Arc::new(Self { filter: Some(filter), ..self.clone() });
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(all).with_updated_node(source))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        datafusion::physical_plan::apply_expression_roots(self.filter.iter(), visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Schema;

    #[test]
    fn what_memory_has_converts_to_the_table() {
        let table = &Layout::get().table;
        let all: Vec<usize> = (0..table.fields().len()).collect();
        let source = LiveSource {
            batches: Arc::new([]),
            columns: all.into(),
            schema: table.clone(),
            filter: None,
            fetch: None,
        };
        let converted = source.convert(EventBatch::empty().record_batch()).unwrap();
        assert_eq!(converted.schema_ref().as_ref(), &Schema::clone(table));
    }
}
