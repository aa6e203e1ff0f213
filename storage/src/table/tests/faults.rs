//! Whatever the store answers, a row is there once.

use std::collections::HashMap;

use event::Fate;

use super::faulty::{Fault, FaultyStore};
use super::*;
use crate::Error;

/// One life of a process: opens, appends and commits until it is done or dies.
async fn live(store: &FaultyStore, to: u64, seed: u64) -> bool {
    let shared: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let table = match open_store(&shared).await {
        Ok(table) => table,
        Err(_) => return false,
    };
    if table.claim().await.is_err() {
        return false;
    }
    let mut next = table.committed();
    while next < to || table.committed() < to {
        // A replay begins anywhere at or before what is committed.
        let from = next - store.random(next.min(3) + 1);
        let until = (next + 1 + store.random(8)).min(to);
        table.append(events(from, until), until).unwrap();
        next = until;
        assert_eq!(shown(&snapshot_without_faults(store, &table)).await, expected(0, next), "seed {seed}");
        match table.commit().await {
            Ok(_) => {}
            Err(error) => match error.fate() {
                Fate::Retry { .. } => {}
                _ => panic!("seed {seed}: {error}"),
            },
        }
        match store.random(8) {
            0 => return false, // kill -9
            1 => maintain(&table, seed).await,
            _ => {}
        }
    }
    true
}

fn snapshot_without_faults(store: &FaultyStore, table: &EventTable) -> TableSnapshot {
    let mut snapshot = (*table.snapshot()).clone();
    let prefix = object_store::prefix::PrefixStore::new(store.without_faults(), "events");
    snapshot.store = Arc::new(prefix);
    snapshot
}

async fn maintain(table: &EventTable, seed: u64) {
    for result in [table.compact().await.map(drop), table.expire(0).await.map(drop)] {
        match result {
            Ok(()) | Err(Error::Parquet(_) | Error::Delta(_)) => {} // reading failed
            Err(error) => assert!(matches!(error.fate(), Fate::Retry { .. }), "seed {seed}: {error}"),
        }
    }
}

/// Runs one seed until all is committed; what was injected.
async fn play(seed: u64) -> Vec<Fault> {
    let store = FaultyStore::new(seed * 7919);
    store.set_percent(35);
    for lives in 0.. {
        if lives == 12 {
            store.set_percent(0); // the weather clears up
        }
        if live(&store, 40, seed).await {
            break;
        }
        assert!(lives < 60, "seed {seed} comes to no end");
    }
    store.set_percent(0);
    let shared: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let table = open_store(&shared).await.unwrap();
    assert_eq!(table.committed(), 40, "seed {seed}");
    assert_eq!(stored(&table.snapshot()).await, expected(0, 40), "seed {seed}");
    store.injected()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_lost_or_doubled_whatever_the_store_answers() {
    let mut counts: HashMap<Fault, usize> = HashMap::new();
    // They mostly wait for their back-off.
    let seeds: Vec<_> = (1..=40).map(|seed| tokio::spawn(play(seed))).collect();
    for seed in seeds {
        for fault in seed.await.unwrap() {
            *counts.entry(fault).or_default() += 1;
        }
    }
    println!("{counts:?}");
    for fault in [Fault::Before, Fault::After, Fault::Conflict, Fault::Late, Fault::Read] {
        assert!(counts[&fault] >= 30, "{counts:?}");
    }
}
