//! What can go wrong before there are bytes. What is wrong with the bytes themselves is told by rejects.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use event::Fate;

/// Why an input could not be found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path names nothing. Mend: check the path.
    #[error("no file or folder `{}`", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// What a source reads is not there; it may come. Mend: make it, or name another.
    #[error("there is no file or folder `{}`; make it, or mend the path", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is more to keep in mind than a source may. Mend: narrow what it reads.
    #[error("`{what}` has more than {limit} files or objects; name fewer, or raise `max_files`")]
    TooMany {
        /// What is read.
        what: String,
        /// How many there may be.
        limit: usize,
    },
    /// A glob pattern, folder or prefix holds no file. Mend: check it; files whose names begin with a
    /// dot are skipped.
    #[error("no file matches `{pattern}`")]
    NoMatch {
        /// The pattern, folder or address as given.
        pattern: String,
    },
    /// A glob pattern is malformed.
    #[error("`{pattern}` is no glob pattern: {problem}")]
    BadPattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An address cannot be understood.
    #[error(
        "`{address}` is no address that can be read: {problem}; use s3://, gs://, az://, abfss:// or file://"
    )]
    BadAddress {
        /// The address as given.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file or folder exists but cannot be opened or read. Mend: permissions, disk.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An object store refused or could not be reached. Mend: credentials, region, network.
    #[error("cannot read `{address}`")]
    Store {
        /// The address of the store, prefix or object.
        address: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// An object could not be read to its end. Mend: permissions, network.
    #[error("cannot read `{address}`")]
    Object {
        /// Its address.
        address: String,
        /// What the store says.
        source: io::Error,
    },
    /// Reading broke off; records before this point were handed over.
    #[error("reading broke off at byte {at}")]
    Read {
        /// How many bytes had been read.
        at: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The reader itself failed: a defect to report.
    #[error("the reader of `{origin}` failed; please report it")]
    ReaderFailed {
        /// What was being read.
        origin: String,
    },
    /// A setting of a source cannot be as it is.
    #[error("`{field}`: {problem}")]
    BadSetting {
        /// The setting's name.
        field: &'static str,
        /// What is wrong with it, and the mend.
        problem: String,
    },
    /// There is nothing to sign in with.
    #[error("no credentials: {problem}")]
    NoCredentials {
        /// What was tried, and the mend.
        problem: String,
    },
    /// A service did not answer, or broke off. Mend: network, endpoint, proxy.
    #[error("`{call}` got no answer")]
    Unreachable {
        /// What was called.
        call: String,
        /// What the client says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A service refused a call. Mend: mostly a permission.
    #[error("`{call}` was refused with {status}{}", said(.code, .message))]
    Refused {
        /// What was called, as permissions name it.
        call: String,
        /// The HTTP status.
        status: u16,
        /// The service's code, such as `AccessDenied`.
        code: String,
        /// The service's words.
        message: String,
        /// How long the service wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// A service answered what its documentation does not know.
    #[error("`{call}` answered what cannot be understood: {problem}")]
    BadAnswer {
        /// What was called.
        call: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// A Kafka cluster refused, or cannot be reached.
    #[error("kafka `{cluster}`: {problem}; {mend}")]
    Kafka {
        /// Its first broker.
        cluster: String,
        /// What it or its client says.
        problem: String,
        /// The mend.
        mend: &'static str,
        /// Whether it may pass by itself soon.
        is_passing: bool,
    },
}

/// The code and words of a refusal, where a service gives any.
fn said(code: &str, message: &str) -> String {
    match (code.is_empty(), message.is_empty()) {
        (true, true) => " and no word why".to_owned(),
        (true, false) => format!(": {message}"),
        (false, true) => format!(" `{code}`"),
        (false, false) => format!(" `{code}`: {message}"),
    }
}

/// Codes of services that pass by themselves, whatever the HTTP status.
const PASSING_CODES: [&str; 12] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "RequestThrottled",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// The code of a refusal that only asks for fewer requests, where a service has none of its own.
pub(crate) const RATE_LIMITED: &str = "rate_limited";

impl Error {
    /// Whether the same request may work by itself soon: the network, a busy service, keys that ended.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Kafka { is_passing, .. } => *is_passing,
            Self::Refused { status, code, .. } => {
                *status >= 500 || *status == 429 || PASSING_CODES.contains(&code.as_str())
            }
            _ => false,
        }
    }

    /// Whether trying again will hardly help before somebody mends a right, a key or a setting.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::NoCredentials { .. } => true,
            Self::Refused { status: 401 | 403, retry_after: None, .. } => {
                !self.is_passing() && !self.is_throttle()
            }
            _ => !matches!(self.fate(), Fate::Retry { .. }),
        }
    }

    /// Whether the source asks for fewer requests.
    pub fn is_throttle(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                *status == 429
                    || code.starts_with("Throttling")
                    || matches!(code.as_str(), "SlowDown" | RATE_LIMITED)
            }
            // The stores' clients give the last answer as text.
            Self::Store { source, .. } => {
                let text = source.to_string();
                text.contains("SlowDown") || text.contains("429 Too Many Requests")
            }
            _ => false,
        }
    }

    /// Whether keys have ended.
    pub(crate) fn is_expired(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code.starts_with("ExpiredToken"))
    }

    /// What to do about it: transient trouble of disks and networks is worth another try.
    pub fn fate(&self) -> Fate {
        let retry = Fate::Retry { after: Duration::from_secs(5) };
        match self {
            Self::File { source, .. } | Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => {
                    Fate::Reject
                }
                _ => retry,
            },
            Self::Store {
                source: object_store::Error::Generic { .. } | object_store::Error::JoinError { .. },
                ..
            } => retry,
            Self::Refused { retry_after: Some(after), .. } => Fate::Retry { after: *after },
            _ if self.is_passing() => retry,
            // Rights, queues and roles come without a change here, and take a while to be known everywhere.
            Self::NoCredentials { .. }
            | Self::Refused { .. }
            | Self::BadAnswer { .. }
            | Self::Kafka { .. } => Fate::Retry { after: Duration::from_secs(60) },
            Self::Object { .. } => retry,
            Self::Missing { .. } => Fate::Retry { after: Duration::from_secs(1) },
            _ => Fate::Reject,
        }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passing_trouble_is_tried_again() {
        let store = |source| Error::Store { address: "s3://logs/a".into(), source };
        let offline =
            store(object_store::Error::Generic { store: "S3", source: "connection refused".into() });
        assert_eq!(offline.fate(), Fate::Retry { after: Duration::from_secs(5) });
        assert_eq!(offline.to_string(), "cannot read `s3://logs/a`");
        assert_eq!(
            store(object_store::Error::NotFound { path: "a".into(), source: "404".into() }).fate(),
            Fate::Reject
        );
        let read = |kind: io::ErrorKind| Error::Read { at: 7, source: kind.into() };
        assert_eq!(read(io::ErrorKind::PermissionDenied).fate(), Fate::Reject);
        assert_eq!(read(io::ErrorKind::ConnectionReset).fate(), offline.fate());
        let refused = |status, code: &str, retry_after| Error::Refused {
            call: "s3:GetObject".into(),
            status,
            code: code.into(),
            message: "m".into(),
            retry_after,
        };
        let after = |seconds| Fate::Retry { after: Duration::from_secs(seconds) };
        assert_eq!(refused(503, "SlowDown", None).fate(), after(5));
        assert_eq!(refused(401, "", None).to_string(), "`s3:GetObject` was refused with 401: m");
        assert_eq!(said("", ""), " and no word why");
        assert_eq!(said("AccessDenied", ""), " `AccessDenied`");
        assert_eq!(refused(400, "ThrottlingException", None).fate(), after(5));
        assert_eq!(refused(429, "", Some(Duration::from_secs(7))).fate(), after(7));
        assert_eq!(refused(403, "AccessDenied", None).fate(), after(60));
        // Tried again, but told at once.
        assert!(refused(403, "AccessDenied", None).is_lasting() && refused(401, "", None).is_lasting());
        assert!(Error::NoCredentials { problem: "p".into() }.is_lasting());
        assert!(!refused(403, RATE_LIMITED, None).is_lasting());
        assert!(!refused(403, "ExpiredToken", None).is_lasting());
        assert!(!refused(403, "", Some(Duration::from_secs(7))).is_lasting());
        assert!(!refused(404, "", None).is_lasting() && !offline.is_lasting());
        assert_eq!(Error::NotFound { path: "a/b".into() }.to_string(), "no file or folder `a/b`");
    }
}
