//! Tables of the state database, read by SQL.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use storage::state::{State, rusqlite};
use storage::state_table::{StateColumn, StateTable};

/// Rows in a batch.
const ROWS: usize = 2048;

/// A table of the state.
#[derive(Debug)]
pub(crate) struct StateScan {
    state: State,
    table: StateTable,
    schema: SchemaRef,
}

impl StateScan {
    /// The table in `state`.
    pub(crate) fn new(state: State, table: StateTable) -> Self {
        let fields: Vec<_> = table.columns.iter().map(|(name, kind)| Field::new(*name, arrow_type(*kind), true)).collect();
        Self { state, table, schema: Arc::new(Schema::new(fields)) }
    }
}

#[async_trait]
impl TableProvider for StateScan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let schema = Arc::new(self.schema.project(columns)?);
        let names: Vec<_> = schema.fields().iter().map(|field| format!("\"{}\"", field.name())).collect();
        let select = if names.is_empty() { "1".to_owned() } else { names.join(", ") };
        let limit = limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"));
        let sql = format!("SELECT {select} FROM ({}){limit}", self.table.sql);
        let kinds = columns.iter().filter_map(|index| self.table.columns.get(*index)).map(|(_, kind)| *kind).collect();
        let rows = Rows { state: self.state.clone(), sql, kinds, schema: schema.clone() };
        let plan = StreamingTableExec::try_new(schema, vec![Arc::new(rows)], None, [], false, None)?;
        Ok(Arc::new(plan))
    }
}

/// A SELECT of SQLite as a stream.
#[derive(Debug)]
struct Rows {
    state: State,
    sql: String,
    kinds: Vec<StateColumn>,
    schema: SchemaRef,
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 2);
        let sender = builder.tx();
        let (state, sql, kinds, schema) = (self.state.clone(), self.sql.clone(), self.kinds.clone(), self.schema.clone());
        builder.spawn_blocking(move || {
            let read = state.read(|db| {
                let mut select = db.prepare(&sql)?;
                let mut rows = select.query([])?;
                while let Some(batch) = read_batch(&mut rows, &kinds, &schema)? {
                    // A receiver that has gone ends the reading.
                    if sender.blocking_send(Ok(batch)).is_err() {
                        break;
                    }
                }
                Ok::<_, storage::Error>(())
            });
            read.map_err(|error| DataFusionError::External(Box::new(error)))
        });
        builder.build()
    }
}

enum Cells {
    Text(StringBuilder),
    Integer(Int64Builder),
    Time(TimestampMicrosecondBuilder),
}

fn read_batch(
    rows: &mut rusqlite::Rows<'_>,
    kinds: &[StateColumn],
    schema: &SchemaRef,
) -> storage::Result<Option<RecordBatch>> {
    let mut columns: Vec<Cells> = kinds
        .iter()
        .map(|kind| match kind {
            StateColumn::Text => Cells::Text(StringBuilder::new()),
            StateColumn::Integer => Cells::Integer(Int64Builder::new()),
            StateColumn::Time => Cells::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        })
        .collect();
    let mut count = 0;
    while count < ROWS
        && let Some(row) = rows.next()?
    {
        for (index, cells) in columns.iter_mut().enumerate() {
            match cells {
                Cells::Text(cells) => cells.append_option(row.get_ref(index)?.as_str_or_null().ok().flatten()),
                Cells::Integer(cells) => cells.append_option(row.get::<_, Option<i64>>(index)?),
                Cells::Time(cells) => cells.append_option(row.get::<_, Option<i64>>(index)?),
            }
        }
        count += 1;
    }
    if count == 0 {
        return Ok(None);
    }
    let arrays = columns.into_iter().map(|cells| -> ArrayRef {
        match cells {
            Cells::Text(mut cells) => Arc::new(cells.finish()),
            Cells::Integer(mut cells) => Arc::new(cells.finish()),
            Cells::Time(mut cells) => Arc::new(cells.finish()),
        }
    });
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(Some(RecordBatch::try_new_with_options(schema.clone(), arrays.collect(), &options)?))
}

fn arrow_type(kind: StateColumn) -> DataType {
    match kind {
        StateColumn::Text => DataType::Utf8,
        StateColumn::Integer => DataType::Int64,
        StateColumn::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}
