//! Merging and deleting files changes no answer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::books::holds_exactly;
use crate::records::{batch, records};
use crate::running::{Running, Settings, until};

/// Rows by day and cloud.
fn by_partition(running: &Running) -> BTreeMap<(i32, String), u64> {
    let mut rows = BTreeMap::new();
    for file in running.table.snapshot().files.iter() {
        let partition = (file.partition.day, file.partition.provider.to_string());
        *rows.entry(partition).or_default() += file.rows.unwrap();
    }
    rows
}

fn parquet_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => parquet_files(&path),
            false => usize::from(path.extension().is_some_and(|end| end == "parquet")),
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_and_vacuum_change_no_answer() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let mut all = Vec::new();
    for part in 0..10 {
        let new = [
            records(&format!("march{part}"), 0..8, "2026-03-01"),
            records(&format!("february{part}"), 0..8, "2026-02-01"),
        ];
        all.extend(new.concat());
        running.take(&[batch(&new.concat())]).await;
        running.flushed().await;
    }
    let before = by_partition(&running);
    assert_eq!((before.values().sum::<u64>(), parquet_files(data.path())), (160, 20));
    running.close().await;

    let mut settings = Settings::default();
    settings.pipeline.upkeep_every = Duration::from_millis(20);
    settings.pipeline.keep_removed_files = Duration::ZERO;
    let running = Running::open(data.path(), &settings).await;
    until("the merge", || running.tally("compacted_files") >= 16).await;
    until("the vacuum", || running.tally("vacuumed_files") >= 16).await;
    assert_eq!(by_partition(&running), before);
    assert!(parquet_files(data.path()) < 20);
    assert_eq!(running.tally("expired_rows"), 0);
    let sum = holds_exactly(&running, &all).await;
    assert_eq!((sum.rows, sum.duplicates), (160, 0));

    // Under upkeep: the same again, and some that are new.
    running.take(&[batch(&all)]).await;
    let new = records("new", 0..20, "2026-03-01");
    running.take(&[batch(&new)]).await;
    all.extend(new);
    let sum = holds_exactly(&running, &all).await;
    assert_eq!(sum.duplicates, 160);
    running.close().await;

    std::fs::remove_dir_all(data.path().join("seen")).unwrap();
    let running = Running::open(data.path(), &settings).await;
    running.take(&[batch(&all)]).await;
    let sum = holds_exactly(&running, &all).await;
    assert_eq!(sum.duplicates, 340);
    running.close().await;
}
