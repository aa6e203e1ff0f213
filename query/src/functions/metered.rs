//! A function of DataFusion, bounded in what it makes and stoppable while it runs.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::growth::{self, Growth};
use crate::stop::Watch;

/// The function `inner` under its own name. It is not simplified, for that may lead to the bare function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Metered {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    /// Rows worked on at a time.
    rows: usize,
}

impl Metered {
    pub(super) fn new(inner: Arc<ScalarUDF>, growth: Growth, rows: usize) -> Self {
        Self { inner, growth, rows: rows.max(1) }
    }

    fn check(&self, arguments: &ScalarFunctionArgs) -> DfResult<()> {
        // Constants are computed while the query is planned, then there may be no watch.
        let watch = arguments.config_options.extensions.get::<Watch>();
        if let Some(watch) = watch {
            watch.check()?;
        }
        match growth::check(self.inner.name(), self.growth, &arguments.args)? {
            Ok(()) => Ok(()),
            Err(refused) => Err(match watch {
                Some(watch) => watch.stop().stop(refused),
                None => refused.into(),
            }),
        }
    }

    fn invoke_rows(&self, arguments: &ScalarFunctionArgs, from: usize, rows: usize) -> DfResult<ArrayRef> {
        let args = arguments
            .args
            .iter()
            .map(|argument| match argument {
                ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(from, rows)),
                scalar => scalar.clone(),
            })
            .collect();
        let part = ScalarFunctionArgs { args, number_rows: rows, ..arguments.clone() };
        self.inner.invoke_with_args(part)?.into_array(rows)
    }
}

impl ScalarUDFImpl for Metered {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> DfResult<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        self.check(&arguments)?;
        let rows = arguments.number_rows;
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        if constant || rows <= self.rows {
            return self.inner.invoke_with_args(arguments);
        }
        let watch = arguments.config_options.extensions.get::<Watch>().cloned();
        let mut parts = Vec::with_capacity(rows.div_ceil(self.rows));
        for from in (0..rows).step_by(self.rows) {
            if let Some(watch) = &watch {
                watch.check()?;
            }
            parts.push(self.invoke_rows(&arguments, from, self.rows.min(rows - from))?);
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}
