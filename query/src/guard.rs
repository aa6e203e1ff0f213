//! Which statements are let through.

use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;

use crate::{Error, Result};

/// The longest statement, in bytes.
const MAX_TEXT: usize = 1 << 20;
/// The deepest nesting of a statement.
const MAX_DEPTH: usize = 50;
/// The largest plan, in nodes.
const MAX_NODES: usize = 2000;

/// Parses one statement that reads.
///
/// # Errors
/// It cannot be parsed, is more than one, or does something else than read.
pub(crate) fn parse(sql: &str) -> Result<Statement> {
    if sql.len() > MAX_TEXT {
        return Err(Error::sql(format!("the statement has {} bytes, {MAX_TEXT} are the limit", sql.len())));
    }
    let dialect = PostgreSqlDialect {};
    let parsed = DFParserBuilder::new(sql)
        .with_dialect(&dialect)
        .with_recursion_limit(MAX_DEPTH)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(crate::hint::syntax)?;
    let statement = match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => statement,
        (None, _) => return Err(Error::sql("there is no statement; write a SELECT")),
        (Some(_), more) => {
            return Err(Error::sql(format!("there are {} statements; send one at a time", more + 1)));
        }
    };
    check(&statement)?;
    Ok(statement)
}

fn check(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Statement(statement) => check_ast(statement),
        Statement::Explain(explain) => {
            if explain.options.analyze {
                return Err(forbidden("EXPLAIN ANALYZE", "use EXPLAIN, which does not run the query"));
            }
            check(&explain.statement)
        }
        Statement::CopyTo(_) => Err(forbidden("COPY", READ_ONLY)),
        Statement::CreateExternalTable(_) => Err(forbidden("CREATE EXTERNAL TABLE", READ_ONLY)),
        Statement::Reset(_) => Err(forbidden("RESET", READ_ONLY)),
    }
}

const READ_ONLY: &str = "queries only read: SELECT, WITH, EXPLAIN, SHOW TABLES, DESCRIBE";

fn check_ast(statement: &ast::Statement) -> Result<()> {
    match statement {
        ast::Statement::Query(query) => check_query(query),
        ast::Statement::ShowTables { .. } | ast::Statement::ShowColumns { .. } | ast::Statement::ExplainTable { .. } => {
            Ok(())
        }
        ast::Statement::Explain { analyze, statement, .. } => {
            if *analyze {
                return Err(forbidden("EXPLAIN ANALYZE", "use EXPLAIN, which does not run the query"));
            }
            check_ast(statement)
        }
        other => {
            let text = other.to_string();
            let verb: Vec<_> = text.split_whitespace().take(2).collect();
            Err(forbidden(&verb.join(" "), READ_ONLY))
        }
    }
}

/// Looks into a query for what the planner would accept and we do not.
fn check_query(query: &ast::Query) -> Result<()> {
    struct Visit(Option<Error>);
    impl ast::Visitor for Visit {
        type Break = ();

        fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
            if query.with.as_ref().is_some_and(|with| with.recursive) {
                self.0 = Some(forbidden("WITH RECURSIVE", "write the steps out"));
            } else if !query.locks.is_empty() {
                self.0 = Some(forbidden("FOR UPDATE", READ_ONLY));
            } else if let ast::SetExpr::Insert(_) | ast::SetExpr::Update(_) = &*query.body {
                self.0 = Some(forbidden("a statement that writes", READ_ONLY));
            } else if let ast::SetExpr::Select(select) = &*query.body
                && select.into.is_some()
            {
                self.0 = Some(forbidden("SELECT INTO", READ_ONLY));
            }
            if self.0.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    let mut visit = Visit(None);
    let _flow = ast::Visit::visit(query, &mut visit);
    visit.0.map_or(Ok(()), Err)
}

/// A second look, at what the planner made of it.
///
/// # Errors
/// The plan does something else than read, or is too large.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| forbidden(&error.strip_backtrace(), READ_ONLY))?;
    let mut nodes = 0;
    let walked = plan.apply_with_subqueries(|node| {
        nodes += 1;
        if let LogicalPlan::RecursiveQuery(_) = node {
            return datafusion::common::plan_err!("recursive queries are not allowed");
        }
        Ok(if nodes > MAX_NODES { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.map_err(|error| forbidden(&error.strip_backtrace(), READ_ONLY))?;
    if nodes > MAX_NODES {
        return Err(Error::sql(format!("the query has more than {MAX_NODES} steps; make it simpler")));
    }
    Ok(())
}

fn forbidden(what: &str, mend: &'static str) -> Error {
    Error::Forbidden { what: what.to_owned(), mend }
}
