//! Records that become no event are kept with reason, place and bytes, and can be sent again.

use event::{LogType, RawBatchBuilder, RawRecord, SourceId};
use storage::dead_letter::{self, DeadLetter, DeadLetterFilter};

use crate::books::{balanced, holds_exactly};
use crate::records::{RECEIVED_US, batch, record, records};
use crate::running::{Running, Settings};

fn letters(running: &Running) -> Vec<DeadLetter> {
    let all = DeadLetterFilter::default();
    let mut page = running.state.read(|db| dead_letter::list(db, &all, None, 1000)).unwrap();
    page.letters.reverse();
    page.letters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_has_its_reason_place_and_bytes() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let good = record("good", "2026-03-01", "StopLogging");
    let cases: [(&[u8], Option<&str>, &str); 6] = [
        (b"oops", None, "not_json"),
        (b"\xff\xfe{}", None, "not_utf8"),
        (br#"{"eventVersion":"1.10","eventSource":"x","eventName":"y","eventID":"z"}"#, None, "missing_time"),
        (br#"{"hello":"world"}"#, None, "unknown_log_type"),
        (b"[1,2]", None, "not_an_object"),
        (good.as_bytes(), Some("the stream ends amid a record"), "torn_input"),
    ];
    running.take(&[batch(&records("a", 0..3, "2026-03-01"))]).await;
    let mut builder = RawBatchBuilder::with_capacity(0);
    for (number, (bytes, reject, _)) in (0..).zip(cases) {
        assert!(builder.push(RawRecord { bytes, number: number * 10, reject }));
        let between = record(&format!("b-{number}"), "2026-03-01", "DescribeTrails");
        assert!(builder.push(RawRecord { bytes: between.as_bytes(), number: number * 10 + 1, reject: None }));
    }
    let mixed = builder.finish(SourceId::new("http"), None, "s3://trail/a.json.gz".into(), RECEIVED_US);
    running.take(&[mixed]).await;

    let check = |running: &Running| {
        let letters = letters(running);
        assert_eq!(letters.len(), cases.len());
        for (number, (letter, (bytes, _, reason))) in (0..).zip(letters.iter().zip(cases)) {
            assert_eq!((letter.reason.as_str(), letter.id), (reason, 3 + number * 2), "{letter:?}");
            assert_eq!((letter.record_number, letter.bytes.as_slice()), (number * 10, bytes));
            assert_eq!((letter.source.as_str(), letter.origin.as_str()), ("http", "s3://trail/a.json.gz"));
            assert_eq!((letter.received_us, letter.byte_len), (RECEIVED_US, bytes.len() as u64));
            assert!(!letter.detail.is_empty());
        }
        assert_eq!(letters[5].detail, "the stream ends amid a record");
    };
    check(&running);
    let sum = balanced(&running).await;
    assert_eq!((sum.received, sum.rows, sum.dead_letters), (15, 9, 6));
    assert_eq!(running.alerts.count().unwrap(), 1, "a dead letter raises none");
    running.close().await;

    let running = Running::open(data.path(), &Settings::default()).await;
    check(&running);
    balanced(&running).await;
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::committing()).await;
    running.take(&[batch(&["x"; 50]), batch(&["", "{", "null"])]).await;
    let sum = holds_exactly(&running, &[]).await;
    assert_eq!((sum.received, sum.dead_letters), (53, 53));
    assert_eq!(running.table.committed(), 53, "the offset moves on without rows");
    running.close().await;
}

/// The pipeline offers no retry of its own: a dead letter's bytes go through `accept` again, as the server
/// does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sent_again_after_a_fix_it_becomes_a_row_once() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let good = record("a-0", "2026-03-01", "StopLogging");
    // Nothing tells these bytes' log type, until somebody says it.
    let bare = r#"{"eventTime":"2026-03-01T10:00:00Z","note":"bare"}"#;
    let mut builder = RawBatchBuilder::with_capacity(0);
    assert!(builder.push(RawRecord { bytes: good.as_bytes(), number: 0, reject: Some("torn") }));
    assert!(builder.push(RawRecord { bytes: bare.as_bytes(), number: 1, reject: None }));
    running.take(&[builder.finish(SourceId::new("cli"), None, "a.json".into(), RECEIVED_US)]).await;
    assert_eq!(balanced(&running).await.dead_letters, 2);
    assert_eq!(running.alerts.count().unwrap(), 0);

    let retry = |running: &Running, id, log_type| {
        let letter = running.state.read(|db| dead_letter::get(db, id)).unwrap().unwrap();
        assert!(letter.is_retryable());
        let mut builder = RawBatchBuilder::with_capacity(0);
        assert!(builder.push(RawRecord { bytes: &letter.bytes, number: letter.record_number, reject: None }));
        builder.finish(letter.source, log_type, format!("retry of {}", letter.origin), RECEIVED_US)
    };
    running.take(&[retry(&running, 0, None)]).await;
    holds_exactly(&running, std::slice::from_ref(&good)).await;
    running.take(&[retry(&running, 1, None)]).await;
    assert_eq!(balanced(&running).await.dead_letters, 3, "nothing was fixed: a dead letter again");
    running.take(&[retry(&running, 1, Some(LogType::AwsCloudtrail))]).await;
    let sum = balanced(&running).await;
    assert_eq!((sum.rows, sum.dead_letters), (2, 3));
    // A second retry finds duplicates.
    running.take(&[retry(&running, 0, None), retry(&running, 1, Some(LogType::AwsCloudtrail))]).await;
    let sum = balanced(&running).await;
    assert_eq!((sum.rows, sum.duplicates), (2, 2));
    assert_eq!(running.alerts.count().unwrap(), 1);
    running.close().await;
}
