//! The view `observables`: every address, name, key and id of every event, as rows.
//!
//! One branch for each column that holds observables (OCSF `observable`). A filter on `value` goes into
//! every branch, and from there to the statistics and bloom filters of that column.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as DfResult;
use datafusion::datasource::{TableProvider, ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, col, lit};
use event::{COLUMNS, Col, Column, Kind};

/// The name of the view.
pub(crate) const NAME: &str = "observables";

/// Name, type and meaning of its columns.
pub(crate) const VIEW_COLUMNS: [(&str, Kind, &str); 5] = [
    ("event_uid", Kind::Text, "The event that holds it."),
    ("time", Kind::Time, "When the event happened."),
    ("name", Kind::Label, "The OCSF attribute, such as `src_endpoint.ip`."),
    ("type_id", Kind::Int, "OCSF observable type: 2 IP address, 4 user name, 31 user id, and so on."),
    ("value", Kind::Text, "Its value, as text."),
];

/// The view over `events`.
pub(crate) fn view(events: &Arc<dyn TableProvider>) -> DfResult<ViewTable> {
    let mut all: Option<LogicalPlanBuilder> = None;
    for column in COLUMNS.iter().filter(|column| column.observable > 0) {
        let branch = branch(events, column)?;
        all = Some(match all {
            None => LogicalPlanBuilder::from(branch),
            Some(before) => before.union(branch)?,
        });
    }
    let all = match all {
        Some(all) => all.build()?,
        None => LogicalPlanBuilder::empty(false).build()?,
    };
    Ok(ViewTable::new(all, None))
}

fn branch(events: &Arc<dyn TableProvider>, column: &Column) -> DfResult<LogicalPlan> {
    let value = match column.kind {
        Kind::Label | Kind::Text | Kind::Json => col(column.name),
        _ => cast(col(column.name), DataType::Utf8View),
    };
    let fields: [Expr; 5] = [
        col(Col::EventUid.name()),
        col(Col::Time.name()),
        cast(lit(name(column)), DataType::Utf8View).alias("name"),
        lit(i32::from(column.observable)).alias("type_id"),
        value.alias("value"),
    ];
    LogicalPlanBuilder::scan("events", provider_as_source(events.clone()), None)?
        .filter(col(column.name).is_not_null())?
        .project(fields)?
        .build()
}

/// The OCSF path; our own columns have none.
fn name(column: &Column) -> &'static str {
    if column.ocsf.is_empty() { column.name } else { column.ocsf }
}
