//! The files of the repository, for the tests.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below `folder` with the given ending, build output left out, by path from the root.
pub(crate) fn files(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let root = root();
    walk(&root, &root, ending, &mut found);
    found.sort();
    assert!(!found.is_empty(), "there is no .{ending} file below {}", root.display());
    found
}

fn walk(root: &Path, folder: &Path, ending: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "data", "bench-data", "venv"].contains(&name.as_str()) {
                walk(root, &path, ending, found);
            }
        } else if path.extension().is_some_and(|e| e == ending) {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text));
        }
    }
}
