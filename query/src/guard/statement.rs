//! The first fence: the text and its syntax tree.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    self, Expr, ObjectName, Query, Select, SetExpr, ShowStatementOptions, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::config::{MAX_NESTING, MAX_SQL_BYTES};
use crate::diagnose;
use crate::{Error, Result};

/// Words and operators in a statement; literals in a list are not counted. A chain of them is a tree as
/// deep as it is long, and syntax trees are dropped recursively.
const MAX_WORDS: usize = 10_000;
/// Operators in a chain (`a OR b OR c`). DataFusion walks trees of expressions recursively in places.
const MAX_CHAIN: usize = 500;
/// The same, of operators that become calls of functions (`a ->> 'b' ->> 'c'`): DataFusion works the type of
/// a call out of those within, again and again.
const MAX_CALLS: usize = 100;
/// Sub-queries in expressions, one within the other: DataFusion plans each twice, so all that are within.
const MAX_SUBQUERY_DEPTH: usize = 8;
/// Statements within a statement that read: branches of a UNION and sub-queries.
const MAX_SELECTS: usize = 500;
/// Tables in one FROM; the time to plan `*` is the square of their columns.
const MAX_JOINED: usize = 16;
/// Tables in a query, CTEs unfolded.
const MAX_TABLES: usize = 200;

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
    if nested_beyond(&tokens, MAX_NESTING) {
        return Err(diagnose::too_deep());
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

/// Whether brackets, or words that open another level without one, go deeper than `limit`. The parser
/// counts its own depth, but not in types, in `EXPLAIN EXPLAIN` and in `INTERVAL INTERVAL`.
fn nested_beyond(tokens: &[TokenWithSpan], limit: usize) -> bool {
    let (mut brackets, mut words) = (0_usize, 0_usize);
    let mut before = Keyword::NoKeyword;
    for token in tokens {
        let keyword = match &token.token {
            Token::Whitespace(_) => continue,
            Token::Word(word) => word.keyword,
            _ => Keyword::NoKeyword,
        };
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => brackets += 1,
            Token::RParen | Token::RBracket | Token::RBrace => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        let opens = match keyword {
            Keyword::EXPLAIN => true,
            Keyword::INTERVAL => before == Keyword::INTERVAL,
            _ => token.token == Token::Lt && matches!(before, Keyword::ARRAY | Keyword::STRUCT),
        };
        words += usize::from(opens);
        if brackets > limit || words > limit {
            return true;
        }
        before = keyword;
    }
    false
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
            if let ControlFlow::Break(error) = query.visit(&mut OnlyReads::default()) {
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

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. })
}

/// Whether a chain of these is more to plan than a chain of `OR` or `+`.
fn is_call(expr: &Expr) -> bool {
    use ast::BinaryOperator::{Arrow, HashArrow, HashLongArrow, LongArrow, Question, StringConcat};
    match expr {
        Expr::BinaryOp { op, .. } => {
            matches!(op, Arrow | HashArrow | HashLongArrow | LongArrow | Question | StringConcat)
        }
        Expr::Cast { .. } | Expr::IsNull(_) | Expr::IsNotNull(_) => false,
        _ => true,
    }
}

fn is_variable(expr: &Expr) -> bool {
    let first = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.first(),
        _ => None,
    };
    first.is_some_and(|name| name.quote_style.is_none() && name.value.starts_with('@'))
}

/// Looks into all corners of a SELECT for what writes, locks or leaves the tables, and for what would keep
/// the planner busy for longer than a query may run, for nothing stops a planner.
#[derive(Default)]
struct OnlyReads {
    /// Expressions around the one that is looked at.
    depth: usize,
    /// Those of them that are calls.
    calls: usize,
    /// Those of them that are sub-queries.
    subqueries: usize,
    selects: usize,
    /// The queries around the place that is looked at, the innermost last.
    queries: Vec<Unfolded>,
}

/// How large a query is when its CTEs are unfolded, each time that they are used.
#[derive(Default)]
struct Unfolded {
    tables: usize,
    /// The names of its CTEs that have not been looked at yet; the visitor comes to them first.
    ahead: VecDeque<String>,
    /// Its other CTEs, with the tables that each unfolds to.
    known: Vec<(String, usize)>,
}

impl OnlyReads {
    fn refuse(what: impl Into<String>, mend: &str) -> ControlFlow<Error> {
        ControlFlow::Break(Error::forbidden(what, mend))
    }

    /// Counts a table or CTE. Of CTEs with the same name the largest counts: the check may be too strict.
    fn uses(&mut self, name: &str) -> ControlFlow<Error> {
        let ctes = self.queries.iter().flat_map(|query| &query.known);
        let tables = ctes.filter(|(known, _)| known == name).map(|(_, tables)| *tables).max().unwrap_or(1);
        let Some(query) = self.queries.last_mut() else { return ControlFlow::Continue(()) };
        query.tables = query.tables.saturating_add(tables);
        if query.tables > MAX_TABLES {
            let what = format!("a query over more than {MAX_TABLES} tables");
            return Self::refuse(what, "join fewer; a CTE counts each time that it is used");
        }
        ControlFlow::Continue(())
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
                return Self::refuse("a statement that writes within a query", MEND);
            }
            _ => {}
        }
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        let ahead = ctes.map(|cte| cte.alias.name.value.to_ascii_lowercase()).collect();
        self.queries.push(Unfolded { ahead, ..Unfolded::default() });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Error> {
        let Some(done) = self.queries.pop() else { return ControlFlow::Continue(()) };
        let Some(around) = self.queries.last_mut() else { return ControlFlow::Continue(()) };
        match around.ahead.pop_front() {
            Some(name) => around.known.push((name, done.tables.max(1))),
            None => around.tables = around.tables.saturating_add(done.tables),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        if is_variable(expr) {
            return Self::refuse("reading `@` variables", "there are none");
        }
        self.subqueries += usize::from(is_subquery(expr));
        if self.subqueries > MAX_SUBQUERY_DEPTH {
            let what = format!("{MAX_SUBQUERY_DEPTH} sub-queries within each other");
            return Self::refuse(format!("more than {what}"), "use joins or `WITH`");
        }
        self.depth += 1;
        self.calls += usize::from(is_call(expr));
        if self.depth > MAX_CHAIN || self.calls > MAX_CALLS {
            let limit = if self.calls > MAX_CALLS { MAX_CALLS } else { MAX_CHAIN };
            let what = format!("a chain of more than {limit} operators");
            return Self::refuse(what, "use `IN (...)` for long lists, `concat(...)` for long texts");
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        self.subqueries = self.subqueries.saturating_sub(usize::from(is_subquery(expr)));
        self.depth = self.depth.saturating_sub(1);
        self.calls = self.calls.saturating_sub(usize::from(is_call(expr)));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return Self::refuse("`SELECT INTO`", "queries make no tables");
        }
        let joined: usize = select.from.iter().map(|table| 1 + table.joins.len()).sum();
        if joined > MAX_JOINED {
            let what = format!("joining {joined} tables at once");
            return Self::refuse(what, &format!("{MAX_JOINED} are the limit; join in steps, with `WITH`"));
        }
        self.selects += 1;
        if self.selects > MAX_SELECTS {
            let what = format!("a statement of more than {MAX_SELECTS} SELECTs");
            return Self::refuse(what, "use `VALUES` or `IN (...)` for long lists");
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
            TableFactor::Table { name, .. } => self.uses(&last_part(name)),
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
