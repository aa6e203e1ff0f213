//! tmp
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "tmp")]
use event::{RawBatchBuilder, RawRecord, SourceId};
use std::fs;
use std::hint::black_box;
fn main() {
    let mut t: Vec<String> = Vec::new();
    for e in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/gcp")).unwrap() {
        let s = fs::read_to_string(e.unwrap().path()).unwrap();
        if s.contains("\"proto") {
            let v: serde_json::Value = serde_json::from_str(&s).unwrap();
            t.push(v.to_string());
        }
    }
    let all: Vec<&String> = t.iter().cycle().take(20000).collect();
    let bytes: usize = all.iter().map(|s| s.len()).sum();
    let mut batches = Vec::new();
    for c in all.chunks(1000) {
        let mut b = RawBatchBuilder::with_capacity(1 << 20);
        for r in c {
            assert!(b.push(RawRecord { bytes: r.as_bytes(), number: 0, reject: None }));
        }
        batches.push(b.finish(SourceId::new("t"), None, "m".into(), 0));
    }
    let mut n = normalize::Normalizer::new();
    for _ in 0..6 {
        let s = cpu();
        for r in &all {
            black_box(sonic_rs::from_slice::<sonic_rs::Value>(r.as_bytes()).unwrap());
        }
        let a = cpu() - s;
        let s = cpu();
        for b in &batches {
            black_box(n.map(b, 0));
        }
        let c = cpu() - s;
        println!("avg {} B, sonic {:.2} us, ours {:.2} us", bytes / 20000, a / 2e4, c / 2e4);
    }
}

fn cpu() -> f64 {
    let t = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    t.split_ascii_whitespace().next().unwrap().parse::<f64>().unwrap() / 1000.0
}
