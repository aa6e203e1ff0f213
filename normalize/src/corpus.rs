//! Where the tests find real records that are not part of this repository.

use std::path::PathBuf;

/// A folder of the corpus named by `STORMGLASS_CORPUS`, or, without that, of the one beside the project.
/// `None`, with a line that says so, where there is none.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("STORMGLASS_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no corpus at {}", folder.display());
    None
}
