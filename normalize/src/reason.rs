//! Why a record became no event.

use std::fmt;

use crate::json::{JsonError, MAX_DEPTH, MAX_KEYS, MAX_NUMBER_CHARS};

/// Why a record became no event; the dead letter keeps it as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are no JSON.
    NotJson,
    /// The bytes are no UTF-8.
    NotUtf8,
    /// Containers nest deeper than 64.
    TooDeep,
    /// The record is larger than 4 MiB, a line of text than 64 KiB, or holds a number of more than 64 characters.
    TooLarge,
    /// The record has more than 20,000 keys.
    TooManyKeys,
    /// The record is of none of the known log types.
    UnknownLogType,
    /// The record does not say when it happened.
    MissingTime,
    /// It does, but not in a way that makes sense, or outside the years 1970 to 2262.
    BadTime,
    /// A member that decides what the record is has the wrong JSON type.
    WrongType,
    /// The record is JSON, but no object.
    NotAnObject,
    /// A Pub/Sub envelope's `data` is no base64.
    BadBase64,
    /// The reader cut it off: a torn compressed stream, a line over the limit.
    TornInput,
    /// A line of a text log has not the fields that it should.
    MalformedLine,
    /// Our own mapping failed on it: a defect to report.
    MapperPanicked,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::NotJson,
        Self::NotUtf8,
        Self::TooDeep,
        Self::TooLarge,
        Self::TooManyKeys,
        Self::UnknownLogType,
        Self::MissingTime,
        Self::BadTime,
        Self::WrongType,
        Self::NotAnObject,
        Self::BadBase64,
        Self::TornInput,
        Self::MalformedLine,
        Self::MapperPanicked,
    ];

    /// The name in dead letters and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotUtf8 => "not_utf8",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::TooManyKeys => "too_many_keys",
            Self::UnknownLogType => "unknown_log_type",
            Self::MissingTime => "missing_time",
            Self::BadTime => "bad_time",
            Self::WrongType => "wrong_type",
            Self::NotAnObject => "not_an_object",
            Self::BadBase64 => "bad_base64",
            Self::TornInput => "torn_input",
            Self::MalformedLine => "malformed_line",
            Self::MapperPanicked => "mapper_panicked",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that became no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its index in the batch.
    pub record: usize,
    /// Why.
    pub reason: Reason,
    /// What exactly, and what to do about it.
    pub detail: String,
}

/// Why a mapping refused a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MapError {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl MapError {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<JsonError> for MapError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax { at, expected } => {
                Self::new(Reason::NotJson, format!("byte {at} of the record: expected {expected}"))
            }
            JsonError::TooDeep => {
                Self::new(Reason::TooDeep, format!("nested deeper than {MAX_DEPTH} levels"))
            }
            JsonError::TooManyKeys => Self::new(Reason::TooManyKeys, format!("more than {MAX_KEYS} keys")),
            JsonError::NumberTooLong { at } => Self::new(
                Reason::TooLarge,
                format!("the number at byte {at} has more than {MAX_NUMBER_CHARS} characters"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
