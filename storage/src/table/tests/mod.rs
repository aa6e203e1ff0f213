//! The table as its users see it.

mod basics;
mod faults;
pub(crate) mod faulty;
mod maintenance;
mod order;
mod rivals;

use std::path::Path as FsPath;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use event::{Col, EventBatch, EventKey};
use futures::TryStreamExt;
use object_store::ObjectStore;
use url::Url;

use super::read::read_columns;
use super::testing::{Row, batch};
use super::{EventTable, TableConfig, TableSnapshot};

const DAY: i64 = 86_400_000_000;

/// Small files, one writer thread.
fn config() -> TableConfig {
    TableConfig { write_threads: 2, checkpoint_every: 5, ..TableConfig::default() }
}

async fn open(folder: &FsPath) -> EventTable {
    EventTable::open(folder, config()).await.unwrap()
}

async fn open_store(store: &Arc<dyn ObjectStore>) -> crate::Result<EventTable> {
    EventTable::open_store(store.clone(), &Url::parse("memory:///events").unwrap(), config()).await
}

/// Events of the offsets `from..to`; the key is the offset, every tenth is of the day before.
fn events(from: u64, to: u64) -> EventBatch {
    let row = |offset: u64| Row {
        key: offset.into(),
        offset,
        time: 20_000 * DAY + offset as i64 - if offset.is_multiple_of(10) { DAY } else { 0 },
        ..Row::default()
    };
    batch(&(from..to).map(row).collect::<Vec<_>>())
}

/// The key and offset of every row that a snapshot shows, sorted.
async fn shown(snapshot: &TableSnapshot) -> Vec<(u128, u64)> {
    let mut rows = stored(snapshot).await;
    for batch in &snapshot.live {
        for row in 0..batch.len() {
            let key = EventKey::parse(batch.str_at(Col::EventUid, row).unwrap()).unwrap();
            rows.push((key.0, batch.int_at(Col::LogOffset, row).unwrap() as u64));
        }
    }
    rows.sort_unstable();
    rows
}

/// The same for the files alone.
async fn stored(snapshot: &TableSnapshot) -> Vec<(u128, u64)> {
    let mut rows = Vec::new();
    for file in snapshot.files.iter() {
        let before = rows.len();
        let mut stream =
            read_columns(&snapshot.store, file, &[Col::EventUid, Col::LogOffset], 1000).await.unwrap();
        while let Some(batch) = stream.try_next().await.unwrap() {
            let uids = batch.column_by_name("event_uid").unwrap().as_string::<i32>();
            let offsets = batch.column_by_name("log_offset").unwrap().as_primitive::<Int64Type>();
            for (uid, offset) in uids.iter().zip(offsets.values()) {
                rows.push((EventKey::parse(uid.unwrap()).unwrap().0, *offset as u64));
            }
        }
        assert_eq!(file.rows, Some((rows.len() - before) as u64));
    }
    rows.sort_unstable();
    rows
}

/// What [`shown`] should give for the offsets `from..to`.
fn expected(from: u64, to: u64) -> Vec<(u128, u64)> {
    (from..to).map(|offset| (offset.into(), offset)).collect()
}
