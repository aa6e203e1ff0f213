//! Errors of this crate.

use std::time::Duration;

use event::Fate;

/// What can go wrong with a query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The statement cannot be understood, or names what there is not.
    #[error("{message}{hint}")]
    Sql {
        /// What is wrong.
        message: String,
        /// Line, from 1; 0 where none is known.
        line: u32,
        /// Column, from 1; 0 where none is known.
        column: u32,
        /// How to mend it; begins with `; ` or is empty.
        hint: String,
    },
    /// The statement is understood and not allowed.
    #[error("{what} is not allowed here; {mend}")]
    Forbidden {
        /// What it would do.
        what: String,
        /// What to do instead.
        mend: &'static str,
    },
    /// It ran too long.
    #[error("the query ran longer than {} s and was stopped; narrow `time` or `event_day`, or raise `query.timeout`", after.as_secs_f64())]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// It needs more memory than all queries may have.
    #[error("the query needs more memory than there is for queries; narrow it, group by fewer columns, or raise `query.memory` ({detail})")]
    MemoryLimit {
        /// What the engine says.
        detail: String,
    },
    /// Too many queries run.
    #[error("{running} queries are running, which is the most; try again")]
    Busy {
        /// How many may run.
        running: usize,
    },
    /// The query failed while it ran.
    #[error("the query failed: {0}")]
    Failed(String),
    /// The store refused.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The answer could not be written.
    #[error("the answer could not be written: {0}")]
    Io(#[from] std::io::Error),
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What is to be done about it.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Sql { .. } | Self::Forbidden { .. } | Self::Timeout { .. } | Self::MemoryLimit { .. } => {
                Fate::Reject
            }
            Self::Busy { .. } => Fate::Retry { after: Duration::from_secs(1) },
            Self::Failed(_) => Fate::Reject,
            Self::Storage(error) => error.fate(),
            Self::Io(_) => Fate::Stop,
        }
    }

    /// An error of syntax or names without a place.
    pub(crate) fn sql(message: impl Into<String>) -> Self {
        Self::Sql { message: message.into(), line: 0, column: 0, hint: String::new() }
    }
}
