//! Rule files from the disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rules::RuleSource;

/// Reads every `.yml` and `.yaml` file at or below `paths`, sorted; tests and their records are left out.
///
/// # Errors
/// A path does not exist or cannot be read, or a folder holds no rule at all.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleSource>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        files.extend(found(path)?.into_iter().filter(|file| kind(file) == Kind::Rule));
        if files.len() == before {
            bail!("rules at `{}`: there is no .yml or .yaml file", path.display());
        }
    }
    contents(files)
}

/// Reads every test file at or below `paths`, sorted; of a rule's own path, the one beside it.
///
/// # Errors
/// A path does not exist or cannot be read.
pub(crate) fn read_tests(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleSource>> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(found(path)?.into_iter().filter(|file| kind(file) == Kind::Test));
        let beside = path.with_extension("test.yml");
        if path.is_file() && kind(path) == Kind::Rule && beside.is_file() {
            files.push(beside);
        }
    }
    contents(files)
}

/// Reads the records that tests share: the files of folders named `records`, at or below `paths`.
///
/// # Errors
/// A path does not exist or cannot be read.
pub(crate) fn read_records(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleSource>> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(found(path)?.into_iter().filter(|file| kind(file) == Kind::Records));
    }
    contents(files)
}

/// What a file of a folder of rules holds.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Rule,
    Test,
    Records,
}

fn kind(file: &Path) -> Kind {
    if rules::is_test_file(&file.to_string_lossy()) {
        Kind::Test
    } else if file.parent().and_then(Path::file_name).is_some_and(|folder| folder == "records") {
        Kind::Records
    } else {
        Kind::Rule
    }
}

fn found(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    gather(path, &mut files).with_context(|| format!("rules at `{}`", path.display()))?;
    Ok(files)
}

fn contents(mut files: Vec<PathBuf>) -> anyhow::Result<Vec<RuleSource>> {
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
