//! The same events again: however they come, they are counted and leave.

use crate::books::{balanced, holds_exactly};
use crate::records::{DAY_US, RECEIVED_US, batch, batch_of, records};
use crate::running::{Running, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_a_batch_and_across_batches_and_sources() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let once = records("a", 0..20, "2026-03-01");
    let twice = [once.clone(), once.clone()].concat();
    let reversed: Vec<_> = once.iter().rev().cloned().collect();
    running.take(&[batch(&twice), batch(&reversed), batch_of("http", &once, 5)]).await;
    let sum = holds_exactly(&running, &once).await;
    assert_eq!((sum.received, sum.rows, sum.duplicates), (80, 20, 60));
    assert_eq!(running.tally("duplicates"), 60);
    running.close().await;
}

/// Events of two months, delivered again a month later: from memory, after a restart, and after the index
/// of events seen was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_apart_and_after_reopening() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    let all = [records("a", 0..15, "2026-01-28"), records("b", 0..15, "2026-03-01")].concat();
    let running = Running::open(data.path(), &settings).await;
    running.take(&[batch(&all)]).await;
    running.take(&[batch_of("cli", &all, RECEIVED_US + 31 * DAY_US)]).await;
    assert_eq!(balanced(&running).await.duplicates, 30);
    running.close().await;

    for (round, lose_the_index) in [(2, false), (3, true), (4, false)] {
        if lose_the_index {
            std::fs::remove_dir_all(data.path().join("seen")).unwrap();
        }
        let running = Running::open(data.path(), &settings).await;
        let received_us = RECEIVED_US + round * 31 * DAY_US;
        let shuffled: Vec<_> = all.iter().cycle().skip(7).step_by(7).take(30).cloned().collect();
        running.take(&[batch_of("cli", &shuffled, received_us)]).await;
        let sum = holds_exactly(&running, &all).await;
        assert_eq!(sum.duplicates, 30 * round as u64);
        running.close().await;
    }
}

/// An event and its second delivery on either side of a commit, and both before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_both_sides_of_a_commit() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let mut all = Vec::new();
    for round in 0..5 {
        all.extend(records(&format!("r{round}"), 0..6, "2026-03-01"));
        running.take(&[batch(&all)]).await;
        running.flushed().await;
        running.take(&[batch(&all)]).await;
    }
    let sum = holds_exactly(&running, &all).await;
    assert_eq!(sum.received, sum.rows + sum.duplicates);
    running.close().await;
}
