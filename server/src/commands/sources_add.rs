//! `stormglass sources add`: a new source at the end of the configuration file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value};

use crate::cli::Global;
use crate::client::usage;
use crate::config::{self, DEFAULT_FILE};
use crate::output::{UsageError, print};

/// Settings that are lists: one value may be given without brackets.
const LISTS: [&str; 2] = ["paths", "urls"];

/// Checks the file with the source in it as a whole, and only then puts it in the place of the old one.
///
/// # Errors
/// What is wrong with the source or the file; nothing has changed then.
pub(crate) fn run(global: &Global, name: &str, settings: &[String]) -> anyhow::Result<ExitCode> {
    let path = global.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    let text = if path.exists() { config::read_text(path).map_err(usage)? } else { String::new() };
    let shown = path.display().to_string();
    let added = append(&text, name, settings)?;
    config::check_text(&shown, &added).map_err(usage)?;
    replace(path, &added).with_context(|| format!("`{shown}` cannot be written"))?;
    print(&format!(
        "`{name}` is added to {shown}; `stormglass sources test {name}` tries it, the server takes it up at its next start"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The text with the source at its end; the rest stays as it is.
fn append(text: &str, name: &str, settings: &[String]) -> anyhow::Result<String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error| UsageError(format!("the configuration is no TOML: {error}")))?;
    let mut table = Table::new();
    table.insert("name", name.into());
    for setting in settings {
        let Some((key, value)) = setting.split_once('=') else {
            bail!(UsageError(format!("`{setting}` is no setting; write SETTING=VALUE")));
        };
        table.insert(key.trim(), Item::Value(value_of(key.trim(), value.trim())));
    }
    let sources = document.entry("sources").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(sources) = sources.as_array_of_tables_mut() else {
        bail!(UsageError("`sources` of the configuration is no list of tables; write [[sources]]".into()));
    };
    sources.push(table);
    Ok(document.to_string())
}

/// A value as TOML; what is none is text.
fn value_of(key: &str, text: &str) -> Value {
    let value = text.parse::<Value>().unwrap_or_else(|_| text.into());
    if LISTS.contains(&key) && !value.is_array() {
        return Value::Array(std::iter::once(value).collect::<Array>());
    }
    value
}

/// A kill leaves the old file or the new one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = std::path::PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    if let Ok(meta) = path.metadata() {
        file.set_permissions(meta.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_appended_and_the_rest_stays() {
        let text = "# ours\n[log]\nmax = \"1 GiB\" # enough\n";
        let settings =
            ["type=files", "paths=/var/log/a b.log", "every=2 s", "max_files=7"].map(str::to_owned);
        let once = append(text, "app", &settings).unwrap();
        assert!(once.starts_with(text), "{once}");
        config::check_text("s.toml", &once).unwrap();
        let twice = append(&once, "app2", &settings).unwrap();
        assert_eq!(twice.matches("[[sources]]").count(), 2, "{twice}");
        assert!(
            twice.contains("paths = [\"/var/log/a b.log\"]") && twice.contains("max_files = 7"),
            "{twice}"
        );
        config::check_text("s.toml", &twice).unwrap();
        assert!(append(text, "app", &["type".to_owned()]).is_err());
        assert!(append("sources = 1\n", "app", &settings).is_err());
    }
}
