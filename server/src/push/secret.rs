//! Secrets by reference: the configuration says where one lies and never holds it.

use std::fmt;
use std::path::PathBuf;

/// Where a secret lies: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretReference {
    /// A variable of the environment.
    Environment(String),
    /// A file; white space at its end is none of the secret.
    File(PathBuf),
}

impl SecretReference {
    /// Reads a reference; `None` for anything else, such as a secret itself.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("env", name) if !name.is_empty() => Some(Self::Environment(name.to_owned())),
            ("file", path) if !path.is_empty() => Some(Self::File(path.into())),
            _ => None,
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// There is none; the message names the reference alone.
    pub(super) fn read(&self) -> anyhow::Result<String> {
        let secret = match self {
            Self::Environment(name) => {
                std::env::var(name).map_err(|error| anyhow::anyhow!("`{self}`: {error}"))?
            }
            Self::File(path) => {
                std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("`{self}`: {error}"))?
            }
        };
        let secret = secret.trim_end();
        anyhow::ensure!(!secret.is_empty(), "`{self}` is empty");
        Ok(secret.to_owned())
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_are_read() {
        for text in ["env:A", "file:/run/secrets/a"] {
            assert_eq!(SecretReference::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "hunter2", "env:", "file:", "whsec_AAAA", "http:x"] {
            assert_eq!(SecretReference::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_ends_before_its_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "s3cret \n").unwrap();
        assert_eq!(SecretReference::File(path.clone()).read().unwrap(), "s3cret");
        std::fs::write(&path, "\n").unwrap();
        let error = SecretReference::File(path).read().unwrap_err().to_string();
        assert!(error.ends_with("is empty"), "{error}");
    }
}
