//! Secrets by reference: the configuration says where one lies and never holds it.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// A larger secret is none.
const MAX_BYTES: u64 = 1 << 20;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Where a secret lies: `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENT …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretReference {
    /// A variable of the environment.
    Environment(String),
    /// A file; white space at its end is none of the secret.
    File(PathBuf),
    /// A program and its arguments, split at blanks and run without a shell; its output is the secret.
    Command(String),
}

impl SecretReference {
    /// Reads a reference; `None` for anything else, such as a secret itself.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("env", name) if !name.is_empty() => Some(Self::Environment(name.to_owned())),
            ("file", path) if !path.is_empty() => Some(Self::File(path.into())),
            ("command", line) if !line.trim().is_empty() => Some(Self::Command(line.trim().to_owned())),
            _ => None,
        }
    }

    /// The secret as it is now. It blocks, a command for 30 seconds at most.
    ///
    /// # Errors
    /// [`Error::NoCredentials`]: there is none; the message names the reference alone.
    pub fn read(&self) -> Result<String> {
        let fail = |problem: String| Error::NoCredentials { problem: format!("`{self}`: {problem}") };
        let secret = match self {
            Self::Environment(name) => std::env::var(name).map_err(|error| fail(error.to_string()))?,
            Self::File(path) => {
                let file = std::fs::File::open(path).map_err(|error| fail(error.to_string()))?;
                text_of(file).map_err(fail)?
            }
            Self::Command(line) => output_of(line).map_err(fail)?,
        };
        let secret = secret.trim_end();
        if secret.is_empty() {
            return Err(fail("it is empty".into()));
        }
        Ok(secret.to_owned())
    }

    /// The same, without blocking.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub(crate) async fn get(&self) -> Result<String> {
        let reference = self.clone();
        let read = tokio::task::spawn_blocking(move || reference.read()).await;
        read.unwrap_or_else(|_| {
            Err(Error::NoCredentials { problem: format!("`{self}`: it could not be read; please report it") })
        })
    }
}

fn text_of(source: impl Read) -> std::result::Result<String, String> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    // The error of UTF-8 would hold the bytes.
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())
}

fn output_of(line: &str) -> std::result::Result<String, String> {
    let mut words = line.split_whitespace();
    let mut child = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What it says of its failure may hold the secret.
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let output = child.stdout.take();
    let reader = std::thread::spawn(move || output.map_or_else(|| Ok(String::new()), text_of));
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < PATIENCE => std::thread::sleep(LOOK),
            waited => {
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
                return Err(
                    waited.map_or_else(|error| error.to_string(), |_| "it did not end in time".into())
                );
            }
        }
    };
    let text = reader.join().map_err(|_| "its output could not be read".to_owned())?;
    if !status.success() {
        return Err(format!("it failed: {status}"));
    }
    text
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Command(line) => write!(f, "command:{line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_are_read() {
        for text in ["env:A", "file:/run/secrets/a", "command:pass show a"] {
            assert_eq!(SecretReference::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "hunter2", "env:", "file:", "command: ", "whsec_AAAA", "http:x"] {
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
        let error = SecretReference::File(path.clone()).read().unwrap_err().to_string();
        assert!(error.ends_with("it is empty"), "{error}");
        std::fs::write(&path, [b's', 0xff]).unwrap();
        assert!(SecretReference::File(path).read().is_err());
    }

    #[test]
    fn a_command_says_the_secret() {
        let read = |line: &str| SecretReference::Command(line.into()).read();
        assert_eq!(read("echo s3cret").unwrap(), "s3cret");
        assert!(read("false").unwrap_err().to_string().contains("`command:false`: it failed"));
        assert!(read("/nowhere/at/all").is_err());
        // No shell: no expansion, no second command.
        assert_eq!(read("echo $HOME;false").unwrap(), "$HOME;false");
    }
}
