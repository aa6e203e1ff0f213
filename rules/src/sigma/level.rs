//! Levels and states of a rule.

use std::fmt;

/// How bad a match is (Sigma `level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Tags events and makes no alert.
    Informational,
    /// Notable, rarely an incident.
    Low,
    /// Relevant, to be reviewed.
    Medium,
    /// Relevant, to be reviewed soon.
    High,
    /// An incident.
    Critical,
}

impl Level {
    /// From least to worst.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word in a rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The OCSF `severity_id`: 1 informational to 5 critical.
    pub fn severity_id(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }

    /// The level of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How ripe a rule is (Sigma `status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// For production.
    Stable,
    /// Nearly stable.
    Test,
    /// May be noisy.
    Experimental,
    /// Replaced or covered by another one.
    Deprecated,
    /// Cannot be used as it is.
    Unsupported,
}

impl Status {
    /// From ripe to useless.
    pub const ALL: [Self; 5] =
        [Self::Stable, Self::Test, Self::Experimental, Self::Deprecated, Self::Unsupported];

    /// The word in a rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Test => "test",
            Self::Experimental => "experimental",
            Self::Deprecated => "deprecated",
            Self::Unsupported => "unsupported",
        }
    }

    /// The status of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_severity_grows() {
        for (level, id) in Level::ALL.into_iter().zip(1..) {
            assert_eq!(Level::by_name(level.as_str()), Some(level));
            assert_eq!(level.severity_id(), id);
        }
        for status in Status::ALL {
            assert_eq!(Status::by_name(status.as_str()), Some(status));
        }
        assert_eq!(Level::by_name("High"), None);
    }
}
