//! Parquet.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::{Error, Result};

/// Rows in a row group, at most.
const GROUP_ROWS: usize = 131_072;
/// Bytes in a row group as it is gathered in memory, about.
const GROUP_BYTES: usize = 32 << 20;

pub(super) struct ParquetWriter<W: Write> {
    /// Writes into memory, from where the sink gets it: so the sink need not be `Send`, and its errors
    /// stay what they are.
    writer: ArrowWriter<Vec<u8>>,
    sink: W,
}

impl<W: Write> ParquetWriter<W> {
    pub(super) fn new(sink: W, schema: &SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(failed)?;
        Ok(Self { writer, sink })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(failed)?;
        if self.writer.in_progress_size() > GROUP_BYTES {
            self.writer.flush().map_err(failed)?;
        }
        self.pass_on()
    }

    pub(super) fn finish(self) -> Result<W> {
        let Self { writer, mut sink } = self;
        sink.write_all(&writer.into_inner().map_err(failed)?)?;
        Ok(sink)
    }

    fn pass_on(&mut self) -> Result<()> {
        let ready = std::mem::take(self.writer.inner_mut());
        Ok(self.sink.write_all(&ready)?)
    }
}

fn failed(error: ParquetError) -> Error {
    let problem = match error {
        ParquetError::NYI(text) | ParquetError::ArrowError(text) => text,
        other => ArrowError::from(other).to_string(),
    };
    Error::Encode { format: "Parquet", problem }
}
