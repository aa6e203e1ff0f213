//! The second fence: the logical plan, views and CTEs unfolded, before anything is optimised.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, WindowFunctionDefinition};

use crate::config::{MAX_COLUMNS, MAX_EXPRESSIONS, MAX_PLAN_NODES};
use crate::events::EventsProvider;
use crate::state_view::StateView;
use crate::{Error, Result, diagnose};

/// The longest pattern of a regular expression, in bytes.
const MAX_PATTERN_BYTES: usize = 4 << 10;
/// The longest delimiter of `string_agg`, in bytes.
const MAX_DELIMITER_BYTES: usize = 1 << 10;
/// The finest `approx_percentile_cont`: its memory is this many centroids for each group.
const MAX_CENTROIDS: u64 = 1_000;

/// Refuses what no query may do or what cannot be bounded when it runs.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    let read_only =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only
        .verify_plan(plan)
        .map_err(|_| Error::forbidden("a statement that changes something", "queries only read"))?;
    let mut check = Check::default();
    let walked = plan.apply_with_subqueries(|node| check.node(node));
    if let Some(refused) = check.refused {
        return Err(refused);
    }
    walked.map(drop).map_err(|error| diagnose::error(error, &[]))
}

#[derive(Default)]
struct Check {
    nodes: usize,
    expressions: usize,
    refused: Option<Error>,
}

impl Check {
    fn node(&mut self, node: &LogicalPlan) -> DfResult<TreeNodeRecursion> {
        self.nodes += 1;
        if self.nodes > MAX_PLAN_NODES {
            let what = format!("a plan of more than {MAX_PLAN_NODES} steps");
            return Ok(self.refuse(what, "join fewer tables; a CTE counts each time that it is used"));
        }
        let columns = node.schema().fields().len();
        if columns > MAX_COLUMNS {
            let what = format!("a step with {columns} columns");
            return Ok(self.refuse(what, format!("{MAX_COLUMNS} are the limit; name the columns you need")));
        }
        if let Err(what) = reads_only_ours(node) {
            return Ok(self.refuse(what, "name one of the tables that `SHOW TABLES` lists"));
        }
        node.apply_expressions(|expression| expression.apply(|part| Ok(self.expression(part))))?;
        Ok(if self.refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    }

    fn expression(&mut self, part: &Expr) -> TreeNodeRecursion {
        self.expressions += 1;
        if self.expressions > MAX_EXPRESSIONS {
            let what = format!("a query of more than {MAX_EXPRESSIONS} expressions");
            return self.refuse(what, "shorten its lists");
        }
        match forbidden(part) {
            Some((what, mend)) => self.refuse(what, mend),
            None => TreeNodeRecursion::Continue,
        }
    }

    fn refuse(&mut self, what: impl Into<String>, mend: impl Into<String>) -> TreeNodeRecursion {
        self.refused.get_or_insert(Error::forbidden(what, mend));
        TreeNodeRecursion::Stop
    }
}

/// Whether a step is one of a query over our tables; otherwise what it is.
fn reads_only_ours(node: &LogicalPlan) -> std::result::Result<(), String> {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_) => Ok(()),
        LogicalPlan::TableScan(scan) => {
            let ours = source_as_provider(&scan.source)
                .is_ok_and(|provider| provider.is::<EventsProvider>() || provider.is::<StateView>());
            if ours { Ok(()) } else { Err(format!("reading `{}`", scan.table_name)) }
        }
        other => Err(format!("`{}` in a query", name_of(other))),
    }
}

fn name_of(node: &LogicalPlan) -> String {
    let shown = node.display().to_string();
    shown.split([':', ' ', '(']).next().unwrap_or_default().to_owned()
}

type Refusal = (String, String);

/// Why an expression is refused, with what to do instead.
fn forbidden(part: &Expr) -> Option<Refusal> {
    match part {
        Expr::Cast(cast) => fixed_size(cast.field.data_type()),
        Expr::TryCast(cast) => fixed_size(cast.field.data_type()),
        Expr::ScalarVariable(..) => Some(("reading `@` variables".into(), "there are none".into())),
        Expr::Placeholder(_) => Some(("a placeholder".into(), "write the value into the statement".into())),
        Expr::BinaryExpr(binary) if is_regex(binary.op) => pattern(&binary.right),
        Expr::SimilarTo(like) => pattern(&like.pattern),
        Expr::ScalarFunction(call) if call.name().starts_with("regexp_") => pattern(call.args.get(1)?),
        Expr::AggregateFunction(call) => aggregate(call),
        Expr::WindowFunction(call) => window(call),
        _ => None,
    }
}

/// A value of a fixed size takes its memory for every row, null or not.
fn fixed_size(target: &DataType) -> Option<Refusal> {
    let fixed = match target {
        DataType::FixedSizeList(..) | DataType::FixedSizeBinary(_) => true,
        DataType::List(inner) | DataType::LargeList(inner) => return fixed_size(inner.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| fixed_size(field.data_type()).is_some()),
        _ => false,
    };
    fixed.then(|| ("a cast to a type of fixed size".into(), "leave the size out".into()))
}

fn is_regex(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch
    )
}

/// A pattern out of the rows would be compiled for each of them, at up to 10 MiB each.
fn pattern(pattern: &Expr) -> Option<Refusal> {
    if pattern.any_column_refs() || has_subquery(pattern) {
        let mend = "write the pattern as text, or use `LIKE`, `strpos` or `starts_with`";
        return Some(("a regular expression that differs from row to row".into(), mend.into()));
    }
    let bytes = text(pattern)?.len();
    (bytes > MAX_PATTERN_BYTES).then(|| {
        let what = format!("a regular expression of {bytes} bytes");
        (what, format!("{MAX_PATTERN_BYTES} bytes are the limit"))
    })
}

fn has_subquery(expression: &Expr) -> bool {
    let found = expression.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_) | Expr::OuterReferenceColumn(..) | Expr::InSubquery(_) | Expr::Exists(_)
        ))
    });
    found.unwrap_or(true)
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Cast(cast) => text(&cast.expr),
        Expr::Alias(alias) => text(&alias.expr),
        _ => None,
    }
}

fn aggregate(call: &AggregateFunction) -> Option<Refusal> {
    let arguments = &call.params.args;
    match call.func.name() {
        "string_agg" => {
            let short = text(arguments.get(1)?).is_some_and(|text| text.len() <= MAX_DELIMITER_BYTES);
            let mend = format!("write a text of up to {MAX_DELIMITER_BYTES} bytes");
            (!short).then(|| ("this delimiter of `string_agg`".into(), mend))
        }
        "approx_percentile_cont" | "approx_percentile_cont_with_weight" => {
            let few = arguments.iter().skip(1).all(|argument| match argument {
                Expr::Literal(ScalarValue::Float64(_) | ScalarValue::Float32(_), _) => true,
                Expr::Literal(value, _) => {
                    value.to_string().parse::<u64>().is_ok_and(|count| count <= MAX_CENTROIDS)
                }
                _ => call.func.name() == "approx_percentile_cont_with_weight",
            });
            let mend = format!("{MAX_CENTROIDS} centroids are the limit, written as a number");
            (!few).then(|| ("this precision of `approx_percentile_cont`".into(), mend))
        }
        _ => None,
    }
}

/// An aggregate that keeps what it saw would keep it once for every row of its frame.
fn window(call: &WindowFunction) -> Option<Refusal> {
    let WindowFunctionDefinition::AggregateUDF(function) = &call.fun else { return None };
    let name = function.name();
    matches!(name, "array_agg" | "string_agg")
        .then(|| (format!("`{name}` with OVER"), "use GROUP BY instead".into()))
}
