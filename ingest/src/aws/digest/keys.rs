//! The public keys of CloudTrail in a region.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

/// Public keys by their fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(BTreeMap<String, Vec<u8>>);

impl PublicKeys {
    /// No key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key: the DER of a PKCS #1 `RSAPublicKey`.
    pub fn add(&mut self, fingerprint: &str, der: Vec<u8>) {
        self.0.insert(fingerprint.to_owned(), der);
    }

    /// Adds the keys of an answer of `ListPublicKeys`, also as `aws cloudtrail list-public-keys` prints it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_json(&mut self, json: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let list =
            value.get("PublicKeyList").and_then(Value::as_array).ok_or("there is no `PublicKeyList`")?;
        for key in list {
            let text = |name: &str| {
                key.get(name).and_then(Value::as_str).ok_or_else(|| format!("a key has no text `{name}`"))
            };
            let fingerprint = text("Fingerprint")?;
            let der =
                STANDARD.decode(text("Value")?).map_err(|_| format!("key `{fingerprint}` is no base64"))?;
            self.add(fingerprint, der);
        }
        Ok(())
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `signature` is of `message` (RSA PKCS #1 v1.5 with SHA-256); `None`: there is no such key.
    pub(super) fn verify(&self, fingerprint: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.0.get(fingerprint)?);
        Some(key.verify(message, signature).is_ok())
    }
}
