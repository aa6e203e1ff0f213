//! Files that cannot hold a row of the answer are left out before they are opened.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use event::Col;
use storage::table::DataFile;

use super::Layout;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The files that may hold rows for which all filters are true.
pub(super) fn files(
    all: &[Arc<DataFile>],
    session: &dyn Session,
    filters: &[Expr],
) -> DfResult<Vec<Arc<DataFile>>> {
    let Some(filter) = conjunction(filters.to_vec()) else { return Ok(all.to_vec()) };
    let schema = &Layout::get().table;
    let filter = session.create_physical_expr(filter, &DFSchema::try_from(schema.clone())?)?;
    // A filter that says nothing about these columns prunes nothing; that is no error.
    let predicate = PruningPredicateBuilder::new().with_file_schema(schema.clone()).try_build(filter);
    let Ok(predicate) = predicate else { return Ok(all.to_vec()) };
    let Ok(keep) = predicate.prune(&FileStatistics { files: all }) else { return Ok(all.to_vec()) };
    let kept = all.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| file.clone());
    Ok(kept.collect())
}

struct FileStatistics<'a> {
    files: &'a [Arc<DataFile>],
}

impl FileStatistics<'_> {
    fn bounds(&self, column: &Column, time: impl Fn(&DataFile) -> Option<i64>) -> Option<ArrayRef> {
        Some(match Col::by_name(&column.name)? {
            Col::EventDay => {
                Arc::new(Date32Array::from_iter_values(self.files.iter().map(|file| file.partition.day)))
            }
            Col::CloudProvider => Arc::new(StringViewArray::from_iter_values(
                self.files.iter().map(|file| &file.partition.provider),
            )),
            Col::Time => {
                let times: TimestampMicrosecondArray = self.files.iter().map(|file| time(file)).collect();
                Arc::new(times.with_timezone("UTC"))
            }
            _ => return None,
        })
    }
}

impl PruningStatistics for FileStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |file| file.min_time)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |file| file.max_time)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let required = Col::by_name(&column.name).is_some_and(Col::is_required);
        required.then(|| Arc::new(UInt64Array::from(vec![0; self.files.len()])) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows: UInt64Array = self.files.iter().map(|file| file.rows).collect();
        Some(Arc::new(rows))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Bounds of `time` of a file, from its own statistics or from its day.
pub(super) fn times(file: &DataFile) -> Option<(i64, i64)> {
    let day = i64::from(file.partition.day).checked_mul(MICROS_PER_DAY)?;
    Some((file.min_time.unwrap_or(day), file.max_time.unwrap_or(day.checked_add(MICROS_PER_DAY - 1)?)))
}
