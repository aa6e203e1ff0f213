//! From a request to a stream of batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use storage::state::State;
use storage::state_table::StateTable;
use storage::table::EventTable;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::events::EventsTable;
use crate::state_scan::StateScan;
use crate::{Error, QueryConfig, QueryRequest, QueryStream, Result, functions, guard, hint, observables};

/// Answers queries. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    table: EventTable,
    state: State,
    views: Vec<StateTable>,
    config: QueryConfig,
    environment: Arc<RuntimeEnv>,
    permits: Arc<Semaphore>,
    /// Threads of its own: a query that computes without a pause must not hold up the server. It is
    /// taken out and shut down without waiting when the engine goes.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A name for the snapshot's store that no other store has.
const STORE: &str = "stormglass://events";

/// Batches that are ready and not yet taken.
const AHEAD: usize = 2;

impl QueryEngine {
    /// An engine over the events table and the state; `views` are the tables of the state that SQL
    /// sees besides dead letters and sources.
    ///
    /// # Panics
    /// The system gives no threads.
    pub fn new(table: EventTable, state: State, mut views: Vec<StateTable>, config: QueryConfig) -> Self {
        views.extend([crate::accounts::dead_letters(), crate::accounts::sources()]);
        let pool = Arc::new(GreedyMemoryPool::new(config.memory_bytes));
        let environment = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads)
            .thread_name("query")
            .enable_all()
            .build();
        #[expect(clippy::expect_used, reason = "without threads and memory at the start nothing can run")]
        let (environment, runtime) = (
            environment.expect("the defaults of the environment are good"),
            runtime.expect("the system gives threads"),
        );
        let permits = Arc::new(Semaphore::new(config.concurrent));
        let runtime = Some(runtime);
        Self { inner: Arc::new(Inner { table, state, views, config, environment, permits, runtime }) }
    }

    /// Plans one statement over a snapshot of now and starts it.
    ///
    /// # Errors
    /// The statement is wrong, not allowed or too large; too many queries run; planning took too long.
    pub async fn run(&self, request: QueryRequest) -> Result<QueryStream> {
        let inner = self.inner.clone();
        let permit = inner.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Error::Busy { running: inner.config.concurrent })?;
        let timeout = request.timeout.map_or(inner.config.timeout, |timeout| timeout.min(inner.config.timeout));
        let deadline = Instant::now() + timeout;
        let max_rows = request.max_rows.unwrap_or(inner.config.max_rows);
        let runtime = inner.runtime.as_ref().map(tokio::runtime::Runtime::handle).cloned();
        let runtime = runtime.ok_or_else(|| Error::Failed("the engine is shutting down".into()))?;

        let planning = {
            let inner = inner.clone();
            runtime.spawn(async move { inner.plan(&request.sql, max_rows).await })
        };
        let abort = planning.abort_handle();
        let planned = tokio::time::timeout_at(deadline, planning).await;
        let Ok(planned) = planned else {
            abort.abort();
            return Err(Error::Timeout { after: timeout });
        };
        let (context, plan) = planned.map_err(|error| Error::Failed(error.to_string()))??;

        let truncated = Arc::new(AtomicBool::new(false));
        let schema = plan.schema();
        let (sender, batches) = mpsc::channel(AHEAD);
        let worker = runtime.spawn(forward(context, plan, max_rows, truncated.clone(), sender)).abort_handle();
        Ok(QueryStream { schema, batches, truncated, deadline, timeout, worker, _permit: permit })
    }
}

impl Inner {
    async fn plan(&self, sql: &str, max_rows: usize) -> Result<(SessionContext, Arc<dyn ExecutionPlan>)> {
        let statement = guard::parse(sql)?;
        let context = self.context(sql).await.map_err(hint::running)?;
        let state = context.state();
        let plan = state.statement_to_plan(statement).await.map_err(hint::planning)?;
        guard::check_plan(&plan)?;
        // One more than the limit shows that there is more.
        let limited = context
            .execute_logical_plan(plan)
            .await
            .and_then(|frame| frame.limit(0, Some(max_rows.saturating_add(1))))
            .map_err(hint::planning)?;
        let plan = limited.create_physical_plan().await.map_err(hint::planning)?;
        Ok((context, plan))
    }

    /// A session that knows our tables and nothing else.
    async fn context(&self, sql: &str) -> datafusion::common::Result<SessionContext> {
        let config = SessionConfig::new()
            .with_information_schema(true)
            .with_target_partitions(self.config.threads)
            .with_default_catalog_and_schema("stormglass", "public")
            .set_bool("datafusion.execution.enable_recursive_ctes", false)
            .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
            .set_bool("datafusion.execution.parquet.pushdown_filters", true)
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
            .set_str("datafusion.execution.time_zone", "UTC");
        let mut context = SessionContext::new_with_config_rt(config, self.environment.clone());
        functions::restrict(&mut context)?;
        let snapshot = self.table.snapshot();
        let store = ObjectStoreUrl::parse(STORE)?;
        context.register_object_store(store.as_ref(), snapshot.store.clone());
        context.register_table("events", Arc::new(EventsTable::new(snapshot, store)))?;
        for view in &self.views {
            context.register_table(view.name, Arc::new(StateScan::new(self.state.clone(), view.clone())))?;
        }
        // The view costs milliseconds to plan, so it is made for those who may ask for it.
        let lower = sql.to_lowercase();
        if [observables::NAME, "show", "describe", "information_schema"].iter().any(|word| lower.contains(word)) {
            let view = context.sql(&observables::sql()).await?.into_view();
            context.register_table(observables::NAME, view)?;
        }
        Ok(context)
    }
}

/// Runs the plan and hands its batches on, up to the limit of rows.
async fn forward(
    context: SessionContext,
    plan: Arc<dyn ExecutionPlan>,
    max_rows: usize,
    truncated: Arc<AtomicBool>,
    sender: mpsc::Sender<Result<RecordBatch>>,
) {
    let mut stream = match execute_stream(plan, context.task_ctx()) {
        Ok(stream) => stream,
        Err(error) => {
            // A receiver that has gone wants no error either.
            drop(sender.send(Err(hint::running(error))).await);
            return;
        }
    };
    let mut left = max_rows;
    while let Some(batch) = stream.next().await {
        let batch = match batch {
            Ok(batch) if batch.num_rows() > left => {
                truncated.store(true, Ordering::Relaxed);
                Ok(batch.slice(0, left))
            }
            other => other.map_err(hint::running),
        };
        let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
        let ends = batch.is_err() || truncated.load(Ordering::Relaxed);
        left -= rows;
        if sender.send(batch).await.is_err() || ends {
            return;
        }
    }
}
