//! The JSON operators `->`, `->>`, `#>`, `#>>` and `?`, as calls of functions.
//!
//! `datafusion-functions-json` plans them too, but names each step of a chain with an alias, and
//! DataFusion looks at what is within an alias twice: a chain of 30 would be planned for hours. Here only
//! the whole chain has a name.

use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion_functions_json::udfs;

/// Stands before the planner of `datafusion-functions-json`, and so in its place.
#[derive(Debug)]
pub(crate) struct Arrows;

impl ExprPlanner for Arrows {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> DfResult<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Arrow | BinaryOperator::HashArrow => udfs::json_get_udf(),
            BinaryOperator::LongArrow | BinaryOperator::HashLongArrow => udfs::json_as_text_udf(),
            BinaryOperator::Question => udfs::json_contains_udf(),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let title = format!("{} {} {}", title(&expr.left), expr.op, title(&expr.right));
        let operands = vec![expr.left.unalias_nested().data, expr.right.unalias_nested().data];
        Ok(PlannerResult::Planned(function.call(operands).alias(title)))
    }
}

/// What stands for an operand in the title of a column.
fn title(operand: &Expr) -> String {
    match operand {
        Expr::Column(column) => column.name.clone(),
        Expr::Alias(alias) => alias.name.clone(),
        Expr::Cast(cast) => title(&cast.expr),
        Expr::Literal(value, _) => match value.try_as_str() {
            Some(Some(text)) => format!("'{text}'"),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}
