//! Errors of this crate.

use event::Fate;

/// What can go wrong on an event's way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log, the table or the state failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Alerts could not be recorded.
    #[error(transparent)]
    Alerts(#[from] alerts::Error),
    /// Columns could not be put together.
    #[error("a batch of events could not be built: {0}")]
    Columns(#[from] arrow::error::ArrowError),
    /// The pipeline has stopped; `/health` says why.
    #[error("the pipeline has stopped: {reason}")]
    Stopped {
        /// The first error that stopped it.
        reason: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What is to be done about it.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Storage(error) => error.fate(),
            Self::Alerts(error) => error.fate(),
            Self::Columns(_) | Self::Stopped { .. } => Fate::Stop,
        }
    }
}
