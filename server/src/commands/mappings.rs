//! `stormglass mappings check` and `mappings test`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use normalize::{CustomMappings, MappingFile};

use crate::cli::{Global, Mappings};
use crate::output::{print, say};

/// Checks mapping files, and for `test` runs the tests in them. Exit status 1 if a file is refused or a test
/// fails.
///
/// # Errors
/// A path cannot be read.
pub(crate) fn run(global: &Global, command: &Mappings) -> anyhow::Result<ExitCode> {
    let (paths, json) = match command {
        Mappings::Check { paths, json } | Mappings::Test { paths, json } => (paths, *json),
    };
    let (mappings, mut findings) = CustomMappings::parse(&read(paths)?);
    let refused = findings.len();
    let mut told = format!("{} mappings load; {refused} errors", mappings.len());
    if matches!(command, Mappings::Test { .. }) {
        let tests = mappings.run_tests();
        told.push_str(&format!("; {} tests passed, {} failed", tests.passed, tests.failed));
        findings.extend(tests.findings);
    }
    for finding in &findings {
        print(&if json { serde_json::to_string(finding)? } else { finding.to_string() })?;
    }
    if !global.quiet {
        say(&told);
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The `.yml` and `.yaml` files at and right below `paths`, sorted.
///
/// # Errors
/// A path does not exist or cannot be read, or there is no such file.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<MappingFile>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        if path.is_dir() {
            let named = || format!("mappings at `{}`", path.display());
            for entry in std::fs::read_dir(path).with_context(named)? {
                files.extend(Some(entry.with_context(named)?.path()).filter(|file| is_mapping(file)));
            }
        } else {
            files.push(path.clone());
        }
        if files.len() == before {
            bail!("mappings at `{}`: there is no .yml or .yaml file", path.display());
        }
    }
    files.sort();
    files.dedup();
    files
        .into_iter()
        .map(|path| {
            let bytes = std::fs::read(&path).with_context(|| format!("mapping `{}`", path.display()))?;
            // A file that is no UTF-8 is refused by the parser, by its name.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(MappingFile { path: path.display().to_string(), text })
        })
        .collect()
}

fn is_mapping(file: &Path) -> bool {
    file.is_file() && file.extension().is_some_and(|end| end == "yml" || end == "yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_and_missing_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "notes.txt"] {
            std::fs::write(folder.path().join(name), "name: x").unwrap();
        }
        let found = read(&[folder.path().to_owned()]).unwrap();
        let names: Vec<_> = found.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
        let missing = read(&[folder.path().join("c.yml")]).unwrap_err();
        assert!(missing.to_string().contains("c.yml"), "{missing}");
        let empty = tempfile::tempdir().unwrap();
        let none = read(&[empty.path().to_owned()]).unwrap_err();
        assert!(none.to_string().contains("no .yml or .yaml file"), "{none}");
    }
}
