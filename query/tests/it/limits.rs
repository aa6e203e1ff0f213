//! Time, memory, rows and places are what the configuration grants.

use std::time::{Duration, Instant};

use event::Fate;
use query::{Error, QueryConfig, QueryRequest};
use tokio::time::timeout;

use crate::world::{LIVE, PATIENCE, STORED, World, ask};

/// Computes for hours.
const ENDLESS: &str = "SELECT count(*) FROM events a, events b, events c, events d WHERE a.time <> d.time";
/// Answers for hours.
const FLOOD: &str = "SELECT a.raw_data FROM events a, events b, events c";

fn config() -> QueryConfig {
    QueryConfig { threads: 2, ..QueryConfig::default() }
}

async fn rows(world: &World, request: QueryRequest) -> query::Result<(usize, bool)> {
    let mut answer = world.engine.run(request).await?;
    let mut rows = 0;
    while let Some(batch) = answer.next().await {
        rows += batch?.num_rows();
    }
    Ok((rows, answer.truncated()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_ends_a_query() {
    let world = World::new(QueryConfig { timeout: Duration::from_secs(1), ..config() }).await;
    let begun = Instant::now();
    let error = world.refused(ENDLESS).await;
    assert!(matches!(error, Error::Timeout { after } if after == Duration::from_secs(1)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(error.fate(), Fate::Reject);
    timeout(PATIENCE, world.engine.idle()).await.unwrap();

    // A request may ask for less and not for more.
    for (asked, granted) in [(200, 200), (3_600_000, 1_000)] {
        let request =
            QueryRequest { timeout: Some(Duration::from_millis(asked)), ..QueryRequest::new(ENDLESS) };
        let error = ask(&world.engine, request).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { after } if after.as_millis() == granted), "{error}");
        timeout(PATIENCE, world.engine.idle()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_slowly_runs_out_of_time() {
    let world =
        World::new(QueryConfig { timeout: Duration::from_secs(1), max_rows: 10_000_000, ..config() }).await;
    let mut answer = world.engine.run(QueryRequest::new(FLOOD)).await.unwrap();
    assert!(answer.next().await.unwrap().unwrap().num_rows() > 0);
    timeout(PATIENCE, world.engine.idle()).await.expect("it holds its place for as long as the client likes");
    let last = loop {
        match answer.next().await {
            Some(Ok(_)) => {}
            last => break last,
        }
    };
    assert!(matches!(last, Some(Err(Error::Timeout { .. }))), "{last:?}");
    assert!(answer.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_ends_a_query() {
    let world = World::new(QueryConfig { memory_bytes: 4 << 20, ..config() }).await;
    let sql = "SELECT a.event_uid, b.raw_data FROM events a, events b ORDER BY b.raw_data, a.event_uid";
    let request = QueryRequest { max_rows: Some(10_000_000), ..QueryRequest::new(sql) };
    let error = ask(&world.engine, request).await.unwrap_err();
    assert!(matches!(&error, Error::MemoryLimit { what, .. } if what.contains("2 MiB")), "{error}");
    timeout(PATIENCE, world.engine.idle()).await.unwrap();
    // The memory is given back.
    assert_eq!(world.ask("SELECT count(DISTINCT event_day) FROM events").await, "4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_end_an_answer() {
    let world = World::new(QueryConfig { max_rows: 100, ..config() }).await;
    let all = (STORED + LIVE) as usize;
    let cases = [
        ("SELECT event_uid FROM events", None, (100, true)),
        ("SELECT event_uid FROM events ORDER BY time", None, (100, true)),
        ("SELECT event_uid FROM events LIMIT 100", None, (100, false)),
        ("SELECT event_uid FROM events LIMIT 101", None, (100, true)),
        ("SELECT event_uid FROM events LIMIT 99", None, (99, false)),
        ("SELECT event_uid FROM events", Some(all), (all, false)),
        ("SELECT event_uid FROM events", Some(all - 1), (all - 1, true)),
        ("SELECT event_uid FROM events", Some(usize::MAX), (all, false)),
        ("SELECT event_uid FROM events", Some(0), (0, true)),
        ("SELECT event_uid FROM events WHERE false", Some(0), (0, false)),
        ("SELECT id FROM alerts", Some(1), (1, true)),
        ("SHOW TABLES", Some(2), (2, true)),
        ("DESCRIBE events", Some(3), (3, true)),
        ("DESCRIBE alerts", None, (3, false)),
    ];
    for (sql, max_rows, expected) in cases {
        let request = QueryRequest { max_rows, ..QueryRequest::new(sql) };
        assert_eq!(rows(&world, request).await.unwrap(), expected, "{sql} {max_rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_at_once_are_refused() {
    let world = World::new(QueryConfig { concurrent: 2, ..config() }).await;
    let one = world.engine.run(QueryRequest::new(FLOOD)).await.unwrap();
    let _two = world.engine.clone().run(QueryRequest::new(FLOOD)).await.unwrap();
    assert_eq!(world.engine.running(), 2);
    let error = world.engine.run(QueryRequest::new("SELECT 1")).await.unwrap_err();
    assert!(matches!(error, Error::Busy { running: 2, .. }), "{error}");
    assert!(matches!(error.fate(), Fate::Retry { .. }));
    drop(one);
    timeout(PATIENCE, async {
        while world.engine.running() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("a dropped query keeps its place");
    assert_eq!(world.ask("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_stream_stops_the_query() {
    let world =
        World::new(QueryConfig { concurrent: 1, timeout: Duration::from_secs(3600), ..config() }).await;
    for sql in [FLOOD, ENDLESS] {
        drop(world.engine.run(QueryRequest::new(sql)).await.unwrap());
        timeout(Duration::from_secs(5), world.engine.idle()).await.expect(sql);
        let answer = world.engine.run(QueryRequest::new(sql)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.engine.running(), 1, "{sql}");
        drop(answer);
        timeout(Duration::from_secs(5), world.engine.idle()).await.expect(sql);
        // Before it is planned, too.
        drop(timeout(Duration::from_micros(100), world.engine.run(QueryRequest::new(sql))).await);
        timeout(Duration::from_secs(5), world.engine.idle()).await.expect(sql);
    }
}
