//! Questions and their right answers.

use query::{Format, QueryConfig, QueryRequest};

use crate::world::{LIVE, STORED, World, events, uid};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_over_events() {
    let world = World::new(QueryConfig::default()).await;
    let found = format!(
        "SELECT log_offset, actor_user_name, event_day FROM events WHERE event_uid = '{}'",
        uid(1234)
    );
    let live = format!("SELECT log_offset FROM events WHERE event_uid = '{}'", uid(STORED + 7));
    let cases = [
        ("SELECT count(*) FROM events", "3030"),
        ("SELECT count(*) FROM events WHERE api_operation = 'DeleteTrail'", "31"),
        ("SELECT cloud_provider, count(*) FROM events GROUP BY 1 ORDER BY 1", "AWS,1010|Azure,1010|GCP,1010"),
        (
            "SELECT event_day, count(*) AS n FROM events GROUP BY event_day ORDER BY event_day",
            "2026-03-01,1000|2026-03-02,1000|2026-03-03,1000|2026-03-04,30",
        ),
        ("SELECT min(time), max(time) FROM events", "2026-03-01T00:00:00Z,2026-03-04T00:00:29Z"),
        (
            "SELECT actor_user_name, count(*) FROM events WHERE severity_id >= 4 GROUP BY ALL ORDER BY 2 DESC, 1",
            "user7,31",
        ),
        (
            "SELECT date_trunc('hour', time) AS hour, count(DISTINCT src_endpoint_ip) FROM events \
             WHERE time >= '2026-03-02' AND time < '2026-03-03' GROUP BY hour",
            "2026-03-02T00:00:00Z,50",
        ),
        ("SELECT raw_data->'user'->>'name' FROM events WHERE log_offset = 42", "user2"),
        ("SELECT json_get_int(raw_data, 'id') FROM events WHERE log_offset = 42", "42"),
        ("SELECT log_offset FROM events ORDER BY time DESC LIMIT 2", "3029|3028"),
        (
            "WITH loud AS (SELECT src_endpoint_ip AS ip, count(*) AS n FROM events GROUP BY 1) \
             SELECT count(*), max(n), min(n) FROM loud",
            "50,61,60",
        ),
        (
            "SELECT count(*) FROM events a JOIN events b ON a.event_uid = b.event_uid AND a.log_offset = b.log_offset",
            "3030",
        ),
        (
            "SELECT name, value, count(*) FROM observables WHERE value = '10.0.0.7' GROUP BY 1, 2",
            "src_endpoint.ip,10.0.0.7,61",
        ),
        (
            "SELECT log_offset, row_number() OVER (ORDER BY time) AS n FROM events \
             WHERE event_day = '2026-03-04' AND cloud_provider = 'GCP' ORDER BY time LIMIT 2",
            "3002,1|3005,2",
        ),
        (
            "SELECT count(*) FROM events WHERE api_operation ~ '^Delete' AND actor_user_name LIKE 'user%'",
            "31",
        ),
        ("SELECT count(*) FROM events WHERE api_operation ILIKE 'deleteTRAIL'", "31"),
        ("SELECT 1 AS a, 'b' AS b UNION ALL SELECT 2, 'c' ORDER BY a", "1,b|2,c"),
        (
            "SELECT identity('arn:aws:iam::1:user/ana') = identity('AKIAANA'), identity('bob'), identity(NULL)",
            "true,bob,",
        ),
        ("VALUES (1, 'x'), (2, NULL)", "1,x|2,"),
        ("SELECT count(*) FROM events WHERE false", "0"),
        (found.as_str(), "1234,user4,2026-03-02"),
        (live.as_str(), "3007"),
        ("SELECT EXTRACT(day FROM time) AS d FROM events WHERE log_offset = 1000", "2"),
    ];
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let answer = world.ask(sql).await;
        if answer != expected {
            wrong.push(format!("{sql}\n  wanted {expected}\n  got    {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_over_the_state() {
    let world = World::new(QueryConfig::default()).await;
    let cases = [
        ("SHOW TABLES", "alerts|dead_letters|events|observables|sources"),
        ("DESCRIBE alerts", "id,text,|severity_id,bigint,|time,timestamp,"),
        ("SELECT * FROM alerts ORDER BY id", "a1,4,2026-03-01T00:00:00Z|a2,5,"),
        ("SELECT id FROM alerts WHERE severity_id > 4", "a2"),
        (
            "SELECT id, reason, record, received FROM dead_letters ORDER BY id LIMIT 1",
            "1,malformed,not json,2026-03-01T00:00:00Z",
        ),
        ("SELECT count(*) FROM dead_letters", "2"),
        (
            "SELECT source, received, rows, dead_letters, unaccounted FROM sources ORDER BY source",
            "cli,3000,3000,0,0|http,2,0,2,0",
        ),
        (
            "SELECT s.source, count(d.id) FROM sources s LEFT JOIN dead_letters d ON d.source = s.source \
             GROUP BY s.source ORDER BY s.source",
            "cli,0|http,2",
        ),
        (
            "SELECT count(*) FROM events e JOIN sources s ON e.source = s.source WHERE s.source = 'cli'",
            "3030",
        ),
        ("SELECT * FROM public.alerts WHERE id = 'none'", ""),
    ];
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let answer = world.ask(sql).await;
        if answer != expected {
            wrong.push(format!("{sql}\n  wanted {expected}\n  got    {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever is committed meanwhile, a row is seen once, from the moment when it was appended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_seen_before_and_after_their_commit() {
    let world = World::new(QueryConfig::default()).await;
    let count = "SELECT count(*), count(DISTINCT event_uid), sum(log_offset) FROM events";
    let all = |to: u64| format!("{to},{to},{}", to * (to - 1) / 2);
    let to = STORED + LIVE;
    assert_eq!(world.ask(count).await, all(to));
    let before = world.engine.run(QueryRequest::new("SELECT log_offset FROM events")).await.unwrap();
    world.table.append(events(to..to + 10), to + 10).unwrap();
    assert_eq!(world.ask(count).await, all(to + 10));
    world.table.commit().await.unwrap();
    assert_eq!(world.ask(count).await, all(to + 10));
    assert_eq!(world.ask("SELECT count(*) FROM events WHERE event_day = '2026-03-04'").await, "40");
    // The query that began before sees what there was then.
    let mut rows = 0;
    let mut before = before;
    while let Some(batch) = before.next().await {
        rows += batch.unwrap().num_rows() as u64;
    }
    assert_eq!(rows, to);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_column_of_an_event_can_be_written_in_every_format() {
    let world = World::new(QueryConfig::default()).await;
    let formats =
        [Format::Table, Format::Csv, Format::Json, Format::Ndjson, Format::Parquet, Format::ArrowIpc];
    for format in formats {
        let request = QueryRequest::new("SELECT * FROM events ORDER BY time DESC LIMIT 50");
        let mut answer = world.engine.run(request).await.unwrap();
        let mut bytes = Vec::new();
        let mut writer = format.writer(&mut bytes, &answer.schema()).unwrap();
        while let Some(batch) = answer.next().await {
            writer.write(&batch.unwrap()).unwrap();
        }
        writer.finish().unwrap();
        assert!(bytes.len() > 1_000, "{format:?}");
    }
}
