//! The ids of events in the table, for the duplicate index.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use event::{Col, EventKey, Offset};
use futures::TryStreamExt;

use super::EventTable;
use super::data_file::DataFile;
use super::partition::Partition;
use super::read::read_columns;
use crate::Result;

/// Rows read at a time.
const READ_ROWS: usize = 16_384;

impl EventTable {
    /// Gives `take` the key and the log offset of every stored row of one day whose offset is `from` or
    /// higher; rows of lower offsets may come too. Memory is bounded by a row group's two columns.
    ///
    /// # Errors
    /// A file cannot be read, or `take` refuses.
    pub(crate) async fn stored_keys(
        &self,
        day: i32,
        from: Offset,
        take: &mut impl FnMut(EventKey, Offset) -> Result<()>,
    ) -> Result<()> {
        let may_hold = |file: &&Arc<DataFile>| {
            file.partition.day == day && file.max_offset.is_none_or(|offset| offset >= from)
        };
        let files = self.inner.view.lock().files.clone();
        for file in files.iter().filter(may_hold) {
            let columns = [Col::EventUid, Col::LogOffset];
            let mut stream = read_columns(self.inner.log.store(), file, &columns, READ_ROWS).await?;
            while let Some(batch) = stream.try_next().await? {
                take_keys(&batch, take)?;
            }
        }
        Ok(())
    }

    /// The same for the rows that are not in files yet.
    ///
    /// # Errors
    /// `take` refuses.
    pub(crate) fn live_keys(
        &self,
        day: i32,
        take: &mut impl FnMut(EventKey, Offset) -> Result<()>,
    ) -> Result<()> {
        let live = self.inner.view.lock().live();
        for batch in &live {
            for row in 0..batch.len() {
                let its_day = batch.int_at(Col::EventDay, row).and_then(|day| i32::try_from(day).ok());
                if its_day.map(Partition::day_in_table) != Some(day) {
                    continue;
                }
                let key = batch.str_at(Col::EventUid, row).and_then(EventKey::parse);
                let offset =
                    batch.int_at(Col::LogOffset, row).and_then(|offset| Offset::try_from(offset).ok());
                if let (Some(key), Some(offset)) = (key, offset) {
                    take(key, offset)?;
                }
            }
        }
        Ok(())
    }
}

fn take_keys(batch: &RecordBatch, take: &mut impl FnMut(EventKey, Offset) -> Result<()>) -> Result<()> {
    // The order in the file, not in the question.
    let uids = batch.column_by_name(Col::EventUid.name()).and_then(|column| column.as_string_opt::<i32>());
    let offsets = batch.column_by_name(Col::LogOffset.name());
    let offsets = offsets.and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(uids), Some(offsets)) = (uids, offsets) else { return Ok(()) };
    for (uid, offset) in uids.iter().zip(offsets.values()) {
        if let (Some(key), Ok(offset)) = (uid.and_then(EventKey::parse), Offset::try_from(*offset)) {
            take(key, offset)?;
        }
    }
    Ok(())
}
