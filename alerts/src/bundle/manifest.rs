//! `manifest.json` and `SHA256SUMS`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Stamp, time};

/// What a package of this version calls itself.
pub const FORMAT: &str = "stormglass-evidence/1";
/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// The name of the file for `sha256sum -c`.
pub const SUMS: &str = "SHA256SUMS";

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The incident.
    pub incident: String,
    /// Who exported it.
    pub exported_by: String,
    /// When, RFC 3339.
    pub exported_at: String,
    /// The version of Stormglass that did.
    pub version: String,
    /// The SHA-256 of the manifest of the export of this incident before.
    pub previous: Option<String>,
    /// Every file but the manifest and the sums, by name.
    pub files: Vec<ManifestFile>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(incident: &str, stamp: &Stamp, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let file = |(path, bytes): (&String, &Vec<u8>)| ManifestFile {
            path: path.clone(),
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        };
        Self {
            format: FORMAT.into(),
            incident: incident.into(),
            exported_by: stamp.by.clone(),
            exported_at: time(stamp.at_us),
            version: stamp.version.clone(),
            previous: stamp.previous.clone(),
            files: files.iter().map(file).collect(),
        }
    }
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        digits.push_str(&format!("{byte:02x}"));
    }
    digits
}

/// What `sha256sum -c` reads: every file but itself.
pub(super) fn sums(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut text = String::new();
    for (path, bytes) in files.iter().filter(|(path, _)| *path != SUMS) {
        text.push_str(&format!("{}  {path}\n", sha256(bytes)));
    }
    text
}
