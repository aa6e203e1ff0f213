//! Whether a package is whole and as it was made; nothing but the package is needed.

use std::collections::BTreeMap;

use super::manifest::{FORMAT, MANIFEST, Manifest, SUMS, sha256, sums};

/// What a package turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says of itself, if that can be read.
    pub manifest: Option<Manifest>,
    /// The SHA-256 of its manifest: compare it with what the export printed.
    pub sha256: String,
    /// What is wrong; empty if nothing is.
    pub problems: Vec<String>,
}

/// Verifies the files of a package.
pub fn verify(files: &BTreeMap<String, Vec<u8>>) -> Verified {
    let mut problems = Vec::new();
    let text = files.get(MANIFEST);
    let manifest = match text.map(|text| serde_json::from_slice::<Manifest>(text)) {
        Some(Ok(manifest)) => Some(manifest),
        Some(Err(error)) => {
            problems.push(format!("`{MANIFEST}` cannot be read: {error}"));
            None
        }
        None => {
            problems.push(format!("`{MANIFEST}` is missing"));
            None
        }
    };
    if let Some(manifest) = &manifest {
        check(manifest, files, &mut problems);
    }
    match files.get(SUMS) {
        None => problems.push(format!("`{SUMS}` is missing")),
        Some(found) if *found != sums(files).into_bytes() => {
            problems.push(format!("`{SUMS}` does not fit the files"));
        }
        Some(_) => {}
    }
    let sha256 = text.map(|text| sha256(text)).unwrap_or_default();
    Verified { manifest, sha256, problems }
}

fn check(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>, problems: &mut Vec<String>) {
    if manifest.format != FORMAT {
        problems.push(format!("the format is `{}`; this version knows `{FORMAT}`", clean(&manifest.format)));
    }
    for entry in &manifest.files {
        let path = clean(&entry.path);
        match files.get(&entry.path) {
            None => problems.push(format!("`{path}` is missing")),
            Some(bytes) if bytes.len() as u64 != entry.bytes => {
                problems.push(format!("`{path}` has {} bytes instead of {}", bytes.len(), entry.bytes));
            }
            Some(bytes) if sha256(bytes) != entry.sha256 => {
                problems.push(format!("`{path}` was changed: its SHA-256 is another"));
            }
            Some(_) => {}
        }
    }
    for path in files.keys().filter(|path| *path != MANIFEST && *path != SUMS) {
        if !manifest.files.iter().any(|entry| entry.path == *path) {
            problems.push(format!("`{}` was added", clean(path)));
        }
    }
}

/// A name that somebody may have made up, short and without control characters.
fn clean(name: &str) -> String {
    name.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
