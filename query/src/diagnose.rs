//! DataFusion's errors in words for the analyst, with place and hint.

use std::error::Error as StdError;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};

use crate::config::MAX_NESTING;
use crate::nearest::nearest;
use crate::pool::LIMIT_WORDS;
use crate::{Error, functions};

const LESS_MEMORY: &str = "select fewer columns, filter more, or add a LIMIT";

/// So that our own errors travel through DataFusion; [`error`] finds them again.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// What is wrong, with hints out of the names of the tables.
pub(crate) fn error(error: DataFusionError, tables: &[String]) -> Error {
    let (line, column) = place(&error);
    let mut told = match innermost(error) {
        Ok(ours) => ours,
        Err(root) => describe(&root, tables),
    };
    if let Error::Sql { line: at_line, column: at_column, .. } = &mut told
        && *at_line == 0
    {
        (*at_line, *at_column) = (line, column);
    }
    told
}

/// A mistake of grammar, whose place is in DataFusion's text.
pub(crate) fn syntax(error: &DataFusionError) -> Error {
    let root = match error.find_root() {
        DataFusionError::SQL(parser, _) => parser.to_string(),
        other => other.message().into_owned(),
    };
    if root.contains("recursion limit") {
        return too_deep();
    }
    grammar(&root)
}

/// A statement within a statement within a statement.
pub(crate) fn too_deep() -> Error {
    Error::sql(format!("the statement is nested deeper than {MAX_NESTING} levels"))
}

/// A message of the parser; it ends with ` at Line: 1, Column: 8`.
pub(crate) fn grammar(text: &str) -> Error {
    let text = text.strip_prefix("sql parser error: ").unwrap_or(text);
    let (message, place) = text.rsplit_once(" at Line: ").unwrap_or((text, ""));
    let mut numbers = place.split(", Column: ").map(|number| number.trim().parse().unwrap_or(0));
    let (line, column) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Error::Sql { message: one_line(message), line, column, hint: None }
}

/// Our own error, if it lies anywhere within; otherwise DataFusion's innermost.
fn innermost(error: DataFusionError) -> Result<Error, DataFusionError> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => innermost(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => innermost(errors.swap_remove(0)),
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => Ok(*ours),
            Err(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => innermost(*inner),
                Err(inner) => Err(DataFusionError::External(inner)),
            },
        },
        DataFusionError::ArrowError(inner, text) => match *inner {
            ArrowError::ExternalError(inner) => innermost(DataFusionError::External(inner)),
            other => Err(DataFusionError::ArrowError(Box::new(other), text)),
        },
        // Streams that several operators share share their errors too.
        DataFusionError::Shared(shared) => match std::sync::Arc::try_unwrap(shared) {
            Ok(inner) => innermost(inner),
            Err(shared) => Err(DataFusionError::Shared(shared)),
        },
        other => Err(other),
    }
}

fn describe(root: &DataFusionError, tables: &[String]) -> Error {
    if let Some(wrong) = regular_expression(&root.to_string()) {
        return wrong;
    }
    match root {
        DataFusionError::Shared(shared) => describe(shared, tables),
        DataFusionError::SchemaError(error, _) => schema(error),
        DataFusionError::SQL(..) => syntax(root),
        DataFusionError::Plan(text) => planning(text, tables),
        DataFusionError::ResourcesExhausted(text) => exhausted(text),
        DataFusionError::NotImplemented(text) => Error::sql(format!("not supported: {}", one_line(text))),
        DataFusionError::Execution(text) | DataFusionError::Configuration(text) => Error::sql(one_line(text)),
        DataFusionError::ArrowError(error, _) => arrow(error),
        DataFusionError::ParquetError(error) => filter_in_scan(&error.to_string()),
        DataFusionError::External(error) => Error::Failed(chain(error.as_ref())),
        other => Error::Failed(one_line(&other.strip_backtrace())),
    }
}

fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => no_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => Error::Sql {
            message: format!("column `{}` is in more than one table", field.name),
            line: 0,
            column: 0,
            hint: Some(format!("write the table or its alias before it: `events.{}`", field.name)),
        },
        other => Error::sql(one_line(&other.to_string())),
    }
}

fn no_column(field: &Column, valid: &[Column]) -> Error {
    let relations = || {
        let mut names: Vec<String> = valid
            .iter()
            .filter_map(|column| column.relation.as_ref().map(|r| r.table().to_owned()))
            .collect();
        names.dedup();
        names
    };
    if let Some(relation) = &field.relation {
        let known = relations();
        if !known.iter().any(|name| name == relation.table()) {
            let message = format!("there is no table or alias `{}` in this query", relation.table());
            let hint = nearest(relation.table(), known.iter().map(String::as_str)).map(did_you_mean);
            return Error::Sql { message, line: 0, column: 0, hint };
        }
    }
    let same_relation = |column: &&Column| match (&field.relation, &column.relation) {
        (Some(wanted), Some(found)) => wanted.table() == found.table(),
        _ => true,
    };
    let names = valid.iter().filter(same_relation).map(|column| column.name.as_str());
    let hint = nearest(&field.name, names).map(did_you_mean);
    let place = match (&field.relation, relations().as_slice()) {
        (Some(relation), _) => format!(" in `{}`", relation.table()),
        (None, [one]) => format!(" in `{one}`"),
        (None, _) => " here".to_owned(),
    };
    Error::Sql { message: format!("column `{}` does not exist{place}", field.name), line: 0, column: 0, hint }
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

fn planning(text: &str, tables: &[String]) -> Error {
    if let Some(name) = between(text, "table '", "' not found") {
        let name = name.rsplit('.').next().unwrap_or(name);
        let near = nearest(name, tables.iter().map(String::as_str));
        let hint = near.map_or_else(|| format!("there are {}", tables.join(", ")), did_you_mean);
        return Error::Sql {
            message: format!("table `{name}` does not exist"),
            line: 0,
            column: 0,
            hint: Some(hint),
        };
    }
    if let Some(name) = between(text, "Invalid function '", "'") {
        if let Some(refused) = functions::refused(name) {
            return refused;
        }
        let hint =
            nearest(&name.to_lowercase(), functions::names().iter().map(String::as_str)).map(did_you_mean);
        return Error::Sql { message: format!("there is no function `{name}`"), line: 0, column: 0, hint };
    }
    Error::sql(one_line(text))
}

fn exhausted(text: &str) -> Error {
    let what = text.split(LIMIT_WORDS).nth(1).map(|words| words.split(['\n', '.']).next().unwrap_or(words));
    Error::MemoryLimit { what: one_line(what.unwrap_or(text)), mend: LESS_MEMORY }
}

fn arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::Sql {
            message: "division by zero".into(),
            line: 0,
            column: 0,
            hint: Some("write `nullif(divisor, 0)`".into()),
        },
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::ArithmeticOverflow(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::NotYetImplemented(text) => Error::sql(one_line(text)),
        ArrowError::OffsetOverflowError(_) => {
            Error::MemoryLimit { what: "a column of a batch would pass 2 GiB".into(), mend: LESS_MEMORY }
        }
        ArrowError::ExternalError(error) => Error::Failed(chain(error.as_ref())),
        other => Error::Failed(one_line(&other.to_string())),
    }
}

/// A bad pattern, which DataFusion takes for a failure of its own.
fn regular_expression(text: &str) -> Option<Error> {
    let (message, hint) = if text.contains("CompiledTooBig") {
        ("the regular expression is too large".to_owned(), "repeat less, for example `+` in place of `{100}`")
    } else {
        // The pattern with a mark under the place, and then the words.
        let (_, problem) = text.split_once("regex parse error:")?;
        let problem = problem.rsplit_once("error: ").map_or(problem, |(_, problem)| problem);
        let problem = one_line(problem.lines().next().unwrap_or_default());
        (
            format!("the regular expression is wrong: {problem}"),
            "write `\\` before a sign that is meant as it is",
        )
    };
    Some(Error::Sql { message, line: 0, column: 0, hint: Some(hint.to_owned()) })
}

/// A filter that runs within the scan: its error comes as the text of a Parquet error.
fn filter_in_scan(text: &str) -> Error {
    if text.contains("DivideByZero") {
        return arrow(&ArrowError::DivideByZero);
    }
    match text.split_once("evaluating filter predicate: ") {
        Some((_, problem)) => Error::sql(format!("a filter fails: {}", one_line(problem))),
        None => Error::Failed(one_line(text)),
    }
}

fn place(error: &DataFusionError) -> (u32, u32) {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    span.map_or((0, 0), |span| {
        let number = |number: u64| u32::try_from(number).unwrap_or(0);
        (number(span.start.line), number(span.start.column))
    })
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = one_line(&error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = one_line(&cause.to_string());
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// The first paragraph on one line: what follows is a backtrace, or advice about settings that nobody can
/// make here.
fn one_line(text: &str) -> String {
    let text = text.split("\n\n").next().unwrap_or(text);
    let words: Vec<_> = text.split_whitespace().collect();
    let mut line = words.join(" ");
    while line.ends_with('.') {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_out_of_the_parsers_text() {
        let told = grammar("sql parser error: Expected: an expression, found: FROM at Line: 2, Column: 8");
        assert_eq!(told.to_string(), "line 2, column 8: Expected: an expression, found: FROM");
        assert_eq!(grammar("no place").to_string(), "no place");
    }

    #[test]
    fn our_errors_come_back_out() {
        let wrapped = DataFusionError::from(Error::Cancelled).context("somewhere");
        assert!(matches!(error(wrapped, &[]), Error::Cancelled));
        let arrow = ArrowError::ExternalError(Box::new(DataFusionError::from(Error::Cancelled)));
        assert!(matches!(error(arrow.into(), &[]), Error::Cancelled));
    }

    #[test]
    fn tables_and_functions_have_hints() {
        let tables = ["alerts".to_owned(), "events".to_owned()];
        let told = |text: &str| error(DataFusionError::Plan(text.to_owned()), &tables).to_string();
        assert_eq!(
            told("table 'stormglass.public.evnts' not found"),
            "table `evnts` does not exist; did you mean `events`?"
        );
        assert_eq!(
            told("table 'stormglass.public.etc' not found"),
            "table `etc` does not exist; there are alerts, events"
        );
        assert_eq!(
            told("Invalid function 'cuont'.\nDid you mean 'count'?"),
            "there is no function `cuont`; did you mean `count`?"
        );
        assert!(told("Invalid function 'version'.\nDid you mean 'x'?").contains("not allowed"));
    }
}
