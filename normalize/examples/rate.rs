//! How fast records become columns, beside what two JSON parsers need merely to build a tree of the same
//! bytes; one thread, all in memory, all in one run.
//!
//! `cargo run -p normalize --release --example rate [FOLDER]`: the CloudTrail files (plain or gzipped) in
//! the folder, by default those of the corpus; without any, the crate's own samples with new ids.

#![expect(clippy::print_stdout, reason = "a figure that nobody sees is of no use")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot read its data has nothing to say")]

use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use event::{LogType, RawBatch, RawBatchBuilder, RawRecord, SourceId};
use normalize::Normalizer;
use serde_json::value::RawValue;

/// Each figure is the best of so many passes over all records.
const PASSES: usize = 7;
const BATCH_BYTES: usize = 1 << 20;

fn main() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/cloudtrail/sans504_lab");
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from(root), PathBuf::from);
    let mut records = Vec::new();
    read_folder(&folder, &mut records);
    if records.is_empty() {
        println!("no records in {}; using the samples", folder.display());
        records = samples();
    }
    let bytes: usize = records.iter().map(String::len).sum();
    println!("{} records of {} bytes on average", records.len(), bytes / records.len());

    let sonic = rate(&records, || {
        for record in &records {
            black_box(sonic_rs::from_slice::<sonic_rs::Value>(record.as_bytes()).unwrap());
        }
    });
    let serde = rate(&records, || {
        for record in &records {
            black_box(serde_json::from_slice::<serde_json::Value>(record.as_bytes()).unwrap());
        }
    });
    let batches = batches(&records);
    let mut normalizer = Normalizer::new();
    let rows: usize = batches.iter().map(|batch| normalizer.map(batch, 0).events.len()).sum();
    let ours = rate(&records, || {
        for batch in &batches {
            black_box(normalizer.map(batch, 0));
        }
    });
    println!("{rows} rows");
    for (name, rate) in [("sonic-rs Value", sonic), ("serde_json Value", serde), ("normalize", ours)] {
        let micros = 1e6 / rate;
        println!(
            "{name:18} {rate:10.0} records/s  {micros:6.2} us  {:4.0} % of sonic-rs",
            100.0 * rate / sonic
        );
    }
    println!("normalize is {:.2} x serde_json", ours / serde);
}

/// Records per second in the best pass.
fn rate(records: &[String], mut pass: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..PASSES {
        let start = Clock::start();
        pass();
        best = best.min(start.elapsed());
    }
    records.len() as f64 / best.as_secs_f64()
}

/// The thread's own time on the processor where Linux tells it, so that other work on the machine does
/// not count; elsewhere the time on the wall.
struct Clock {
    wall: Instant,
    processor: Option<Duration>,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), processor: processor_time() }
    }

    fn elapsed(&self) -> Duration {
        match (self.processor, processor_time()) {
            (Some(start), Some(end)) => end - start,
            _ => self.wall.elapsed(),
        }
    }
}

fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn batches(records: &[String]) -> Vec<RawBatch> {
    let mut batches = Vec::new();
    let mut builder = RawBatchBuilder::with_capacity(BATCH_BYTES);
    for (number, record) in (0..).zip(records) {
        assert!(builder.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
        if builder.byte_len() >= BATCH_BYTES {
            batches
                .push(finish(std::mem::replace(&mut builder, RawBatchBuilder::with_capacity(BATCH_BYTES))));
        }
    }
    batches.push(finish(builder));
    batches
}

fn finish(builder: RawBatchBuilder) -> RawBatch {
    builder.finish(SourceId::new("rate"), Some(LogType::AwsCloudtrail), "memory".into(), 0)
}

fn read_folder(folder: &Path, records: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { read_folder(&path, records) } else { read_file(&path, records) }
    }
}

fn read_file(path: &Path, records: &mut Vec<String>) {
    #[derive(serde::Deserialize)]
    struct File<'a> {
        #[serde(borrow, rename = "Records")]
        records: Vec<&'a RawValue>,
    }
    let mut bytes = fs::read(path).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut inflated = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut inflated).unwrap();
        bytes = inflated;
    }
    if let Ok(file) = serde_json::from_slice::<File<'_>>(&bytes) {
        records.extend(file.records.into_iter().map(|record| record.get().to_owned()));
    }
}

fn samples() -> Vec<String> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/aws"));
    let texts: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    (0..20_000usize)
        .zip(texts.iter().filter(|text| !text.contains("\\ud800")).cycle())
        .map(|(number, text)| {
            text.trim().replace("0abcdef0-0000-0000-0000", &format!("{number:08x}-0000-0000-0000"))
        })
        .collect()
}
