//! Row by row into columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, RecordBatch,
    StringBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use crate::column::{COLUMNS, Col, Kind, arrow_schema};
use crate::labels::LabelBuilder;
use crate::{EventBatch, JsonText};

enum Cells {
    Label(LabelBuilder),
    Text(StringBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float64Builder),
    Flag(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Day(Date32Builder),
}

/// Fills an [`EventBatch`]: set the columns of the current row in any order, then
/// [`finish_row`](Self::finish_row) or [`discard_row`](Self::discard_row).
///
/// The first value set in a row wins; columns not set are null and cost nothing until the batch is
/// finished.
pub struct EventBuilder {
    schema: SchemaRef,
    /// The schema with every column optional.
    loose: SchemaRef,
    cells: Vec<Cells>,
    /// The number of values in each column so far; behind `row` where the last rows had none.
    filled: Vec<usize>,
    row: usize,
    discarded: Vec<usize>,
    scratch: String,
    day: i32,
    /// The bytes that a row took on average in each text column of the last large batch.
    bytes_per_row: Vec<usize>,
}

/// A batch of so many rows says how large the next will be.
const TELLING_ROWS: usize = 64;

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl std::fmt::Debug for EventBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventBuilder").field("rows", &self.row).finish_non_exhaustive()
    }
}

impl Default for EventBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBuilder {
    /// An empty one; keep it and use it for batch after batch.
    pub fn new() -> Self {
        let cells = COLUMNS
            .iter()
            .map(|column| match column.kind {
                Kind::Label => Cells::Label(LabelBuilder::default()),
                Kind::Text | Kind::Json => Cells::Text(StringBuilder::new()),
                Kind::Int => Cells::Int(Int32Builder::new()),
                Kind::Long => Cells::Long(Int64Builder::new()),
                Kind::Float => Cells::Float(Float64Builder::new()),
                Kind::Flag => Cells::Flag(BooleanBuilder::new()),
                Kind::Time => Cells::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
                Kind::Day => Cells::Day(Date32Builder::new()),
            })
            .collect();
        let schema = arrow_schema();
        let optional = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let loose = Arc::new(arrow::datatypes::Schema::new(optional.collect::<Vec<_>>()));
        Self {
            schema,
            loose,
            cells,
            filled: vec![0; COLUMNS.len()],
            row: 0,
            discarded: Vec::new(),
            scratch: String::new(),
            day: 0,
            bytes_per_row: vec![0; COLUMNS.len()],
        }
    }

    /// Makes room for so many rows, each as large as those of earlier batches: growing step by step copies
    /// every byte twice.
    pub fn reserve(&mut self, rows: usize) {
        if self.row > 0 {
            return;
        }
        for (cells, bytes) in self.cells.iter_mut().zip(&self.bytes_per_row) {
            match cells {
                Cells::Text(cells) if *bytes > 0 => {
                    *cells = StringBuilder::with_capacity(rows, rows * bytes + rows * bytes / 8);
                }
                _ => {}
            }
        }
    }

    /// The number of finished rows, discarded ones counted.
    pub fn rows(&self) -> usize {
        self.row
    }

    /// Whether the current row has a value in `col`.
    pub fn has(&self, col: Col) -> bool {
        self.filled.get(col as usize).is_some_and(|filled| *filled > self.row)
    }

    /// The cells of `col`, padded to the current row; `None` if the row has its value already.
    fn open(&mut self, col: Col) -> Option<&mut Cells> {
        let filled = self.filled.get_mut(col as usize)?;
        let cells = self.cells.get_mut(col as usize)?;
        if *filled > self.row {
            return None;
        }
        append_nulls(cells, self.row - *filled);
        *filled = self.row + 1;
        Some(cells)
    }

    /// Sets a label, text or JSON column.
    pub fn text(&mut self, col: Col, value: &str) {
        match self.open(col) {
            Some(Cells::Label(cells)) => cells.append(value),
            Some(Cells::Text(cells)) => cells.append_value(value),
            Some(other) => wrong_kind(other, col),
            None => {}
        }
    }

    /// Sets a 32-bit column.
    pub fn int(&mut self, col: Col, value: i32) {
        match self.open(col) {
            Some(Cells::Int(cells)) => cells.append_value(value),
            Some(other) => wrong_kind(other, col),
            None => {}
        }
    }

    /// Sets a 64-bit column.
    pub fn long(&mut self, col: Col, value: i64) {
        match self.open(col) {
            Some(Cells::Long(cells)) => cells.append_value(value),
            Some(other) => wrong_kind(other, col),
            None => {}
        }
    }

    /// Sets a float column.
    pub fn float(&mut self, col: Col, value: f64) {
        match self.open(col) {
            Some(Cells::Float(cells)) => cells.append_value(value),
            Some(other) => wrong_kind(other, col),
            None => {}
        }
    }

    /// Sets a true-or-false column.
    pub fn flag(&mut self, col: Col, value: bool) {
        match self.open(col) {
            Some(Cells::Flag(cells)) => cells.append_value(value),
            Some(other) => wrong_kind(other, col),
            None => {}
        }
    }

    /// Sets a time column, in microseconds since 1970; [`Col::Time`] sets [`Col::EventDay`] too.
    pub fn time(&mut self, col: Col, micros: i64) {
        match self.open(col) {
            Some(Cells::Time(cells)) => cells.append_value(micros),
            Some(other) => wrong_kind(other, col),
            None => return,
        }
        if col == Col::Time {
            self.day = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or_default();
            let day = self.day;
            if let Some(Cells::Day(cells)) = self.open(Col::EventDay) {
                cells.append_value(day);
            }
        }
    }

    /// Sets a JSON column to what `write` writes; writing nothing leaves it null.
    pub fn json(&mut self, col: Col, write: impl FnOnce(&mut JsonText<'_>)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write(&mut JsonText::new(&mut scratch));
        if !scratch.is_empty() {
            self.text(col, &scratch);
        }
        self.scratch = scratch;
    }

    /// Ends the row.
    pub fn finish_row(&mut self) {
        self.row += 1;
    }

    /// Ends the row and leaves it out of the batch: its record turned out to be bad.
    pub fn discard_row(&mut self) {
        self.discarded.push(self.row);
        self.row += 1;
    }

    /// The batch of all rows kept; the builder is empty afterwards.
    ///
    /// # Errors
    /// A kept row lacks a required column ([`Col::is_required`]); the builder is empty all the same.
    pub fn finish(&mut self) -> Result<EventBatch, arrow::error::ArrowError> {
        let arrays = self.finish_columns()?;
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)?;
        Ok(EventBatch::from_checked(batch))
    }

    /// As [`finish`](Self::finish), but required columns may be missing: for a first look at a few columns.
    ///
    /// # Errors
    /// There is more text in a column than a batch holds.
    pub fn finish_partial(&mut self) -> Result<EventBatch, arrow::error::ArrowError> {
        let arrays = self.finish_columns()?;
        Ok(EventBatch::from_checked(RecordBatch::try_new(self.loose.clone(), arrays)?))
    }

    /// The columns of all rows kept.
    fn finish_columns(&mut self) -> Result<Vec<ArrayRef>, arrow::error::ArrowError> {
        let rows = std::mem::take(&mut self.row);
        let discarded = std::mem::take(&mut self.discarded);
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.cells.len());
        // All empty columns of a kind are one array.
        let mut nulls: BTreeMap<u8, ArrayRef> = BTreeMap::new();
        let columns = self.cells.iter_mut().zip(&mut self.filled).zip(&mut self.bytes_per_row);
        for (((cells, filled), bytes_per_row), column) in columns.zip(COLUMNS) {
            // Most columns of most batches. A builder would give its buffers away, which are large for a few
            // rows, and need new ones.
            if *filled == 0 {
                if rows >= TELLING_ROWS {
                    *bytes_per_row = 0;
                }
                let null = nulls.entry(column.kind as u8);
                let null = null.or_insert_with(|| new_null_array(&column.kind.arrow_type(), rows));
                arrays.push(null.clone());
                continue;
            }
            append_nulls(cells, rows - std::mem::take(filled));
            if let Cells::Text(cells) = cells
                && rows >= TELLING_ROWS
            {
                *bytes_per_row = cells.values_slice().len() / rows;
            }
            arrays.push(take(cells));
        }
        if discarded.is_empty() {
            return Ok(arrays);
        }
        // Discarded rows may lack required values, so they leave before the schema is enforced.
        let mut keep = vec![true; rows];
        for row in discarded {
            if let Some(flag) = keep.get_mut(row) {
                *flag = false;
            }
        }
        let kept = filter_record_batch(&RecordBatch::try_new(self.loose.clone(), arrays)?, &keep.into())?;
        Ok(kept.columns().to_vec())
    }
}

// ---------------------------------------------------------------------------------------------

fn append_nulls(cells: &mut Cells, count: usize) {
    if count == 0 {
        return;
    }
    match cells {
        Cells::Label(cells) => cells.append_nulls(count),
        Cells::Text(cells) => cells.append_nulls(count),
        Cells::Int(cells) => cells.append_nulls(count),
        Cells::Long(cells) => cells.append_nulls(count),
        Cells::Float(cells) => cells.append_nulls(count),
        Cells::Flag(cells) => cells.append_nulls(count),
        Cells::Time(cells) => cells.append_nulls(count),
        Cells::Day(cells) => cells.append_nulls(count),
    }
}

fn take(cells: &mut Cells) -> ArrayRef {
    match cells {
        Cells::Label(cells) => Arc::new(cells.finish()),
        Cells::Text(cells) => Arc::new(cells.finish()),
        Cells::Int(cells) => Arc::new(cells.finish()),
        Cells::Long(cells) => Arc::new(cells.finish()),
        Cells::Float(cells) => Arc::new(cells.finish()),
        Cells::Flag(cells) => Arc::new(cells.finish()),
        Cells::Time(cells) => Arc::new(cells.finish()),
        Cells::Day(cells) => Arc::new(cells.finish()),
    }
}

/// A mapping set a column by the wrong setter: a mistake of ours, found by the mapping's own test.
/// The cell becomes null, so that the columns stay of one length.
fn wrong_kind(cells: &mut Cells, col: Col) {
    debug_assert!(false, "column `{}` is of another kind", col.name());
    append_nulls(cells, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};

    fn required(builder: &mut EventBuilder, time: i64) {
        builder.time(Col::Time, time);
        for col in [Col::EventUid, Col::LogType, Col::Source, Col::CloudProvider] {
            builder.text(col, "x");
        }
        for col in [Col::ClassUid, Col::CategoryUid, Col::ActivityId, Col::SeverityId] {
            builder.int(col, 1);
        }
        builder.long(Col::TypeUid, 1);
        builder.long(Col::LogOffset, 1);
    }

    #[test]
    fn first_value_wins_and_gaps_are_null() {
        let mut builder = EventBuilder::new();
        required(&mut builder, 0);
        builder.finish_row();
        required(&mut builder, MICROS_PER_DAY + 1);
        builder.text(Col::ActorUserName, "eve");
        builder.text(Col::ActorUserName, "mallory");
        builder.json(Col::Resources, |json| {
            json.begin_array();
            json.end_array();
        });
        builder.finish_row();
        let batch = builder.finish().unwrap();
        assert_eq!(batch.str_at(Col::ActorUserName, 0), None);
        assert_eq!(batch.str_at(Col::ActorUserName, 1), Some("eve"));
        assert_eq!(
            batch.column(Col::EventDay).as_primitive::<arrow::datatypes::Date32Type>().values(),
            &[0, 1]
        );
        assert_eq!(batch.text(Col::Resources).value(1), "[]");
        assert_eq!(builder.rows(), 0);
    }

    #[test]
    fn discarded_rows_leave_no_trace() {
        let mut builder = EventBuilder::new();
        builder.text(Col::ActorUserName, "half");
        builder.discard_row();
        required(&mut builder, 7);
        builder.finish_row();
        builder.discard_row();
        let batch = builder.finish().unwrap();
        assert_eq!(batch.len(), 1);
        assert!(batch.label(Col::ActorUserName).is_null(0));
    }

    #[test]
    fn a_missing_required_value_is_an_error() {
        let mut builder = EventBuilder::new();
        builder.text(Col::ActorUserName, "no time");
        builder.finish_row();
        assert!(builder.finish().is_err());
        assert_eq!(builder.finish().unwrap().len(), 0);
    }
}
