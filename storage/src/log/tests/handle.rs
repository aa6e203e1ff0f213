//! Waiting, grouping and following: what needs the thread and the runtime.

use std::ops::Range;
use std::sync::Arc;

use event::Offset;

use super::disk::{Disk, Fault};
use super::{SMALL, batch, dir};
use crate::Error;
use crate::log::{Log, LogConfig};

fn open(disk: &Disk, config: LogConfig) -> Log {
    Log::open_on(Arc::new(disk.clone()), &dir(), config, None).unwrap()
}

#[tokio::test]
async fn a_full_log_makes_senders_wait_until_it_is_trimmed() {
    let config = LogConfig { max_bytes: 8000, ..SMALL };
    let log = open(&Disk::default(), config);
    let mut id = 0;
    let error = loop {
        id += 1;
        if let Err(error) = log.try_append(&batch(id, 1, 600)).await {
            break error;
        }
    };
    assert!(matches!(error, Error::LogFull { .. }), "{error}");
    assert!(matches!(error.fate(), event::Fate::Retry { .. }));
    assert!(log.stats().bytes <= 8000);
    let last = batch(id, 1, 600);
    let waiting = tokio::spawn({
        let (log, last) = (log.clone(), last.clone());
        async move { log.append(&last).await }
    });
    // A second one stands in line behind the first, however small it is.
    let behind = tokio::spawn({
        let log = log.clone();
        async move { log.append(&batch(0, 1, 600)).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let head = log.head();
    log.trim(head).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), head..head + 1);
    assert_eq!(behind.await.unwrap().unwrap(), head + 1..head + 2);
    assert!(log.tail() > 0);
    assert!(matches!(log.reader(0), Err(Error::OffsetUnknown { wanted: 0, .. })));
    assert_eq!(log.reader(head).unwrap().next().await.unwrap().batch, last);
}

#[tokio::test]
async fn a_reader_that_was_left_behind_is_told() {
    let log = open(&Disk::default(), SMALL);
    let mut behind = log.reader(0).unwrap();
    for id in 0..20 {
        log.append(&batch(id, 1, 100)).await.unwrap();
    }
    let mut within = log.reader(19).unwrap();
    assert_eq!(behind.try_next().unwrap().unwrap().first, 0);
    log.trim(19).unwrap();
    let tail = log.tail();
    assert!(tail > 1);
    let error = behind.try_next().unwrap_err();
    assert!(matches!(error, Error::OffsetUnknown { wanted: 1, head: 20, .. }), "{error}");
    assert_eq!(within.try_next().unwrap().unwrap().first, 19);
    assert!(matches!(log.reader(21), Err(Error::OffsetUnknown { wanted: 21, .. })));
}

#[tokio::test]
async fn batches_over_a_limit_are_rejected_and_harm_nobody() {
    let log = open(&Disk::default(), LogConfig { max_bytes: 8000, ..SMALL });
    let large: Vec<u64> = (0..2000).collect();
    let mut builder = event::RawBatchBuilder::with_capacity(0);
    for number in large {
        // Numbers that differ wildly take much meta, which is not compressed.
        let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert!(builder.push(event::RawRecord { bytes: b"", number, reject: None }));
    }
    let large = builder.finish(event::SourceId::new("a"), None, String::new(), 0);
    let error = log.append(&large).await.unwrap_err();
    assert!(matches!(error, Error::BatchTooLarge { .. }), "{error}");
    assert_eq!(error.fate(), event::Fate::Reject);
    assert!(matches!(log.append(&batch(1, 0, 0)).await, Err(Error::BatchEmpty)));
    assert_eq!(log.append(&batch(1, 2, 0)).await.unwrap(), 0..2);
}

#[tokio::test]
async fn what_waits_together_is_synced_together() {
    let disk = Disk::default();
    let log = open(&disk, LogConfig::default());
    let before = disk.syncs();
    let appends = (0..500).map(|id| {
        let log = log.clone();
        async move { log.append(&batch(id, 2, 10)).await.unwrap() }
    });
    let mut offsets: Vec<Range<Offset>> = futures::future::join_all(appends).await;
    offsets.sort_by_key(|range| range.start);
    assert!(offsets.windows(2).all(|pair| pair[0].end == pair[1].start));
    assert_eq!(offsets.last().map(|range| range.end), Some(1000));
    let syncs = disk.syncs() - before;
    // The thread may catch the first alone; it cannot catch many alone, since all are queued before
    // this task waits.
    assert!(syncs < 250, "{syncs} syncs for 500 batches");
    assert_eq!(log.stats().syncs, syncs);
    assert_eq!(log.stats().appended_batches, 500);
}

#[tokio::test]
async fn a_bounded_queue_lets_all_pass() {
    let log = open(&Disk::default(), LogConfig { queue_bytes: 300, ..SMALL });
    let appends = (0..50).map(|id| {
        let log = log.clone();
        async move { log.append(&batch(id, 1, if id == 7 { 900 } else { 50 })).await.unwrap() }
    });
    assert_eq!(futures::future::join_all(appends).await.len(), 50);
    assert_eq!((log.head(), log.stats().queued_bytes), (50, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_follow_writers() {
    let log = open(&Disk::default(), LogConfig { max_bytes: u64::MAX, ..SMALL });
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut reader = log.reader(0).unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.len() < 900 {
                    let entry = reader.next().await.unwrap();
                    assert_eq!(entry.first, seen.len() as Offset);
                    seen.extend(entry.batch.records().map(|record| record.bytes.to_vec()));
                }
                seen
            })
        })
        .collect();
    let writers: Vec<_> = (0..3_u64)
        .map(|writer| {
            let log = log.clone();
            tokio::spawn(async move {
                for id in 0..100 {
                    log.append(&batch(writer * 1000 + id, 3, 20)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut seen = Vec::new();
    for reader in readers {
        seen.push(reader.await.unwrap());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    let unique: std::collections::BTreeSet<_> = seen[0].iter().collect();
    assert_eq!(unique.len(), 900);
}

#[tokio::test]
async fn closing_ends_senders_and_readers() {
    let disk = Disk::default();
    let log = open(&disk, SMALL);
    log.append(&batch(1, 2, 0)).await.unwrap();
    let mut reader = log.reader(1).unwrap();
    log.close();
    assert_eq!(reader.next().await.unwrap().first, 1);
    assert!(matches!(reader.next().await, Err(Error::LogClosed)));
    assert!(matches!(log.append(&batch(2, 1, 0)).await, Err(Error::LogClosed)));
    assert!(matches!(log.raise_head(9).await, Err(Error::LogClosed)));
    let again = open(&disk, SMALL);
    assert_eq!((again.head(), again.recovery().torn_bytes), (2, 0));
}

#[tokio::test]
async fn a_poisoned_log_refuses_even_those_who_wait() {
    let disk = Disk::default();
    let log = open(&disk, SMALL);
    log.append(&batch(1, 1, 0)).await.unwrap();
    disk.set_fault(Some(Fault { at: 1, for_ever: true, kind: std::io::ErrorKind::Other, short: true }));
    let answers = futures::future::join_all((2..40).map(|id| {
        let log = log.clone();
        async move { log.append(&batch(id, 1, 600)).await }
    }))
    .await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(
            matches!(&error, Error::Poisoned { reason } if reason.starts_with("cannot write `")),
            "{error}"
        );
    }
    assert!(log.poisoned().is_some_and(|reason| reason.contains("00000000000000000000.log")));
    disk.set_fault(None);
    assert_eq!(log.reader(0).unwrap().next().await.unwrap().batch, batch(1, 1, 0));
    assert!(matches!(log.raise_head(9).await, Err(Error::Poisoned { .. })));
}

#[tokio::test]
async fn a_full_disk_holds_append_until_there_is_space() {
    let disk = Disk::default();
    let log = open(&disk, SMALL);
    disk.set_fault(Some(Fault {
        at: 1,
        for_ever: false,
        kind: std::io::ErrorKind::StorageFull,
        short: true,
    }));
    assert_eq!(log.append(&batch(1, 1, 0)).await.unwrap(), 0..1);
    disk.set_fault(Some(Fault {
        at: 1,
        for_ever: false,
        kind: std::io::ErrorKind::StorageFull,
        short: true,
    }));
    assert!(matches!(log.try_append(&batch(2, 1, 0)).await, Err(Error::LogFull { .. })));
}
