//! Reads a SELECT of the state database ahead of the query that wants its rows.
//!
//! The state lends few connections to readers, and the API needs them too. So a reader does not wait for
//! its query: it reads ahead, within the query's memory, and gives the connection back. Only two readers
//! of all queries together may wait; a third one that would have to ends its query with an error.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::MemoryReservation;
use storage::state::rusqlite::{self, Connection};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::rows::Rows;
use super::source::StateSource;
use crate::Error;
use crate::stop::Watch;

/// Readers of all queries together that may wait for their query.
pub(crate) const SLOW_READERS: usize = 2;
/// Batches read ahead.
pub(super) const PARTS_AHEAD: usize = 32;
/// Rows in a batch, at most.
const PART_ROWS: usize = 2_048;
/// Bytes in a batch, about.
const PART_BYTES: usize = 1 << 20;

/// A batch and the memory that it was given.
pub(super) struct Part {
    rows: RecordBatch,
    _memory: MemoryReservation,
}

impl Part {
    pub(super) fn into_rows(self) -> RecordBatch {
        self.rows
    }
}

/// What ends the reading of rows.
enum End {
    /// The query is gone, or has been told what is wrong.
    Told,
    Failed(storage::Error),
}

impl From<storage::Error> for End {
    fn from(error: storage::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<rusqlite::Error> for End {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Reads all rows into `sender`. Blocks.
pub(super) fn run(
    source: &StateSource,
    memory: &MemoryReservation,
    watch: Option<&Watch>,
    sender: &Sender<DfResult<Part>>,
) {
    let reader = Reader { source, memory, watch, sender };
    let read: Result<(), End> = source.state.read(|connection| reader.rows(connection));
    if let Err(End::Failed(error)) = read {
        reader.tell(Error::Failed(format!("`{}` cannot be read: {error}", source.table.name)).into());
    }
}

struct Reader<'a> {
    source: &'a StateSource,
    memory: &'a MemoryReservation,
    watch: Option<&'a Watch>,
    sender: &'a Sender<DfResult<Part>>,
}

impl Reader<'_> {
    fn rows(&self, connection: &Connection) -> Result<(), End> {
        let mut select = connection.prepare(&self.source.sql())?;
        let mut found = select.query([])?;
        let mut rows = Rows::new(self.source);
        while let Some(row) = found.next()? {
            rows.add(row)?;
            if rows.len() >= PART_ROWS || rows.bytes() >= PART_BYTES {
                self.send(&mut rows)?;
            }
        }
        self.send(&mut rows)
    }

    fn send(&self, rows: &mut Rows) -> Result<(), End> {
        if let Some(watch) = self.watch {
            watch.check().map_err(|error| self.tell(error))?;
        }
        if rows.len() == 0 {
            return Ok(());
        }
        let rows = rows.take().map_err(|error| self.tell(error))?;
        let memory = self.memory.new_empty();
        memory.try_grow(rows.get_array_memory_size()).map_err(|error| self.tell(error))?;
        match self.sender.try_send(Ok(Part { rows, _memory: memory })) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(End::Told),
            Err(TrySendError::Full(part)) => {
                let Ok(_place) = self.source.slow.try_acquire() else {
                    return Err(self.tell(self.too_slow().into()));
                };
                self.sender.blocking_send(part).map_err(|_| End::Told)
            }
        }
    }

    fn too_slow(&self) -> Error {
        let name = self.source.table.name;
        Error::MemoryLimit {
            what: format!("`{name}` is read faster than the query goes on, and others wait already"),
            mend: "select fewer columns, or add a LIMIT",
        }
    }

    fn tell(&self, error: DataFusionError) -> End {
        // If the query is gone there is nobody to tell.
        drop(self.sender.blocking_send(Err(error)));
        End::Told
    }
}
