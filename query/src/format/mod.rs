//! Answers as text and bytes, batch by batch.

mod columnar;
mod csv;
mod table;
mod visible;

use std::fmt;
use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, Writer as JsonWriter, WriterBuilder};

use self::columnar::ParquetWriter;
use self::csv::CsvWriter;
use self::table::TableWriter;
pub use self::visible::acts as acts_on_terminal;
use crate::{Error, Result};

/// A form in which an answer is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for the eye, laid out for a terminal. Characters that would drive the terminal are shown
    /// as what they are.
    Table,
    /// Comma-separated values with a head (RFC 4180). Text that a spreadsheet would take for a formula
    /// begins with `'`.
    Csv,
    /// One JSON array of objects. Times are RFC 3339 in UTC; null members are there.
    Json,
    /// The same objects, one a line.
    Ndjson,
    /// A Parquet file, compressed with Zstandard.
    Parquet,
    /// An Arrow IPC stream.
    ArrowIpc,
}

impl Format {
    /// A writer of batches of `schema` into `sink`. Many small writes may go to the sink: buffer it.
    ///
    /// # Errors
    /// The sink refuses, or the format has no form for a column's type.
    pub fn writer<W: Write>(self, sink: W, schema: &SchemaRef) -> Result<Writer<W>> {
        let body = match self {
            Self::Table => Body::Table(TableWriter::new(sink, schema)),
            Self::Csv => Body::Csv(CsvWriter::new(sink, schema)?),
            Self::Json => Body::Json(json().build::<W, JsonArray>(sink)),
            Self::Ndjson => Body::Ndjson(json().build::<W, LineDelimited>(sink)),
            Self::Parquet => Body::Parquet(Box::new(ParquetWriter::new(sink, schema)?)),
            Self::ArrowIpc => {
                Body::ArrowIpc(StreamWriter::try_new(sink, schema).map_err(|e| self.failed(e))?)
            }
        };
        Ok(Writer { format: self, body })
    }

    /// The format's name in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Ndjson => "NDJSON",
            Self::Parquet => "Parquet",
            Self::ArrowIpc => "Arrow IPC",
        }
    }

    fn failed(self, error: ArrowError) -> Error {
        match error {
            ArrowError::IoError(_, error) => Error::Write(error),
            other => Error::Encode { format: self.name(), problem: other.to_string() },
        }
    }
}

fn json() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true)
}

/// Writes an answer; made by [`Format::writer`].
pub struct Writer<W: Write> {
    format: Format,
    body: Body<W>,
}

enum Body<W: Write> {
    Table(TableWriter<W>),
    Csv(CsvWriter<W>),
    Json(JsonWriter<W, JsonArray>),
    Ndjson(JsonWriter<W, LineDelimited>),
    Parquet(Box<ParquetWriter<W>>),
    ArrowIpc(StreamWriter<W>),
}

impl<W: Write> Writer<W> {
    /// Lays a table out for a terminal of so many columns; other formats have no width.
    #[must_use]
    pub fn with_width(mut self, columns: usize) -> Self {
        if let Body::Table(table) = &mut self.body {
            table.set_width(columns);
        }
        self
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// The sink refuses, or the format has no form for a value. What was written is no whole answer then.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let format = self.format;
        match &mut self.body {
            Body::Table(table) => table.write(batch),
            Body::Csv(csv) => csv.write(batch),
            Body::Json(json) => json.write(batch).map_err(|error| format.failed(error)),
            Body::Ndjson(json) => json.write(batch).map_err(|error| format.failed(error)),
            Body::Parquet(parquet) => parquet.write(batch),
            Body::ArrowIpc(ipc) => ipc.write(batch).map_err(|error| format.failed(error)),
        }
    }

    /// Writes what ends an answer, and flushes the sink.
    ///
    /// # Errors
    /// The sink refuses.
    pub fn finish(self) -> Result<()> {
        let format = self.format;
        let mut sink = match self.body {
            Body::Table(table) => table.finish()?,
            Body::Csv(csv) => csv.finish(),
            Body::Json(mut json) => {
                json.finish().map_err(|error| format.failed(error))?;
                json.into_inner()
            }
            Body::Ndjson(mut json) => {
                json.finish().map_err(|error| format.failed(error))?;
                json.into_inner()
            }
            Body::Parquet(parquet) => parquet.finish()?,
            Body::ArrowIpc(mut ipc) => {
                ipc.finish().map_err(|error| format.failed(error))?;
                ipc.into_inner().map_err(|error| format.failed(error))?
            }
        };
        Ok(sink.flush()?)
    }
}

impl<W: Write> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("format", &self.format).finish_non_exhaustive()
    }
}

/// The names of the columns.
fn names(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

#[cfg(test)]
mod tests;
