//! How fast the log is: appends with their syncs, and reading back.
#![allow(clippy::all, clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::time::Instant;

use event::{RawBatch, RawBatchBuilder, RawRecord, SourceId};
use storage::log::{Log, LogConfig};

fn batch(lines: &[&[u8]], start: usize, bytes: usize) -> RawBatch {
    let mut builder = RawBatchBuilder::with_capacity(bytes + 4096);
    let mut number = 0;
    while builder.byte_len() < bytes {
        let line = lines[(start + number) % lines.len()];
        assert!(builder.push(RawRecord { bytes: line, number: number as u64, reject: None }));
        number += 1;
    }
    builder.finish(SourceId::new("bench"), None, "bench.json".into(), 0)
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let dir = std::path::PathBuf::from(args.next().unwrap());
    let text = std::fs::read(args.next().unwrap()).unwrap();
    let noise = args.next().is_some();
    let mut state = 1_u64;
    let text: Vec<u8> = if noise {
        (0..32 << 20).map(|_| { state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); (state >> 56) as u8 | 128 }).collect()
    } else { text };
    let lines: Vec<&[u8]> = text.chunks(1400).collect();
    for (bytes, senders, total) in [(4 << 20, 1, 2_000 << 20), (4 << 20, 4, 2_000 << 20), (1 << 20, 1, 1_000 << 20), (1 << 20, 4, 1_000 << 20), (64 << 10, 8, 200 << 20), (1400, 1, 1400 * 1000), (1400, 64, 1400 * 64 * 300)] {
        let _ = std::fs::remove_dir_all(&dir);
        let log = Log::open(&dir, LogConfig { max_bytes: 1 << 40, segment_bytes: 64 << 20, queue_bytes: 32 << 20 }).unwrap();
        let batches: Vec<_> = (0..8).map(|n| batch(&lines, n * 3000, bytes)).collect();
        let began = Instant::now();
        let rounds = total / bytes / senders;
        let tasks: Vec<_> = (0..senders).map(|n| {
            let (log, batches) = (log.clone(), batches.clone());
            tokio::spawn(async move {
                for round in 0..rounds { log.append(&batches[(n + round) % 8]).await.unwrap(); }
            })
        }).collect();
        for task in tasks { task.await.unwrap(); }
        let took = began.elapsed().as_secs_f64();
        let stats = log.stats();
        print!("append {:>8} B x {senders:>2}: {:>7.0} MB/s, {:>7.0} batches/s, stored 1/{:.1}, syncs {}, mean {:.2} ms, worst {:.0} ms", bytes, stats.appended_bytes as f64 / 1e6 / took, stats.appended_batches as f64 / took, stats.appended_bytes as f64 / stats.stored_bytes as f64, stats.syncs, stats.sync_time.as_secs_f64() * 1e3 / stats.syncs as f64, stats.slowest_sync.as_secs_f64() * 1e3);
        let began = Instant::now();
        let mut reader = log.reader(0).unwrap();
        let mut read = 0;
        while let Some(entry) = reader.try_next().unwrap() { read += entry.batch.byte_len(); }
        let took = began.elapsed().as_secs_f64();
        println!("; read {:.0} MB/s", read as f64 / 1e6 / took);
        log.close();
        drop(log);
        let began = Instant::now();
        drop(Log::open(&dir, LogConfig::default()).unwrap());
        println!("    open {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    }
    let _ = std::fs::remove_dir_all(&dir);
}
