//! Errors of this crate.

use event::Fate;

/// What can go wrong with an alert.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No alert has this id. Mend: take an id from the list of alerts.
    #[error("there is no alert `{id}`; `stormglass alerts list` shows those there are")]
    AlertUnknown {
        /// The id asked for.
        id: String,
    },
    /// The alert's state does not allow the change.
    #[error("alert `{id}` is {status} and cannot be {wanted}")]
    ChangeRefused {
        /// The alert.
        id: String,
        /// Its status now.
        status: &'static str,
        /// What was asked for, as a past participle.
        wanted: &'static str,
    },
    /// An alert was to be closed without a word on why.
    #[error("alert `{id}` cannot be closed without a reason; say why in a few words")]
    ReasonMissing {
        /// The alert.
        id: String,
    },
    /// The change makes no sense.
    #[error("alert `{id}` cannot be changed so: {problem}")]
    ChangeSenseless {
        /// The alert; `*` where it would be refused for any.
        id: String,
        /// What is wrong, and the mend.
        problem: String,
    },
    /// The alert is not as whoever wants to change it knows it.
    #[error("alert `{id}` was changed meanwhile and is at revision {revision}; read it again")]
    Stale {
        /// The alert.
        id: String,
        /// Its revision now.
        revision: u64,
    },
    /// The incident is not as whoever wants to change it knows it.
    #[error("incident `{id}` was changed meanwhile and is at revision {revision}; read it again")]
    IncidentStale {
        /// The incident.
        id: String,
        /// Its revision now.
        revision: u64,
    },
    /// More was asked for than one call may do.
    #[error("more than {most} {what} at once; do it in parts")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        most: usize,
    },
    /// A silence that would hide more than anybody can mean, or is no silence.
    #[error("the silence is refused: {problem}")]
    SilenceRefused {
        /// What is wrong, and the mend.
        problem: String,
    },
    /// No silence has this id.
    #[error("there is no silence `{id}`; `stormglass silences list --all` shows those there are")]
    SilenceUnknown {
        /// The id asked for.
        id: String,
    },
    /// The silence was ended before.
    #[error("silence `{id}` was ended already")]
    SilenceOver {
        /// Its id.
        id: String,
    },
    /// A stored silence cannot be read: the database was changed by something else.
    #[error("silence `{id}` is damaged in the state database: {problem}")]
    SilenceDamaged {
        /// Its id.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A page cursor that this program did not hand out.
    #[error("the cursor is not one that this server gave; start again without it")]
    CursorUnknown,
    /// No incident has this id. Mend: take an id from the list of incidents.
    #[error("there is no incident `{id}`; `stormglass incidents list` shows those there are")]
    IncidentUnknown {
        /// The id asked for.
        id: String,
    },
    /// What was asked for makes no sense for the incident as it is.
    #[error("incident `{id}` {problem}")]
    IncidentRefused {
        /// The incident.
        id: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// What was asked for makes no sense, whatever the incident is.
    #[error("incident `{id}` cannot be changed so: {problem}")]
    IncidentSenseless {
        /// The incident; `*` where it would be refused for any.
        id: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// An asset is not written as it must be.
    #[error("asset `{name}`: `{field}`: {problem}")]
    AssetRefused {
        /// The asset.
        name: String,
        /// What of it.
        field: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A package would be beyond bounds. Mend: split the incident.
    #[error("the package of `{id}` would have {bytes} bytes, limit {limit}; split the incident first")]
    PackageTooLarge {
        /// The incident.
        id: String,
        /// How large it would be.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// A package cannot be read.
    #[error("the package is damaged: {problem}")]
    PackageDamaged {
        /// What is wrong.
        problem: String,
    },
    /// The state could not be read or written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A stored list is not JSON: the database was changed by something else.
    #[error("alert `{id}` is damaged in the state database: {source}")]
    Damaged {
        /// The alert.
        id: String,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What the pipeline does about it.
    pub fn fate(&self) -> Fate {
        match self {
            Self::AlertUnknown { .. }
            | Self::ChangeRefused { .. }
            | Self::ReasonMissing { .. }
            | Self::ChangeSenseless { .. }
            | Self::Stale { .. }
            | Self::IncidentStale { .. }
            | Self::TooMany { .. }
            | Self::SilenceRefused { .. }
            | Self::SilenceUnknown { .. }
            | Self::SilenceOver { .. }
            | Self::CursorUnknown
            | Self::IncidentUnknown { .. }
            | Self::IncidentRefused { .. }
            | Self::IncidentSenseless { .. }
            | Self::AssetRefused { .. }
            | Self::PackageTooLarge { .. }
            | Self::PackageDamaged { .. } => Fate::Reject,
            Self::Storage(error) => error.fate(),
            Self::Damaged { .. } | Self::SilenceDamaged { .. } => Fate::Stop,
        }
    }
}

/// By way of `storage`, which knows that a full disk and a busy database pass.
impl From<storage::state::rusqlite::Error> for Error {
    fn from(error: storage::state::rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
