//! A signature over an entry and all before it.

use serde::{Deserialize, Serialize};

use super::chain::Digest;
use super::key::{PublicKey, SigningKey};

/// The newest entry at some moment, signed. One line of JSON wherever it is written.
///
/// Each names the one before it, so that one that was removed is missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The chain's id.
    pub chain: String,
    /// The entry's number.
    pub seq: u64,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
    /// When it was signed, microseconds since 1970.
    pub at_us: i64,
    /// The entry of the checkpoint before it, 0 for none; absent in those of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// The public key, in hexadecimal digits.
    pub key: String,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Checkpoint {
    pub(super) fn sign(
        key: &SigningKey,
        chain: &str,
        seq: u64,
        hash: Digest,
        at_us: i64,
        after: u64,
    ) -> Self {
        let mut made = Self {
            chain: chain.to_owned(),
            seq,
            hash: hash.to_string(),
            at_us,
            after: Some(after),
            key: key.public().to_string(),
            signature: String::new(),
        };
        made.signature = key.sign(made.message().as_bytes());
        made
    }

    /// Signs it again after a change.
    #[cfg(test)]
    pub(super) fn sign_again(&mut self, key: &SigningKey) {
        self.signature = key.sign(self.message().as_bytes());
    }

    /// What is signed.
    fn message(&self) -> String {
        let Self { chain, seq, hash, at_us, .. } = self;
        match self.after {
            Some(after) => {
                format!("stormglass-audit-checkpoint-v2\n{chain}\n{seq}\n{hash}\n{at_us}\n{after}\n")
            }
            None => format!("stormglass-audit-checkpoint-v1\n{chain}\n{seq}\n{hash}\n{at_us}\n"),
        }
    }

    /// Whether it was signed with `key`.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        self.key == key.to_string() && key.verifies(self.message().as_bytes(), &self.signature)
    }

    /// Reads a line.
    pub fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The line, without its end.
    pub fn to_line(&self) -> String {
        // Texts and numbers are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}
