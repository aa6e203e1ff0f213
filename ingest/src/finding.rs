//! What a collector knows to be wrong with what it reads: events that are missing, evidence that was changed.

use std::ops::Range;

/// Something that a source found out about itself, beyond single records. It becomes an alert, once for each
/// source, kind and subject, in the transaction that saves the position it was handed over with.
///
/// The same finding may be handed over again: after a kill, or at each look. It is not for trouble of
/// reading, which is an error, and not for a single bad record, which is a reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFinding {
    /// What sort of thing was found.
    pub kind: FindingKind,
    /// What it is about: a partition and its offsets, an object's address, a list and a span of time. It is
    /// the finding's identity within the source, so it must be the same when it is found again. At most
    /// 1 KiB is told.
    pub subject: String,
    /// What happened and what may be done, in words, without secrets.
    pub detail: String,
    /// The time that it is about, in microseconds since 1970.
    pub span_us: Option<Range<i64>>,
}

/// What sort of thing a source found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// Events are missing that will not come by themselves: the service kept them no longer, an offset is
    /// gone, an object that is known of was deleted. An alert of severity high.
    Gap,
    /// What was stored is not what the service wrote. An alert of severity critical.
    Tampered,
}

impl FindingKind {
    /// The name in the API and in rules' names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Tampered => "tampered",
        }
    }
}
