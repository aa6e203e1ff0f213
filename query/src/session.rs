//! A session for one query: its tables, functions and limits, and nothing else.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::execution::cache::cache_manager::{CacheManagerConfig, FileMetadataCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::context::SessionState;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{FunctionRegistry, SessionStateDefaults};
use storage::state::State;
use storage::state_table::StateTable;
use storage::table::EventTable;
use tokio::sync::Semaphore;

use crate::catalog::{self, CATALOG, EVENTS, SCHEMA};
use crate::config::BATCH_ROWS;
use crate::events::EventsProvider;
use crate::functions::{self, Arrows, Functions, Names};
use crate::observables;
use crate::pool::QueryPool;
use crate::state_view::{SLOW_READERS, StateView};
use crate::stop::Watch;
use crate::store::OnlyEvents;
use crate::{Error, QueryConfig, Result};

/// What parquet may keep of the columns that a filter reads, for a row group, in bytes.
const PREDICATE_CACHE_BYTES: usize = 16 << 20;

/// What sessions are made of.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: EventTable,
    state: State,
    state_tables: Vec<StateTable>,
    functions: Arc<Functions>,
    memory: Arc<GreedyMemoryPool>,
    footers: Arc<FileMetadataCache>,
    slow_readers: Arc<Semaphore>,
    config: QueryConfig,
}

impl Sessions {
    pub(crate) fn new(
        table: EventTable,
        state: State,
        state_tables: Vec<StateTable>,
        names: Arc<dyn Names>,
        config: QueryConfig,
    ) -> Self {
        Self {
            table,
            state,
            state_tables,
            functions: Arc::new(Functions::new(names)),
            memory: Arc::new(GreedyMemoryPool::new(config.memory_bytes)),
            footers: Arc::new(DefaultCache::new(config.footer_cache_bytes)),
            slow_readers: Arc::new(Semaphore::new(SLOW_READERS)),
            config,
        }
    }

    /// A session over the tables as they are now, but for those `withheld`.
    pub(crate) fn open(&self, watch: &Watch, withheld: &[&str]) -> Result<SessionState> {
        self.build(watch, withheld).map_err(|error| Error::Failed(error.to_string()))
    }

    fn build(&self, watch: &Watch, withheld: &[&str]) -> DfResult<SessionState> {
        let snapshot = self.table.snapshot();
        let runtime = self.runtime(OnlyEvents::new(snapshot.store.clone()))?;
        // The first planner that knows an operator plans it.
        let mut planners = SessionStateDefaults::default_expr_planners();
        planners.insert(0, Arc::new(Arrows));
        let mut session = SessionStateBuilder::new()
            .with_config(self.session_config(watch))
            .with_runtime_env(runtime)
            .with_expr_planners(planners)
            .with_aggregate_functions(functions::aggregates())
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .build();
        // Its functions are then replaced by those of the list.
        datafusion_functions_json::register_all(&mut session)?;
        for function in self.functions.all() {
            session.register_udf(function)?;
        }
        session.register_function_rewrite(self.functions.clone())?;
        let events: Arc<dyn TableProvider> = Arc::new(EventsProvider::new(snapshot, self.footers.clone()));
        let view: Arc<dyn TableProvider> = Arc::new(observables::view(&events)?);
        let mut tables = vec![(EVENTS.to_owned(), events), (observables::NAME.to_owned(), view)];
        for table in self.state_tables.iter().filter(|table| !withheld.contains(&table.name)) {
            let view = StateView::new(self.state.clone(), *table, self.slow_readers.clone());
            tables.push((table.name.to_owned(), Arc::new(view)));
        }
        let only = MemoryCatalogProvider::new();
        only.register_schema(SCHEMA, Arc::new(catalog::schema(tables)?))?;
        session.catalog_list().register_catalog(CATALOG.to_owned(), Arc::new(only));
        Ok(session)
    }

    fn runtime(&self, store: OnlyEvents) -> DfResult<Arc<RuntimeEnv>> {
        let caches = CacheManagerConfig::default()
            .with_file_metadata_cache(Some(self.footers.clone()))
            .with_list_files_cache(None)
            .with_file_statistics_cache(None);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(QueryPool::new(self.memory.clone(), self.config.memory_bytes / 2)))
            .with_object_store_registry(Arc::new(store))
            .with_cache_manager(caches)
            .with_disk_manager_builder(disk)
            .build_arc()
    }

    fn session_config(&self, watch: &Watch) -> SessionConfig {
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false)
            .with_target_partitions(self.config.threads.max(1))
            .with_batch_size(BATCH_ROWS)
            // Nothing spills, so nothing need be kept for it.
            .with_sort_spill_reservation_bytes(0)
            .with_option_extension(watch.clone());
        let options = config.options_mut();
        options.execution.enable_recursive_ctes = false;
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.parquet.max_predicate_cache_size = Some(PREDICATE_CACHE_BYTES);
        options.sql_parser.collect_spans = true;
        config
    }
}
