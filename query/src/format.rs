//! Answers as text or files, batch by batch.

mod csv;
mod table;

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, Writer as JsonWriter, WriterBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use self::csv::CsvWriter;
use self::table::TableWriter;
use crate::{Error, Result};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for the eye; rows that are too wide are written one field a line.
    Table,
    /// RFC 4180, with a head; cells that a spreadsheet would take for a formula are defused.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// A Parquet file, zstd.
    Parquet,
    /// A stream of Arrow IPC messages.
    ArrowIpc,
}

/// Writes an answer in one [`Format`]; [`finish`](Self::finish) it, or its end is missing.
#[derive(Debug)]
pub struct Writer<W: Write + Send> {
    inner: Inner<W>,
}

enum Inner<W: Write + Send> {
    Table(TableWriter<W>),
    Csv(CsvWriter<W>),
    Json(JsonWriter<W, JsonArray>),
    Ndjson(JsonWriter<W, LineDelimited>),
    Parquet(Box<ArrowWriter<W>>),
    ArrowIpc(Box<StreamWriter<W>>),
}

impl<W: Write + Send> std::fmt::Debug for Inner<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Table(_) => "Table",
            Self::Csv(_) => "Csv",
            Self::Json(_) => "Json",
            Self::Ndjson(_) => "Ndjson",
            Self::Parquet(_) => "Parquet",
            Self::ArrowIpc(_) => "ArrowIpc",
        })
    }
}

impl Format {
    /// A writer of rows with `schema` to `out`.
    ///
    /// # Errors
    /// `out` refuses.
    pub fn writer<W: Write + Send>(self, out: W, schema: &SchemaRef) -> Result<Writer<W>> {
        let json = WriterBuilder::new().with_explicit_nulls(true);
        let inner = match self {
            Self::Table => Inner::Table(TableWriter::new(out, schema.clone())),
            Self::Csv => Inner::Csv(CsvWriter::new(out, schema)?),
            Self::Json => Inner::Json(json.build::<_, JsonArray>(out)),
            Self::Ndjson => Inner::Ndjson(json.build::<_, LineDelimited>(out)),
            Self::Parquet => {
                let level = ZstdLevel::try_new(3).unwrap_or_default();
                let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
                let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(failed)?;
                Inner::Parquet(Box::new(writer))
            }
            Self::ArrowIpc => Inner::ArrowIpc(Box::new(StreamWriter::try_new(out, schema).map_err(arrow)?)),
        };
        Ok(Writer { inner })
    }
}

impl<W: Write + Send> Writer<W> {
    /// Writes rows.
    ///
    /// # Errors
    /// The output refuses.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.inner {
            Inner::Table(writer) => writer.write(batch),
            Inner::Csv(writer) => writer.write(batch),
            Inner::Json(writer) => writer.write(batch).map_err(arrow),
            Inner::Ndjson(writer) => writer.write(batch).map_err(arrow),
            Inner::Parquet(writer) => writer.write(batch).map_err(failed),
            Inner::ArrowIpc(writer) => writer.write(batch).map_err(arrow),
        }
    }

    /// Writes what stands at the end, and flushes.
    ///
    /// # Errors
    /// The output refuses.
    pub fn finish(self) -> Result<()> {
        match self.inner {
            Inner::Table(writer) => writer.finish(),
            Inner::Csv(writer) => writer.finish(),
            Inner::Json(mut writer) => {
                writer.finish().map_err(arrow)?;
                Ok(writer.into_inner().flush()?)
            }
            Inner::Ndjson(mut writer) => {
                writer.finish().map_err(arrow)?;
                Ok(writer.into_inner().flush()?)
            }
            Inner::Parquet(writer) => Ok(writer.into_inner().map_err(failed)?.flush()?),
            Inner::ArrowIpc(mut writer) => {
                writer.finish().map_err(arrow)?;
                Ok(writer.into_inner().map_err(arrow)?.flush()?)
            }
        }
    }
}

fn arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => Error::Io(error),
        other => failed(other),
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
