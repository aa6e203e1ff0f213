//! Answers in types that every client knows.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result as DfResult;

/// Text in a batch of an answer, at most, in bytes; a single row may have more.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// Turns the batches of a plan into batches of an answer: plain text instead of views and dictionaries,
/// intervals as text, and every column under a name of its own.
#[derive(Debug)]
pub(crate) struct Plain {
    schema: SchemaRef,
}

impl Plain {
    /// For batches of `schema`.
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut taken: HashSet<String> = HashSet::new();
        let fields: Vec<FieldRef> = schema
            .fields()
            .iter()
            .map(|field| {
                let name = free_name(field.name(), &taken);
                taken.insert(name.clone());
                Arc::new(Field::new(name, plain_type(field.data_type()), field.is_nullable()))
            })
            .collect();
        Self { schema: Arc::new(Schema::new(fields)) }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows of `batch` in batches of bounded size: in a view, many rows may share one long text.
    pub(crate) fn convert(&self, batch: &RecordBatch) -> DfResult<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = rows_within(batch, from);
            batches.push(self.convert_rows(&batch.slice(from, rows))?);
            from += rows;
        }
        Ok(batches)
    }

    fn convert_rows(&self, batch: &RecordBatch) -> DfResult<RecordBatch> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| convert(column, field.data_type()))
            .collect::<DfResult<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

/// `name`, or with a number behind it if another column has it: `SELECT a.time, b.time`.
fn free_name(name: &str, taken: &HashSet<String>) -> String {
    if !taken.contains(name) {
        return name.to_owned();
    }
    let numbered = (1..).map(|number| format!("{name}_{number}"));
    numbered.into_iter().find(|candidate| !taken.contains(candidate)).unwrap_or_default()
}

fn plain_type(data_type: &DataType) -> DataType {
    let inside = |field: &FieldRef| {
        Arc::new(Field::new(field.name(), plain_type(field.data_type()), field.is_nullable()))
    };
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::List(field) | DataType::ListView(field) | DataType::FixedSizeList(field, _) => {
            DataType::List(inside(field))
        }
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(inside(field)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inside).collect()),
        DataType::Interval(_) | DataType::Duration(_) | DataType::Null | DataType::Union(..) => {
            DataType::Utf8
        }
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        other => other.clone(),
    }
}

fn convert(column: &ArrayRef, target: &DataType) -> DfResult<ArrayRef> {
    match column.data_type() {
        same if same == target => Ok(column.clone()),
        DataType::Interval(_) | DataType::Duration(_) | DataType::Union(..) => as_text(column),
        _ => Ok(cast(column, target)?),
    }
}

fn as_text(column: &ArrayRef) -> DfResult<ArrayRef> {
    let options = FormatOptions::default();
    let cells = ArrayFormatter::try_new(column, &options)?;
    let mut text = StringBuilder::new();
    for row in 0..column.len() {
        let cell = column.is_valid(row).then(|| cells.value(row).try_to_string()).transpose()?;
        text.append_option(cell);
    }
    Ok(Arc::new(text.finish()))
}

/// How many rows from `from` on have no more text than a batch may have.
fn rows_within(batch: &RecordBatch, from: usize) -> usize {
    let views: Vec<_> = batch
        .columns()
        .iter()
        .filter(|column| *column.data_type() == DataType::Utf8View)
        .map(|column| column.as_string_view().views())
        .collect();
    let mut bytes = 0;
    for row in from..batch.num_rows() {
        // The length of a view is its lowest 32 bits.
        bytes +=
            views.iter().filter_map(|views| views.get(row)).map(|view| *view as u32 as usize).sum::<usize>();
        if bytes > MAX_BATCH_BYTES && row > from {
            return row - from;
        }
    }
    batch.num_rows() - from
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{DurationSecondArray, NullArray, StringViewArray};

    #[test]
    fn types_become_plain_and_names_unique() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("time", Arc::new(StringViewArray::from(vec![Some("a"), None]))),
            ("time", Arc::new(DurationSecondArray::from(vec![90, 1]))),
            ("time_1", Arc::new(NullArray::new(2))),
        ];
        let fields: Vec<_> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, column)| column).collect())
                .unwrap();
        let plain = Plain::new(&schema);
        let names: Vec<_> = plain.schema().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["time", "time_1", "time_1_1"]);
        let [rows] = plain.convert(&batch).unwrap().try_into().unwrap();
        assert!(rows.columns().iter().all(|column| *column.data_type() == DataType::Utf8));
        assert_eq!(rows.column(2).null_count(), 2);
    }

    #[test]
    fn long_texts_come_in_small_batches() {
        let long = "x".repeat(MAX_BATCH_BYTES / 2);
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values([&long; 5]));
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8View, false)]));
        let batch = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
        let rows: Vec<_> =
            Plain::new(&schema).convert(&batch).unwrap().iter().map(RecordBatch::num_rows).collect();
        assert_eq!(rows, [2, 2, 1]);
        assert!(Plain::new(&schema).convert(&batch.slice(0, 0)).unwrap().is_empty());
    }
}
