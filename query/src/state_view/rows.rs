//! Rows of SQLite as Arrow columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Builder, RecordBatch, RecordBatchOptions, StringViewBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result as DfResult;
use storage::state::rusqlite::types::ValueRef;
use storage::state::rusqlite::{self, Row};
use storage::state_table::StateColumn;

use super::source::StateSource;

enum Cells {
    Text(StringViewBuilder),
    Integer(Int64Builder),
    Time(TimestampMicrosecondBuilder),
}

/// Gathers rows into batches.
pub(super) struct Rows {
    schema: SchemaRef,
    columns: Vec<Cells>,
    len: usize,
    bytes: usize,
}

impl Rows {
    pub(super) fn new(source: &StateSource) -> Self {
        let columns = source.columns.iter().map(|(_, kind)| Cells::new(*kind)).collect();
        Self { schema: source.schema.clone(), columns, len: 0, bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        for (place, cells) in self.columns.iter_mut().enumerate() {
            self.bytes += cells.add(row.get_ref(place)?);
        }
        self.len += 1;
        Ok(())
    }

    /// The rows so far; none are left.
    pub(super) fn take(&mut self) -> DfResult<RecordBatch> {
        let columns: Vec<ArrayRef> = self.columns.iter_mut().map(Cells::take).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.len));
        (self.len, self.bytes) = (0, 0);
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

impl Cells {
    fn new(kind: StateColumn) -> Self {
        match kind {
            StateColumn::Text => Self::Text(StringViewBuilder::new()),
            StateColumn::Integer => Self::Integer(Int64Builder::new()),
            StateColumn::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        }
    }

    /// Adds a value, null where it is of another type; says how many bytes it takes.
    fn add(&mut self, value: ValueRef<'_>) -> usize {
        let integer = match value {
            ValueRef::Integer(number) => Some(number),
            _ => None,
        };
        match (self, value) {
            (Self::Text(cells), ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => {
                // What a source sent may be no UTF-8; it is shown as far as it is.
                cells.append_value(String::from_utf8_lossy(bytes));
                return 16 + bytes.len();
            }
            (Self::Text(cells), _) => cells.append_null(),
            (Self::Integer(cells), _) => cells.append_option(integer),
            (Self::Time(cells), _) => cells.append_option(integer),
        }
        16
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Text(cells) => Arc::new(cells.finish()),
            Self::Integer(cells) => Arc::new(cells.finish()),
            // `finish` would leave a builder without the time zone.
            Self::Time(cells) => {
                let empty = TimestampMicrosecondBuilder::new().with_timezone("UTC");
                Arc::new(std::mem::replace(cells, empty).finish())
            }
        }
    }
}
