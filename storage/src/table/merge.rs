//! Several files of one partition into one, by time.
//!
//! Each input is sorted by time, so the merge reads them as streams and opens one only when the others
//! have come to its first row: files that follow each other in time are read one after the other. Memory
//! holds a read batch and one row group's compressed bytes per open input, and one part of the output.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType};
use bytes::Bytes;
use event::Col;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};

use super::config::TableConfig;
use super::data_file::DataFile;
use super::parquet_file::FileWriter;
use super::read::FileReader;
use super::rows::{RowRef, file_schema, gather};
use crate::Result;

/// Rows read from an input at a time.
const READ_ROWS: usize = 1024;
/// Rows written at a time.
const CHUNK_ROWS: usize = 4096;
/// The output goes to the store in parts of this size.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way to the store at the same time.
const PARTS: usize = 2;

/// Merges `inputs` into the new file `path`; gives its size and statistics.
pub(crate) async fn merge(
    store: &Arc<dyn ObjectStore>,
    inputs: &[Arc<DataFile>],
    path: &Path,
    config: &TableConfig,
) -> Result<(u64, String)> {
    let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(path).await?, PART_BYTES);
    match write_merged(store, inputs, &mut upload, config).await {
        Ok((bytes, stats)) => {
            upload.finish().await?;
            Ok((bytes, stats))
        }
        Err(error) => {
            // The first error counts; a part left behind is the store's to remove.
            drop(upload.abort().await);
            Err(error)
        }
    }
}

async fn write_merged(
    store: &Arc<dyn ObjectStore>,
    inputs: &[Arc<DataFile>],
    upload: &mut WriteMultipart,
    config: &TableConfig,
) -> Result<(u64, String)> {
    let schema = file_schema();
    let rows: u64 = inputs.iter().filter_map(|file| file.rows).sum();
    let mut writer = FileWriter::new(Vec::new(), config, usize::try_from(rows).unwrap_or(usize::MAX))?;
    let mut merge = Merge::new(store, inputs);
    let mut written = 0u64;
    while let Some((batches, rows)) = merge.next().await? {
        for chunk in rows.chunks(CHUNK_ROWS) {
            writer.write(&gather(&batches, chunk, &schema)?)?;
        }
        if writer.sink().len() >= PART_BYTES {
            written += send(upload, std::mem::take(writer.sink())).await?;
        }
    }
    let (rest, stats) = writer.finish()?;
    written += send(upload, rest).await?;
    Ok((written, stats))
}

async fn send(upload: &mut WriteMultipart, bytes: Vec<u8>) -> Result<u64> {
    let sent = bytes.len() as u64;
    upload.wait_for_capacity(PARTS).await?;
    upload.put(Bytes::from(bytes));
    Ok(sent)
}

// ---------------------------------------------------------------------------------------------

/// The rows of several files in the order of time.
struct Merge<'a> {
    store: &'a Arc<dyn ObjectStore>,
    /// Files not opened yet, the earliest last.
    waiting: Vec<&'a Arc<DataFile>>,
    open: Vec<Input>,
}

/// An open file and the batch at which it stands.
struct Input {
    stream: ParquetRecordBatchStream<FileReader>,
    batch: RecordBatch,
    /// The first row of `batch` that has not been taken.
    at: usize,
}

impl<'a> Merge<'a> {
    fn new(store: &'a Arc<dyn ObjectStore>, inputs: &'a [Arc<DataFile>]) -> Self {
        let mut waiting: Vec<_> = inputs.iter().collect();
        waiting.sort_by_key(|file| std::cmp::Reverse(file.min_time));
        Self { store, waiting, open: Vec::new() }
    }

    /// The next rows, and the batches in which they lie.
    async fn next(&mut self) -> Result<Option<(Vec<RecordBatch>, Vec<RowRef>)>> {
        let Some(until) = self.known_until().await? else { return Ok(None) };
        let mut rows = Vec::new();
        let mut batches = Vec::with_capacity(self.open.len());
        for (number, input) in self.open.iter_mut().enumerate() {
            let from = input.at;
            let times = input.times();
            let taken = times.iter().skip(from).take_while(|time| **time <= until).count();
            rows.extend(times.iter().enumerate().skip(from).take(taken).map(|(row, time)| RowRef {
                time: *time,
                batch: number as u32,
                row: row as u32,
            }));
            input.at = from + taken;
            batches.push(input.batch.clone());
        }
        rows.sort_unstable();
        self.read_on().await?;
        Ok(Some((batches, rows)))
    }

    /// The time up to which no row can come that is not read yet; `None` at the end of all files.
    async fn known_until(&mut self) -> Result<Option<i64>> {
        loop {
            let until = self.open.iter().map(Input::last_time).min();
            let next = self.waiting.last().map(|file| file.min_time.unwrap_or(i64::MIN));
            match (until, next) {
                (Some(until), Some(next)) if until < next => return Ok(Some(until)),
                (until, None) => return Ok(until),
                _ => {}
            }
            let Some(file) = self.waiting.pop() else { return Ok(until) };
            self.open.extend(Input::open(self.store, file).await?);
        }
    }

    /// Replaces the batches that are used up; closes files at their end.
    async fn read_on(&mut self) -> Result<()> {
        let mut open = Vec::with_capacity(self.open.len());
        for mut input in self.open.drain(..) {
            if input.at < input.batch.num_rows() || input.read().await? {
                open.push(input);
            }
        }
        self.open = open;
        Ok(())
    }
}

impl Input {
    /// Opens a file at its first row; `None` if it has none.
    async fn open(store: &Arc<dyn ObjectStore>, file: &DataFile) -> Result<Option<Self>> {
        let mut reader = FileReader::new(store, file);
        let plain = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await?;
        let options = ArrowReaderOptions::new().with_schema(as_dictionaries(plain.schema()));
        let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options)?;
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_batch_size(READ_ROWS)
            .build()?;
        let mut input = Self { stream, batch: RecordBatch::new_empty(file_schema()), at: 0 };
        Ok(input.read().await?.then_some(input))
    }

    /// Goes on to the next batch that has rows.
    async fn read(&mut self) -> Result<bool> {
        while let Some(batch) = self.stream.try_next().await? {
            if batch.num_rows() > 0 {
                self.batch = to_file_schema(&batch)?;
                self.at = 0;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn times(&self) -> &[i64] {
        let column = self.batch.column_by_name(Col::Time.name());
        let times = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        times.map_or(&[], |times| times.values())
    }

    fn last_time(&self) -> i64 {
        self.times().last().copied().unwrap_or(i64::MAX)
    }
}

/// The columns of a file with labels as dictionaries: read as they lie, without a copy of each value.
fn as_dictionaries(schema: &SchemaRef) -> SchemaRef {
    let wanted = file_schema();
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match wanted.field_with_name(field.name()) {
            Ok(known) => field.as_ref().clone().with_data_type(known.data_type().clone()),
            Err(_) => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The columns of this version: one that the file lacks is null.
fn to_file_schema(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = file_schema();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => new_null_array(field.data_type(), batch.num_rows()),
        })
        .collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}
