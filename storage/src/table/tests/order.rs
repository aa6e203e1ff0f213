//! What is durable when.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use event::Fate;

use super::*;
use crate::table::durable::Step;

/// Every name is published after its file is synced and before its folder is; every data file is done
/// before the entry of the log that names it is published.
#[tokio::test(flavor = "multi_thread")]
async fn data_files_are_durable_before_the_entry_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    let disk = table.inner.disk.clone().unwrap();
    for commit in 0..6 {
        disk.trace.lock().clear();
        table.append(events(commit * 20, commit * 20 + 20), commit * 20 + 20).unwrap();
        table.commit().await.unwrap();
        let steps = disk.trace.lock().clone();
        let mut entries = 0;
        let mut published: Vec<PathBuf> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let Step::Publish { staging, path } = step else { continue };
            assert!(steps[..at].contains(&Step::SyncFile(staging.clone())), "{path:?} was not synced");
            let parent = Step::SyncFolder(path.parent().unwrap().to_owned());
            assert!(steps[at..].contains(&parent), "the folder of {path:?} was not synced");
            let in_log = path.parent().unwrap().ends_with("_delta_log");
            if in_log && path.extension().is_some_and(|extension| extension == "json") {
                entries += 1;
                for data in &published {
                    let parent = Step::SyncFolder(data.parent().unwrap().to_owned());
                    let done = steps[..at].iter().rposition(|step| *step == parent);
                    let named = steps[..at]
                        .iter()
                        .position(|step| matches!(step, Step::Publish { path, .. } if path == data));
                    assert!(done > named, "{data:?} was not durable before the entry");
                }
            }
            if !in_log {
                published.push(path.clone());
            }
        }
        assert_eq!((entries, published.len()), (1, 2), "{steps:?}");
    }
    // The fifth commit brought a checkpoint, by the same store.
    assert!(
        std::fs::read_dir(folder.path().join("_delta_log"))
            .unwrap()
            .any(|file| { file.unwrap().file_name().to_string_lossy().contains("checkpoint.parquet") })
    );
    assert_eq!(open(folder.path()).await.committed(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_folder_sync_stops_writing_and_not_reading() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    table.append(events(0, 5), 5).unwrap();
    table.commit().await.unwrap();
    let disk = table.inner.disk.clone().unwrap();
    disk.fail_folders.store(true, Ordering::Relaxed);
    table.append(events(5, 9), 9).unwrap();
    assert!(table.commit().await.is_err());
    disk.fail_folders.store(false, Ordering::Relaxed);
    let error = table.commit().await.unwrap_err();
    assert!(matches!(error.fate(), Fate::Stop) && error.to_string().contains("injected"), "{error}");
    assert_eq!(shown(&table.snapshot()).await, expected(0, 9));
    // A restart reads what is durable and goes on.
    let again = open(folder.path()).await;
    again.append(events(0, 9), 9).unwrap();
    again.commit().await.unwrap();
    assert_eq!(stored(&again.snapshot()).await, expected(0, 9));
}

/// The entry is visible but its folder could not be synced: the commit must not be reported as done.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_folder_sync_failed_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    table.append(EventBatch::empty(), 5).unwrap();
    table.inner.disk.clone().unwrap().fail_folders.store(true, Ordering::Relaxed);
    assert!(matches!(table.commit().await, Err(crate::Error::TablePoisoned { .. })));
    assert_eq!(table.committed(), 0);
}
