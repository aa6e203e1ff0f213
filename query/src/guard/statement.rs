//! The first fence: the text and its syntax tree.

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    self, ObjectName, Query, Select, SetExpr, ShowStatementOptions, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::config::{MAX_NESTING, MAX_SQL_BYTES};
use crate::diagnose;
use crate::{Error, Result};

/// Words and operators in a statement. A chain of them (`a OR b OR c`) is a tree as deep as it is long,
/// and syntax trees are dropped recursively; literals in a list are not counted.
const MAX_WORDS: usize = 10_000;

const MEND: &str = "queries only read: SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES, DESCRIBE";

/// What a statement asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Rows.
    Rows(Box<Statement>),
    /// The plan of a question for rows.
    Plan(Box<Statement>),
    /// The list of tables.
    Tables,
    /// The columns of this table.
    Columns(String),
}

/// Parses one statement and refuses all that is no question.
pub(crate) fn parse(sql: &str) -> Result<Asked> {
    if sql.len() > MAX_SQL_BYTES {
        let what = format!("a statement of {} bytes", sql.len());
        return Err(Error::forbidden(what, format!("{MAX_SQL_BYTES} bytes are the limit")));
    }
    let tokens = tokenize(sql)?;
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(MAX_NESTING)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| diagnose::syntax(&error))?;
    let Some(statement) = statements.pop_front() else {
        return Err(Error::sql("the statement is empty"));
    };
    if !statements.is_empty() {
        return Err(Error::forbidden("more than one statement", "send them one by one"));
    }
    sort(statement)
}

fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| diagnose::grammar(&error.to_string()))?;
    let words = tokens.iter().filter(|token| counts(&token.token)).count();
    if words > MAX_WORDS {
        let what = format!("a statement of {words} words and operators");
        return Err(Error::forbidden(
            what,
            format!("{MAX_WORDS} are the limit; use `IN (...)` for long lists"),
        ));
    }
    Ok(tokens)
}

fn counts(token: &Token) -> bool {
    !matches!(
        token,
        Token::Whitespace(_)
            | Token::Comma
            | Token::LParen
            | Token::RParen
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::SemiColon
            | Token::EOF
    )
}

fn sort(statement: Statement) -> Result<Asked> {
    match statement {
        Statement::Statement(inner) => sort_sql(*inner),
        Statement::Explain(explain) => {
            if explain.options.analyze {
                let mend = "EXPLAIN alone shows the plan, and the statement itself runs it";
                return Err(Error::forbidden("`EXPLAIN ANALYZE`", mend));
            }
            match sort(*explain.statement.clone())? {
                Asked::Rows(_) => Ok(Asked::Plan(Box::new(Statement::Explain(explain)))),
                _ => Err(Error::forbidden("`EXPLAIN` of anything but a SELECT", MEND)),
            }
        }
        other => Err(forbidden(&other.to_string())),
    }
}

fn sort_sql(statement: ast::Statement) -> Result<Asked> {
    match &statement {
        ast::Statement::Query(query) => {
            if let ControlFlow::Break(error) = query.visit(&mut OnlyReads) {
                return Err(error);
            }
            Ok(Asked::Rows(Box::new(Statement::Statement(Box::new(statement)))))
        }
        ast::Statement::ShowTables { show_options, .. } => {
            no_options(show_options)?;
            Ok(Asked::Tables)
        }
        ast::Statement::ExplainTable { table_name, .. } => Ok(Asked::Columns(last_part(table_name))),
        ast::Statement::ShowColumns { show_options, .. } => {
            let table = show_options.show_in.as_ref().and_then(|parent| parent.parent_name.as_ref());
            let table = table.ok_or_else(|| Error::sql("`SHOW COLUMNS` needs `FROM` and a table"))?;
            Ok(Asked::Columns(last_part(table)))
        }
        other => Err(forbidden(&other.to_string())),
    }
}

fn no_options(options: &ShowStatementOptions) -> Result<()> {
    if options.show_in.is_some() || options.filter_position.is_some() {
        return Err(Error::sql("`SHOW TABLES` takes nothing behind it"));
    }
    Ok(())
}

fn last_part(name: &ObjectName) -> String {
    let ident = name.0.last().and_then(|part| part.as_ident());
    ident.map_or_else(|| name.to_string(), |ident| ident.value.to_ascii_lowercase())
}

fn forbidden(statement: &str) -> Error {
    let verb: Vec<_> = statement.split_whitespace().take(1).map(str::to_uppercase).collect();
    Error::forbidden(format!("`{}`", verb.concat()), MEND)
}

/// Looks into all corners of a SELECT for what writes, locks or leaves the tables.
struct OnlyReads;

impl OnlyReads {
    fn refuse(what: impl Into<String>, mend: &str) -> ControlFlow<Error> {
        ControlFlow::Break(Error::forbidden(what, mend))
    }
}

impl Visitor for OnlyReads {
    type Break = Error;

    fn pre_visit_statement(&mut self, statement: &ast::Statement) -> ControlFlow<Error> {
        match statement {
            ast::Statement::Query(_) => ControlFlow::Continue(()),
            other => ControlFlow::Break(forbidden(&other.to_string())),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return Self::refuse("`WITH RECURSIVE`", "write the steps out as joins");
        }
        if !query.locks.is_empty() {
            return Self::refuse("`FOR UPDATE` or `FOR SHARE`", "leave it out");
        }
        let others = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if others {
            return Self::refuse("`FOR`, `SETTINGS`, `FORMAT` or `|>` in a query", "leave it out");
        }
        match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Self::refuse("a statement that writes within a query", MEND)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return Self::refuse("`SELECT INTO`", "queries make no tables");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        let mend = "name one of the tables that `SHOW TABLES` lists";
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                Self::refuse(format!("the table function `{}`", last_part(name)), mend)
            }
            TableFactor::TableFunction { .. } => Self::refuse("a table function", mend),
            _ => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let asked = |sql| parse(sql).unwrap();
        for sql in
            ["SELECT 1", "select 1;", "WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1), (2)", "(SELECT 1)"]
        {
            assert!(matches!(asked(sql), Asked::Rows(_)), "{sql}");
        }
        for sql in ["EXPLAIN SELECT 1", "EXPLAIN VERBOSE SELECT 1", "EXPLAIN FORMAT TREE SELECT 1"] {
            assert!(matches!(asked(sql), Asked::Plan(_)), "{sql}");
        }
        assert!(matches!(asked("SHOW TABLES"), Asked::Tables));
        for sql in ["DESCRIBE events", "DESC Events", "SHOW COLUMNS FROM events"] {
            assert!(matches!(asked(sql), Asked::Columns(name) if name == "events"), "{sql}");
        }
    }

    #[test]
    fn long_chains_and_deep_nests_end_in_an_error() {
        let chain = format!("SELECT 1{}", " + 1".repeat(200_000));
        assert!(matches!(parse(&chain), Err(Error::Forbidden { .. })));
        let nest = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        let error = parse(&nest).unwrap_err();
        assert!(error.to_string().contains("nested"), "{error}");
        let list = format!("SELECT 1 IN ({}2)", "'0123456789', ".repeat(60_000));
        assert!(matches!(parse(&list), Ok(Asked::Rows(_))));
        assert!(matches!(parse(&"x".repeat(MAX_SQL_BYTES + 1)), Err(Error::Forbidden { .. })));
    }

    #[test]
    fn a_mistake_has_a_place() {
        let Error::Sql { line, column, message, .. } = parse("SELECT (1\n  FROM events").unwrap_err() else {
            panic!("no error of SQL");
        };
        assert_eq!((line, column), (2, 3), "{message}");
        let error = parse("SELEC 1").unwrap_err().to_string();
        assert!(error.contains("SELEC"), "{error}");
    }
}
