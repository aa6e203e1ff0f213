//! Sessions of the command line, by server: a file that its owner alone may read.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What shows a server who asks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptSession {
    /// `NAME=SECRET`, as the cookie goes back.
    pub(crate) cookie: String,
    /// What a change must carry as well.
    pub(crate) csrf_token: String,
}

impl std::fmt::Debug for KeptSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeptSession(…)")
    }
}

type Sessions = BTreeMap<String, KeptSession>;

/// The session of the server at `base`, if there is one.
///
/// # Errors
/// The file is there and cannot be read.
pub(crate) fn of(base: &str) -> anyhow::Result<Option<KeptSession>> {
    let Some(path) = path() else { return Ok(None) };
    Ok(read(&path)?.remove(base))
}

/// Keeps a session in the place of another of the same server.
///
/// # Errors
/// There is no home, or the disk refuses.
pub(crate) fn keep(base: &str, session: KeptSession) -> anyhow::Result<()> {
    let path = path().context("there is no place to keep a session in: set HOME or XDG_STATE_HOME")?;
    let mut sessions = read(&path)?;
    sessions.insert(base.to_owned(), session);
    write(&path, &sessions)
}

/// Forgets the session of the server at `base`.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn forget(base: &str) -> anyhow::Result<()> {
    let Some(path) = path() else { return Ok(()) };
    let mut sessions = read(&path)?;
    sessions.remove(base);
    write(&path, &sessions)
}

/// Where sessions lie (XDG Base Directory Specification, "state").
fn path() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
    Some(state.join("stormglass/sessions.json"))
}

fn read(path: &Path) -> anyhow::Result<Sessions> {
    let damaged = || format!("`{}` holds no sessions; remove it, and sign in again", path.display());
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).with_context(damaged),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Sessions::new()),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

/// A kill leaves the old file or the new one.
fn write(path: &Path, sessions: &Sessions) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        crate::data_folder::make(folder)?;
    }
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(sessions)?)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    written().with_context(|| format!("`{}` cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn sessions_are_their_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stormglass/sessions.json");
        assert!(read(&path).unwrap().is_empty());
        let session = KeptSession { cookie: "stormglass_session=s3cret".into(), csrf_token: "c".into() };
        let sessions = Sessions::from([("http://127.0.0.1:7171".to_owned(), session.clone())]);
        write(&path, &sessions).unwrap();
        write(&path, &sessions).unwrap();
        assert_eq!(read(&path).unwrap(), sessions);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{session:?}").contains("s3cret"));
        std::fs::write(&path, "{").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("remove it") && !error.contains("s3cret"), "{error}");
    }
}
