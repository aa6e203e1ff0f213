//! Which files of this machine a source means, as they are at the moment.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result, folder};

/// Device and inode: a file under whatever name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino() }
    }
}

/// Size and time of change: while they stay, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { size: meta.size(), changed: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// A file that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

/// Whether `path` is a glob pattern: a name that exists is meant as it is.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[']) && !Path::new(path).exists()
}

/// The longest folder before the first part of a pattern that is one.
fn base(pattern: &str) -> PathBuf {
    let parts = Path::new(pattern).components();
    let fixed = parts.take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']));
    let base: PathBuf = fixed.collect();
    if base.as_os_str().is_empty() { PathBuf::from(".") } else { base }
}

/// The files that `paths` name: files, folders with the folders in them, glob patterns. A file with several
/// names comes once. With them the first thing that could not be listed.
///
/// # Errors
/// [`Error::TooMany`].
pub(super) fn list(paths: &[String], limit: usize) -> Result<(BTreeMap<FileId, Found>, Option<Error>)> {
    let mut found = BTreeMap::new();
    let mut problem = None;
    for path in paths {
        match names(path) {
            Ok(names) => {
                for name in names {
                    // What vanished since is found again under its new name, or is gone.
                    let Ok(meta) = name.metadata() else { continue };
                    if !meta.is_file() {
                        continue;
                    }
                    let stamp = Stamp::of(&meta);
                    found.entry(FileId::of(&meta)).or_insert(Found { path: name, stamp });
                    if found.len() > limit {
                        return Err(Error::TooMany { what: path.clone(), limit });
                    }
                }
            }
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    Ok((found, problem))
}

fn names(path: &str) -> Result<Vec<PathBuf>> {
    if !is_pattern(path) {
        let path = Path::new(path);
        return match path.metadata() {
            Ok(meta) if meta.is_dir() => folder::files(path),
            Ok(_) => Ok(vec![path.to_path_buf()]),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::Missing { path: path.to_path_buf() })
            }
            Err(source) => Err(Error::File { path: path.to_path_buf(), source }),
        };
    }
    let base = base(path);
    if !base.exists() {
        return Err(Error::Missing { path: base });
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let matches = glob::glob_with(path, options)
        .map_err(|error| Error::BadPattern { pattern: path.to_owned(), problem: error.to_string() })?;
    let mut names = Vec::new();
    for matched in matches {
        let name =
            matched.map_err(|error| Error::File { path: error.path().to_owned(), source: error.into() })?;
        if name.is_dir() {
            names.extend(folder::files(&name)?);
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_once_and_what_is_missing_is_told() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("deep")).unwrap();
        for name in ["a.log", "b.log", "c.txt", "deep/d.log", ".hidden.log"] {
            std::fs::write(root.path().join(name), "x").unwrap();
        }
        let root = root.path().display().to_string();
        let list = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| path.replace('@', &root)).collect();
            let (found, problem) = super::list(&paths, 10).unwrap();
            let mut names: Vec<_> = found.values().map(|one| one.path.display().to_string()).collect();
            names.sort();
            (names.join(" ").replace(&root, "@"), problem.map(|error| error.to_string().replace(&root, "@")))
        };
        assert_eq!(list(&["@/*.log", "@/a.log"]), ("@/a.log @/b.log".into(), None));
        assert_eq!(list(&["@"]), ("@/a.log @/b.log @/c.txt @/deep/d.log".into(), None));
        assert_eq!(list(&["@/*.none"]), (String::new(), None), "files may come");
        let missing =
            |path: &str| Some(format!("there is no file or folder `{path}`; make it, or mend the path"));
        assert_eq!(list(&["@/none/*.log", "@/c.txt"]), ("@/c.txt".into(), missing("@/none")));
        assert_eq!(list(&["@/none.log"]), (String::new(), missing("@/none.log")));
        assert!(matches!(super::list(&[root], 3), Err(Error::TooMany { .. })));
    }
}
