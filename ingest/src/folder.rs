//! The files of a folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// All files in `folder` and the folders in it, sorted by path. Links are followed, but no folder is
/// entered twice, so that a link to a folder above cannot lead in circles. What is hidden (a name that
/// begins with a dot) is skipped, and so is what is neither file nor folder.
///
/// # Errors
/// [`Error::File`] where a folder cannot be listed.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entered = HashSet::new();
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |source| Error::File { path: folder.clone(), source };
        if !entered.insert(folder.canonicalize().map_err(failed)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // A link that leads nowhere is no file.
            match path.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(path),
                Ok(meta) if meta.is_file() => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_files_once_and_in_order() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for folder in ["b", "b/c", ".git"] {
            fs::create_dir(path(folder)).unwrap();
        }
        for file in ["z.json", "b/2.json", "b/1.json.gz", "b/c/3", ".hidden", ".git/config", "a"] {
            fs::write(path(file), "{}").unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.path(), path("b/c/up")).unwrap();
            std::os::unix::fs::symlink(path("nowhere"), path("broken")).unwrap();
            std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
        }
        let names: Vec<_> = files(root.path())
            .unwrap()
            .iter()
            .map(|file| file.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned())
            .collect();
        let link = if cfg!(unix) { vec!["link"] } else { vec![] };
        assert_eq!(names, [vec!["a", "b/1.json.gz", "b/2.json", "b/c/3"], link, vec!["z.json"]].concat());
        assert!(matches!(files(&path("missing")), Err(Error::File { .. })));
    }
}
