//! Can a source work? What each step of such a check found.

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It works.
    Good,
    /// It does not work.
    Failed,
    /// It does not work, and is needed for other things than to read: a backfill, a proof.
    Spare,
    /// It could not be tried.
    Skipped,
}

/// One step of a check: credentials, then each permission that the source needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStep {
    /// What was tried.
    pub name: &'static str,
    /// How it went.
    pub outcome: CheckOutcome,
    /// What was found, or what the service says. Without secrets.
    pub detail: String,
    /// What to do about it; with a missing permission the statement or role that grants it. Empty where
    /// there is nothing to do.
    pub mend: String,
}
