//! What is wrong with a channel's settings.

/// A setting that a channel cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}; {mend}")]
pub struct SettingProblem {
    /// The setting.
    pub field: &'static str,
    /// What is wrong, without secrets.
    pub problem: String,
    /// What to do.
    pub mend: String,
}

impl SettingProblem {
    /// A problem of `field`.
    pub fn new(field: &'static str, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { field, problem: problem.into(), mend: mend.into() }
    }
}
