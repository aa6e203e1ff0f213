//! Parquet, as lines of JSON: one row a line, so that everything behind reads it as any other log.
//!
//! The directory of a Parquet file is at its end. What is read is therefore gathered first, small files in
//! memory and others in a file without a name that ends with this reader; then rows are decoded some at a
//! time. What a file claims of itself is checked before memory is given for it ([`pages`]).

mod kept;
mod lists;
mod pages;
mod thrift;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use self::kept::Kept;
use super::Chunk;
use super::source::Source;

/// What is gathered at once.
const READ_BYTES: usize = 256 << 10;
/// Rows that are decoded at once, if they are small.
const MAX_ROWS: usize = 256;
/// What rows that are decoded at once may have by what the file says of their size.
const ROWS_BYTES: u64 = 8 << 20;

/// Reads a file to its end, then gives its rows.
pub(super) struct Parquet {
    kept: Kept,
    rows: Option<ParquetRecordBatchReader>,
    /// Lines that were not handed out yet.
    lines: Vec<u8>,
    at: usize,
}

impl fmt::Debug for Parquet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parquet").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Parquet {
    /// A reader of a file of at most `max_bytes`.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { kept: Kept::new(max_bytes), rows: None, lines: Vec::new(), at: 0 }
    }

    /// Gives lines of JSON.
    pub(super) fn read(&mut self, source: &mut Source, out: &mut [u8]) -> io::Result<Chunk> {
        if self.rows.is_none() {
            let mut buffer = vec![0; READ_BYTES];
            loop {
                let count = source.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                if !self.kept.push(buffer.get(..count).unwrap_or_default())? {
                    let limit = self.kept.max_bytes();
                    return Ok(Chunk::Damaged(format!(
                        "too_large: a Parquet file of more than {limit} bytes"
                    )));
                }
            }
            let kept = Arc::new(std::mem::take(&mut self.kept));
            match guarded(|| open(kept)) {
                Ok(rows) => self.rows = Some(rows),
                Err(problem) => return Ok(damaged(&problem)),
            }
        }
        loop {
            let left = self.lines.get(self.at..).unwrap_or_default();
            if !left.is_empty() {
                let count = left.len().min(out.len());
                if let (Some(to), Some(from)) = (out.get_mut(..count), left.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.at += count;
                return Ok(Chunk::Bytes(count));
            }
            self.at = 0;
            self.lines.clear();
            let (rows, lines) = (&mut self.rows, &mut self.lines);
            match guarded(|| more(rows, lines)) {
                Ok(true) => {}
                Ok(false) => return Ok(Chunk::End),
                Err(problem) => {
                    // What a panic or an error left behind is not looked at again.
                    self.lines.clear();
                    return Ok(damaged(&problem));
                }
            }
        }
    }
}

/// Opens what was gathered, once what it claims is believed.
fn open(kept: Arc<Kept>) -> Result<ParquetRecordBatchReader, String> {
    pages::check_footer(&kept)?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(Handle(kept.clone())).map_err(|error| error.to_string())?;
    let sizes = pages::check(builder.metadata(), &kept)?;
    let row_bytes = sizes.row_bytes.max(lists::largest_row(&kept)?);
    let rows = ROWS_BYTES / row_bytes.max(1);
    let rows = usize::try_from(rows).unwrap_or(MAX_ROWS).clamp(1, MAX_ROWS);
    builder.with_batch_size(rows).build().map_err(|error| error.to_string())
}

/// The next rows as lines; `false`: there are none.
fn more(rows: &mut Option<ParquetRecordBatchReader>, lines: &mut Vec<u8>) -> Result<bool, String> {
    let Some(batch) = rows.as_mut().and_then(Iterator::next) else { return Ok(false) };
    let batch = plain_times(&batch.map_err(|error| error.to_string())?)?;
    let mut writer = LineDelimitedWriter::new(lines);
    writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
    Ok(true)
}

/// The same with times whose zone is an offset. Parquet knows UTC alone, which is called `UTC`, and the writer of
/// JSON knows no names of zones.
fn plain_times(batch: &RecordBatch) -> Result<RecordBatch, String> {
    let schema = batch.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let plain = plain_field(field);
        let cast = arrow::compute::cast(column, plain.data_type()).map_err(|error| error.to_string())?;
        fields.push(plain);
        columns.push(cast);
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(Schema::new(fields));
    RecordBatch::try_new_with_options(schema, columns, &rows).map_err(|error| error.to_string())
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let plain = match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::List(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) => DataType::LargeList(plain_field(item)),
        DataType::Map(entries, is_sorted) => DataType::Map(plain_field(entries), *is_sorted),
        _ => return field.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(plain))
}

/// The library is not written for hostile files alone: where it panics, the file is to blame.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("its parts contradict each other".into()))
}

fn damaged(problem: &str) -> Chunk {
    let problem: String = problem.chars().take(300).collect();
    Chunk::Damaged(format!(
        "torn_input: the Parquet file is damaged: {problem}; the records before it were delivered"
    ))
}

/// What was gathered, as the library reads it.
#[derive(Debug)]
struct Handle(Arc<Kept>);

impl parquet::file::reader::Length for Handle {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl parquet::file::reader::ChunkReader for Handle {
    type T = kept::Part;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(kept::Part::new(self.0.clone(), start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        self.0.bytes(start, length).map_err(|error| parquet::errors::ParquetError::External(Box::new(error)))
    }
}

#[cfg(test)]
mod tests;
