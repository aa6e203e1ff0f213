//! Rows of SQLite as Arrow columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, RecordBatch,
    RecordBatchOptions, StringViewBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result as DfResult;
use event::Kind;
use storage::state::rusqlite::types::ValueRef;
use storage::state::rusqlite::{self, Row};

use super::source::StateSource;

enum Cells {
    Text(StringViewBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float64Builder),
    Flag(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Day(Date32Builder),
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
        let columns = source.columns.iter().map(|(_, kind, _)| Cells::new(*kind)).collect();
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
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Label | Kind::Text | Kind::Json => Self::Text(StringViewBuilder::new()),
            Kind::Int => Self::Int(Int32Builder::new()),
            Kind::Long => Self::Long(Int64Builder::new()),
            Kind::Float => Self::Float(Float64Builder::new()),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Day => Self::Day(Date32Builder::new()),
        }
    }

    /// Adds a value, null where it is of another type; says how many bytes it takes.
    fn add(&mut self, value: ValueRef<'_>) -> usize {
        let integer = match value {
            ValueRef::Integer(number) => Some(number),
            _ => None,
        };
        let small = integer.and_then(|number| i32::try_from(number).ok());
        match self {
            Self::Text(cells) => {
                let bytes = match value {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                    _ => {
                        cells.append_null();
                        return 16;
                    }
                };
                // What a source sent may be no UTF-8; it is shown as far as it is.
                cells.append_value(String::from_utf8_lossy(bytes));
                return 16 + bytes.len();
            }
            Self::Int(cells) => cells.append_option(small),
            Self::Long(cells) => cells.append_option(integer),
            Self::Float(cells) => cells.append_option(match value {
                ValueRef::Real(number) => Some(number),
                _ => integer.map(|number| number as f64),
            }),
            Self::Flag(cells) => cells.append_option(integer.map(|number| number != 0)),
            Self::Time(cells) => cells.append_option(integer),
            Self::Day(cells) => cells.append_option(small),
        }
        8
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Text(cells) => Arc::new(cells.finish()),
            Self::Int(cells) => Arc::new(cells.finish()),
            Self::Long(cells) => Arc::new(cells.finish()),
            Self::Float(cells) => Arc::new(cells.finish()),
            Self::Flag(cells) => Arc::new(cells.finish()),
            Self::Time(cells) => Arc::new(cells.finish()),
            Self::Day(cells) => Arc::new(cells.finish()),
        }
    }
}
