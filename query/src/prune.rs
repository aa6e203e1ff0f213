//! Which files of a snapshot a query can leave unread, by day, cloud and time.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Date32Array, StringArray, TimestampMicrosecondArray, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicate;
use event::Col;
use storage::table::DataFile;

/// The files that may hold rows for which `predicate` is true. All of them where that cannot be told.
pub(crate) fn files(
    all: &[Arc<DataFile>],
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    schema: &SchemaRef,
) -> Vec<Arc<DataFile>> {
    let Some(predicate) = predicate else { return all.to_vec() };
    let pruned = PruningPredicate::try_new(predicate.clone(), schema.clone())
        .and_then(|predicate| predicate.prune(&Bounds { files: all }));
    match pruned {
        Ok(keep) => all.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| file.clone()).collect(),
        Err(error) => {
            tracing::debug!(%error, "no files are left out");
            all.to_vec()
        }
    }
}

/// What the Delta log says of each file.
struct Bounds<'a> {
    files: &'a [Arc<DataFile>],
}

impl Bounds<'_> {
    fn values(&self, column: &Column, time: impl Fn(&DataFile) -> Option<i64>) -> Option<ArrayRef> {
        if column.name == Col::Time.name() {
            let times: TimestampMicrosecondArray = self.files.iter().map(|file| time(file)).collect();
            return Some(Arc::new(times.with_timezone("UTC")));
        }
        if column.name == Col::EventDay.name() {
            let days: Date32Array = self.files.iter().map(|file| Some(file.partition.day)).collect();
            return Some(Arc::new(days));
        }
        if column.name == Col::CloudProvider.name() {
            let clouds: StringArray = self.files.iter().map(|file| Some(file.partition.provider.as_ref())).collect();
            return Some(Arc::new(clouds));
        }
        None
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |file| file.min_time)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |file| file.max_time)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let required = [Col::Time, Col::EventDay, Col::CloudProvider].iter().any(|col| col.name() == column.name);
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
