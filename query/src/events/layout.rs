//! The columns of `events` for the analyst, and where they lie for the scan.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::datasource::table_schema::TableSchema;
use event::Col;

/// The columns that are not in the files but in the file's entry in the Delta log, in the scan's order.
pub(crate) const PARTITION: [Col; 2] = [Col::EventDay, Col::CloudProvider];

/// One table, two orders of columns: the analyst's, and the scan's, where the partition's come last.
///
/// Text is [`DataType::Utf8View`]. Such columns are filtered, joined and sorted without copying the text,
/// which keeps both time and memory low where rows carry whole records; and Parquet reads them faster.
/// Answers leave as plain `Utf8`.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) table: SchemaRef,
    pub(crate) scan: TableSchema,
    /// The place in the scan of each column of the table.
    places: Vec<usize>,
}

static LAYOUT: LazyLock<Layout> = LazyLock::new(Layout::new);

impl Layout {
    pub(crate) fn get() -> &'static Self {
        &LAYOUT
    }

    fn new() -> Self {
        let fields: Vec<FieldRef> = event::stored_schema().fields().iter().map(as_view).collect();
        let is_partition = |field: &FieldRef| PARTITION.iter().any(|col| col.name() == field.name());
        let in_file: Vec<FieldRef> = fields.iter().filter(|field| !is_partition(field)).cloned().collect();
        let partition: Vec<FieldRef> = PARTITION
            .iter()
            .filter_map(|col| fields.iter().find(|field| field.name() == col.name()).cloned())
            .collect();
        let scan =
            TableSchema::builder(Arc::new(Schema::new(in_file))).with_table_partition_cols(partition).build();
        let places = fields
            .iter()
            .map(|field| scan.table_schema().index_of(field.name()).unwrap_or_default())
            .collect();
        Self { table: Arc::new(Schema::new(fields)), scan, places }
    }

    /// Columns of the table as columns of the scan.
    pub(crate) fn in_scan(&self, columns: &[usize]) -> Vec<usize> {
        columns.iter().filter_map(|column| self.places.get(*column).copied()).collect()
    }
}

fn as_view(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Utf8 => Arc::new(Field::new(field.name(), DataType::Utf8View, field.is_nullable())),
        _ => field.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_have_the_same_columns() {
        let layout = Layout::get();
        let all: Vec<_> = (0..layout.table.fields().len()).collect();
        let scan = layout.scan.table_schema();
        for (column, place) in all.iter().zip(layout.in_scan(&all)) {
            assert_eq!(layout.table.field(*column), scan.field(place));
        }
        assert_eq!(scan.fields().len(), event::COLUMNS.len());
        assert!(scan.fields().iter().all(|field| *field.data_type() != DataType::Utf8));
    }
}
