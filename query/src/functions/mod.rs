//! The functions that a query may use.

mod arrows;
mod growth;
mod identity;
mod list;
mod metered;
mod text_concat;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{AggregateUDF, BinaryExpr, Expr, Operator, ScalarUDF};
use datafusion_functions_json::udfs;

use self::growth::Growth;
use self::identity::Identity;
use self::metered::Metered;
use self::text_concat::TextConcat;
use crate::Error;

pub(crate) use self::arrows::Arrows;
pub(crate) use self::growth::value_bytes;
pub use self::identity::Names;

/// The scalar functions of the list, bounded where they need it, by name.
#[derive(Debug)]
pub(crate) struct Functions {
    by_name: HashMap<String, Arc<ScalarUDF>>,
    text_concat: Arc<ScalarUDF>,
}

impl Functions {
    pub(crate) fn new(names: Arc<dyn Names>) -> Self {
        let mut by_name = HashMap::new();
        for function in SessionStateDefaults::default_scalar_functions().into_iter().chain(json()) {
            if let Some(bounded) = bounded(function) {
                by_name.insert(bounded.name().to_owned(), bounded);
            }
        }
        let text_concat = Arc::new(ScalarUDF::new_from_impl(TextConcat::new()));
        let text_concat = metered(text_concat, Growth::Sum, usize::MAX);
        by_name.insert(text_concat.name().to_owned(), text_concat.clone());
        // Its results are short: names of at most 512 bytes, or what went in.
        let identity = Arc::new(ScalarUDF::new_from_impl(Identity::new(names)));
        by_name.insert(identity.name().to_owned(), identity);
        Self { by_name, text_concat }
    }

    pub(crate) fn all(&self) -> Vec<Arc<ScalarUDF>> {
        self.by_name.values().cloned().collect()
    }
}

/// The function as it may be used; `None` if it may not.
fn bounded(function: Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
    if list::PLAIN.contains(&function.name()) {
        return Some(function);
    }
    let (_, growth, rows) = list::METERED.iter().find(|(name, ..)| *name == function.name())?;
    Some(metered(function, *growth, *rows))
}

fn metered(function: Arc<ScalarUDF>, growth: Growth, rows: usize) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Metered::new(function, growth, rows)))
}

fn json() -> [Arc<ScalarUDF>; 13] {
    [
        udfs::json_get_udf(),
        udfs::json_get_bool_udf(),
        udfs::json_get_float_udf(),
        udfs::json_get_int_udf(),
        udfs::json_get_json_udf(),
        udfs::json_get_array_udf(),
        udfs::json_as_text_udf(),
        udfs::json_get_str_udf(),
        udfs::json_contains_udf(),
        udfs::json_length_udf(),
        udfs::json_object_keys_udf(),
        udfs::json_from_scalar_udf(),
        udfs::json_union_to_text_udf(),
    ]
}

/// The aggregates that a query may use.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut all = SessionStateDefaults::default_aggregate_functions();
    all.retain(|function| !list::REFUSED_AGGREGATES.contains(&function.name()));
    all
}

/// The names of all functions that a query may use.
pub(crate) fn names() -> Vec<String> {
    let scalars = list::PLAIN.iter().copied().chain(list::METERED.iter().map(|(name, ..)| *name));
    let mut names: Vec<String> = scalars.map(str::to_owned).collect();
    names.push("identity".to_owned());
    names.extend(aggregates().iter().map(|function| function.name().to_owned()));
    let windows = SessionStateDefaults::default_window_functions();
    names.extend(windows.iter().map(|function| function.name().to_owned()));
    names
}

/// What to do instead of using a function that is refused; `None` for any other name.
pub(crate) fn refused(name: &str) -> Option<Error> {
    let (name, mend) = list::REFUSED.iter().find(|(refused, _)| *refused == name)?;
    Some(Error::forbidden(format!("the function `{name}`"), *mend))
}

/// Puts the bounded function wherever DataFusion has put the bare one, which it does for syntax such as
/// `||`, `[a, b]` and `OVERLAY`. Refuses what is not of the list.
impl FunctionRewrite for Functions {
    fn name(&self) -> &str {
        "bounded_functions"
    }

    fn rewrite(
        &self,
        expr: Expr,
        _schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> DfResult<Transformed<Expr>> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                // A chain is one call: nested, the types of each would be worked out by all those around it.
                let mut args = match *left {
                    Expr::ScalarFunction(call) if Arc::ptr_eq(&call.func, &self.text_concat) => call.args,
                    other => vec![other],
                };
                args.push(*right);
                let call = ScalarFunction { func: self.text_concat.clone(), args };
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            Expr::ScalarFunction(call) => {
                let Some(ours) = self.by_name.get(call.func.name()) else {
                    let refused = refused(call.func.name()).unwrap_or_else(|| {
                        Error::forbidden(format!("the function `{}`", call.func.name()), "leave it out")
                    });
                    return Err(refused.into());
                };
                if Arc::ptr_eq(ours, &call.func) {
                    return Ok(Transformed::no(Expr::ScalarFunction(call)));
                }
                let call = ScalarFunction { func: ours.clone(), args: call.args };
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_function_of_datafusion_was_thought_about() {
        let named: BTreeSet<&str> = list::PLAIN
            .iter()
            .copied()
            .chain(list::METERED.iter().map(|(name, ..)| *name))
            .chain(list::REFUSED.iter().map(|(name, _)| *name))
            .collect();
        let all: Vec<_> =
            SessionStateDefaults::default_scalar_functions().into_iter().chain(json()).collect();
        let there: BTreeSet<&str> = all.iter().map(|function| function.name()).collect();
        let new: Vec<_> = there.difference(&named).collect();
        let gone: Vec<_> = named.difference(&there).collect();
        assert!(new.is_empty() && gone.is_empty(), "not in the lists: {new:?}; not in DataFusion: {gone:?}");
        assert_eq!(list::PLAIN.len() + list::METERED.len() + list::REFUSED.len(), named.len(), "named twice");
    }

    #[derive(Debug)]
    struct Nobody;

    impl Names for Nobody {
        fn look(&self) -> Result<(), String> {
            Ok(())
        }

        fn identity(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn what_is_refused_is_not_there() {
        let functions = Functions::new(Arc::new(Nobody));
        for (name, _) in list::REFUSED {
            assert!(!functions.by_name.contains_key(*name), "{name}");
            assert!(refused(name).is_some());
        }
        assert!(functions.all().len() > 130);
    }
}
