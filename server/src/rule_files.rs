//! Rule files from the disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rules::RuleSource;

/// Reads every `.yml` and `.yaml` file at or below `paths`, sorted.
///
/// # Errors
/// A path does not exist or cannot be read, or a folder holds no rule at all.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleSource>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        gather(path, &mut files).with_context(|| format!("rules at `{}`", path.display()))?;
        if files.len() == before {
            bail!("rules at `{}`: there is no .yml or .yaml file", path.display());
        }
    }
    files.sort();
    files.dedup();
    files
        .into_iter()
        .map(|path| {
            let bytes = std::fs::read(&path).with_context(|| format!("rule `{}`", path.display()))?;
            // A rule that is no UTF-8 is the rule's fault, and the loader says so by its name.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(RuleSource { path: path.display().to_string(), text })
        })
        .collect()
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if std::fs::metadata(path)?.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // `file_type` does not follow links, so a loop of links ends here.
        if entry.file_type()?.is_dir() {
            gather(&path, files)?;
        } else if is_rule(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_rule(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}
