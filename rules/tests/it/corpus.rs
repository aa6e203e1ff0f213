//! Real rules and logs, read where they lie; absent, the tests that need them say so and pass.

use std::path::{Path, PathBuf};

use rules::RuleSource;

/// A folder of the corpus; `None`, with a line that says so, where there is no corpus.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let root = std::env::var("STORMGLASS_CORPUS").unwrap_or_else(|_| default.to_owned());
    let folder = Path::new(&root).join(name);
    if !folder.is_dir() {
        println!("skipped: no corpus at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Every file below a folder whose name ends like this, sorted, with its path from the folder.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<RuleSource> {
    let mut found = Vec::new();
    walk(folder, folder, ending, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no {ending} below {}", folder.display());
    found
}

fn walk(root: &Path, folder: &Path, ending: &str, found: &mut Vec<RuleSource>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            found.push(RuleSource { path: path.strip_prefix(root).unwrap().display().to_string(), text });
        }
    }
}
