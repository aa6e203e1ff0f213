//! An answer on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::{Error, Result};

/// Batches of an answer. Dropping it cancels the query.
#[derive(Debug)]
pub struct QueryStream {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: mpsc::Receiver<Result<RecordBatch>>,
    pub(crate) truncated: Arc<AtomicBool>,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
    pub(crate) worker: AbortHandle,
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl QueryStream {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next batch; `None` at the end. After an error nothing follows.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        match tokio::time::timeout_at(self.deadline, self.batches.recv()).await {
            Ok(batch) => batch,
            Err(_) => {
                self.worker.abort();
                self.batches.close();
                Some(Err(Error::Timeout { after: self.timeout }))
            }
        }
    }

    /// Whether the answer was cut at the limit of rows; known at its end.
    pub fn truncated(&self) -> bool {
        self.truncated.load(Ordering::Relaxed)
    }
}

impl Drop for QueryStream {
    fn drop(&mut self) {
        self.worker.abort();
    }
}
