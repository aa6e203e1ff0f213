//! Compaction, expiry, vacuum, checkpoints.

use std::time::Duration;

use super::*;
use crate::table::Expired;

async fn with_commits(folder: &FsPath, commits: u64) -> EventTable {
    let table = open(folder).await;
    for commit in 0..commits {
        table.append(events(commit * 10, commit * 10 + 10), commit * 10 + 10).unwrap();
        table.commit().await.unwrap();
    }
    table
}

fn parquet_files(folder: &FsPath) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("_delta_log") {
            count += parquet_files(&path);
        }
        count += usize::from(path.extension().is_some_and(|extension| extension == "parquet"));
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_keeps_rows_offset_and_order() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_commits(folder.path(), 9).await;
    let before = table.snapshot();
    assert_eq!(before.files.len(), 18);
    table.append(events(90, 95), 95).unwrap();
    let stats = table.compact().await.unwrap();
    assert_eq!((stats.merged, stats.written), (18, 2));
    assert!(stats.bytes_after < stats.bytes_before);
    assert_eq!(shown(&table.snapshot()).await, expected(0, 95));
    // A query that began before still reads.
    assert_eq!(stored(&before).await, expected(0, 90));
    assert_eq!(table.compact().await.unwrap().merged, 0);

    let again = open(folder.path()).await;
    assert_eq!((again.committed(), again.snapshot().files.len()), (90, 2));
    assert_eq!(stored(&again.snapshot()).await, expected(0, 90));
    for file in again.snapshot().files.iter() {
        let mut stream = read_columns(&again.snapshot().store, file, &[Col::Time], 1000).await.unwrap();
        let batch = stream.try_next().await.unwrap().unwrap();
        let times = batch.column(0).as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        assert!(times.values().is_sorted());
        assert!(file.min_time.unwrap() <= times.value(0));
    }
}

/// Times all over the place, files that overlap, chunks smaller than files.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_overlapping_files_is_sorted_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    let mut random = 9u64;
    for commit in 0..8u64 {
        let rows: Vec<_> = (0..1500)
            .map(|row| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let offset = commit * 1500 + row;
                let time = (random >> 40) as i64 + if commit < 4 { 0 } else { 8 << 20 };
                Row { key: offset.into(), offset, time, ..Row::default() }
            })
            .collect();
        table.append(batch(&rows), commit * 1500 + 1500).unwrap();
        table.commit().await.unwrap();
    }
    assert_eq!(table.compact().await.unwrap().merged, 8);
    let snapshot = table.snapshot();
    assert_eq!(stored(&snapshot).await, expected(0, 12_000));
    let mut last = i64::MIN;
    let mut stream = read_columns(&snapshot.store, &snapshot.files[0], &[Col::Time], 1000).await.unwrap();
    while let Some(batch) = stream.try_next().await.unwrap() {
        let times = batch.column(0).as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        assert!(times.values().is_sorted() && times.value(0) >= last);
        last = times.value(times.values().len() - 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_go_on_while_compacting() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_commits(folder.path(), 16).await;
    let compacting = {
        let table = table.clone();
        tokio::spawn(async move {
            let mut merged = 0;
            for _ in 0..3 {
                merged += table.compact().await.unwrap().merged;
            }
            merged
        })
    };
    for commit in 16..26 {
        table.append(events(commit * 10, commit * 10 + 10), commit * 10 + 10).unwrap();
        table.commit().await.unwrap();
    }
    assert!(compacting.await.unwrap() >= 16);
    assert_eq!(stored(&table.snapshot()).await, expected(0, 260));
    assert_eq!(stored(&open(folder.path()).await.snapshot()).await, expected(0, 260));
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_removes_whole_days_and_counts_by_source() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    let row = |offset: u64| Row {
        key: offset.into(),
        offset,
        time: (offset as i64 % 4) * DAY,
        source: ["cli", "http", "http"][offset as usize % 3],
        ..Row::default()
    };
    table.append(batch(&(0..40).map(row).collect::<Vec<_>>()), 40).unwrap();
    table.commit().await.unwrap();
    // Live rows of old days are not the table's yet.
    table.append(batch(&(40..44).map(row).collect::<Vec<_>>()), 44).unwrap();
    assert_eq!(table.expire(0).await.unwrap(), Expired::default());
    let expired = table.expire(2).await.unwrap();
    let gone = |from: u64, to: u64, source: &str| {
        (from..to).filter(|offset| offset % 4 < 2 && row(*offset).source == source).count() as u64
    };
    assert_eq!(expired.files, 2);
    assert_eq!(
        expired.rows,
        [("cli".into(), gone(0, 40, "cli")), ("http".into(), gone(0, 40, "http"))].into()
    );
    let kept: Vec<_> =
        expected(0, 44).into_iter().filter(|(_, offset)| *offset >= 40 || offset % 4 >= 2).collect();
    assert_eq!(shown(&table.snapshot()).await, kept);
    table.commit().await.unwrap();
    table.expire(2).await.unwrap();

    let again = open(folder.path()).await;
    assert_eq!(again.expired()["http"], gone(0, 44, "http"));
    assert_eq!(again.expired()["cli"], gone(0, 44, "cli"));
    assert_eq!(again.committed(), 44);
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_deletes_only_what_nobody_needs() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_commits(folder.path(), 8).await;
    table.compact().await.unwrap();
    // A crash between writing and committing leaves an orphan, and half a file.
    let orphan = folder.path().join("event_day=1970-01-01/cloud_provider=AWS/events-0.zstd.parquet");
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, "x").unwrap();
    let staging = orphan.with_file_name("events-1.zstd.parquet#123");
    std::fs::write(&staging, "x").unwrap();
    assert_eq!(parquet_files(folder.path()), 19);

    let hour = Duration::from_secs(3600);
    assert_eq!(table.vacuum(hour).await.unwrap().files, 0);
    // Old files, but removed a moment ago: kept for queries that began before.
    let long_ago = std::time::SystemTime::now() - 2 * hour;
    for file in table.snapshot().files.iter() {
        let path = folder.path().join(file.path.as_ref());
        std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    for name in [&orphan, &staging] {
        std::fs::File::options().write(true).open(name).unwrap().set_modified(long_ago).unwrap();
    }
    assert_eq!(table.vacuum(hour).await.unwrap().files, 1);
    assert!(!orphan.exists() && !staging.exists());
    assert_eq!(parquet_files(folder.path()), 18);
    tokio::time::sleep(Duration::from_millis(2)).await; // tombstones have milliseconds
    assert_eq!(table.vacuum(Duration::ZERO).await.unwrap().files, 16);
    assert_eq!(stored(&table.snapshot()).await, expected(0, 80));
    assert_eq!(table.vacuum(Duration::ZERO).await.unwrap().files, 0);
    assert_eq!(stored(&open(folder.path()).await.snapshot()).await, expected(0, 80));
}

/// A commit that is not through keeps its files, however short the retention.
#[tokio::test(flavor = "multi_thread")]
async fn vacuum_spares_the_files_of_a_commit_in_doubt() {
    let store = faulty::FaultyStore::new(3);
    let shared: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let table = open_store(&shared).await.unwrap();
    table.append(events(0, 10), 10).unwrap();
    store.refuse_entries(true);
    assert!(table.commit().await.is_err());
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(table.vacuum(Duration::ZERO).await.unwrap().files, 0);
    store.refuse_entries(false);
    assert_eq!(table.commit().await.unwrap().rows, 10);
    assert_eq!(stored(&table.snapshot()).await, expected(0, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_keep_everything_that_opening_needs() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_commits(folder.path(), 11).await;
    table.expire(20_000).await.unwrap();
    table.checkpoint().await.unwrap();
    // Only the checkpoint is left.
    for version in 0..=11 {
        std::fs::remove_file(folder.path().join(format!("_delta_log/{version:020}.json"))).unwrap();
    }
    let again = open(folder.path()).await;
    assert_eq!((again.committed(), again.snapshot().version), (110, 12));
    assert_eq!(again.expired()["cli"], 11);
    assert_eq!(shown(&again.snapshot()).await, shown(&table.snapshot()).await);
    let (one, other) = (again.snapshot(), table.snapshot());
    let find = |path| other.files.iter().find(|file| file.path == path).unwrap();
    for file in one.files.iter() {
        let same = find(file.path.clone());
        assert_eq!((file.rows, file.max_offset, file.bytes), (same.rows, same.max_offset, same.bytes));
        assert_eq!((file.min_time, file.max_time), (same.min_time, same.max_time));
    }
    again.append(events(110, 120), 120).unwrap();
    again.commit().await.unwrap();
    assert_eq!(open(folder.path()).await.committed(), 120);
}
