//! Which functions there are: DataFusion's, fewer some, and those for JSON.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::prelude::SessionContext;

/// Functions that show the machine, or make rows or bytes out of nothing.
const REMOVED: &[&str] = &["version", "input_file_name", "array_repeat", "list_repeat", "array_resize", "list_resize", "generate_series", "gen_series", "range"];

/// Functions whose result can be far larger than their arguments; the second argument is a length or count.
const BOUNDED: &[&str] = &["repeat", "lpad", "rpad"];

/// The largest count or length that a bounded function may be asked for.
const MAX_COUNT: i64 = 1 << 20;

/// Takes away what is not for analysts, bounds what grows, adds JSON functions and operators.
///
/// # Errors
/// A function cannot be registered.
pub(crate) fn restrict(context: &mut SessionContext) -> Result<()> {
    for name in REMOVED {
        context.deregister_udf(name);
        context.deregister_udtf(name);
    }
    for name in BOUNDED {
        let inner = context.state().scalar_functions().get(*name).cloned();
        if let Some(inner) = inner {
            context.register_udf(ScalarUDF::from(Bounded { inner }));
        }
    }
    datafusion_functions_json::register_all(context)
}

/// A function whose counts are checked before it runs.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        use datafusion::arrow::array::AsArray;
        use datafusion::arrow::compute::{cast, max};
        use datafusion::arrow::datatypes::Int64Type;
        if let Some(count) = arguments.args.get(1) {
            let counts = cast(&count.to_array(arguments.number_rows)?, &DataType::Int64)?;
            if max(counts.as_primitive::<Int64Type>()).is_some_and(|most| most > MAX_COUNT) {
                return exec_err!("{} beyond {MAX_COUNT} is not allowed", self.name());
            }
        }
        self.inner.invoke_with_args(arguments)
    }
}
