//! Tables of the state database as tables of SQL: `alerts`, `dead_letters`, `sources`.

mod reader;
mod rows;
mod source;
pub(crate) mod tables;

pub(crate) use self::reader::SLOW_READERS;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::datasource::TableType;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use storage::state::State;
use storage::state_table::{StateColumn, StateTable};
use tokio::sync::Semaphore;

use self::source::StateSource;

/// A [`StateTable`] for one query.
#[derive(Debug)]
pub(crate) struct StateView {
    state: State,
    table: StateTable,
    schema: SchemaRef,
    slow: Arc<Semaphore>,
}

impl StateView {
    /// `slow` bounds, over all queries, the readers that wait for slow queries.
    pub(crate) fn new(state: State, table: StateTable, slow: Arc<Semaphore>) -> Self {
        let schema = schema(&table);
        Self { state, table, schema, slow }
    }
}

/// The columns of a table in SQL.
fn schema(table: &StateTable) -> SchemaRef {
    let fields: Vec<_> =
        table.columns.iter().map(|(name, kind)| Field::new(*name, data_type(*kind), true)).collect();
    Arc::new(Schema::new(fields))
}

fn data_type(kind: StateColumn) -> DataType {
    match kind {
        StateColumn::Text => DataType::Utf8View,
        StateColumn::Integer => DataType::Int64,
        StateColumn::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

#[async_trait]
impl TableProvider for StateView {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&columns)?);
        let kinds = columns.iter().filter_map(|column| self.table.columns.get(*column));
        let source = StateSource {
            state: self.state.clone(),
            table: self.table,
            columns: kinds.copied().collect(),
            schema,
            fetch: limit,
            slow: self.slow.clone(),
        };
        Ok(DataSourceExec::from_data_source(source))
    }
}
