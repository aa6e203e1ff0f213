//! Where the columns of an Azure Activity row come from, in Azure's own field names.

use event::Col;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[];
