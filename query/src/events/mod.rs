//! The table `events`: the files of one version and the rows that are not in files yet, as one snapshot.

mod files;
mod layout;
mod live;
mod prune;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::datasource::TableType;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use storage::table::TableSnapshot;

pub(crate) use self::layout::Layout;

/// The events of one snapshot, for one query: however often it names `events`, it sees the same rows.
#[derive(Debug)]
pub(crate) struct EventsProvider {
    snapshot: Arc<TableSnapshot>,
    footers: Arc<FileMetadataCache>,
}

impl EventsProvider {
    pub(crate) fn new(snapshot: Arc<TableSnapshot>, footers: Arc<FileMetadataCache>) -> Self {
        Self { snapshot, footers }
    }
}

#[async_trait]
impl TableProvider for EventsProvider {
    fn schema(&self) -> SchemaRef {
        Layout::get().table.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// All filters are wanted, to leave files out; they are applied to rows by the scans, into which
    /// DataFusion pushes them later.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let layout = Layout::get();
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..layout.table.fields().len()).collect(),
        };
        let files = prune::files(&self.snapshot.files, session, filters)?;
        let live = &self.snapshot.live;
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(2);
        if !files.is_empty() {
            parts.push(files::scan(&self.snapshot, &files, &self.footers, session, &columns, limit)?);
        }
        if !live.is_empty() || files.is_empty() {
            parts.push(live::scan(live, &columns)?);
        }
        match parts.len() {
            1 => Ok(parts.swap_remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}
