//! How fast bytes become records: `cargo run --release -p ingest --example split_rate -- FILE…`
//!
//! Reads the files into memory, inflated, and splits each until a second has passed.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ingest::{Limits, Splitter};

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout();
    for path in std::env::args().skip(1) {
        let mut bytes = Vec::new();
        File::open(&path)?.read_to_end(&mut bytes)?;
        if bytes.starts_with(b"\x1f\x8b") {
            let mut inflated = Vec::new();
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut inflated)?;
            bytes = inflated;
        }
        let start = Instant::now();
        let (mut total, mut records) = (0_u64, 0_u64);
        while start.elapsed() < Duration::from_secs(1) {
            records += split(&bytes);
            total += bytes.len() as u64;
        }
        let seconds = start.elapsed().as_secs_f64();
        let (rate, events) = (total as f64 / 1e9 / seconds, records as f64 / 1e6 / seconds);
        writeln!(out, "{rate:.2} GB/s, {events:.2} million records/s: {path}")?;
    }
    Ok(())
}

/// Splits as a reader does, 256 KiB at a time, and copies the records as a batch does.
fn split(bytes: &[u8]) -> u64 {
    let mut splitter = Splitter::new(Limits::default().record_bytes);
    let mut batch = Vec::with_capacity(8 << 20);
    let mut records = 0;
    for chunk in bytes.chunks(256 << 10) {
        splitter.feed(chunk);
        while let Some(record) = splitter.next_record() {
            records += 1;
            if batch.len() > 4 << 20 {
                batch.clear();
            }
            batch.extend_from_slice(record.bytes);
        }
    }
    splitter.finish(None);
    while splitter.next_record().is_some() {
        records += 1;
    }
    records
}
