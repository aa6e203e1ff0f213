//! One process at a time has a folder open, and the others can learn which.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::{Error, Result};

/// The lock's file in the folder.
pub(super) const LOCK_NAME: &str = "LOCK";

/// The most text that is read from a lock file; whatever else lies there is not ours.
const MAX_TEXT: u64 = 4096;

/// The process that has a folder open, as it wrote itself into the lock file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// Where it listens, if it does.
    pub url: Option<String>,
}

impl Holder {
    fn parse(text: &str) -> Self {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        Self {
            pid: value("pid ").and_then(|pid| pid.parse().ok()),
            url: value("url ").map(|url| url.chars().filter(|c| !c.is_control()).collect()),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        match &self.url {
            Some(url) => write!(f, " at `{url}`"),
            None => Ok(()),
        }
    }
}

/// Holds a folder for this process until dropped; the system frees it when the process dies.
#[derive(Debug)]
pub(super) struct DirLock {
    path: PathBuf,
    file: Mutex<File>,
}

impl DirLock {
    /// Takes the lock of `dir`.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it.
    pub(super) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK_NAME);
        let io = |action| {
            let path = path.clone();
            move |source| Error::Io { action, path, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The holder may be unreadable; that it is held is the news.
                if (&mut file).take(MAX_TEXT).read_to_string(&mut text).is_err() {
                    text.clear();
                }
                return Err(Error::Locked { path, holder: Holder::parse(&text) });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let lock = Self { path, file: Mutex::new(file) };
        lock.write(None)?;
        Ok(lock)
    }

    /// Writes into the lock file where this process listens, for those who find the folder taken.
    pub(super) fn announce(&self, url: &str) -> Result<()> {
        self.write(Some(url))
    }

    fn write(&self, url: Option<&str>) -> Result<()> {
        let mut text = format!("pid {}\n", std::process::id());
        if let Some(url) = url {
            text.extend(["url ", url, "\n"]);
        }
        let mut file = self.file.lock();
        let mut rewrite = || {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())
        };
        rewrite().map_err(|source| Error::Io { action: "write", path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::take(dir.path()).unwrap();
        first.announce("http://127.0.0.1:8080").unwrap();
        let error = DirLock::take(dir.path()).unwrap_err();
        let Error::Locked { holder, .. } = &error else { panic!("{error}") };
        assert_eq!(holder.pid, Some(std::process::id()));
        assert_eq!(holder.url.as_deref(), Some("http://127.0.0.1:8080"));
        assert!(error.to_string().contains("at `http://127.0.0.1:8080`"), "{error}");
        drop(first);
        let again = DirLock::take(dir.path()).unwrap();
        drop(again);
    }

    #[test]
    fn any_text_in_the_file_is_borne() {
        for text in ["", "pid\n", "pid x\nurl \u{1b}[2J", "\u{0}\u{0}"] {
            let holder = Holder::parse(text);
            assert_eq!(holder.pid, None);
            assert!(!holder.to_string().contains('\u{1b}'));
        }
    }
}
