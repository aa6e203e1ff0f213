//! Reading data files.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use event::Col;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::data_file::DataFile;
use crate::Result;

/// The footer is within this many bytes of the end, mostly, so one read fetches it.
const FOOTER_BYTES: usize = 64 << 10;

/// The bytes of one data file.
#[derive(Debug, Clone)]
pub(crate) struct FileReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl FileReader {
    pub(crate) fn new(store: &Arc<dyn ObjectStore>, file: &DataFile) -> Self {
        Self { store: store.clone(), path: file.path.clone(), bytes: file.bytes }
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.store.get_range(&self.path, range).map_err(external).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Reads some columns of a file, `rows` rows at a time, in the file's order of columns.
pub(crate) async fn read_columns(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    columns: &[Col],
    rows: usize,
) -> Result<ParquetRecordBatchStream<FileReader>> {
    let builder = ParquetRecordBatchStreamBuilder::new(FileReader::new(store, file)).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(|col| col.name()));
    Ok(builder.with_projection(mask).with_batch_size(rows).build()?)
}
