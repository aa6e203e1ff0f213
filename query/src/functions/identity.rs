//! `identity(name)`: who somebody is, whatever a cloud calls them.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// What names are known of identities, and by which name each identity goes.
pub trait Names: Debug + Send + Sync {
    /// Takes in what has become known since.
    ///
    /// # Errors
    /// It cannot be read.
    fn look(&self) -> std::result::Result<(), String>;

    /// The own name, of at most 512 bytes, of the identity that goes by `name`, as of the last look.
    fn identity(&self, name: &str) -> Option<String>;
}

/// The identity's name for a name of it; a name that nothing is known of stays as it is.
#[derive(Debug)]
pub(super) struct Identity {
    signature: Signature,
    names: Arc<dyn Names>,
}

impl Identity {
    pub(super) fn new(names: Arc<dyn Names>) -> Self {
        Self { signature: Signature::user_defined(Volatility::Stable), names }
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.names, &other.names)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Identity {
    fn name(&self) -> &str {
        "identity"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        match arg_types {
            [_] => Ok(vec![DataType::Utf8View]),
            _ => Err(DataFusionError::Plan(
                "`identity` takes one name, such as `identity(actor_user_uid)`".into(),
            )),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        self.names.look().map_err(DataFusionError::Execution)?;
        // Few act often.
        let mut known: HashMap<&str, Option<String>> = HashMap::new();
        let rows = arguments.number_rows;
        let columns: Vec<ArrayRef> =
            arguments.args.into_iter().map(|argument| argument.into_array(rows)).collect::<DfResult<_>>()?;
        let mut found = StringViewBuilder::with_capacity(rows);
        for name in columns.iter().flat_map(|column| column.as_string_view().iter()) {
            found.append_option(name.map(|name| {
                let identity = known.entry(name).or_insert_with(|| self.names.identity(name));
                identity.as_deref().unwrap_or(name)
            }));
        }
        Ok(ColumnarValue::Array(Arc::new(found.finish())))
    }
}
