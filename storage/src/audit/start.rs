//! Where a log begins whose first entries were dropped, signed.

use serde::{Deserialize, Serialize};

use super::chain::Digest;
use super::key::{PublicKey, SigningKey};

/// What was dropped, so that the rest can still be proved: the number and hash of the last entry that is gone.
///
/// The signature is over other words than a [`Checkpoint`](super::Checkpoint)'s: who has no key cannot make a
/// beginning of a checkpoint, and so cannot drop entries under the name of retention.
///
/// ```text
/// "stormglass-audit-start-v1\n" chain "\n" seq "\n" hash "\n" at_us "\n" keys, joined by commas "\n"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The chain's id, which the first entry has named.
    pub chain: String,
    /// The number of the last entry that was dropped.
    pub seq: u64,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
    /// When it was dropped, microseconds since 1970.
    pub at_us: i64,
    /// The public keys that entries so far have named, oldest first, in hexadecimal digits.
    pub keys: Vec<String>,
    /// The public key that has signed this.
    pub key: String,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Start {
    pub(super) fn sign(
        key: &SigningKey,
        chain: &str,
        seq: u64,
        hash: Digest,
        at_us: i64,
        keys: Vec<String>,
    ) -> Self {
        let mut made = Self {
            chain: chain.to_owned(),
            seq,
            hash: hash.to_string(),
            at_us,
            keys,
            key: key.public().to_string(),
            signature: String::new(),
        };
        made.signature = key.sign(made.message().as_bytes());
        made
    }

    fn message(&self) -> String {
        let Self { chain, seq, hash, at_us, keys, .. } = self;
        format!("stormglass-audit-start-v1\n{chain}\n{seq}\n{hash}\n{at_us}\n{}\n", keys.join(","))
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
