//! Where the columns of an audit row come from, in Entra's own field names.

use event::Col;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[];
