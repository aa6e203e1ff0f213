//! The ids of stored events, for the duplicate index.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use event::{Col, EventKey, Offset};
use futures::TryStreamExt;

use super::EventTable;
use super::data_file::DataFile;
use crate::Result;

/// Rows read at a time.
const READ_ROWS: usize = 16_384;

impl EventTable {
    /// Gives `take` the key and the log offset of every row of one day, stored or live, whose offset is
    /// `from` or higher; a few rows of lower offsets may come too. Memory is bounded by a row group's
    /// two columns.
    ///
    /// # Errors
    /// A file cannot be read, or `take` refuses.
    pub async fn keys_of_day(
        &self,
        day: i32,
        from: Offset,
        mut take: impl FnMut(EventKey, Offset) -> Result<()>,
    ) -> Result<()> {
        let snapshot = self.snapshot();
        let may_hold = |file: &&std::sync::Arc<DataFile>| {
            file.partition.day == day && file.max_offset.is_none_or(|offset| offset >= from)
        };
        for file in snapshot.files.iter().filter(may_hold) {
            let columns = [Col::EventUid, Col::LogOffset];
            let mut stream = snapshot.read_columns(file, &columns, READ_ROWS).await?;
            while let Some(batch) = stream.try_next().await? {
                take_keys(&batch, &mut take)?;
            }
        }
        for batch in &snapshot.live {
            for row in 0..batch.len() {
                if batch.int_at(Col::EventDay, row) != Some(day.into()) {
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
