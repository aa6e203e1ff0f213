//! A corpus on disk, in the shapes that the clouds deliver.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Generator;

/// What a corpus holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    /// Records.
    pub events: u64,
    /// Bytes of records, without containers and compression.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}

/// Events in one CloudTrail object.
const EVENTS_PER_OBJECT: u64 = 2000;

/// Writes about `events` events below `folder`: CloudTrail as gzip objects under `AWSLogs/`, Azure
/// and Entra as event-hub records a line, GCP as log entries a line. The order of time is that of
/// the files' names.
///
/// # Errors
/// The folder cannot be written.
pub fn write_corpus(folder: &Path, events: u64, seed: u64) -> io::Result<Written> {
    let mut generator = Generator::new(seed);
    let mut written = Written::default();
    let mut object = 0;
    while written.events < events {
        // 70 % CloudTrail, 10 % each of the others.
        cloudtrail_object(folder, object, &mut generator, &mut written)?;
        lines(folder, "azure/activity", object, &mut written, || generator.azure_activity())?;
        lines(folder, "entra/signins", object, &mut written, || generator.entra_signin())?;
        lines(folder, "gcp/audit", object, &mut written, || generator.gcp_audit())?;
        object += 1;
    }
    Ok(written)
}

fn cloudtrail_object(
    folder: &Path,
    number: u64,
    generator: &mut Generator,
    written: &mut Written,
) -> io::Result<()> {
    let path = folder.join(format!(
        "aws/AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/111122223333_CloudTrail_us-east-1_{number:08}.json.gz"
    ));
    make_parent(&path)?;
    let mut out = GzEncoder::new(io::BufWriter::new(fs::File::create(&path)?), Compression::new(6));
    out.write_all(b"{\"Records\":[")?;
    for index in 0..EVENTS_PER_OBJECT {
        if index > 0 {
            out.write_all(b",")?;
        }
        let event = generator.cloudtrail();
        written.events += 1;
        written.bytes += event.len() as u64;
        out.write_all(event.as_bytes())?;
    }
    out.write_all(b"]}")?;
    written.files += 1;
    out.finish()?.flush()
}

fn lines(
    folder: &Path,
    name: &str,
    number: u64,
    written: &mut Written,
    mut record: impl FnMut() -> String,
) -> io::Result<()> {
    let path = folder.join(format!("{name}/{number:08}.ndjson"));
    make_parent(&path)?;
    let mut out = io::BufWriter::new(fs::File::create(&path)?);
    for _ in 0..EVENTS_PER_OBJECT / 7 {
        let record = record();
        written.events += 1;
        written.bytes += record.len() as u64;
        out.write_all(record.as_bytes())?;
        out.write_all(b"\n")?;
    }
    written.files += 1;
    out.flush()
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}
