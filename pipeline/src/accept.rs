//! Records enter: durable in the log, or refused.

use std::ops::Range;

use event::{Offset, RawBatch};

use crate::tally::add;
use crate::{Error, Pipeline, Result};

impl Pipeline {
    /// Makes a batch durable and returns its offsets. Waits while the log is full, so that a slow
    /// disk or table slows the source. Acknowledge the source after this returns, never before.
    ///
    /// # Errors
    /// The log refuses (disk, corruption) or the pipeline has stopped. In the latter case the batch may
    /// have been made durable all the same; sent again, its events are found to be duplicates.
    pub async fn accept(&self, batch: &RawBatch) -> Result<Range<Offset>> {
        self.running()?;
        // Once the stages have ended, nobody makes room in a full log any more.
        let mut stopped = self.stop.subscribe();
        let offsets = tokio::select! {
            biased;
            offsets = self.parts.log.append(batch) => offsets?,
            () = crate::stop::asked(&mut stopped) => return Err(self.stopped()),
        };
        self.count(batch);
        Ok(offsets)
    }

    /// As [`accept`](Self::accept), but where the log is full it answers with an error of fate
    /// [`Retry`](event::Fate::Retry) at once.
    ///
    /// # Errors
    /// As [`accept`](Self::accept), and the log is full.
    pub async fn try_accept(&self, batch: &RawBatch) -> Result<Range<Offset>> {
        self.running()?;
        let offsets = self.parts.log.try_append(batch).await?;
        self.count(batch);
        Ok(offsets)
    }

    fn running(&self) -> Result<()> {
        match self.health.failure() {
            None => Ok(()),
            Some(reason) => Err(Error::Stopped { reason }),
        }
    }

    fn count(&self, batch: &RawBatch) {
        add(&self.tally.accepted_records, batch.len() as u64);
        add(&self.tally.accepted_bytes, batch.byte_len() as u64);
    }
}
