//! What was accepted is in the table once and raises its alerts once.

use std::sync::Arc;
use std::time::Duration;

use alerts::{AlertFilter, EntityKind};

use crate::books::{balanced, holds_exactly, rows};
use crate::records::{batch, batch_of, records};
use crate::running::{Running, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_become_rows_and_alerts() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    assert_eq!(running.pipeline.accept(&batch(&records("a", 0..20, "2026-03-01"))).await.unwrap(), 0..20);
    let other = batch_of("http", &records("b", 0..7, "2026-03-01"), 5);
    assert_eq!(running.pipeline.accept(&other).await.unwrap(), 20..27);
    running.caught_up().await;
    // Visible before any commit.
    assert_eq!((running.table.committed(), rows(&running)), (0, 27));
    let sum = balanced(&running).await;
    assert_eq!((sum.rows, sum.duplicates, sum.dead_letters, sum.dropped), (27, 0, 0, 0));

    let all = [records("a", 0..20, "2026-03-01"), records("b", 0..7, "2026-03-01")].concat();
    holds_exactly(&running, &all).await;
    assert_eq!(running.table.committed(), 27);
    let page = running.alerts.list(&AlertFilter::default(), None, 100).unwrap();
    assert_eq!(page.alerts.len(), 4 + 2, "the informational rule raises none");
    let alert = &page.alerts[0].alert;
    assert_eq!((alert.severity_id, alert.provider.as_str()), (4, "AWS"));
    assert_eq!(alert.evidence[0].operation, "StopLogging");
    assert_eq!(alert.entity(EntityKind::Address), Some("192.0.2.7"));
    assert_eq!(running.tally("alerts"), 6);
    assert_eq!(running.tally("matches"), 27);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_folder_opens_and_stops() {
    let data = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let running = Running::open(data.path(), &Settings::default()).await;
        assert_eq!(balanced(&running).await.received, 0);
        running.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_a_stop_in_good_order() {
    let data = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for round in 0..4 {
        let running = Running::open(data.path(), &Settings::committing()).await;
        let new = records(&format!("round{round}"), 0..13, "2026-03-01");
        all.extend_from_slice(&new);
        running.take(&[batch(&new)]).await;
        let sum = holds_exactly(&running, &all).await;
        assert_eq!(sum.duplicates, 0);
        running.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sources_at_once() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = Settings::committing();
    settings.pipeline.group_bytes = 4 << 10;
    let running = Arc::new(Running::open(data.path(), &settings).await);
    let all: Vec<_> = (0..8).map(|source| records(&format!("s{source}"), 0..200, "2026-03-01")).collect();
    let sources: Vec<_> = all
        .iter()
        .cloned()
        .enumerate()
        .map(|(number, records)| {
            let running = running.clone();
            tokio::spawn(async move {
                for part in records.chunks(9) {
                    running.pipeline.accept(&batch_of(&format!("s{number}"), part, 5)).await.unwrap();
                }
            })
        })
        .collect();
    for source in sources {
        source.await.unwrap();
    }
    holds_exactly(&running, &all.concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_rules_count_from_the_next_records_on() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    running.take(&[batch(&records("a", 0..10, "2026-03-01"))]).await;
    running.pipeline.swap_rules(Arc::default());
    assert_eq!(running.pipeline.rules().rules().len(), 0);
    running.take(&[batch(&records("b", 0..10, "2026-03-01"))]).await;
    assert_eq!(running.alerts.count().unwrap(), 2);
    balanced(&running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_pipeline_takes_nothing_and_nobody_waits_for_it() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    running.take(&[batch(&records("a", 0..10, "2026-03-01"))]).await;
    running.pipeline.stop(Duration::from_secs(30)).await.unwrap();
    running.pipeline.stop(Duration::from_secs(30)).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(10), running.pipeline.flushed(11)).await;
    let error = waited.expect("it hangs").unwrap_err();
    assert_eq!(error.to_string(), "the pipeline has stopped: it was asked to stop");
    assert_eq!(running.table.committed(), 10, "the last commit of a stop");
}
