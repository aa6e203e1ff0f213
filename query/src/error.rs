//! Errors of this crate, in words for the analyst who asked.

use std::fmt;
use std::io;
use std::time::Duration;

use event::Fate;

/// Why a query was not answered, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The statement is wrong: its grammar, a name, a type, or a value that it met. Mend the statement.
    #[error("{}", Placed { message, line: *line, column: *column, hint: hint.as_deref() })]
    Sql {
        /// What is wrong.
        message: String,
        /// Line in the statement, from 1; 0 where no place is known.
        line: u32,
        /// Column in the line, from 1; 0 where no place is known.
        column: u32,
        /// What to write instead, where that can be guessed.
        hint: Option<String>,
    },
    /// The statement asks for what no query may do.
    #[error("{what} is not allowed; {mend}")]
    Forbidden {
        /// What it asks for.
        what: String,
        /// What to do instead.
        mend: String,
    },
    /// The query ran too long and was stopped.
    #[error(
        "the query was stopped after {} s; narrow it by `event_day` or `time`, or raise `query.timeout`",
        after.as_secs_f64()
    )]
    Timeout {
        /// How long it was allowed to run.
        after: Duration,
    },
    /// The query needs more memory than it may have.
    #[error("the query needs too much memory: {what}; {mend}")]
    MemoryLimit {
        /// Which limit was met, with its figure.
        what: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// The caller gave the query up.
    #[error("the query was cancelled")]
    Cancelled,
    /// As many queries run as may at once.
    #[error("{running} queries are running, as many as may at once; try again in {} s", retry_after.as_secs())]
    Busy {
        /// How many run.
        running: usize,
        /// The least time to wait.
        retry_after: Duration,
    },
    /// The answer could not be written out.
    #[error("the answer could not be written: {0}")]
    Write(#[from] io::Error),
    /// The answer has no form in the format asked for.
    #[error("the answer cannot be written as {format}: {problem}; cast the column to text")]
    Encode {
        /// The format.
        format: &'static str,
        /// What stands in the way.
        problem: String,
    },
    /// The store, or this program, failed; the statement is not to blame.
    #[error("the query failed: {0}")]
    Failed(String),
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What is to be done about it.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Busy { retry_after, .. } => Fate::Retry { after: *retry_after },
            Self::Write(_) | Self::Failed(_) => Fate::Stop,
            _ => Fate::Reject,
        }
    }

    /// A wrong statement, where the place is not known.
    pub(crate) fn sql(message: impl Into<String>) -> Self {
        Self::Sql { message: message.into(), line: 0, column: 0, hint: None }
    }

    pub(crate) fn forbidden(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Forbidden { what: what.into(), mend: mend.into() }
    }
}

/// A message with its place before it and its hint behind it.
struct Placed<'a> {
    message: &'a str,
    line: u32,
    column: u32,
    hint: Option<&'a str>,
}

impl fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(self.message)?;
        match self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_place_and_hint() {
        let error = Error::Sql {
            message: "column `usr_name` does not exist in `events`".into(),
            line: 1,
            column: 8,
            hint: Some("did you mean `user_name`?".into()),
        };
        assert_eq!(
            error.to_string(),
            "line 1, column 8: column `usr_name` does not exist in `events`; did you mean `user_name`?"
        );
        assert_eq!(error.fate(), Fate::Reject);
    }
}
