//! What a filter leaves out is not read: counted at the store.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use query::{QueryConfig, QueryEngine, QueryRequest};
use storage::table::{EventTable, TableConfig};
use tempfile::TempDir;
use url::Url;

use crate::world::{ask, engine, fill, uid};

/// Objects in memory that count what is read of Parquet files.
#[derive(Debug, Default)]
struct CountingStore {
    inner: InMemory,
    files: Mutex<BTreeSet<Path>>,
    bytes: AtomicU64,
}

impl CountingStore {
    /// The files touched and the bytes read since the last time.
    fn take(&self) -> (usize, u64) {
        let files = std::mem::take(&mut *self.files.lock().unwrap());
        (files.len(), self.bytes.swap(0, Ordering::Relaxed))
    }
}

impl fmt::Display for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountingStore")
    }
}

#[async_trait]
impl ObjectStore for CountingStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let result = self.inner.get_opts(path, options).await?;
        if path.as_ref().ends_with(".parquet") && !path.as_ref().contains("_delta_log") {
            self.files.lock().unwrap().insert(path.clone());
            self.bytes.fetch_add(result.range.end - result.range.start, Ordering::Relaxed);
        }
        Ok(result)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

struct Counted {
    engine: QueryEngine,
    store: Arc<CountingStore>,
    _folder: TempDir,
}

impl Counted {
    async fn new() -> Self {
        let store = Arc::new(CountingStore::default());
        let url = Url::parse("memory:///events").unwrap();
        let table = EventTable::open_store(store.clone(), &url, TableConfig::default()).await.unwrap();
        fill(&table).await;
        let folder = tempfile::tempdir().unwrap();
        // Footers are read again for every query, so that counts do not hang on their order.
        let config = QueryConfig { footer_cache_bytes: 0, ..QueryConfig::default() };
        let engine = engine(&table, folder.path(), config);
        store.take();
        Self { engine, store, _folder: folder }
    }

    /// The number of rows, the files touched and the bytes read.
    async fn ask(&self, sql: &str) -> (usize, usize, u64) {
        let answer = ask(&self.engine, QueryRequest::new(sql)).await.unwrap();
        let (files, bytes) = self.store.take();
        (answer.lines().count() - 1, files, bytes)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_match_are_not_opened() {
    let table = Counted::new().await;
    let cases = [
        ("SELECT raw_data FROM events", 3030, 9),
        ("SELECT raw_data FROM events WHERE event_day = '2026-03-02'", 1000, 3),
        ("SELECT raw_data FROM events WHERE event_day >= '2026-03-02'", 2030, 6),
        ("SELECT raw_data FROM events WHERE cloud_provider = 'GCP'", 1010, 3),
        ("SELECT raw_data FROM events WHERE event_day = '2026-03-02' AND cloud_provider = 'GCP'", 333, 1),
        (
            "SELECT raw_data FROM events WHERE cloud_provider IN ('AWS', 'GCP') AND event_day < '2026-03-02'",
            667,
            2,
        ),
        ("SELECT raw_data FROM events WHERE time < '2026-03-02'", 1000, 3),
        (
            "SELECT raw_data FROM events WHERE time BETWEEN '2026-03-01T00:00:10Z' AND '2026-03-01T00:00:19Z'",
            10,
            3,
        ),
        (
            "SELECT raw_data FROM events WHERE time > '2026-03-01T12:00:00Z' AND time < '2026-03-01T13:00:00Z'",
            0,
            0,
        ),
        ("SELECT raw_data FROM events WHERE time > '2026-03-04'", 29, 0),
        ("SELECT raw_data FROM events WHERE event_day = '2020-01-01'", 0, 0),
        ("SELECT raw_data FROM events WHERE cloud_provider = 'Oracle'", 0, 0),
        ("SELECT raw_data FROM events WHERE cloud_provider IS NULL", 0, 0),
        ("SELECT count(*) FROM events", 1, 0),
    ];
    let mut wrong = Vec::new();
    for (sql, rows, files) in cases {
        let (found, touched, _) = table.ask(sql).await;
        if (found, touched) != (rows, files) {
            wrong.push(format!("{sql}\n  wanted {rows} rows of {files} files, got {found} of {touched}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_reads_little() {
    let table = Counted::new().await;
    let (_, _, all) = table.ask("SELECT * FROM events").await;
    let one = format!("SELECT raw_data FROM events WHERE event_uid = '{}'", uid(1234));
    let (rows, _, bytes) = table.ask(&one).await;
    assert_eq!(rows, 1);
    // An id that is nowhere: statistics cannot tell, the bloom filters can.
    let none = format!("SELECT raw_data FROM events WHERE event_uid = '{}'", uid(999_999));
    let (rows, _, none_bytes) = table.ask(&none).await;
    assert_eq!(rows, 0);
    assert!(none_bytes < bytes, "{none_bytes} {bytes}");
    assert!(bytes < all, "{bytes} of {all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_tells_the_files() {
    let table = Counted::new().await;
    let explain =
        "EXPLAIN SELECT raw_data FROM events WHERE event_day = '2026-03-02' AND cloud_provider = 'GCP'";
    let plan = ask(&table.engine, QueryRequest::new(explain)).await.unwrap();
    assert!(plan.contains("1 group"), "{plan}");
    assert_eq!(table.store.take().0, 0);
}
