//! Errors of the engine in an analyst's words.

use datafusion::common::{DataFusionError, SchemaError};
use event::COLUMNS;

use crate::Error;

/// An error of syntax, with its place.
pub(crate) fn syntax(error: DataFusionError) -> Error {
    let text = error.strip_backtrace();
    let message = text
        .trim_start_matches("SQL error: ")
        .trim_start_matches("ParserError(\"")
        .trim_end_matches("\")")
        .replace("\\\"", "\"");
    let (line, column) = place(&message).unwrap_or((0, 0));
    Error::Sql { message, line, column, hint: String::new() }
}

/// `… at Line: 1, Column: 8`
fn place(message: &str) -> Option<(u32, u32)> {
    let (_, after) = message.rsplit_once("Line: ")?;
    let (line, after) = after.split_once(", Column: ")?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, digits.parse().ok()?))
}

/// An error of planning: names and types.
pub(crate) fn planning(error: DataFusionError) -> Error {
    if let Some(hinted) = unknown_column(&error) {
        return hinted;
    }
    let text = clean(&error);
    if let Some(table) = text.split("table '").nth(1).and_then(|rest| rest.split('\'').next()) {
        let name = table.rsplit('.').next().unwrap_or(table);
        let hint = "; the tables are events, alerts, dead_letters, sources and observables".to_owned();
        return Error::Sql { message: format!("there is no table `{name}`"), line: 0, column: 0, hint };
    }
    Error::sql(text)
}

/// An error while the query runs.
pub(crate) fn running(error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(detail) => {
            let detail = detail.lines().next().unwrap_or_default().to_owned();
            Error::MemoryLimit { detail }
        }
        _ => Error::Failed(clean(&error)),
    }
}

fn clean(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let text = text.trim_start_matches("Error during planning: ").trim_start_matches("Schema error: ");
    text.trim_end_matches('.').to_owned()
}

fn unknown_column(error: &DataFusionError) -> Option<Error> {
    let mut error = error;
    while let DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) = error {
        error = inner;
    }
    let DataFusionError::SchemaError(schema_error, _) = error else { return None };
    let SchemaError::FieldNotFound { field, valid_fields } = schema_error.as_ref() else { return None };
    let mut names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
    if names.is_empty() {
        names = COLUMNS.iter().map(|column| column.name).collect();
    }
    let hint = match nearest(&field.name, &names) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; DESCRIBE events lists the columns".to_owned(),
    };
    Some(Error::Sql { message: format!("there is no column `{}`", field.name), line: 0, column: 0, hint })
}

/// The name that shares the most with `wanted`: by words, then by letters.
fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let score = |name: &str| {
        let words = wanted.split('_').filter(|word| word.len() > 1 && name.split('_').any(|part| part == *word)).count();
        let pairs = |text: &str| text.as_bytes().windows(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let own = pairs(name);
        let shared = pairs(&wanted).iter().filter(|pair| own.contains(pair)).count();
        // Twice the shared pairs over all pairs (Dice), in thousandths, and a bonus for whole words.
        2000 * shared / (wanted.len() + name.len()).max(1) + 150 * words
    };
    names.iter().copied().map(|name| (score(name), name)).filter(|(score, _)| *score >= 600).max().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(nearest("actor_usr_name", &names), Some("actor_user_name"));
        assert_eq!(nearest("src_ip", &names), Some("src_endpoint_ip"));
        assert_eq!(nearest("zzz", &names), None);
    }

    #[test]
    fn places_are_read() {
        assert_eq!(place("Expected: x, found: y at Line: 3, Column: 17"), Some((3, 17)));
        assert_eq!(place("nothing"), None);
    }
}
