//! A crash between each pair of steps: the data folder is copied while the stages stand still at that
//! point, and the copy is opened as a start after a power cut would do it.

use std::path::Path;
use std::time::Duration;

use storage::log::Log;

use crate::books::holds_exactly;
use crate::records::{ALARM, batch, record, records};
use crate::running::{Running, Settings, copy, hold_the_state, until};

/// What was in the folder before.
fn earlier() -> Vec<String> {
    records("early", 0..20, "2026-03-01")
}

/// What is on its way at the crash: two frames with new events, an event of before, one that comes twice
/// and one that is no record.
fn under_way() -> [Vec<String>; 2] {
    let mut first = records("late", 0..12, "2026-02-03");
    first.push("no record".into());
    first.push(earlier()[0].clone());
    let mut second = records("last", 0..5, "2026-03-01");
    second.push(first[0].clone());
    second.push(record("late-alarm", "2026-03-01", ALARM));
    [first, second]
}

fn all_events() -> Vec<String> {
    let [first, second] = under_way();
    [earlier(), first[..12].to_vec(), second[..5].to_vec(), second[6..].to_vec()].concat()
}

/// A folder that holds [`earlier`], and in its log [`under_way`], of which `settings` and `at` decide how
/// far it comes. Returns a copy of that moment; what `at` returns is dropped after it was made.
async fn crash<T>(settings: Settings, at: impl AsyncFnOnce(&Running) -> T) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    running.take(&[batch(&earlier())]).await;
    running.close().await;

    let running = Running::open(data.path(), &settings).await;
    let _until_copied = at(&running).await;
    let image = tempfile::tempdir().unwrap();
    copy(data.path(), image.path());
    image
}

async fn accept_all(running: &Running) {
    for records in under_way() {
        running.pipeline.accept(&batch(&records)).await.unwrap();
    }
}

/// Opens the image and checks that nothing is lost or doubled; then once more, with everything delivered
/// again.
async fn check(image: &Path) {
    let count = |records: &[Vec<String>]| records.iter().map(Vec::len).sum::<usize>() as u64;
    let received = count(&[earlier()]) + count(&under_way());
    for settings in [Settings::default(), Settings::committing()] {
        let running = Running::open(image, &settings).await;
        let sum = holds_exactly(&running, &all_events()).await;
        assert_eq!((sum.received, sum.duplicates, sum.dead_letters), (received, 2, 1));
        running.close().await;
    }
    let running = Running::open(image, &Settings::default()).await;
    accept_all(&running).await;
    let sum = holds_exactly(&running, &all_events()).await;
    assert_eq!((sum.duplicates, sum.dead_letters), (2 + 20, 2));
    running.close().await;
}

/// As [`check`], with the index of events seen as it was and without it.
async fn check_with_and_without_index(image: &Path) {
    let without = tempfile::tempdir().unwrap();
    copy(image, without.path());
    std::fs::remove_dir_all(without.path().join("seen")).unwrap();
    check(without.path()).await;
    check(image).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_log_and_before_all_else() {
    let image = crash(Settings::default(), async |_| {}).await;
    let log = Log::open(&image.path().join("log"), Settings::default().log).unwrap();
    for records in under_way() {
        log.append(&batch(&records)).await.unwrap();
    }
    drop(log);
    check_with_and_without_index(image.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_alerts_and_before_the_table() {
    let image = crash(Settings::default(), async |running| {
        accept_all(running).await;
        running.caught_up().await;
        assert!(running.table.committed() < running.pipeline.progress().raised);
    });
    check_with_and_without_index(image.await.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_table_and_before_the_alerts() {
    let image = crash(Settings::committing(), async |running| {
        let held = hold_the_state(&running.state);
        accept_all(running).await;
        until("the commit", || running.pipeline.progress().committed == running.log.head()).await;
        assert!(running.pipeline.progress().raised < running.log.head());
        held
    });
    check_with_and_without_index(image.await.path()).await;
}

/// Files are written; the entry of the Delta log that names them is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amid_the_commit_of_the_table() {
    let image = crash(Settings::default(), async |running| {
        accept_all(running).await;
        running.flushed().await;
    });
    let image = image.await;
    let log = image.path().join("events/_delta_log");
    let entries = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let newest = entries.filter(|path| path.extension().is_some_and(|end| end == "json")).max().unwrap();
    std::fs::remove_file(newest).unwrap();
    check_with_and_without_index(image.path()).await;
}

/// The first frame has come further than the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_frames() {
    let image = crash(Settings::default(), async |running| {
        let [first, second] = under_way();
        running.take(&[batch(&first)]).await;
        running.flushed().await;
        running.take(&[batch(&second)]).await;
    });
    check_with_and_without_index(image.await.path()).await;
}

/// A start that is itself cut off, again and again, at all its points.
#[test]
fn amid_the_replay() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let image = runtime().unwrap().block_on(crash(Settings::default(), async |running| {
        accept_all(running).await;
        running.caught_up().await;
    }));
    for step in 0..12 {
        let started = runtime().unwrap();
        // Dropping the runtime drops every stage where it stands.
        started.block_on(async {
            let settings = if step % 2 == 0 { Settings::committing() } else { Settings::default() };
            let _running = Running::open(image.path(), &settings).await;
            tokio::time::sleep(Duration::from_millis(step)).await;
        });
    }
    runtime().unwrap().block_on(check(image.path()));
}
