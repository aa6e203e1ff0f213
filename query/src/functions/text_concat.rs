//! The operator `||` on text, as a function, so that it can be bounded like the others.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Both texts, one after the other; null if one of them is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TextConcat {
    signature: Signature,
}

impl TextConcat {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TextConcat {
    fn name(&self) -> &str {
        "text_concat"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(vec![DataType::Utf8View; arg_types.len()])
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let rows = arguments.number_rows;
        let columns: Vec<ArrayRef> =
            arguments.args.into_iter().map(|argument| argument.into_array(rows)).collect::<DfResult<_>>()?;
        let mut texts: Vec<_> = columns.iter().map(|column| column.as_string_view().iter()).collect();
        let mut joined = StringViewBuilder::with_capacity(rows);
        let mut text = String::new();
        for _ in 0..rows {
            text.clear();
            let mut whole = true;
            for part in &mut texts {
                match part.next().flatten() {
                    Some(part) => text.push_str(part),
                    None => whole = false,
                }
            }
            joined.append_option(whole.then_some(text.as_str()));
        }
        Ok(ColumnarValue::Array(Arc::new(joined.finish())))
    }
}
