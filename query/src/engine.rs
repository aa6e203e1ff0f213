//! The query engine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use storage::state::State;
use storage::state_table::StateTable;
use storage::table::EventTable;
use tokio::sync::Semaphore;

use crate::catalog::Catalog;
use crate::config::MAX_ROWS;
use crate::functions::Names;
use crate::session::Sessions;
use crate::state_view::tables::{DEAD_LETTERS, SOURCES};
use crate::stop::{Stop, Watch};
use crate::threads::Threads;
use crate::{Error, QueryConfig, QueryRequest, QueryStream, Result, worker};

/// How soon to ask again when the engine is busy.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// Answers SQL over the tables of one data folder. Cloning is cheap; the clones share their limits.
#[derive(Clone)]
pub struct QueryEngine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) sessions: Sessions,
    pub(crate) catalog: Catalog,
    config: QueryConfig,
    places: Arc<Semaphore>,
    threads: Threads,
}

impl QueryEngine {
    /// An engine over `table`, over `dead_letters` and `sources` of `state`, and over what other rooms
    /// keep in `state` and describe as `views`. `names` is what the function `identity` knows.
    pub fn new(
        table: EventTable,
        state: State,
        views: Vec<StateTable>,
        names: Arc<dyn Names>,
        config: QueryConfig,
    ) -> Self {
        let mut state_tables = views;
        state_tables.extend([DEAD_LETTERS, SOURCES]);
        let catalog = Catalog::new(&state_tables);
        let sessions = Sessions::new(table, state, state_tables, names, config.clone());
        let places = Arc::new(Semaphore::new(config.concurrent));
        let threads = Threads::new(config.threads);
        Self { inner: Arc::new(Inner { sessions, catalog, config, places, threads }) }
    }

    /// Starts a query; returns when it is planned and its columns are known.
    ///
    /// The answer shows the tables as they were at this moment. Dropping the future or the stream stops
    /// the query.
    ///
    /// # Errors
    /// The statement is wrong or forbidden, or a limit is met; see [`Error`].
    pub async fn run(&self, request: QueryRequest) -> Result<QueryStream> {
        let config = &self.inner.config;
        let place = self
            .inner
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::Busy { running: config.concurrent, retry_after: BUSY_RETRY })?;
        let allowed = request.timeout.unwrap_or(config.timeout).min(config.timeout);
        let max_rows = request.max_rows.unwrap_or(config.max_rows).min(MAX_ROWS);
        let stop = Arc::new(Stop::after(allowed));
        let watch = Watch::new(stop.clone(), place);
        let (answer, client) = worker::channel();
        // Stops the query if this future is dropped before the stream takes that over.
        let running = worker::Running::new(
            stop,
            self.inner.threads.handle()?.spawn(worker::run(
                self.inner.clone(),
                request.sql,
                request.withheld,
                max_rows,
                watch,
                answer,
            )),
        );
        QueryStream::open(running, client).await
    }

    /// How many queries are running, those included that nobody waits for any more.
    pub fn running(&self) -> usize {
        self.inner.config.concurrent.saturating_sub(self.inner.places.available_permits())
    }

    /// Waits until no query is running.
    pub async fn idle(&self) {
        let all = u32::try_from(self.inner.config.concurrent).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        drop(self.inner.places.acquire_many(all).await);
    }
}

impl fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryEngine")
            .field("config", &self.inner.config)
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}
