//! What no query may do or say: each statement is refused with an error of its kind, in words that help,
//! within seconds, and leaves nothing running.

use std::fmt::Write;
use std::time::{Duration, Instant};

use query::{Error, QueryConfig};
use tokio::time::timeout;

use crate::world::{World, shown};

/// The time limit of these queries.
const TIME: Duration = Duration::from_secs(3);
/// How much later than its limit a query may end, on a machine that does other things too.
const GRACE: Duration = Duration::from_secs(5);

/// The kind of error that is wanted.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Forbidden,
    Sql,
    Memory,
    /// Time or memory, whichever ends first.
    Limit,
}

impl Kind {
    fn is_of(self, error: &Error) -> bool {
        match self {
            Self::Forbidden => matches!(error, Error::Forbidden { .. }),
            Self::Sql => matches!(error, Error::Sql { .. }),
            Self::Memory => matches!(error, Error::MemoryLimit { .. }),
            Self::Limit => matches!(error, Error::MemoryLimit { .. } | Error::Timeout { .. }),
        }
    }
}

/// A statement, the kind of its error, and words of the message.
type Case<'a> = (&'a str, Kind, &'a str);

async fn check(cases: &[Case<'_>]) {
    // One at a time: a query that does not give its place back fails the next one.
    let config = QueryConfig {
        memory_bytes: 64 << 20,
        timeout: TIME,
        concurrent: 1,
        threads: 2,
        ..QueryConfig::default()
    };
    let world = World::new(config).await;
    let mut wrong = String::new();
    for (sql, kind, words) in cases {
        let begun = Instant::now();
        eprintln!("DBG {}", shown(sql));
        let error = world.refused(sql).await;
        let text = error.to_string();
        if !kind.is_of(&error) || !text.contains(words) {
            writeln!(wrong, "{}\n  wanted {kind:?} with {words:?}\n  got {error:?}\n  {text}", shown(sql))
                .unwrap();
        }
        if timeout(GRACE, world.engine.idle()).await.is_err() {
            writeln!(wrong, "{}: runs on", shown(sql)).unwrap();
            break;
        }
        if begun.elapsed() > TIME + GRACE {
            writeln!(wrong, "{}: took {:?}", shown(sql), begun.elapsed()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(world.ask("SELECT count(*) FROM alerts").await, "2", "the engine goes on");
}

use Kind::{Forbidden, Limit, Memory, Sql};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_or_changed() {
    let only_read = "queries only read";
    let cases = [
        ("CREATE TABLE t (a INT)", "`CREATE`"),
        ("CREATE TABLE t AS SELECT * FROM events", "`CREATE`"),
        ("CREATE OR REPLACE TABLE events AS SELECT 1", "`CREATE`"),
        ("CREATE TEMPORARY TABLE t (a INT)", "`CREATE`"),
        ("CREATE VIEW v AS SELECT 1", "`CREATE`"),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "`CREATE`"),
        ("CREATE UNBOUNDED EXTERNAL TABLE t STORED AS PARQUET LOCATION 's3://b/t'", "`CREATE`"),
        ("CREATE FUNCTION f(INT) RETURNS INT RETURN $1 + 1", "`CREATE`"),
        ("CREATE SCHEMA s", "`CREATE`"),
        ("CREATE DATABASE d", "`CREATE`"),
        ("CREATE INDEX i ON events (time)", "`CREATE`"),
        ("DROP TABLE events", "`DROP`"),
        ("DROP VIEW observables", "`DROP`"),
        ("DROP SCHEMA public CASCADE", "`DROP`"),
        ("DROP FUNCTION count", "`DROP`"),
        ("ALTER TABLE events ADD COLUMN a INT", "`ALTER`"),
        ("TRUNCATE TABLE events", "`TRUNCATE`"),
        ("INSERT INTO events VALUES (1)", "`INSERT`"),
        ("INSERT INTO events SELECT * FROM events", "`INSERT`"),
        ("UPDATE events SET message = ''", "`UPDATE`"),
        ("DELETE FROM events", "`DELETE`"),
        ("MERGE INTO events e USING alerts a ON e.event_uid = a.id WHEN MATCHED THEN DELETE", "`MERGE`"),
        ("COPY events TO '/tmp/events.csv'", "`COPY`"),
        ("COPY (SELECT 1) TO '/tmp/one.parquet' STORED AS PARQUET", "`COPY`"),
        ("COPY INTO events FROM 's3://b/t'", "`COPY`"),
        ("SET datafusion.execution.batch_size = 1", "`SET`"),
        ("SET TIME ZONE 'UTC'", "`SET`"),
        ("RESET datafusion.execution.batch_size", "`RESET`"),
        ("SHOW ALL", "`SHOW`"),
        ("SHOW datafusion.execution.batch_size", "`SHOW`"),
        ("SHOW FUNCTIONS", "`SHOW`"),
        ("SHOW CREATE TABLE events", "`SHOW`"),
        ("PREPARE p AS SELECT 1", "`PREPARE`"),
        ("EXECUTE p(1)", "`EXECUTE`"),
        ("DEALLOCATE p", "`DEALLOCATE`"),
        ("BEGIN", "`BEGIN`"),
        ("START TRANSACTION", "`START`"),
        ("COMMIT", "`COMMIT`"),
        ("ROLLBACK", "`ROLLBACK`"),
        ("GRANT SELECT ON events TO public", "`GRANT`"),
        ("REVOKE SELECT ON events FROM public", "`REVOKE`"),
        ("ATTACH DATABASE '/tmp/x.db' AS x", "`ATTACH`"),
        ("CALL f(1)", "`CALL`"),
        ("USE public", "`USE`"),
        ("KILL 1", "`KILL`"),
        ("LOCK TABLES events WRITE", "`LOCK`"),
        ("ANALYZE TABLE events", "`ANALYZE`"),
        ("PRAGMA table_info('events')", "`PRAGMA`"),
        ("DECLARE c CURSOR FOR SELECT 1", "`DECLARE`"),
        ("EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events", "EXPLAIN"),
        ("EXPLAIN ANALYZE SELECT * FROM events", "EXPLAIN"),
        ("EXPLAIN (ANALYZE) SELECT * FROM events", "EXPLAIN"),
        ("EXPLAIN DELETE FROM events", "EXPLAIN"),
        ("EXPLAIN EXPLAIN SELECT 1", "EXPLAIN"),
    ];
    let mut all: Vec<Case<'_>> = cases.iter().map(|(sql, words)| (*sql, Forbidden, *words)).collect();
    all.extend([
        ("DROP TABLE events", Forbidden, only_read),
        ("SELECT 1; SELECT 2", Forbidden, "send them one by one"),
        ("SELECT 1; DROP TABLE events", Forbidden, "send them one by one"),
        (";;SELECT 1;;DELETE FROM events;", Forbidden, "send them one by one"),
        ("SELECT * INTO t FROM events", Forbidden, "SELECT INTO"),
        ("SELECT * FROM events FOR UPDATE", Forbidden, "FOR UPDATE"),
        ("WITH d AS (DELETE FROM events RETURNING *) SELECT * FROM d", Forbidden, "not allowed"),
        ("WITH a AS (SELECT 1) INSERT INTO events SELECT * FROM a", Forbidden, "not allowed"),
        ("LOAD 'libc.so'", Forbidden, "`LOAD`"),
        ("VACUUM events", Forbidden, "`VACUUM`"),
    ]);
    check(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_the_tables_is_reached() {
    check(&[
        ("SELECT * FROM '/etc/passwd'", Sql, "there are alerts"),
        ("SELECT * FROM '/etc/passwd.csv'", Sql, "does not exist"),
        ("SELECT * FROM \"/etc/passwd\"", Sql, "does not exist"),
        ("SELECT * FROM 's3://bucket/key.parquet'", Sql, "does not exist"),
        ("SELECT * FROM 'http://127.0.0.1:8080/x.csv'", Sql, "does not exist"),
        ("SELECT * FROM 'file:///etc/passwd'", Sql, "does not exist"),
        ("SELECT * FROM 'stormglass://events/x.parquet'", Sql, "does not exist"),
        ("SELECT * FROM 'data.csv'", Sql, "does not exist"),
        ("SELECT * FROM \"../events/_delta_log/00000000000000000000.json\"", Sql, "does not exist"),
        ("SELECT * FROM `x.parquet`", Sql, "does not exist"),
        ("SELECT * FROM read_csv('/etc/passwd')", Forbidden, "`read_csv`"),
        ("SELECT * FROM read_parquet('x.parquet')", Forbidden, "`read_parquet`"),
        ("SELECT * FROM parquet_metadata('x.parquet')", Forbidden, "`parquet_metadata`"),
        ("SELECT * FROM generate_series(1, 1000000000000)", Forbidden, "`generate_series`"),
        ("SELECT * FROM range(0, 9223372036854775807)", Forbidden, "`range`"),
        ("SELECT * FROM LATERAL generate_series(1, 10)", Forbidden, "`generate_series`"),
        ("SELECT * FROM TABLE(generate_series(1, 10))", Forbidden, "table function"),
        ("SELECT generate_series(1, 1000000000)", Forbidden, "`generate_series`"),
        ("SELECT * FROM unnest(range(1, 1000000000))", Forbidden, "`range`"),
        ("SELECT * FROM information_schema.tables", Sql, "does not exist"),
        ("SELECT * FROM information_schema.df_settings", Sql, "does not exist"),
        ("SELECT * FROM datafusion.information_schema.columns", Sql, "does not exist"),
        ("SELECT * FROM pg_catalog.pg_tables", Sql, "does not exist"),
        ("SELECT * FROM sqlite_master", Sql, "does not exist"),
        ("SELECT * FROM ledger", Sql, "does not exist"),
        ("SELECT * FROM alerts_here", Sql, "did you mean"),
        ("SELECT * FROM other.public.events", Sql, "does not exist"),
        ("SELECT * FROM a.b.c.d", Sql, ""),
        ("SELECT version()", Forbidden, "`version`"),
        ("SELECT input_file_name() FROM events", Forbidden, "`input_file_name`"),
        ("SELECT @@version", Forbidden, ""),
        ("SELECT $1", Forbidden, "placeholder"),
        ("SELECT pg_read_file('/etc/passwd')", Sql, "there is no function `pg_read_file`"),
        ("SELECT load_extension('x.so')", Sql, "there is no function `load_extension`"),
        ("SELECT cuont(*) FROM events", Sql, "did you mean `count`?"),
        ("SELECT sums(1)", Sql, "did you mean `sum`?"),
        ("SELECT regexp_replce('a', 'b', 'c')", Sql, "did you mean `regexp_replace`?"),
        ("SHOW COLUMNS FROM passwd", Sql, "there are alerts"),
        ("DESCRIBE '/etc/passwd'", Sql, "there are alerts"),
        ("DESCRIBE event", Sql, "did you mean `events`?"),
        ("TABLE passwd", Sql, ""),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_text_is_refused() {
    let parens = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let open_parens = format!("SELECT {}", "(".repeat(500_000));
    let ands = format!("SELECT 1 WHERE true{}", " AND true".repeat(10_000));
    let nots = format!("SELECT {} true", "NOT ".repeat(9_000));
    let minuses = format!("SELECT {}1", "- ".repeat(9_000));
    let cases = format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(2_000), " END".repeat(2_000));
    let brackets = format!("SELECT {}1{}", "[".repeat(4_000), "]".repeat(4_000));
    let casts = format!("SELECT 1{}", "::int".repeat(4_000));
    let subqueries = format!("SELECT * FROM {}SELECT 1{}", "(".repeat(2_000), ")".repeat(2_000));
    let types = format!("SELECT CAST(1 AS {}int{})", "array<".repeat(4_000), ">".repeat(4_000));
    let explains = format!("{}SELECT 1", "EXPLAIN ".repeat(9_000));
    let too_long = format!("SELECT '{}'", "x".repeat(2 << 20));
    let digits = format!("SELECT {} + 'x'", "9".repeat(500_000));
    check(&[
        ("", Sql, "empty"),
        ("   \n\t ", Sql, "empty"),
        (";", Sql, "empty"),
        (";;;;", Sql, "empty"),
        ("-- only a comment", Sql, "empty"),
        ("/* only a comment */", Sql, "empty"),
        ("/* without an end", Sql, ""),
        ("\0", Sql, ""),
        ("SELECT 1\0", Sql, ""),
        ("SELECT * FROM ev\0ents", Sql, ""),
        ("\u{feff}", Sql, ""),
        ("SELEC 1", Sql, "SELEC"),
        ("SELECT", Sql, ""),
        ("SELECT 'without an end", Sql, "line 1, column 8"),
        ("SELECT \"without an end", Sql, ""),
        ("SELECT 1 FROM", Sql, ""),
        ("SELECT 1 1 1", Sql, "line 1"),
        ("👻", Sql, ""),
        ("SELECT * FROM events WHERE", Sql, ""),
        (&parens, Sql, "nested deeper than 50"),
        (&open_parens, Sql, "nested deeper than 50"),
        (&ands, Forbidden, "10000 are the limit"),
        (&nots, Sql, "nested deeper than 50"),
        (&minuses, Sql, "nested deeper than 50"),
        (&cases, Sql, "nested deeper than 50"),
        (&brackets, Sql, "nested deeper than 50"),
        (&casts, Sql, ""),
        (&subqueries, Sql, "nested deeper than 50"),
        (&types, Sql, ""),
        (&explains, Sql, ""),
        (&too_long, Forbidden, "1048576 bytes are the limit"),
        (&digits, Sql, ""),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_end_at_a_limit() {
    let long_pattern = format!("SELECT * FROM events WHERE message ~ '{}'", "(a|b)".repeat(2_000));
    let doubling = {
        let steps: Vec<_> =
            (1..=30).map(|n| format!("c{n} AS (SELECT a.x FROM c{} a, c{} b)", n - 1, n - 1)).collect();
        format!("WITH c0 AS (SELECT 1 AS x), {} SELECT * FROM c30", steps.join(", "))
    };
    let wide = {
        let stars = vec!["e.*"; 40].join(", ");
        format!("SELECT {stars} FROM events e")
    };
    check(&[
        (
            "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
            Forbidden,
            "RECURSIVE",
        ),
        ("SELECT * FROM (WITH RECURSIVE t AS (SELECT 1 UNION SELECT 2 FROM t) TABLE t)", Forbidden, ""),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", Sql, "`t` does not exist"),
        (&doubling, Forbidden, "2000 steps"),
        (&wide, Forbidden, "2000 are the limit"),
        ("SELECT repeat('x', 1000000000)", Memory, "`repeat`"),
        ("SELECT repeat(repeat('x', 1000000), 1000000)", Memory, "`repeat`"),
        ("SELECT repeat(raw_data, 1000000) FROM events", Memory, "`repeat`"),
        ("SELECT lpad('x', 2000000000, 'y')", Memory, "`lpad`"),
        ("SELECT rpad(api_operation, 1000000000) FROM events", Memory, "`rpad`"),
        ("SELECT array_repeat(1, 1000000000)", Memory, "`array_repeat`"),
        ("SELECT replace(repeat('x', 1000000), 'x', repeat('y', 1000))", Memory, "`replace`"),
        ("SELECT regexp_replace(repeat('x', 1000000), '', 'yyyyyyyy', 'g')", Memory, "`regexp_replace`"),
        ("SELECT concat(repeat('x', 1000000), repeat('y', 1000000))", Memory, "concat"),
        ("SELECT repeat('x', 1000000) || repeat('y', 1000000)", Memory, ""),
        ("SELECT levenshtein(repeat('x', 1000000), repeat('y', 1000000))", Memory, "`levenshtein`"),
        (&long_pattern, Forbidden, "4096 bytes are the limit"),
        ("SELECT * FROM events WHERE raw_data ~ '((((a{100}){100}){100}){100})'", Sql, ""),
        ("SELECT * FROM events WHERE regexp_like(raw_data, '(((\\w{200}){200}){200})')", Sql, ""),
        ("SELECT * FROM events WHERE raw_data ~ '('", Sql, ""),
        ("SELECT * FROM events WHERE raw_data ~ message", Forbidden, "differs from row to row"),
        ("SELECT regexp_match(raw_data, source) FROM events", Forbidden, "differs from row to row"),
        ("SELECT count(*) FROM events a, events b, events c, events d", Limit, ""),
        (
            "SELECT count(*) FROM events a JOIN events b ON a.time < b.time JOIN events c ON b.time > c.time",
            Limit,
            "",
        ),
        ("SELECT a.raw_data FROM events a, events b, events c ORDER BY a.raw_data || b.raw_data", Limit, ""),
        ("SELECT count(DISTINCT a.event_uid || b.event_uid) FROM events a, events b", Limit, ""),
        ("SELECT array_agg(a.raw_data) FROM events a, events b", Limit, ""),
        ("SELECT string_agg(a.raw_data, ',') FROM events a, events b", Limit, ""),
        ("SELECT a.time, sum(b.severity_id) OVER (ORDER BY b.time) FROM events a, events b", Limit, ""),
        ("SELECT arrow_cast(1, 'FixedSizeBinary(2000000000)')", Forbidden, "`arrow_cast`"),
        ("SELECT array_agg(raw_data) OVER (ORDER BY time) FROM events", Forbidden, "OVER"),
        ("SELECT approx_percentile_cont(severity_id, 0.5, 1000000000) FROM events", Forbidden, "centroids"),
        ("SELECT CAST('abc' AS INT)", Sql, "abc"),
        ("SELECT 1 / 0", Sql, "nullif"),
        ("SELECT severity_id / 0 FROM events", Sql, "nullif"),
        ("SELECT 9223372036854775807 + 1", Sql, ""),
        ("SELECT factorial(1000)", Sql, ""),
        ("SELECT chr(-1)", Sql, ""),
        ("SELECT * FROM events LIMIT -1", Sql, ""),
        ("SELECT (SELECT severity_id FROM events)", Sql, ""),
    ])
    .await;
}
