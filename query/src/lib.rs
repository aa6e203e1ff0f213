//! SQL over events, alerts and dead letters: read only, bounded, cancellable.
//!
//! A [`QueryEngine`] answers one [`QueryRequest`] with one [`QueryStream`] of Arrow batches; [`Format`]
//! writes them out. The tables are `events`, the view `observables`, `dead_letters`, `sources`, and what
//! other rooms hand over as [`StateTable`](storage::state_table::StateTable)s, such as `alerts`. A query
//! sees one snapshot of `events`: the files of one version of the table and the rows that are in no file
//! yet.
//!
//! # What a query cannot do
//!
//! Write, or reach anything but these tables: no file, no address, no setting, no function that shows what
//! lies behind the tables. Use more memory, time or rows than [`QueryConfig`] grants. Hold up the threads of
//! its caller.
//!
//! Limits in numbers: 1 MiB of text, nested 50 deep; 500 operators in a chain, 100 of JSON or text; 500
//! SELECTs, 8 sub-queries within each other, 16 tables in a FROM; 2,000 steps in a plan; 2,000 columns; 1 MiB in a value
//! that a function makes; memory, time and rows as configured.
//!
//! # What is left to trust
//!
//! DataFusion counts memory when it has allocated it, and not all of it. What is known to make much of
//! little (functions, joins, `unnest`) is bounded before it runs; the rest is a few batches a thread.
//!
//! ```no_run
//! # async fn example(engine: query::QueryEngine) -> query::Result<()> {
//! use query::{Format, QueryRequest};
//!
//! let mut answer = engine.run(QueryRequest::new("SELECT count(*) AS n FROM events")).await?;
//! let mut writer = Format::Ndjson.writer(std::io::stdout(), &answer.schema())?;
//! while let Some(batch) = answer.next().await {
//!     writer.write(&batch?)?;
//! }
//! writer.finish()
//! # }
//! ```

mod catalog;
mod config;
mod diagnose;
mod engine;
mod error;
mod events;
mod format;
mod functions;
mod guard;
mod nearest;
mod observables;
mod plain;
mod pool;
mod request;
mod session;
mod state_view;
mod stop;
mod store;
mod stream;
mod threads;
mod watched;
mod worker;

pub use config::QueryConfig;
pub use engine::QueryEngine;
pub use error::{Error, Result};
pub use format::{Format, Writer, acts_on_terminal};
pub use functions::Names;
pub use request::QueryRequest;
pub use stream::QueryStream;
