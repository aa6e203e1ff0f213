//! The view `observables`: every address, name, key and resource of every event, one a row.

use std::fmt::Write as _;

use event::{COLUMNS, Kind};

/// The name of the view.
pub(crate) const NAME: &str = "observables";

/// The view as SQL: one branch a column, so that a condition on `value` reaches each column with its
/// statistics and bloom filter.
pub(crate) fn sql() -> String {
    let mut sql = String::new();
    for column in COLUMNS.iter().filter(|column| column.observable > 0 && is_text(column.kind)) {
        if !sql.is_empty() {
            sql.push_str(" UNION ALL ");
        }
        let name = column.name;
        let path = if column.ocsf.is_empty() { name } else { column.ocsf };
        // Writing to a String cannot fail.
        let _written = write!(
            sql,
            "SELECT event_uid, time, '{path}' AS name, {} AS type_id, {name} AS value FROM events WHERE {name} IS NOT NULL",
            column.observable
        );
    }
    sql
}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Label | Kind::Text)
}
