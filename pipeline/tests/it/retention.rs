//! Days beyond the retention leave, and every row and record that leaves is counted.

use std::time::Duration;

use crate::books::{balanced, holds_exactly, rows};
use crate::records::{DAY_US, RECEIVED_US, batch, batch_of, records};
use crate::running::{Running, Settings, copy, hold_the_state, until};

/// Seven days are kept: on 2026-03-02 those from 2026-02-23 on.
fn keeping_a_week() -> Settings {
    let mut settings = Settings::default();
    settings.pipeline.retention_days = Some(7);
    settings
}

const LAST_KEPT: &str = "2026-02-23";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_too_late_is_counted_and_raises_nothing() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &keeping_a_week()).await;
    let kept = records("kept", 0..10, LAST_KEPT);
    let late = records("late", 0..10, "2026-02-22");
    running.take(&[batch(&[kept.clone(), late.clone()].concat()), batch(&late)]).await;
    let sum = holds_exactly(&running, &kept).await;
    assert_eq!((sum.received, sum.rows, sum.dropped, sum.duplicates), (30, 10, 20, 0));
    assert_eq!(running.tally("expired"), 20);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_rows_are_counted_and_their_alerts_stay() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &keeping_a_week()).await;
    let old = records("old", 0..10, LAST_KEPT);
    let young = records("young", 0..15, "2026-03-01");
    running.take(&[batch(&old), batch_of("http", &young, RECEIVED_US)]).await;
    running.close().await;

    // Three days later.
    let mut settings = keeping_a_week();
    settings.now_us = || RECEIVED_US + 3 * DAY_US;
    settings.pipeline.upkeep_every = Duration::from_millis(20);
    settings.pipeline.keep_removed_files = Duration::ZERO;
    for round in 1..3 {
        let running = Running::open(data.path(), &settings).await;
        until("the expiry", || rows(&running) == 15).await;
        let sum = balanced(&running).await;
        assert_eq!((sum.rows, sum.expired), (25, 10));
        assert_eq!(running.table.expired().get("cli"), Some(&10));
        assert_eq!(running.alerts.count().unwrap(), 2 + 3, "alerts carry their evidence");
        // The old events again: nobody knows them any more, but they are too old. The young ones are known.
        let again = [old.clone(), young.clone()].concat();
        running.take(&[batch_of("cli", &again, RECEIVED_US + 3 * DAY_US)]).await;
        let sum = balanced(&running).await;
        assert_eq!((sum.rows, sum.expired, sum.dropped, sum.duplicates), (25, 10, 10 * round, 15 * round));
        assert_eq!(running.alerts.count().unwrap(), 5);
        running.close().await;
    }
}

/// Events at the edge of the retention, a crash between the two commits, and a start days later: what was
/// counted as rows must still become rows (which the upkeep then removes and counts).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_on_another_day_comes_to_the_same_end() {
    for table_first in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let edge = records("edge", 0..10, LAST_KEPT);
        let settings = match table_first {
            true => Settings { table: Settings::committing().table, ..keeping_a_week() },
            false => keeping_a_week(),
        };
        let running = Running::open(data.path(), &settings).await;
        let held = table_first.then(|| hold_the_state(&running.state));
        running.pipeline.accept(&batch(&edge)).await.unwrap();
        let mark = || running.pipeline.progress();
        match table_first {
            true => until("the commit", || mark().committed == 10).await,
            false => until("the alerts", || mark().raised == 10).await,
        }
        assert_eq!(mark().restart(), 0);
        let image = tempfile::tempdir().unwrap();
        copy(data.path(), image.path());
        drop(held);

        let mut settings = keeping_a_week();
        settings.now_us = || RECEIVED_US + 5 * DAY_US;
        let running = Running::open(image.path(), &settings).await;
        let sum = holds_exactly(&running, &edge).await;
        assert_eq!((sum.rows, sum.dropped), (10, 0), "table first: {table_first}");
        running.close().await;

        settings.pipeline.upkeep_every = Duration::from_millis(20);
        let running = Running::open(image.path(), &settings).await;
        until("the expiry", || rows(&running) == 0).await;
        let sum = balanced(&running).await;
        assert_eq!((sum.rows, sum.expired), (10, 10));
        assert_eq!(running.alerts.count().unwrap(), 2);
        running.close().await;
    }
}
