//! What the settings promise, and what opening refuses.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use rusqlite::Connection;

use super::State;
use crate::{Error, Result};

const TWO_TABLES: &[&str] =
    &["CREATE TABLE a (n INTEGER NOT NULL) STRICT; CREATE TABLE b (n INTEGER NOT NULL) STRICT"];

fn open(dir: &Path) -> (PathBuf, State) {
    let path = dir.join("state.db");
    let state = State::open(&path).unwrap();
    (path, state)
}

fn pragma(db: &Connection, name: &str) -> String {
    db.pragma_query_value(None, name, |row| row.get(0)).map(text).unwrap()
}

fn text(value: rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

fn count(state: &State, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {table}");
    state.read(|db| Ok::<u64, Error>(db.query_row(&sql, [], |row| row.get(0))?)).unwrap()
}

#[test]
fn commits_are_durable_and_reads_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let (_, state) = open(dir.path());
    state
        .write(|txn| {
            assert_eq!(pragma(txn, "journal_mode"), "wal");
            // 2 is FULL: https://sqlite.org/pragma.html#pragma_synchronous
            assert_eq!(pragma(txn, "synchronous"), "2");
            assert_eq!(pragma(txn, "foreign_keys"), "1");
            assert_eq!(pragma(txn, "busy_timeout"), "5000");
            Ok::<_, Error>(())
        })
        .unwrap();
    state
        .read(|db| {
            assert_eq!(pragma(db, "query_only"), "1");
            assert!(db.execute("CREATE TABLE c (n INTEGER)", []).is_err());
            Ok::<_, Error>(())
        })
        .unwrap();
}

#[test]
fn an_error_or_a_panic_undoes_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (_, state) = open(dir.path());
    state.migrate("test", TWO_TABLES).unwrap();
    let failed: Result<()> = state.write(|txn| {
        txn.execute("INSERT INTO a VALUES (1)", [])?;
        txn.execute("INSERT INTO b VALUES (NULL)", [])?;
        Ok(())
    });
    assert!(matches!(failed, Err(Error::Sqlite(_))));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        state.write(|txn| {
            txn.execute("INSERT INTO a VALUES (1)", []).unwrap();
            panic!("on purpose");
            #[expect(unreachable_code, reason = "gives the closure its type")]
            Ok::<(), Error>(())
        })
    }));
    assert!(panicked.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        state.read::<(), Error>(|_| panic!("on purpose"))
    }));
    assert!(panicked.is_err());
    assert_eq!((count(&state, "a"), state.poisoned()), (0, None));
    state.write(|txn| Ok::<_, Error>(txn.execute("INSERT INTO a VALUES (1)", [])?)).unwrap();
    assert_eq!(count(&state, "a"), 1);
}

#[test]
fn a_full_disk_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (_, state) = open(dir.path());
    state.migrate("test", TWO_TABLES).unwrap();
    let fill = || {
        state.write(|txn| {
            let pages: u32 = txn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            txn.pragma_update(None, "max_page_count", pages)?;
            let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)
                        INSERT INTO a SELECT i FROM n";
            Ok::<_, Error>(txn.execute(many, [])?)
        })
    };
    let error = fill().unwrap_err();
    assert!(matches!(error.fate(), event::Fate::Retry { .. }), "{error}");
    assert_eq!((count(&state, "a"), state.poisoned()), (0, None));
}

#[test]
fn a_reader_sees_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let (_, state) = open(dir.path());
    state.migrate("test", TWO_TABLES).unwrap();
    state
        .read(|db| {
            let count = || db.query_row("SELECT count(*) FROM a", [], |row| row.get::<_, u64>(0)).unwrap();
            assert_eq!(count(), 0);
            state.write(|txn| Ok::<_, Error>(txn.execute("INSERT INTO a VALUES (1)", [])?))?;
            assert_eq!(count(), 0);
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(count(&state, "a"), 1);
}

#[test]
fn more_readers_than_connections_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let (_, state) = open(dir.path());
    state.migrate("test", TWO_TABLES).unwrap();
    let (done, finished) = mpsc::channel();
    for _ in 0..16 {
        let (state, done) = (state.clone(), done.clone());
        std::thread::spawn(move || {
            for _ in 0..50 {
                assert_eq!(count(&state, "a"), 0);
            }
            done.send(()).unwrap();
        });
    }
    drop(done);
    assert_eq!(finished.iter().count(), 16);
}

#[test]
fn tables_are_brought_up_to_date_once() {
    let dir = tempfile::tempdir().unwrap();
    let (path, state) = open(dir.path());
    let first = "CREATE TABLE t (n INTEGER) STRICT";
    let second = "ALTER TABLE t ADD COLUMN m INTEGER; INSERT INTO t VALUES (1, 2)";
    state.migrate("test", &[first]).unwrap();
    state.migrate("test", &[first]).unwrap();
    state.migrate("other", &[]).unwrap();
    let broken = state.migrate("test", &[first, second, "nonsense"]);
    assert!(matches!(broken, Err(Error::Sqlite(_))));
    assert_eq!(count(&state, "t"), 0, "all steps or none");
    state.migrate("test", &[first, second]).unwrap();
    assert_eq!(count(&state, "t"), 1);
    drop(state);
    let state = State::open(&path).unwrap();
    state.migrate("test", &[first, second]).unwrap();
    assert_eq!(count(&state, "t"), 1);
    let error = state.migrate("test", &[first]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tables of `test` have version 2, this version knows up to 1; run the newer version"
    );
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
    assert!(matches!(State::open(&path), Err(Error::StateForeign { .. })));
    let journal = pragma(&Connection::open(&path).unwrap(), "journal_mode");
    assert_eq!(journal, "delete");

    let path = dir.path().join("text.db");
    std::fs::write(&path, "this is no database".repeat(100)).unwrap();
    let error = State::open(&path).unwrap_err();
    assert!(matches!(error, Error::StateDamaged { .. }), "{error}");
    assert_eq!(error.fate(), event::Fate::Stop);

    let (path, state) = open(dir.path());
    drop(state);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = State::open(&path).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has format version 99, this version knows up to 1; run the newer version")
    );
}

#[test]
fn damage_is_found_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (path, state) = open(dir.path());
    state.migrate("test", TWO_TABLES).unwrap();
    state
        .write(|txn| {
            for n in 0..5000 {
                txn.execute("INSERT INTO a VALUES (?1)", [n])?;
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    // As after a crash: the WAL is still there. The checkpoint has brought its pages home.
    state.write(|txn| Ok::<_, Error>(txn.execute("INSERT INTO b VALUES (1)", [])?)).unwrap();
    let crashed = dir.path().join("crashed.db");
    let checkpoint = Connection::open(&path).unwrap();
    checkpoint.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    std::fs::write(&crashed, &bytes).unwrap();
    std::fs::write(dir.path().join("crashed.db-wal"), [0; 32]).unwrap();
    State::open(&crashed).unwrap();
    // The header of a leaf in the middle.
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 100].fill(0xff);
    std::fs::write(&crashed, &bytes).unwrap();
    std::fs::write(dir.path().join("crashed.db-wal"), [0; 32]).unwrap();
    let error = State::open(&crashed).unwrap_err();
    assert!(matches!(error, Error::StateDamaged { .. }), "{error}");
}

/// Tells the test binary that it is the child, and which folder to work in.
const CHILD: &str = "STORMGLASS_TEST_STATE_DIR";

/// Writes two tables for ever and prints what was committed. Does nothing unless a parent asks for it.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let (_, state) = open(Path::new(&dir));
    state.migrate("test", TWO_TABLES).unwrap();
    for n in count(&state, "a").. {
        state
            .write(|txn| {
                txn.execute("INSERT INTO a VALUES (?1)", [n])?;
                txn.execute("INSERT INTO b VALUES (?1)", [n])?;
                Ok::<_, Error>(())
            })
            .unwrap();
        println!("committed {n}");
    }
}

#[test]
fn a_kill_leaves_whole_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut committed = None;
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "state::tests::child", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
        let mut lines =
            lines.filter_map(|line| line.strip_prefix("committed ").and_then(|n| n.parse::<u64>().ok()));
        committed = lines.by_ref().take(round * 9).last().or(committed);
        child.kill().unwrap();
        committed = lines.last().or(committed);
        child.wait().unwrap();
        let (_, state) = open(dir.path());
        let (a, b) = (count(&state, "a"), count(&state, "b"));
        assert_eq!(a, b);
        assert!(committed.is_some_and(|last| last < a));
    }
}

#[test]
fn who_waits_is_woken_by_what_changes_something() {
    let dir = tempfile::tempdir().unwrap();
    let (_, state) = open(dir.path());
    state.migrate("test", TWO_TABLES).unwrap();
    let mut rows = state.watch("SELECT max(rowid) FROM a").unwrap();
    let mut others = state.watch("SELECT n FROM b WHERE rowid = 1").unwrap();
    assert_eq!((rows.number(), others.number()), (0, 0));
    let woken = |watched: &mut crate::state::Watched| {
        let woken = watched.has_changed();
        watched.mark_known();
        woken
    };
    let write = |sql: &str| state.write(|txn| Ok::<_, Error>(txn.execute(sql, []).map(drop)?)).unwrap();
    let insert = "INSERT INTO a (n) VALUES (1)";
    write(insert);
    assert_eq!((woken(&mut rows), rows.number(), woken(&mut others)), (true, 1, false));
    write("UPDATE a SET n = 2");
    assert!(!woken(&mut rows), "the number is the same");
    write("INSERT INTO b (n) VALUES (7)");
    assert_eq!((woken(&mut rows), woken(&mut others), others.number()), (false, true, 7));
    state
        .write(|txn| {
            txn.execute(insert, [])
                .map_err(Error::from)
                .and(Err::<(), _>(Error::StatePoisoned { reason: "undone".into() }))
        })
        .unwrap_err();
    assert!(!woken(&mut rows), "it was undone");
    // Who comes later sees what is there, and waits with the first.
    let mut late = state.watch("SELECT max(rowid) FROM a").unwrap();
    assert_eq!(late.number(), 1);
    write(insert);
    assert_eq!((woken(&mut rows), woken(&mut late)), (true, true));
    assert!(state.watch("SELECT nothing FROM nowhere").is_err());
    assert_eq!(state.inner.watches.count(), 2, "a statement is asked once, however many wait");
}
