//! What is in files, folders and buckets: `cargo run -p ingest --example count_records -- PATH-OR-ADDRESS…`

use std::collections::BTreeMap;
use std::io::Write;

use event::SourceId;
use ingest::{Batches, Limits, ReadOptions, expand};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let options = ReadOptions {
        source: SourceId::new("count"),
        log_type: None,
        limits: Limits::default(),
        readers: 4,
        now_us: || 0,
    };
    let mut batches = Batches::read(expand(&paths).await?, options);
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut out = std::io::stdout();
    while let Some(batch) = batches.next().await {
        match batch {
            Err(failed) => writeln!(out, "{failed}: {}", failed.error)?,
            Ok(batch) => {
                let (records, rejects) = counts.entry(batch.origin.clone()).or_default();
                for record in batch.records() {
                    *records += 1;
                    if let Some(reason) = record.reject {
                        *rejects += 1;
                        writeln!(out, "{} {}: {reason}", batch.origin, record.number)?;
                    }
                }
            }
        }
    }
    for (origin, (records, rejects)) in counts {
        writeln!(out, "{records} records, {rejects} of them rejects: {origin}")?;
    }
    writeln!(out, "{:?}", batches.progress())?;
    Ok(())
}
