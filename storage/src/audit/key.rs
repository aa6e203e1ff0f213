//! The key that signs checkpoints, and the one that verifies them.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::chain::{hex, unhex};
use crate::{Error, Result};

/// The file of the private key in the data folder: PKCS #8, DER, for its owner only.
pub const SIGNING_KEY_FILE: &str = "audit.key";
/// The file of the public key beside it: 64 hexadecimal digits. Keep a copy of it elsewhere.
pub const PUBLIC_KEY_FILE: &str = "audit.pub";

/// An ed25519 key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads the key of a data folder; makes it where there is none.
    ///
    /// # Errors
    /// [`Error::AuditKey`], or a file cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(SIGNING_KEY_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let random = SystemRandom::new();
                let made = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| Error::AuditKey {
                    path: path.clone(),
                    problem: "the system gives no randomness".into(),
                })?;
                write(&path, made.as_ref(), 0o600)?;
                made.as_ref().to_vec()
            }
            Err(source) => return Err(Error::Io { action: "read", path, source }),
        };
        let pair = Ed25519KeyPair::from_pkcs8(&bytes)
            .map_err(|error| Error::AuditKey { path: path.clone(), problem: error.to_string() })?;
        let key = Self { pair };
        let public = folder.join(PUBLIC_KEY_FILE);
        let text = format!("{}\n", key.public());
        if std::fs::read(&public).ok().as_deref() != Some(text.as_bytes()) {
            write(&public, text.as_bytes(), 0o644)?;
        }
        Ok(key)
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::read(self.pair.public_key().as_ref()).unwrap_or(PublicKey([0; 32]))
    }

    pub(super) fn sign(&self, message: &[u8]) -> String {
        hex(self.pair.sign(message).as_ref())
    }
}

/// A file is there whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    };
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&part)
        .map_err(failed("make", &part))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &part))?;
    std::fs::rename(&part, path).map_err(failed("rename", &part))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed("sync", parent))
}

/// An ed25519 key that verifies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Of 32 bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Of 64 hexadecimal digits, with white space around them.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text.trim()).map(Self)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Some(bytes) = unhex::<64>(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, &bytes).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
