//! Two writers on one table.

use object_store::memory::InMemory;

use super::*;
use crate::Error;

#[tokio::test(flavor = "multi_thread")]
async fn the_one_that_claims_stops_the_other() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let old = open_store(&store).await.unwrap();
    old.claim().await.unwrap();
    old.append(events(0, 10), 10).unwrap();
    old.commit().await.unwrap();
    old.append(events(10, 20), 20).unwrap();

    let new = open_store(&store).await.unwrap();
    new.claim().await.unwrap();
    assert!(matches!(old.commit().await, Err(Error::TableFenced { .. })));
    assert!(matches!(old.commit().await, Err(Error::TableFenced { .. })));
    assert!(matches!(old.expire(i32::MAX).await, Err(Error::TableFenced { .. })));
    new.append(events(10, 15), 15).unwrap();
    new.commit().await.unwrap();
    assert_eq!(stored(&new.snapshot()).await, expected(0, 15));
    assert_eq!(stored(&open_store(&store).await.unwrap().snapshot()).await, expected(0, 15));
}

/// Both write without a claim, in any order: one commit of each offset.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_race_one_is_stopped_and_no_row_is_doubled() {
    for round in 0..20 {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let tables = [open_store(&store).await.unwrap(), open_store(&store).await.unwrap()];
        let mut tasks = Vec::new();
        for table in tables {
            tasks.push(tokio::spawn(async move {
                for commit in 0..3 {
                    table.append(events(commit * 5, commit * 5 + 5), commit * 5 + 5).unwrap();
                    match table.commit().await {
                        Ok(_) => {}
                        Err(Error::TableFenced { .. }) => return false,
                        Err(error) => panic!("{error}"),
                    }
                }
                true
            }));
        }
        let mut through = 0;
        for task in tasks {
            through += u32::from(task.await.unwrap());
        }
        let table = open_store(&store).await.unwrap();
        assert!(through <= 1, "round {round}");
        assert_eq!(stored(&table.snapshot()).await, expected(0, table.committed()), "round {round}");
    }
}

/// Another engine writes an entry.
async fn touch(folder: &FsPath) {
    use deltalake_core::DeltaTableBuilder;
    let url = Url::from_directory_path(folder).unwrap();
    let other = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
    let properties = std::collections::HashMap::from([("delta.appendOnly".into(), "false".into())]);
    other.set_tbl_properties().with_properties(properties).await.unwrap();
}

/// Its changes are seen and nobody is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn other_engines_may_write_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path()).await;
    for commit in 0..3u64 {
        touch(folder.path()).await;
        table.append(events(commit * 10, commit * 10 + 10), commit * 10 + 10).unwrap();
        assert_eq!(table.commit().await.unwrap().version, 2 + commit * 2);
    }
    // What builds on what is there looks again.
    touch(folder.path()).await;
    assert_eq!(table.expire(20_000).await.unwrap().rows["cli"], 3);
    let again = open(folder.path()).await;
    assert_eq!(again.expired()["cli"], 3);
    assert_eq!(stored(&again.snapshot()).await, stored(&table.snapshot()).await);
    assert_eq!(stored(&table.snapshot()).await.len(), 27);
}
