//! The answer to a query.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::worker::{Client, Running};
use crate::{Error, Result};

/// Rows as they are found. Dropping it stops the query.
#[derive(Debug)]
pub struct QueryStream {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    truncated: Arc<AtomicBool>,
    /// `None` once the answer has ended.
    running: Option<Running>,
}

impl QueryStream {
    pub(crate) async fn open(running: Running, client: Client) -> Result<Self> {
        let deadline = Instant::from_std(running.stop().deadline());
        let schema = match timeout_at(deadline, client.schema).await {
            Ok(Ok(schema)) => schema?,
            Ok(Err(_)) => return Err(broken_off()),
            Err(_) => return Err(running.stop().timeout()),
        };
        let (batches, truncated) = (client.batches, client.truncated);
        Ok(Self { schema, batches, truncated, running: Some(running) })
    }

    /// The columns of the answer, each under a name of its own.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next rows, at least one; `None` at the end. An error is the last item: what came before is not
    /// the whole answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        let stop = self.running.as_ref()?.stop();
        let item = match timeout_at(Instant::from_std(stop.deadline()), self.batches.recv()).await {
            Ok(item) => item,
            Err(_) => Some(Err(stop.timeout())),
        };
        if !matches!(item, Some(Ok(_))) {
            self.running = None;
        }
        item
    }

    /// Whether there were more rows than [`max_rows`](crate::QueryRequest::max_rows); known at the end.
    pub fn truncated(&self) -> bool {
        self.truncated.load(Ordering::Acquire)
    }
}

fn broken_off() -> Error {
    Error::Failed("the query broke off".into())
}
