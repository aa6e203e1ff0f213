//! The scan of a table of the state database.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DfResult, Statistics};
use datafusion::datasource::source::DataSource;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayFormatType, coop};
use futures::StreamExt;
use futures::stream;
use storage::state::State;
use storage::state_table::{StateColumn, StateTable};
use tokio::sync::{Semaphore, mpsc};

use super::reader::{self, Part};
use crate::stop::Watch;

#[derive(Debug, Clone)]
pub(super) struct StateSource {
    pub(super) state: State,
    pub(super) table: StateTable,
    /// The columns read.
    pub(super) columns: Vec<(&'static str, StateColumn)>,
    /// The same, as Arrow has them.
    pub(super) schema: SchemaRef,
    pub(super) fetch: Option<usize>,
    pub(super) slow: Arc<Semaphore>,
}

impl StateSource {
    /// The SELECT that gives the columns read; names and limit are ours, no text of the analyst's.
    pub(super) fn sql(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let names = if names.is_empty() { "1".to_owned() } else { names.join(", ") };
        let limit = self.fetch.map(|rows| format!(" LIMIT {rows}")).unwrap_or_default();
        format!("SELECT {names} FROM ({}){limit}", self.table.sql)
    }
}

impl DataSource for StateSource {
    fn open(&self, _partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let memory = MemoryConsumer::new(self.table.name).register(context.memory_pool());
        let watch = context.session_config().options().extensions.get::<Watch>().cloned();
        let source = self.clone();
        // Reading begins when the first row is asked for: a plan may open more tables than it reads.
        let rows = stream::once(async move {
            let (sender, receiver) = mpsc::channel::<DfResult<Part>>(reader::PARTS_AHEAD);
            // Ends by itself when the receiver is dropped.
            drop(tokio::task::spawn_blocking(move || reader::run(&source, &memory, watch.as_ref(), &sender)));
            stream::unfold(receiver, |mut receiver| async move {
                let part = receiver.recv().await?;
                Some((part.map(Part::into_rows), receiver))
            })
        });
        let stream = RecordBatchStreamAdapter::new(self.schema.clone(), rows.flatten());
        Ok(coop::make_cooperative(Box::pin(stream)))
    }

    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state table={}", self.table.name)?;
        match self.fetch {
            Some(rows) => write!(f, ", fetch={rows}"),
            None => Ok(()),
        }
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(1)
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(self.schema.clone())
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, _partition: Option<usize>) -> DfResult<Arc<Statistics>> {
        Ok(Arc::new(Statistics::new_unknown(&self.schema)))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        Some(Arc::new(Self { fetch: limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn try_swapping_with_projection(&self, _: &ProjectionExprs) -> DfResult<Option<Arc<dyn DataSource>>> {
        Ok(None)
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}
