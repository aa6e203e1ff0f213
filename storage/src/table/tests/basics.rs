//! Appending, committing, opening again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use event::stored_schema;

use super::*;
use crate::table::{CommitStats, Partition};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_shown_at_once_and_stay_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    assert_eq!((table.committed(), table.snapshot().files.len()), (0, 0));
    assert_eq!(table.commit().await.unwrap(), CommitStats::default());

    table.append(events(0, 20), 20).unwrap();
    assert_eq!(shown(&table.snapshot()).await, expected(0, 20));
    assert!(table.pending_bytes() > 0);
    let stats = table.commit().await.unwrap();
    assert_eq!((stats.rows, stats.files, table.committed()), (20, 2, 20));
    assert_eq!(table.pending_bytes(), 0);
    table.append(events(20, 25), 27).unwrap();
    table.commit().await.unwrap();
    table.append(events(27, 30), 30).unwrap();
    let both = [expected(0, 25), expected(27, 30)].concat();
    assert_eq!(shown(&table.snapshot()).await, both);
    assert_eq!(table.snapshot().live.iter().map(EventBatch::len).sum::<usize>(), 3);

    let again = open(folder.path()).await;
    assert_eq!(again.committed(), 27);
    assert_eq!(shown(&again.snapshot()).await, expected(0, 25));
    let snapshot = again.snapshot();
    let mut partitions: Vec<_> = snapshot.files.iter().map(|file| file.partition.clone()).collect();
    partitions.sort();
    partitions.dedup();
    assert_eq!(partitions, [Partition::new(19_999, "AWS"), Partition::new(20_000, "AWS")]);
    for file in snapshot.files.iter() {
        let day = i64::from(file.partition.day) * DAY;
        assert!(file.min_time.unwrap() >= day && file.max_time.unwrap() < day + DAY, "{file:?}");
        assert!(file.max_offset.unwrap() < 27 && file.bytes > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_adds_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    table.append(events(0, 10), 10).unwrap();
    table.append(events(5, 12), 12).unwrap();
    table.append(events(0, 3), 12).unwrap();
    table.commit().await.unwrap();
    table.append(events(0, 15), 15).unwrap();
    let again = open(folder.path()).await;
    again.append(events(0, 14), 14).unwrap();
    assert_eq!(shown(&table.snapshot()).await, expected(0, 15));
    assert_eq!(shown(&again.snapshot()).await, expected(0, 14));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_without_rows_is_committed_too() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    table.append(EventBatch::empty(), 7).unwrap();
    let stats = table.commit().await.unwrap();
    assert_eq!((stats.version, stats.rows, stats.files), (1, 0, 0));
    assert_eq!(open(folder.path()).await.committed(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_batches_are_joined_and_many_partitions_go_into_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    for offset in 0..200 {
        let provider = ["AWS", "Azure", "GCP"][offset as usize % 3];
        let row =
            Row { key: offset.into(), offset, time: (offset as i64 % 7) * DAY, provider, ..Row::default() };
        table.append(batch(&[row]), offset + 1).unwrap();
    }
    assert!(table.snapshot().live.len() < 12, "{}", table.snapshot().live.len());
    assert_eq!(shown(&table.snapshot()).await, expected(0, 200));
    let stats = table.commit().await.unwrap();
    assert_eq!((stats.version, stats.files, stats.rows), (1, 21, 200));
    assert_eq!(stored(&table.snapshot()).await, expected(0, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_due_by_bytes_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = TableConfig { commit_bytes: 1 << 20, ..config() };
    let table = EventTable::open(folder.path(), config).await.unwrap();
    let now = Instant::now();
    let late = now + Duration::from_secs(31);
    assert!(!table.commit_due(late));
    table.append(events(0, 2), 2).unwrap();
    assert!(!table.commit_due(now) && table.commit_due(late));
    table.append(events(2, 5000), 5000).unwrap();
    assert!(table.commit_due(now), "{}", table.pending_bytes());
    table.commit().await.unwrap();
    assert!(!table.commit_due(late));
}

/// Reads while another task appends and commits: never is a row missing or there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_never_sees_a_row_twice_or_misses_one() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    let done = Arc::new(AtomicBool::new(false));
    let appended = {
        let (table, done) = (table.clone(), done.clone());
        tokio::spawn(async move {
            for offset in 0..300 {
                table.append(events(offset, offset + 1), offset + 1).unwrap();
                tokio::task::yield_now().await;
            }
            done.store(true, Ordering::Release);
        })
    };
    let committed = {
        let (table, done) = (table.clone(), done.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Acquire) {
                table.commit().await.unwrap();
            }
        })
    };
    let (mut snapshots, mut last) = (0, 0);
    while !done.load(Ordering::Acquire) {
        let rows = shown(&table.snapshot()).await;
        assert_eq!(rows, expected(0, rows.len() as u64));
        assert!(rows.len() >= last);
        (snapshots, last) = (snapshots + 1, rows.len());
    }
    appended.await.unwrap();
    committed.await.unwrap();
    assert!(snapshots > 3);
    table.commit().await.unwrap();
    assert_eq!(stored(&table.snapshot()).await, expected(0, 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sorted_and_readable_without_our_schema() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    let row = |offset: u64| Row { key: offset.into(), offset, time: 100 - offset as i64, ..Row::default() };
    table.append(batch(&(0..50).map(row).collect::<Vec<_>>()), 50).unwrap();
    table.commit().await.unwrap();
    let snapshot = table.snapshot();
    let path = folder.path().join(snapshot.files[0].path.as_ref());
    let bytes = bytes::Bytes::from(std::fs::read(path).unwrap());
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let meta = builder.metadata().clone();
    assert!(meta.file_metadata().created_by().unwrap().starts_with("stormglass "));
    let sorting = meta.row_group(0).sorting_columns().unwrap();
    assert_eq!((sorting.len(), sorting[0].column_idx, sorting[0].descending), (1, 0, false));
    let with_bloom =
        meta.row_group(0).columns().iter().filter(|column| column.bloom_filter_offset().is_some());
    assert_eq!(with_bloom.count(), 9);
    let read = builder.build().unwrap().next().unwrap().unwrap();
    let times = read.column(0).as_primitive::<arrow::datatypes::TimestampMicrosecondType>().values();
    assert!(times.is_sorted() && times.len() == 50);
    // Plain types, as the table's description says, less the partition's columns.
    for field in read.schema().fields() {
        let wanted = stored_schema().field_with_name(field.name()).unwrap().clone();
        assert_eq!(field.data_type(), wanted.data_type(), "{}", field.name());
    }
    assert_eq!(read.num_columns(), stored_schema().fields().len() - 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_is_the_oldest_that_will_do() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await;
    let first = folder.path().join("_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(first).unwrap();
    assert!(text.contains(r#""minReaderVersion":1,"minWriterVersion":2"#), "{text}");
    assert!(!text.contains("Features"), "{text}");
    assert!(text.contains(r#""partitionColumns":["event_day","cloud_provider"]"#), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_table_is_refused_and_an_older_one_gets_new_columns() {
    use deltalake_core::kernel::{DataType, StructField};
    use deltalake_core::operations::create::CreateBuilder;
    let make = async |columns: Vec<StructField>| {
        let folder = tempfile::tempdir().unwrap();
        let columns = columns.into_iter().chain([
            StructField::not_null("event_day", DataType::DATE),
            StructField::not_null("cloud_provider", DataType::STRING),
        ]);
        let create =
            CreateBuilder::new().with_location(folder.path().to_str().unwrap()).with_columns(columns);
        create.with_partition_columns(["event_day", "cloud_provider"]).await.unwrap();
        folder
    };
    let folder = make(vec![StructField::nullable("time", DataType::STRING)]).await;
    let refused = EventTable::open(folder.path(), config()).await.unwrap_err();
    assert!(refused.to_string().contains("`time` as string, not timestamp"), "{refused}");

    let folder = make(vec![StructField::not_null("time", DataType::TIMESTAMP)]).await;
    let table = open(folder.path()).await;
    table.claim().await.unwrap();
    table.append(events(0, 3), 3).unwrap();
    table.commit().await.unwrap();
    let again = open(folder.path()).await;
    assert_eq!(shown(&again.snapshot()).await, expected(0, 3));
    // Nothing more to add.
    let before = again.snapshot().version;
    again.claim().await.unwrap();
    let entry = format!("_delta_log/{:020}.json", before + 1);
    let text = std::fs::read_to_string(folder.path().join(entry)).unwrap();
    assert!(!text.contains("metaData") && text.contains("\"txn\""), "{text}");

    let url = EventTable::open("s3://bucket/events", config()).await.unwrap_err();
    assert!(url.to_string().contains("`s3` addresses are not supported yet"), "{url}");
}
