//! The hash of an entry and of all before it.

use std::fmt;

use ring::digest::{Context, SHA256};

use super::key::PublicKey;

/// Keeps these hashes apart from those of any other use of SHA-256.
const DOMAIN: &[u8] = b"stormglass-audit-v1\0";

/// A hash in the chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first entry is chained to.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash after `entry`, where this is the one before it.
    pub fn next(&self, entry: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(DOMAIN);
        context.update(&self.0);
        context.update(entry);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// Of 32 bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Of 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The id of the chain that the first entry names.
pub(super) fn named(first: &[u8]) -> Option<String> {
    detail(first, "chain")
}

/// The key that an entry names, if it is one that does.
pub(super) fn named_key(entry: &[u8]) -> Option<PublicKey> {
    // Canonical JSON begins with the action.
    let names_key = [&b"{\"action\":\"audit.begin\""[..], b"{\"action\":\"audit.key\""];
    if !names_key.iter().any(|start| entry.starts_with(start)) {
        return None;
    }
    detail(entry, "key").and_then(|text| PublicKey::parse(&text))
}

/// When an entry was written, microseconds since 1970.
pub(super) fn at_us(entry: &[u8]) -> Option<i64> {
    let entry: serde_json::Value = serde_json::from_slice(entry).ok()?;
    entry.get("at_us")?.as_i64()
}

/// A text in the `detail` of an entry.
fn detail(entry: &[u8], name: &str) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_slice(entry).ok()?;
    Some(entry.get("detail")?.get(name)?.as_str()?.to_owned())
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `N` bytes from hexadecimal digits as [`hex`] writes them: there is one way to write them, so that a changed letter
/// is a changed log.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N || !text.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
