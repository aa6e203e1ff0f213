//! Errors of this crate. None names a path, a header or a body: secrets lie there.

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy refuses the destination. Mend: name another, or have an administrator allow this one.
    #[error("`{destination}` is refused: {why}; to allow it, add `{allow}` to `egress.allow`")]
    Refused {
        /// Host and port.
        destination: String,
        /// What is wrong with it.
        why: String,
        /// The entry that would allow it.
        allow: String,
    },
    /// The address can never be sent to.
    #[error("the address is refused: {problem}")]
    BadAddress {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header's name or value has characters that a header cannot have.
    #[error("the header `{name}` cannot be sent; a value is printable and has one line")]
    BadHeader {
        /// Its name.
        name: String,
    },
    /// No connection, or it broke off.
    #[error("`{host}` cannot be reached: {problem}")]
    Unreachable {
        /// The host's name.
        host: String,
        /// What the network says.
        problem: String,
    },
    /// No answer in time.
    #[error("`{host}` did not answer in time")]
    TimedOut {
        /// The host's name.
        host: String,
    },
    /// An entry of `egress.allow` is none.
    #[error(
        "`{entry}` is no destination; use an address, a network such as 10.0.0.0/8, or a name, each with :PORT \
         for that port alone, and http:// before it for what goes without TLS"
    )]
    BadAllow {
        /// The entry as written.
        entry: String,
    },
    /// The policy cannot be put to work.
    #[error("`{field}`: {problem}")]
    BadPolicy {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether the same may go well later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. })
    }
}
