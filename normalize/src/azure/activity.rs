//! Azure Activity Log.

use event::{Col, EventKey};

use crate::json::Object;
use crate::reason::{MapError, Reason};
use crate::row::Row;

/// Where each column's value comes from, in the cloud's own field names.
pub(crate) const FIELDS: &[(Col, &str)] = &[];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened, or is no such record.
pub(crate) fn map(_record: &Object<'_>, _row: &mut Row<'_>) -> Result<EventKey, MapError> {
    Err(MapError::new(Reason::UnknownLogType, "no mapping yet"))
}
