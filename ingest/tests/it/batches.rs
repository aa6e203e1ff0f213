//! Many inputs at once.

use std::collections::BTreeSet;
use std::fs;

use event::LogType;
use ingest::{Batches, Error, Input, Limits, ReadOptions, expand};

use super::{options, read_all};

/// A folder with `count` files of two records each.
fn folder(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..count {
        fs::write(folder.path().join(format!("{n:03}.json")), format!("{{\"n\":{n}}}\n{{\"m\":{n}}}\n"))
            .unwrap();
    }
    folder
}

#[tokio::test]
async fn one_reader_keeps_the_order() {
    let folder = folder(30);
    let inputs = expand(&[folder.path().display().to_string()]).await.unwrap();
    let (batches, failed) = read_all(inputs.clone(), options(1)).await;
    assert!(failed.is_empty());
    let origins: Vec<_> = batches.iter().map(|batch| batch.origin.clone()).collect();
    assert_eq!(origins, inputs.iter().map(Input::origin).collect::<Vec<_>>());
    for (n, batch) in batches.iter().enumerate() {
        let records: Vec<_> = batch.records().map(|record| (record.number, record.bytes.to_vec())).collect();
        assert_eq!(records, [(0, format!("{{\"n\":{n}}}").into()), (1, format!("{{\"m\":{n}}}").into())]);
        assert_eq!(batch.source.as_str(), "test");
        assert_eq!(batch.received_us, 1_700_000_000_000_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_readers_read_everything_once() {
    let folder = folder(100);
    let inputs = expand(&[folder.path().display().to_string()]).await.unwrap();
    let options = ReadOptions { log_type: Some(LogType::GcpAudit), ..options(4) };
    let (batches, failed) = read_all(inputs, options).await;
    assert!(failed.is_empty());
    assert!(batches.iter().all(|batch| batch.log_type == Some(LogType::GcpAudit)));
    let records: BTreeSet<_> =
        batches.iter().flat_map(|batch| batch.records().map(|record| record.bytes.to_vec())).collect();
    assert_eq!(records.len(), 200);
}

#[tokio::test]
async fn a_failed_input_does_not_stop_the_others() {
    let folder = folder(3);
    let mut inputs = expand(&[folder.path().display().to_string()]).await.unwrap();
    fs::remove_file(folder.path().join("001.json")).unwrap();
    // A folder can be opened, but not read.
    inputs.push(Input::File(folder.path().to_path_buf()));
    let (batches, failed) = read_all(inputs, options(1)).await;
    assert_eq!(batches.len(), 2);
    assert_eq!(failed.len(), 2);
    assert!(failed[0].origin.ends_with("001.json"));
    assert!(matches!(failed[0].error, Error::NotFound { .. }), "{:?}", failed[0]);
    assert!(matches!(failed[1].error, Error::Read { at: 0, .. }), "{:?}", failed[1]);
}

#[tokio::test]
async fn progress_is_known() {
    let folder = folder(10);
    let mut inputs = expand(&[folder.path().display().to_string()]).await.unwrap();
    let bytes = inputs.iter().map(|input| input.byte_len().unwrap()).sum();
    let mut batches = Batches::read(inputs.clone(), options(2));
    assert_eq!(batches.progress().bytes, Some(bytes));
    assert_eq!(batches.progress().inputs, 10);
    while batches.next().await.is_some() {}
    assert_eq!(batches.progress().bytes_read, bytes);
    assert_eq!(batches.progress().inputs_done, 10);
    inputs.push(Input::Stdin);
    assert_eq!(inputs.iter().map(Input::byte_len).sum::<Option<u64>>(), None);
}

#[tokio::test]
async fn readers_stop_when_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "{\"a\":1}\n".repeat(10_000)).unwrap();
    let inputs = expand(&[folder.path().display().to_string()]).await.unwrap();
    let limits = Limits { batch_records: 1, ..Limits::default() };
    let mut batches = Batches::read(inputs, ReadOptions { limits, ..options(1) });
    assert!(batches.next().await.is_some());
    drop(batches);
    // The runtime waits for the reader at the end of this test: it hangs if the reader does not stop.
}

#[tokio::test]
async fn nothing_to_read_is_no_batch() {
    let (batches, failed) = read_all(Vec::new(), options(8)).await;
    assert!(batches.is_empty() && failed.is_empty());
}
