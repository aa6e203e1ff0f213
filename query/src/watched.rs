//! Between every two operators of a plan: whether the query goes on, and how much the next one is given.
//!
//! DataFusion 55 yields at leaves and exchanges only, so a join over few rows can compute for minutes
//! between two points where a task can be stopped. Here every edge of the plan yields now and then, and
//! asks [`Watch::check`]. What an operator does between two edges is bounded by what it is given:
//!
//! - A join compares each batch of its right side with all rows of its left side. The batch is cut so
//!   that there are at most so many pairs.
//! - A join and `unnest` copy lists and plain text for every row that they make. Rows with more of these
//!   than a limit are refused. (Columns of `Utf8View` are not copied.)
//! - What a join or `unnest` makes is passed on in pieces, for grouping and sorting copy text after all.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{ReplaceChildrenOptions, replace_children_if_necessary};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};
use tokio::task::coop;

use crate::Error;
use crate::functions::value_bytes;
use crate::stop::Watch;

/// Pairs of rows that a join with a condition may compare between two edges.
const PAIRS_COMPARED: usize = 1 << 22;
/// Pairs of rows that a join by hash may find between two edges.
const PAIRS_FOUND: usize = 1 << 28;
/// Bytes of a row that an operator may copy for every row that it makes.
const MAX_COPIED_BYTES: usize = 16 << 10;
/// Bytes of text in a batch that is passed on.
const MAX_PASSED_BYTES: usize = 32 << 20;

/// Puts an edge between each two operators of `plan`, and above it.
pub(crate) fn watch(plan: Arc<dyn ExecutionPlan>, watch: &Watch) -> DfResult<Arc<dyn ExecutionPlan>> {
    let children: Vec<Arc<dyn ExecutionPlan>> = plan.children().into_iter().cloned().collect();
    if children.is_empty() {
        return Ok(Arc::new(Watched::new(plan, Edge::Plain, watch)));
    }
    let left_rows = Arc::new(AtomicUsize::new(0));
    let pairs = match plan.name() {
        "NestedLoopJoinExec" | "CrossJoinExec" | "PiecewiseMergeJoinExec" => Some(PAIRS_COMPARED),
        "HashJoinExec" | "SortMergeJoinExec" | "SymmetricHashJoinExec" => Some(PAIRS_FOUND),
        _ => None,
    };
    let unnests = plan.name() == "UnnestExec";
    let mut edges = Vec::with_capacity(children.len());
    for (place, child) in children.into_iter().enumerate() {
        let makes_many = makes_many(&child);
        let edge = match (pairs, place) {
            (Some(_), 0) => Edge::Left { rows: left_rows.clone() },
            (Some(pairs), _) => Edge::Right { left_rows: left_rows.clone(), pairs },
            (None, _) if unnests => Edge::Unnested,
            (None, _) if makes_many => Edge::FromJoin,
            (None, _) => Edge::Plain,
        };
        edges.push(with_edge(self::watch(child, watch)?, edge, watch));
    }
    let top = makes_many(&plan);
    let plan = replace_children_if_necessary(plan, edges)?;
    Ok(with_edge(plan, if top { Edge::FromJoin } else { Edge::Plain }, watch))
}

/// A plan has one edge above it; a more telling one takes the place of the plain one.
fn with_edge(plan: Arc<dyn ExecutionPlan>, edge: Edge, watch: &Watch) -> Arc<dyn ExecutionPlan> {
    let inner = match (plan.downcast_ref::<Watched>(), &edge) {
        (Some(_), Edge::Plain | Edge::FromJoin) => return plan,
        (Some(watched), _) => watched.inner.clone(),
        (None, _) => plan,
    };
    Arc::new(Watched::new(inner, edge, watch))
}

fn makes_many(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.name().ends_with("JoinExec") || plan.name() == "UnnestExec"
}

/// What lies on the two sides of an edge.
#[derive(Debug, Clone)]
enum Edge {
    Plain,
    /// The left side of a join, which it keeps.
    Left {
        rows: Arc<AtomicUsize>,
    },
    /// The right side of a join.
    Right {
        left_rows: Arc<AtomicUsize>,
        pairs: usize,
    },
    /// What is going to be unnested.
    Unnested,
    /// What a join or `unnest` makes.
    FromJoin,
}

impl Edge {
    /// How many rows of a batch go over at a time.
    fn rows_at_once(&self, batch: &RecordBatch) -> DfResult<usize> {
        let all = batch.num_rows();
        Ok(match self {
            Self::Plain => all,
            Self::Left { rows } => {
                rows.fetch_add(all, Ordering::Relaxed);
                refuse_above(copied_bytes(batch).0, MAX_COPIED_BYTES)?;
                all
            }
            Self::Right { left_rows, pairs } => {
                refuse_above(copied_bytes(batch).0, MAX_COPIED_BYTES)?;
                pairs / left_rows.load(Ordering::Relaxed).max(1)
            }
            Self::Unnested => {
                // Each element of a list, 8 bytes at least, repeats what else is in the row.
                let (all, widest) = copied_bytes(batch);
                let made = all.saturating_add((all - widest).saturating_mul(widest / 8));
                refuse_above(made, MAX_PASSED_BYTES)?;
                MAX_PASSED_BYTES / made.max(1)
            }
            Self::FromJoin => {
                let bytes: usize = batch.columns().iter().map(text_bytes).sum();
                if bytes > MAX_PASSED_BYTES { all.saturating_mul(MAX_PASSED_BYTES) / bytes } else { all }
            }
        }
        .max(1))
    }
}

/// The bytes that are copied with a row, at most, and the most of them in one column.
fn copied_bytes(batch: &RecordBatch) -> (usize, usize) {
    let (mut all, mut widest) = (0, 0);
    for column in batch.columns() {
        let copied = match column.data_type() {
            DataType::Utf8View | DataType::BinaryView => 0,
            kind if kind.is_primitive() || matches!(kind, DataType::Boolean | DataType::Null) => 0,
            _ => value_bytes(column).into_iter().max().unwrap_or(0),
        };
        all += copied;
        widest = widest.max(copied);
    }
    (all, widest)
}

fn refuse_above(bytes: usize, limit: usize) -> DfResult<()> {
    if bytes <= limit {
        return Ok(());
    }
    let (bytes, limit) = (bytes.div_ceil(1 << 10), limit >> 10);
    let what = format!("a join or `unnest` would copy {bytes} KiB for a row, {limit} KiB are the limit");
    Err(Error::MemoryLimit { what, mend: "shorten its lists or texts before, for example with `left`" }
        .into())
}

/// The bytes of text in a column as if each row had its own.
fn text_bytes(column: &Arc<dyn Array>) -> usize {
    match column.data_type() {
        // The length of a view is its lowest 32 bits.
        DataType::Utf8View => column.as_string_view().views().iter().map(|view| *view as u32 as usize).sum(),
        DataType::BinaryView => {
            column.as_binary_view().views().iter().map(|view| *view as u32 as usize).sum()
        }
        _ => 0,
    }
}

/// An operator with an edge above it. To everything else it is the operator: it has the very same
/// properties, so that replacing a plan's children by these leaves the plan's own state alone.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn ExecutionPlan>,
    edge: Edge,
    watch: Watch,
}

impl Watched {
    fn new(inner: Arc<dyn ExecutionPlan>, edge: Edge, watch: &Watch) -> Self {
        Self { inner, edge, watch: watch.clone() }
    }
}

impl DisplayAs for Watched {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl ExecutionPlan for Watched {
    fn name(&self) -> &str {
        "Watched"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.inner]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(inner) => Ok(Arc::new(Self { inner, edge: self.edge.clone(), watch: self.watch.clone() })),
            None => Ok(self),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        replace_children_if_necessary(self, children)
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        self.watch.check()?;
        let inner = self.inner.execute(partition, context)?;
        Ok(Box::pin(WatchedStream { inner, edge: self.edge.clone(), watch: self.watch.clone(), rest: None }))
    }
}

struct WatchedStream {
    inner: SendableRecordBatchStream,
    edge: Edge,
    watch: Watch,
    /// A batch of which the rows from the second on have not gone over yet, so many at a time.
    rest: Option<(RecordBatch, usize, usize)>,
}

impl WatchedStream {
    fn next_piece(&mut self) -> Option<RecordBatch> {
        let (batch, from, rows) = self.rest.take()?;
        let piece = batch.slice(from, rows.min(batch.num_rows() - from));
        let next = from + piece.num_rows();
        if next < batch.num_rows() {
            self.rest = Some((batch, next, rows));
        }
        Some(piece)
    }
}

impl Stream for WatchedStream {
    type Item = DfResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Err(error) = self.watch.check() {
            return Poll::Ready(Some(Err(error)));
        }
        let budget = ready!(coop::poll_proceed(context));
        if let Some(piece) = self.next_piece() {
            budget.made_progress();
            return Poll::Ready(Some(Ok(piece)));
        }
        let batch = match self.inner.poll_next_unpin(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(batch))) => batch,
            Poll::Ready(end) => return Poll::Ready(end),
        };
        budget.made_progress();
        let rows = match self.edge.rows_at_once(&batch) {
            Ok(rows) => rows,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        if rows >= batch.num_rows() {
            return Poll::Ready(Some(Ok(batch)));
        }
        self.rest = Some((batch, 0, rows));
        Poll::Ready(self.next_piece().map(Ok))
    }
}

impl RecordBatchStream for WatchedStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
