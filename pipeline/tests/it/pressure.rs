//! A slow consumer slows the source: the log refuses or waits, and memory stays within its bounds.

use std::sync::Arc;
use std::time::Duration;

use event::{Fate, RawBatch};
use storage::log::LogConfig;

use crate::books::holds_exactly;
use crate::records::{batch, records};
use crate::running::{Running, Settings, hold_the_state};

fn small_log() -> Settings {
    let mut settings = Settings::committing();
    settings.log = LogConfig { segment_bytes: 8 << 10, max_bytes: 64 << 10, queue_bytes: 32 << 10 };
    settings.pipeline.group_bytes = 1 << 10;
    settings
}

fn numbered(number: usize) -> Vec<String> {
    records(&format!("n{number}"), 0..40, "2026-03-01")
}

/// Fills the log while nothing can be raised; what was accepted.
async fn fill(running: &Running) -> Vec<String> {
    let mut accepted = Vec::new();
    for number in 0..10_000 {
        let records = numbered(number);
        match running.pipeline.try_accept(&batch(&records)).await {
            Ok(_) => accepted.extend(records),
            Err(error) => {
                assert!(matches!(error.fate(), Fate::Retry { .. }), "{error}");
                return accepted;
            }
        }
    }
    panic!("the log never gets full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_refuses_or_waits_and_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let running = Arc::new(Running::open(data.path(), &small_log()).await);
    let held = hold_the_state(&running.state);
    let mut all = fill(&running).await;
    let stats = running.log.stats();
    assert!(stats.bytes <= stats.max_bytes, "{stats:?}");

    let extra = records("extra", 0..10, "2026-03-01");
    let waiting = {
        let (running, extra) = (running.clone(), batch(&extra));
        tokio::spawn(async move { running.pipeline.accept(&extra).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it waits while the log is full");
    assert_eq!(running.pipeline.health().failure(), None);

    drop(held);
    waiting.await.unwrap().unwrap();
    all.extend(extra);
    holds_exactly(&running, &all).await;
    running.pipeline.try_accept(&batch(&numbered(0))).await.unwrap();
    let sum = holds_exactly(&running, &all).await;
    assert_eq!(sum.duplicates, 40);
    let stats = running.log.stats();
    assert!(stats.tail > 0 && stats.bytes < stats.max_bytes, "what is done is trimmed: {stats:?}");
}

/// Without the end of the wait a source would hang for ever: nobody makes room any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_is_told_when_the_pipeline_stops() {
    let data = tempfile::tempdir().unwrap();
    let running = Arc::new(Running::open(data.path(), &small_log()).await);
    let held = hold_the_state(&running.state);
    let all = fill(&running).await;
    let waiting = {
        let (running, extra) = (running.clone(), batch(&numbered(99_999)));
        tokio::spawn(async move { running.pipeline.accept(&extra).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    running.pipeline.stop(Duration::from_millis(10)).await.unwrap_err();
    let refused = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it hangs");
    assert_eq!(refused.unwrap().unwrap_err().fate(), Fate::Stop);
    drop(held);
    drop(running);

    let running = reopen(data.path()).await;
    holds_exactly(&running, &all).await;
    running.close().await;
}

/// Opens the folder as soon as the last life has let go of it.
async fn reopen(data: &std::path::Path) -> Running {
    for _ in 0..500 {
        if storage::log::Log::open(&data.join("log"), small_log().log).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Running::open(data, &small_log()).await
}

/// Rows that wait for a commit are bounded although no commit is due for an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_wait_for_a_commit_are_bounded() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.pipeline.group_bytes = 16 << 10;
    settings.pipeline.pending_bytes = 256 << 10;
    let running = Running::open(data.path(), &settings).await;
    let batches: Vec<Vec<String>> = (0..120).map(numbered).collect();
    let raw: Vec<RawBatch> = batches.iter().map(|records| batch(records)).collect();
    let one = {
        let apart = tempfile::tempdir().unwrap();
        let alone = Running::open(apart.path(), &Settings::default()).await;
        alone.take(&raw[..1]).await;
        alone.table.pending_bytes()
    };
    let mut most = 0;
    for batch in &raw {
        running.pipeline.accept(batch).await.unwrap();
        most = most.max(running.table.pending_bytes());
    }
    while running.pipeline.progress().refined < running.log.head() {
        most = most.max(running.table.pending_bytes());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(running.tally("commits") > 2, "it commits because it must");
    // A group is a batch or two here.
    let bound = settings.pipeline.pending_bytes + 4 * one;
    assert!(most <= bound, "{most} bytes wait, more than {bound}");
    holds_exactly(&running, &batches.concat()).await;
    running.close().await;
}
