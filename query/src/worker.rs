//! One query on its way: parsed, planned and run on the query threads.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result as DfResult;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement;
use datafusion_functions_json::udfs::json_union_to_text_udf;
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::catalog::Catalog;
use crate::engine::Inner;
use crate::guard::{self, Asked};
use crate::plain::Plain;
use crate::stop::{Stop, Watch};
use crate::watched;
use crate::{Error, Result, diagnose};

/// Batches on their way to the client.
const BATCHES_AHEAD: usize = 2;

/// A query and the way to stop it; dropping this does.
#[derive(Debug)]
pub(crate) struct Running {
    stop: Arc<Stop>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn new(stop: Arc<Stop>, task: JoinHandle<()>) -> Self {
        Self { stop, task }
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop(Error::Cancelled);
        self.task.abort();
    }
}

/// Where a query puts its answer.
#[derive(Debug)]
pub(crate) struct Answer {
    schema: oneshot::Sender<Result<SchemaRef>>,
    batches: mpsc::Sender<Result<RecordBatch>>,
    truncated: Arc<AtomicBool>,
}

/// Where a client finds it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) schema: oneshot::Receiver<Result<SchemaRef>>,
    pub(crate) batches: mpsc::Receiver<Result<RecordBatch>>,
    pub(crate) truncated: Arc<AtomicBool>,
}

pub(crate) fn channel() -> (Answer, Client) {
    let (schema_sender, schema) = oneshot::channel();
    // One place more, for the error that ends an answer.
    let (batch_sender, batches) = mpsc::channel(BATCHES_AHEAD + 1);
    let truncated = Arc::new(AtomicBool::new(false));
    let answer = Answer { schema: schema_sender, batches: batch_sender, truncated: truncated.clone() };
    (answer, Client { schema, batches, truncated })
}

/// Runs a statement to its end. Whatever happens, the client is told.
pub(crate) async fn run(
    engine: Arc<Inner>,
    sql: String,
    withheld: Vec<&'static str>,
    max_rows: usize,
    watch: Watch,
    answer: Answer,
) {
    let Answer { schema, batches, truncated } = answer;
    let stop = watch.stop().clone();
    // Kept free, so that a client that does not read its rows cannot hold up the end of its query.
    let Ok(last) = batches.clone().reserve_owned().await else { return };
    let mut rows = Rows { batches, left: max_rows, truncated };
    let mut schema = Some(schema);
    let work = async {
        let catalog = engine.catalog.without(&withheld);
        let planned = plan(&engine, &catalog, &sql, &withheld, max_rows, &watch).await?;
        if let Some(schema) = schema.take() {
            // A client that has gone is noticed at the first batch.
            drop(schema.send(Ok(planned.plain.schema().clone())));
        }
        planned.run(&mut rows, &watch, &catalog.names()).await
    };
    let deadline = Instant::from_std(stop.deadline());
    let result = match timeout_at(deadline, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Err(_) => Err(stop.timeout()),
        Ok(Err(_)) => {
            Err(Error::Failed("a part of the query engine panicked; this is a bug, please report it".into()))
        }
    };
    let Err(error) = result else { return };
    // The reason for which it was stopped, not what followed from that.
    let error = stop.take_reason().unwrap_or(error);
    match schema.take() {
        Some(schema) => drop(schema.send(Err(error))),
        None => drop(last.send(Err(error))),
    }
}

/// A statement that is ready to run.
struct Planned {
    plain: Plain,
    rows: Source,
}

enum Source {
    /// Known already.
    Ready(RecordBatch),
    Plan(Box<SessionState>, LogicalPlan),
}

async fn plan(
    engine: &Inner,
    catalog: &Catalog,
    sql: &str,
    withheld: &[&str],
    max_rows: usize,
    watch: &Watch,
) -> Result<Planned> {
    let ready =
        |batch: RecordBatch| Planned { plain: Plain::new(batch.schema_ref()), rows: Source::Ready(batch) };
    let (statement, limited) = match guard::parse(sql)? {
        Asked::Tables => return Ok(ready(catalog.list()?)),
        Asked::Columns(table) => return Ok(ready(catalog.describe(&table)?)),
        Asked::Rows(statement) => (statement, true),
        Asked::Plan(statement) => (statement, false),
    };
    let names = catalog.names();
    let session = engine.sessions.open(watch, withheld)?;
    let plan = logical(&session, *statement, &names).await?;
    let plan = if limited { limit(plan, max_rows) } else { Ok(plan) };
    let plan = plan.map_err(|error| diagnose::error(error, &names))?;
    let plain = Plain::new(plan.schema().as_arrow());
    Ok(Planned { plain, rows: Source::Plan(Box::new(session), plan) })
}

async fn logical(session: &SessionState, statement: Statement, names: &[String]) -> Result<LogicalPlan> {
    let plan = session.statement_to_plan(statement).await.map_err(|error| diagnose::error(error, names))?;
    guard::check_plan(&plan)?;
    Ok(plan)
}

/// One row more than may be answered tells that there are more. As part of the plan the limit keeps
/// sorts small. Values of JSON of any type become text here, as no client knows a union.
fn limit(plan: LogicalPlan, max_rows: usize) -> DfResult<LogicalPlan> {
    let is_union = |data_type: &DataType| matches!(data_type, DataType::Union(..));
    let mut builder = LogicalPlanBuilder::from(plan.clone());
    if plan.schema().fields().iter().any(|field| is_union(field.data_type())) {
        let columns = plan.schema().iter().map(|(relation, field)| {
            let column = Expr::from((relation, field));
            match is_union(field.data_type()) {
                true => json_union_to_text_udf().call(vec![column]).alias(field.name()),
                false => column,
            }
        });
        builder = builder.project(columns.collect::<Vec<_>>())?;
    }
    builder.limit(0, Some(max_rows.saturating_add(1)))?.build()
}

impl Planned {
    async fn run(self, rows: &mut Rows, watch: &Watch, names: &[String]) -> Result<()> {
        let told = |error| diagnose::error(error, names);
        let (session, plan) = match self.rows {
            Source::Ready(batch) => {
                rows.send(batch).await;
                return Ok(());
            }
            Source::Plan(session, plan) => (session, plan),
        };
        let plan = session.create_physical_plan(&plan).await.map_err(told)?;
        let plan = watched::watch(plan, watch).map_err(told)?;
        let mut stream = execute_stream(plan, session.task_ctx()).map_err(told)?;
        drop(session);
        while let Some(batch) = stream.next().await {
            for batch in self.plain.convert(&batch.map_err(told)?).map_err(told)? {
                if !rows.send(batch).await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The rows on their way to the client.
struct Rows {
    batches: mpsc::Sender<Result<RecordBatch>>,
    left: usize,
    truncated: Arc<AtomicBool>,
}

impl Rows {
    /// Sends rows up to the limit; `false` when no more are wanted.
    async fn send(&mut self, batch: RecordBatch) -> bool {
        let rows = batch.num_rows().min(self.left);
        if rows < batch.num_rows() {
            self.truncated.store(true, Ordering::Release);
        }
        self.left -= rows;
        if rows > 0 && self.batches.send(Ok(batch.slice(0, rows))).await.is_err() {
            return false;
        }
        !self.truncated.load(Ordering::Acquire)
    }
}
