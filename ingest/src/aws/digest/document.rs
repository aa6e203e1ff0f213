//! A digest file's members, and what they say of a log file.

use std::io::Read;

use chrono::DateTime;
use flate2::bufread::GzDecoder;
use ring::digest::{Context, SHA256};
use serde_json::Value;

use super::{DigestState, Finding};
use crate::aws::ObjectAddress;
use crate::aws::sign::hex;

/// The most that a digest inflates to; one names some thousand files at most.
const MAX_DIGEST_BYTES: u64 = 64 << 20;
/// The same for a log file.
const MAX_LOG_BYTES: u64 = 2 << 30;
/// What is inflated at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A log file as its digest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it lies.
    pub object: ObjectAddress,
    /// The SHA-256 of its content, uncompressed, in hexadecimal.
    pub sha256: String,
}

impl LogFile {
    /// What is to be said of it: `stored` are its bytes as they are stored, if it is there.
    pub fn judge(&self, stored: Option<&[u8]>) -> Finding {
        let (state, detail) = match stored {
            None => (DigestState::LogMissing, ""),
            Some(stored) => match content_sha256(stored) {
                Ok(sha256) if sha256 == self.sha256 => (DigestState::Valid, ""),
                Ok(_) => (DigestState::LogModified, "its hash is another"),
                Err(problem) => (DigestState::LogModified, problem),
            },
        };
        Finding { state, object: Some(self.object.clone()), span: None, detail: detail.into() }
    }
}

/// The SHA-256 of what a gzip file holds.
fn content_sha256(stored: &[u8]) -> Result<String, &'static str> {
    let mut decoder = GzDecoder::new(stored);
    let mut hash = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut total = 0;
    loop {
        let count = decoder.read(&mut chunk).map_err(|_| "it is no whole gzip file")?;
        if count == 0 {
            break;
        }
        total += count as u64;
        if total > MAX_LOG_BYTES {
            return Err("it inflates to more than 2 GiB");
        }
        hash.update(chunk.get(..count).unwrap_or_default());
    }
    if !decoder.into_inner().is_empty() {
        return Err("something follows the end of the gzip file");
    }
    Ok(hex(hash.finish().as_ref()))
}

/// A digest file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    /// Where it says it lies.
    pub(super) object: ObjectAddress,
    pub(super) start_unix_s: i64,
    pub(super) end_unix_s: i64,
    /// The end as it is written; the signature covers these characters.
    pub(super) end_text: String,
    pub(super) fingerprint: String,
    pub(super) previous_signature: Option<String>,
    pub(super) previous: Option<ObjectAddress>,
    pub(super) logs: Vec<LogFile>,
    /// Of its content, uncompressed, in hexadecimal.
    pub(super) sha256: String,
}

impl Digest {
    /// Reads a digest as it is stored.
    pub(super) fn read(stored: &[u8]) -> Result<Self, String> {
        let mut content = Vec::new();
        GzDecoder::new(stored)
            .take(MAX_DIGEST_BYTES)
            .read_to_end(&mut content)
            .map_err(|error| format!("it is no gzip file: {error}"))?;
        let value: Value =
            serde_json::from_slice(&content).map_err(|error| format!("it is no JSON: {error}"))?;
        let optional = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let text = |name: &str| optional(name).ok_or_else(|| format!("there is no text `{name}`"));
        let time = |name: &str| -> Result<i64, String> {
            let text = text(name)?;
            let time = DateTime::parse_from_rfc3339(&text).map_err(|_| format!("`{name}` is no time"))?;
            Ok(time.timestamp())
        };
        if value.get("previousDigestSignature").is_none() {
            return Err("there is no `previousDigestSignature`".into());
        }
        let previous = optional("previousDigestS3Bucket").zip(optional("previousDigestS3Object"));
        let named = value.get("logFiles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let logs: Option<Vec<LogFile>> = named.iter().map(log_file).collect();
        Ok(Self {
            object: ObjectAddress { bucket: text("digestS3Bucket")?, key: text("digestS3Object")? },
            start_unix_s: time("digestStartTime")?,
            end_unix_s: time("digestEndTime")?,
            end_text: text("digestEndTime")?,
            fingerprint: text("digestPublicKeyFingerprint")?,
            previous_signature: optional("previousDigestSignature"),
            previous: previous.map(|(bucket, key)| ObjectAddress { bucket, key }),
            logs: logs.ok_or("a member of `logFiles` lacks `s3Bucket`, `s3Object` or `hashValue`")?,
            sha256: crate::aws::sign::sha256_hex(&content),
        })
    }

    /// What its signature is of.
    pub(super) fn signed_text(&self) -> String {
        let ObjectAddress { bucket, key } = &self.object;
        let previous = self.previous_signature.as_deref().unwrap_or("null");
        format!("{}\n{bucket}/{key}\n{}\n{previous}", self.end_text, self.sha256)
    }
}

fn log_file(value: &Value) -> Option<LogFile> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let object = ObjectAddress { bucket: text("s3Bucket")?, key: text("s3Object")? };
    Some(LogFile { object, sha256: text("hashValue")? })
}
