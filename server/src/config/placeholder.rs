//! `[rules.placeholders]`: lists of values that rules name, written out or in files of their own.

use std::path::PathBuf;

use anyhow::{Context, bail};
use rules::Placeholders;
use toml_edit::{Item, TableLike};

use super::load::Place;
use event::Diagnostic;

/// What stands before the path of a file.
const FILE: &str = "file:";
/// The largest file of values, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A name and where its values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placeholder {
    pub(crate) name: String,
    pub(crate) values: Values,
    /// Where it is set, from 1.
    pub(crate) line: u32,
}

/// The values of a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Values {
    /// As written.
    List(Vec<String>),
    /// A file with one value a line.
    File(PathBuf),
}

/// Reads the table of placeholders.
pub(super) fn read(
    place: &Place<'_>,
    table: &dyn TableLike,
    found: &mut Vec<Placeholder>,
    problems: &mut Vec<Diagnostic>,
) {
    for (name, item) in table.iter() {
        let path = format!("rules.placeholders.{name}");
        let at = table.key(name).and_then(|key| key.span()).map_or(0, |span| span.start);
        if !Placeholders::is_name(name) {
            let problem = "a placeholder's name is made of letters, digits and `_`".to_owned();
            problems.push(place.problem(at, &path, problem, "rename it".into()));
            continue;
        }
        let line = place.line_column(at).0;
        match values(item) {
            Some(values) => found.push(Placeholder { name: name.to_owned(), values, line }),
            None => {
                let problem = "this is no list of text and no `file:` with a path".to_owned();
                let mend = "write `[\"a\", \"b\"]` or `\"file:indicators.txt\"`".to_owned();
                problems.push(place.problem(at, &path, problem, mend));
            }
        }
    }
}

fn values(item: &Item) -> Option<Values> {
    if let Some(list) = item.as_array() {
        let texts = list.iter().map(|value| match value {
            toml_edit::Value::String(text) => Some(text.value().clone()),
            toml_edit::Value::Integer(number) => Some(number.value().to_string()),
            _ => None,
        });
        return texts.collect::<Option<_>>().map(Values::List);
    }
    let path = item.as_str()?.strip_prefix(FILE)?.trim();
    (!path.is_empty()).then(|| Values::File(path.into()))
}

/// The values of all placeholders, read from their files.
///
/// # Errors
/// A file cannot be read, is too large, or is no text.
pub(super) fn resolve(placeholders: &[Placeholder]) -> anyhow::Result<Placeholders> {
    let mut resolved = Placeholders::default();
    for placeholder in placeholders {
        let values = match &placeholder.values {
            Values::List(values) => values.clone(),
            Values::File(path) => {
                let what = || format!("`rules.placeholders.{}`: `{}`", placeholder.name, path.display());
                let size = std::fs::metadata(path).with_context(what)?.len();
                if size > MAX_FILE_BYTES {
                    bail!("{}: {size} bytes, limit {MAX_FILE_BYTES}", what());
                }
                lines(&std::fs::read_to_string(path).with_context(what)?)
            }
        };
        resolved.set(&placeholder.name, values);
    }
    Ok(resolved)
}

/// The values in a file: one a line; `#` at the start of a line or behind a blank begins a comment.
fn lines(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = |line: &str| {
        let comment = line.match_indices('#').map(|(at, _)| at).find(|at| {
            let before = line.get(..*at).unwrap_or_default();
            before.is_empty() || before.ends_with([' ', '\t'])
        });
        line.get(..comment.unwrap_or(line.len())).unwrap_or_default().trim().to_owned()
    };
    text.lines().map(value).filter(|value| !value.is_empty()).collect()
}

impl Values {
    /// As it stands in a configuration file.
    pub(super) fn toml(&self) -> String {
        match self {
            Self::List(values) => values.iter().collect::<toml_edit::Array>().to_string(),
            Self::File(path) => toml_edit::Value::from(format!("{FILE}{}", path.display())).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_value_a_line() {
        let text = "\u{feff}# list of 2026-03\n198.51.100.7\r\n\n  203.0.113.9   # seen in May\nhttp://x.example/#a\n#\n";
        assert_eq!(lines(text), ["198.51.100.7", "203.0.113.9", "http://x.example/#a"]);
    }
}
