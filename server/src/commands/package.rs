//! Evidence packages as files: writing and verifying them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use alerts::bundle::{MANIFEST, MAX_RECORD_BYTES, Verified, read_zip, sha256};
use anyhow::{Context, bail};

use crate::output::{UsageError, print, say};

/// The largest package that is read, in bytes: records twice, as JSON may double them, and what is said of them.
const MAX_BYTES: u64 = 4 * MAX_RECORD_BYTES as u64;

/// The most files that a folder may hold to be taken for a package.
const MAX_FILES: usize = 1000;

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// Whether a package can be written there. Nothing is written over: a package that somebody has is evidence.
///
/// # Errors
/// Something is there already.
pub(super) fn check_target(to: &Path) -> anyhow::Result<()> {
    let is_empty_folder =
        || std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none()) && !is_archive(to);
    if to.symlink_metadata().is_ok() && !is_empty_folder() {
        bail!(UsageError(format!("`{}` is there already; name a new file or folder", to.display())));
    }
    Ok(())
}

/// Writes an archive as it came, or its files into a folder. Returns the hash of the manifest.
///
/// # Errors
/// The archive is damaged, or the disk refuses.
pub(super) fn write(to: &Path, archive: &[u8]) -> anyhow::Result<String> {
    let files = read_zip(archive)?;
    let manifest = files.get(MANIFEST).context("the package has no manifest")?;
    if is_archive(to) {
        write_new(to, archive)?;
    } else {
        crate::data_folder::make(to)?;
        for (name, bytes) in &files {
            // The names come from a server.
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
                bail!("the package has a file with the name `{name}`");
            }
            write_new(&to.join(name), bytes)?;
        }
    }
    Ok(sha256(manifest))
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("`{}` cannot be written", path.display()))
}

/// Verifies a package, offline.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn verify(package: &Path, expected: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let read = if package.is_dir() { read_folder(package) } else { read_archive(package) };
    let mut verified = match read {
        Ok(files) => alerts::bundle::verify(&files),
        Err(error) if error.is::<alerts::Error>() => {
            Verified { manifest: None, sha256: String::new(), problems: vec![error.to_string()] }
        }
        Err(error) => return Err(error),
    };
    if let Some(expected) = expected
        && !expected.trim().eq_ignore_ascii_case(&verified.sha256)
    {
        let problem = format!("the SHA-256 of `{MANIFEST}` is not the expected one: it is another package");
        verified.problems.push(problem);
    }
    tell(package, &verified, json)?;
    Ok(if verified.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(package: &Path, verified: &Verified, json: bool) -> anyhow::Result<()> {
    if json {
        let told = serde_json::json!({
            "valid": verified.problems.is_empty(),
            "sha256": verified.sha256,
            "manifest": verified.manifest,
            "problems": verified.problems,
        });
        return print(&told.to_string());
    }
    for problem in &verified.problems {
        print(problem)?;
    }
    if !verified.problems.is_empty() {
        say(&format!("`{}` is not as it was exported", package.display()));
        return Ok(());
    }
    if let Some(manifest) = &verified.manifest {
        print(&format!("incident:  {}", manifest.incident))?;
        print(&format!("exported:  {} by {}", manifest.exported_at, manifest.exported_by))?;
        print(&format!("version:   {}", manifest.version))?;
        print(&format!("previous:  {}", manifest.previous.as_deref().unwrap_or("none, it is the first")))?;
        print(&format!("manifest:  {}", verified.sha256))?;
    }
    say(&format!(
        "`{}` is whole; compare the manifest's hash with what the export printed",
        package.display()
    ));
    Ok(())
}

fn read_archive(path: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    Ok(read_zip(&read_file(path)?)?)
}

fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unread = || format!("`{}` cannot be read", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .with_context(unread)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(unread)?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("`{}` has more than {MAX_BYTES} bytes: it is no package", path.display());
    }
    Ok(bytes)
}

/// The files of a folder. What is no plain file is taken for an empty one that was added.
fn read_folder(path: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let unread = || format!("`{}` cannot be read", path.display());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(path).with_context(unread)? {
        let entry = entry.with_context(unread)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().with_context(unread)?.is_file();
        files.insert(name, if is_file { read_file(&entry.path())? } else { Vec::new() });
        if files.len() > MAX_FILES {
            bail!("`{}` has more than {MAX_FILES} files: it is no package", path.display());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.zip");
        write_new(&path, b"evidence").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_new(&path, b"other").is_err());
    }
}
