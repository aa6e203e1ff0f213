//! Trouble that passes is waited out; trouble that stays stops the stages, is named, and loses nothing.

use std::time::Duration;

use storage::state::rusqlite::Connection;

use crate::books::holds_exactly;
use crate::records::{batch, records};
use crate::running::{Running, Settings, until};

/// A backup tool that holds the database for longer than SQLite waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_state_is_waited_for() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let other = Connection::open(data.path().join("state.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let all = records("a", 0..10, "2026-03-01");
    running.pipeline.accept(&batch(&all)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(running.pipeline.health().failure(), None);
    assert_eq!(running.pipeline.progress().raised, 0);
    other.execute_batch("ROLLBACK").unwrap();
    holds_exactly(&running, &all).await;
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_state_stops_all_and_a_restart_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::committing()).await;
    let early = records("a", 0..10, "2026-03-01");
    running.take(&[batch(&early)]).await;
    let rename = |from: &str, to: &str| {
        let other = Connection::open(data.path().join("state.db")).unwrap();
        other.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}")).unwrap();
    };
    rename("alerts", "hidden");
    let late = records("b", 0..10, "2026-03-01");
    running.pipeline.accept(&batch(&late)).await.unwrap();
    until("the stop", || running.pipeline.health().failure().is_some()).await;
    let reason = running.pipeline.health().failure().unwrap();
    assert!(reason.starts_with("raise: ") && reason.contains("alerts"), "{reason}");
    let refused = running.pipeline.accept(&batch(&late)).await.unwrap_err();
    assert!(refused.to_string().contains(&reason), "{refused}");
    running.pipeline.try_accept(&batch(&late)).await.unwrap_err();
    running.pipeline.caught_up(running.log.head()).await.unwrap_err();
    running.pipeline.stop(Duration::from_secs(30)).await.unwrap();
    drop(running);

    rename("hidden", "alerts");
    let running = Running::open(data.path(), &Settings::default()).await;
    let sum = holds_exactly(&running, &[early, late].concat()).await;
    assert_eq!((sum.received, sum.duplicates), (20, 0));
    running.close().await;
}
