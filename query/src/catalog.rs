//! The tables that a query sees, for one query.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::common::Result as DfResult;
use datafusion::datasource::TableProvider;
use event::{COLUMNS, Kind};
use storage::state_table::{StateColumn, StateTable};

use crate::nearest::nearest;
use crate::observables;
use crate::{Error, Result};

/// The name of the catalogue and of its only schema, as they show in plans.
pub(crate) const CATALOG: &str = "stormglass";
pub(crate) const SCHEMA: &str = "public";
/// The table of events.
pub(crate) const EVENTS: &str = "events";

/// What `SHOW TABLES` and `DESCRIBE` tell.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    tables: Vec<Table>,
}

#[derive(Debug, Clone)]
struct Table {
    name: &'static str,
    columns: Vec<Column>,
}

/// Name, type as SQL writes it, and meaning where it is known.
type Column = (&'static str, &'static str, Option<&'static str>);

impl Catalog {
    pub(crate) fn new(state_tables: &[StateTable]) -> Self {
        let event = |(name, kind, meaning)| (name, type_name(kind), Some(meaning));
        let events = COLUMNS.iter().map(|column| event((column.name, column.kind, column.meaning)));
        let observables = observables::VIEW_COLUMNS.into_iter().map(event);
        let mut tables = vec![
            Table { name: EVENTS, columns: events.collect() },
            Table { name: observables::NAME, columns: observables.collect() },
        ];
        tables.extend(state_tables.iter().map(|table| Table {
            name: table.name,
            columns: table.columns.iter().map(|(name, kind)| (*name, state_type_name(*kind), None)).collect(),
        }));
        tables.sort_by_key(|table| table.name);
        Self { tables }
    }

    /// The same without some tables.
    pub(crate) fn without(&self, withheld: &[&str]) -> Self {
        let mut rest = self.clone();
        rest.tables.retain(|table| !withheld.contains(&table.name));
        rest
    }

    /// The names of all tables, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.name.to_owned()).collect()
    }

    /// The answer to `SHOW TABLES`.
    pub(crate) fn list(&self) -> Result<RecordBatch> {
        text_batch(&[("table_name", self.tables.iter().map(|table| Some(table.name)).collect())])
    }

    /// The answer to `DESCRIBE`.
    pub(crate) fn describe(&self, name: &str) -> Result<RecordBatch> {
        let Some(table) = self.tables.iter().find(|table| table.name == name) else {
            let near = nearest(name, self.tables.iter().map(|table| table.name));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", self.names().join(", ")),
            };
            let message = format!("table `{name}` does not exist");
            return Err(Error::Sql { message, line: 0, column: 0, hint: Some(hint) });
        };
        let columns = &table.columns;
        text_batch(&[
            ("column_name", columns.iter().map(|(name, ..)| Some(*name)).collect()),
            ("data_type", columns.iter().map(|(_, data_type, _)| Some(*data_type)).collect()),
            ("meaning", columns.iter().map(|(.., meaning)| *meaning).collect()),
        ])
    }
}

/// A type as SQL writes it; `CAST` takes these words.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Label | Kind::Text => "text",
        Kind::Json => "text (JSON)",
        Kind::Int => "integer",
        Kind::Long => "bigint",
        Kind::Float => "double",
        Kind::Flag => "boolean",
        Kind::Time => "timestamp",
        Kind::Day => "date",
    }
}

fn state_type_name(kind: StateColumn) -> &'static str {
    match kind {
        StateColumn::Text => "text",
        StateColumn::Integer => "bigint",
        StateColumn::Time => "timestamp",
    }
}

fn text_batch(columns: &[(&str, Vec<Option<&str>>)]) -> Result<RecordBatch> {
    let fields: Vec<_> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let arrays = columns.iter().map(|(_, cells)| Arc::new(StringArray::from(cells.clone())) as ArrayRef);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect())
        .map_err(|error| Error::Failed(error.to_string()))
}

/// The tables by name, as DataFusion looks them up.
pub(crate) fn schema(
    tables: impl IntoIterator<Item = (String, Arc<dyn TableProvider>)>,
) -> DfResult<MemorySchemaProvider> {
    let schema = MemorySchemaProvider::new();
    for (name, table) in tables {
        schema.register_table(name, table)?;
    }
    Ok(schema)
}
