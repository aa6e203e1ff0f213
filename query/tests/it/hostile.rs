//! What no query may do or say: each statement is refused with an error of its kind, in words that help,
//! within seconds, and leaves nothing running.

use std::fmt::Write;
use std::time::{Duration, Instant};

use query::{Error, QueryConfig, QueryRequest};
use tokio::time::timeout;

use crate::world::{World, ask, shown};

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

/// One query at a time: one that does not give its place back fails the next.
fn config() -> QueryConfig {
    QueryConfig { memory_bytes: 64 << 20, timeout: TIME, concurrent: 1, threads: 2, ..QueryConfig::default() }
}

async fn check(cases: &[Case<'_>]) {
    let world = World::new(config()).await;
    let mut wrong = String::new();
    for (sql, kind, words) in cases {
        let begun = Instant::now();
        let Err(error) = ask(&world.engine, QueryRequest::new(*sql)).await else {
            writeln!(wrong, "{}: was answered", shown(sql)).unwrap();
            world.engine.idle().await;
            continue;
        };
        let text = error.to_string();
        if !kind.is_of(&error) || !text.contains(words) {
            writeln!(wrong, "{}\n  wanted {kind:?} with {words:?}\n  got {error:?}\n  {text}", shown(sql))
                .unwrap();
        }
        if timeout(GRACE, world.engine.idle()).await.is_err() {
            writeln!(wrong, "{}: runs on", shown(sql)).unwrap();
            break;
        }
        // An engine that minds no limit of its own is seen even on a machine with much else to do.
        if begun.elapsed() > 10 * (TIME + GRACE) {
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
        ("LOCK TABLE events", "`LOCK`"),
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
        ("SELECT * FROM alerts_here", Sql, "there are alerts"),
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
    let cases = format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(1_500), " END".repeat(1_500));
    let brackets = format!("SELECT {}1{}", "[".repeat(4_000), "]".repeat(4_000));
    let casts = format!("SELECT 1{}", "::int".repeat(4_000));
    let subqueries = format!("SELECT * FROM {}SELECT 1{}", "(".repeat(2_000), ")".repeat(2_000));
    let types = format!("SELECT CAST(1 AS {}int{})", "array<".repeat(2_000), ">".repeat(2_000));
    let structs = format!("SELECT CAST(1 AS {}int{})", "struct<a ".repeat(2_000), ">".repeat(2_000));
    let nullables = format!("SELECT CAST(1 AS {}int{})", "Nullable(".repeat(4_000), ")".repeat(4_000));
    let intervals = format!("SELECT {} '1 day'", "INTERVAL ".repeat(9_000));
    let joins = format!("SELECT * FROM alerts{}", " JOIN alerts".repeat(3_000));
    let arrows = format!("SELECT raw_data{} FROM events", " ->> 'a'".repeat(120));
    let scalars = format!("SELECT {}1{}", "(SELECT ".repeat(12), ")".repeat(12));
    let unions = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(600));
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
        (&nots, Sql, ""),
        (&minuses, Sql, "nested deeper than 50"),
        (&cases, Sql, ""),
        (&brackets, Sql, "nested deeper than 50"),
        (&casts, Forbidden, "chain"),
        (&subqueries, Sql, "nested deeper than 50"),
        (&types, Sql, "nested deeper than 50"),
        (&structs, Sql, "nested deeper than 50"),
        (&nullables, Sql, "nested deeper than 50"),
        (&intervals, Sql, "nested deeper than 50"),
        (&arrows, Forbidden, "chain of more than 100"),
        (&scalars, Forbidden, "8 sub-queries"),
        (&unions, Forbidden, "500 SELECTs"),
        (&joins, Forbidden, "16 are the limit"),
        (&explains, Sql, "nested deeper than 50"),
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
        let tables: Vec<_> = (0..20).map(|n| format!("events e{n}")).collect();
        format!("SELECT * FROM {}", tables.join(", "))
    };
    check(&[
        (
            "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
            Forbidden,
            "RECURSIVE",
        ),
        (
            "SELECT * FROM (WITH RECURSIVE t AS (SELECT 1 UNION SELECT 2 FROM t) SELECT * FROM t)",
            Forbidden,
            "",
        ),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", Sql, "`t` does not exist"),
        (&doubling, Forbidden, "200 tables"),
        (&wide, Forbidden, "16 are the limit"),
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
        ("SELECT count(a.message) FROM events a, events b, events c, events d", Limit, ""),
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
        ("SELECT factorial(1000)", Sql, ""),
        ("SELECT chr(-1)", Sql, ""),
        ("SELECT * FROM events LIMIT -1", Sql, ""),
        ("SELECT (SELECT severity_id FROM events)", Sql, ""),
    ])
    .await;
}

/// A chain of operators makes a tree as deep as it is long, and trees are walked recursively: what is
/// allowed must not exhaust the stack, even in a build without optimisation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_statements_that_are_allowed_end() {
    let chain = |first: &str, part: &str| format!("SELECT {first}{} FROM events", part.repeat(490));
    let calls = |first: &str, part: &str| format!("SELECT {first}{} FROM events", part.repeat(95));
    let nest = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let list = |item: &str, times: usize| vec![item; times].join(", ");
    let statements = [
        chain("1", " + 1"),
        chain("severity_id", " + severity_id"),
        calls("'a'", " || 'a'"),
        calls("message", " || message"),
        chain("severity_id = 1", " OR severity_id = 2"),
        chain("severity_id = 1", " AND severity_id <> 2"),
        chain("message LIKE '%a%'", " OR message LIKE '%b%'"),
        chain("1", "::int"),
        chain("message", "::text"),
        chain("severity_id", " IS NULL"),
        calls("raw_data", " -> 'a'"),
        calls("raw_data", "[1]"),
        calls("raw_data", " ->> 'a'"),
        calls("raw_data", " -> 'a' || 'b'"),
        calls("time", " AT TIME ZONE 'UTC'"),
        format!("SELECT * FROM events WHERE severity_id = 1{}", " OR severity_id = 2".repeat(490)),
        format!("SELECT * FROM events WHERE raw_data -> 'a' = 1{}", " AND severity_id <> 2".repeat(490)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(490)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(490)),
        format!("SELECT 1{}", " EXCEPT SELECT 1".repeat(490)),
        format!("SELECT 1{}", " INTERSECT SELECT 1".repeat(490)),
        format!("SELECT 1 FROM alerts{}", " NATURAL JOIN alerts".repeat(15)),
        format!("SELECT 1 FROM {}", (0..16).map(|n| format!("events e{n}")).collect::<Vec<_>>().join(", ")),
        format!(
            "WITH {} SELECT 1",
            (0..490).map(|n| format!("c{n} AS (SELECT 1)")).collect::<Vec<_>>().join(", ")
        ),
        format!("SELECT * FROM {}", (0..16).map(|n| format!("events e{n}")).collect::<Vec<_>>().join(", ")),
        nest("(", "1", ")", 45),
        nest("[", "1", "]", 45),
        nest("abs(", "1", ")", 45),
        nest("(SELECT ", "1", ")", 8),
        nest("CASE WHEN true THEN ", "1", " END", 45),
        nest("NOT ", "true", "", 45),
        nest("CAST(", "1", " AS int)", 45),
        nest("EXISTS (SELECT ", "1", ")", 8),
        nest("struct(", "1", ")", 45),
        nest("* FROM (SELECT ", "1 AS x", ")", 20),
        nest("- ", "1", "", 45),
        nest("INTERVAL ", "'1 day'", "", 45),
        format!("SELECT CAST(NULL AS {}int{})", "array<".repeat(45), ">".repeat(45)),
        format!("SELECT 1 IN ({})", list("1", 50_000)),
        format!("SELECT * FROM events WHERE severity_id IN ({})", list("7", 50_000)),
        format!("VALUES {}", list("(1)", 10_000)),
        format!("SELECT concat({})", list("'a'", 50_000)),
        format!("SELECT CASE {} END FROM events", "WHEN severity_id = 1 THEN 1 ".repeat(1_500)),
        format!("SELECT count(*) FROM events GROUP BY CUBE({})", list("time", 30)),
        format!("SELECT count(*) FROM events GROUP BY {}", list("ROLLUP(time, severity_id)", 12)),
        format!("SELECT * FROM unnest([{}])", list("1", 50_000)),
    ];
    let world = World::new(config()).await;
    let mut wrong = String::new();
    for sql in &statements {
        let begun = Instant::now();
        // An answer or an error, as long as it comes.
        let result = ask(&world.engine, QueryRequest::new(sql)).await;
        if let Err(error @ Error::Failed(_)) = result {
            writeln!(wrong, "{}: {error}", shown(sql)).unwrap();
        }
        if timeout(20 * GRACE, world.engine.idle()).await.is_err() {
            writeln!(wrong, "{}: runs on", shown(sql)).unwrap();
            break;
        }
        // An engine that minds no limit of its own is seen even on a machine with much else to do.
        if begun.elapsed() > 10 * (TIME + GRACE) {
            writeln!(wrong, "{}: took {:?}", shown(sql), begun.elapsed()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
