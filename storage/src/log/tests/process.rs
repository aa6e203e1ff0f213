//! Real processes on real files: the lock, and a kill at any moment.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::batch;
use crate::Error;
use crate::log::{Log, LogConfig};

/// Tells the test binary that it is the child, and which folder to work in.
const CHILD: &str = "STORMGLASS_TEST_LOG_DIR";

const CONFIG: LogConfig = LogConfig { segment_bytes: 20_000, max_bytes: 1 << 30, queue_bytes: 1 << 20 };

/// Appends for ever and prints what was acknowledged. Does nothing unless a parent asks for it.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let log = Log::open(Path::new(&dir), CONFIG).unwrap();
    log.announce("http://127.0.0.1:4242").unwrap();
    println!("open");
    let first = log.head();
    for round in first.. {
        let batches: Vec<_> = (0..4_u64).map(|n| batch(round << 3 | n, 2, 500)).collect();
        for offsets in futures::future::join_all(batches.iter().map(|batch| log.append(batch))).await {
            println!("ack {}", offsets.unwrap().start);
        }
    }
}

fn spawn(dir: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "log::tests::process::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines)
}

#[test]
fn a_second_process_is_told_who_holds_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = spawn(dir.path());
    lines.find(|line| line.ends_with("open")).unwrap();
    let error = Log::open(dir.path(), CONFIG).unwrap_err();
    let Error::Locked { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(holder.pid, Some(child.id()));
    assert_eq!(holder.url.as_deref(), Some("http://127.0.0.1:4242"));
    child.kill().unwrap();
    child.wait().unwrap();
    Log::open(dir.path(), CONFIG).unwrap();
}

#[test]
fn a_killed_process_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 1..=10 {
        let (mut child, lines) = spawn(dir.path());
        let mut lines =
            lines.filter_map(|line| line.strip_prefix("ack ").and_then(|at| at.parse::<u64>().ok()));
        acknowledged.extend(lines.by_ref().take(round * 7));
        child.kill().unwrap();
        acknowledged.extend(lines);
        child.wait().unwrap();
        let log = Log::open(dir.path(), CONFIG).unwrap();
        assert!(log.recovery().damage.is_empty());
        assert!(acknowledged.last().is_some_and(|last| *last < log.head()));
        check(&log);
    }
    let mut sorted = acknowledged.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), acknowledged.len(), "no offset is given out twice");
    assert!(acknowledged.len() > 300);
}

/// Every record is whole, in its place, and there once.
fn check(log: &Log) {
    let mut reader = log.reader(0).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut due = 0;
    while let Some(entry) = reader.try_next().unwrap() {
        assert_eq!(entry.first, due);
        assert_eq!(entry.batch.len(), 2);
        let id = entry.batch.received_us as u64;
        assert!(seen.insert(id), "batch {id} is doubled");
        assert_eq!(entry.batch, batch(id, 2, 500));
        due = entry.next();
    }
    assert_eq!(due, log.head());
}
