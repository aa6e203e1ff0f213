//! Errors of this crate.

use event::Fate;

/// What can go wrong between an alert and the people who are told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state could not be read or written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Alerts could not be read or recorded.
    #[error(transparent)]
    Alerts(#[from] alerts::Error),
    /// No channel has this name. Mend: take one of the configuration.
    #[error("there is no channel `{name}`; `stormglass notify channels` shows those there are")]
    ChannelUnknown {
        /// The name asked for.
        name: String,
    },
    /// No alert and no incident has this id. Mend: take one of the lists.
    #[error(
        "there is no alert or incident `{id}`; `stormglass alerts list` and `stormglass incidents list` show those there are"
    )]
    SubjectUnknown {
        /// The id asked for.
        id: String,
    },
    /// No delivery has this number, or it is not dead.
    #[error("there is no dead delivery {id}; `stormglass notify dead-letters list` shows those there are")]
    DeliveryUnknown {
        /// The number asked for.
        id: i64,
    },
    /// A notification cannot be written as JSON.
    #[error("a notification cannot be written: {0}")]
    Notification(#[from] serde_json::Error),
    /// Work beside the runtime failed.
    #[error("a worker failed: {reason}")]
    Worker {
        /// What it says.
        reason: String,
    },
    /// A route, rota or time is not well formed.
    #[error("`{text}` is {problem}")]
    BadRoute {
        /// As written.
        text: String,
        /// What is wrong with it, and the mend.
        problem: String,
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
            Self::ChannelUnknown { .. }
            | Self::SubjectUnknown { .. }
            | Self::DeliveryUnknown { .. }
            | Self::Notification(_)
            | Self::BadRoute { .. } => Fate::Reject,
            Self::Worker { .. } => Fate::Stop,
        }
    }
}

/// By way of `storage`, which knows that a full disk and a busy database pass.
impl From<storage::state::rusqlite::Error> for Error {
    fn from(error: storage::state::rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
