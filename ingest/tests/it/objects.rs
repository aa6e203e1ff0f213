//! Objects, through a store in memory and one on disk.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use ingest::Input;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{options, read_all};

async fn object(store: &Arc<dyn ObjectStore>, name: &str, bytes: Vec<u8>) -> Input {
    let path = Path::from(name);
    store.put(&path, bytes.into()).await.unwrap();
    let meta = store.head(&path).await.unwrap();
    Input::Object { store: store.clone(), url: format!("s3://bucket/{name}"), meta }
}

/// Records of which each names its number.
fn lines(count: usize) -> String {
    let padding = "x".repeat(200);
    (0..count).fold(String::new(), |mut text, n| {
        writeln!(text, "{{\"n\":{n},\"p\":\"{padding}\"}}").unwrap();
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_read_part_by_part() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn ObjectStore>; 2] =
        [Arc::new(InMemory::new()), Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap())];
    // Larger than two parts, so that a record lies across a border.
    let count = 90_000;
    let text = lines(count);
    assert!(text.len() > 17 << 20);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines(100).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    for store in stores {
        let large = object(&store, "logs/large.ndjson", text.clone().into()).await;
        assert_eq!(large.byte_len(), Some(text.len() as u64));
        let small = object(&store, "logs/small.gz", gzip.clone()).await;
        let (batches, failed) = read_all(vec![large, small], options(1)).await;
        assert!(failed.is_empty(), "{failed:?}");
        let mut expected = text.lines();
        let mut records = 0;
        for batch in batches.iter().filter(|batch| batch.origin == "s3://bucket/logs/large.ndjson") {
            for record in batch.records() {
                assert_eq!(record.reject, None);
                assert!(record.bytes == expected.next().unwrap().as_bytes());
                records += 1;
            }
        }
        assert_eq!(records, count);
        assert_eq!(
            batches.last().map(|batch| (batch.origin.as_str(), batch.len())),
            Some(("s3://bucket/logs/small.gz", 100))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_gone_fails_alone() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let inputs = vec![
        object(&store, "a", b"{\"a\":1}".to_vec()).await,
        object(&store, "b", b"{\"b\":1}".to_vec()).await,
        object(&store, "c", b"{\"c\":1}".to_vec()).await,
    ];
    store.delete(&Path::from("b")).await.unwrap();
    let (batches, failed) = read_all(inputs, options(1)).await;
    assert_eq!(batches.len(), 2);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].origin, "s3://bucket/b");
    assert_eq!(failed[0].error.fate(), event::Fate::Reject);
}
